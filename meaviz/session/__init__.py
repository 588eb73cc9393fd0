"""What the app remembers of one browser session; it knows no widget."""

from meaviz.session.data import STEPS
from meaviz.session.session import Session, another_level, cluster_name, on_another_map, with_unit

__all__ = ["STEPS", "Session", "another_level", "cluster_name", "on_another_map", "with_unit"]
