"""``meagraph embed``: the latent space of a dataset, or its place in that of another."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from meagraph.cli.options import (
    add_common_options,
    add_out,
    add_settings,
    given_settings,
    pipeline_config,
)
from meagraph.cli.output import Bar, say
from meagraph.errors import MEAGraphError


def add_embed(commands: Any) -> None:
    """``meagraph embed``."""
    commands.add_parser(
        "embed",
        help="step 3: the latent space",
        description="Apply a model to descriptors, of the dataset it was trained on or of another. Writes OUT: latent "
        "values and edges, representatives, and which environment belongs to which. With --onto the environments are "
        "placed in the latent space of another dataset, which stays as it is, by the same model.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_embed)
    parser.add_argument("data", metavar="DESC.npy", help="descriptors, as 'meagraph describe' writes them")
    parser.add_argument("--model", required=True, metavar="FILE", help="a model, as 'meagraph train' writes it")
    parser.add_argument("--onto", metavar="LATENT.npz", help="the latent space to place the environments in")
    add_out(parser, "OUT.npz", "file for the latent space")
    add_common_options(parser, seed=False)
    add_settings(parser, "graph", otherwise="as in training")
    add_settings(parser, "embedding", otherwise="0.5")


def _embed(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from meagraph.files import sha256_file
    from meagraph.graph.similarity import GraphConfig
    from meagraph.latent.placement import place
    from meagraph.latent.space import latent_space
    from meagraph.model.checkpoint import load_agreement, load_model, model_files, read_details
    from meagraph.pipeline.config import PipelineConfig
    from meagraph.pipeline.learning import learn
    from meagraph.progress import part
    from meagraph.step_files.checks import check_made_from, check_suffix, claim, with_details
    from meagraph.step_files.descriptors import read_described
    from meagraph.step_files.latent import LATENT, read_latent, write_latent

    check_suffix(options.out, ".npz")
    read = [*with_details(options.data), *model_files(options.model), options.onto]
    claim(options.out, LATENT, inside=True, inputs=read, overwrite=options.overwrite)
    described = read_described(options.data)
    _, details = read_details(options.model)
    usual = PipelineConfig()
    trained = replace(usual, graph=GraphConfig(**details.get("graph", {})), budget=details.get("budget", usual.budget))
    config = pipeline_config(options, trained)
    made_from = {"descriptors": described.sha256, "model": sha256_file(model_files(options.model)[0])}
    about: dict[str, Any] = {"dataset": described.name, "sources": described.sources, "budget": config.budget}
    about["model"] = options.model
    if options.onto is None:
        with Bar("embed") as progress:
            learned = learn(
                described,
                described.descriptors,
                config,
                model_path=options.model,
                cache=not options.no_cache,
                progress=part(progress, 0.0, 0.6),
            )
            latent = latent_space(
                learned.load(),
                described.descriptors,
                learned.condensed,
                graph=config.graph,
                rate=config.pooling_rate,
                latent=learned.latent,
                seed=config.seed,
                progress=part(progress, 0.6, 1.0),
            )
        about["made_from"] = made_from
        write_latent(options.out, latent, described.offsets, about, overwrite=options.overwrite)
        figures = {
            "environments": len(learned.points),
            "representatives": learned.condensed.size,
            "latent_edges": latent.embedding.edge_index.shape[1] // 2,
            "isolated": int((~latent.embedding.connected[learned.condensed.assignment]).sum()),
            "files": [options.out],
        }
        line = (
            f"{figures['representatives']:,} representatives of {figures['environments']:,} environments, "
            f"{figures['latent_edges']:,} latent edges at the pooling rate {config.pooling_rate:g}"
        )
        say(options.json, figures, line, f"wrote    {options.out}")
        return
    given = [setting.flag for setting in given_settings(options) if setting.field != "budget"]
    if given:
        raise MEAGraphError(f"{', '.join(given)}: with --onto this is as in {options.onto}. Leave the option out.")
    reference = read_latent(options.onto)
    if reference.placement is not None:
        raise MEAGraphError(f"{options.onto}: expected a latent space, but it is itself placed in one. Name that one.")
    check_made_from(options.onto, reference.about, model=made_from["model"])
    with Bar("embed") as progress:
        model, _ = load_model(options.model)
        found = place(
            model,
            reference.latent,
            described.descriptors,
            agreement=load_agreement(options.model),
            budget=config.budget,
            progress=progress,
        )
    made_from["reference"] = reference.sha256
    about["made_from"] = made_from
    write_latent(options.out, reference.latent, described.offsets, about, found, overwrite=options.overwrite)
    outside = int(found.outside[found.condensed.assignment].sum())
    total = len(found.condensed.assignment)
    figures = {
        "environments": total,
        "representatives": found.condensed.size,
        "known": int(found.known[found.condensed.assignment].sum()),
        "outside": outside,
        "usual_distance": found.usual,
        "files": [options.out],
    }
    line = f"{total:,} environments placed in {Path(options.onto).name}; {outside:,} are unlike anything there"
    say(options.json, figures, line, f"wrote    {options.out}")
