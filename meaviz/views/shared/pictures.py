"""Small pictures of a session's environments."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from meagraph.inspection.thumbnails import thumbnail_svg
from meaviz.session import Session
from meaviz.style.palette import theme


def picture(session: Session, row: int, size: int, colors: NDArray[Any] | None = None) -> str:
    """The environment ``row`` within the descriptor's cutoff as an SVG of ``size`` pixels, on the page's ground.

    ``colors`` (n,) 0xRRGGBB are of the atoms of its structure; None gives the elements' own.
    """
    data, descriptors = session.data.dataset, session.data.descriptors
    assert data is not None
    assert descriptors is not None
    return thumbnail_svg(
        data.structures[int(data.structure_of[row])],
        int(data.atom_of[row]),
        descriptors.cutoff,
        colors,
        size,
        background=theme(session.appearance.dark).raised,
    )
