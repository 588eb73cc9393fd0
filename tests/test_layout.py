"""The house's order: what may import what, and that the library never needs the app's stack."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support import ROOT

APP_STACK = {"meaviz", "panel", "panel_material_ui", "bokeh", "holoviews", "hvplot", "param", "datashader", "nglview"}

# Who may import whom: a room imports what stands on storeys below it, and itself.
STOREYS = (
    {"errors", "progress", "files", "cache", "compiling"},
    {"datasets"},
    {"descriptors", "graph", "force_field"},
    {"model"},
    {"latent"},
    {"outliers", "pruning"},
    {"evaluation"},
    {"exports", "step_files"},
    {"pipeline"},
    {"inspection", "cli"},
)
APP_STOREYS = (
    {"demo"},
    {"style", "judgements"},
    {"components"},
    {"session"},
    {"jobs"},
    {"views"},
    {"app", "notebook", "desktop"},
    {"main", "cli"},
)
GROUND = {"errors", "progress", "files", "cache", "compiling"}  # may import each other
SHARED = "meaviz.views.shared"  # for all views; otherwise a view knows none but those of its own folder


def modules(package: str) -> dict[str, Path]:
    """The modules of a package of this checkout by their dotted names."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


LIBRARY, APP = modules("meagraph"), modules("meaviz")


def imports(module: str, path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file; relative ones in full."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module if path.name == "__init__.py" else module.rpartition(".")[0]
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            known = {f"{base}.{alias.name}" for alias in node.names} & {*LIBRARY, *APP}
            found |= known or {base}
    return found


def room(module: str) -> str:
    """``meagraph.datasets.reading`` lies in the room ``datasets``; the package itself in ``""``."""
    return [*module.split("."), ""][1]


def storey(name: str, storeys: Sequence[set[str]]) -> int:
    """On which of ``storeys`` a room stands."""
    return next(number for number, rooms in enumerate(storeys) if name in rooms)


def test_every_room_has_its_storey() -> None:
    for of, storeys in ((LIBRARY, STOREYS), (APP, APP_STOREYS)):
        assert {room(module) for module in of} - {"", "__main__"} == set().union(*storeys)


def test_imports_go_down() -> None:
    offenders = []
    for package, of, storeys in (("meagraph", LIBRARY, STOREYS), ("meaviz", APP, APP_STOREYS)):
        for module, path in of.items():
            here = room(module)
            for target in imports(module, path):
                there = room(target)
                if not (target.split(".")[0] == package and here and there) or there == here or {here, there} <= GROUND:
                    continue
                if here != "__main__" and storey(there, storeys) >= storey(here, storeys):
                    offenders.append(f"{module} imports {target}")
    assert not offenders, "\n".join(offenders)


def test_a_view_knows_only_the_views_of_its_own_folder() -> None:
    offenders = []
    for module, path in APP.items():
        if room(module) != "views" or module == "meaviz.views":
            continue
        for target in imports(module, path):
            if room(target) == "views" and not target.startswith(SHARED):
                folder = ".".join(module.split(".")[:3])
                if not target.startswith(folder + ".") or module == folder:
                    offenders.append(f"{module} imports {target}")
    assert not offenders, "\n".join(offenders)


@pytest.mark.parametrize(("package", "of"), [("meagraph", LIBRARY), ("meaviz", APP)])
def test_no_imports_in_circles(package: str, of: dict[str, Path]) -> None:
    below = {module: {t for t in imports(module, path) if t in of and t != module} for module, path in of.items()}
    while True:
        free = {module for module, targets in below.items() if not targets & below.keys()}
        if not free:
            break
        below = {module: targets for module, targets in below.items() if module not in free}
    assert not below, f"circle among {sorted(below)}"


@pytest.mark.parametrize("module", LIBRARY)
def test_the_library_does_not_import_the_stack_of_the_app(module: str) -> None:
    assert not {target.split(".")[0] for target in imports(module, LIBRARY[module])} & APP_STACK


def test_the_library_loads_without_the_stack_of_the_app() -> None:
    """Nor do its dependencies bring it in."""
    names = sorted(module for module in LIBRARY if not module.endswith("__main__"))
    check = f"import sys, {', '.join(names)}\nprint(*sorted({{m.split('.')[0] for m in sys.modules}} & {APP_STACK!r}))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_the_app_loads_without_what_takes_seconds_to_load() -> None:
    """Who opens a dataset seen before waits for none of these."""
    slow = {"torch", "torch_geometric", "datashader", "umap", "pynndescent", "sklearn", "dscribe"}
    check = f"import sys, meaviz.app, meagraph.cli\nprint(*sorted({{m.split('.')[0] for m in sys.modules}} & {slow!r}))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_imports_are_absolute() -> None:
    offenders = [
        module
        for module, path in {**LIBRARY, **APP}.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not offenders


@pytest.mark.parametrize("module", [*LIBRARY, *APP])
def test_modules_stay_small(module: str) -> None:
    path = LIBRARY.get(module) or APP[module]
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350


@pytest.mark.parametrize("module", [*LIBRARY, *APP])
def test_nothing_can_be_unpickled(module: str) -> None:
    """No module that unpickles, no ``allow_pickle=True``, no ``torch.load`` but with ``weights_only=True``.

    joblib is there for its processes alone.
    """
    path = LIBRARY.get(module) or APP[module]
    assert not imports(module, path) & {"pickle", "cloudpickle", "dill", "shelve", "marshal"}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    careful = [
        node.func
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and any(word.arg == "weights_only" and ast.unparse(word.value) == "True" for word in node.keywords)
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False
        if isinstance(node, ast.Import):
            assert not {alias.name for alias in node.names} & {"joblib"}
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "joblib":
            assert {alias.name for alias in node.names} <= {"Parallel", "delayed"}
        if isinstance(node, ast.ImportFrom) and node.module == "torch":
            assert "load" not in {alias.name for alias in node.names}
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.load":
            assert node in careful
