"""The bytes of a source: a file, a compressed file, a member of an archive, a folder that is one dataset."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Self

from meagraph.datasets.dataset import DatasetError
from meagraph.datasets.options import MAX_BYTES
from meagraph.files import leads_out, sha256_file, stored_in
from meagraph.limits import FREE, MEMBERS, RATIO
from meagraph.temporary import temporary_folder

CHUNK = 2**20
EMPTY_BLOCK = bytes(512)
"""Ends a tar."""
NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
LONGEST_NAMES = 2**24
"""Bytes of the names of one member of a tar."""


def _zstd(path: Any) -> IO[bytes]:
    try:
        import zstandard
    except ImportError as error:
        raise DatasetError(
            f"{path}: reading .zst needs zstandard. Install it: pip install 'meaviz[zstd]', or decompress the file."
        ) from error
    stream: IO[bytes] = zstandard.ZstdDecompressor().stream_reader(
        open(path, "rb"),  # noqa: SIM115 -- closed with the reader
        read_across_frames=True,
        closefd=True,
    )
    return stream


def _gzip(path: Any) -> IO[bytes]:
    stream: IO[bytes] = gzip.open(path, "rb")  # noqa: SIM115 -- the caller closes it
    return stream


def _bz2(path: Any) -> IO[bytes]:
    stream: IO[bytes] = bz2.open(path, "rb")  # noqa: SIM115 -- the caller closes it
    return stream


def _plain(path: Any) -> IO[bytes]:
    return open(path, "rb")


def _lzma(path: Any) -> IO[bytes]:
    stream: IO[bytes] = lzma.open(path, "rb")  # noqa: SIM115 -- the caller closes it
    return stream


DECOMPRESS: dict[str, Callable[[Any], IO[bytes]]] = {
    ".gz": _gzip,
    ".gzip": _gzip,
    ".bz2": _bz2,
    ".xz": _lzma,
    ".zst": _zstd,
    ".zstd": _zstd,
}
SHORT = {".tgz": ".gz", ".tbz2": ".bz2", ".txz": ".xz", ".tzst": ".zst"}


def inner_name(file: Path) -> Path:
    """A file's name without its folder and without a suffix that says it is compressed."""
    return Path(file.stem if file.suffix.lower() in DECOMPRESS else file.name)


def is_archive(file: Path) -> bool:
    """Whether a file's name is that of an archive of files."""
    return file.suffix.lower() in SHORT or inner_name(file).suffix.lower() in (".zip", ".tar")


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

    Hidden files of a folder do not count.
    """
    if place.is_dir():
        paths = [path for path in sorted(place.rglob("*")) if path.is_file()]
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


def head_of(file: Path, name: str, size: int = 4096) -> bytes:
    """The first bytes of a file, decompressed."""
    open_ = DECOMPRESS.get(file.suffix.lower(), _plain)
    try:
        with open_(file) as stream:
            return stream.read(size)
    except MemoryError:
        raise
    except Exception as error:  # every library has its own errors
        raise _unreadable(file, name, error) from error


@contextmanager
def plain_file(file: Path, name: str, max_bytes: int) -> Iterator[Path]:
    """Give a path at which a reader finds the decompressed file under its own name."""
    inner = inner_name(file)
    if inner.name == file.name:
        yield file.absolute()
        return
    with temporary_folder() as folder:
        plain = folder / inner.name
        with open(plain, "wb") as target:
            for chunk in _chunks(file, name, max_bytes):
                target.write(chunk)
        yield plain


@contextmanager
def unpacked(archive: Path, *, name: str, max_bytes: int = MAX_BYTES) -> Iterator[Path]:
    """Unpack an archive into a folder that vanishes at the end: its files only, no links, nothing hidden.

    Raises :class:`DatasetError` for a broken archive, for names that point out of it and where the files hold more than
    ``max_bytes`` together.
    """
    with temporary_folder() as folder:
        room = _Room(archive, name, max_bytes)
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
            raise _unreadable(archive, name, error) from error
        yield folder


class _Room:
    """How much a compressed file may still hold, by the limits on its size and on how much it grows."""

    def __init__(self, file: Path, name: str, max_bytes: int) -> None:
        self.name, self.most = name, max_bytes
        self._grown = max(FREE, RATIO.value * file.stat().st_size)
        self._taken = 0

    def take(self, size: int) -> None:
        """So many bytes more have come. Raises DatasetError where that is too much."""
        self._taken += size
        if self._taken > self.most:
            raise DatasetError(
                f"{self.name}: expected at most {self.most / 2**30:g} GiB when decompressed, but it holds more. "
                "Raise the limit (--max-size, in GiB), or decompress it yourself."
            )
        if self._taken > self._grown:
            raise DatasetError(
                f"{self.name}: expected a file that grows at most {RATIO.value} times when decompressed, but it grows "
                f"more, as a file does that is made to fill a disk. {RATIO.remedy}, or decompress it yourself."
            )


def _members(archive: Path, room: _Room) -> Iterator[tuple[str, IO[bytes]]]:
    """The files of an archive, one after the other."""
    if inner_name(archive).suffix.lower() == ".zip":
        with zipfile.ZipFile(archive) as packed:
            for entry in packed.infolist():
                if not entry.is_dir():
                    with packed.open(entry) as stream:
                        yield entry.filename, stream
        return
    suffix = archive.suffix.lower()
    open_ = DECOMPRESS.get(SHORT.get(suffix, suffix), _plain)
    with open_(archive) as stream:
        # what tarfile reads for itself, as long names, is part of no file
        watched: Any = _Watched(stream, _Room(archive, room.name, max(2 * room.most, FREE)))
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
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> Self:
        """The header in a block. Raises ReadError for names that are longer than any is."""
        found = super().frombuf(buf, encoding, errors)
        if found.type in NAMES and found.size > LONGEST_NAMES:
            raise tarfile.ReadError(f"names of {found.size:,} bytes stand in it, where {LONGEST_NAMES:,} are enough")
        return found


class _Watched:
    """A stream that remembers the last bytes that were read of it."""

    def __init__(self, stream: IO[bytes], room: _Room) -> None:
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
        raise _unreadable(file, name, error) from error
    if suffix not in DECOMPRESS:
        return stored, digest
    return _decompressed(file, name, max_bytes), digest


def _decompressed(file: Path, name: str, max_bytes: int) -> bytes:
    """The decompressed content.

    More than FREE bytes are counted before any is held, so that what is refused takes no memory; they are decompressed
    twice, and held once.
    """
    held: list[bytes] = []
    size = 0
    for chunk in _chunks(file, name, max_bytes):
        size += len(chunk)
        if size <= FREE:
            held.append(chunk)
        else:
            held.clear()
    if size <= FREE:
        return b"".join(held)
    try:
        with DECOMPRESS[file.suffix.lower()](file) as stream:
            found = stream.read(size)
    except MemoryError:
        raise
    except Exception as error:  # every library has its own errors
        raise _unreadable(file, name, error) from error
    if len(found) != size:
        raise DatasetError(f"{name}: expected a file that nobody writes, but it changed while it was read. Try again.")
    return found


def _chunks(file: Path, name: str, max_bytes: int) -> Iterator[bytes]:
    """The decompressed content. Raises DatasetError where it is broken or too large."""
    try:
        room = _Room(file, name, max_bytes)
        with DECOMPRESS[file.suffix.lower()](file) as stream:
            while chunk := stream.read(CHUNK):
                room.take(len(chunk))
                yield chunk
    except MemoryError:
        raise
    except Exception as error:  # every library has its own errors
        raise _unreadable(file, name, error) from error


def _unreadable(file: Path, name: str, error: Exception) -> DatasetError:
    if isinstance(error, DatasetError):
        return error
    if isinstance(error, OSError) and error.errno is not None:
        return DatasetError(
            f"{name}: expected a file that can be read, but that failed ({error.strerror}). "
            "Check that it exists and its permissions."
        )
    return DatasetError(
        f"{name}: expected a whole {file.suffix} file, but it cannot be decompressed ({error}). "
        "Copy the file again, or rename it if it is not compressed."
    )
