"""What a page may send of files, whoever wrote the page; and predictions beside data."""

from __future__ import annotations

import base64
import json
import os
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from meagraph.datasets import read_dataset
from meagraph.pipeline.predicting import errors_of
from meaviz.session import Session
from meaviz.views.shared.upload import Upload
from tests.support.fuzzing.mutations import NAMES, VALUES, changed, mutate
from tests.support.fuzzing.of_data import LIMITS, extended, packed
from tests.support.fuzzing.subjects import Spoken, Subject
from tests.support.messages import from_browser
from tests.support.structures import niobium_structures

PART = 700  # bytes of a message here


def messages(files: dict[str, bytes]) -> list[dict[str, Any]]:
    """What the page sends of ``files``, in order."""
    found: list[dict[str, Any]] = [
        {"type": "begin", "files": [{"name": name, "size": len(content)} for name, content in files.items()]}
    ]
    for content in files.values():
        for start in range(0, len(content), PART):
            found.append({"type": "part", "data": base64.b64encode(content[start : start + PART]).decode()})
    return found


def damaged_messages(files: dict[str, bytes], draw: random.Random) -> list[Any]:
    """The same with names, bytes, sizes, kinds or order that no browser of ours sends."""
    held = dict(files)
    name = draw.choice(sorted(held))
    match draw.randrange(4):
        case 0:
            held[draw.choice([*NAMES, "a.meaviz/project.json", "a" * 300 + ".xyz", "..", "x/../../y", "con.xyz"])] = (
                held.pop(name)
            )
        case 1:
            held[name] = mutate(name, held[name], draw, list(files.values()))
        case 2:
            held[name] = b""
    found: list[Any] = messages(held)
    for _ in range(draw.choice([0, 1, 1, 2])):
        at = draw.randrange(len(found))
        match draw.randrange(7):
            case 0:
                del found[at]
            case 1:
                found.insert(at, found[draw.randrange(len(found))])
            case 2:
                found[at] = changed(json.loads(json.dumps(found[at])), draw)
            case 3:
                found[at] = draw.choice(
                    [*VALUES, {}, {"type": "cancel"}, {"type": []}, {"type": "part"}, {"type": "begin"}]
                )
            case 4:
                found[at] = {"type": "part", "data": draw.choice(["", "=", "AAA", "Ü", "A" * 3_000_000, "\0", None, 3])}
            case 5:
                sizes = [-1, 0, 1, 10**30, 1e300, float("nan"), "9", None, True, 2**63, 1.5]
                names = (
                    [one["name"] for one in found[0]["files"]]
                    if isinstance(found[0], dict) and "files" in found[0]
                    else ["a"]
                )
                found[at] = {"type": "begin", "files": [{"name": one, "size": draw.choice(sizes)} for one in names]}
            case _:
                found.append({"type": "cancel"})
        if not found:
            break
    return found


def _sent(files: dict[str, bytes]) -> Callable[[str], object]:
    """What comes of messages in the app: files in the session's folder, which are opened; nothing else anywhere."""

    def read(seed: str) -> object:
        draw = random.Random(seed)
        session, opened = Session(author="eve"), []

        def open_them(paths: Sequence[str]) -> None:
            opened.extend(paths)

        upload = Upload(session, open_them)
        before = _there()
        try:
            for message in damaged_messages(files, draw):
                from_browser(upload.drop, message)
            said = upload.drop.status
            assert isinstance(said, str)
            assert len(said) < 5000, "too much is said"
            for path in opened:
                assert session.uploads.holds(os.path.realpath(path)), f"outside: {path}"
                assert os.path.realpath(path) == os.path.abspath(path), f"a link: {path}"
            return (
                read_dataset(opened, on_error="quarantine", **{**LIMITS, "max_bytes": 20_000_000}) if opened else None
            )
        finally:
            session.uploads.close()
            assert _there() == before, "left behind"

    return read


def _there() -> set[str]:
    return {name for name in os.listdir(tempfile.gettempdir()) if name.startswith(".meagraph")}


def _predicted(folder: Path) -> object:
    data = read_dataset(folder / "data.xyz", **LIMITS)
    other = read_dataset(folder / "predicted.xyz", **LIMITS)
    found = errors_of(data, other=other)
    return found.figures(5), found.table()


def _by_family(folder: Path) -> object:
    found = errors_of(read_dataset(folder / "data.xyz", **LIMITS), family="MACE_")
    return found.figures(5), found.table()


class Sent(Spoken):
    """Messages, drawn by a text that is their seed."""

    def damaged(self, draw: random.Random) -> str:
        """A seed."""
        return str(draw.random())


def of_uploads() -> list[Subject | Spoken]:
    """All of them."""
    frames = [atoms for atoms in niobium_structures(2, 2) if len(atoms) < 16]
    text = extended(frames)
    files = {"a.xyz": text, "runs/b.xyz": text, "c.zip": packed(text, ".zip"), "d.xyz.gz": packed(text, ".gz")}
    rng = np.random.default_rng(0)
    other: list[Atoms] = []
    for atoms in frames:
        one = atoms.copy()
        one.info["energy"] = atoms.get_potential_energy() + 0.1
        one.arrays["forces"] = atoms.get_forces() + rng.normal(0, 0.1, (len(atoms), 3))
        other.append(one)
        atoms.info["MACE_energy"] = one.info["energy"]
        atoms.arrays["MACE_forces"] = one.arrays["forces"]
    predicted = {"data.xyz": text, "predicted.xyz": extended(other)}
    return [
        Sent("upload", ("",), _sent(files)),
        Subject("predicted", predicted, _predicted, damaged=("predicted.xyz",)),
        Subject("predicted-family", {"data.xyz": extended(frames)}, _by_family),
    ]
