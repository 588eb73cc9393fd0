"""``meagraph map``: a latent space in two dimensions."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from meagraph.cli.inputs import add_latent, refuse_onto, refuse_without, rows_of
from meagraph.cli.options import add_common_options, add_settings, pipeline_config
from meagraph.cli.output import Bar, say

if TYPE_CHECKING:
    from numpy.typing import NDArray


def add_map(commands: Any) -> None:
    """``meagraph map``."""
    commands.add_parser(
        "map",
        help="step 5: a map in two dimensions",
        description="Draw a latent space as a map (UMAP). Writes OUT, a table: structure, atom, x, y. With --onto a "
        "latent space that was placed in another ('meagraph embed --onto') is placed on that one's map; the table then "
        "also holds the distance to the nearest representative there, and whether that is more than is usual.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_map)
    add_latent(parser)
    parser.add_argument("--onto", metavar="MAP", help="the map to place the environments on")
    add_common_options(parser, cache=False)
    add_settings(parser, "map")


def _map(options: argparse.Namespace) -> None:
    from dataclasses import asdict

    from meagraph import compiling
    from meagraph.latent.nodes import population
    from meagraph.latent.placement import place_on_map
    from meagraph.latent.projection import Projection, project
    from meagraph.pipeline.compiled import LEARNING
    from meagraph.pipeline.survey import latent_neighbours
    from meagraph.progress import part
    from meagraph.step_files.checks import with_details
    from meagraph.step_files.latent import read_latent
    from meagraph.step_files.tables import claim_table, read_map, write_table

    claim_table(options.out, inputs=[options.data, *with_details(options.onto)], overwrite=options.overwrite)
    config = pipeline_config(options)
    file = read_latent(options.data)
    columns: dict[str, NDArray[Any]] = rows_of(file.offsets)
    figures: dict[str, Any] = {"environments": int(file.offsets[-1])}
    line = f"{file.offsets[-1]:,} environments on a map"
    if file.placement is not None:
        refuse_without(options.onto, options.data, "map", "map")
        known = len(file.latent.condensed.assignment)
        onto, settings = read_map(options.onto, file.about["made_from"]["reference"], known)
        placed = file.placement
        xy = place_on_map(placed, file.latent, Projection(onto), n_neighbors=config.projection.n_neighbors).xy
        outside = placed.outside[placed.condensed.assignment]
        columns |= {"x": xy[:, 0], "y": xy[:, 1]}
        columns |= {"distance": placed.distance[placed.condensed.assignment], "outside": outside.astype("i1")}
        figures |= {"outside": int(outside.sum()), "usual_distance": placed.usual}
        line = f"{len(xy):,} environments placed on {options.onto}; {outside.sum():,} are unlike anything there"
    else:
        refuse_onto(options.onto, options.data)
        with Bar("map") as progress:
            compiling.finish(*LEARNING, progress=part(progress, 0.0, 0.0))
            progress(0, 1, "map (UMAP)")
            neighbours = latent_neighbours(file.latent.embedding, config)
            _, nodes = population(file.latent.embedding, file.latent.condensed)
            xy = project(neighbours, nodes, config.projection, seed=config.seed).xy
            progress(1, 1, "done")
        columns |= {"x": xy[:, 0], "y": xy[:, 1]}
        settings = {**asdict(config.projection), "seed": config.seed}
    made_from = {"latent": file.sha256}
    about = {"table": "map", "dataset": file.about["dataset"], "settings": settings, "made_from": made_from}
    write_table(options.out, columns, about, overwrite=options.overwrite)
    say(options.json, {**figures, "files": [options.out]}, line, f"wrote    {options.out}")
