"""Known data beside new: one dataset, in which what is known is marked."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase.build import bulk

from meagraph.datasets import DatasetError, from_atoms, read_dataset
from meagraph.datasets.known import known_words, with_known
from meagraph.pipeline.opening import open_with_known


def crystals(element: str, count: int, seed: int = 0) -> list:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        atoms = bulk(element, cubic=True)
        atoms.rattle(0.1, rng=rng)
        found.append(atoms)
    return found


def test_new_structures_keep_their_numbers_and_known_ones_follow(tmp_path):
    new, old = crystals("Nb", 3), crystals("Nb", 2, seed=1)
    for name, structures in (("new", new), ("old", old)):
        ase.io.write(tmp_path / f"{name}.extxyz", structures)
    data = open_with_known([tmp_path / "new.extxyz"], [tmp_path / "old.extxyz"])
    assert data.name == "new"
    assert data.n_structures == 5
    assert data.known.tolist() == [False] * 3 + [True] * 2
    assert data.known_environments.sum() == sum(map(len, old))
    assert [source.known for source in data.sources] == [False, True]
    assert np.allclose(data.structures[3].positions, old[0].positions)
    assert data.locate(4).startswith(str(tmp_path / "old.extxyz"))
    assert "frame 1" in data.locate(4)
    assert known_words(data) == "2 structures with 4 environments"
    assert "known already  2 structures" in str(data)


def test_what_is_known_changes_the_fingerprint():
    new, old = (
        from_atoms(crystals("Nb", 3), allow_unlabelled=True),
        from_atoms(crystals("Nb", 2, seed=1), allow_unlabelled=True),
    )
    together = from_atoms([*new.structures, *old.structures], allow_unlabelled=True)
    assert with_known(new, old).fingerprint != together.fingerprint
    assert with_known(new, old).structure_keys == together.structure_keys


def test_one_structure_will_do_beside_others(tmp_path):
    ase.io.write(tmp_path / "one.extxyz", crystals("Nb", 1))
    ase.io.write(tmp_path / "old.extxyz", crystals("Nb", 1, seed=1))
    assert open_with_known(str(tmp_path / "one.extxyz"), str(tmp_path / "old.extxyz")).n_structures == 2
    with pytest.raises(DatasetError, match="one frame only"):
        read_dataset(tmp_path / "one.extxyz", allow_unlabelled=True)


def test_bad_pairs_are_refused_in_one_line():
    niobium, tantalum = (from_atoms(crystals(element, 2), allow_unlabelled=True) for element in ("Nb", "Ta"))
    with pytest.raises(DatasetError, match=r"element of structures \(Nb\), but it holds Ta only") as error:
        with_known(niobium, tantalum)
    assert "\n" not in str(error.value)
    with pytest.raises(DatasetError, match="all 2 are among those of"):
        with_known(niobium, niobium)
    both = with_known(niobium, from_atoms(crystals("Nb", 2, seed=5), allow_unlabelled=True))
    with pytest.raises(DatasetError, match="known data beside it already"):
        with_known(both, niobium)
