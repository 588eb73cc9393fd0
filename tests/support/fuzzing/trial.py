"""One input tried: a result, one clear error, or something that must not be."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
import traceback
import unicodedata
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from meagraph.errors import MEAGraphError
from meagraph.memory import ran_out
from tests.support.fuzzing.subjects import Spoken, Subject

GOOD = ("result", "error")
LONGEST = 4000  # characters of a message
SHOW = False  # the whole traceback, for who looks for the cause


@dataclass(frozen=True)
class Outcome:
    """What came of one input."""

    kind: str  # one of GOOD, "exception", "unclear error", "memory", "hang"
    where: str = ""  # type and place of an exception, or what is wrong with the message

    @property
    def good(self) -> bool:
        """A result or one clear error."""
        return self.kind in GOOD


def try_one(subject: Subject | Spoken, seed: int) -> Outcome:
    """Damage ``subject`` by ``seed`` and let its reader read it."""
    draw = random.Random(f"{subject.name} {seed}")
    if isinstance(subject, Spoken):
        text = subject.damaged(draw)
        return _outcome(lambda: subject.read(text))
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        subject.damage(folder, draw)
        return _outcome(lambda: subject.read(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _outcome(read: Callable[[], object]) -> Outcome:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read()
        except MEAGraphError as error:
            wrong = unclear(str(error))
            if SHOW:
                print(error)
            return Outcome("unclear error", f"{wrong}: {str(error)[:300]!r}") if wrong else Outcome("error")
        except Exception as error:
            kind = "memory" if ran_out(error) else "exception"
            if SHOW:
                traceback.print_exc()
            return Outcome(kind, f"{type(error).__name__} at {_place(error)}: {str(error)[:160]!r}")
    return Outcome("result")


def unclear(message: str) -> str:
    """What a message for the user must not be: empty, of several lines, endless, or with what a terminal obeys."""
    if not message.strip():
        return "empty"
    if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in message):
        return "control characters"
    if len(message) > LONGEST:
        return "too long"
    return "" if message.rstrip()[-1] in ".)?!" else "no end"


def _place(error: BaseException) -> str:
    """The innermost line of ours, and the innermost of all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/meagraph/" in frame.filename or "/meaviz/" in frame.filename]
    last = (ours or frames)[-1:]
    return " ".join(f"{Path(frame.filename).parent.name}/{Path(frame.filename).name}:{frame.lineno}" for frame in last)


def limit_memory(more: int) -> None:
    """Let this process take at most ``more`` bytes beyond what it has."""
    import resource

    with open("/proc/self/status", encoding="ascii") as status:
        used = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmSize"))
    resource.setrlimit(resource.RLIMIT_AS, (used + more, used + more))


def peak() -> int:
    """The most memory that this process ever held, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def tried(path: Path, reader: Callable[[Path], object]) -> tuple[int, float, str]:
    """Bytes of memory and seconds that a process of its own took, and what it said."""
    back, forth = os.pipe()
    child = os.fork()
    if not child:
        begin, before = time.monotonic(), peak()
        try:
            reader(path)
            said = "a result"
        except (MEAGraphError, ValueError, OSError) as error:
            said = str(error)
        except BaseException as error:
            said = f"BAD {type(error).__name__}: {error}"
        os.write(forth, f"{peak() - before} {time.monotonic() - begin} {said[:300]}".encode())
        os._exit(0)
    os.close(forth)
    with open(back, encoding="utf-8") as answer:
        more, seconds, said = (answer.read() or "0 0 DIED").split(" ", 2)
    os.waitpid(child, 0)
    return int(more), float(seconds), said
