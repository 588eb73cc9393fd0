"""How files are written and read: atomically, archives without pickles, hashes."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import math
import os
import re
import stat
import struct
import time
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from meagraph.limits import FREE, LARGEST, RATIO
from meagraph.temporary import temporary_file, temporary_folder

T = TypeVar("T")
ALIGNED = 64  # bytes at a multiple of which an array in an archive begins
MAPPED = 8_000_000  # bytes of an array in an archive from which it can be mapped
_HEAD = struct.Struct("<4s22xHH")  # of a member of a zip: signature, and the lengths of name and extra field
_SIGNATURE = b"PK\3\4"
_LOCAL, _ZIP64 = _HEAD.size, 20  # bytes of it, and of the extra field that tells a large size
_EXTRA, _PADDING = struct.Struct("<HH"), 0xD935  # an extra field's head, and the number that stands for padding
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*([.:].*)?", re.IGNORECASE)


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it replaces ``path``, on failure it vanishes.

    A reader sees the old file or the whole new one, never a part.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary_file(target) as temporary:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp's 0600 would surprise whoever shares the folder
        temporary.replace(target)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a new folder beside ``path``; on success it takes the place of ``path``, on failure it vanishes.

    What was there is replaced, all of it; whether it may be is the caller's to know.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(target.parent) as temporary:
        made = temporary / target.name
        made.mkdir()
        yield made
        before = temporary / "before"
        if os.path.lexists(target):
            target.rename(before)
        try:
            made.rename(target)
        except OSError:
            if before.exists():
                before.rename(target)
            raise


def write_json(path: str | Path, content: Any) -> None:
    """Write ``content`` as indented JSON, atomically; keys keep their order."""
    with atomic_path(path) as temporary:
        write_text(temporary, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, the same bytes on every system; see :func:`writable_text`."""
    path.write_text(writable_text(text), encoding="utf-8", newline="\n")


@dataclass(frozen=True, eq=False)
class Stacked:
    """Arrays of one shape and type that are to be written as the rows of one, without a copy of all."""

    rows: Sequence[NDArray[Any]]  # at least one


def write_arrays(path: str | Path, arrays: Mapping[str, Any]) -> None:
    """Write ``arrays``, among them such as are :class:`Stacked`, as one NumPy archive without pickles, atomically."""
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            with archive.open(_aligned(archive, f"{name}.npy"), "w", force_zip64=True) as stream:
                if isinstance(array, Stacked):
                    first = array.rows[0]
                    shape = (len(array.rows), *first.shape)
                    header = {"descr": first.dtype.str, "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(stream, header)
                    for row in array.rows:
                        stream.write(np.ascontiguousarray(row, dtype=first.dtype).data)
                else:
                    np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=False)


def _aligned(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """A member of an archive whose content will begin at a multiple of ALIGNED bytes, so that it can be mapped."""
    member = zipfile.ZipInfo(name, time.localtime()[:6])
    before = archive.start_dir + _LOCAL + len(member.filename.encode()) + _ZIP64 + _EXTRA.size
    member.extra = _EXTRA.pack(_PADDING, room := -before % ALIGNED) + bytes(room)
    return member


def write_array(path: str | Path, array: NDArray[Any]) -> None:
    """Write one array as a .npy file to ``path``, which is nobody's yet.

    NumPy itself would hand an open file to C, which says nothing when the last of it finds no room on the disk.
    """
    with open(path, "wb") as stream:
        np.save(_Written(stream), array, allow_pickle=False)


class _Written:
    """What can be written to, and is no file to NumPy."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.write = stream.write


def read_arrays(path: str | Path, *, mapped: bool = False) -> dict[str, NDArray[Any]]:
    """Read what :func:`write_arrays` wrote, by name; with ``mapped`` large arrays are memory-mapped, not read.

    What is mapped can be changed in memory, and its checksum is not looked at. Raises OSError, ValueError or BadZipFile
    for what is no such file, or grows when read by more than the limit.
    """
    _check_file(path)
    with _as_value_error(), zipfile.ZipFile(path) as packed:
        held = sum(member.file_size for member in packed.infolist())
        if held > max(FREE, RATIO.value * os.path.getsize(path)):
            raise ValueError(f"it grows more than {RATIO.value} times when read. {RATIO.remedy}")
        found = {}
        for member in packed.infolist():
            large = mapped and member.file_size >= MAPPED and member.compress_type == zipfile.ZIP_STORED
            array = _mapped(path, member) if large else None
            if array is None:
                with packed.open(member) as stream:
                    array = np.lib.format.read_array(stream, allow_pickle=False)
            found[member.filename.removesuffix(".npy")] = array
        return found


def _mapped(path: str | Path, member: zipfile.ZipInfo) -> NDArray[Any] | None:
    """The array that a member of an archive holds as it is, mapped; None where it does not begin as it must."""
    with open(path, "rb") as stream:
        stream.seek(member.header_offset)
        signature, names, extra = _HEAD.unpack(stream.read(_LOCAL))
        stream.seek(names + extra, os.SEEK_CUR)
        if signature != _SIGNATURE or stream.tell() % ALIGNED:
            return None
        begin = stream.tell()
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            return None
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        start = stream.tell()
    size = dtype.itemsize * math.prod(shape)
    if dtype.hasobject or fortran or start - begin + size != member.file_size:
        return None
    return np.asarray(np.memmap(path, dtype, "c", start, shape))


def read_array(path: str | Path, mode: Literal["r", "c"] = "r") -> NDArray[Any]:
    """The one array in a .npy file, memory-mapped; with ``mode`` c it can be changed in memory.

    Raises OSError or ValueError for what is no such file.
    """
    _check_file(path)
    with _as_value_error():
        found = np.load(path, mmap_mode=mode, allow_pickle=False)
        if not isinstance(found, np.ndarray):
            raise ValueError("no single array")
        return found


def read_json(path: str | Path) -> Any:
    """The content of a JSON file. Raises OSError, or ValueError for what is none."""
    return from_json(read_bytes(path))


def read_bytes(path: str | Path, most: int = LARGEST) -> bytes:
    """All of a file. Raises OSError, or ValueError for a device, a pipe and more than ``most`` bytes."""
    _check_file(path)
    with open(path, "rb") as stream:
        found = stream.read(most + 1)
    if len(found) > most:
        raise ValueError(f"it holds more than {most:,} bytes")
    return found


def _check_file(path: str | Path) -> None:
    """Raise ValueError for a device or a pipe, which would be waited for, or read, without end."""
    kind = os.stat(path).st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise ValueError("it is a device or a pipe, no file")


def from_json(text: str | bytes) -> Any:
    """What a text of JSON says. Raises ValueError for one that is none, or is nested without end."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("its parts are nested too deeply") from error


def leads_out(name: str) -> bool:
    """Whether the name of a file in a folder stands for another place, on any system: absolute, ``..``, a device."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if not name.strip() or "\0" in name or posix.is_absolute() or windows.anchor or (os.name == "nt" and ":" in name):
        return True
    return any(part.strip() == ".." or _DEVICE.fullmatch(part) for part in (*posix.parts, *windows.parts))


@contextlib.contextmanager
def _as_value_error() -> Iterator[None]:
    """What NumPy and zipfile raise for a damaged header, or for one that asks for more than there is, as ValueError."""
    try:
        yield
    except (tokenize.TokenError, SyntaxError, EOFError, zlib.error, NotImplementedError, MemoryError) as error:
        raise ValueError(f"no whole NumPy array: {' '.join(str(error).split())}") from error


def is_one_of(path: str | Path, files: Iterable[str | Path]) -> bool:
    """Whether ``path`` is one of ``files`` or an archive that holds one, under whatever name: by links, with ``..``."""
    stored = (stored_in(file) for file in files)
    return os.path.exists(path) and any(file is not None and os.path.samefile(path, file) for file in stored)


def stored_in(path: str | Path) -> Path | None:
    """The file or folder that holds ``path``: itself, or the archive of which it is a member; None where none is."""
    place = Path(path)
    if os.path.exists(place):
        return place
    return next((parent for parent in place.parents if os.path.isfile(parent)), None)


def way_to(path: str | Path, folder: str | Path) -> str:
    """The way from ``folder`` to ``path``, spelt alike on every system; empty where there is none."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix() if path else ""
    except ValueError:  # another drive of Windows
        return ""


def writable_text(text: str) -> str:
    """``text`` as UTF-8 can hold it: bytes of a file's name that are no UTF-8 become ``\\udc80`` to ``\\udcff``.

    In a string of JSON these are the characters again, so that the file is found by its name.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def sha256_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def text_of_array(array: NDArray[Any]) -> dict[str, Any]:
    """An array for JSON, exactly: its type, shape, and bytes as base64."""
    whole = np.ascontiguousarray(array)
    return {"type": whole.dtype.str, "shape": list(whole.shape), "base64": base64.b64encode(whole.data).decode()}


def array_from_text(stored: Mapping[str, Any], dtype: Any) -> NDArray[Any]:
    """The inverse of :func:`text_of_array`. Raises ValueError, KeyError or TypeError for no array of ``dtype``."""
    if np.dtype(stored["type"]) != np.dtype(dtype):
        raise ValueError(f"an array of {stored['type']}, expected {np.dtype(dtype)}")
    flat = np.frombuffer(base64.b64decode(stored["base64"], validate=True), dtype=dtype)
    return flat.reshape([int(size) for size in stored["shape"]])
