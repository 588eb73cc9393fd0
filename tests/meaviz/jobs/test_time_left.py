"""Time left: silent at first, right for a steady job, quick to follow one that changes its speed."""

from __future__ import annotations

import pytest

from meaviz.jobs.time_left import TimeLeft, in_words


def test_steady_job() -> None:
    left = TimeLeft()
    left.restart(100.0)
    assert left.report(0.0, 101.0) is None
    assert left.report(0.02, 102.0) is None  # too early
    assert left.report(0.05, 105.0) == pytest.approx(95.0)
    assert left.report(0.5, 150.0) == pytest.approx(50.0)
    assert left.report(1.0, 200.0) == pytest.approx(0.0)


def test_a_slow_second_stage_is_noticed() -> None:
    """Half in 10 s, then a tenth of that speed: after a while the estimate is that of the second stage."""
    left = TimeLeft()
    left.restart(0.0)
    for second in range(1, 11):
        left.report(0.05 * second, float(second))
    for second in range(1, 41):
        seconds = left.report(0.5 + 0.005 * second, 10.0 + second)
    assert seconds == pytest.approx((1 - 0.7) / 0.005, rel=0.05)  # 60 s; the mean speed would say 21 s


def test_a_stall_makes_it_longer() -> None:
    left = TimeLeft()
    left.restart(0.0)
    for second in range(1, 11):
        before = left.report(0.05 * second, float(second))
    after = left.report(0.5, 20.0)
    assert before is not None
    assert after is not None
    assert after > before


def test_a_new_job_forgets_the_old_one() -> None:
    left = TimeLeft()
    left.restart(0.0)
    left.report(0.9, 10.0)
    left.restart(20.0)
    assert left.report(0.01, 21.0) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (3.0, "a few seconds left"),
        (12.4, "about 10 s left"),
        (43.0, "about 40 s left"),
        (170.0, "about 3 min left"),
        (5400.0 * 1.5, "about 2.2 h left"),
    ],
)
def test_words(seconds: float | None, words: str) -> None:
    assert in_words(seconds) == words
