"""What a training with each tool needs beside its data: one short file, run in the folder of the data.

Each names the files, the elements and which labels there are. All else stays at what the tool's documents give as its
default or its example; numbers to choose with care are marked by a remark. Sources: the help of ``mace_run_train``,
NequIP's ``configs/tutorial.yaml`` and API, GPUMD's manual (``nep.in``), FitSNAP's manual (*Input files*), and
DeePMD-kit's ``examples/water/se_e2_a/input.json`` and training parameters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from meagraph.exports.formats.kept import Kept


def mace(kept: Kept, train: str, isolated: Mapping[int, float]) -> str:
    """A configuration for ``mace_run_train --config``; ``isolated`` are energies (eV) of atoms by number, or none."""
    rows = kept.rows
    stress = bool(kept.has_stress[rows].any())
    if isolated:
        energies = ", ".join(f"{number}: {energy!r}" for number, energy in isolated.items())
        reference = f'E0s: "{{{energies}}}"  # of the isolated atoms in the data'
    else:
        reference = (
            'E0s: "average"  # no isolated atom of every element in the data: compute them with the method of the '
            "data, and name them here"
        )
    lines = [
        "# mace_run_train --config mace.yaml",
        f"name: {json.dumps(kept.stem)}",
        f"train_file: {train}",
        "valid_fraction: 0.1  # or valid_file: structures that share nothing with these (meagraph split)",
        "energy_key: REF_energy",
        "forces_key: REF_forces",
        *(["stress_key: REF_stress", "compute_stress: true", "loss: stress"] if stress else []),
        reference,
        "model: MACE",
        "r_max: 5.0  # Å, the default",
        "seed: 123  # the default",
        "device: cuda",
    ]
    if kept.weights is not None:
        lines.append("# config_weight in each frame multiplies its part of the loss; nothing is to be said here")
    return "\n".join(lines) + "\n"


def nequip(kept: Kept, train: str, *, stress: bool) -> str:
    """A configuration for ``nequip-train``; with ``stress`` all structures have one."""
    kinds = "EnergyForceStress" if stress else "EnergyForce"
    labels = ("total_energy", "forces", *(["stress"] if stress else []))
    coefficients = "\n".join(f"      {name}: 1.0" for name in labels)
    errors = "\n".join(f"      {name}: 1.0" for name in ("total_energy_mae", "forces_mae", *(["stress_mae"] * stress)))
    symbols, names = ", ".join(kept.symbols), ", ".join(f"{symbol}: {symbol}" for symbol in kept.symbols)
    return f"""# nequip-train -cp "$PWD" -cn nequip.yaml
run: [train]
cutoff_radius: 5.0  # Å, as in NequIP's tutorial; choose it for the material
chemical_symbols: [{symbols}]
model_type_names: ${{chemical_symbols}}
monitored_metric: val0_epoch/weighted_sum

data:
  _target_: nequip.data.datamodule.ASEDataModule
  seed: 456
  split_dataset:
    file_path: {train}
    train: 0.9
    val: 0.1
  transforms:
    - _target_: nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper
      model_type_names: ${{model_type_names}}
      chemical_species_to_atom_type_map: {{{names}}}
    - _target_: nequip.data.transforms.NeighborListTransform
      r_max: ${{cutoff_radius}}
  train_dataloader:
    _target_: torch.utils.data.DataLoader
    batch_size: 5
    shuffle: true
  val_dataloader:
    _target_: torch.utils.data.DataLoader
    batch_size: 10
  stats_manager:
    _target_: nequip.data.CommonDataStatisticsManager
    dataloader_kwargs:
      batch_size: 10
    type_names: ${{model_type_names}}

trainer:
  _target_: lightning.Trainer
  max_epochs: 1000
  callbacks:
    - _target_: lightning.pytorch.callbacks.ModelCheckpoint
      monitor: ${{monitored_metric}}
      dirpath: ${{hydra:runtime.output_dir}}
      filename: best
      save_last: true

training_module:
  _target_: nequip.train.EMALightningModule
  ema_decay: 0.999
  loss:
    _target_: nequip.train.{kinds}Loss
    per_atom_energy: true
    coeffs:
{coefficients}
  val_metrics:
    _target_: nequip.train.{kinds}Metrics
    coeffs:
{errors}
  train_metrics: ${{training_module.val_metrics}}
  optimizer:
    _target_: torch.optim.Adam
    lr: 0.01
  model:
    _target_: nequip.model.NequIPGNNModel
    seed: 456
    model_dtype: float32
    type_names: ${{model_type_names}}
    r_max: ${{cutoff_radius}}
    avg_num_neighbors: ${{training_data_stats:num_neighbors_mean}}
    per_type_energy_scales: ${{training_data_stats:per_type_forces_rms}}
    per_type_energy_shifts: ${{training_data_stats:per_atom_energy_mean}}  # better: energies of isolated atoms

global_options:
  allow_tf32: false
"""


def nep(kept: Kept, *, stress: bool) -> str:
    """GPUMD's ``nep.in``, read beside ``train.xyz`` by the program ``nep``; what stands as a remark is the default."""
    symbols = kept.symbols
    lines = [
        "# in this folder: nep; test.xyz of the same form is for you to add",
        f"type          {len(symbols)} {' '.join(symbols)}",
        "version       4",
        "# cutoff      8 4     # Å, radial and angular; all that follows are the defaults of the manual",
        "# n_max       4 4",
        "# basis_size  8 8",
        "# l_max       4 2 0",
        "# neuron      30",
        "# lambda_e    1.0",
        "# lambda_f    1.0",
        "# lambda_v    0.1",
        "# batch       1000    # as many as there are structures, or more, is the full batch",
        "# population  50",
        "# generation  100000",
    ]
    if not stress:
        lines.insert(3, "lambda_v      0.0     # there are no virials in the data")
    if kept.weights is not None:
        lines.append("# weight in each frame of train.xyz multiplies its part of the loss; nothing is to be said here")
    return "\n".join(lines) + "\n"


def fitsnap(kept: Kept, groups: Sequence[tuple[str, float]], *, stress: bool) -> str:
    """FitSNAP's input for a linear SNAP; ``groups`` are folders below ``JSON`` and their weights."""
    symbols = kept.symbols
    ones, halves = (" ".join([value] * len(symbols)) for value in ("1.0", "0.5"))
    twojmax = " ".join(["6"] * len(symbols))
    shifts = "\n".join(f"{symbol} = 0.0" for symbol in symbols)
    rows = "\n".join(f"{name} = 1.0 0.0 {100.0 * weight:g} {weight:g} {1e-8 * weight:g}" for name, weight in groups)
    return f"""# python -m fitsnap3 fitsnap.in
[BISPECTRUM]
numTypes = {len(symbols)}
twojmax = {twojmax}
rcutfac = 4.67637
rfac0 = 0.99363
rmin0 = 0.0
wj = {ones}
radelem = {halves}
type = {" ".join(symbols)}
wselfallflag = 0
chemflag = 0
bzeroflag = 0
quadraticflag = 0

[CALCULATOR]
calculator = LAMMPSSNAP
energy = 1
force = 1
stress = {int(stress)}

[ESHIFT]
{shifts}

[SOLVER]
solver = SVD
compute_testerrs = 1
detailed_errors = 1

[SCRAPER]
scraper = JSON

[PATH]
dataPath = JSON

[OUTFILE]
metrics = {kept.stem}_metrics.md
potential = {kept.stem}_pot

[EXTRAS]
dump_descriptors = 0
dump_truth = 0
dump_weights = 0
dump_dataframe = 0

[REFERENCE]
units = metal
atom_style = atomic
pair_style = zero 10.0
pair_coeff = * *

[GROUPS]
# the weights are those that FitSNAP's example gives most groups of tantalum: choose yours
group_sections = name training_size testing_size eweight fweight vweight
group_types = str float float float float float
smartweights = 0
random_sampling = 0
{rows}
"""


def deepmd(kept: Kept, systems: Sequence[str], *, stress: bool) -> str:
    """DeePMD-kit's ``input.json`` for ``dp train``: the descriptor se_e2_a with its defaults."""
    loss: dict[str, Any] = {"type": "ener", "start_pref_e": 0.02, "limit_pref_e": 1}
    weighed = kept.weights is not None  # then forces count by atom_pref.npy, and not besides
    loss |= {"start_pref_f": 0 if weighed else 1000, "limit_pref_f": 0 if weighed else 1}
    if weighed:
        loss |= {"start_pref_pf": 1000, "limit_pref_pf": 1}
    loss |= {"start_pref_v": 0.02 if stress else 0, "limit_pref_v": 1 if stress else 0}
    content = {
        "_comment": "dp train input.json; add validation_data: systems that share nothing with these",
        "model": {
            "type_map": kept.symbols,
            "descriptor": {"type": "se_e2_a", "sel": "auto", "rcut": 6.0, "rcut_smth": 0.5, "seed": 1},
            "fitting_net": {"neuron": [240, 240, 240], "seed": 1},
        },
        "learning_rate": {"type": "exp", "start_lr": 0.001, "stop_lr": 3.51e-8, "decay_steps": 5000},
        "loss": loss,
        "training": {
            "training_data": {"systems": list(systems), "batch_size": "auto"},
            "numb_steps": 1000000,
            "seed": 10,
        },
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
