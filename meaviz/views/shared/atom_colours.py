"""Colours of the atoms in 3D: by element as chemists know them, by whatever colours the map, or by the selection."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from meaviz.components.viewer.legend import colour_legend, element_legend
from meaviz.session import Session
from meaviz.session.appearance import DENSITY, ELEMENT
from meaviz.style.palette import Colouring, rgb24
from meaviz.views.shared.colours import choices as of_the_map
from meaviz.views.shared.colours import colour


def choices(session: Session) -> dict[str, dict[str, str]]:
    """What atoms can be coloured by: group of choices to title to name."""
    groups = {title: dict(pairs) for title, pairs in of_the_map(session).items()}
    usual = groups.pop("Often used", {})
    usual = {"Element": ELEMENT, **{title: name for title, name in usual.items() if name != ELEMENT}}
    if usual.keys() != {"Element"}:
        usual["Selection"] = "selected"
    return {"Often used": usual, **groups}


class AtomColours:
    """Colours all environments once, until something they depend on changes."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._name = ""
        self._colouring: Colouring | None = None

    def forget(self) -> None:
        """Colour anew the next time."""
        self._name, self._colouring = "", None

    def of(self, *structures: int) -> tuple[NDArray[Any] | None, dict[str, Any]]:
        """Colours 0xRRGGBB of the structures' atoms, None for the elements' own, and the legend that explains them."""
        session, data, name = self._session, self._session.data, self._session.appearance.atoms_by
        assert data.dataset is not None
        first, *others = (data.dataset.rows_of(structure) for structure in structures)
        rows = [row for one in (first, *others) for row in range(one.start, one.stop)] if others else first
        known = data.sight is not None and (name == DENSITY or name in (data.properties or ()))
        if name == ELEMENT or not known:
            return None, element_legend(data.dataset.numbers[rows])
        if self._colouring is None or self._name != name:
            self._name, self._colouring = name, colour(session, name)
        shown = self._colouring.rgba[rows]
        return rgb24(shown), colour_legend(self._colouring, shown)
