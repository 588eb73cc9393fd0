"""The tab *Export*: what it offers."""

from __future__ import annotations

from meagraph.exports.weights import SCHEMES
from meaviz.views.export import WEIGHTS


def test_every_scheme_of_weights_is_offered() -> None:
    assert set(WEIGHTS.values()) == {"", *SCHEMES}
