"""What the app remembers of one browser session; it knows no widget."""

from meaviz.session.data import STEPS
from meaviz.session.session import Session, cluster_name, with_unit

__all__ = ["STEPS", "Session", "cluster_name", "with_unit"]
