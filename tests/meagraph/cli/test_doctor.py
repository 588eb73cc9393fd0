"""``meagraph doctor``, and what clearing the cache removes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from meagraph.cli import main
from meagraph.cli.doctor import cache_files, clear_cache


@pytest.fixture
def cache(own_cache: Path, tmp_path: Path) -> Path:
    """A cache with entries, leftovers, and what is none of its own."""
    key = "0123456789abcdef0123"
    ours = [f"map/map-{key}.npz", f"model/.model-{key}-a_8x2.safetensors", f"compiled/{key}/kernel.nbi"]
    others = ["thesis.tex", "map/notes.txt", f"Documents/map-{key}.npz", "compiled/mine/x"]
    for name in (*ours, *others):
        (own_cache / name).parent.mkdir(parents=True, exist_ok=True)
        (own_cache / name).write_bytes(b"12345")
    (tmp_path / f"map-{key}.npz").write_bytes(b"elsewhere")
    (own_cache / "map" / f"map-{'f' * 20}.npz").symlink_to(tmp_path / f"map-{key}.npz")
    (own_cache / "away").symlink_to(tmp_path)
    return own_cache


def test_only_what_the_cache_made_is_removed(cache: Path) -> None:
    """MEAVIZ_CACHE may name a folder of something else by mistake."""
    before = {path for path in cache.rglob("*") if path.is_file()}
    assert len(cache_files()) == 3
    assert clear_cache() == (3, 15)
    left = {path for path in cache.rglob("*") if path.is_file()}
    assert {path.relative_to(cache).as_posix() for path in before - left} == {
        "map/map-0123456789abcdef0123.npz",
        "model/.model-0123456789abcdef0123-a_8x2.safetensors",
        "compiled/0123456789abcdef0123/kernel.nbi",
    }
    assert (cache / "map" / f"map-{'f' * 20}.npz").read_bytes() == b"elsewhere"


def test_it_says_what_is_there(
    cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "data"))
    status = main(["doctor", "--json"])
    found = {one["topic"]: one for one in json.loads(capsys.readouterr().out)}
    assert {"system", "versions", "processors", "devices", "memory", "judgements", "state", "temporary"} <= set(found)
    assert found["cache"]["text"].startswith("3 files")
    assert status == int(any(one["state"] == "wrong" for one in found.values()))


def test_a_full_disk_and_a_place_that_cannot_be_written_are_wrong(
    own_cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "file" / "data"))
    usage = type(shutil.disk_usage(tmp_path))
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**10, 10**10 - 10**6, 10**6))
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("judgements") and "WRONG" in line and "MEAVIZ_DATA_HOME" in line for line in lines)
    assert any(line.startswith("cache") and "WRONG" in line and "0.0 GB free" in line for line in lines)
