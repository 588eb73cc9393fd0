"""How a project lies on disk: its name, its arrays and records, each named by its content and written once.

``project.json`` is the one file that changes; it names records (``records/*.json``), which name arrays
(``arrays/*.npy``). A new state is written beside the old one and takes its place at once; what no state needs is
removed after that. So whenever the writing stops, one whole state is there.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.files import atomic_path, from_json, read_array, read_bytes, read_json
from meaviz.common import shared
from meaviz.projects.records import PLAIN, Decoder, Encoder

SUFFIX = ".meaviz"
STATE, ARRAYS, RECORDS, MODELS = "project.json", "arrays", "records", "models"
NAME = re.compile(r"[0-9a-f]{8,64}")
LARGE = 2**20  # bytes of an array from which its file may be shared with the cache's
MAPPED = 2**25  # bytes from which it is mapped, not read: each takes a file handle, and is not hashed again


def is_project(path: str | os.PathLike[str]) -> bool:
    """Whether a path is, by its name, a project."""
    return Path(path).suffix.lower() == SUFFIX


class Layout:
    """The files of one project. Raises OSError where they cannot be read or written, ValueError for what is none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.within: Path | None = None  # what files the project may name; None: all
        self._arrays: dict[int, tuple[NDArray[Any] | bytes, str]] = {}  # that were written, by identity
        self._records: dict[int, tuple[Any, str]] = {}
        self._read: dict[str, Any] = {}
        self._used: set[int] = set()  # arrays that the state that is being written names itself
        self._names: dict[str, tuple[set[str], set[str]]] = {}  # that each record names

    # ---- writing

    def encoder(self, known: Mapping[str, Any]) -> Encoder:
        """What turns values to text for this project's files."""
        return Encoder(self._put_array, lambda value: self.put(value, known), known)

    def put(self, value: Any, known: Mapping[str, Any]) -> str:
        """Write a result, unless it is there; return the name of its record."""
        held = self._records.get(id(value))
        if held is not None and (self.folder / RECORDS / f"{held[1]}.json").is_file():
            return held[1]
        text = json.dumps(self.encoder(known).text(value), separators=(",", ":"), ensure_ascii=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        path = self.folder / RECORDS / f"{name}.json"
        if not path.is_file():
            write_synced(path, text.encode())
        self._records[id(value)] = (value, name)
        return name

    def _put_array(self, value: NDArray[Any] | bytes) -> str:
        self._used.add(id(value))
        held = self._arrays.get(id(value))
        if held is not None and (self.folder / ARRAYS / f"{held[1]}.npy").is_file():
            return held[1]
        array: NDArray[Any] = np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value
        if array.dtype.kind not in PLAIN:
            raise TypeError(f"a project cannot hold an array of {array.dtype}")
        whole = np.ascontiguousarray(array)
        name = name_of(whole, array.shape)
        path = self.folder / ARRAYS / f"{name}.npy"
        if not path.is_file():
            source = file_of(array) if array.nbytes >= LARGE else None
            if source is None or not _linked(source, path):
                with atomic_path(path) as temporary, open(temporary, "wb") as stream:
                    np.save(stream, whole.reshape(array.shape), allow_pickle=False)
                    _sync(stream.fileno())
        self._arrays[id(value)] = (value, name)
        return name

    def put_state(self, state: Mapping[str, Any]) -> None:
        """Let ``state`` (JSON-like) be the project's state from now on."""
        write_synced(self.folder / STATE, (json.dumps(state, indent=1, ensure_ascii=True) + "\n").encode())

    def sweep(self, state: Mapping[str, Any], models: Iterable[str] = ()) -> None:
        """Remove records, arrays and models that ``state`` does not need, and what killed writers left behind."""
        records, arrays = self._needed(state)
        wanted = {
            RECORDS: {f"{name}.json" for name in records},
            ARRAYS: {f"{name}.npy" for name in arrays},
            MODELS: {f"{key}{suffix}" for key in models for suffix in (".safetensors", ".json")},
        }
        for part, names in wanted.items():
            for path in (self.folder / part).glob("*"):
                if path.name not in names:
                    with suppress(OSError):  # another system may not remove what is mapped
                        path.unlink()
        self._records = {key: held for key, held in self._records.items() if held[1] in records}
        self._arrays = {
            key: held
            for key, held in self._arrays.items()
            if held[1] in arrays and (key in self._used or not isinstance(held[0], bytes))
        }
        self._used = set()

    def clear_leftovers(self) -> None:
        """Remove what a killed writer left half written."""
        for place in (self.folder, *(self.folder / part for part in (ARRAYS, RECORDS, MODELS))):
            for path in place.glob(".*-*"):
                with suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _needed(self, state: Any) -> tuple[set[str], set[str]]:
        """The records and arrays that ``state`` names, and those that these name."""
        waiting, arrays = named_in(state)
        records: set[str] = set()
        while waiting:
            name = waiting.pop()
            records.add(name)
            if name not in self._names:
                self._names[name] = named_in(self._record(name))
            inner, more = self._names[name]
            waiting |= inner - records
            arrays |= more
        return records, arrays

    # ---- reading

    def state(self) -> dict[str, Any]:
        """The state as it lies there."""
        found = read_json(self.folder / STATE)
        if not isinstance(found, dict):
            raise ValueError(f"{STATE} holds no names with values")
        return found

    def decoder(self, known: Mapping[str, Any]) -> Decoder:
        """What turns text in this project's files to values."""
        return Decoder(self._array, lambda name: self.get(name, known), known, self.within)

    def get(self, name: str, known: Mapping[str, Any]) -> Any:
        """What lies in the record of this name; the same object each time."""
        if name not in self._read:
            self._read[name] = value = self.decoder(known).value(self._record(name))
            self._records[id(value)] = (value, name)
        return self._read[name]

    def end_reading(self) -> None:
        """Hold what was read no longer than those who got it."""
        self._read.clear()

    def _record(self, name: str) -> Any:
        text = read_bytes(self.folder / RECORDS / f"{_checked(name)}.json")
        if hashlib.sha256(text).hexdigest()[:32] != name:
            raise ValueError(f"{name}.json is not what was written")
        return from_json(text)

    def _array(self, name: str) -> NDArray[Any]:
        """The array of this name: one for all sessions of the server, for it is named by its content."""
        path = self.folder / ARRAYS / f"{_checked(name)}.npy"
        mapped = read_array(path)
        if mapped.dtype.kind not in PLAIN:
            raise ValueError(f"{path.name} holds {mapped.dtype}")
        if mapped.nbytes and not mapped.flags.c_contiguous:
            raise ValueError(f"{path.name} is not in the order of C")
        if mapped.nbytes < MAPPED:
            array = np.array(mapped)
            if name_of(array, array.shape) != name:
                raise ValueError(f"{path.name} is not what was written")
            array = shared().one(("array", name), array)
        else:  # as from memory: compiled loops know arrays that can be written; changes never reach the file
            file = os.stat(path)  # what was not hashed is the same only where the file is
            key = ("file", file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns)
            array = shared().one(key, np.asarray(read_array(path, "c")))
        self._arrays[id(array)] = (array, name)
        return array


def named_in(text: Any) -> tuple[set[str], set[str]]:
    """The names of the records and arrays in JSON text."""
    records: set[str] = set()
    arrays: set[str] = set()
    waiting = [text]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get("record"), str):
                records.add(one["record"])
            if isinstance(one.get("array"), str):
                arrays.add(one["array"])
            one = list(one.values())
        if isinstance(one, list):
            waiting += [part for part in one if isinstance(part, dict | list)]
    return records, arrays


def name_of(whole: NDArray[Any], shape: tuple[int, ...]) -> str:
    """The name of an array in the order of C, by its content, type and ``shape``."""
    digest = hashlib.sha256(f"{whole.dtype.str} {shape}".encode())
    digest.update(whole.reshape(-1).view(np.uint8).data if whole.nbytes else b"")
    return digest.hexdigest()[:32]


def write_synced(path: Path, content: bytes) -> None:
    """Write a file, all of it or nothing; it is on the disk when this returns."""
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        stream.write(content)
        stream.flush()
        _sync(stream.fileno())


def file_of(array: NDArray[Any]) -> Path | None:
    """The .npy file that an array maps the whole of; None where there is none."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.filename is not None:
            path = Path(os.fspath(base.filename))
            if path.suffix != ".npy" or not path.is_file() or not array.flags.c_contiguous:
                return None
            whole = read_array(path)  # what is as large as all of it, and lies in it, is all of it
            return path if (whole.shape, whole.dtype) == (array.shape, array.dtype) else None
        base = base.base
    return None


def share_file(source: Path, target: Path) -> None:
    """Let ``target`` be a copy of ``source``, without taking room where the disk allows that."""
    if not _linked(source, target):
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)


def _linked(source: Path, target: Path) -> bool:
    """Whether ``target`` could be made another name of the file ``source``, which nobody ever changes in place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        return target.is_file()
    return True


def _sync(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems cannot
            raise


def _checked(name: Any) -> str:
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no name of a file here")
    return name
