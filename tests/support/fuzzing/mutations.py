"""How a file is damaged: bytes, lines, numbers, words, keys of JSON, arrays, members of archives; all by one draw."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import re
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from tests.support.fuzzing.databases import sqlite_changed
from tests.support.fuzzing.yaml_texts import yaml_changed

MOST = 1_000_000  # bytes of a mutated file: what is tried is how it is read, not how much
NUMBER = re.compile(rb"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
WORD = re.compile(rb"[A-Za-z_]+")
NUMBERS = [
    *(b"0", b"-1", b"1", b"2", b"3", b"nan", b"inf", b"-inf", b"1e400", b"-1e308", b"1e-320", b"", b"x", b"1.5"),
    *(b"1000000000", b"99999999999999999999", b"9" * 400, b"9" * 5000, b"2147483648", b"-9223372036854775809"),
    *("²".encode(), "١٢".encode(), b"0x10", b"1_000", b"1D3", b"1,5", b"--1", b"True", b"1e"),
]
WORDS = [
    *(
        b"Xx",
        b"X",
        b"",
        b"_JSON " + b"[" * 5000,
        b'"',
        b"'",
        b"{",
        b"[",
        b"]",
        b"=",
        b"pos",
        b"forces",
        b"energy",
        b"REF_",
    ),
    *(
        "Ünï".encode(),
        b"\xff\xfe",
        b"\x00",
        b"\x1b[2J",
        b"\xe2\x80\xae",
        b"a" * 3000,
        b"../../etc/passwd",
        b"%s%n",
        b"\\",
    ),
]
VALUES: list[Any] = [
    *(
        None,
        True,
        -1,
        0,
        1,
        2**31,
        10**30,
        1e308,
        -1e308,
        float("nan"),
        "x",
        "",
        "\x1b[2J\n",
        [],
        {},
        [1, "a"],
        [[1]],
        "9",
    ),
    *({"a": 1}, [None], "../x", "a" * 3000, 3.5, [[[[]]]], -(2**63), float("inf")),
]
DTYPES = ["U8", "i1", "u8", "f2", "f4", "f8", "c8", "?", "S4", "<M8[s]", ">f8", "V3"]
NAMES = [
    "../out.xyz",
    "/tmp/out.xyz",
    "a/../../b.xyz",
    "C:\\x.xyz",
    "\x00.xyz",
    "",
    ".hidden.xyz",
    "a\\..\\b.xyz",
    "n" * 300,
]


def mutate(name: str, content: bytes, draw: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """``content`` of a file called ``name`` with one to three things wrong; ``others`` are files to splice from."""
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        try:
            content = _way(name, draw)(content, draw, others)
        except Exception:  # it is broken already
            content = _bytes(content, draw, others)
    return content[:MOST]


Way = Callable[[bytes, random.Random, Sequence[bytes]], bytes]


def _way(name: str, draw: random.Random) -> Way:
    suffix = PurePath(name).suffix.lower()
    if draw.random() < 0.15:
        return _bytes
    known: dict[str, Way] = {
        ".json": _json,
        ".yaml": lambda content, draw, _: yaml_changed(content, draw, changed),
        ".sqlite": sqlite_changed,
        ".db": sqlite_changed,
        ".npy": _npy,
        ".npz": _npz,
        ".safetensors": _safetensors,
        ".zip": _zip,
        ".tar": _tar,
        ".gz": _compressed(gzip.compress, gzip.decompress),
        ".bz2": _compressed(bz2.compress, bz2.decompress),
        ".xz": _compressed(lzma.compress, lzma.decompress),
        ".zst": _compressed(*_zstd()),
    }
    binary = (".h5", ".hdf5", ".aselmdb", ".traj")
    if suffix in known:
        return known[suffix]
    return _bytes if suffix in binary else draw.choice([_lines, _numbers, _numbers, _words, _words, _csv_cells])


def _bytes(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """Some bytes are others, gone, doubled, cut off, or those of another file."""
    data, size = bytearray(content), max(len(content), 1)
    at, much = draw.randrange(size), draw.choice([1, 2, 8, 64, 512])
    match draw.randrange(7):
        case 0 if data:
            data[at] ^= 1 << draw.randrange(8)
        case 1 if data:
            data[at] = draw.choice([0, 255, 10, 32, 44, 45, 127])
        case 2:
            del data[at : at + much]
        case 3:
            data[at:at] = draw.randbytes(much)
        case 4:
            del data[at:]
        case 5:
            data[at:at] = data[at : at + much] * draw.choice([1, 2, 50])
        case _ if others:
            other = draw.choice(others)
            place = draw.randrange(max(len(other), 1))
            data[at : at + draw.choice([0, much, size])] = other[place : place + draw.choice([much, 4096])]
    return bytes(data)


def _lines(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    lines = content.split(b"\n")
    at, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    match draw.randrange(8):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[other])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines[at] = b""
        case 4:
            lines[at : at + 2] = [b" ".join(lines[at : at + 2])]
        case 5:
            lines = lines[:at]
        case 6:
            lines[at] += b" " + lines[other]
        case _ if others:
            lines[at:at] = draw.choice(others)[:2000].split(b"\n")[:5]
    return b"\n".join(lines)


def _replaced(pattern: re.Pattern[bytes], choices: Sequence[bytes]) -> Way:
    def way(content: bytes, draw: random.Random, _: Sequence[bytes]) -> bytes:
        found = [match.span() for match in pattern.finditer(content)]
        start, end = draw.choice(found)
        return content[:start] + draw.choice(choices) + content[end:]

    return way


_numbers = _replaced(NUMBER, NUMBERS)
_words = _replaced(WORD, WORDS)


def _csv_cells(content: bytes, draw: random.Random, _: Sequence[bytes]) -> bytes:
    """A word between spaces or commas is another, gone, or that of another place."""
    parts = re.split(rb"([\s,:=]+)", content)
    at, other = draw.randrange(len(parts)), draw.randrange(len(parts))
    parts[at] = draw.choice([parts[other], draw.choice(NUMBERS), draw.choice(WORDS), b""])
    return b"".join(parts)


def _json(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    if draw.random() < 0.1:
        return draw.choice([b"[" * 100_000, b"{}", b"[]", b"null", b'"a"', b"\xff", b"1e999", b"NaN", content[:-3]])
    head, brace, rest = content.partition(b"{")  # FitSNAP's begins with a remark
    details = json.loads(brace + rest)
    return head + json.dumps(changed(details, draw)).encode()


def changed(details: Any, draw: random.Random) -> Any:
    """JSON ``details`` with an entry, at whatever depth, left out, added or replaced; never its kind or hash."""
    node = details
    while isinstance(node, dict | list) and node:
        keys = [
            key for key in (node if isinstance(node, dict) else range(len(node))) if key not in ("format", "sha256")
        ]
        if not keys:
            break
        key = draw.choice(keys)
        if isinstance(node[key], dict | list) and node[key] and draw.random() < 0.75:
            node = node[key]
            continue
        match draw.randrange(10):
            case 0 | 1:
                del node[key]
            case 2 if isinstance(node, dict):
                node[draw.choice(["x", "", "../a", "__class__", f"{key}s"])] = node[key]
            case 3 if isinstance(node, list):
                node += node[: draw.choice([1, 3])]
            case _:
                node[key] = draw.choice([*VALUES, [node[key]], {"x": node[key]}, str(node[key])])
        break
    return details


def array_changed(array: np.ndarray, draw: random.Random) -> np.ndarray:
    """Another length, shape, type or value."""
    match draw.randrange(9):
        case 0:
            return array[:-1] if array.ndim else array.reshape(1)
        case 1:
            return np.concatenate([array, array]) if array.ndim else np.stack([array, array])
        case 2:
            return array.reshape(-1) if array.ndim > 1 else array.reshape(-1, 1)
        case 3:
            return array[:0] if array.ndim else array.astype("U8")
        case 4:
            return array.astype(draw.choice(DTYPES))
        case 5:
            return np.array(draw.choice([0, 1.0, "x", -1]))
        case 6:
            return array[::-1].copy() if array.ndim else array
        case _:
            found = array.copy()
            wrong = draw.choice([-5, -1, 0, 1, 2**31 - 1, 10**9, 2**62, float("nan"), float("inf"), 1e308, 1e-300, 0.3])
            if found.dtype.kind in "iu":
                wrong = int(
                    min(max(wrong if wrong == wrong else 0, np.iinfo(found.dtype).min), np.iinfo(found.dtype).max)
                )
            found.flat[draw.randrange(found.size)] = wrong if found.dtype.kind in "iufbc" else "\x1b[2J"
            return found


def _saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=array.dtype.hasobject)
    return stream.getvalue()


def _npy(content: bytes, draw: random.Random, _: Sequence[bytes]) -> bytes:
    if draw.random() < 0.3:  # its header
        return (
            _replaced(re.compile(rb"\d+"), [b"99999999999", b"-1", b"0", b"7", b"9" * 30, b"("])(
                content[:128], draw, ()
            )
            + content[128:]
        )
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if draw.random() < 0.05:
        return _saved(np.array([{"a": 1}, None], dtype=object))
    return _saved(array_changed(array, draw))


def _npz(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    name = draw.choice(sorted(members))
    match draw.randrange(12):
        case 0:
            del members[name]
        case 1:
            members[draw.choice(sorted(members))] = members[name]
        case 2:
            members[draw.choice(["x.npy", "../x.npy", "about", "y"])] = draw.choice([b"", b"x", members[name]])
        case _ if name == "about.npy":
            details = json.loads(np.load(io.BytesIO(members[name])).tobytes())
            text = json.dumps(changed(details, draw)).encode()
            members[name] = _saved(np.frombuffer(text, dtype=np.uint8))
        case _:
            members[name] = _npy(members[name], draw, others)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as packed:
        for inner, data in members.items():
            packed.writestr(inner, data)
    return stream.getvalue()


def _safetensors(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    length = struct.unpack("<Q", content[:8])[0]
    if draw.random() < 0.1:
        return struct.pack("<Q", draw.choice([0, 1, length - 1, 2**40, 2**63])) + content[8:]
    if draw.random() < 0.3:  # its numbers
        at = draw.randrange(8 + length, len(content) - 4) & ~3
        return content[:at] + struct.pack("<f", draw.choice([np.nan, np.inf, 1e30, -1.0])) + content[at + 4 :]
    header = json.loads(content[8 : 8 + length])
    about = header.get("__metadata__", {})
    if "training" in about and draw.random() < 0.5:
        about["training"] = json.dumps(changed(json.loads(about["training"]), draw))
    else:
        header = changed(header, draw)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def _compressed(pack: Callable[[bytes], bytes], unpack: Callable[[bytes], bytes]) -> Way:
    def way(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
        if draw.random() < 0.3:
            return _bytes(content, draw, others)
        inner = unpack(content)
        packed = pack(draw.choice([_lines, _numbers, _words, _bytes])(inner, draw, others))
        return packed + packed if draw.random() < 0.1 else packed

    return way


def _zstd() -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
    import zstandard

    def unpack(data: bytes) -> bytes:
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=10**6)

    return zstandard.ZstdCompressor().compress, unpack


def _zip(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        members = [(name, packed.read(name)) for name in packed.namelist()]
    members = _members_changed(members, draw, others)
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as packed:
        warnings.simplefilter("ignore")  # a name that comes twice is meant
        for name, data in members:
            packed.writestr(zipfile.ZipInfo(name or "x"), data)
    found = bytearray(stream.getvalue())
    if draw.random() < 0.1:  # said to be encrypted
        for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            place = found.find(mark)
            found[place + flags] |= 1
    return bytes(found)


def _tar(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(content)) as packed:
        members = [(one.name, packed.extractfile(one).read()) for one in packed if one.isreg()]  # type: ignore[union-attr]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as packed:
        for name, data in _members_changed(members, draw, others):
            info = tarfile.TarInfo(name.replace("\0", "0"))
            info.size = len(data)
            if draw.random() < 0.1:
                info.type = draw.choice([tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
                info.linkname, info.size, data = draw.choice(["/etc/passwd", "../x", name]), 0, b""
            packed.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def _members_changed(
    members: list[tuple[str, bytes]], draw: random.Random, others: Sequence[bytes]
) -> list[tuple[str, bytes]]:
    at = draw.randrange(len(members))
    name, data = members[at]
    match draw.randrange(4):
        case 0:
            members[at] = (draw.choice(NAMES), data)
        case 1:
            members.append((name, data))  # twice
        case 2:
            members.append((f"{name}/below.xyz", data))  # a file that is a folder, too
        case _:
            members[at] = (name, mutate(name, data, draw, others))
    return members
