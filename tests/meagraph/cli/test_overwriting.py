"""No command replaces what it reads, nor a file that is not its own unless that is asked for; it says so at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.steps import refused

FILES = [
    "d.extxyz",
    "d.npy",
    "d.json",
    "m.safetensors",
    "m.json",
    "l.npz",
    "r.npz",
    "c.csv",
    "c.json",
    "t.npz",
    "s.npy",
]
STEP = "--descriptors d.npy --latent l.npz --clusters-file c.csv"
COMMANDS = {  # every file that the command reads, and what it writes, OUT
    "describe d.extxyz --descriptor npy --source s.npy --out OUT.npy": ("d.extxyz", "s.npy"),
    "train d.npy --fine-tune m --out OUT.safetensors": ("d.npy", "d.json", "m.safetensors", "m.json"),
    "embed d.npy --model m --onto r.npz --out OUT.npz": ("d.npy", "d.json", "m.safetensors", "m.json", "r.npz"),
    "cluster l.npz --onto c.csv --out OUT.csv": ("l.npz", "c.csv", "c.json"),
    "cluster l.npz --model m.safetensors --out OUT.npz": ("l.npz", "m.safetensors", "m.json"),
    "cluster l.npz --out other.csv --stability OUT.csv": ("l.npz",),
    "map l.npz --onto t.npz --out OUT.npz": ("l.npz", "t.npz"),
    f"outliers d.extxyz {STEP} --out OUT.csv": ("d.extxyz", "d.npy", "d.json", "l.npz", "c.csv", "c.json"),
    f"prune d.extxyz {STEP} --out OUT.npz": ("d.extxyz", "d.npy", "d.json", "l.npz", "c.csv", "c.json"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files to read, of which none can be: what refuses has not tried."""
    folder = tmp_path / "work"
    (folder / "deeper").mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text(f"mine: {name}")
    monkeypatch.chdir(folder)
    return folder


def state(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def arguments(command: str, out: str) -> list[str]:
    """The command's words, with ``out`` (its suffix will follow) in place of OUT."""
    return command.replace("OUT", out).split()


@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symlink", "hard link"])
@pytest.mark.parametrize(("command", "read"), [(command, read) for command, all in COMMANDS.items() for read in all])
def test_what_a_command_reads_is_never_replaced(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    read: str,
    link: Callable[[Path, Path], None],
) -> None:
    """Neither by the name of the output, nor by that of the .json beside it, whatever is asked for."""
    out = next(word for word in command.split() if word.startswith("OUT"))
    suffix = ".json" if read.endswith(".json") and not out.endswith("npz") else out.removeprefix("OUT")
    link(folder / read, folder / f"link{suffix}")
    before = state(folder)
    for more in ([], ["--overwrite"]):
        refused(capsys, [*arguments(command, "link"), *more], f"link{suffix}: expected a new file, but it is read here")
        assert state(folder) == before


@pytest.mark.parametrize("place", ["", "./", "deeper/../", "{folder}/", "{folder}/deeper/../../work/"])
@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("describe d.extxyz --descriptor npy --source s.npy --out OUT.npy", "s"),
        ("train d.npy --fine-tune m --out OUT.safetensors", "m"),
        ("embed d.npy --model m --onto r.npz --out OUT.npz", "r"),
        ("cluster l.npz --out OUT.npz", "l"),
        ("cluster l.npz --onto c.csv --out OUT.csv", "c"),
        ("map l.npz --out OUT.npz", "l"),
        (f"outliers d.extxyz {STEP} --out OUT.csv", "c"),
        (f"prune d.extxyz {STEP} --out OUT.npz", "l"),
    ],
)
def test_an_output_that_is_an_input_by_another_path(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, name: str, place: str
) -> None:
    before = state(folder)
    out = place.format(folder=folder) + name
    refused(capsys, [*arguments(command, out), "--overwrite"], "expected a new file, but it is read here")
    assert state(folder) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_of_somebody_else_is_not_replaced_unasked(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Nor a .json beside it at all, which nobody named."""
    out = next(word for word in command.split() if word.startswith("OUT")).replace("OUT", "mine")
    (folder / out).write_text("mine")
    before = state(folder)
    refused(capsys, arguments(command, "mine"), f"{out}: expected a new file, but this is another one", "--overwrite")
    assert state(folder) == before
    (folder / out).unlink()
    (folder / out).mkdir()
    refused(capsys, [*arguments(command, "mine"), "--overwrite"], f"{out}: expected a file, but this is a folder")
    if not out.endswith(".npz") or command.startswith("prune"):
        (folder / out).rmdir()
        (folder / "mine.json").write_text('{"format": "mine"}')
        before = state(folder)
        refused(capsys, [*arguments(command, "mine"), "--overwrite"], "mine.json: expected to write the details")
        assert state(folder) == before


def test_two_outputs_of_one_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, ["cluster", "l.npz", "--out", "x.csv", "--stability", "deeper/../x.csv"], "Name two files")
    assert sorted(state(folder)) == sorted(FILES)
