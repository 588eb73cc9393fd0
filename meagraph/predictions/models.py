"""Models that predict: MACE from a file, CHGNet from its wheel, what ASE has itself, any calculator of ASE."""

from __future__ import annotations

import contextlib
import functools
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.units import GPa
from numpy.typing import NDArray

from meagraph.descriptors import chgnet_based, mace_based
from meagraph.descriptors.mace_file import read_mace_file
from meagraph.errors import MEAGraphError
from meagraph.files import sha256_file

DTYPES = ("float32", "float64")
OF_ASE = {  # name: where it lies, and the module whose dictionary names the elements that it knows
    "emt": ("ase.calculators.emt:EMT", "parameters"),
    "lj": ("ase.calculators.lj:LennardJones", None),
    "morse": ("ase.calculators.morse:MorsePotential", None),
}


class Labels(NamedTuple):
    """What a model says of one structure of n atoms; NaN for what it does not know."""

    energy: float  # eV
    forces: NDArray[np.float64]  # (n, 3) eV/Å
    stress: NDArray[np.float64]  # (3, 3) eV/Å³, positive in tension


@dataclass(frozen=True, eq=False)
class Model:
    """Something that predicts labels of structures."""

    name: str
    prefix: str  # of the names under which its labels are written, as MACE_
    label: Callable[[Sequence[Atoms]], list[Labels]]  # may raise anything for structures it cannot take
    identity: dict[str, Any] | None  # JSON-like, all that its labels hang on; None where nobody can know
    species: frozenset[int] | None = None  # atomic numbers that it knows; None where it does not say
    batch: int = 1  # atoms that go through it at once; 1: each structure by itself


def load_model(name: str, *, model: str | Path | None = None, device: str = "cpu", dtype: str | None = None) -> Model:
    """The model of this name: one of MODELS, or ``package.module:name``, which is called to make a calculator of ASE.

    ``model`` is the file that mace reads; of other modules it is what they are called with, and they open it as they
    like. ``device`` is one of :data:`meagraph.model.settings.DEVICES`. ``dtype`` of DTYPES is by default that of the
    model. Raises MEAGraphError where the name is unknown, an extra is missing, the file is refused, or an option does
    not apply.
    """
    if dtype is not None and dtype not in DTYPES:
        raise MEAGraphError(f"Unknown dtype {dtype!r}; choose from {', '.join(DTYPES)}.")
    if name in MODELS:
        return MODELS[name](name, model, device, dtype)
    if ":" in name:
        return _imported(name, model, device, dtype)
    raise MEAGraphError(
        f"Unknown calculator {name!r}; choose from {', '.join(MODELS)}, or name a class of ASE calculators that needs "
        "no more than a file: package.module:Class."
    )


def model_of(calculator: Any, *, prefix: str) -> Model:
    """A model that asks a ``calculator`` of ASE; of what its labels hang on nothing is known."""
    name = type(calculator).__name__
    if not hasattr(calculator, "get_property"):
        raise MEAGraphError(f"Expected the name of a calculator or an object of ASE's class Calculator, got {name}.")
    return Model(name, prefix, lambda structures: [_by_ase(calculator, atoms) for atoms in structures], None)


def _by_ase(calculator: Any, atoms: Atoms) -> Labels:
    """Labels by an ASE calculator; a stress it has none of is NaN, and so is one of what is not periodic throughout."""
    from ase.calculators.calculator import PropertyNotImplementedError

    bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    bare.calc = calculator
    stress = np.full((3, 3), np.nan)
    with np.errstate(all="ignore"):  # what is not finite is told as a failure
        energy, forces = float(bare.get_potential_energy()), np.asarray(bare.get_forces(), dtype=np.float64)
        if bare.pbc.all():
            with contextlib.suppress(PropertyNotImplementedError, NotImplementedError):
                stress = np.asarray(bare.get_stress(voigt=False), dtype=np.float64)
    return Labels(energy, forces, stress)


def _mace(name: str, model: str | Path | None, device: str, dtype: str | None) -> Model:
    """The network in a file of MACE, read without running anything of it (:mod:`meagraph.descriptors.mace_file`)."""
    implementation = mace_based.installed("calculator")
    if model is None:
        raise MEAGraphError("The calculator 'mace' expects the path of a MACE model (--model), but none came. Name it.")
    place = _device(device)
    file = read_mace_file(model)

    @functools.cache
    def network() -> tuple[Any, int]:
        import torch

        made = mace_based.build(file).to(place)
        return (made if dtype is None else made.to(getattr(torch, dtype))), _head(made, file.path)

    def label(structures: Sequence[Atoms]) -> list[Labels]:
        import torch

        made, head = network()
        given = mace_based.inputs(made, file, list(structures))
        given["head"] = torch.full((len(structures),), head, device=place)
        found = made(given, compute_force=True, compute_stress=True)
        energy, forces, stress = (_plain(found[key]) for key in ("energy", "forces", "stress"))
        return _labels(structures, energy, forces, stress)

    identity = {"implementation": implementation, "model_sha256": file.sha256, "dtype": dtype, "device": place}
    known = frozenset(file.species)
    return Model(name, "MACE_", label, identity, known, mace_based.BATCH)


def _head(network: Any, path: str) -> int:
    """Which head of a MACE network speaks: the only one, or that which is called default."""
    heads = [str(head).lower() for head in getattr(network, "heads", None) or ["default"]]
    if len(heads) == 1:
        return 0
    if "default" not in heads:
        raise MEAGraphError(
            f"{path}: expected a model with one head, or with one called default, but it has {', '.join(heads)}. Take "
            "that head out with mace_select_head."
        )
    return heads.index("default")


def _chgnet(name: str, model: str | Path | None, device: str, dtype: str | None) -> Model:
    """CHGNet 0.3.0 with the weights of its wheel."""
    implementation, weights = chgnet_based.installed("calculator")
    _refuse(name, model, dtype, only="float32")
    place = _device(device)
    network = functools.cache(lambda: chgnet_based.build().to(place))

    def label(structures: Sequence[Atoms]) -> list[Labels]:
        graphs = [chgnet_based.graph(atoms).to(place) for atoms in structures]
        for one in graphs:
            one.atom_frac_coord.requires_grad_(True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of PyTorch, about chgnet's volumes
            found = network()(graphs, task="efs")
        energy = _plain(found["e"]) * [len(atoms) for atoms in structures]
        forces, stress = np.concatenate([_plain(one) for one in found["f"]]), [_plain(one) for one in found["s"]]
        return _labels(structures, energy, forces, GPa * np.stack(stress))

    identity = {"implementation": implementation, "model_sha256": sha256_file(weights), "device": place}
    return Model(name, "CHGNet_", label, identity, chgnet_based.KNOWN, chgnet_based.BATCH)


def _of_ase(name: str, model: str | Path | None, device: str, dtype: str | None) -> Model:
    """A potential of ASE that needs no file, with its usual parameters."""
    _refuse(name, model, dtype, only="float64")
    path, elements = OF_ASE[name]
    module, _, made = path.partition(":")
    home = import_module(module)
    found = model_of(getattr(home, made)(), prefix=f"{name.upper()}_")
    known = None if elements is None else frozenset(atomic_numbers[symbol] for symbol in getattr(home, elements))
    return Model(name, found.prefix, found.label, {"implementation": f"ase {version('ase')}", "name": name}, known)


def _imported(name: str, model: str | Path | None, device: str, dtype: str | None) -> Model:
    """A calculator that an installed package makes; asked for by the user, its code runs as it likes."""
    if dtype is not None:
        raise MEAGraphError(f"--dtype: {name} takes none. Leave it out, or write a function that sets it.")
    module, _, made = name.partition(":")
    try:
        make: Any = functools.reduce(getattr, made.split("."), import_module(module))
        calculator = make() if model is None else make(str(model))
    except Exception as error:  # code of others: whatever it raises
        raise MEAGraphError(
            f"{name}: expected a calculator of ASE, made by calling it{'' if model is None else ' with the file'}, but "
            f"that failed: {' '.join(str(error).split()) or type(error).__name__}. Check the name, or use "
            "meagraph.predict from Python."
        ) from error
    return model_of(calculator, prefix=f"{made.rpartition('.')[2]}_")


def _device(name: str) -> str:
    from meagraph.model.training import choose_device

    return choose_device(name)


def _refuse(name: str, model: str | Path | None, dtype: str | None, *, only: str) -> None:
    if model is not None:
        raise MEAGraphError(f"{model}: the calculator {name!r} takes no file. Leave --model out.")
    if dtype not in (None, only):
        raise MEAGraphError(f"--dtype: the calculator {name!r} computes in {only} only, got {dtype}. Leave it out.")


def _plain(tensor: Any) -> NDArray[np.float64]:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)


def _labels(
    structures: Sequence[Atoms], energy: NDArray[Any], forces: NDArray[Any], stress: NDArray[Any]
) -> list[Labels]:
    """Labels of each of B structures, of energies (B,), forces (n, 3) of all, and stresses (B, 3, 3)."""
    pulls = np.split(forces, np.cumsum([len(atoms) for atoms in structures])[:-1])
    none = np.full((3, 3), math.nan)
    return [
        Labels(float(e), f, s if atoms.pbc.all() else none)
        for atoms, e, f, s in zip(structures, energy, pulls, stress, strict=True)
    ]


MODELS: dict[str, Callable[[str, str | Path | None, str, str | None], Model]] = {
    "mace": _mace,
    "chgnet": _chgnet,
    **dict.fromkeys(OF_ASE, _of_ase),
}
