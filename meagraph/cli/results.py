"""What the latent space tells: ``cluster``, ``map``, ``outliers``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meagraph.cli.options import add_common_options, add_data, add_settings, pipeline_config, reading_options
from meagraph.cli.output import Bar, say
from meagraph.errors import MEAGraphError

if TYPE_CHECKING:
    from meagraph.clustering import Clusters
    from meagraph.handover import LatentFile
    from meagraph.stability import Stability


def add_cluster(commands: Any) -> None:
    """``meagraph cluster``."""
    parser = commands.add_parser(
        "cluster",
        help="step 4: groups of like environments",
        description="Group the environments of a latent space. Writes OUT, a table: structure, atom, cluster (-1: in "
        "none). With --stability also how the clusters change along the setting that moves them most: the pooling "
        "rate of 'components', for which --model is needed, or the resolution of 'leiden'.",
    )
    parser.set_defaults(command=_cluster)
    _add_latent(parser)
    parser.add_argument("--onto", metavar="CLUSTERS", help="take the labels of these clusters of the reference")
    parser.add_argument("--stability", metavar="FILE", help="write the stability curve to this .csv or .npz")
    parser.add_argument(
        "--model", metavar="FILE", help="for the stability of 'components': the model of the latent space"
    )
    add_common_options(parser, cache=False)
    add_settings(parser, "clustering")


def _cluster(options: argparse.Namespace) -> None:
    from meagraph.clustering import cluster
    from meagraph.handover import check_suffix, read_latent, write_table
    from meagraph.manifold import nearest_neighbours
    from meagraph.placement import inherit_clusters

    for path in filter(None, (options.out, options.stability)):
        check_suffix(path, ".csv", ".npz")
    config = pipeline_config(options)
    file = read_latent(options.data)
    figures: dict[str, Any] = {}
    lines: list[str] = []
    made_from = {"latent": file.sha256}
    if file.placement is not None:
        _refuse_without(options.onto, options.data, "cluster", "clusters")
        if options.stability:
            raise MEAGraphError("--stability: clusters that are inherited have none. Ask it of the reference.")
        known = _read_clusters(options.onto, file.about["made_from"]["reference"])
        found = inherit_clusters(file.placement, file.latent, known)
    else:
        _refuse_onto(options.onto, options.data)
        latent = file.latent
        with Bar("cluster") as progress:
            neighbours = nearest_neighbours(latent.embedding.values, config.projection.n_neighbors)
            found = cluster(latent.embedding, neighbours, latent.condensed, config.clustering)
            if options.stability:
                curve = _stability(options, file, config.clustering.method, neighbours, progress)
                _write_curve(options.stability, curve, {"dataset": file.about["dataset"], "made_from": made_from})
                figures["stability"] = {"plateau": curve.plateau, "suggestion": curve.suggestion}
                lines = _curve_lines(curve)
    columns = {**_rows(file.offsets), "cluster": found.labels}
    about = {"table": "clusters", "dataset": file.about["dataset"], "method": found.method, "settings": found.settings}
    write_table(options.out, columns, {**about, "sizes": found.sizes.tolist(), "made_from": made_from})
    total, alone = len(found.labels), int((found.labels < 0).sum())
    figures |= {
        "environments": total,
        "clusters": found.n_clusters,
        "sizes": found.sizes.tolist(),
        "unclustered": alone,
        "files": [options.out, *filter(None, [options.stability])],
    }
    line = f"{found.n_clusters} clusters, {alone:,} of {total:,} environments in none"
    say(options.json, figures, line, *lines, *(f"wrote    {path}" for path in figures["files"]))


def _stability(options: argparse.Namespace, file: LatentFile, method: str, neighbours: Any, progress: Any) -> Stability:
    from meagraph.checkpoint import load_model, model_files
    from meagraph.files import sha256_file
    from meagraph.handover import check_made_from
    from meagraph.stability import METHOD, rate_stability, resolution_stability

    latent = file.latent
    if method == METHOD["resolution"]:
        return resolution_stability(
            latent.embedding, neighbours, latent.condensed, seed=options.seed, progress=progress
        )
    if method != METHOD["pooling_rate"]:
        raise MEAGraphError(f"--stability: expected --clusters {' or '.join(METHOD.values())}, got {method}.")
    if options.model is None:
        raise MEAGraphError("--stability of 'components' encodes at every pooling rate; name the model with --model.")
    check_made_from(options.data, file.about, model=sha256_file(model_files(options.model)[0]))
    model, _ = load_model(options.model)
    return rate_stability(model, latent.similarity_graph(), latent.condensed, progress=progress)


def _write_curve(path: str, curve: Stability, about: dict[str, Any]) -> None:
    from meagraph.handover import write_table

    columns = {
        curve.parameter: curve.values,
        "clusters": curve.clusters,
        "alone": curve.alone,
        "largest": curve.largest,
        "agreement_with_next": np.append(curve.agreement, np.nan),
    }
    write_table(path, columns, {"table": "stability", "plateau": curve.plateau, **about})


def _curve_lines(curve: Stability) -> list[str]:
    """The curve as a table, and what it suggests."""
    name = curve.parameter.replace("_", " ")
    lines = [f"\n  {name:>12}{'clusters':>10}{'in none':>10}{'largest':>10}{'agreement with next':>21}"]
    for row in zip(curve.values, curve.clusters, curve.alone, curve.largest, [*curve.agreement, None], strict=True):
        value, clusters, alone, largest, agreement = row
        after = "" if agreement is None else f"{agreement:.3f}"
        lines.append(f"  {value:>12g}{clusters:>10,}{alone:>10.1%}{largest:>10.1%}{after:>21}")
    if curve.plateau is None:
        return [*lines, f"no stable range of the {name}: neighbouring values give other clusters\n"]
    first, last = curve.plateau
    return [*lines, f"most stable from {first:g} to {last:g}; the middle is {curve.suggestion:g}\n"]


def add_map(commands: Any) -> None:
    """``meagraph map``."""
    parser = commands.add_parser(
        "map",
        help="step 5: a map in two dimensions",
        description="Draw a latent space as a map (UMAP). Writes OUT, a table: structure, atom, x, y. With --onto a "
        "latent space that was placed in another ('meagraph embed --onto') is placed on that one's map; the table then "
        "also holds the distance to the nearest representative there, and whether that is more than is usual.",
    )
    parser.set_defaults(command=_map)
    _add_latent(parser)
    parser.add_argument("--onto", metavar="MAP", help="the map to place the environments on")
    add_common_options(parser, cache=False)
    add_settings(parser, "map")


def _map(options: argparse.Namespace) -> None:
    from dataclasses import asdict

    from meagraph import compiling, manifold
    from meagraph.handover import check_made_from, check_suffix, read_latent, read_table, write_table
    from meagraph.placement import place_on_map
    from meagraph.progress import part
    from meagraph.projection import Projection, project

    check_suffix(options.out, ".csv", ".npz")
    config = pipeline_config(options).projection
    file = read_latent(options.data)
    columns: dict[str, NDArray[Any]] = _rows(file.offsets)
    figures: dict[str, Any] = {"environments": int(file.offsets[-1])}
    line = f"{file.offsets[-1]:,} environments on a map"
    if file.placement is not None:
        _refuse_without(options.onto, options.data, "map", "map")
        table, about = read_table(options.onto, "map", "map")
        check_made_from(options.onto, about, latent=file.about["made_from"]["reference"])
        placed = file.placement
        onto = Projection(np.column_stack([table["x"], table["y"]]).astype(np.float32))
        xy = place_on_map(placed, file.latent, onto, n_neighbors=config.n_neighbors).xy
        outside = placed.outside[placed.condensed.assignment]
        columns |= {"x": xy[:, 0], "y": xy[:, 1]}
        columns |= {"distance": placed.distance[placed.condensed.assignment], "outside": outside.astype(np.int8)}
        settings = about["settings"]
        figures |= {"outside": int(outside.sum()), "usual_distance": placed.usual}
        line = f"{len(xy):,} environments placed on {options.onto}; {outside.sum():,} are unlike anything there"
    else:
        _refuse_onto(options.onto, options.data)
        with Bar("map") as progress:
            compiling.finish(manifold.__name__, part(progress, 0.0, 0.0))
            progress(0, 1, "map (UMAP)")
            neighbours = manifold.nearest_neighbours(file.latent.embedding.values, config.n_neighbors)
            xy = project(neighbours, file.latent.condensed, config).xy
            progress(1, 1, "done")
        columns |= {"x": xy[:, 0], "y": xy[:, 1]}
        settings = asdict(config)
    made_from = {"latent": file.sha256}
    about = {"table": "map", "dataset": file.about["dataset"], "settings": settings, "made_from": made_from}
    write_table(options.out, columns, about)
    say(options.json, {**figures, "files": [options.out]}, line, f"wrote    {options.out}")


def add_outliers(commands: Any) -> None:
    """``meagraph outliers``."""
    parser = commands.add_parser(
        "outliers",
        help="step 6: what looks unlike the rest",
        description="Score every environment by how unlike the rest it and its labels are, with reasons in words. "
        "Writes OUT, a table with the most suspicious first: rank, score, file, frame, structure, atom, reasons.",
    )
    parser.set_defaults(command=_outliers)
    parser.add_argument("--descriptors", required=True, metavar="DESC.npy", help="as 'meagraph describe' writes them")
    parser.add_argument("--latent", required=True, metavar="LATENT.npz", help="as 'meagraph embed' writes it")
    parser.add_argument("--clusters-file", metavar="CLUSTERS", help="clusters (default: those of 'meagraph cluster')")
    parser.add_argument("--out", required=True, metavar="OUT", help="table to write, .csv or .npz")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="print as many (default: %(default)s)")
    add_common_options(parser, cache=False)
    add_data(parser)


def _outliers(options: argparse.Namespace) -> None:
    from meagraph.clustering import cluster
    from meagraph.condensation import unit_columns
    from meagraph.datasets import read_dataset
    from meagraph.handover import check_made_from, check_suffix, read_described, read_latent, write_table
    from meagraph.manifold import nearest_neighbours
    from meagraph.outliers import score_outliers
    from meagraph.progress import part

    check_suffix(options.out, ".csv", ".npz")
    if options.top < 0:
        raise MEAGraphError(f"--top: expected 0 or more, got {options.top}.")
    config = pipeline_config(options)
    described, file = read_described(options.descriptors), read_latent(options.latent)
    check_made_from(options.latent, file.about, descriptors=described.sha256)
    if file.placement is not None:
        raise MEAGraphError(
            f"{options.latent}: expected the dataset's own latent space, but it is placed in another. Outliers are "
            "told from the rest of their own dataset: run 'meagraph embed' without --onto."
        )
    with Bar("outliers") as progress:
        dataset = read_dataset(options.data, progress=part(progress, 0.0, 0.2), **reading_options(options))
        if dataset.fingerprint != described.fingerprint:
            raise MEAGraphError(
                f"{', '.join(options.data)}: expected the structures and labels that {options.descriptors} was made "
                "from, but they differ. Give the same files in the same order, with the same options for reading."
            )
        latent = file.latent
        if options.clusters_file is not None:
            clusters = _read_clusters(options.clusters_file, file.sha256)
        else:
            neighbours = nearest_neighbours(latent.embedding.values, config.projection.n_neighbors)
            clusters = cluster(latent.embedding, neighbours, latent.condensed, config.clustering)
        points = unit_columns(described.descriptors.values)
        found = score_outliers(points, latent.condensed, clusters, dataset, progress=part(progress, 0.3, 1.0))
    order = np.argsort(-found.score, kind="stable")
    structure = dataset.structure_of[order]
    paths = np.array([source.path for source in dataset.sources])
    columns = {
        "rank": np.arange(1, len(order) + 1),
        "score": found.score[order],
        "file": paths[dataset.source_index[structure]],
        "frame": dataset.frame_index[structure],
        "structure": structure,
        "atom": dataset.atom_of[order],
        "reasons": np.array(["; ".join(found.reasons(row)) for row in order]),
    }
    made_from = {"latent": file.sha256, "descriptors": described.sha256}
    write_table(options.out, columns, {"table": "outliers", "dataset": dataset.name, "made_from": made_from})
    names = ("rank", "score", "file", "frame", "atom", "reasons")
    top = [{name: columns[name][row].item() for name in names} for row in range(min(options.top, len(order)))]
    figures = {
        "environments": len(order),
        "candidates": len(found.candidates),
        "top": top,
        "files": [options.out],
    }
    lines = [
        f"{one['rank']:>4}  {one['score']:6.2f}  {one['file']}, frame {one['frame']}, atom {one['atom']}: "
        f"{one['reasons']}"
        for one in top
    ]
    line = f"{len(found.candidates):,} outlier candidates (score 1 and above) among {len(order):,} environments"
    say(options.json, figures, line, *lines, f"wrote    {options.out}")


def _add_latent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="LATENT.npz", help="a latent space, as 'meagraph embed' writes it")
    parser.add_argument("--out", required=True, metavar="OUT", help="table to write, .csv or .npz")


def _rows(offsets: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """The structure of every environment, and the atom within it."""
    sizes = np.diff(offsets)
    structure = np.repeat(np.arange(len(sizes)), sizes)
    return {"structure": structure, "atom": np.arange(offsets[-1]) - offsets[structure]}


def _read_clusters(path: str, latent: str) -> Clusters:
    """The clusters at ``path``, which must be those of the latent space with this SHA-256."""
    from meagraph.clustering import Clusters
    from meagraph.handover import check_made_from, read_table

    columns, about = read_table(path, "clusters", "cluster")
    check_made_from(path, about, latent=latent)
    return Clusters(columns["cluster"], np.array(about["sizes"], dtype=np.int64), about["method"], about["settings"])


def _refuse_without(onto: str | None, data: str, step: str, what: str) -> None:
    if onto is None:
        raise MEAGraphError(
            f"{data}: is placed in the latent space of a reference. Name the {what} of that one: "
            f"meagraph {step} --onto FILE; or run 'meagraph embed' without --onto."
        )


def _refuse_onto(onto: str | None, data: str) -> None:
    if onto is not None:
        raise MEAGraphError(
            f"--onto {onto}: {data} is a latent space of its own. Place it first: meagraph embed --onto LATENT.npz."
        )


COMMANDS = (add_cluster, add_map, add_outliers)
