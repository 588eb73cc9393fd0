"""What an export costs in each format, with all structures kept: processor seconds, and bytes.

    python benchmarks/formats.py demo $MEAVIZ_DATA/Ta_JCP2014.extxyz $MEAVIZ_DATA/InP_JPCA2020.extxyz

The seconds, of the processor, hold writing, reading back and comparing; the analysis comes from the cache or is made
first.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import meagraph as mg
from meagraph.exports.formats import FORMATS
from meaviz.demo import demo_path


def main() -> None:
    """Print a table for each dataset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="files, or the word demo")
    parser.add_argument("--keep", type=float, default=1.0, help="fraction of environments (default: %(default)s)")
    for name in parser.parse_args().data:
        keep = parser.parse_args().keep
        found = mg.analyse(demo_path() if name == "demo" else name)
        plan = mg.prune(found, keep=keep, alpha=0.75)
        print(f"{found.dataset.name}: {plan.n_structures:,} structures, {found.dataset.n_environments:,} environments")
        found.cluster_names  # noqa: B018, computed once for all
        plain = 0.0  # s, of what every export writes
        for one in (None, *FORMATS):
            with tempfile.TemporaryDirectory() as folder:
                begin = time.process_time()
                files = mg.export(found, plan, Path(folder) / "out", formats=[one] if one else [])
                seconds = time.process_time() - begin
                paths = [files.structures] if one is None else files.formats[one].rglob("*")
                size = sum(path.stat().st_size for path in paths if path.is_file())
                plain = plain if one else seconds
            print(f"  {one or 'extxyz and report':<18}{seconds - (plain if one else 0):8.2f} s {size / 1e6:9.3f} MB")


if __name__ == "__main__":
    main()
