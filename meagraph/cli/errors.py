"""``meagraph errors``: predictions of a model against the labels of a dataset."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from meagraph.cli.options import add_common_options, add_data, add_known, reading_options
from meagraph.cli.output import Bar, say
from meagraph.cli.predictions_options import add_predicted, predicted_by
from meagraph.display.cards import printable, text_table
from meagraph.errors import MEAGraphError

if TYPE_CHECKING:
    from meagraph.datasets import AtomicDataset
    from meagraph.outliers import Outliers


def add_errors(commands: Any) -> None:
    """``meagraph errors``."""
    commands.add_parser(
        "errors",
        help="predictions of a model against the labels",
        description="Compare a second set of labels with that of a dataset: another family of names in the same "
        "frames, or another file of the same structures in any order. Print errors of energy and forces by group, "
        "element and, with --by-clusters, cluster, and the worst structures.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_errors)
    add_predicted(parser, required=True)
    parser.add_argument(
        "--by-clusters",
        action="store_true",
        help="also by cluster (those of 'meagraph run' with its usual settings, computed unless in the cache), whether "
        "the error is where the data is thin, and labels that may be wrong",
    )
    parser.add_argument("--out", metavar="OUT", help="table of all structures with their errors, .csv or .npz")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace OUT where it is there and not of an earlier run"
    )
    parser.add_argument("--top", type=int, default=5, metavar="N", help="print as many (default: %(default)s)")
    add_common_options(parser)
    add_known(parser)
    add_data(parser)


def _errors(options: argparse.Namespace) -> None:
    from meagraph.pipeline.analysis import Analysis, analyse
    from meagraph.pipeline.config import PipelineConfig
    from meagraph.pipeline.opening import open_with_known
    from meagraph.pipeline.predicting import errors_of, suspect, thin_regions
    from meagraph.progress import part
    from meagraph.step_files.tables import claim_table, write_table

    if options.top < 0:
        raise MEAGraphError(f"--top: expected 0 or more, got {options.top}.")
    files = options.predicted_file
    if options.out is not None:
        claim_table(options.out, inputs=[*options.data, *(files or [])], overwrite=options.overwrite)
    reading = {"cache": not options.no_cache, **reading_options(options)}
    with Bar("errors") as progress:
        data: Any = open_with_known(options.data, options.known, progress=part(progress, 0.0, 0.2), **reading)
        predictions = predicted_by(options, progress=part(progress, 0.2, 0.3)) or {}
        if options.by_clusters or options.known:
            config = PipelineConfig(seed=options.seed)
            data = analyse(data, config=config, cache=not options.no_cache, progress=part(progress, 0.3, 0.9))
        found = errors_of(data, **predictions, progress=part(progress, 0.9, 1.0))
        analysed = data if isinstance(data, Analysis) else None
        thin = None if analysed is None else thin_regions(analysed, found)
        wrong = [] if analysed is None else _suspects(suspect(analysed, found), found.dataset)
    figures = found.figures(options.top)
    if thin is not None:
        figures |= {"novelty": thin.figures(), "suspects": wrong}
    lines = [f"predicted: {printable(found.predicted.words, None)}", "", *text_table(found.table())]
    for by, key, unit in (("energy", "energy_error", "meV/atom"), ("forces", "force_rmse", "meV/Å (RMSE)")):
        if figures["worst"][by]:
            lines += ["", f"farthest off by {by}:"]
        for row in figures["worst"][by]:
            value = f"{1000 * row[key]:+10.1f}" if by == "energy" else f"{1000 * row[key]:10.1f}"
            lines.append(f"  {value} {unit}  {printable(row['file'], None)}, frame {row['frame']} ({row['group']})")
    if thin is not None:
        lines += ["", f"error where the data is thin? {thin.sentence}"]
        lines += ["", f"{len(wrong):,} structures whose labels may be wrong, by errors far beyond their neighbours'"]
    for row in wrong[: options.top]:
        lines.append(f"  {row['score']:6.2f}  {printable(row['file'], None)}, frame {row['frame']}: {row['reason']}")
    if options.out is not None:
        about = {"table": "errors", "dataset": found.dataset.name, "predicted": found.predicted.name}
        write_table(options.out, found.columns(), about, overwrite=options.overwrite)
        figures["files"] = [options.out]
        lines.append(f"wrote    {options.out}")
    say(options.json, figures, *lines)


def _suspects(outliers: Outliers, dataset: AtomicDataset) -> list[dict[str, Any]]:
    """Structures that a signal of the model's errors makes a candidate, the most suspicious first, JSON-like."""
    import numpy as np

    from meagraph.outliers import ALARM
    from meagraph.outliers.predicted import NAMES

    signals = [one for one in outliers.signals if one.name in NAMES]
    if not signals:
        return []
    rarity = np.max([one.rarity for one in signals], axis=0)
    found: list[dict[str, Any]] = []
    for row in np.flatnonzero(rarity >= ALARM)[np.argsort(-rarity[rarity >= ALARM], kind="stable")].tolist():
        structure = int(dataset.structure_of[row])
        if all(one["structure"] != structure for one in found):
            strongest = max(signals, key=lambda one: float(one.rarity[row]))
            found.append(
                {
                    "structure": structure,
                    "file": dataset.sources[dataset.source_index[structure]].path or dataset.name,
                    "frame": int(dataset.frame_index[structure]),
                    "score": float(rarity[row] / ALARM),
                    "reason": strongest.words(row),
                }
            )
    return found
