"""Options that commands share, each declared once, and how they become settings again."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from meagraph.errors import MEAGraphError

if TYPE_CHECKING:
    from meagraph.pipeline.config import PipelineConfig


@dataclass(frozen=True)
class Setting:
    """One option and the field of PipelineConfig that it sets; type and default are the field's."""

    flag: str
    field: str  # dotted, as in "graph.lower"
    help: str
    choices: Callable[[], tuple[str, ...]] | None = None
    metavar: str | None = None
    shown: str = "%(default)s"  # the default, in the help
    kind: Callable[[str], Any] | None = None  # of a field that may be None
    also: str = ""  # another name of the option

    @property
    def destination(self) -> str:
        """The name under which argparse keeps the value."""
        return self.flag.removeprefix("--").replace("-", "_")


def _descriptors() -> tuple[str, ...]:
    from meagraph.descriptors import KINDS

    return tuple(KINDS)


def _clusterings() -> tuple[str, ...]:
    from meagraph.latent.clustering import METHODS

    return tuple(METHODS)


def _number_of_clusters(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        hint = f"; the method is named by --clustering {text}" if text in _clusterings() else ""
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}{hint}") from None


def _latent() -> tuple[str, ...]:
    from meagraph.pipeline.config import LATENT

    return LATENT


SETTINGS: dict[str, tuple[Setting, ...]] = {
    "descriptors": (
        Setting(
            "--descriptor",
            "descriptors.method",
            "snap, mace and chgnet need the extras of these names",
            _descriptors,
        ),
        Setting(
            "--source",
            "descriptors.source",
            "of array the name of a per-atom array, of npy and mace the path of a file",
            metavar="NAME",
            shown="none",
        ),
        Setting("--r-cut", "descriptors.r_cut", "cutoff in Å"),
        Setting("--n-max", "descriptors.n_max", "radial functions, of soap and acsf"),
        Setting("--l-max", "descriptors.l_max", "angular degree; of snap half of twojmax"),
    ),
    "graph": (
        Setting("--budget", "budget", "representatives at most", also="--representatives"),
        Setting("--threshold", "graph.lower", "similarity of an edge", shown="%(default)g"),
        Setting("--neighbours", "graph.neighbours", "edges a representative at most"),
    ),
    "training": (
        Setting(
            "--latent-space",
            "latent",
            "space of clusters and map: agreement of neighbouring atoms, or the context of the descriptors direct",
            _latent,
        ),
        Setting("--epochs", "training.epochs", "passes over the structures at most"),
        Setting("--batch", "training.batch", "structures a step"),
        Setting("--steps", "training.steps", "steps an epoch at most"),
        Setting("--learning-rate", "training.learning_rate", "of Adam"),
        Setting("--validation", "training.validation", "share of the structures held out"),
        Setting("--patience", "training.patience", "epochs without gain until training stops; 0: never"),
    ),
    "embedding": (Setting("--rate", "pooling_rate", "pooling rate"),),
    "clustering": (
        Setting("--clustering", "clustering.method", "how environments are grouped", _clusterings),
        Setting(
            "--clusters",
            "clustering.clusters",
            "of hierarchy: as many clusters",
            metavar="N",
            shown="those that stand apart",
            kind=_number_of_clusters,
        ),
        Setting(
            "--level",
            "clustering.level",
            "of hierarchy, instead of --clusters: from 0, coarse, to 1, fine",
            metavar="L",
            shown="none",
            kind=float,
        ),
        Setting("--resolution", "clustering.resolution", "of Leiden: more clusters the larger it is"),
        Setting("--min-cluster-size", "clustering.min_cluster_size", "of HDBSCAN: environments at least"),
    ),
    "map": (Setting("--min-dist", "projection.min_dist", "of UMAP: how close points may lie"),),
}


def add_settings(parser: argparse.ArgumentParser, *names: str, otherwise: str = "") -> None:
    """Add the options of SETTINGS[name] for each of ``names``.

    ``otherwise`` says in words what holds where an option is not given; without it, that is the usual default.
    """
    from meagraph.pipeline.config import PipelineConfig

    usual = PipelineConfig()
    for name in names:
        group = parser.add_argument_group(name)
        if name == "descriptors":
            group.add_argument(
                "--descriptor-preset",
                choices=("default", "published"),
                default=None,
                help="published: SOAP of 3 radial functions and degree 3 within 5 Å, without the context; clusters and "
                "map are then found in the latent space of the published model (default: with the context)",
            )
        for setting in SETTINGS[name]:
            value: Any = usual
            for step in setting.field.split("."):
                value = getattr(value, step)
            group.add_argument(
                *filter(None, (setting.flag, setting.also)),
                dest=setting.destination,
                type=setting.kind or type(value),
                default=None if otherwise else value,
                choices=setting.choices() if setting.choices else None,
                metavar=setting.metavar,
                help=f"{setting.help} (default: {otherwise or setting.shown})",
            )


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Where a training starts and where it runs; :func:`training_options` collects them again."""
    from meagraph.model.settings import DEVICES

    parser.add_argument("--fine-tune", metavar="FILE", help="a trained model to start from instead of random weights")
    parser.add_argument(
        "--device", default="auto", choices=DEVICES, help="auto is cuda where there is one (default: %(default)s)"
    )


def training_options(options: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments for :func:`meagraph.pipeline.learning.learn`."""
    start = options.fine_tune
    return {"device": options.device, **({} if start is None else {"model_path": start, "fine_tune": True})}


def given_settings(options: argparse.Namespace) -> list[Setting]:
    """The settings whose options this command has and for which there is a value."""
    return [s for group in SETTINGS.values() for s in group if getattr(options, s.destination, None) is not None]


def pipeline_config(options: argparse.Namespace, usual: PipelineConfig | None = None) -> PipelineConfig:
    """The ``usual`` settings with those that the options name, and their seed everywhere.

    Raises MEAGraphError for values out of range.
    """
    from meagraph.pipeline.config import PipelineConfig

    config = usual or PipelineConfig()
    changes: dict[str, dict[str, Any]] = {}
    for setting in given_settings(options):
        part, _, name = setting.field.rpartition(".")
        changes.setdefault(part, {})[name] = getattr(options, setting.destination)
    top = changes.pop("", {})
    if getattr(options, "descriptor_preset", None) == "published":
        top["context"] = False
    config = replace(config, **top, **{part: replace(getattr(config, part), **new) for part, new in changes.items()})
    return replace(config, seed=options.seed) if hasattr(options, "seed") else config


def add_common_options(parser: argparse.ArgumentParser, *, seed: bool = True, cache: bool = True) -> None:
    """Options of nearly every command: the seed, JSON, the cache."""
    if seed:
        parser.add_argument("--seed", type=int, default=0, help="for everything random (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    if cache:
        parser.add_argument("--no-cache", action="store_true", help="compute everything anew")


def add_out(parser: argparse.ArgumentParser, metavar: str, help: str) -> None:
    """The file to write, and whether it may replace another."""
    parser.add_argument("--out", required=True, metavar=metavar, help=help)
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace OUT where it is there and not of an earlier run; what is read here is never replaced",
    )


def add_data(parser: argparse.ArgumentParser) -> None:
    """The files of the dataset, and how they are read."""
    parser.add_argument("data", nargs="+", metavar="DATA", help="files, folders, archives; also compressed")
    add_reading_options(parser)


def add_known(parser: argparse.ArgumentParser) -> None:
    """What is known already beside DATA."""
    parser.add_argument(
        "--known",
        action="append",
        default=[],
        metavar="FILE",
        help="data that is known already, as a training set; may be given several times. It is learned from and lies "
        "on the map, never chosen or exported; neither it nor DATA needs labels then",
    )


def add_reading_options(parser: argparse.ArgumentParser, *, on_error: str = "stop") -> None:
    """Options that say how files are read; :func:`reading_options` collects them again."""
    from meagraph.datasets.options import MAX_BYTES
    from meagraph.datasets.stress import UNITS as STRESS
    from meagraph.datasets.units import UNITS

    group = parser.add_argument_group("reading")
    group.add_argument("--format", help="name of the file format, ours or ASE's (default: from name and content)")
    for kind in ("energy", "forces", "stress"):
        group.add_argument(
            f"--{kind}-key",
            action="append",
            metavar="NAME",
            help=f"name of the {kind} in the file; several are tried in order (default: one family of usual names)",
        )
    group.add_argument(
        "--stress-unit", choices=tuple(STRESS), help="unit of the stress (default: as name, energies or size say)"
    )
    group.add_argument("--group-key", default="config_type", help="name of the group label (default: %(default)s)")
    group.add_argument("--allow-unlabelled", action="store_true", help="accept frames without energy or forces")
    group.add_argument(
        "--on-error",
        choices=("stop", "quarantine"),
        default=on_error,
        help="stop at a frame that cannot be used, or set it aside and read the rest (default: %(default)s)",
    )
    group.add_argument(
        "--max-atoms",
        type=int,
        default=50_000,
        metavar="N",
        help="refuse larger frames (default: %(default)s)",
    )
    group.add_argument(
        "--elements",
        nargs="+",
        default=[],
        metavar="EL",
        help="of files with type numbers the element of each type in order, after DATA or joined by commas",
    )
    group.add_argument(
        "--units",
        choices=tuple(UNITS),
        help="of files that do not say theirs; metal is Å and eV (default: by the format)",
    )
    group.add_argument(
        "--max-size",
        type=float,
        default=MAX_BYTES / 2**30,
        metavar="GIB",
        help="how much a compressed file or an archive may hold (default: %(default)g)",
    )


def reading_options(options: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments for :func:`meagraph.datasets.read_dataset`. Raises MEAGraphError for a size that is none."""
    names = (
        *("format", "energy_key", "forces_key", "stress_key", "stress_unit", "group_key", "allow_unlabelled"),
        *("on_error", "max_atoms", "elements", "units"),
    )
    if not 0 < options.max_size < 2**33:
        raise MEAGraphError(f"--max-size: expected GiB above 0, got {options.max_size:g}. Name a number such as 8.")
    max_bytes = max(1, int(options.max_size * 2**30))
    return {name: getattr(options, name) for name in names} | {"max_bytes": max_bytes}
