"""``meagraph outliers``: what looks unlike the rest."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from meagraph.cli.inputs import add_step_files, clusters_of, files_of_steps, read_described_dataset, read_step_files
from meagraph.cli.options import add_common_options, add_data, add_known, add_out, pipeline_config
from meagraph.cli.output import Bar, say
from meagraph.cli.predictions_options import add_predicted, predicted_by
from meagraph.display.cards import printable
from meagraph.errors import MEAGraphError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def add_outliers(commands: Any) -> None:
    """``meagraph outliers``."""
    commands.add_parser(
        "outliers",
        help="step 6: what looks unlike the rest",
        description="Score every environment by how unlike the rest it and its labels are, with reasons in words. "
        "With predictions of a model, labels that it gets wrong though it is right beside them count as well. "
        "Writes OUT, a table with the most suspicious first: rank, score, file, frame, structure, atom, reasons.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_outliers)
    add_step_files(parser)
    add_out(parser, "OUT", "table to write, .csv or .npz")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="print as many (default: %(default)s)")
    add_predicted(parser)
    add_common_options(parser, cache=False)
    add_known(parser)
    add_data(parser)


def _outliers(options: argparse.Namespace) -> None:
    import numpy as np

    from meagraph.graph.condensation import unit_columns
    from meagraph.outliers import handed, joined, linked_environments, places, prediction_signals, score_outliers
    from meagraph.pipeline.predicting import errors_of
    from meagraph.progress import part
    from meagraph.step_files.tables import claim_table, write_table

    claim_table(options.out, inputs=files_of_steps(options), overwrite=options.overwrite)
    if options.top < 0:
        raise MEAGraphError(f"--top: expected 0 or more, got {options.top}.")
    config = pipeline_config(options)
    described, file = read_step_files(
        options,
        remedy="Outliers are told from the rest of their own dataset: run 'meagraph embed' without --onto.",
    )
    with Bar("outliers") as progress:
        dataset = read_described_dataset(options, described, part(progress, 0.0, 0.2))
        latent = file.latent
        clusters = clusters_of(options, file, config)
        points = unit_columns(described.descriptors.own)
        found = score_outliers(
            points,
            latent.condensed,
            clusters,
            dataset,
            error=handed(latent.error, latent.condensed.assignment),
            linked=linked_environments(latent.embedding, latent.condensed),
            progress=part(progress, 0.3, 0.9),
        )
        if (predictions := predicted_by(options)) is not None:
            errors = errors_of(dataset, **predictions, progress=part(progress, 0.9, 1.0))
            found = joined(found, prediction_signals(points, dataset, errors.energy, errors.force))
    place = places(found, dataset)
    order = np.lexsort((-found.score, place))
    structure = dataset.structure_of[order]
    paths = np.array([source.path for source in dataset.sources])
    columns = {
        "rank": place[order],
        "score": found.score[order],
        "file": paths[dataset.source_index[structure]],
        "frame": dataset.frame_index[structure],
        "structure": structure,
        "atom": dataset.atom_of[order],
        "reasons": np.array(["; ".join(found.reasons(row)) for row in order]),
    }
    made_from = {"latent": file.sha256, "descriptors": described.sha256}
    about = {"table": "outliers", "dataset": dataset.name, "made_from": made_from}
    write_table(options.out, columns, about, overwrite=options.overwrite)
    top = _first(columns, options.top)
    figures = {
        "environments": len(order),
        "candidates": len(found.candidates),
        "to_judge": len(np.unique(place[found.candidates])),
        "families": [one.figures() for one in found.off_together],
        "top": top,
        "files": [options.out],
    }
    lines = [
        f"{one['rank']:>5}  {one['score']:6.2f}  {one['file']}, frame {one['frame']}, "
        f"{'atom' if len(one['atoms']) == 1 else 'atoms'} {_listed(one['atoms'])}: {one['reasons']}"
        for one in top
    ]
    line = f"{len(found.candidates):,} outlier candidates (score 1 and above) among {len(order):,} environments"
    together = [f"off together: {printable(one.words)}" for one in found.off_together]
    say(options.json, figures, line, *together, *lines, f"wrote    {options.out}")


def _first(columns: dict[str, NDArray[Any]], count: int) -> list[dict[str, Any]]:
    """The first ``count`` rows, atoms of a structure with the same score for the same reasons as one."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in range(len(columns["rank"])):
        key = tuple(columns[name][row].item() for name in ("structure", "score", "reasons"))
        if key not in found:
            if len(found) == count:
                break
            names = ("rank", "score", "file", "frame", "reasons")
            found[key] = {**{name: columns[name][row].item() for name in names}, "atoms": []}
        found[key]["atoms"].append(columns["atom"][row].item())
    return list(found.values())


def _listed(atoms: list[int], most: int = 6) -> str:
    return ", ".join(map(str, atoms[:most])) + (f" and {len(atoms) - most} more" if len(atoms) > most else "")
