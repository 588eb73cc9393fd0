"""``meagraph novelty``: what of new structures is known already, and which to label next."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meagraph.cli.formats_options import add_formats, format_lines
from meagraph.cli.inputs import read_data
from meagraph.cli.options import (
    add_common_options,
    add_data,
    add_known,
    add_settings,
    add_training_options,
    pipeline_config,
    training_options,
)
from meagraph.cli.output import Bar, plan_figures, plan_lines, say
from meagraph.cli.pruning_options import add_pruning_options, pruning_config
from meagraph.cli.quests_options import add_quests_options, quests_config
from meagraph.display.cards import Table, printable
from meagraph.errors import MEAGraphError

if TYPE_CHECKING:
    from meagraph.evaluation.novelty import Novelty


def add_novelty(commands: Any) -> None:
    """``meagraph novelty``."""
    commands.add_parser(
        "novelty",
        help="what of new structures is known already, and which to label next",
        description="Measure how far the environments of DATA lie from those that are known, in units of the spacing "
        "of the known: by group, structure by structure, and how much the first structures chosen would cover. Labels "
        "are not needed. With --out the structures that add most to the known, by the pruning options' budget, are "
        "exported as 'meagraph run' does.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_novelty)
    parser.add_argument("--out", metavar="DIR", help="folder for the structures to label next, an index and a manifest")
    parser.add_argument("--overwrite", action="store_true", help="replace files of an earlier export")
    parser.add_argument(
        "--top",
        type=int,
        default=10,
        metavar="N",
        help="list so many of the most novel structures (default: %(default)s)",
    )
    parser.add_argument("--model", metavar="FILE", help="a trained model instead of training one")
    add_known(parser)
    add_quests_options(parser)
    add_common_options(parser)
    add_training_options(parser)
    add_pruning_options(parser)
    add_formats(parser)
    add_settings(parser, "descriptors", "graph", "training", "embedding", "clustering", "map")
    add_data(parser)


def _novelty(options: argparse.Namespace) -> None:
    from meagraph.exports import check_target
    from meagraph.exports.formats import check_formats
    from meagraph.pipeline.analysis import analyse
    from meagraph.pipeline.planning import export, novelty, prune
    from meagraph.progress import part

    if not options.known:
        raise MEAGraphError("Novelty expects data that is known already. Name it: --known FILE.")
    if options.top < 0:
        raise MEAGraphError(f"--top: expected 0 or more, got {options.top}.")
    config, pruning, training = pipeline_config(options), pruning_config(options), training_options(options)
    quests = quests_config(options) if options.quests else False
    if options.model is not None:
        if options.fine_tune is not None:
            raise MEAGraphError("--model applies a model as it is, --fine-tune trains one further. Give one of them.")
        training["model_path"] = options.model
    cache = not options.no_cache
    with Bar("novelty") as progress:
        dataset = read_data(options, part(progress, 0.0, 0.1))
        if options.out is not None:
            check_target(dataset, options.out, overwrite=options.overwrite)
            check_formats(dataset, options.out, options.to, weights=options.weights, overwrite=options.overwrite)
        analysis = analyse(dataset, config=config, cache=cache, progress=part(progress, 0.1, 0.7), **training)
        found = novelty(analysis, config=pruning, quests=quests, cache=cache, progress=part(progress, 0.7, 0.9))
        files: list[str] = []
        notes: tuple[str, ...] = ()
        plan = None
        if options.out is not None:
            plan = prune(analysis, config=pruning, cache=cache, progress=part(progress, 0.9, 1.0))
            wanted: dict[str, Any] = {"formats": options.to, "weights": options.weights}
            written = export(analysis, plan, options.out, **wanted, overwrite=options.overwrite)
            files, notes = [str(path) for path in written.paths], written.notes
    figures = {**_figures(found, options.top), "files": files, "not_held": list(notes)}
    lines = _lines(found, options.top)
    if plan is not None:
        figures["plan"] = plan_figures(plan)
        covered = found.covered(plan.structures[dataset.structure_of])
        figures["plan"]["covered_with_known"] = covered
        lines += ["", *plan_lines(plan), f"covered  {covered:.1%} of the new, by the known and these together"]
    say(options.json, figures, *lines, *format_lines(notes), *(f"wrote    {path}" for path in files))


def _figures(found: Novelty, top: int) -> dict[str, Any]:
    """JSON-like."""
    data, groups = found.dataset, found.by_group()
    rows = zip(
        groups.names,
        *(
            column.tolist()
            for column in (groups.structures, groups.environments, groups.beyond, groups.median, groups.largest)
        ),
        strict=True,
    )
    names = ("group", "structures", "environments", "new", "median_novelty", "largest_novelty")
    return {
        "known": {"structures": int(data.known.sum()), "environments": int(data.known_environments.sum())},
        "structures": int((~data.known).sum()),
        "environments": int(found.new.sum()),
        "new": int(found.beyond.sum()),
        "groups": [dict(zip(names, row, strict=True)) for row in rows],
        "curve": [] if found.curve is None else found.curve.figures(),
        "surprise_at_most_0": None if found.surprise is None else float((found.surprise[found.new] <= 0.0).mean()),
        "top": [
            {
                "file": data.sources[data.source_index[row]].path,
                "frame": int(data.frame_index[row]),
                "group": str(data.groups[row]),
                "novelty": float(found.of_structures[row]),
                "new": int(found.beyond_in[row]),
                "atoms": int(data.sizes[row]),
            }
            for row in found.ranked[:top].tolist()
        ],
    }


def _lines(found: Novelty, top: int) -> list[str]:
    """The same in words."""
    data = found.dataset
    lines = [f"{name:<8} {text}" if len(name) < 8 else f"{name}: {text}" for name, text in found._facts()]
    lines += ["", *_columns(found.by_group().table())]
    if found.curve is not None:
        lines += ["", *_columns(found.curve.table())]
    if top:
        lines += ["", "most novel structures"]
    for row in found.ranked[:top].tolist():
        file = Path(data.sources[data.source_index[row]].path).name or data.name
        lines.append(
            f"  {found.of_structures[row]:8.2f}  {printable(file)}, frame {data.frame_index[row]}, "
            f"{printable(str(data.groups[row]))}: {found.beyond_in[row]:,} of {data.sizes[row]:,} environments new"
        )
    return lines


def _columns(table: Table) -> list[str]:
    """A table as lines, the first column to the left and the others to the right."""
    rows = [table.heads, *([printable(str(cell)) for cell in row] for row in table.rows)]
    width = [max(len(row[column]) for row in rows) for column in range(len(table.heads))]
    return [
        "  "
        + "  ".join(
            [f"{row[0]:<{width[0]}}", *(f"{cell:>{wide}}" for cell, wide in zip(row[1:], width[1:], strict=True))]
        )
        for row in rows
    ]
