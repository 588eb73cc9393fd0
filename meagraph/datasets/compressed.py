"""The bytes of compressed files: read piece by piece, within limits on what they hold and how much they grow."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from meagraph.datasets.dataset import DatasetError
from meagraph.limits import FREE, RATIO
from meagraph.temporary import temporary_folder

CHUNK = 2**20


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


def uncompressed(path: Any) -> IO[bytes]:
    """A file that is read as it is."""
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


def head_of(file: Path, name: str, size: int = 4096) -> bytes:
    """The first bytes of a file, decompressed."""
    open_ = DECOMPRESS.get(file.suffix.lower(), uncompressed)
    try:
        with open_(file) as stream:
            return stream.read(size)
    except MemoryError:
        raise
    except Exception as error:  # every library has its own errors
        raise unreadable(file, name, error) from error


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


class Room:
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


def decompressed(file: Path, name: str, max_bytes: int) -> bytes:
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
        raise unreadable(file, name, error) from error
    if len(found) != size:
        raise DatasetError(f"{name}: expected a file that nobody writes, but it changed while it was read. Try again.")
    return found


def _chunks(file: Path, name: str, max_bytes: int) -> Iterator[bytes]:
    """The decompressed content. Raises DatasetError where it is broken or too large."""
    try:
        room = Room(file, name, max_bytes)
        with DECOMPRESS[file.suffix.lower()](file) as stream:
            while chunk := stream.read(CHUNK):
                room.take(len(chunk))
                yield chunk
    except MemoryError:
        raise
    except Exception as error:  # every library has its own errors
        raise unreadable(file, name, error) from error


def unreadable(file: Path, name: str, error: Exception) -> DatasetError:
    """What to say of a file for which reading or decompressing ended in ``error``."""
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
