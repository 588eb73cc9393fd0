"""Of datasets and results of equal content there is one for all sessions, while one of them shows it."""

from __future__ import annotations

import gc
import shutil
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ase import Atoms

from meagraph.datasets import AtomicDataset
from meagraph.pipeline.analysis import Analysis
from meagraph.pipeline.config import PipelineConfig
from meaviz.jobs import opening, shared
from meaviz.jobs.shared import one_analysis, open_dataset
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from tests.support.jobs import AtOnce
from tests.support.results import survey_by_hand

RESULTS = ("dataset", "descriptors", "learned", "survey")


def analysis(dataset: AtomicDataset, config: PipelineConfig | None = None) -> Analysis:
    """Results of this dataset, made anew in each call, as those read from the cache are."""
    return Analysis(dataset, *survey_by_hand(dataset, {3: 1.2}))


def opened(path: Path) -> Session:
    """A session that has opened ``path`` and everything up to its map."""
    session = Session()
    Workflow(session, AtOnce(session)).open([path])
    return session


def test_two_sessions_of_a_file_hold_the_same_objects(
    write_dataset: Callable[..., Path],
    structures: tuple[Atoms, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """And none is held once both have gone."""
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(opening, "recall_analysis", analysis)
    path = write_dataset(structures)
    first, second = opened(path), opened(path)
    left = []
    for name in RESULTS:
        found = getattr(first.data, name)
        assert found is not None
        assert found is getattr(second.data, name), name
        left.append(weakref.ref(found))
    del first, second, found
    gc.collect()
    assert [ref() for ref in left] == [None] * len(RESULTS)


def test_an_open_file_is_not_read_again(
    write_dataset: Callable[..., Path], structures: tuple[Atoms, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_dataset(structures)
    first = open_dataset([path])
    with monkeypatch.context() as patch:
        patch.setattr(shared, "open_with_known", None)
        assert open_dataset([path]) is first


def test_a_file_with_other_bytes_or_read_in_another_way_is_another_dataset(
    write_dataset: Callable[..., Path], structures: tuple[Atoms, ...], tmp_path: Path
) -> None:
    """A copy elsewhere is one too, for a dataset says where it comes from; what is found in it is not."""
    named = [atoms.copy() for atoms in structures]
    for atoms, original in zip(named, structures, strict=True):
        atoms.calc, atoms.info["head"] = original.calc, "pbe"
    path = write_dataset(named)
    first = open_dataset([path])
    grouped = open_dataset([path], group_key="head")
    assert grouped is not first
    assert set(grouped.groups) != set(first.groups)

    copied = open_dataset([shutil.copy(path, tmp_path / "copy.extxyz")])
    assert copied is not first
    found, again = one_analysis(analysis(first)), one_analysis(analysis(copied))
    assert again.dataset is copied
    assert (again.descriptors, again.learned, again.survey) == (found.descriptors, found.learned, found.survey)

    write_dataset(named[:-1])
    assert open_dataset([path]).n_structures == first.n_structures - 1
    write_dataset(named)
    assert open_dataset([path]) is first


def test_equal_content_read_in_two_ways_is_one_dataset(
    write_dataset: Callable[..., Path], structures: tuple[Atoms, ...]
) -> None:
    path = write_dataset(structures)
    assert open_dataset([path]) is open_dataset([str(path)], group_key="config_type")


def test_results_of_other_settings_are_others(niobium: AtomicDataset) -> None:
    first, second = analysis(niobium), analysis(niobium)
    other = replace(second.survey, config=replace(second.survey.config, pooling_rate=0.25))
    assert one_analysis(first).survey is first.survey
    kept = one_analysis(replace(second, survey=other))
    assert kept.survey is other
    assert kept.learned is first.learned


def test_what_sessions_show_is_not_read_from_the_cache_again(
    write_dataset: Callable[..., Path],
    structures: tuple[Atoms, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """But for other settings it is, and once no session shows it any more."""
    asked: list[PipelineConfig] = []

    def recall(dataset: AtomicDataset, config: PipelineConfig) -> Analysis:
        asked.append(config)
        return analysis(dataset)

    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(opening, "recall_analysis", recall)
    path, other = write_dataset(structures), PipelineConfig(seed=7)
    sessions = [opened(path), opened(path)]
    assert asked == [PipelineConfig()]
    assert sessions[0].data.survey is sessions[1].data.survey is not None
    opening.open_files([path], other, lambda *at: None)
    assert asked == [PipelineConfig(), other]
    sessions.clear()
    gc.collect()
    sessions.append(opened(path))
    assert asked[2:] == [PipelineConfig()]
