"""The house's order: what may import what, how large a module is, what none may do; each test lists all offenders."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.support import ROOT

APP_STACK = {"meaviz", "panel", "panel_material_ui", "bokeh", "holoviews", "hvplot", "param", "nglview"}

# Who may import whom: a room imports what stands on storeys below it, and itself.
STOREYS = (
    {"axes", "errors", "limits", "memory", "progress", "files", "cache", "compiling", "display", "logs", "temporary"}
    | {"workers"},
    {"datasets"},
    {"descriptors", "graph", "force_field", "duplicates"},
    {"model"},
    {"latent"},
    {"outliers", "predictions", "pruning", "splits"},
    {"evaluation"},
    {"step_files", "inspection"},
    {"figures"},
    {"exports"},
    {"pages"},
    {"pipeline"},
    {"recipe"},
    {"cli"},
)
APP_STOREYS = (
    {"demo", "serving", "common"},
    {"style", "judgements"},
    {"components"},
    {"session"},
    {"projects"},
    {"jobs"},
    {"views"},
    {"app", "desktop"},
    {"embedded"},
    {"options", "doctor"},
    {"main", "cli", "notebook", "proxy"},
)
APART = {("session", "components")}  # a session remembers and shows nothing, though it stands above what shows
GROUND = STOREYS[0]  # may import each other
TAKES_HTML = {"HTML", "Markdown", "Typography", "Alert", "StaticText", "Str", "Div", "Paragraph", "PreText", "HTMLMath"}
MAKES_MARKUP = {
    "meaviz.style.text",
    "meaviz.views.shared.feedback",
    "meaviz.notebook",
}  # text of others is escaped there
SETS_HTML = {"gallery.js": "innerHTML = svg;", "structure_viewer_frame.js": "innerHTML = PARTS;"}  # numbers, a constant
BY_NAME = {"setattr", "delattr", "getattr", "hasattr"}  # take the name of an attribute as text
OF_OTHERS = {
    "_repr_html_",  # IPython's protocol: what a notebook asks a result for
    "_ngl_msg_archive",  # nglview's list of what it sends; there is no other
}
SHARED = "meaviz.views.shared"  # for all views; otherwise a view knows none but those of its own folder


def modules(package: str) -> dict[str, Path]:
    """The modules of a package of this checkout by their dotted names."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


LIBRARY, APP = modules("meagraph"), modules("meaviz")
OURS = LIBRARY | APP
LONGEST = 350  # lines


def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file; ``from room import module`` is that module."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            names = {f"{base}.{alias.name}" for alias in node.names}
            found |= names & OURS.keys()
            if not names <= OURS.keys():
                found.add(base)
    return found


def listed(offenders: Iterable[str]) -> str:
    """One offender a line, for the message of a test."""
    return "\n".join(["", *offenders])


def room(module: str) -> str:
    """``meagraph.datasets.reading`` lies in the room ``datasets``; the package itself in ``""``."""
    return [*module.split("."), ""][1]


def storey(name: str, storeys: Sequence[set[str]]) -> int:
    """On which of ``storeys`` a room stands."""
    return next(number for number, rooms in enumerate(storeys) if name in rooms)


def test_every_room_has_its_storey() -> None:
    for of, storeys in ((LIBRARY, STOREYS), (APP, APP_STOREYS)):
        homeless = {room(module) for module in of} - {"", "__main__"} - set().union(*storeys)
        assert not homeless, listed(sorted(homeless))


def test_imports_are_absolute() -> None:
    offenders = [f"{module} imports {name}" for module in OURS for name in imports(OURS[module]) if name[0] == "."]
    assert not offenders, listed(offenders)


def test_imports_go_down() -> None:
    offenders = []
    for package, of, storeys in (("meagraph", LIBRARY, STOREYS), ("meaviz", APP, APP_STOREYS)):
        for module, path in of.items():
            here = room(module)
            for target in sorted(imports(path)):
                there = room(target)
                if not (target.split(".")[0] == package and here and there) or there == here or {here, there} <= GROUND:
                    continue
                if here != "__main__" and (
                    storey(there, storeys) >= storey(here, storeys) or (package == "meaviz" and (here, there) in APART)
                ):
                    offenders.append(f"{module} imports {target}")
    assert not offenders, listed(offenders)


def test_a_view_knows_only_the_views_of_its_own_folder() -> None:
    offenders = []
    for module, path in APP.items():
        if room(module) != "views" or module == "meaviz.views":
            continue
        folder = ".".join(module.split(".")[:3])
        for target in sorted(imports(path)):
            if room(target) == "views" and not f"{target}.".startswith((f"{SHARED}.", f"{folder}.")):
                offenders.append(f"{module} imports {target}")
    assert not offenders, listed(offenders)


def test_views_compute_nothing() -> None:
    """What is counted and measured is counted below, where it can be tested: a view needs numpy for its types alone."""
    offenders = [
        f"{module} imports {target}"
        for module, path in APP.items()
        if room(module) == "views"
        for target in sorted(imports(path))
        if target.split(".")[0] in ("numpy", "scipy", "numba") and target != "numpy.typing"
    ]
    assert not offenders, listed(offenders)


def private(name: str) -> bool:
    """Whether a name, the last of a dotted one, begins with one underscore."""
    last = name.rpartition(".")[2]
    return last.startswith("_") and not last.startswith("__")


def reached(node: ast.AST) -> list[str]:
    """Names that a piece of code takes from others: as ``x.name``, by an import, or in words as monkeypatch does."""
    match node:
        case ast.Attribute(value=ast.Name(id="self" | "cls")):
            return []
        case ast.Attribute(attr=name):
            return [name]
        case ast.ImportFrom(names=names):
            return [alias.name for alias in names]
        case ast.Call(func=ast.Attribute(attr=called) | ast.Name(id=called), args=arguments) if called in BY_NAME:
            return [str(one.value) for one in arguments[:2] if isinstance(one, ast.Constant)]
    return []


def test_tests_read_public_names() -> None:
    """Only ``tests/support`` may reach into an object or a module: a test says what users and callers see."""
    offenders = [
        f"{path.relative_to(ROOT)}:{node.lineno} reaches for {name}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if "support" not in path.parts
        for node in ast.walk(tree(path))
        for name in reached(node)
        if private(name) and name not in OF_OTHERS
    ]
    assert not offenders, listed(offenders)


def test_no_imports_in_circles() -> None:
    below = {module: (imports(path) & OURS.keys()) - {module} for module, path in OURS.items()}
    while free := {m for m, targets in below.items() if not targets} | (below.keys() - set().union(*below.values())):
        below = {module: targets - free for module, targets in below.items() if module not in free}
    assert not below, listed(f"{module}, in a circle, imports {sorted(targets)}" for module, targets in below.items())


def test_the_library_does_not_import_the_stack_of_the_app() -> None:
    offenders = [
        f"{module} imports {target}"
        for module, path in LIBRARY.items()
        for target in sorted(imports(path))
        if target.split(".")[0] in APP_STACK
    ]
    assert not offenders, listed(offenders)


def loaded_of(names: set[str], *modules: str) -> str:
    """Which of ``names`` a fresh Python has loaded after importing ``modules``."""
    check = f"import sys, {', '.join(modules)}\nprint(*sorted({{m.split('.')[0] for m in sys.modules}} & {names!r}))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_library_loads_without_the_stack_of_the_app() -> None:
    """Nor do its dependencies bring it in."""
    assert not loaded_of(APP_STACK, *sorted(module for module in LIBRARY if not module.endswith("__main__")))


def test_the_app_loads_without_what_takes_seconds_to_load() -> None:
    """Who opens a dataset seen before waits for none of these."""
    slow = {"torch", "torch_geometric", "umap", "pynndescent", "sklearn", "dscribe"}
    assert not loaded_of(slow, "meaviz.app", "meagraph.cli")


def test_modules_stay_small() -> None:
    lines = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in OURS.items()}
    offenders = [f"{module} has {count} lines" for module, count in lines.items() if count > LONGEST]
    assert not offenders, listed(offenders)


def test_every_module_says_first_what_it_holds() -> None:
    offenders = []
    for folder in ("meagraph", "meaviz", "tests", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not path.read_text(encoding="utf-8") and folder == "tests":
                continue  # only makes its folder a package
            body = tree(path).body
            first = body[0] if body else None
            if not (isinstance(first, ast.Expr) and ast.get_docstring(tree(path)) and first.lineno == 1):
                offenders.append(str(path.relative_to(ROOT)))
    assert not offenders, listed(offenders)


def test_tests_and_benchmarks_take_their_helpers_from_support() -> None:
    """No module of tests imports another, nor ``conftest``; not in the text of a script that it runs either."""
    other = re.compile(
        r"^\s*(?:from|import) +(\.|conftest\b|benchmarks\b|tests(?!\.support\b)|tests\.support\.test_)", re.M
    )
    offenders = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in ("tests", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if other.match(line)
    ]
    assert not offenders, listed(offenders)


def test_every_package_is_listed_for_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    with_code = {".".join(path.parent.relative_to(ROOT).parts) for path in OURS.values()} | {"meaviz.demo_data"}
    unlike = with_code ^ set(project["tool"]["setuptools"]["packages"])
    assert not unlike, listed(sorted(unlike))


def unpickling(path: Path) -> Iterator[str]:
    """What a module does that could unpickle; joblib is there for its processes alone."""
    for name in sorted(imports(path) & {"pickle", "cloudpickle", "dill", "shelve", "marshal"}):
        yield f"imports {name}"
    nodes = list(ast.walk(tree(path)))
    careful = {
        node.func
        for node in nodes
        if isinstance(node, ast.Call)
        and any(word.arg == "weights_only" and ast.unparse(word.value) == "True" for word in node.keywords)
    }
    for node in nodes:
        match node:
            case ast.keyword(arg="allow_pickle", value=value) if ast.unparse(value) != "False":
                yield f"allow_pickle={ast.unparse(value)}"
            case ast.Import(names=names) if any(alias.name.split(".")[0] == "joblib" for alias in names):
                yield "imports all of joblib"
            case ast.ImportFrom(module=module, names=names) if (module or "").split(".")[0] == "joblib":
                if not {alias.name for alias in names} <= {"Parallel", "delayed"}:
                    yield ast.unparse(node)
            case ast.ImportFrom(module="torch", names=names) if any(alias.name == "load" for alias in names):
                yield ast.unparse(node)
            case ast.Attribute() if ast.unparse(node) == "torch.load" and node not in careful:
                yield "torch.load without weights_only=True"


def test_nothing_can_be_unpickled() -> None:
    """No module that unpickles, no ``allow_pickle=True``, no ``torch.load`` but with ``weights_only=True``."""
    offenders = [f"{module}: {what}" for module, path in OURS.items() for what in unpickling(path)]
    assert not offenders, listed(offenders)


def of_markup(path: Path) -> Iterator[str]:
    """Where a module could show text as something else than text."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.Attribute(attr=name) | ast.ImportFrom(names=[ast.alias(name=name), *_]) if name in TAKES_HTML:
                yield f"line {node.lineno}: {name}"
            case ast.Call(func=ast.Name(id="markup" | "Markup"), args=[first, *_]):
                if not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
                    yield f"line {node.lineno}: markup that is no constant"
            case ast.Constant(value=str(text)) if "<" in text and "safe}" in text:
                yield f"line {node.lineno}: a tip of Bokeh that takes values for HTML"


def test_text_cannot_become_markup() -> None:
    """Files, names and errors come to the page through one pane, and HTML is written in constants alone.

    What the toolkits offer for text takes it for HTML or Markdown, so that a script in a file would run.
    """
    offenders = [
        f"{module}, {what}" for module, path in APP.items() if module not in MAKES_MARKUP for what in of_markup(path)
    ]
    for path in sorted((ROOT / "meaviz").rglob("*.js")):
        html = re.findall(r"(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write)\b.*", path.read_text("utf-8"))
        known = SETS_HTML.get(path.name, "")
        offenders += [f"{path.relative_to(ROOT)}: {line}" for line in html if not known or known not in line]
    assert not offenders, listed(offenders)
