"""Small files that hold much: what memory they take until they are refused: ``python -m tests.fuzz.bombs --gib 1``.

Each is read in a process of its own; its peak is told over that of one that reads a small file.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import zstandard

from meagraph.datasets import read_dataset
from meagraph.files import read_array, read_arrays
from tests.support.fuzzing.trial import tried

FRAME = b'1\nenergy=1 pbc="F F F"\nNb 0 0 0\n'


def chunks(size: int, dense: int) -> Iterator[bytes]:
    """``size`` bytes, of each MiB ``dense`` at random and the others zero, after a frame that can be read."""
    yield FRAME * 2
    zeros = bytes(2**20 - dense)
    for _ in range(size // 2**20):
        yield os.urandom(dense) + zeros


def _zip(path: Path, content: Iterator[bytes], kind: int) -> None:
    with zipfile.ZipFile(path, "w", kind) as packed, packed.open("a.xyz", "w", force_zip64=True) as stream:
        for chunk in content:
            stream.write(chunk)


def _tar(path: Path, size: int) -> None:
    """A name of ``size`` bytes, which tarfile reads as a whole."""
    with gzip.open(path, "wb", compresslevel=1) as stream:
        info = tarfile.TarInfo("././@LongLink")
        info.type, info.size = tarfile.GNUTYPE_LONGNAME, size
        stream.write(info.tobuf(tarfile.GNU_FORMAT))
        for chunk in chunks(size, 10_600):
            stream.write(chunk)


def _dictionary(path: Path) -> None:
    """An .xz of a few bytes that asks for a dictionary of 4 GiB."""
    content = bytearray(lzma.compress(FRAME * 2, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 4096}]))
    size = (content[12] + 1) * 4  # of the block's header
    content[12 + 4] = 40  # of 0 to 40: 4 GiB - 1
    content[12 + size - 4 : 12 + size] = struct.pack("<I", zlib.crc32(content[12 : 12 + size - 4]))
    path.write_bytes(content)


def _npz(path: Path, size: int) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("a.npy", "w", force_zip64=True) as out:
        np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": (size,)})  # type: ignore[arg-type]
        for chunk in chunks(size, 10_600):
            out.write(chunk)


def _claims(path: Path) -> None:
    """An array of 100 bytes that says it is one of terabytes."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 3)})  # type: ignore[arg-type]
    if path.suffix == ".npy":
        path.write_bytes(stream.getvalue() + bytes(100))
    else:
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("a.npy", stream.getvalue() + bytes(100))


def bombs(folder: Path, size: int) -> Iterator[tuple[str, Path, Callable[[Path], object]]]:
    """What each is, and who reads it; made one after the other."""

    def stream(path: Path, opened: Callable[..., object], content: Iterator[bytes]) -> Path:
        with opened(path, "wb") as out:  # type: ignore[attr-defined]
            for chunk in content:
                out.write(chunk)
        return path

    gz = lambda path, mode: gzip.open(path, mode, compresslevel=1)  # noqa: E731, SIM115
    zst = lambda path, mode: zstandard.open(path, mode)  # noqa: E731
    xz = lambda path, mode: lzma.open(path, mode, preset=0)  # noqa: E731, SIM115
    yield "grows 95 times (allowed), no frames", stream(folder / "a.xyz.gz", gz, chunks(size, 10_600)), _read
    yield (
        "holds 1.1 GiB, where 1 GiB is the most",
        stream(folder / "b.xyz.gz", gz, chunks(int(1.1 * 2**30), 20_000)),
        _gib,
    )
    yield "zeros, grows 230 times", stream(folder / "c.xyz.gz", gz, chunks(size, 1)), _read
    yield "zeros", stream(folder / "d.xyz.bz2", bz2.open, chunks(size, 1)), _read
    yield "zeros", stream(folder / "e.xyz.xz", xz, chunks(size, 1)), _read
    yield "zeros", stream(folder / "f.xyz.zst", zst, chunks(size, 1)), _read
    _dictionary(folder / "g.xyz.xz")
    yield "asks for a dictionary of 4 GiB", folder / "g.xyz.xz", _read
    for kind, name in ((zipfile.ZIP_DEFLATED, "h.zip"), (zipfile.ZIP_LZMA, "i.zip")):
        _zip(folder / name, chunks(size // (1 if kind == zipfile.ZIP_DEFLATED else 4), 1), kind)
        yield "zeros", folder / name, _read
    stream(folder / "j.dump.gz", gz, chunks(size, 10_600))
    yield "another format, grows 95 times (allowed)", folder / "j.dump.gz", _read
    _tar(folder / "k.tar.gz", size)
    yield "a name as long as all of it", folder / "k.tar.gz", _read
    _npz(folder / "l.npz", size // 2)
    yield "a step file, grows 95 times (allowed)", folder / "l.npz", read_arrays
    np.savez_compressed(folder / "m.npz", a=np.zeros(size // 4, dtype=np.uint8))
    yield "a step file of zeros", folder / "m.npz", read_arrays
    for name, reader in (("n.npz", read_arrays), ("o.npy", read_array)):
        _claims(folder / name)
        yield "says that it holds 24 TB", folder / name, reader


def _read(path: Path) -> object:
    return read_dataset(path, fewest=1, allow_unlabelled=True)


def _gib(path: Path) -> object:
    return read_dataset(path, fewest=1, allow_unlabelled=True, max_bytes=2**30)


def main() -> int:
    """A table; the exit status is 1 where a bomb took more than 200 MB, or ended otherwise than by a clear error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=1.0, help="what each holds")
    options = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "small.xyz").write_bytes(FRAME * 2)
        _read(folder / "small.xyz")
        for what, path, reader in bombs(folder, int(options.gib * 2**30)):
            stored = path.stat().st_size
            more, seconds, said = tried(path, reader)
            bad += (more > 200e6 and "allowed" not in what) or said.startswith(("BAD", "DIED"))
            figures = f"{stored / 1e6:,.2f} | {more / 1e6:,.0f} | {seconds:.1f}"
            print(f"| `{''.join(path.suffixes)}` {what} | {figures} | {said} |", flush=True)
            path.unlink()
    return int(bad > 0)


if __name__ == "__main__":
    raise SystemExit(main())
