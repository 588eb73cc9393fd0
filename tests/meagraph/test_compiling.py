"""Compiling ahead happens once, in another process, and a failure of it is no harm."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meagraph import compiling


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of its own, and modules of the test that can be imported by the other process."""
    monkeypatch.setenv("MEAVIZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    compiling.begin.cache_clear()
    yield tmp_path
    compiling.begin.cache_clear()


def test_it_runs_once_and_leaves_a_marker(fresh: Path) -> None:
    (fresh / "useful.py").write_text(f"def warm():\n    open({str(fresh / 'log')!r}, 'a').write('x')\n")
    assert compiling.begin("useful") is compiling.begin("useful") is not None
    compiling.finish("useful")
    assert (fresh / "log").read_text() == "x"
    compiling.begin.cache_clear()  # as another process would find it
    assert compiling.begin("useful") is None
    compiling.finish("useful")
    assert (fresh / "log").read_text() == "x"


def test_a_failure_leaves_no_marker(fresh: Path) -> None:
    (fresh / "broken.py").write_text("def warm():\n    raise RuntimeError\n")
    said: list[str] = []
    compiling.begin("broken")
    compiling.finish("broken", progress=lambda done, total, message: said.append(message))
    assert not [path for path in (fresh / "cache").rglob("*") if path.is_file()]
    assert set(said) <= {"compiling (first start on this machine)"}
    compiling.begin.cache_clear()
    worker = compiling.begin("broken")
    assert worker is not None
    worker.wait()


def test_waiting_can_be_cancelled(fresh: Path) -> None:
    (fresh / "slow.py").write_text("import time\n\ndef warm():\n    time.sleep(60)\n")
    worker = compiling.begin("slow")
    assert worker is not None

    def cancel(done: int, total: int, message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compiling.finish("slow", progress=cancel)
    worker.kill()
    worker.wait()
