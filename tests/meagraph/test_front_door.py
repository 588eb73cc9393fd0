"""``import meagraph``: every public name, and nothing heavy before it is used."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from importlib import import_module
from typing import Any

import ase.io
import pytest

import meagraph as mg
from tests.support import ROOT
from tests.support.structures import niobium_structures

HEAVY = ("numpy", "scipy", "ase", "numba", "pandas", "matplotlib", "sklearn", "torch", "torch_geometric", "umap")
NO_TORCH = "import sys; sys.modules['torch'] = sys.modules['torch_geometric'] = None"  # importing either raises
MEAGRAPH = "import sys; from meagraph.cli import main; sys.exit(main"
CONFIG = mg.PipelineConfig(descriptors=mg.DescriptorConfig(n_max=2, l_max=2), training=mg.TrainingConfig(epochs=1))
RUN = ["run", "--json", "--epochs", "1", "--n-max", "2", "--l-max", "2", "--out"]


def python(script: str, **variables: str) -> str:
    """What a fresh Python of this checkout prints."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **variables},
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "act",
    [
        "import meagraph; dir(meagraph); meagraph.__version__",
        "import meagraph; meagraph.MEAGraphError, meagraph.Cancelled",
        "from meagraph.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from meagraph.cli import main\ntry: main(['--version'])\nexcept SystemExit: pass",
    ],
    ids=["import", "errors", "help", "version"],
)
def test_the_door_opens_at_once(act: str) -> None:
    assert python(f"{act}\nimport sys; print(*[m for m in {HEAVY} if m in sys.modules])").splitlines()[-1] == ""


def test_every_public_name_is_there() -> None:
    for name in mg.__all__:
        assert getattr(mg, name) is not None, name
    assert set(mg.__all__) <= set(dir(mg))
    assert isinstance(mg.__version__, str)
    assert (ROOT / "meagraph" / "py.typed").is_file()
    assert {name for name in mg.__all__ if isinstance(getattr(mg, name), type)} >= {
        *("AtomicDataset", "Analysis", "Run", "Recipe", "PruningPlan", "Evaluation", "ExportedFiles"),
        *("PipelineConfig", "DescriptorConfig", "GraphConfig", "TrainingConfig", "ClusteringConfig"),
        *("ProjectionConfig", "PruningConfig", "QuestsConfig", "MEAGraphError", "DatasetError", "ExportError"),
    }


def test_a_name_that_is_none() -> None:
    with pytest.raises(AttributeError, match="module 'meagraph' has no attribute 'analyze'"):
        mg.analyze  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        from meagraph import nothing  # noqa: F401


def test_type_checkers_see_the_same_names() -> None:
    """They read the imports under TYPE_CHECKING, Python looks the names up."""
    tree = ast.parse((ROOT / "meagraph" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    seen: dict[str, Any] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        module = import_module(node.module or "")
        seen |= {alias.asname or alias.name: getattr(module, alias.name) for alias in node.names}
    assert set(seen) == set(mg.__all__) - {"__version__"}
    assert [name for name, value in seen.items() if getattr(mg, name) is not value] == []


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A file that was run before with CONFIG, as RUN does, and the cache that remembers it."""
    folder = tmp_path_factory.mktemp("known")
    file = folder / "niobium.extxyz"
    ase.io.write(file, niobium_structures(), format="extxyz")
    cache = str(folder / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEAVIZ_CACHE", cache)
        found = mg.run(file, folder / "one", config=CONFIG)
    return {"file": file, "cache": cache, "folder": folder, "clusters": found.survey.clusters.n_clusters}


def test_a_second_run_needs_no_torch(known: dict[str, Any]) -> None:
    folder, file = known["folder"], str(known["file"])
    again = f"{NO_TORCH}\n{MEAGRAPH}({[*RUN, str(folder / 'two'), file]!r}))"
    second = json.loads(python(again, MEAVIZ_CACHE=known["cache"]))
    assert second["clusters"] == known["clusters"]
    assert len(second["files"]) == 5  # with the recipe
    one, two = ((folder / name / "niobium-kept.extxyz").read_bytes() for name in ("one", "two"))
    assert one == two
    other = f"{NO_TORCH}\n{MEAGRAPH}({[*RUN, str(folder / 'three'), '--seed', '1', file]!r}))"
    with pytest.raises(AssertionError, match="torch"):  # as it is blocked, a training cannot go unnoticed
        python(other, MEAVIZ_CACHE=known["cache"])


def test_the_app_opens_a_known_dataset_without_torch(known: dict[str, Any]) -> None:
    script = f"""{NO_TORCH}
import asyncio
from meagraph import *
from meaviz.app import build
from meaviz.session import Session

async def show():
    session = Session()
    session.data.next_config = {CONFIG!r}
    build([{str(known["file"])!r}], session=session)
    for _ in range(1200):
        await asyncio.sleep(0.05)
        if session.data.survey is not None or session.activity.problem[1]:
            break
    print(session.activity.problem[1] or session.data.survey.clusters.n_clusters)

asyncio.run(show())
"""
    assert python(script, MEAVIZ_CACHE=known["cache"]).split() == [str(known["clusters"])]
