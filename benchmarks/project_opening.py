"""How long opening a project takes beside a warm start from the cache, and how large it is.

    python benchmarks/project_opening.py FILE...       # warm cache: run once before, or let this compute

Each start is a Python of its own. Times: imports of the app, then from the name of the file, or of the project, to a
session that shows the finished analysis, without a browser. ``--page`` also makes the page. Without ``--wall`` they are
the processor's, which other work on the machine lengthens less.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def once(target: str, page: bool, wall: bool) -> dict[str, float]:
    """Open ``target`` in this process; seconds of each part."""
    clock = time.perf_counter if wall else time.process_time
    begin = clock()
    from meagraph.pipeline.config import PipelineConfig
    from meaviz.app import build
    from meaviz.jobs.opening import open_files
    from meaviz.projects.snapshot import restore
    from meaviz.session import Session

    imported = clock()
    found = open_files([target], PipelineConfig(), lambda *at: None)
    opened = clock()
    session = Session()
    if found.kept is not None:
        restore(session, found.kept.shot)
    elif found.analysis is None:
        raise SystemExit(f"{target}: not in the cache. Run meagraph on it first.")
    else:
        session.set_dataset(found.dataset)
        session.set_analysis(found.analysis, found.evidence, found.quick)
        if found.ranking is not None:
            session.planning.know(found.ranking)
    shown = clock()
    assert session.data.survey is not None
    if page:
        build(session=session)
    made = clock()
    return {
        "environments": session.data.found.dataset.n_environments,
        "imports": imported - begin,
        "open": opened - imported,
        "show": shown - opened,
        "page": made - shown,
    }


def save(target: str, project: str) -> dict[str, float]:
    """Save the analysis of ``target`` as a project; seconds of the first saving, and of one after an action."""
    from meagraph.pipeline.config import PipelineConfig
    from meaviz.jobs.opening import open_files
    from meaviz.projects.project import Project
    from meaviz.projects.snapshot import taken
    from meaviz.session import Session
    from meaviz.session.data import Asked

    found = open_files([target], PipelineConfig(), lambda *at: None)
    session = Session()
    session.set_dataset(found.dataset)
    session.data.asked = Asked((target,), {})
    assert found.analysis is not None
    session.set_analysis(found.analysis, found.evidence, found.quick)
    if found.ranking is not None:
        session.planning.know(found.ranking)
    kept = Project(project, write=True)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        kept.save(taken(session))
        times.append(time.perf_counter() - begin)
        session.selection.select_rows(range(0, found.dataset.n_environments, 3))
        session.selection.invert()
    kept.close()
    files = [path for path in Path(project).rglob("*") if path.is_file()]
    own = [path for path in files if path.stat().st_nlink == 1]
    return {
        "first save": times[0],
        "after an action": times[-1],
        "MB": sum(path.stat().st_size for path in files) / 1e6,
        "MB of its own": sum(path.stat().st_size for path in own) / 1e6,
    }


def main() -> None:
    """Measure each file and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--wall", action="store_true", help="wall clock, not the time of the processor")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--part", choices=("once", "save"))
    options = parser.parse_args()
    if options.part == "once":
        print(json.dumps(once(options.files[0], options.page, options.wall)))
        return
    if options.part == "save":
        print(json.dumps(save(*options.files)))
        return
    more = [f"--{name}" for name in ("page", "wall") if getattr(options, name)]
    folder = Path(os.environ.get("MEAVIZ_CACHE") or tempfile.gettempdir())
    for name in options.files:
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            project = str(Path(temporary) / "measured.meaviz")
            print(Path(name).name, _run(["--part", "save", name, project]), flush=True)
            for _ in range(options.times):
                for target in (name, project):
                    print("  ", Path(target).suffix, _run([*more, "--part", "once", target]), flush=True)


def _run(arguments: list[str]) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    return {key: round(value, 2) for key, value in found.items()}


if __name__ == "__main__":
    main()
