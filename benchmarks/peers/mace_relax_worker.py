"""A model of mace-torch, trained on given cells and used to relax others by MACE's calculator: a script for `serve.py`.

The case names the sizes, where to leave the model and its weights as arrays for conversion, and where to leave the
energy and the steps of each relaxation.
"""

import importlib.util
from importlib.metadata import version
from pathlib import Path

import ase
import numpy as np
import torch
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from e3nn import o3
from mace import data, modules
from mace.calculators import MACECalculator
from mace.tools import AtomicNumberTable, torch_geometric


def start(threads):
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    return {name: version(name) for name in ("mace-torch", "e3nn", "torch", "ase")}


def build(row, case, inputs):
    """Trains at once; the pass "relax 3" then relaxes the fourth cell."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(case["seed"])
    frames = [
        atoms(inputs["numbers"], positions, cell, energy=energy, forces=forces)
        for positions, cell, energy, forces in zip(*(inputs[k] for k in ("positions", "cells", "energies", "forces")))
    ]
    model = train(case, frames)
    torch.save(model, case["model"])
    specification = importlib.util.spec_from_file_location("exporter", case["exporter"])
    exporter = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(exporter)
    exporter.export(model, Path(case["exported"]))
    calculator = MACECalculator(model_paths=case["model"], device="cpu", default_dtype="float64")
    starts = zip(inputs["start_positions"], inputs["start_cells"])
    return {
        f"relax {index}": (
            lambda start=start, index=index: relax(case, atoms(inputs["numbers"], *start), calculator, index),
            lambda result: {},
        )
        for index, start in enumerate(starts)
    }


def atoms(numbers, positions, cell, **labels):
    made = ase.Atoms(numbers, positions, cell=cell, pbc=True)
    if labels:
        made.info["REF_energy"] = float(labels["energy"])
        made.arrays["REF_forces"] = np.asarray(labels["forces"])
    return made


def train(case, frames):
    """Adam on energies an atom and forces, as many steps as the case says."""
    table = AtomicNumberTable(sorted(set(frames[0].numbers.tolist())))
    keys = data.KeySpecification(info_keys={"energy": "REF_energy"}, arrays_keys={"forces": "REF_forces"})
    configurations = [data.config_from_atoms(frame, key_specification=keys) for frame in frames]
    graphs = [data.AtomicData.from_config(each, z_table=table, cutoff=case["cutoff"]) for each in configurations]
    count = len(frames[0])
    energies = np.array([frame.info["REF_energy"] for frame in frames])
    forces = np.stack([frame.arrays["REF_forces"] for frame in frames])
    hidden = o3.Irreps(case["hidden"])
    model = modules.ScaleShiftMACE(
        atomic_inter_scale=float(np.sqrt((forces**2).mean())),
        atomic_inter_shift=float(energies.mean() / count),
        r_max=case["cutoff"],
        num_bessel=8,
        num_polynomial_cutoff=6,
        max_ell=3,
        interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=modules.interaction_classes["RealAgnosticInteractionBlock"],
        num_interactions=2,
        num_elements=len(table.zs),
        hidden_irreps=hidden,
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=np.zeros(len(table.zs)),
        avg_num_neighbors=float(np.mean([graph.edge_index.shape[1] for graph in graphs]) / count),
        atomic_numbers=table.zs,
        correlation=3,
        gate=torch.nn.functional.silu,
        radial_MLP=[64],
    )
    loader = torch_geometric.dataloader.DataLoader(graphs, batch_size=case["batch"], shuffle=True, drop_last=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=case["learning_rate"], amsgrad=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, case["steps"])
    done = 0
    while done < case["steps"]:
        for batch in loader:
            optimizer.zero_grad()
            found = model(batch.to_dict(), training=True)
            loss = ((found["energy"] - batch.energy) / count).square().mean()
            loss = loss + (found["forces"] - batch.forces).square().mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimizer.step()
            schedule.step()
            done += 1
            if done == case["steps"]:
                break
    return model.eval()


def relax(case, start, calculator, index):
    calculator.reset()
    start.calc = calculator
    search = BFGS(FrechetCellFilter(start), logfile=None)
    search.run(fmax=case["fmax"], steps=case["most_steps"])
    np.savez(Path(case["ends"]) / f"{index}.npz", energy=start.get_potential_energy(), steps=search.nsteps)
