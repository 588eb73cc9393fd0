"""Values come back as they were, kind by kind; nothing else can be made from a project's files."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meagraph.latent.clustering import Clusters
from meagraph.outliers.handed import Handed, handed
from meagraph.pipeline.config import PipelineConfig
from meagraph.pruning.settings import PruningConfig
from meaviz.projects import layout
from meaviz.projects.kinds import KINDS
from meaviz.projects.layout import Layout, file_of
from meaviz.projects.records import fits
from meaviz.session.filters import Filters

VALUES = [
    None,
    True,
    -3,
    2**80,
    0.1,
    math.inf,
    "a \u2713 \udc80 b",
    b"",
    bytes(range(256)) * 8,
    (1, (2.5, "x"), ()),
    [1, [2]],
    {"a": 1, 3: (4,)},
    PruningConfig(keep=0.3, fractions={3: 0.5}),
    PipelineConfig(widths=(7, 5), seed=3),
    Filters(ranges=(("force", 0.0, 2.0),), choices=(("group", ("a", "")),), condition="fmax > 5"),
]


def there_and_back(folder: Path, value: Any, known: dict[str, Any] | None = None) -> Any:
    writer = Layout(folder)
    name = writer.put(value, known or {})
    writer.put_state({"one": {"record": name}})
    reader = Layout(folder)
    return reader.get(reader.state()["one"]["record"], known or {})


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_come_back_as_they_were(tmp_path: Path, value: Any) -> None:
    found = there_and_back(tmp_path, value)
    assert found == value
    assert type(found) is type(value)


def test_numbers_handed_on_come_back_so_and_never_from_beyond_their_end(tmp_path: Path) -> None:
    given = handed(np.array([0.5, 2.0, np.nan]), np.arange(600) % 3)
    found = there_and_back(tmp_path / "a", given)
    assert isinstance(found, Handed)
    np.testing.assert_array_equal(found, given)
    with pytest.raises(ValueError, match="'of'"):
        there_and_back(tmp_path / "b", handed(np.array([0.5]), np.array([0, 1])))


def test_not_a_number_comes_back(tmp_path: Path) -> None:
    assert math.isnan(there_and_back(tmp_path, math.nan))
    assert "NaN" not in next((tmp_path / "records").iterdir()).read_text()


@pytest.mark.parametrize("size", [0, 3, 5000])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_, np.int8, "<U3"])
def test_arrays_come_back_and_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, dtype: Any
) -> None:
    array = (np.arange(size * 2) % 5).astype(dtype).reshape(size, 2)
    found = there_and_back(tmp_path, array)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    if size:
        monkeypatch.setattr(layout, "MAPPED", 1)
        again = there_and_back(tmp_path, array)
        again[0, 0] = again[1, 1]  # compiled loops know arrays that can be written
        monkeypatch.undo()
        np.testing.assert_array_equal(there_and_back(tmp_path, array), array)


@pytest.mark.parametrize("part", ["arrays", "records"])
def test_damage_is_noticed(tmp_path: Path, part: str) -> None:
    name = Layout(tmp_path).put((np.arange(1000.0), 1), {})
    (path,) = (tmp_path / part).iterdir()
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not what was written"):
        Layout(tmp_path).get(name, {})


def test_what_several_results_share_is_one_again(tmp_path: Path) -> None:
    shared = Clusters(np.arange(1000) % 3, np.array([334, 333, 333]), "hierarchy")
    first, second = there_and_back(tmp_path, (shared, shared))
    assert first is second
    assert len(list((tmp_path / "arrays").iterdir())) == 1


def test_what_is_known_is_not_written(tmp_path: Path) -> None:
    known = {"dataset": object()}
    assert there_and_back(tmp_path, (known["dataset"], 1), known)[0] is known["dataset"]


def test_objects_cannot_be_put_in(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="cannot hold"):
        Layout(tmp_path).put(object(), {})
    with pytest.raises(TypeError, match="array of object"):
        Layout(tmp_path).put(np.array([object()] * 1000), {})
    assert not list(tmp_path.rglob("*.npy"))


def test_a_file_is_known_again_only_where_all_of_it_is_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(10.0))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert file_of(mapped) == tmp_path / "a.npy"
    assert file_of(np.asarray(mapped)) == tmp_path / "a.npy"
    assert file_of(mapped[1:]) is None
    assert file_of(mapped[::-1]) is None
    assert file_of(np.arange(10.0)) is None


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (3, float, True),
        (True, int, False),
        ("3", int, False),
        (None, int | None, True),
        ((1, 2), tuple[int, ...], True),
        ((1, "2"), tuple[int, ...], False),
        ((1.0, 2.0, 3.0), tuple[float, float], False),
        ({"a": 1}, dict[str, int], True),
        ({"a": "1"}, dict[str, int], False),
        ([1], tuple[int, ...], False),
    ],
)
def test_types_of_fields_are_checked(value: Any, hint: Any, expected: bool) -> None:
    assert fits(value, hint) is expected


def test_no_kind_has_a_field_that_means_something_else() -> None:
    for name, kind in KINDS.items():
        assert kind.__name__ == name
        assert "class" not in {one.name for one in fields(kind)}


def test_a_record_of_its_own_text_is_one_file(tmp_path: Path) -> None:
    one = Layout(tmp_path)
    assert one.put((1, 2), {}) == one.put((1, 2), {})
    (record,) = (tmp_path / "records").iterdir()
    assert json.loads(record.read_text()) == [1, 2]
