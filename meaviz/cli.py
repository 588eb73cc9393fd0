"""The ``meaviz`` command: serve the app and open it in the browser."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from meagraph.cli import add_reading_options, reading_options
from meaviz.desktop import launcher as desktop


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command until it is interrupted; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="meaviz",
        description="See what is in an atomistic dataset, in the browser. Without DATA it opens the embedded demo.",
    )
    parser.add_argument("data", nargs="*", metavar="DATA", help="files that ASE reads, also compressed")
    parser.add_argument("--port", type=int, default=5006, help="(default: %(default)s; 0: any free port)")
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address, for use over ssh")
    parser.add_argument("--desktop", action="store_true", help="open a window of its own instead of the browser")
    parser.add_argument("--version", action="version", version=f"meaviz {version('meaviz')}")
    add_reading_options(parser)
    options = parser.parse_args(arguments)
    if options.desktop and options.address != desktop.ADDRESS:
        parser.error(f"--desktop serves this machine only; leave --address {options.address} out.")

    print("meaviz: starting ...", file=sys.stderr)
    from meagraph import compiling
    from meagraph.pipeline.compiled import LEARNING

    compiling.begin(*LEARNING)
    import panel as pn

    from meaviz.app import TITLE, build

    reading = reading_options(options)

    def app() -> object:
        return build(options.data, **reading)

    try:
        if options.desktop:
            obstacle = desktop.why_no_window()
            if not obstacle:
                return desktop.run(app, title=TITLE, port=options.port, browser=not options.no_browser)
            print(f"meaviz: no window: {obstacle}; the browser shows the app instead.", file=sys.stderr)
        pn.serve(
            app,
            title=TITLE,
            port=options.port,
            address=options.address,
            websocket_origin=None if options.address in ("127.0.0.1", "localhost") else "*",
            show=not options.no_browser,
        )
    except OSError as error:
        print(
            f"meaviz: error: port {options.port} of {options.address} cannot be used ({error.strerror or error}). "
            "Choose another with --port, or --port 0 for any free one.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
