"""The app's server killed at random moments while somebody uses its page.

    python -m tests.fuzz.app_kills DATA --count 50 --seed 1

The real command ``meaviz`` serves ``DATA`` (or a project of it) to a real browser, in which somebody selects, flags,
changes shares, keeps plans and selections under names, undoes and does again, loads the page anew and loses the
connection. At a random moment, be it while the page is opened, the server is killed with SIGKILL. Then the project on
the disk must be whole and hold what the page had shown as saved, and the server that is started again must show it.
With ``--named`` the work has a name; else it is kept as it comes. An analysis in the cache is used.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.support.fuzzing.app import Rounds, opened_browser


def main() -> int:
    """Kill and look, so many times; the exit status is 1 where anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0, help="no further kill after these")
    parser.add_argument("--named", action="store_true", help="under a name; else in the unnamed project")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
    found = Counter[str]()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        (folder / "home").mkdir()
        data = Path(shutil.copy(options.data, folder / options.data.name))
        with opened_browser(playwright) as page:
            path = folder / "work.meaviz" if options.named else None
            rounds = Rounds(page, folder, data, path, random.Random(options.seed))
            rounds.begin()
            begin = time.monotonic()
            for number in range(options.count):
                if time.monotonic() - begin > 60 * options.minutes:
                    break
                came = rounds.round()
                found[came.split(":")[0]] += 1
                print(f"{number} {time.monotonic() - begin:.0f} s {came}", flush=True)
            print(dict(sorted(found.items())), dict(sorted(rounds.tally.items())), f"shown as saved {rounds.done}")
            rounds.starter.end()
    return int(any(came.startswith("WRONG") for came in found))


if __name__ == "__main__":
    raise SystemExit(main())
