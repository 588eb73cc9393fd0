"""What is fuzzed: for each kind of input the files that a sound one has, and who reads it."""

from __future__ import annotations

import contextlib
import io
import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from meagraph.files import sha256_file
from tests.support.fuzzing.mutations import mutate


@dataclass(frozen=True, eq=False)
class Subject:
    """One kind of input: its files by their names, which of them are damaged, and the reader of the folder."""

    name: str
    files: dict[str, bytes]
    read: Callable[[Path], object]
    damaged: tuple[str, ...] = ()  # all, where empty
    hashed: tuple[str, ...] = ()  # files whose SHA-256 stands in the .json beside them, and is set right again

    def damage(self, folder: Path, draw: random.Random) -> str:
        """Write the files to ``folder``, one of them damaged, and say which."""
        wrong = draw.choice(self.damaged or sorted(self.files))
        others = list(self.files.values())
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(mutate(name, content, draw, others) if name == wrong else content)
        if draw.random() < 0.03:
            (folder / wrong).unlink()
        for name in self.hashed:
            with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, RecursionError):
                _mend(folder / name)
        return wrong


def _mend(path: Path) -> None:
    beside = path.with_suffix(".json")
    details = json.loads(beside.read_text(encoding="utf-8"))
    beside.write_text(json.dumps({**details, "sha256": sha256_file(path)}), encoding="utf-8")


@dataclass(frozen=True, eq=False)
class Spoken:
    """Input that is a text and no file: expressions, names, messages of the page."""

    name: str
    texts: tuple[str, ...]
    read: Callable[[str], object]

    def damaged(self, draw: random.Random) -> str:
        """One of the texts with one to three things wrong."""
        text = draw.choice(self.texts)
        return mutate("text.txt", text.encode(), draw, [one.encode() for one in self.texts]).decode("utf-8", "replace")


def quietly(command: Callable[[list[str]], int], arguments: Iterable[str]) -> None:
    """Run a command in this process; what it says of an error is raised as one."""
    from meagraph.errors import MEAGraphError

    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        status = command(list(arguments))
    lines = [line for line in said.getvalue().splitlines() if line.startswith("meagraph: error: ")]
    if status == 1 and len(lines) == 1:
        raise MEAGraphError(lines[0].removeprefix("meagraph: error: "))
    if status not in (0, 1) or lines or status == 1:
        raise AssertionError(f"status {status}: {said.getvalue()[-400:]}")


def folder_files(folder: Path) -> dict[str, bytes]:
    """All files below a folder by their names."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
