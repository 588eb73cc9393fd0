"""The ``meaviz`` command: serve the app and open it in the browser."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from meagraph.cli import add_known, add_reading_options, reading_options
from meagraph.cli.workers_options import add_workers, client_of
from meagraph.errors import MEAGraphError
from meaviz.desktop import launcher as desktop
from meaviz.serving import ADDRESS

ENDING = 20.0  # s that computing may go on after the end: it stops at its next report
SWITCH = 0.001  # s after which a thread that computes lets the page answer; Python's own is five times that


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command until it is interrupted; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="meaviz",
        description="See what is in an atomistic dataset, in the browser. Without DATA it opens the embedded demo.",
    )
    parser.add_argument("data", nargs="*", metavar="DATA", help="files that ASE reads, also compressed")
    add_known(parser)
    parser.add_argument("--port", type=int, default=5006, help="(default: %(default)s; 0: any free port)")
    parser.add_argument(
        "--address", default="127.0.0.1", help="address of this machine to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--insecure",
        action="store_true",
        help="let --address be one that others reach: without a password, whoever does reads and writes your files",
    )
    parser.add_argument(
        "--root",
        metavar="DIR",
        help="folder that the app opens and writes files in, and none outside it (default: any, starting here)",
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address, for use over ssh")
    parser.add_argument("--desktop", action="store_true", help="open a window of its own instead of the browser")
    parser.add_argument("--version", action="version", version=f"meaviz {version('meaviz')}")
    add_workers(parser)
    add_reading_options(parser, on_error="quarantine")
    options = parser.parse_args(arguments)
    here = _of_this_machine(options.address)
    if not here and not options.insecure:
        parser.error(
            f"--address {options.address}: expected an address of this machine alone, such as 127.0.0.1. There is no "
            "password yet: whoever reaches another address reads and writes all files that you can. Leave it out and "
            "forward the port over ssh (ssh -L 5006:localhost:5006 HOST), or insist with --insecure."
        )
    if options.desktop and options.address != ADDRESS:
        parser.error(f"--desktop serves this machine only; leave --address {options.address} out.")

    if options.root is not None and not Path(options.root).expanduser().is_dir():
        parser.error(f"--root {options.root}: expected a folder, but there is none of this name.")
    if not here:
        print(
            f"meaviz: warning: whoever reaches {options.address} can open, export and replace files as you.",
            file=sys.stderr,
        )
    print("meaviz: starting ...", file=sys.stderr)
    sys.setswitchinterval(SWITCH)
    cluster = contextlib.ExitStack()
    try:
        cluster.enter_context(client_of(options))
    except MEAGraphError as error:
        parser.error(str(error))
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
    ahead = Ahead(options.data or [demo_path()], **reading)  # while the page is made ready

    from meaviz.app import TITLE, build
    from meaviz.style.text import TextPane

    def app() -> object:
        # somebody else's page that points its own name at this machine would count as ours; of a session's headers
        # the browser can make up those that Panel shows, but not the request itself
        asked = pn.state.curdoc.session_context.request.host_name
        if here and not _of_this_machine(asked.strip("[]")):
            return TextPane(f"{asked} is no name of this machine. Open the address that meaviz printed.")
        return build(options.data, ahead=ahead, root=options.root, **reading)

    try:
        if options.desktop:
            obstacle = desktop.why_no_window()
            if not obstacle:
                return desktop.run(app, title=TITLE, port=options.port, browser=not options.no_browser)
            print(f"meaviz: no window: {obstacle}; the browser shows the app instead.", file=sys.stderr)
        pn.serve(
            app,
            title=TITLE,
            location=False,  # Panel's would drop the style sheets that the page has, and send them anew
            port=options.port,
            address=options.address,
            websocket_origin=_origins(options.address, options.port) if here else "*",
            show=not options.no_browser,
        )
    except OSError as error:
        print(
            f"meaviz: error: port {options.port} of {options.address} cannot be used ({error.strerror or error}). "
            "Choose another with --port, or --port 0 for any free one.",
            file=sys.stderr,
        )
        return 1
    finally:
        end_jobs(ENDING)
        cluster.close()
    return 0


def _of_this_machine(address: str) -> bool:
    """Whether nobody else can reach ``address``, a name or number without its port."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _origins(address: str, port: int) -> list[str] | None:
    """Whose pages may talk to the server: its own. None, for a port not known yet, lets Bokeh say so."""
    return [f"{name}:{port}" for name in dict.fromkeys(("localhost", "127.0.0.1", address))] if port else None


if __name__ == "__main__":
    sys.exit(main())
