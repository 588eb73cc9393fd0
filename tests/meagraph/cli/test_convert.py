"""``meagraph convert``: what it writes is opened by other commands like the file it was made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from ase import Atoms

from meagraph.cli import main


@pytest.fixture
def file(write_dataset: Callable[..., Path], structures: tuple[Atoms, ...]) -> Path:
    return write_dataset(structures)


def summary(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """What ``meagraph info`` says."""
    assert main(["info", str(path), "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_convert(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "made" / "data.meadata"
    assert main(["convert", str(file), str(target), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["files"] == [str(target)]
    assert said["left_out"] == []
    assert said["bytes"] == sum(one.stat().st_size for one in target.iterdir())
    assert summary(target, capsys) == summary(file, capsys)


def test_what_is_there_stays(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "data.meadata"
    assert main(["convert", str(file), str(target)]) == 0
    assert "wrote" in capsys.readouterr().out
    assert main(["convert", str(file), str(target)]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main(["convert", str(file), str(target), "--overwrite"]) == 0
    assert main(["convert", str(file), str(tmp_path / "data")]) == 1
    assert "ends in .meadata" in capsys.readouterr().err
