"""Where files may be opened and written: what lies under a folder, what completes a path, what leaves a root."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from meagraph.errors import MEAGraphError
from meagraph.files import stored_in

MOST = 200  # entries of a folder that are listed
LONGEST = 4096  # characters of a path; systems take no more


@dataclass(frozen=True)
class Entry:
    """What a folder holds under ``name``."""

    name: str
    path: str
    folder: bool
    size: int  # bytes; 0 of a folder


@dataclass(frozen=True)
class Listed:
    """The first entries of a folder, folders first, and how many more there are."""

    entries: tuple[Entry, ...]
    more: int = 0


@dataclass(frozen=True)
class Places:
    """The folder that relative paths start from; where ``confined``, nothing outside it is listed, opened
    or written.

    Links count as what they lead to, so none leads out. With a folder for ``results`` nothing is written but there;
    what lies there can be opened, too. Without ``writable`` nothing is written at all.
    """

    root: Path
    confined: bool = False
    results: Path | None = None
    writable: bool = True

    @classmethod
    def at(cls, root: str | Path | None, *, results: str | Path | None = None, writable: bool = True) -> Places:
        """Confined to ``root``; with None free, and starting at the current folder. Raises MEAGraphError.

        Where the current folder is gone it is the user's own. The folder for ``results`` is made where it is missing.
        """
        if results is not None:
            try:
                Path(results).expanduser().mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise MEAGraphError(
                    f"{results}: expected a folder for results, but it cannot be made ({error.strerror}). Name another "
                    "(--results)."
                ) from error
            results = Path(results).expanduser().resolve()
        if root is None:
            return cls(_here(), results=results, writable=writable)
        folder = Path(root).expanduser()
        if not folder.is_dir():
            raise MEAGraphError(f"{root}: expected a folder to open files from, but it is none. Name another (--root).")
        return cls(folder.resolve(), confined=True, results=results, writable=writable)

    def path_of(self, text: str) -> Path:
        """The file or folder that ``text`` names. Raises MEAGraphError for one outside a root that confines."""
        return self._inside(text, "Copy it there")

    def written(self, text: str) -> Path:
        """Where a file or folder of this name is to be written: under a root that confines, else as it is typed.

        Raises MEAGraphError for a place outside that root, and where nothing may be written.
        """
        if not self.writable:
            raise MEAGraphError("This server only shows: nothing is written. Open the files with a meaviz of your own.")
        if self.results is not None:
            return replace(self, root=self.results, confined=True, results=None)._inside(text, "Choose a place there")
        path = self._inside(text, "Choose a place there")
        return path if self.confined else Path(text.strip()).expanduser()

    def _inside(self, text: str, remedy: str) -> Path:
        if len(text) > LONGEST:
            raise MEAGraphError(
                f"{text[:80]}...: expected a path of at most {LONGEST:,} characters, got {len(text):,}. Give several "
                "files as a folder or a pattern."
            )
        try:
            path = self.root / Path(text.strip()).expanduser()
            real = path.resolve()
        except (OSError, RuntimeError, ValueError) as error:  # a link to itself, no such user, a zero byte
            raise MEAGraphError(f"{text!r}: expected a path, but it leads nowhere ({error}). Check it.") from error
        if not self.confined:
            return path
        if not self._within(real):
            raise MEAGraphError(
                f"{text}: expected a file under {self.root}, but it lies outside. {remedy}, or start meaviz with "
                "another --root."
            )
        return real

    def _within(self, real: Path) -> bool:
        return any(real.is_relative_to(folder) for folder in (self.root, self.results) if folder is not None)

    def openable(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Files, folders, patterns and archives as they may be opened.

        Raises MEAGraphError where one lies outside a root that confines, or leads out by a link in a folder or by what
        a pattern stands for.
        """
        found = []
        for text in paths:
            path = self.path_of(text)
            if self.confined:
                for match in _matches(path):
                    for link in _links(self.path_of(match)):
                        self.path_of(link)
            found.append(str(path) if self.confined or text[0] == "~" else text)
        return tuple(found)

    def paths_in(self, text: str) -> tuple[str, ...]:
        """The paths that ``text`` names, separated by commas unless all of it is one. Raises as :meth:`openable`."""
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if len(parts) > 1:
            try:
                if self.path_of(text).exists():
                    parts = [text.strip()]
            except (MEAGraphError, OSError):
                pass
        return self.openable(parts)

    def listed(self, folder: Path, *, begins: str = "", most: int = MOST) -> Listed:
        """What ``folder`` holds whose name ``begins`` so, hidden ones only where that has a dot.

        What leaves a root that confines is left out, as is what cannot be looked at. Raises MEAGraphError for a folder
        that cannot be read.
        """
        try:
            names = sorted(os.listdir(folder), key=lambda name: (name.casefold(), name))
        except OSError as error:
            raise MEAGraphError(f"{folder}: expected a folder that can be read ({error.strerror}).") from error
        found = []
        for name in names:
            if name.casefold().startswith(begins.casefold()) and (name[0] != "." or begins[:1] == "."):
                entry = self._entry(folder / name)
                if entry is not None:
                    found.append(entry)
        found.sort(key=lambda entry: not entry.folder)
        return Listed(tuple(found[:most]), max(0, len(found) - most))

    def completions(self, text: str, most: int = 12) -> Listed:
        """Files and folders that the last of the paths in ``text`` may become; their paths are texts to put there."""
        before, _, typed = text.rpartition(",")
        lead = f"{before}, " if before else ""
        typed = typed.lstrip()
        folder, slash, begins = typed.rpartition("/")
        try:
            listed = self.listed(self.path_of(f"{folder}{slash}" or "."), begins=begins, most=most)
        except MEAGraphError:
            return Listed(())
        entries = tuple(
            Entry(one.name, f"{lead}{folder}{slash}{one.name}{'/' * one.folder}", one.folder, one.size)
            for one in listed.entries
        )
        return Listed(entries, listed.more)

    def above(self, folder: Path) -> Path | None:
        """The folder around ``folder``; None at a root that confines, and at that of the file system."""
        at_top = folder.parent == folder or (self.confined and folder in (self.root, self.results))
        return None if at_top else folder.parent

    def _entry(self, path: Path) -> Entry | None:
        """What lies at ``path``; None for what is neither file nor folder, cannot be looked at, or leads out."""
        try:
            if self.confined and not any(
                path.resolve().is_relative_to(one) for one in (self.root, self.results) if one
            ):
                return None
            status = path.stat()
        except (OSError, RuntimeError):
            return None
        if stat.S_ISDIR(status.st_mode):
            return Entry(path.name, str(path), True, 0)
        return Entry(path.name, str(path), False, status.st_size) if stat.S_ISREG(status.st_mode) else None


def _here() -> Path:
    """The current folder; the user's own where that has been removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path.home()


def missing(paths: Sequence[str]) -> bool:
    """One of ``paths``, which may be patterns or members of archives, is not there any more."""
    return not all(stored_in(path) or glob.glob(path, recursive=True) for path in paths)


def _matches(path: Path) -> list[str]:
    """What a pattern stands for, or the path itself."""
    if stored_in(path) is None and glob.has_magic(str(path)):
        return glob.glob(str(path), recursive=True)
    return [str(path)]


def _links(folder: Path) -> list[str]:
    """The links in a folder and in those below it; none of a file."""
    found = []
    for here, folders, files in os.walk(folder):
        found += [path for name in (*folders, *files) if os.path.islink(path := os.path.join(here, name))]
    return found
