"""What other systems lack or do otherwise: modules of Unix, the encoding of texts, ends of lines, processes."""

from __future__ import annotations

import ast
import functools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from meagraph import temporary
from meagraph.exports.formats.fitsnap import folder_names
from meagraph.files import way_to, write_text
from tests.support import ROOT

OF_UNIX = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "posix", "curses", "readline"}
SIGNALS = {"SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "SIGSTOP", "SIGPIPE"}
CALLS = {"fork", "killpg", "getuid", "geteuid", "getpgid", "setsid", "fchmod", "chown", "statvfs", "sched_getaffinity"}
CODE = [path for package in ("meagraph", "meaviz") for path in sorted((ROOT / package).rglob("*.py"))]


@functools.cache
def of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def named(offenders: list[str]) -> str:
    return "\n".join(["", *offenders])


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is imported: all but the bodies of functions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from at_import(child)


def imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    return {(node.module or "").split(".")[0]} if isinstance(node, ast.ImportFrom) else set()


def test_no_module_needs_what_unix_alone_has_to_be_imported() -> None:
    offenders = [
        f"{path.relative_to(ROOT)}:{node.lineno} imports {name}"
        for path in CODE
        for node in at_import(of(path))
        for name in sorted(imported(node) & OF_UNIX)
    ]
    assert not offenders, named(offenders)


def test_calls_and_signals_of_unix_are_asked_for_first() -> None:
    """Where a file uses one of them it also asks ``hasattr(os, "...")`` or for ``os.name``."""
    offenders = []
    for path in CODE:
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(of(path)):
            match node:
                case ast.Attribute(value=ast.Name(id="os"), attr=name) if name in CALLS:
                    if f'hasattr(os, "{name}")' not in text:
                        offenders.append(f"{path.relative_to(ROOT)}:{node.lineno} calls os.{name}")
                case ast.Attribute(value=ast.Name(id="signal"), attr=name) if name in SIGNALS:
                    offenders.append(f"{path.relative_to(ROOT)}:{node.lineno} knows signal.{name}")
                case ast.Attribute(value=ast.Name(id="os"), attr="kill") if 'sys.platform == "win32"' not in text:
                    offenders.append(f"{path.relative_to(ROOT)}:{node.lineno} calls os.kill, which ends it on Windows")
    assert not offenders, named(offenders)


def test_texts_have_an_encoding_and_what_is_written_the_same_ends_of_lines() -> None:
    """Else they hang on the system: ``cp1252`` on Windows, and a carriage return at the end of each line."""
    offenders = []
    for path in CODE:
        for node in ast.walk(of(path)):
            if not isinstance(node, ast.Call):
                continue
            words = {word.arg for word in node.keywords}
            given = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            match node.func:
                case ast.Name(id="open") | ast.Attribute(value=ast.Name(id="os"), attr="fdopen"):
                    mode = next((str(one) for one in given if set(str(one)) <= set("rwaxb+")), "r")
                    wanted = set() if "b" in mode else {"encoding", "newline"} if mode in ("w", "x") else {"encoding"}
                case ast.Attribute(attr="read_text"):
                    wanted = set() if given else {"encoding"}
                case ast.Attribute(attr="write_text"):
                    wanted = {"encoding", "newline"}
                case _:
                    continue
            if wanted - words:
                offenders.append(f"{path.relative_to(ROOT)}:{node.lineno} lacks {', '.join(sorted(wanted - words))}")
    assert not offenders, named(offenders)


def test_texts_are_the_same_bytes_everywhere(tmp_path: Path) -> None:
    write_text(tmp_path / "text", "Å\n\udc80\n")
    assert (tmp_path / "text").read_bytes() == "Å\n\\udc80\n".encode()


def test_the_way_to_a_file_is_spelt_alike_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert way_to(tmp_path / "a" / "b.xyz", tmp_path / "c") == "../a/b.xyz"
    assert way_to("", tmp_path) == ""

    def other_drive(path: object, start: object) -> str:
        raise ValueError

    monkeypatch.setattr(os.path, "relpath", other_drive)
    assert way_to("D:\\b.xyz", "C:\\c") == ""


def test_folders_of_groups_have_names_that_windows_takes_too() -> None:
    """Devices, dots at the end, and names that differ in case alone."""
    groups = ["con", "NUL.x", "a.", "a", "A", "..", "b c", "com1", "comb"]
    names = folder_names(groups)
    assert [names[one] for one in groups] == ["_con", "_NUL.x", "a", "a_2", "A_3", "_", "b_c", "_com1", "comb"]


def test_what_a_killed_run_left_goes_after_a_day_where_there_are_no_locks_and_no_processes_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where it is said to be alive and nobody holds a lock."""
    with temporary.temporary_file(tmp_path / "old.npy") as old, temporary.temporary_file(tmp_path / "new.npy") as new:
        os.utime(old, (time.time() - 2 * temporary.DAY,) * 2)
        monkeypatch.setitem(sys.modules, "fcntl", None)
        assert temporary.tidy(tmp_path) == []  # this process lives
        monkeypatch.setattr(sys, "platform", "win32")
        assert temporary.tidy(tmp_path) == [old]
        monkeypatch.undo()
        assert new.is_file()
