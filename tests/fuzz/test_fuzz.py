"""Damaged input gives a result or one clear error: some hundreds here, thousands by tests.fuzz.by_hand."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np

from meagraph.errors import MEAGraphError
from tests.support.finished import Finished
from tests.support.fuzzing.mutations import mutate
from tests.support.fuzzing.of_data import of_data
from tests.support.fuzzing.of_projects import of_projects
from tests.support.fuzzing.of_steps import of_steps
from tests.support.fuzzing.of_texts import of_texts
from tests.support.fuzzing.of_uploads import of_uploads
from tests.support.fuzzing.subjects import Spoken, Subject
from tests.support.fuzzing.trial import try_one, unclear

PATIENCE = 20.0  # s an input


def _bad(subjects: list[Subject | Spoken], count: int) -> list[str]:
    """What came of ``count`` inputs that must not have."""
    found = []
    for seed in range(count):
        subject, begin = subjects[seed % len(subjects)], time.monotonic()
        outcome = try_one(subject, seed)
        if not outcome.good or time.monotonic() - begin > PATIENCE:
            found.append(f"--only {subject.name} {seed}: {outcome}")
    return found


def test_files_of_structures(tmp_path: Path) -> None:
    assert not _bad([*of_data(tmp_path / "data")], 240)


def test_files_between_commands(tmp_path: Path) -> None:
    assert not _bad([*of_steps(tmp_path / "steps")], 110)


def test_conditions_names_and_judgements(tmp_path: Path) -> None:
    subjects = [one for one in of_texts(tmp_path / "texts") if one.name != "option"]
    assert not _bad(subjects, 110)


def test_recipes_projects_and_uploads(tmp_path: Path, known: Finished) -> None:
    assert not _bad([*of_uploads(), *of_projects(tmp_path / "work", known, ("mace",))], 60)


def test_what_is_not_damaged_is_read(tmp_path: Path) -> None:
    """Else the others would pass for nothing."""
    for number, subject in enumerate([*of_data(tmp_path / "data"), *of_texts(tmp_path / "texts")]):
        folder = tmp_path / str(number)
        if isinstance(subject, Subject):
            for name, content in subject.files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
            subject.read(folder)


def test_a_seed_is_an_input() -> None:
    text = b"12 a=b\n1.5 2 3\n" * 5
    made = [mutate("a.xyz", text, random.Random(seed), [text]) for seed in (1, 1, *range(2, 40))]
    assert made[0] == made[1]
    assert len(set(made)) > 30


def test_outcomes_are_told_apart() -> None:
    def wrong(_: Path) -> object:
        return np.zeros(3)[5]

    def clear(_: Path) -> object:
        raise MEAGraphError("Expected another file. Give one.")

    def silent(_: Path) -> object:
        raise MEAGraphError("")

    kinds = [try_one(Subject("x", {"a.txt": b"a"}, read), 0).kind for read in (len, wrong, clear, silent)]
    assert kinds == ["exception", "exception", "error", "unclear error"]
    assert unclear("a\nb.") == "control characters"
    assert unclear(str(MEAGraphError("a\x1b[2J\nb\u202e."))) == ""
