"""Names of clusters against counts made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset, from_atoms
from meagraph.inspection.evidence import gather, group_words
from meagraph.inspection.naming import Evidence, Kind
from meagraph.inspection.phases import PHASES, Phases
from meagraph.latent.clustering import Clusters


def clusters(labels: list[int]) -> Clusters:
    found = np.array(labels)
    return Clusters(found, np.bincount(found[found >= 0]), "made up")


def blank(n: int, **columns: NDArray[np.generic] | list[float]) -> Phases:
    """Unresolved places of which nothing is known, but for these ``columns``."""
    known = {
        "phase": np.zeros(n),
        "polyhedron": np.zeros(n),
        "spacing": np.full(n, np.nan),
        "lopsided": np.full(n, np.nan),
        "ordered": np.full(n, np.nan),
        "coordination": np.zeros(n),
    } | columns
    whole = ("phase", "polyhedron", "coordination")
    return Phases(
        **{name: np.asarray(values, np.int8 if name in whole else np.float32) for name, values in known.items()}
    )


def told_by(words: tuple[str, ...], codes: list[int], *more: Kind) -> Evidence:
    nothing = Kind(np.zeros(len(codes), dtype=np.int64), ())
    return Evidence((Kind(np.array(codes), words), *more), nothing, blank(len(codes)))


def test_a_word_is_taken_that_holds_for_most_and_is_rarer_elsewhere() -> None:
    found = told_by(("fcc", "hcp"), [0, 0, 0, 1, 1, 1, 1, 0])
    assert found.names(clusters([0, 0, 0, 0, 1, 1, 1, 1])) == ("fcc", "hcp")


def test_a_word_that_holds_for_half_is_not_taken() -> None:
    found = told_by(("fcc", "hcp"), [0, 0, 1, 1, 1, 1, 1, 1])
    assert found.names(clusters([0, 0, 0, 0, 1, 1, 1, 1])) == ("mixed", "hcp")


def test_a_word_that_is_as_frequent_elsewhere_is_not_taken() -> None:
    """bcc: all of the first, three of four others; 1 < 1.25 x 0.9 where nine of ten others have it."""
    tenth = told_by(("bcc",), [0] * 10 + [0] * 9 + [1])
    assert tenth.names(clusters([0] * 10 + [1] * 10)) == ("mixed", "mixed 2")
    third = told_by(("bcc",), [0] * 10 + [0] * 7 + [1] * 3)
    assert third.names(clusters([0] * 10 + [1] * 10)) == ("bcc", "mixed")


def test_what_is_in_no_cluster_counts_as_elsewhere() -> None:
    found = told_by(("bcc",), [0, 0, 0, 0, 0, 0])
    assert found.names(clusters([0, 0, 0, -1, -1, -1])) == ("mixed",)


def test_equal_names_get_a_word_that_tells_them_apart() -> None:
    """Both are fcc among hcp; low forces, which 12 of 14 others have too, set one apart from its twin alone."""
    force = Kind(np.array([0, 0, 1, 1] + [0] * 12), ("low forces",))
    found = told_by(("fcc", "hcp"), [0, 0, 0, 0] + [1] * 12, force)
    assert found.names(clusters([0, 0, 1, 1] + [2] * 12)) == ("fcc, low forces", "fcc", "hcp, low forces")


def test_equal_names_without_such_a_word_are_numbered() -> None:
    found = told_by(("fcc", "hcp"), [0, 0, 0, 0, 1, 1, 1, 1])
    names = found.names(clusters([0, 0, 1, 1, 2, 2, 2, 2]))
    assert names == ("fcc", "fcc 2", "hcp")


def test_at_most_three_parts_and_none_twice() -> None:
    n = 4
    cluster = clusters([0, 0, 1, 1])
    kinds = [Kind(np.array([0, 0, 1, 1]), (word,)) for word in ("surface, 110", "Surface", "Nb", "expanded")]
    found = Evidence((Kind(np.array([0, 0, 1, 1]), ("surface",)), *kinds), Kind(np.zeros(n, int), ()), blank(n))
    assert found.names(cluster) == ("surface, 110, Nb", "mixed")


def test_liquid_says_nothing_after_liquid_like() -> None:
    group = Kind(np.array([0, 0, 1, 1]), ("liquid", "solid"))
    found = told_by(("liquid-like",), [0, 0, 1, 1], group)
    assert found.names(clusters([0, 0, 1, 1])) == ("liquid-like", "solid")


def test_a_group_need_not_repeat_the_phase() -> None:
    group = Kind(np.array([0, 0, 1, 1]), ("bcc distorted", "dia"))
    found = told_by(("bcc", "diamond"), [0, 0, 1, 1], group)
    assert found.names(clusters([0, 0, 1, 1])) == ("bcc, distorted", "diamond, dia")


def test_the_order_of_environments_changes_nothing_and_equal_input_gives_equal_names() -> None:
    rng = np.random.default_rng(0)
    codes, labels = rng.integers(0, 4, 200), np.sort(rng.integers(0, 6, 200))
    turn = rng.permutation(200)
    words = ("a", "b", "c")
    names = told_by(words, codes.tolist()).names(clusters(labels.tolist()))
    assert told_by(words, codes[turn].tolist()).names(clusters(labels[turn].tolist())) == names
    assert len(set(names)) == 6


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (["surface_100", "surface_110"], ["surface, 100", "surface, 110"]),
        (["bcc_thermal", "bcc hot 900K"], ["bcc, thermal", "bcc, hot 900K"]),
        (["gamma_surface", "surface_110"], ["gamma surface", "surface 110"]),
        (["A15", "self_interstitial"], ["A15", "self interstitial"]),
        (["di-vacancy", "di-sia"], ["di vacancy", "di sia"]),
        (["___"], ["___"]),
    ],
)
def test_groups_are_parted_where_several_begin_alike(groups: list[str], words: list[str]) -> None:
    assert group_words(groups) == words


def dataset(groups: list[str], symbols: str = "NbNb", force: float = 0.0) -> AtomicDataset:
    made = []
    for number, group in enumerate(groups):
        atoms = Atoms(symbols, positions=[[0, 0, 0], [0, 0, 3.0 + number]], cell=[9] * 3, pbc=True)
        atoms.info["config_type"] = group
        atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=np.full((2, 3), force * number))
        made.append(atoms)
    return from_atoms(made)


def test_what_is_gathered_is_read_from_the_dataset() -> None:
    data = dataset(["surface_110", "surface_100", "A15", "A15"], "NbO")
    phase = [0, 0, 3, 3, 7, 7, 7, 7]
    sites = [0, 0, 0, 0, 12, 14, 14, 14]
    lopsided = [0.5, 0.5, 0, 0, 0, 0, 0, 0]
    bonds = [9, 10, *[14] * 6]
    known = blank(8, phase=phase, polyhedron=sites, lopsided=lopsided, ordered=[1] * 8, coordination=bonds)
    evidence = gather(data, known)
    assert PHASES[3] == "bcc"
    assert evidence.names(clusters([1, 1, 2, 2, 0, 0, 0, 0])) == ("A15, 2 sites", "surface, 110", "bcc, surface, 100")
    assert evidence.names(clusters([1, 0, 1, 0, 1, 0, 1, 0])) == ("O", "Nb")


def test_a_single_site_is_named() -> None:
    data = dataset(["A15", "A15", "bcc", "bcc"])
    evidence = gather(data, blank(8, phase=[7] * 4 + [3] * 4, polyhedron=[12, 14, 14, 14] + [0] * 4))
    assert evidence.names(clusters([2, 1, 1, 1, 0, 0, 0, 0])) == ("bcc", "A15, Z14 site", "A15, Z12 site")


def test_unresolved_places_are_surfaces_defects_or_liquid_like() -> None:
    data = dataset(["x"] * 4)
    ordered = [0, 0, 0, 0, 0.5, 0.5, np.nan, np.nan]
    spacing = [3.0, 3.0, 2.93, 3.07, 3.0, 3.0, np.nan, np.nan]
    phases = blank(8, lopsided=[0.4, 0.4] + [0.1] * 6, ordered=ordered, spacing=spacing)
    names = gather(data, phases).names(clusters([0, 0, 1, 1, 2, 2, 3, 3]))
    assert names == ("surface", "liquid-like", "defect", "mixed")


def test_a_crystal_without_a_phase_is_no_liquid() -> None:
    """All its atoms are alike, as in sheared zinc blende."""
    phases = blank(4, lopsided=[0] * 4, ordered=[0] * 4, spacing=[3.0, 3.0, 2.93, 3.07])
    assert gather(dataset(["x"] * 2), phases).names(clusters([0, 0, 1, 1])) == ("mixed", "liquid-like")


def test_bonds_are_counted_where_there_is_no_phase() -> None:
    phases = blank(8, phase=[0, 0, 0, 0, 3, 3, 3, 3], coordination=[4, 4, 1, 1, 14, 14, 14, 14])
    names = gather(dataset(["x"] * 4), phases).names(clusters([1, 1, 2, 2, 0, 0, 0, 0]))
    assert names == ("bcc", "4 neighbours", "1 neighbour")


def test_density_is_told_against_the_median_of_the_phase() -> None:
    data = dataset(["x"] * 5)
    spacing = [2.8, 2.8, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.2, 3.2]
    phases = blank(10, phase=[1] * 10, spacing=spacing, lopsided=[0] * 10)
    names = gather(data, phases).names(clusters([1, 1, 0, 0, 0, 0, 0, 0, 2, 2]))
    assert names == ("mixed", "compressed", "expanded")


def test_forces_are_told_by_the_fifths_at_either_end() -> None:
    data = dataset(["x"] * 5, force=1.0)
    names = gather(data, blank(10)).names(clusters([1, 1, 0, 0, 0, 0, 0, 0, 2, 2]))
    assert names == ("mixed", "low forces", "high forces")
