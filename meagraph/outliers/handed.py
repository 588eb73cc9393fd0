"""Numbers that few hand on to many: of millions of environments most signals need no memory then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Handed(NDArrayOperatorsMixin):
    """What K structures or representatives hand on to N environments: an array (N,) that is made where it is asked for.

    Some ``rows`` of it are had at once; anything else that an array can do makes all of it.
    """

    each: NDArray[Any]  # (K,)
    of: NDArray[np.integer]  # (N,) which of them each environment has it from

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, rows: Any) -> Any:
        return self.each[self.of[rows]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.each[self.of], dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        arrays = (np.asarray(one) if isinstance(one, Handed) else one for one in inputs)
        return getattr(ufunc, method)(*arrays, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # nothing of Python's own: pickle and copy ask before there are fields
            raise AttributeError(name)
        if name == "shape":
            return self.of.shape
        return getattr(self.each if name == "dtype" else np.asarray(self), name)


def handed(each: NDArray[Any], of: NDArray[np.integer]) -> NDArray[Any]:
    """``each[of]`` (N,) of ``each`` (K,), which takes the place of an array until one is needed."""
    return cast(NDArray[Any], Handed(each, of))


def handed_by(values: Any) -> NDArray[np.integer] | None:
    """From which each has its own (N,) of what :func:`handed` made; None of an array."""
    return values.of if isinstance(values, Handed) else None
