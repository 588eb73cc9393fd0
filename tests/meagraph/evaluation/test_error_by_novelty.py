"""Errors that grow with novelty, that do not, and that do the opposite; bins counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from meagraph.errors import MEAGraphError
from meagraph.evaluation.error_by_novelty import error_by_novelty


def test_an_error_that_grows_with_novelty_is_found_whatever_its_scale() -> None:
    novelty = np.arange(100.0)
    found = error_by_novelty(np.exp(novelty / 10.0), novelty)
    assert found.correlation == pytest.approx(1.0)
    assert found.sentence.startswith("Yes")
    assert found.novelty.tolist() == [9.5, 29.5, 49.5, 69.5, 89.5]
    assert found.factor > 1000.0


def test_bins_hold_what_was_put_into_them() -> None:
    """The most novel of five fifths has errors of 3, the others of 1: 9 of 13 parts of the squared error."""
    novelty = np.repeat([5.0, 1.0, 2.0, 3.0, 4.0], 20)
    error = np.where(novelty == 5.0, 3.0, 1.0)
    found = error_by_novelty(error, novelty)
    assert found.error.tolist() == [1.0, 1.0, 1.0, 1.0, 3.0]
    assert found.share == pytest.approx([1 / 13] * 4 + [9 / 13])
    assert found.factor == 3.0
    # ranks of the errors: 80 of 40.5, 20 of 90.5; of novelty 10.5, 30.5 to 90.5: by hand 1/sqrt(2)
    assert found.correlation == pytest.approx(1 / np.sqrt(2))
    assert "69 % of the squared error, 3 times" in found.sentence


def test_no_and_the_opposite() -> None:
    novelty = np.tile(np.arange(50.0), 2)
    none = error_by_novelty(np.repeat([1.0, 2.0], 50), novelty)
    assert none.correlation == pytest.approx(0.0, abs=1e-12)
    assert none.sentence.startswith("No: the error is not")
    opposite = error_by_novelty(60.0 - novelty, novelty)
    assert opposite.correlation == pytest.approx(-1.0)
    assert "where the data is dense" in opposite.sentence


def test_what_is_unknown_does_not_count() -> None:
    novelty, error = np.arange(100.0), np.arange(100.0)
    error[:10], novelty[90:] = np.nan, np.inf
    found = error_by_novelty(error, novelty)
    assert found.environments == 80
    assert found.correlation == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("error", "novelty", "why"),
    [
        (np.arange(49.0), np.arange(49.0), "fewer than 50"),
        (np.ones(60), np.arange(60.0), "constant"),
        (np.arange(60.0), np.ones(60), "constant"),
    ],
)
def test_where_nothing_can_be_said_nothing_is(error: np.ndarray, novelty: np.ndarray, why: str) -> None:
    found = error_by_novelty(error, novelty)
    assert np.isnan(found.correlation)
    assert why in found.sentence
    assert found.figures()["correlation"] is None


def test_shapes_must_agree() -> None:
    with pytest.raises(MEAGraphError, match="one error and one novelty"):
        error_by_novelty(np.ones(60), np.ones(61))
