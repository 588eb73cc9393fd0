"""Colours of the atoms in 3D: by element as chemists know them, by whatever colours the map, or by the selection."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from meaviz.colours import COLOURINGS, colour
from meaviz.components.legend import colour_legend, element_legend
from meaviz.session import Session
from meaviz.style import Colouring, rgb24


def choices() -> dict[str, str]:
    """What atoms can be coloured by: title to name."""
    return {"Element": "element", **{title: name for name, (title, _) in COLOURINGS.items()}, "Selection": "selection"}


class AtomColours:
    """Colours all environments once, until something they depend on changes."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._name = ""
        self._colouring: Colouring | None = None

    def forget(self) -> None:
        """Colour anew the next time."""
        self._name, self._colouring = "", None

    def of(self, rows: NDArray[np.integer] | slice) -> tuple[NDArray[np.uint32] | None, dict[str, Any]]:
        """Colours 0xRRGGBB of environments, None for the elements' own, and the legend that explains them."""
        session, name = self._session, self._session.atoms_by
        assert session.dataset is not None
        if name == "element" or session.survey is None:
            return None, element_legend(session.dataset.numbers[rows])
        if self._colouring is None or self._name != name:
            self._name, self._colouring = name, self._colour(name)
        shown = self._colouring.rgba[rows]
        return rgb24(shown), colour_legend(self._colouring, shown)

    def _colour(self, name: str) -> Colouring:
        if name != "selection":
            return colour(self._session, name)
        codes = np.where(self._session.selection, 0, -1)
        return Colouring.categorical(codes, ["selected"], label="Selection", noise="not selected")
