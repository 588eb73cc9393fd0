"""Subjects that lie between commands: descriptors, models, latent spaces, clusters, maps, plans, trainings, exports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from meagraph.cli import main
from meagraph.evaluation.comparison import compare_plans
from meagraph.exports import verify
from meagraph.graph.condensation import unit_columns
from meagraph.latent.clustering import ClusteringConfig, cluster
from meagraph.latent.placement import inherit_clusters, place, place_on_map
from meagraph.latent.projection import Projection
from meagraph.model.checkpoint import check_training, frame_of, load_agreement, load_model, read_training
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.learning import trained_with
from meagraph.pipeline.survey import latent_neighbours
from meagraph.step_files.descriptors import read_described
from meagraph.step_files.latent import read_latent
from meagraph.step_files.plans import read_plan
from meagraph.step_files.tables import read_clusters, read_map
from tests.support.fuzzing.subjects import Subject, folder_files, quietly
from tests.support.steps import Chain, make
from tests.support.structures import niobium_structures

MODEL = ("model.safetensors", "model.json")
CONFIG = PipelineConfig(clustering=ClusteringConfig(method="leiden", resolution=0.2))


def make_chain(folder: Path) -> Chain:
    """The files of all steps on a few structures, with a plan, an export, and the same data placed among themselves."""
    chain = make(folder, niobium_structures(2, 2), steps=6)
    files = ["--descriptors", chain.descriptors, "--latent", chain.latent, "--clusters-file", chain.clusters]
    export = ["--export", str(folder / "kept")]
    plan = ["prune", str(chain.data), *files, "--keep", "0.4", "--alpha", "0.5", "--out", str(folder / "plan.npz")]
    onto = [
        "embed",
        chain.descriptors,
        "--model",
        chain.model,
        "--onto",
        chain.latent,
        "--out",
        str(folder / "placed.npz"),
    ]
    for arguments in ([*plan, *export], onto, ["cluster", chain.latent, "--out", str(folder / "clusters.npz")]):
        assert main(arguments) == 0
    return chain


def of_steps(folder: Path) -> list[Subject]:
    """All of them, read by the library and put to use as the commands do; ``folder`` must not exist yet."""
    make_chain(folder)
    files = folder_files(folder)

    def some(*names: str) -> dict[str, bytes]:
        return {name: files[name] for name in names}

    described = some("descriptors.npy", "descriptors.json")
    sha = read_latent(folder / "latent.npz").sha256
    size = len(read_latent(folder / "latent.npz").condensed.assignment)
    return [
        Subject("descriptors", described, _descriptors, hashed=("descriptors.npy",)),
        Subject("model", {**some(*MODEL), **described}, _model, damaged=MODEL),
        Subject("latent", some("latent.npz"), _latent),
        Subject("placed", some("placed.npz"), _placed(read_latent(folder / "latent.npz").latent.condensed.assignment)),
        Subject("beside", {**some(*MODEL, "latent.npz"), **described}, _beside, damaged=(*MODEL, "latent.npz")),
        Subject(
            "clusters",
            some("clusters.csv", "clusters.json"),
            lambda place: read_clusters(place / "clusters.csv", sha, size),
            hashed=("clusters.csv",),
        ),
        Subject("clusters-npz", some("clusters.npz"), lambda place: read_clusters(place / "clusters.npz", sha, size)),
        Subject(
            "map",
            some("map_table.csv", "map_table.json"),
            lambda place: read_map(place / "map_table.csv", sha, size),
            hashed=("map_table.csv",),
        ),
        Subject(
            "plan",
            {**some("plan.npz", "plan.json"), "b.npz": files["plan.npz"], "b.json": files["plan.json"]},
            _plan,
            damaged=("plan.npz", "plan.json"),
            hashed=("plan.npz",),
        ),
        Subject(
            "export",
            {name: content for name, content in files.items() if name.startswith("kept/") or name == "niobium.extxyz"},
            lambda place: verify(place / "kept" / "manifest.json"),
        ),
        Subject(
            "training",
            {"training.safetensors": _training(folder), **some(*MODEL)},
            _state,
            damaged=("training.safetensors",),
        ),
    ]


def _descriptors(folder: Path) -> object:
    found = read_described(folder / "descriptors.npy")
    return unit_columns(found.descriptors.own), found.about, found.structure_keys


def _model(folder: Path) -> object:
    described = read_described(folder / "descriptors.npy")
    _, details = load_model(folder / "model.safetensors")
    config = trained_with(PipelineConfig(), details)
    return load_agreement(folder / "model.json"), frame_of(folder / "model.json"), config, described


def _latent(folder: Path) -> object:
    latent = read_latent(folder / "latent.npz").latent
    neighbours = latent_neighbours(latent.embedding, CONFIG)
    return cluster(latent.embedding, neighbours, latent.condensed, CONFIG.clustering, seed=3), latent.similarity_graph()


def _placed(assignment: np.ndarray) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        file = read_latent(folder / "placed.npz")
        if file.placement is None:
            return file
        count = len(file.latent.condensed.assignment)
        latent = file.latent
        near = latent_neighbours(latent.embedding, CONFIG)
        clusters = cluster(latent.embedding, near, latent.condensed, CONFIG.clustering, seed=3)
        onto = Projection(np.arange(2.0 * count, dtype=np.float32).reshape(-1, 2))
        return inherit_clusters(file.placement, latent, clusters), place_on_map(file.placement, latent, onto)

    return read


def _beside(folder: Path) -> object:
    described, latent = read_described(folder / "descriptors.npy"), read_latent(folder / "latent.npz")
    model, _ = load_model(folder / "model.safetensors")
    return place(model, latent.latent, described.descriptors, agreement=load_agreement(folder / "model.json"))


def _plan(folder: Path) -> object:
    return compare_plans({name: read_plan(folder / name) for name in ("plan.npz", "b.npz")})


def _training(folder: Path) -> bytes:
    """A training that was stopped between two epochs."""
    from meagraph.model.checkpoint import TrainingState, save_training
    from meagraph.model.results import EpochRecord

    model, details = load_model(folder / "model.safetensors")
    weights, best = ({name: value.clone() for name, value in model.state_dict().items()} for _ in range(2))
    history = tuple(EpochRecord(**record) for record in details["history"])
    save_training(folder / "training.safetensors", TrainingState("key", history, weights, best, {}))
    return (folder / "training.safetensors").read_bytes()


def _state(folder: Path) -> object:
    found = read_training(folder / "training.safetensors")
    check_training(folder / "training.safetensors", found, load_model(folder / "model.json")[0].state_dict())
    return found.identity + "", [record.loss + 0.0 for record in found.history], found.weights


def of_commands(folder: Path) -> list[Subject]:
    """The same files through the commands that read them, which takes seconds an input."""
    chain = make_chain(folder)
    files = {name: content for name, content in folder_files(folder).items() if "/" not in name}
    out = ["--overwrite", "--out"]
    commands: dict[str, list[list[str]]] = {
        "descriptors.npy": [["embed", "descriptors.npy", "--model", "model.json", *out, "again.npz"]],
        "model.safetensors": [
            ["embed", "descriptors.npy", "--model", "model.json", *out, "again.npz"],
            [
                "cluster",
                "latent.npz",
                "--model",
                "model.json",
                "--clustering",
                "components",
                "--stability",
                "s.csv",
                *out,
                "again.csv",
            ],
        ],
        "latent.npz": [
            ["cluster", "latent.npz", *out, "again.csv"],
            ["map", "latent.npz", *out, "again.csv"],
            ["embed", "descriptors.npy", "--model", "model.json", "--onto", "latent.npz", *out, "again.npz"],
        ],
        "placed.npz": [
            ["cluster", "placed.npz", "--onto", "clusters.csv", *out, "again.csv"],
            ["map", "placed.npz", "--onto", "map_table.csv", *out, "again.csv"],
        ],
        "clusters.csv": [
            ["cluster", "placed.npz", "--onto", "clusters.csv", *out, "again.csv"],
            [
                "prune",
                "niobium.extxyz",
                "--descriptors",
                "descriptors.npy",
                "--latent",
                "latent.npz",
                "--clusters-file",
                "clusters.csv",
                "--keep",
                "0.5",
                *out,
                "again.npz",
            ],
            [
                "outliers",
                "niobium.extxyz",
                "--descriptors",
                "descriptors.npy",
                "--latent",
                "latent.npz",
                "--clusters-file",
                "clusters.csv",
                *out,
                "again.csv",
            ],
        ],
        "map_table.csv": [["map", "placed.npz", "--onto", "map_table.csv", *out, "again.csv"]],
        "plan.npz": [["compare", "plan.npz", "b.npz"], ["evaluate", "plan.npz", "niobium.extxyz", "--draws", "1"]],
    }
    assert chain.folder == folder
    return [
        Subject(
            f"command {command[0]} {name}",
            {**files, "b.npz": files["plan.npz"], "b.json": files["plan.json"]},
            _running(command),
            damaged=(name, Path(name).with_suffix(".json").name)
            if Path(name).with_suffix(".json").name in files
            else (name,),
            hashed=() if name.startswith(("model", "latent", "placed")) else (name,),
        )
        for name, known in commands.items()
        for command in known
    ]


def _running(command: list[str]) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        known = {path.name for path in folder.iterdir()} | {"again.csv", "again.npz", "s.csv"}
        return quietly(main, [str(folder / word) if word in known else word for word in command])

    return read
