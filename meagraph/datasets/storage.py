"""The bytes of a source: a file, a compressed file, a member of an archive, a folder that is one dataset."""

from __future__ import annotations

import hashlib
import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Any, Self

from meagraph.datasets.compressed import (
    CHUNK,
    DECOMPRESS,
    SHORT,
    Room,
    decompressed,
    inner_name,
    is_archive,
    uncompressed,
    unreadable,
)
from meagraph.datasets.dataset import DatasetError
from meagraph.datasets.options import MAX_BYTES
from meagraph.files import leads_out, sha256_file, stored_in
from meagraph.limits import FREE, MEMBERS
from meagraph.temporary import temporary_folder

EMPTY_BLOCK = bytes(512)
"""Ends a tar."""
NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
LONGEST_NAMES = 2**24
"""Bytes of the names of one member of a tar."""


def source_text(path: str | Path, *, name: str | None = None, max_bytes: int = MAX_BYTES) -> tuple[bytes, str]:
    """Return the decompressed bytes of a source and the SHA-256 of its bytes as stored.

    A member of an archive is ``archive.zip/inner.xyz``, and its bytes as stored are those of the member. ``name`` is
    what messages call the source. Raises :class:`DatasetError` where it cannot be read, its compression is broken or it
    holds more than ``max_bytes``.
    """
    with SourceTexts(max_bytes) as texts:
        return texts.read(path, name=name)


class SourceTexts(AbstractContextManager["SourceTexts"]):
    """Reads sources one after the other; an archive is unpacked once, however many of its members are asked for."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._open = ExitStack()
        self._unpacked: dict[tuple[int, int], Path] = {}

    def __exit__(self, *_: object) -> None:
        self._open.close()
        self._unpacked.clear()

    def read(self, path: str | Path, *, name: str | None = None) -> tuple[bytes, str]:
        """As :func:`source_text`."""
        return _text(self.locate(path), str(path) if name is None else name, self.max_bytes)

    def locate(self, path: str | Path) -> Path:
        """Where the bytes of a source lie now: itself, or the unpacked member."""
        place = Path(path)
        file = stored_in(place)
        if file is None or file == place or not is_archive(file):
            return place
        status = file.stat()
        key = (status.st_dev, status.st_ino)
        if key not in self._unpacked:
            self._unpacked[key] = self._open.enter_context(unpacked(file, name=str(file), max_bytes=self.max_bytes))
        return self._unpacked[key] / place.relative_to(file)


def stored_sha256(path: str | Path, format: str) -> str | None:
    """SHA-256 of a source's bytes as stored, as :class:`Source` has it; None where it is not there any more."""
    try:
        with SourceTexts() as texts:
            place = texts.locate(path)
            return place_sha256(place, format) if place.is_file() or place.is_dir() else None
    except (OSError, DatasetError):
        return None


def place_sha256(place: Path, format: str) -> str:
    """SHA-256 of a file; of a folder, and of a file with companions, that of the names and hashes of all files.

    Hidden files of a folder do not count. Raises DatasetError for a folder of more files than a dataset may have.
    """
    if place.is_dir():
        there = list(islice(place.rglob("*"), MEMBERS.value + 1))
        if len(there) > MEMBERS.value:
            raise DatasetError(
                f"{place}: expected a folder of at most {MEMBERS.value:,} files as one dataset, but it holds more. "
                f"{MEMBERS.remedy}."
            )
        paths = [path for path in sorted(there) if path.is_file()]
        inner = [path.relative_to(place) for path in paths]
        shown = [not any(part.startswith(".") for part in name.parts) for name in inner]
        return _names_and_hashes((n.as_posix(), path) for n, path, ok in zip(inner, paths, shown, strict=True) if ok)
    beside = cp2k_companions(place).values() if format == "cp2k-xyz" else ()
    return _names_and_hashes((file.name, file) for file in (place, *beside)) if beside else sha256_file(place)


def cp2k_companions(positions: Path) -> dict[str, Path]:
    """What CP2K wrote beside ``x-pos-1.xyz``, as far as it is there: "forces" ``x-frc-1.xyz``, "cell" ``x-1.cell``."""
    parts = re.fullmatch(r"(.*)-pos-(\d+)\.xyz", positions.name)
    if parts is None:
        return {}
    run, number = parts.groups()
    names = {"forces": f"{run}-frc-{number}.xyz", "cell": f"{run}-{number}.cell"}
    return {what: path for what, name in names.items() if (path := positions.with_name(name)).is_file()}


def _names_and_hashes(files: Iterable[tuple[str, Path]]) -> str:
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(f"{name}\0{sha256_file(path)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


@contextmanager
def unpacked(archive: Path, *, name: str, max_bytes: int = MAX_BYTES) -> Iterator[Path]:
    """Unpack an archive into a folder that vanishes at the end: its files only, no links, nothing hidden.

    Raises :class:`DatasetError` for a broken archive, for names that point out of it and where the files hold more than
    ``max_bytes`` together.
    """
    with temporary_folder() as folder:
        room = Room(archive, name, max_bytes)
        try:
            for count, (member, stream) in enumerate(_members(archive, room), 1):
                inner = PurePosixPath(member)
                if leads_out(member):
                    raise DatasetError(
                        f"{name}: expected files inside the archive, but its member {member!r} points out of it. "
                        "Nothing was unpacked there. Pack the archive again."
                    )
                if count > MEMBERS.value:
                    raise DatasetError(
                        f"{name}: expected at most {MEMBERS.value:,} files in an archive, but it holds more. "
                        f"{MEMBERS.remedy}, or unpack it yourself."
                    )
                if any(part.startswith(".") or part == "__MACOSX" for part in inner.parts):
                    continue
                target = folder / inner
                target.parent.mkdir(parents=True, exist_ok=True)
                with open(target, "wb") as copy:
                    while chunk := stream.read(CHUNK):
                        room.take(len(chunk))
                        copy.write(chunk)
        except MemoryError:
            raise
        except Exception as error:  # every library has its own errors
            raise unreadable(archive, name, error) from error
        yield folder


def _members(archive: Path, room: Room) -> Iterator[tuple[str, IO[bytes]]]:
    """The files of an archive, one after the other."""
    if inner_name(archive).suffix.lower() == ".zip":
        with zipfile.ZipFile(archive) as packed:
            for entry in packed.infolist():
                if not entry.is_dir():
                    with packed.open(entry) as stream:
                        yield entry.filename, stream
        return
    suffix = archive.suffix.lower()
    open_ = DECOMPRESS.get(SHORT.get(suffix, suffix), uncompressed)
    with open_(archive) as stream:
        # what tarfile reads for itself, as long names, is part of no file
        watched: Any = _Watched(stream, Room(archive, room.name, max(2 * room.most, FREE)))
        with tarfile.open(fileobj=watched, mode="r|", tarinfo=_Header) as packed_tar:
            for member in packed_tar:
                content = packed_tar.extractfile(member) if member.isreg() else None
                if content is not None:
                    yield member.name, content
        if not watched.last.endswith(EMPTY_BLOCK):  # tarfile takes a cut between two members for the end
            raise tarfile.ReadError("the mark at its end is missing: it is truncated")


class _Header(tarfile.TarInfo):
    """What stands before a file of an archive. tarfile reads long names as a whole: none may fill the memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """The header in a block. Raises ReadError for names that are longer than any is."""
        found = super().frombuf(buf, encoding, errors)
        if found.type in NAMES and found.size > LONGEST_NAMES:
            raise tarfile.ReadError(f"names of {found.size:,} bytes stand in it, where {LONGEST_NAMES:,} are enough")
        return found


class _Watched:
    """A stream that remembers the last bytes that were read of it."""

    def __init__(self, stream: IO[bytes], room: Room) -> None:
        self._stream, self._room = stream, room
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._room.take(len(data))
        self.last = (self.last + data)[-len(EMPTY_BLOCK) :] if data else self.last
        return data


def _text(file: Path, name: str, max_bytes: int) -> tuple[bytes, str]:
    suffix = file.suffix.lower()
    try:
        stored = file.read_bytes() if suffix not in DECOMPRESS else b""
        digest = hashlib.sha256(stored).hexdigest() if stored else sha256_file(file)
    except OSError as error:
        raise unreadable(file, name, error) from error
    if suffix not in DECOMPRESS:
        return stored, digest
    return decompressed(file, name, max_bytes), digest
