"""What the app remembers of one browser session; it knows no widget."""

from meaviz.session.data import STEPS
from meaviz.session.levels import another_level, on_another_map
from meaviz.session.session import Session, cluster_name, with_unit

__all__ = ["STEPS", "Session", "another_level", "cluster_name", "on_another_map", "with_unit"]
