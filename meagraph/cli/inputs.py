"""What the steps after ``embed`` read: descriptors, latent space, clusters, and the dataset they were made from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meagraph.cli.options import add_out, reading_options
from meagraph.errors import MEAGraphError
from meagraph.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from meagraph.datasets import AtomicDataset
    from meagraph.latent.clustering import Clusters
    from meagraph.latent.neighbours import Neighbours
    from meagraph.pipeline.config import PipelineConfig
    from meagraph.step_files.descriptors import Described
    from meagraph.step_files.latent import LatentFile


def add_step_files(parser: argparse.ArgumentParser) -> None:
    """Options for the files of earlier steps."""
    parser.add_argument("--descriptors", required=True, metavar="DESC.npy", help="as 'meagraph describe' writes them")
    parser.add_argument("--latent", required=True, metavar="LATENT.npz", help="as 'meagraph embed' writes it")
    parser.add_argument("--clusters-file", metavar="CLUSTERS", help="clusters (default: those of 'meagraph cluster')")


def files_of_steps(options: argparse.Namespace) -> list[str | Path]:
    """All files that a command with these options reads."""
    from meagraph.step_files.checks import with_details

    files = (*with_details(options.descriptors), *with_details(options.clusters_file))
    return [*options.data, *options.known, *files, options.latent]


def read_step_files(options: argparse.Namespace, *, remedy: str) -> tuple[Described, LatentFile]:
    """The descriptors and the latent space made from them.

    Raises MEAGraphError where they do not belong together, or, ending in ``remedy``, for a dataset placed in the latent
    space of another.
    """
    from meagraph.step_files.checks import check_made_from
    from meagraph.step_files.descriptors import read_described
    from meagraph.step_files.latent import read_latent

    described, file = read_described(options.descriptors), read_latent(options.latent)
    check_made_from(options.latent, file.about, descriptors=described.sha256)
    if file.placement is not None:
        raise MEAGraphError(
            f"{options.latent}: expected the dataset's own latent space, but it is placed in another. {remedy}"
        )
    columns = described.descriptors.own.shape[1]
    if file.offsets.tolist() != described.offsets.tolist() or len(file.latent.norms) != columns:
        raise MEAGraphError(
            f"{options.latent}: expected the {len(described.offsets) - 1:,} structures and {columns} columns of "
            f"{options.descriptors}, but it holds others. Run 'meagraph embed' again."
        )
    return described, file


def read_data(options: argparse.Namespace, progress: Progress) -> AtomicDataset:
    """The dataset of DATA, and of --known where that is given."""
    from meagraph.pipeline.opening import open_with_known

    wanted = {"cache": not getattr(options, "no_cache", False), **reading_options(options)}
    return open_with_known(options.data, options.known, progress=progress, **wanted)


def read_described_dataset(options: argparse.Namespace, described: Described, progress: Progress) -> AtomicDataset:
    """The dataset that the descriptors were made from. Raises MEAGraphError for another one."""
    dataset = read_data(options, progress)
    same = dataset.fingerprint == described.fingerprint and dataset.offsets.tolist() == described.offsets.tolist()
    if not same:
        raise MEAGraphError(
            f"{', '.join(options.data)}: expected the structures and labels that {options.descriptors} was made "
            "from, but they differ. Give the same files in the same order, with the same options for reading and the "
            "same --known."
        )
    return dataset


def clusters_of(
    options: argparse.Namespace, file: LatentFile, config: PipelineConfig, neighbours: Neighbours | None = None
) -> Clusters:
    """The clusters of --clusters-file, or else those of the settings; ``neighbours`` where they are known already."""
    from meagraph.latent.clustering import cluster
    from meagraph.pipeline.survey import latent_neighbours
    from meagraph.step_files.tables import read_clusters

    if options.clusters_file is not None:
        return read_clusters(options.clusters_file, file.sha256, len(file.condensed.assignment))
    embedding = file.latent.embedding
    neighbours = neighbours or latent_neighbours(embedding, config)
    return cluster(embedding, neighbours, file.latent.condensed, config.clustering, seed=config.seed)


def add_latent(parser: argparse.ArgumentParser) -> None:
    """Arguments of the commands that read a latent space and write a table."""
    parser.add_argument("data", metavar="LATENT.npz", help="a latent space, as 'meagraph embed' writes it")
    add_out(parser, "OUT", "table to write, .csv or .npz")


def rows_of(offsets: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """The structure of every environment, and the atom within it."""
    import numpy as np

    sizes = np.diff(offsets)
    structure = np.repeat(np.arange(len(sizes)), sizes)
    return {"structure": structure, "atom": np.arange(offsets[-1]) - offsets[structure]}


def refuse_without(onto: str | None, data: str, step: str, what: str) -> None:
    """Raise MEAGraphError where data placed on a reference come without the reference's own result."""
    if onto is None:
        raise MEAGraphError(
            f"{data}: is placed in the latent space of a reference. Name the {what} of that one: "
            f"meagraph {step} --onto FILE; or run 'meagraph embed' without --onto."
        )


def refuse_onto(onto: str | None, data: str) -> None:
    """Raise MEAGraphError where ``onto`` is given for a latent space of its own."""
    if onto is not None:
        raise MEAGraphError(
            f"--onto {onto}: {data} is a latent space of its own. Place it first: meagraph embed --onto LATENT.npz."
        )
