"""Compiling ahead happens once, in another process, and a failure of it is no harm."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meagraph import compiling
from tests.support import ROOT
from tests.support.warming import compiled_functions, dispatchers


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No place for compiled code but the test's cache, and modules that the other process can import."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
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


def test_what_is_compiled_is_known_one_by_one_and_where_the_code_is(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(fresh / "code"))
    for name in ("one", "two"):
        (fresh / f"{name}.py").write_text(f"def warm():\n    open({str(fresh / 'log')!r}, 'a').write({name!r})\n")
    compiling.finish("one")
    compiling.finish("one", "two")
    assert (fresh / "log").read_text() == "onetwo"
    assert not (fresh / "cache" / "compiled").exists()
    compiling.begin.cache_clear()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(fresh / "elsewhere"))
    compiling.finish("two")
    assert (fresh / "log").read_text() == "onetwotwo"


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


def test_everything_compiled_is_compiled_ahead(tmp_path: Path) -> None:
    """What numba compiles is known to a ``warm()``, for all types that the real thing calls it with."""
    nested = {name: one.module for name, one in compiled_functions().items() if name not in dispatchers()}
    without = [name for name, module in nested.items() if not hasattr(importlib.import_module(module), "warm")]
    assert not without, f"functions in functions, in modules that cannot be warmed: {without}"
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.warming"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "MEAVIZ_CACHE": str(tmp_path / "cache")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"cold": [], "again": {}}
