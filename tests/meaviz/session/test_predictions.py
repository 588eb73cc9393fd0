"""What the tab of predictions lists, and errors as properties of a session."""

from __future__ import annotations

import numpy as np
import pytest

from meagraph.predictions.quantities import compared
from meaviz.session import Session
from meaviz.session.filters import Filters
from meaviz.session.predictions import codes_of, figure, heads, part_of, part_rows, summary, worst_rows
from tests.support.made_up import session_of
from tests.support.predicted import errors_off


@pytest.fixture
def session() -> Session:
    made = session_of(600, 20)
    made.set_errors(errors_off(made.data.dataset))
    return made


def test_errors_are_properties_to_colour_search_and_filter_by(session: Session) -> None:
    properties, data = session.data.properties, session.data.dataset
    assert properties["force_error"].values[7] == pytest.approx(5.0)
    assert properties["energy_error"].values[40:60] == pytest.approx(0.4)
    assert properties["energy_predicted"].values - properties["energy"].values == pytest.approx(
        properties["energy_error"].values
    )
    assert "stress_error" not in properties  # nothing has a stress
    assert session.selection.search("force_error > 4") == 1
    assert "off by 5 eV/Å" in session.describe(7)["predicted"]
    session.appearance.colour_by = "force_error"
    assert data.n_environments == 600


def test_other_predictions_take_the_place_of_those_before(session: Session) -> None:
    """What they lack is no property any more, and nothing is filtered or coloured by it."""
    session.selection.set_filters(Filters(ranges=(("energy_error", 0.3, 1.0), ("force_error", 0.0, 9.0))))
    assert session.selection.shown.sum() == 20
    session.appearance.colour_by = "energy_error"
    session.set_errors(errors_off(session.data.dataset, energy=False))
    assert "energy_error" not in session.data.properties
    assert session.selection.filters.ranges == (("force_error", 0.0, 9.0),)
    assert session.selection.shown.all()
    assert session.appearance.colour_by == "cluster"


def test_another_dataset_has_no_errors(session: Session) -> None:
    session.set_dataset(session_of(200, 20).data.dataset)
    assert session.data.errors is None
    assert "force_error" not in session.data.properties


def test_parts_and_the_worst_as_rows(session: Session) -> None:
    forces, energy = (compared(session.data.errors, name) for name in ("forces", "energy"))
    codes, names = codes_of(session.data, "Group")
    first = part_rows(energy, codes, names)[0]  # structure 2 alone is off, in a group with 9, 16 and 23
    assert first["text"] == "group 2"
    assert first["cells"] == ["4", "200.0", "100.0", "400.0"]
    assert first["id"] == names.index("group 2")
    assert heads(energy) == ["meV/atom", "struct.", "RMSE", "MAE", "worst"]
    assert heads(forces)[:2] == ["meV/Å", "atoms"]
    worst = worst_rows(forces)
    assert (worst[0]["id"], worst[0]["mark"], worst[0]["count"]) == (7, "5,000", "Nb 7")
    assert worst[0]["text"] == "group 0 · frame 0"
    assert worst_rows(energy)[0]["count"] == "20 atoms"
    assert summary(energy) == f"RMSE {figure(400 / np.sqrt(30))}, MAE {figure(400 / 30)}, worst 400.0 meV/atom"


def test_all_kinds_of_parts_are_there(session: Session) -> None:
    for kind in ("Cluster", "Group", "Element", "Size"):
        codes, names = codes_of(session.data, kind)
        assert codes.min() >= 0
        assert codes.max() < len(names)
    bare = Session()
    bare.set_dataset(session.data.dataset)
    assert codes_of(bare.data, "Cluster") is None
    assert codes_of(bare.data, "Size")[1] == ["20 atoms"]


def test_the_part_that_a_selection_lies_in() -> None:
    codes = np.array([0, 1, 1, 2])
    assert part_of(codes, np.array([False, True, True, False])) == 1
    assert part_of(codes, np.array([True, True, False, False])) == -1
    assert part_of(codes, np.zeros(4, dtype=bool)) == -1


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.0123, "1.2e-02"), (0.123, "0.12"), (12.34, "12.3"), (12345.6, "12,346")]
)
def test_numbers_in_narrow_columns(value: float, text: str) -> None:
    assert figure(value) == text
