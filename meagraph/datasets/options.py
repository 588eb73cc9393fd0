"""What a reader must be told that files do not say themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ase.data import atomic_numbers

from meagraph.datasets.dataset import DatasetError
from meagraph.datasets.units import UNITS

MAX_BYTES = 4 * 2**30
"""How much a compressed file or an archive may hold unless the caller says otherwise."""


@dataclass(frozen=True)
class ReadOptions:
    """Options of :func:`meagraph.datasets.read_dataset` that readers of formats heed.

    Raises :class:`DatasetError` for what is no element and for units that are not known.
    """

    elements: tuple[str, ...] = ()  # of type numbers, the lowest first
    units: str | None = None  # a name in UNITS; by default what the file says, or what its format usually has
    max_bytes: int = MAX_BYTES  # of one decompressed file, or of one archive's files together

    def __post_init__(self) -> None:
        strangers = [name for name in self.elements if atomic_numbers.get(name, 0) < 1]
        if strangers:
            raise DatasetError(
                f"Expected chemical elements, as in --elements Cu Ag, but {', '.join(map(repr, strangers))} "
                f"{'is none' if len(strangers) == 1 else 'are none'}. Name the element of each type in order, the "
                "files before them or the elements joined by commas."
            )
        if self.units is not None and self.units not in UNITS:
            raise DatasetError(f"Expected units among {', '.join(UNITS)}, but came {self.units!r}. Choose one.")
        if self.max_bytes < 1:
            raise DatasetError(f"Expected room for decompressed files, but came {self.max_bytes} bytes.")

    def symbols(self, types: Sequence[int], *, first: int, where: str) -> list[str]:
        """The element of each type number, the lowest of which is ``first``.

        Raises :class:`DatasetError` where the elements were not given, or too few.
        """
        used = sorted(set(types))
        if not used or (used[0] >= first and used[-1] - first < len(self.elements)):
            return [self.elements[number - first] for number in types]
        numbers = ", ".join(map(str, used[:12])) + (", ..." if len(used) > 12 else "")
        given = f"only {len(self.elements)} are named" if self.elements else "none are named"
        raise DatasetError(
            f"{where}: expected chemical elements, but atoms have the type numbers {numbers} there, and of their "
            f"elements {given}. Name the element of every type from {first} on, in order: --elements Cu Ag (in "
            'Python elements=("Cu", "Ag")).'
        )


def element_names(given: str | Sequence[str]) -> tuple[str, ...]:
    """Symbols from a list or a text, separated by spaces or commas."""
    texts = [given] if isinstance(given, str) else given
    return tuple(word for text in texts for word in text.replace(",", " ").split())
