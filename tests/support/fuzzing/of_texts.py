"""Subjects that are texts: conditions, options, names of files and paths; and the files of judgements."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from pathlib import Path

import numpy as np

from meagraph.cli import main
from meagraph.inspection.conditions import evaluate, names_in
from meaviz.judgements.flags import adopt_flags
from meaviz.judgements.judgements import export_judgements, import_judgements
from meaviz.judgements.ledger import add_judgement, all_entries, read_entries
from meaviz.session.places import Places
from meaviz.session.recent import read_recent
from meaviz.session.uploads import Uploads
from tests.support.fuzzing.of_data import extended
from tests.support.fuzzing.subjects import Spoken, Subject, quietly
from tests.support.structures import niobium_structures

COLUMNS = {
    "fmax": np.array([1.0, np.nan, 7.0]),
    "energy": np.array([-1.0, 2.0, 0.0]),
    "group": np.array(["liquid", "bcc", "x"]),
    "n": np.array([1, 2, 3]),
    "b": np.array([True, False, True]),
}
CONDITIONS = (
    'fmax > 5 and group == "liquid"',
    "not (abs(energy) < 0.5 or n in [1, 2, 3])",
    "1 < fmax <= 7 and b == True",
    "sqrt(n ** 2 + exp(fmax)) / (energy - 1) % 3 >= 0.1",
    'group not in ("bcc", "x") & isnan(fmax) | ~(n == 1)',
    "(" * 90 + "n" + ")" * 90 + " > 1",
    "n > 1" + " and n > 1" * 150,
    "-" * 95 + "n > 0",
    "n ** n ** n ** n > 9 ** 9 ** 9",
    "__import__('os').system('true')",
    "[x for x in n]",
    "n.real > 1",
    "f'{n}' == group",
    "lambda: n",
)


def _condition(text: str) -> object:
    return names_in(text), evaluate(text, COLUMNS, 3)


NAMES = (
    "a.xyz",
    "runs/a.xyz",
    "../a.xyz",
    "/etc/passwd",
    "C:\\a.xyz",
    "a/../../b",
    "~root/x",
    "con",
    "a\x00b",
    "aux.xyz",
    "*",
    "a,b",
)
ROOT = Path(tempfile.gettempdir()).resolve()


def _upload(text: str) -> object:
    """Names that a browser says; nothing may come to lie outside the session's folder."""
    uploads = Uploads(limit=10_000)
    try:
        batch = uploads.begin([(text, 3), ("second.xyz", 0)])
        batch.add(b"abc")
        root = os.path.realpath(batch.folder)
        outside = [path for path in batch.paths if not os.path.realpath(path).startswith(root) or not path.is_file()]
        assert not outside, f"outside: {outside}"
        return batch.opened
    finally:
        uploads.close()


def _place(text: str) -> object:
    """Paths that are typed; none may lead out of the root."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        (root / "a.xyz").write_text("x")
        (root / "runs").mkdir()
        os.symlink("/etc", root / "runs" / "out")
        places = Places.at(root)
        completed = places.completions(text)
        found = [Path(entry) for entry in places.paths_in(text)] + [places.written(text)]
        outside = [path for path in found if not Path(os.path.realpath(path)).is_relative_to(root)]
        assert not outside, f"outside: {outside}"
        return completed


OPTIONS = tuple(
    (command, f"--{option}")
    for command, options in {
        "describe": "r-cut n-max l-max descriptor source",
        "info": "max-atoms max-size energy-key forces-key group-key elements format units on-error",
        "split": "fractions folds sizes distance",
        "duplicates": "distance top",
        "convert": "group-key on-error",
    }.items()
    for option in options.split()
)


def _options(data: bytes):
    """Values of options, as a shell gives them."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-options-"))
    (folder / "a.xyz").write_bytes(data)

    def read(text: str) -> object:
        number, _, value = text.partition(" ")
        which = int(number[:4]) if number.isascii() and number.isdigit() else 0
        command, option = OPTIONS[which % len(OPTIONS)]
        more = {
            "describe": ["--out", str(folder / "d.npy"), "--overwrite"],
            "convert": [str(folder / "c.meadata"), "--overwrite"],
            "split": ["--out", str(folder / "parts"), "--overwrite"],
        }.get(command, [])
        try:
            return quietly(main, [command, str(folder / "a.xyz"), *more, f"{option}={value}"])
        except SystemExit:  # argparse has said what is wrong
            return None

    return read


def _judgements(folder: Path) -> object:
    return import_judgements(folder / "judgements.csv", folder / "ledger.sqlite")


def _ledger(folder: Path) -> object:
    path = folder / "ledger.sqlite"
    entries = read_entries(path, ["key", "other"])
    found = list(all_entries(path))
    add_judgement(path, ["key"], [0], [1], verdict="outlier", author="b")
    export_judgements(folder / "out.csv", path)
    return entries, found


def _flags(folder: Path) -> object:
    adopt_flags(folder / "judgements.sqlite", "a")
    return list(all_entries(folder / "judgements.sqlite"))


def _recent(folder: Path) -> object:
    before = os.environ.get("MEAVIZ_DATA_HOME")
    os.environ["MEAVIZ_DATA_HOME"] = str(folder)
    try:
        return read_recent()
    finally:
        del os.environ["MEAVIZ_DATA_HOME"]
        if before is not None:
            os.environ["MEAVIZ_DATA_HOME"] = before


def of_texts(folder: Path) -> list[Subject | Spoken]:
    """All of them; ``folder`` is where files of judgements are made."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "ledger.sqlite"
    add_judgement(
        path, ["key", "other"], [0, 0, 1], [0, 3, 1], verdict="outlier", author="a", reason="r", note='n, "o"'
    )
    add_judgement(path, ["key"], [0], [0], verdict="ordinary", author="b")
    export_judgements(folder / "judgements.csv", path)
    base = sqlite3.connect(path)
    base.execute("VACUUM")
    base.close()
    flags = {"format": "meaviz-flags-1", "flags": {"key": [0, 1], "other": [2]}}
    recent = {"opened": [{"paths": ["/a.xyz"], "reading": {"energy_key": "x"}}, {"paths": ["/b"], "reading": {}}]}
    return [
        Spoken("condition", CONDITIONS, _condition),
        Spoken("upload name", NAMES, _upload),
        Spoken("path", NAMES, _place),
        Spoken(
            "option",
            tuple(f"{number} {value}" for number in range(len(OPTIONS)) for value in (3, 0.5, "a")),
            _options(extended(niobium_structures(1, 1)[2:])),
        ),
        Subject("judgements", {"judgements.csv": (folder / "judgements.csv").read_bytes()}, _judgements),
        Subject("ledger", {"ledger.sqlite": path.read_bytes()}, _ledger),
        Subject("flags", {"flags.json": json.dumps(flags).encode()}, _flags),
        Subject("recent", {"recent.json": json.dumps(recent).encode()}, _recent),
    ]
