"""What a killed run leaves goes at the next start; what a live one writes, and what is not ours, stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from meagraph.cache import cache_directory, tidy_cache
from meagraph.files import atomic_path
from meagraph.temporary import DAY, MINUTE, TemporaryFolder, temporary_folder, tidy
from tests.support import ROOT

WAITS = """
import sys, time
from pathlib import Path
from meagraph.files import atomic_path
from meagraph.temporary import TemporaryFolder
folder = TemporaryFolder(sys.argv[1])
Path(folder.name, "inside").write_text("x")
with atomic_path(Path(sys.argv[1], "a" * 200 + ".npz")) as path:
    path.write_text("half")
    print("ready", flush=True)
    time.sleep(600)
"""


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of writing a file and a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()


def test_what_is_being_written_stays_until_its_process_is_dead(tmp_path: Path, writing: subprocess.Popen[str]) -> None:
    assert len(hidden(tmp_path)) == 2
    for name in hidden(tmp_path):  # nor after a day
        os.utime(tmp_path / name, (0, 0))
    assert tidy(tmp_path) == []
    writing.kill()
    writing.wait()
    mine = [".hidden", ".meagraph-", ".meagraph-notes", ".npz-abcdefgh", "a.npz"]
    for name in mine:
        (tmp_path / name).write_text("mine")
        os.utime(tmp_path / name, (0, 0))
    assert len(tidy(tmp_path)) == 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(mine)


def test_of_another_machine_what_nobody_has_touched_for_a_day(tmp_path: Path) -> None:
    for name, age in {"fresh": DAY / 2, "old": DAY * 1.5}.items():
        path = tmp_path / f".meagraph-00000000-1-{name}.npz"
        path.write_text("x")
        os.utime(path, (time.time() - age,) * 2)
    (tmp_path / f".plan-{'0' * 20}-abc_1234.npz").write_text("as earlier versions called it")
    os.utime(tmp_path / f".plan-{'0' * 20}-abc_1234.npz", (0, 0))
    (tmp_path / ".meagraph-00000000-1-link").symlink_to(tmp_path)
    tidy(tmp_path)
    assert hidden(tmp_path) == [".meagraph-00000000-1-fresh.npz", ".meagraph-00000000-1-link"]


def test_a_clock_that_jumps_back_removes_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".meagraph-00000000-1-x.npz"
    path.write_text("x")
    os.utime(path, (time.time() + 30 * DAY,) * 2)
    assert tidy(tmp_path) == []


def test_a_number_of_a_process_that_came_again(tmp_path: Path) -> None:
    """The file bears the number of a live process, which does not hold it."""
    with atomic_path(tmp_path / "a.npz") as path:
        name = path.name
    stale = tmp_path / name
    stale.write_text("x")
    assert tidy(tmp_path) == []  # its owner may be about to take the lock
    os.utime(stale, (time.time() - 2 * MINUTE,) * 2)
    assert tidy(tmp_path) == [stale]


def test_without_locks_the_process_alone_counts(
    tmp_path: Path, writing: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    for name in hidden(tmp_path):
        os.utime(tmp_path / name, (0, 0))
    assert tidy(tmp_path) == []
    writing.kill()
    writing.wait()
    assert len(tidy(tmp_path)) == 2
    with temporary_folder(tmp_path) as folder, atomic_path(tmp_path / "b.txt") as path:
        path.write_text("b")
        assert folder.is_dir()
    assert not hidden(tmp_path)


def test_folders_go_when_they_are_closed(tmp_path: Path) -> None:
    folder = TemporaryFolder(tmp_path)
    Path(folder.name, "a").write_text("a")
    assert tidy(tmp_path) == []
    folder.cleanup()
    folder.cleanup()
    assert not hidden(tmp_path)


def test_the_cache_is_tidied_and_one_that_cannot_be_stays(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tidy_cache()  # there is none yet
    stale = cache_directory("plan") / f".plan-{'0' * 20}-abcdefgh.npz"
    stale.write_text("x")
    os.utime(stale, (0, 0))
    tidy_cache()
    assert not stale.exists()
    monkeypatch.setenv("MEAVIZ_CACHE", str(tmp_path / "a file"))
    (tmp_path / "a file").write_text("")
    tidy_cache()


def test_names_of_any_length_and_letters(tmp_path: Path) -> None:
    for name in ("n" * 240 + ".npz", "Ünï cöde\n.json", "a" + "b.c" * 60):
        with atomic_path(tmp_path / name) as path:
            path.write_text("x")
        assert (tmp_path / name).read_text() == "x"
