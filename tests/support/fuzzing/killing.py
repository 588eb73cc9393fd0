"""Commands that are killed in the middle: a process that is ready forks one for each, which starts at once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tests.support import ROOT

LOADED = (
    "torch",
    "meagraph.pipeline.run",
    "meagraph.pipeline.survey",
    "umap",
    "dscribe.descriptors",
    "meagraph.exports.whole",
    "meagraph.recipe.proof",
    "meagraph.pipeline.showing",
    "meagraph.pipeline.plotting",
)
"""What commands load, so that the process that is ready has it."""
SMALL = ["--n-max", "2", "--l-max", "2", "--epochs", "2", "--keep", "0.5"]
"""Options of a small analysis."""
SERVER = """
import json, os, resource, sys
from meagraph.cli import main
for name in sys.argv[1:]:
    __import__(name)
print("ready", flush=True)
for line in sys.stdin:
    said, says = os.pipe()  # a file could not grow where none may
    child = os.fork()
    if not child:
        os.setsid()
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.dup2(says, 2)
        os.close(said)
        asked = json.loads(line)
        if asked["most"] is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (asked["most"],) * 2)
        try:
            status = main(asked["arguments"])
        except SystemExit as error:
            status = int(error.code or 0)
        except BaseException:
            status = 99
            import traceback
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(says)
    print(child, flush=True)
    with open(said) as words:
        print(words.read(), end="", file=sys.stderr, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass
class Starter:
    """The process that is ready, and what the commands said of errors."""

    process: subprocess.Popen[str]
    said: Path

    def run(
        self,
        arguments: Sequence[str],
        *,
        kill_after: float | None = None,
        until: Callable[[], bool] | None = None,
        most: int | None = None,
    ) -> int:
        """Run a command; its status, -9 where it was killed after so many seconds or once ``until`` holds.

        With ``most`` no file may grow beyond so many bytes, as on a full disk.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"arguments": list(arguments), "most": most}) + "\n")
        self.process.stdin.flush()
        child, begin = int(self._line()), time.monotonic()
        while kill_after is not None or until is not None:
            if (kill_after is not None and time.monotonic() - begin > kill_after) or (until is not None and until()):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)
                break
            if not Path(f"/proc/{child}").exists():
                break  # it has come to its end before
            if time.monotonic() - begin > 300:
                raise TimeoutError(str(arguments))
            time.sleep(0.0005)
        return int(self._line())

    def _line(self) -> str:
        out: TextIO | None = self.process.stdout
        assert out is not None
        return out.readline()


@contextlib.contextmanager
def starter(folder: Path, *loaded: str) -> Iterator[Starter]:
    """A process that has ``loaded`` these modules; cache and temporary files lie in ``folder``."""
    for name in ("cache", "tmp"):
        (folder / name).mkdir(exist_ok=True, parents=True)
    environment = {
        **os.environ,
        "MEAVIZ_CACHE": str(folder / "cache"),
        "TMPDIR": str(folder / "tmp"),
        "OMP_NUM_THREADS": "1",
    }
    said = folder / "said.txt"
    with open(said, "w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, *loaded],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            cwd=ROOT,
            env=environment,
        )
    try:
        found = Starter(process, said)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", said.read_text()
        yield found
    finally:
        process.kill()
        process.wait()


def leftovers(folder: Path) -> list[str]:
    """Files and folders below ``folder`` that only a run in the middle of its work may have."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name.startswith("."))
