"""Novelty: distances to what is known in units of its spacing, by hand; what plans add to what is covered."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.datasets.known import with_known
from meagraph.errors import MEAGraphError
from meagraph.evaluation.novelty import Novelty, find_novelty
from meagraph.graph.condensation import condense
from meagraph.latent.clustering import Clusters
from meagraph.pruning.plan import PruningPlan, prune, rank_environments
from meagraph.pruning.settings import PruningConfig

GRID = np.arange(-10, 11) / 1.0  # known, a spacing of 1: the eighth neighbour of an inner one lies 4 away


def on_a_line(new: list[list[float]], known: np.ndarray, groups: list[str]) -> tuple[AtomicDataset, np.ndarray]:
    """Structures of two environments each, at these places; the known ones two by two."""
    pairs = [known[k : k + 2] for k in range(0, len(known) - 1, 2)]

    def made(places: list, names: list[str]) -> AtomicDataset:
        found = []
        for one, name in zip(places, names, strict=True):
            atoms = Atoms(
                f"Nb{len(one)}", positions=np.outer(np.arange(len(one)), [3.0, 0, 0]) + np.array([one[0], 0, 0])
            )
            atoms.info["config_type"] = name
            found.append(atoms)
        return dataset_from_structures(found, allow_unlabelled=True)

    data = with_known(made(new, groups), made(pairs, ["old"] * len(pairs)))
    return data, np.concatenate([*(np.array(one) for one in new), *pairs])[:, None]


def novelty_of(new: list[list[float]], known: np.ndarray = GRID[:20], groups: list[str] | None = None) -> Novelty:
    data, points = on_a_line(new, known, groups or ["hot"] * len(new))
    return find_novelty(data, points, condense(points, epsilon=0.0))


def test_distance_over_the_spacing_of_the_known():
    # known at -10 ... 9; around 0 the eighth neighbour lies 4 away, at the end 9 the eighth lies 8 away. The spacings
    # are 8, 7, 6, 5 at either end and 4 between; their quantile of 0.95 is 8 - 0.05 x 19 ... here 8 itself or below
    found = novelty_of([[0.5, 0.0], [9.0, 25.0]])
    spacing = np.minimum(np.sort([8, 7, 6, 5] * 2 + [4] * 12), np.quantile([8, 7, 6, 5] * 2 + [4] * 12, 0.95))
    assert found.value[:4] == pytest.approx([0.5 / 4, 0.0, 0.0, 16 / spacing.max()])
    assert not found.value[4:].any()  # the known ones
    assert found.beyond.tolist() == [False, False, False, True] + [False] * 20
    assert found.share == 0.25


def test_a_lonely_known_one_does_not_reach_across_the_gap():
    known = np.concatenate([np.arange(40) / 1.0, [100.0, 100.0]])
    found = novelty_of([[90.0, 20.5]], known)
    # the eighth neighbour of the one at 100 lies 68 away: taken as it is, 90 would count as covered
    assert found.value[0] > 1.0
    assert found.value[1] == pytest.approx(0.5 / 4)


def test_copies_of_known_environments_are_known():
    points = np.random.default_rng(0).normal(size=60)
    found = novelty_of([[points[3], points[8]], [50.0, 51.0]], points)
    assert not found.value[:2].any()
    assert (found.value[2:4] > 1).all()


def test_twins_of_one_known_environment_have_no_spacing_of_their_own():
    found = novelty_of([[1.0, 1.0], [2.0, 1.0]], np.ones(4))
    assert found.value[[0, 1, 3]].tolist() == [0, 0, 0]
    assert found.value[2] > 1


def test_half_of_a_sample_is_hardly_new_to_the_other_half():
    rng = np.random.default_rng(3)
    places = rng.normal(size=2000)
    found = novelty_of(places[:1000].reshape(-1, 2).tolist(), places[1000:])
    assert found.share < 0.02
    shifted = novelty_of((places[:1000] + 20).reshape(-1, 2).tolist(), places[1000:])
    assert shifted.share > 0.99


def plan_of(found: Novelty, rows: list[int]) -> PruningPlan:
    keep = np.zeros(found.dataset.n_structures, dtype=bool)
    keep[rows] = True
    return PruningPlan(keep[found.dataset.structure_of], keep, keep & False, PruningConfig(), np.zeros(2, int))


def test_chosen_structures_cover_what_is_near_to_them():
    # the unit out there is that of the end of the known, 7 or so: 30 and 31 are one place, 60 is another
    found = novelty_of([[30.0, 30.5], [31.0, 0.0], [60.0, 60.5], [0.0, 1.0]])
    assert found.covered() == 3 / 8
    assert found.covered(plan_of(found, [0]).keep) == 6 / 8
    assert found.covered(plan_of(found, [0, 2]).keep) == 1.0
    assert found.covered(plan_of(found, [3]).keep) == 3 / 8  # adds nothing
    curve = found.along([plan_of(found, [0]), plan_of(found, [0, 2])])
    assert curve.structures.tolist() == [0, 1, 2]
    assert curve.environments.tolist() == [0, 2, 4]
    assert curve.covered.tolist() == [3 / 8, 6 / 8, 1.0]


def test_covering_plans_cover_more_than_the_known():
    data, points = on_a_line([[30.0, 30.5], [0.1, 0.2], [60.0, 60.5], [0.0, 1.0]], GRID[:20], ["a"] * 4)
    condensed = condense(points, epsilon=0.0)
    clusters = Clusters(np.zeros(len(points), dtype=np.int64), np.array([len(points)]), "by hand")
    config = PruningConfig(selector="fps", number=2, unit="structures")
    ranking = rank_environments(clusters, points, condensed, selector="fps", known=data.known_environments)
    plan = prune(ranking, clusters, data, config)
    assert np.flatnonzero(plan.structures).tolist() == [0, 2]
    assert find_novelty(data, points, condensed).covered(plan.keep) == 1.0


def test_groups_and_structures_are_ranked_by_what_is_new():
    found = novelty_of([[30.0, 0.0], [0.1, 0.2], [60.0, 60.5]], groups=["hot", "cold", "hot"])
    summary = found.by_group()
    assert summary.names == ("hot", "cold")
    assert summary.beyond.tolist() == [3, 0]
    assert summary.environments.tolist() == [4, 2]
    assert summary.structures.tolist() == [2, 1]
    assert found.ranked.tolist() == [2, 0, 1]
    assert found.beyond_in.tolist()[:3] == [1, 0, 2]
    table = found.to_dataframe("structures")
    assert table.index.tolist() == [2, 0, 1]
    assert table["new"].tolist() == [2, 1, 0]
    assert found.to_dataframe("groups")["new"].to_dict() == {"hot": 3, "cold": 0}
    assert len(found.to_dataframe("environments")) == 6
    with pytest.raises(MEAGraphError, match="environments, structures, groups"):
        found.to_dataframe("atoms")
    assert "hot" in summary.table().rows[0]
    assert "beyond what is known" in str(found)


def test_novelty_needs_something_known():
    data = dataset_from_structures([Atoms("Nb2", positions=np.eye(2, 3) * 9)] * 2, allow_unlabelled=True)
    points = np.arange(4.0)[:, None]
    with pytest.raises(MEAGraphError, match="--known"):
        find_novelty(data, points, condense(points, epsilon=0.0))
