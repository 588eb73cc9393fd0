"""The ``meagraph`` command: parse, call the library, print."""

from __future__ import annotations

import argparse
import io
import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version

from meagraph.cache import tidy_cache
from meagraph.cli.cluster import add_cluster
from meagraph.cli.command import Command
from meagraph.cli.compare import add_compare
from meagraph.cli.convert import add_convert
from meagraph.cli.describe import add_describe
from meagraph.cli.doctor import add_doctor
from meagraph.cli.duplicates import add_duplicates
from meagraph.cli.embed import add_embed
from meagraph.cli.errors import add_errors
from meagraph.cli.evaluate import add_evaluate
from meagraph.cli.info import add_info
from meagraph.cli.map import add_map
from meagraph.cli.novelty import add_novelty
from meagraph.cli.options import add_known, add_reading_options, reading_options
from meagraph.cli.outliers import add_outliers
from meagraph.cli.plot import add_plot
from meagraph.cli.predict import add_predict
from meagraph.cli.prune import add_prune
from meagraph.cli.replay import add_replay
from meagraph.cli.run import add_run
from meagraph.cli.share import add_share
from meagraph.cli.split import add_split
from meagraph.cli.train import add_train
from meagraph.cli.verify import add_verify
from meagraph.errors import MEAGraphError
from meagraph.logs import begin_log, end_log
from meagraph.memory import ran_out, shortage

__all__ = ["add_known", "add_reading_options", "main", "reading_options"]

COMMANDS = (
    add_info,
    add_convert,
    add_duplicates,
    add_split,
    add_run,
    add_replay,
    add_verify,
    add_describe,
    add_train,
    add_embed,
    add_cluster,
    add_map,
    add_outliers,
    add_prune,
    add_compare,
    add_evaluate,
    add_predict,
    add_errors,
    add_novelty,
    add_share,
    add_plot,
    add_doctor,
)

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status: 0 done, 1 bad input, no disk or no memory, 130 interrupted.

    A command may have a status of its own for what it found.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name may be no text, or none that the terminal has
        sys.stdout.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    tidy_cache()
    try:
        begin_log(
            "meagraph", options.log, verbose=options.verbose, level=logging.INFO if options.log else logging.ERROR
        )
        log.info("%s", " ".join(sys.argv if arguments is None else ["meagraph", *arguments]))
        status = options.command(options)
    except MEAGraphError as error:
        log.info("%s", error)
        print(f"meagraph: error: {error}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError, OSError) as error:
        if ran_out(error):
            print(f"meagraph: error: {shortage('')}", file=sys.stderr)
        elif isinstance(error, OSError):  # a full disk, a file system that went away
            out = "" if error.filename is not None else getattr(options, "out", None)
            where = f"{out}: " if out else ""
            print(f"meagraph: error: {where}{error}. Check the disk and its permissions.", file=sys.stderr)
        else:
            log.exception("this should not have happened")
            raise
        return 1
    except KeyboardInterrupt:
        print("\nmeagraph: interrupted; no file was left half-written.", file=sys.stderr)
        return 130
    finally:
        end_log()
    return int(status or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="meagraph",
        description="See what is in an atomistic dataset, and prune what repeats itself. 'run' does all of it; the "
        "other commands are its steps, each reading the files that the steps before it wrote.",
    )
    parser.add_argument("--version", action="version", version=f"meagraph {version('meaviz')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Command)
    for add in COMMANDS:
        add(commands)
    return parser
