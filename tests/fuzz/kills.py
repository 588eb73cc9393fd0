"""Commands killed at random moments and run again: ``python -m tests.fuzz.kills --count 50 --seed 1``.

After each kill the same command must come to the same end as if nothing had happened, and leave nothing behind. Kills
that come too late, for a run takes now longer and now shorter, do not count.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

import ase.io

from meagraph.exports import verify
from tests.support.fuzzing.killing import LOADED, SMALL, Starter, leftovers, starter
from tests.support.steps import DESCRIBE, TRAIN
from tests.support.structures import niobium_structures

LATE = "was done"


def commands(folder: Path) -> dict[str, list[list[str]]]:
    """Chains of commands by name; a kill hits one of them."""
    data, out = str(folder / "niobium.extxyz"), folder / "out"
    packed = str(folder / "niobium.extxyz.gz")
    steps = [
        ["describe", data, "--out", str(out / "d.npy"), *DESCRIBE],
        ["train", str(out / "d.npy"), "--out", str(out / "m.safetensors"), *TRAIN],
        ["embed", str(out / "d.npy"), "--model", str(out / "m.json"), "--out", str(out / "l.npz"), "--rate", "0.3"],
        ["cluster", str(out / "l.npz"), "--out", str(out / "c.csv")],
        ["map", str(out / "l.npz"), "--out", str(out / "t.csv")],
        ["prune", data, "--descriptors", str(out / "d.npy"), "--latent", str(out / "l.npz"),
         "--clusters-file", str(out / "c.csv"),
         "--keep", "0.5", "--out", str(out / "p.npz"), "--export", str(out / "kept")],
    ]  # fmt: skip
    return {
        "run": [["run", packed, "--out", str(out), *SMALL]],
        "replay": [["replay", str(folder / "made" / "recipe.yaml"), "--out", str(out)]],
        "share": [["share", packed, "-o", str(out / "page.html"), *SMALL]],
        "plot": [["plot", "map", packed, "-o", str(out / "map.svg"), *SMALL]],
        "steps": steps,
        "convert": [["convert", packed, str(out / "a.meadata"), "--overwrite"]],
        "split": [["split", data, "--out", str(out)]],
    }


def main() -> int:
    """Kill, run again, compare; the exit status is 1 where anything was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chains", nargs="+", default=list(commands(Path())))
    options = parser.parse_args()
    draw, tally, wrong = random.Random(options.seed), Counter[str](), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "niobium.extxyz"
        ase.io.write(data, niobium_structures(6, 6), format="extxyz")
        (folder / "niobium.extxyz.gz").write_bytes(gzip.compress(data.read_bytes()))
        chains = {name: chain for name, chain in commands(folder).items() if name in options.chains}
        with starter(folder, *LOADED) as ready:
            if "replay" in chains:
                made = ["run", str(data), "--out", str(folder / "made"), *SMALL, "--to", "mace", "--to", "deepmd"]
                assert ready.run(made) == 0, ready.said.read_text()
            whole = {chain: _through(ready, folder, chains[chain]) for chain in chains}
            whole = {chain: _through(ready, folder, chains[chain]) for chain in chains}  # compiled by now
            print({chain: round(seconds, 2) for chain, (seconds, _) in whole.items()}, flush=True)
            hit = 0
            while hit < options.count:
                chain = options.chains[hit % len(options.chains)]
                found = _killed(ready, folder, chains[chain], draw.uniform(0, whole[chain][0]), whole[chain][1])
                hit += found != LATE
                tally[f"{chain}: {found}"] += 1
                print(hit, dict(sorted(tally.items())), flush=True)
                if found not in ("nothing lost", LATE):
                    wrong.append(f"{hit} {chain}: {found}")
                    print(wrong[-1], flush=True)
        said = (folder / "said.txt").read_text()
    print(json.dumps(dict(sorted(tally.items())), indent=1))
    if wrong:
        print(said[-3000:])
    return int(bool(wrong))


def _fresh(folder: Path) -> None:
    for name in ("out", "cache"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()


def _through(ready: Starter, folder: Path, chain: list[list[str]]) -> tuple[float, dict[str, bytes]]:
    """Seconds and files of a chain that nobody kills."""
    _fresh(folder)
    begin = time.monotonic()
    for arguments in chain:
        status = ready.run(arguments)
        assert status == 0, (arguments, status, ready.said.read_text()[-2000:])
    return time.monotonic() - begin, _content(folder / "out")


def _content(out: Path) -> dict[str, bytes]:
    """Files that must be the same whenever they are made: those without times and hashes of models in them."""
    kept = (".extxyz", ".npy", ".csv", ".svg")
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.suffix in kept}


def _killed(ready: Starter, folder: Path, chain: list[list[str]], after: float, wanted: dict[str, bytes]) -> str:
    """What came of a chain that was killed after so many seconds, and run again from the command that was hit."""
    _fresh(folder)
    begin, hit = time.monotonic(), False
    for arguments in chain:
        left = after - (time.monotonic() - begin)
        status = ready.run(arguments, kill_after=None if hit else max(left, 0.0))
        if status == -9:
            hit = True
            status = ready.run(arguments)
        if status:
            return f"status {status} of {arguments[0]}"
    out = folder / "out"
    left_behind = [place for name in ("out", "cache", "tmp") for place in leftovers(folder / name)]
    if left_behind:
        return f"left behind {left_behind[0]}"
    problems = [problem for manifest in out.rglob("manifest.json") for problem in verify(manifest)]
    if problems:
        return f"export {problems[0]}"
    different = sorted(name for name, content in wanted.items() if _content(out).get(name) != content)
    if different:
        return f"different {different}"
    return "nothing lost" if hit else LATE


if __name__ == "__main__":
    raise SystemExit(main())
