"""Projects: the whole of a session in a folder ``name.meaviz``, saved by itself, opened without computing."""

from meaviz.projects.layout import SUFFIX, is_project

__all__ = ["SUFFIX", "is_project"]
