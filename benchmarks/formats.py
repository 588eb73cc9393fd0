"""What an export costs in each format, with all structures kept: processor seconds, and bytes.

    python benchmarks/formats.py demo $MEAVIZ_DATA/Ta_JCP2014.extxyz $MEAVIZ_DATA/InP_JPCA2020.extxyz

The seconds, of the processor, hold writing, reading back, comparing and checksums; the table of environments, which
three formats take theirs from, is made once before. The analysis comes from the cache or is made first.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import cache, partial
from pathlib import Path

import meagraph as mg
from meagraph.exports.formats import FORMATS, Kept, written_formats
from meagraph.pipeline.tabulating import table_of
from meaviz.demo import demo_path


def main() -> None:
    """Print a table for each dataset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="files, or the word demo")
    for name in parser.parse_args().data:
        found = mg.analyse(demo_path() if name == "demo" else name)
        plan = mg.prune(found, keep=1.0, alpha=0.75)
        table = cache(partial(table_of, found, plan, None, None))
        begin = time.process_time()
        table()
        made = time.process_time() - begin
        print(
            f"{found.dataset.name}: {plan.n_structures:,} structures, {found.dataset.n_environments:,} environments; "
            f"their table is made in {made:.2f} s",
            flush=True,
        )
        kept = Kept(found.dataset, plan.structures, table=table)
        for one in FORMATS:
            with tempfile.TemporaryDirectory() as folder:
                begin = time.process_time()
                with written_formats(kept, Path(folder), [one]) as (entry,):
                    pass
                seconds = time.process_time() - begin
            print(f"  {one:<12}{seconds:8.2f} s {entry['bytes'] / 1e6:9.3f} MB", flush=True)


if __name__ == "__main__":
    main()
