"""The ``meaviz`` command: serve the app and open it in the browser."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from meagraph.cache import tidy_cache
from meagraph.cli import add_known, add_reading_options, reading_options
from meagraph.cli.workers_options import add_workers, client_of
from meagraph.errors import MEAGraphError
from meagraph.logs import add_log_options, begin_log, end_log
from meaviz.desktop import launcher as desktop
from meaviz.options import add_serving_options, ask_for_user, folder_name, home_of, obstacle, serving
from meaviz.serving.guard import of_this_machine
from meaviz.serving.private import forget_browser, open_browser
from meaviz.serving.server import address_of, free_port, make, named_for, open_more_files

ENDING = 20.0  # s that computing may go on after the end: it stops at its next report
AT_ONCE = ("torch", "vesin")  # what the jobs of two sessions may load at once
SWITCH = 0.001  # s after which a thread that computes lets the page answer; Python's own is five times that

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command until it is interrupted; return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["doctor"] and not Path("doctor").exists():
        from meaviz.doctor import main as doctor

        return doctor(given[1:])
    parser = _parser()
    options = parser.parse_args(given)
    try:
        if options.add_user:
            print(ask_for_user(options.add_user, options.passwords))
            return 0
        if options.merge:
            return _merge(options.data, options.merge)
        if why_not := obstacle(options):
            parser.error(why_not)
        begin_log("meaviz", options.log, verbose=options.verbose)
        with client_of(options):
            return _serve(options)
    except MEAGraphError as error:
        print(f"meaviz: error: {error}", file=sys.stderr)
        return 1
    finally:
        end_log()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="meaviz",
        description="See what is in an atomistic dataset, in the browser. Without DATA it opens the embedded demo. "
        "'meaviz doctor' says what this machine has, and what is wrong with it.",
    )
    parser.add_argument(
        "data", nargs="*", metavar="DATA", help="files that ASE reads, also compressed, or a project (NAME.meaviz)"
    )
    add_known(parser)
    parser.add_argument(
        "--merge",
        nargs="+",
        metavar="PROJECT",
        help="add what others judged, planned and selected in their projects to the project DATA, say so, and end",
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address, for use over ssh")
    parser.add_argument("--desktop", action="store_true", help="open a window of its own instead of the browser")
    parser.add_argument("--version", action="version", version=f"meaviz {version('meaviz')}")
    add_serving_options(parser)
    add_log_options(parser)
    add_workers(parser)
    add_reading_options(parser, on_error="quarantine")
    return parser


def _serve(options: argparse.Namespace) -> int:
    given = serving(options)
    here = of_this_machine(options.address)
    if given.guard.open:
        whom = "every user of this machine" if here else f"whoever reaches {options.address}"
        print(f"meaviz: warning: {whom} can open, export and replace files as you.", file=sys.stderr)
    elif not here and not options.certificate:
        print(
            f"meaviz: warning: what goes to and from {options.address} can be read on its way, the token or the "
            "passwords included.",
            file=sys.stderr,
        )
    print("meaviz: starting ...", file=sys.stderr)
    tidy_cache()
    sys.setswitchinterval(SWITCH)
    from meagraph import compiling
    from meagraph.pipeline.compiled import LEARNING

    compiling.begin(*LEARNING)
    import panel as pn

    from meaviz.demo import demo_path
    from meaviz.jobs.opening import Ahead
    from meaviz.jobs.runner import end_jobs

    reading = reading_options(options)
    if options.known:
        reading["known"] = tuple(options.known)
    root = None if options.root is None else Path(options.root).expanduser().resolve()
    ahead = None
    if not options.serve:  # while the page is made ready; what was kept is each user's own
        ahead = Ahead(options.data or [demo_path()], resume=True, within=root, **reading)

    if options.serve:
        open_more_files()
        load(AT_ONCE)
    from meaviz.app import TITLE, build
    from meaviz.projects.keeper import held
    from meaviz.session import Session
    from meaviz.session.places import Places
    from meaviz.session.queue import Queues
    from meaviz.views import load_tabs

    if options.serve:
        load_tabs()
    limit = options.memory and options.memory * 1e9
    queues = Queues.of(options.jobs, options.jobs_each, limit) if options.serve else None

    def app() -> Any:
        # of a session's headers the browser can make up those that Panel shows, but not the request itself
        user = pn.state.curdoc.session_context.request.meaviz_user if options.serve else ""
        results = options.results
        if user and results:
            results = Path(results).expanduser() / folder_name(user)
        session = Session(
            places=Places.at(options.root, results=results, writable=not options.read_only),
            user=user,
            home=home_of(folder_name(user)),
            queues=queues,
        )
        return build(options.data, session=session, ahead=ahead, keep=True, **reading)

    port = options.port
    try:
        if options.desktop:
            obstacle = desktop.why_no_window()
            if not obstacle:
                return desktop.run(app, title=TITLE, port=port, browser=not options.no_browser)
            print(f"meaviz: no window: {obstacle}; the browser shows the app instead.", file=sys.stderr)
        port = port or free_port(0)
        prefix, guard = given.panel["prefix"], named_for(given.guard, port)
        server = make(app, guard, title=TITLE, port=port, address=options.address, **given.panel)
        url = address_of(port, guard, address=options.address, prefix=prefix, secure=bool(options.certificate))
        print(f"meaviz: at {url}", file=sys.stderr, flush=True)
        if not (options.no_browser or options.serve):
            server.io_loop.add_callback(open_browser, url)
        server.start()
        server.io_loop.start()
    except OSError as error:
        print(
            f"meaviz: error: port {port} of {options.address} cannot be used ({error.strerror or error}). "
            "Choose another with --port, or --port 0 for any free one.",
            file=sys.stderr,
        )
        return 1
    finally:
        held().close()
        forget_browser()
        end_jobs(ENDING)
    return 0


def load(names: Sequence[str]) -> None:
    """Load modules here, where nothing else is loaded: two threads that load one at once may find half of it."""
    for name in names:
        import_module(name)


def _merge(target: Sequence[str], sources: Sequence[str]) -> int:
    """Merge projects, and say what came and where they disagree."""
    from meaviz.projects.merging import merge_projects

    try:
        if len(target) != 1:
            raise MEAGraphError("Expected one project to merge into. Name it before --merge.")
        for source in sources:
            print(merge_projects(target[0], source).words())
    except MEAGraphError as error:
        print(f"meaviz: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
