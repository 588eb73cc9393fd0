"""What a field for paths offers: the files and folders that the session may open."""

from __future__ import annotations

from meaviz.components.path_field import Offer
from meaviz.session.places import Places


def complete(places: Places, text: str) -> tuple[list[Offer], int]:
    """The completions of ``text``, and how many more there are."""
    found = places.completions(text)
    return [Offer(one.name + "/" * one.folder, one.path, one.folder) for one in found.entries], found.more
