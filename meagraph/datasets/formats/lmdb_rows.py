"""The rows of an LMDB file, read in a process of their own: a broken file ends the process that has it open.

Run as a script it writes the rows to its output, in the order of their numbers, each after its length.
"""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

LENGTH = struct.Struct(">Q")


class BrokenFileError(ValueError):
    """The file cannot be read; the message says why."""


def rows_of(path: Path) -> Iterator[bytes]:
    """The value of each key that is a number. Raises BrokenFileError, after the rows before it where there are any."""
    command = [sys.executable, __file__, str(path.absolute())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            while len(head := process.stdout.read(LENGTH.size)) == LENGTH.size:
                row = process.stdout.read(LENGTH.unpack(head)[0])
                if process.poll() is not None and len(row) < LENGTH.unpack(head)[0]:
                    break
                yield row
            said = process.stderr.read().decode("utf-8", "replace").strip().splitlines()
            status = process.wait()
        finally:
            process.kill()
    if status:
        raise BrokenFileError(said[-1] if said and status == 1 else "it is damaged or cut off")


def write_rows(path: str, out: IO[bytes]) -> None:
    """Write the rows of the file at ``path``."""
    import lmdb

    size = Path(path).stat().st_size
    with lmdb.open(path, subdir=False, readonly=True, lock=False, max_readers=1) as stored, stored.begin() as rows:
        pages = stored.info()["last_pgno"] + 1
        if size < pages * stored.stat()["psize"]:
            raise ValueError(f"it is cut off after {size:,} bytes")
        for number in sorted(int(key) for key in rows.cursor().iternext(values=False) if key.isdigit()):
            row = bytes(rows.get(str(number).encode()) or b"")
            out.write(LENGTH.pack(len(row)) + row)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # whoever asked has seen enough
        try:
            write_rows(sys.argv[1], sys.stdout.buffer)
            sys.stdout.flush()
        except Exception as error:
            if isinstance(error, BrokenPipeError):
                raise
            sys.exit(f"{type(error).__name__}: {error}")
