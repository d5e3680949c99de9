"""NequIP's side of the accuracy benchmark: `python nequip_fit.py TASK.json`, with its tutorial's choices."""

import json
import subprocess
import sys
import time
from pathlib import Path

import ase.io
import numpy as np
from ase.data import chemical_symbols

CONFIG = """
run: [train]
cutoff_radius: {cutoff}
model_type_names: {types}
chemical_species: ${{model_type_names}}
monitored_metric: val0_epoch/weighted_sum
data:
  _target_: nequip.data.datamodule.ASEDataModule
  seed: 0
  train_file_path: {train}
  val_file_path: {valid}
  key_mapping: {{{energy}: total_energy, {forces}: forces}}
  include_keys: [{energy}, {forces}]
  transforms:
    - _target_: nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper
      model_type_names: ${{model_type_names}}
      chemical_species_to_atom_type_map: ${{list_to_identity_dict:${{chemical_species}}}}
    - _target_: nequip.data.transforms.NeighborListTransform
      r_max: ${{cutoff_radius}}
  train_dataloader: {{_target_: torch.utils.data.DataLoader, batch_size: 5, shuffle: true}}
  val_dataloader: {{_target_: torch.utils.data.DataLoader, batch_size: 10}}
  stats_manager:
    _target_: nequip.data.CommonDataStatisticsManager
    type_names: ${{model_type_names}}
    dataloader_kwargs: {{batch_size: 10}}
trainer:
  _target_: lightning.Trainer
  accelerator: cpu
  max_epochs: 100000
  max_time: {time}
  enable_progress_bar: false
  logger: false
  callbacks:
    - _target_: lightning.pytorch.callbacks.ModelCheckpoint
      monitor: ${{monitored_metric}}
      dirpath: {out}
      filename: best
training_module:
  _target_: nequip.train.EMALightningModule
  ema_decay: 0.999
  loss:
    _target_: nequip.train.EnergyForceLoss
    per_atom_energy: true
    coeffs: {{total_energy: 1.0, forces: 1.0}}
  val_metrics:
    _target_: nequip.train.EnergyForceMetrics
    coeffs: {{per_atom_energy_rmse: 1.0, forces_rmse: 1.0}}
  optimizer: {{_target_: torch.optim.Adam, lr: 0.01}}
  lr_scheduler:
    scheduler:
      _target_: torch.optim.lr_scheduler.ReduceLROnPlateau
      factor: 0.6
      patience: 5
      threshold: 0.2
      min_lr: 1.0e-6
    monitor: ${{monitored_metric}}
    interval: epoch
    frequency: 1
  model:
    _target_: nequip.model.NequIPGNNModel
    seed: 0
    model_dtype: float32
    type_names: ${{model_type_names}}
    r_max: ${{cutoff_radius}}
    num_bessels: 8
    l_max: {degree}
    parity: true
    num_layers: 4
    num_features: {channels}
    radial_mlp_depth: 2
    radial_mlp_width: 64
    avg_num_neighbors: ${{training_data_stats:num_neighbors_mean}}
    per_type_energy_scales: ${{training_data_stats:per_type_forces_rms}}
    per_type_energy_shifts: {shifts}
"""

MEAN = "${training_data_stats:per_atom_energy_mean}"


def main():
    task = json.loads(Path(sys.argv[1]).read_text())
    out = Path(task["out"])
    types = [chemical_symbols[number] for number in task["species"]]
    energies = {chemical_symbols[int(number)]: energy for number, energy in task["isolated_energies"].items()}
    minutes, seconds = divmod(int(task["seconds"]), 60)
    config = CONFIG.format(
        cutoff=task["cutoff"], types=types, train=task["train"], valid=task["valid"], out=out, **task["keys"],
        time=f"00:{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}", degree=task["degree"],
        channels=task["channels"], shifts=json.dumps(energies) if energies else MEAN,
    )  # fmt: skip
    (out / "config.yaml").write_text(config)
    begun = time.perf_counter()
    with (out / "log.txt").open("w") as log:
        command = [str(Path(sys.executable).parent / "nequip-train"), "-cp", str(out), "-cn", "config"]
        subprocess.run(command, stdout=log, stderr=log, cwd=out, timeout=1.3 * task["seconds"] + 120)
    spent = time.perf_counter() - begun
    from nequip.integrations.ase import NequIPCalculator

    calculator = NequIPCalculator._from_saved_model(out / "best.ckpt")
    for test, path in task["tests"].items():
        energy, forces = [], []
        for atoms in ase.io.read(path, ":"):
            atoms.calc = calculator
            energy.append(atoms.get_potential_energy())
            forces.append(atoms.get_forces())
        np.savez(out / f"{test}.npz", energy=np.array(energy), forces=np.concatenate(forces))
    parameters = sum(parameter.numel() for parameter in calculator.model.parameters())
    answer = {"seconds": spent, "epochs": None, "parameters": parameters, "settings": {"config": config}}
    (out / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
