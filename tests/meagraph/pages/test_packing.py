"""Numbers in a page: as exact as is promised, and JSON that HTML cannot be broken with."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meagraph.pages.packing import STEPS, counted_up, json_in_html, packed, quantised, unpacked

NUMBERS = st.floats(-1e9, 1e9, allow_nan=False)


@given(st.lists(NUMBERS | st.just(np.nan), max_size=40))
def test_quantised_numbers_are_off_by_half_a_step_at_most(values: list[float]) -> None:
    given_, found = np.array(values), unpacked(quantised(values))
    known = np.isfinite(given_)
    assert (np.isfinite(found) == known).all()
    if known.any():
        step = np.ptp(given_[known]) / STEPS
        assert (
            np.abs(found[known] - given_[known]).max() <= 0.5 * step * (1 + 1e-6) + 1e-12 * np.abs(given_[known]).max()
        )


@pytest.mark.parametrize(("most", "kind"), [(0, "u1"), (255, "u1"), (256, "u2"), (65_535, "u2"), (65_536, "u4")])
def test_integers_take_as_few_bytes_as_they_need(most: int, kind: str) -> None:
    stored = counted_up([0, most])
    assert stored["type"] == kind
    assert unpacked(stored).tolist() == [0, most]


def test_integers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 255"):
        packed([256], "u1")
    with pytest.raises(ValueError, match="from 0 to 65535"):
        packed([-1], "u2")


@given(st.text(max_size=60))
def test_json_stays_inside_its_element(text: str) -> None:
    class Reader(HTMLParser):
        tags: tuple[str, ...] = ()
        words = ""

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.tags = (*self.tags, tag)

        def handle_data(self, data: str) -> None:
            self.words += data

    content = [text, "</script><script>alert(1)</script><!--"]
    reader = Reader()
    reader.feed(f'<script type="application/json">{json_in_html(content)}</script>')
    reader.close()
    assert reader.tags == ("script",)
    assert json.loads(reader.words) == content
