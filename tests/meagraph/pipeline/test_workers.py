"""One analysis for any number of workers: descriptors, labels, scores, plan and exported bytes are the same."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest

import meagraph as mg
from meagraph.descriptors import filling
from meagraph.exports import frames
from meagraph.force_field import observing
from meagraph.force_field.observing import observe
from meagraph.graph import distinct, nets
from meagraph.graph.condensation import scaled_rows
from meagraph.inspection import phases
from meagraph.latent import nodes
from meagraph.latent.clustering import NOISE, Clusters
from meagraph.outliers import alike, means
from meagraph.outliers.scoring import score_seen
from meagraph.pipeline.describing import describe_for, describe_usable
from meagraph.pipeline.learning import condense_for
from meagraph.workers.clients import workers_of
from tests.support.finished import CONFIG
from tests.support.structures import niobium_structures


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small that the few structures make many of them at every stage."""
    for room, name, value in (
        (filling, "CHUNK", 12),
        (filling, "TOGETHER", 2),
        (observing, "CHUNK", 10),
        (observing, "REPORT", 10),
        (distinct, "CHUNK", 30),
        (nets, "ROWS", 25),
        (nets, "MERGED", 40),
        (nodes, "BLOCK", 20),
        (nodes, "DRAWN", 30),
        (means, "CHUNK", 25),
        (means, "ENVIRONMENTS", 10),
        (alike, "CHUNK", 4),
        (alike, "BLOCK", 3),
        (frames, "CHUNK", 1500),
        (phases, "CHUNK", 12),
    ):
        monkeypatch.setattr(room, name, value)


def outcome(path: Path, folder: Path, client: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("MEAVIZ_CACHE", str(folder / "cache"))
    config = replace(CONFIG, budget=20)
    found = mg.analyse(path, config=config, client=client)
    plan = mg.prune(found, keep=0.4)
    mg.export(found, plan, folder / "out", client=client)
    assert not list((folder / "cache" / "tasks").glob("*")), "what was shared is removed"
    survey = found.survey
    return {
        "descriptors": found.descriptors.values,
        "representatives": found.learned.condensed.representatives,
        "assignment": found.learned.condensed.assignment,
        "distance": found.learned.condensed.distance,
        "nodes": np.array([]) if survey.embedding.nodes is None else survey.embedding.nodes.nearest,
        "labels": survey.clusters.labels,
        "map": survey.projection.xy,
        "scores": survey.outliers.score,
        "signals": np.stack([signal.value for signal in survey.outliers.signals]),
        "rarities": np.stack([signal.rarity for signal in survey.outliers.signals]),
        "kept": plan.keep,
        **vars(found.evidence.phases),
        "exported": (folder / "out" / "niobium-kept.extxyz").read_bytes(),
    }


@pytest.mark.usefixtures("small_chunks")
def test_the_same_analysis_for_any_number_of_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    structures = list(niobium_structures())
    structures.append(structures[2])  # a copy, which is described once
    path = tmp_path / "niobium.extxyz"
    ase.io.write(path, structures, format="extxyz")
    here = outcome(path, tmp_path / "0", None, monkeypatch)
    assert len(here["representatives"]) == 20
    assert len(here["nodes"])  # the representatives are a coarse net, as of a large dataset
    for count in (1, 3):
        with ThreadPoolExecutor(count) as executor:
            there = outcome(path, tmp_path / str(count), executor, monkeypatch)
        for name, value in here.items():
            np.testing.assert_array_equal(there[name], value, err_msg=name)


@pytest.mark.usefixtures("small_chunks")
def test_the_heavy_stages_are_the_same_for_one_two_and_three_workers_and_where_they_die(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = mg.from_atoms(niobium_structures())

    def stages(client: Any, folder: str) -> list[np.ndarray]:
        monkeypatch.setenv("MEAVIZ_CACHE", str(tmp_path / folder))
        crew = workers_of(client)
        found = describe_for(dataset, CONFIG, None, workers=crew)
        condensed = condense_for(dataset, found, replace(CONFIG, budget=20), workers=crew)
        nobody = Clusters(np.full(dataset.n_environments, NOISE), np.zeros(0, dtype=np.int64), "")
        with crew.within("survey", {}) as workers:
            seen = observe(dataset, workers=workers)
            scored = score_seen(scaled_rows(found.own), condensed, nobody, dataset, seen, workers=workers)
        rarities = [np.asarray(signal.rarity) for signal in scored.signals]
        net = [condensed.representatives, condensed.assignment, condensed.distance]
        return [found.values, *net, seen.features, scored.score, *rarities]

    here = stages(None, "0")
    crews = {
        "one": ThreadPoolExecutor(1),
        "two": ThreadPoolExecutor(2),
        "three": ThreadPoolExecutor(3),
        "die": Mortal(2),
    }
    for name, executor in crews.items():
        with executor:
            for one, two in zip(here, stages(executor, name), strict=True):
                np.testing.assert_array_equal(two, one)
            if isinstance(executor, Mortal):
                assert executor.died == {means.moments_of, means.means_of, alike.nearest_sampled}


class KilledWorker(Exception):
    """As Dask calls it."""


class Mortal(ThreadPoolExecutor):
    """Workers that die of the first chunk of each function of the outliers, and of no other."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.died = set[Any]()

    def submit(self, task: Any, /, chunk: Any, **options: Any) -> Future[Any]:  # type: ignore[override]
        function = task.function.func
        if function.__module__.startswith("meagraph.outliers") and function not in self.died:
            self.died.add(function)
            future: Future[Any] = Future()
            future.set_exception(KilledWorker())
            return future
        return super().submit(task, chunk, **options)


class Deadly(ThreadPoolExecutor):
    """Workers that die of every chunk with the structure of index 4, wherever it has moved to."""

    cell = niobium_structures()[4].cell.array

    def submit(self, task: Any, /, chunk: Any, **options: Any) -> Future[Any]:  # type: ignore[override]
        def work(chunk: Any) -> Any:
            function = task.function
            if function.func is filling.describe_chunks:
                cells = function.args[0].structures.cells[np.concatenate(chunk)]
                if np.isclose(cells, self.cell).all(axis=(1, 2)).any():
                    raise MemoryError
            return task(chunk)

        return super().submit(work, chunk, **options)


@pytest.mark.usefixtures("small_chunks")
def test_a_chunk_that_kills_its_workers_is_named_and_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEAVIZ_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "niobium.extxyz"
    ase.io.write(path, niobium_structures(), format="extxyz")
    with Deadly(2) as client:
        with pytest.raises(mg.MEAGraphError, match=r"niobium\.extxyz, frames 4 to 5 .*its worker ran out of memory"):
            mg.analyse(path, config=CONFIG, client=client)
        dataset, found = describe_usable(mg.read(path), CONFIG, None, on_error="quarantine", workers=workers_of(client))
    assert [frame.frame for frame in dataset.quarantined] == [4, 5]
    assert "its worker ran out of memory" in dataset.quarantined[0].cause
    assert dataset.n_structures == 10
    np.testing.assert_array_equal(found.values, describe_for(dataset, CONFIG, None, cache=False).values)
