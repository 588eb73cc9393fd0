"""Conditions on columns: against NumPy written by hand, against pandas, and nothing that is code."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meagraph.inspection.conditions import LONGEST, ExpressionError, evaluate, names_in

COLUMNS = {
    "fmax": np.array([1.0, 6.0, np.nan, 9.0]),
    "n": np.array([1.0, 2.0, 3.0, 4.0]),
    "group": np.array(["liquid", "bcc", "liquid", "liquid"]),
    "flag": np.array([True, False, True, False]),
}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("fmax > 5", [0, 1, 0, 1]),
        ('fmax > 5 and group == "liquid"', [0, 0, 0, 1]),
        ("not fmax > 5", [1, 0, 1, 0]),
        ("fmax <= 5", [1, 0, 0, 0]),
        ("1 < n <= 3", [0, 1, 1, 0]),
        ("n in [1, 4]", [1, 0, 0, 1]),
        ("group not in ('bcc', 'x')", [1, 0, 1, 1]),
        ("group != 'liquid' or n == 1", [1, 1, 0, 0]),
        ("(fmax > 5) & (n < 3) | (n == 3)", [0, 1, 1, 0]),
        ("abs(n - 2.5) > 1", [1, 0, 0, 1]),
        ("n ** 2 - 1 >= 3 * n - 1", [0, 0, 1, 1]),
        ("isnan(fmax)", [0, 0, 1, 0]),
        ("flag and n < 3", [1, 0, 0, 0]),
        ("-n < -2", [0, 0, 1, 1]),
        ("True", [1, 1, 1, 1]),
    ],
)
def test_conditions_mean_what_they_say(text: str, wanted: list[int]) -> None:
    assert evaluate(text, COLUMNS, 4).tolist() == [bool(one) for one in wanted]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "not understood"),
        ("fmax >", "not understood"),
        ("fmax = 5", "not understood"),
        ("force > 5", "no property 'force'"),
        ("fmaxx > 5", "Did you mean fmax"),
        ("group == liquid", "no property 'liquid'"),
        ("group > 5", "cannot be compared"),
        ("group + 1 > 2", "is text"),
        ("fmax", "no condition"),
        ("fmax and n", "no condition"),
        ("n in 3", "comes a list"),
        ("n is 3", "not allowed"),
        ("__import__('os').system('true')", "not allowed"),
        ("n.real > 1", "not allowed"),
        ("[x for x in n] == 1", "not allowed"),
        ("(lambda: 1)() > 0", "not allowed"),
        ("n[0] > 1", "not allowed"),
        ("open('x') == 1", "not allowed"),
        ("n > 1 " * LONGEST, "characters"),
        ("(" * 500 + "n" + ")" * 500, "not understood"),
        ("\0", "not understood"),
    ],
)
def test_what_is_no_condition_is_refused_with_a_reason(text: str, word: str) -> None:
    with pytest.raises(ExpressionError, match=word):
        evaluate(text, COLUMNS, 4)


def test_numbers_do_not_grow_without_limit() -> None:
    assert not evaluate("9 ** 9 ** 9 ** 9 < 1", COLUMNS, 4).any()


def test_only_named_columns_are_looked_up() -> None:
    assert names_in("abs(fmax) > 5 and group == 'n'") == {"fmax", "group"}


NUMBERS = st.floats(-9, 9).map(lambda value: round(value, 1))
COMPARISON = st.builds(
    "{} {} {}".format, st.sampled_from("ab"), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), NUMBERS
)
CONDITION = st.recursive(
    COMPARISON,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("(not ({}))".format, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(CONDITION, st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8))
def test_agrees_with_pandas(text: str, rows: list[tuple[float, float]]) -> None:
    table = pd.DataFrame(rows, columns=["a", "b"])
    ours = evaluate(text, {name: table[name].to_numpy() for name in table}, len(table))
    assert ours.tolist() == table.eval(text, engine="python").to_numpy().tolist()
