"""Structures whose labels may be wrong: one environment of each, with the strongest reason."""

from __future__ import annotations

import numpy as np
import pytest

from meagraph.outliers import ALARM, Signal
from meagraph.outliers.suspects import suspects
from tests.support.made_up import session_of


def signal(name: str, rarity: dict[int, float]) -> Signal:
    values = np.zeros(100)
    values[list(rarity)] = list(rarity.values())
    return Signal(name, values, values, values, name + " {value:.0f}")


def test_a_structure_is_named_once_with_its_strongest_reason() -> None:
    data = session_of(100, 10).data.dataset
    found = suspects(
        [signal("one", {12: 8.0, 15: 20.0, 40: ALARM, 71: 6.9}), signal("other", {12: 30.0, 99: 9.0})], data
    )
    assert [(one.structure, one.environment, one.words) for one in found] == [
        (1, 12, "other 30"),
        (9, 99, "other 9"),
        (4, 40, "one 7"),
    ]
    assert [one.score for one in found] == pytest.approx([30 / ALARM, 9 / ALARM, 1.0])
    assert suspects([], data) == ()
    assert suspects([signal("one", {3: 1.0})], data) == ()
