"""MACE as a whole, row D, as a script for `serve.py`."""

from importlib.metadata import version

import numpy as np
import torch
from e3nn import o3
from mace import modules
from model_passes import model_passes

ELEMENTS = (1, 6, 7, 8)


def start(threads):
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    return {"mace-torch": version("mace-torch"), "e3nn": version("e3nn"), "torch": torch.__version__}


def build(row, case, inputs):
    chosen = case["model"]["hyperparameters"]
    channels = chosen["channels"]
    torch.manual_seed(0)
    model = modules.ScaleShiftMACE(
        r_max=5.0,
        num_bessel=chosen["radial_count"],
        num_polynomial_cutoff=6,
        max_ell=chosen["edge_degree"],
        interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=modules.interaction_classes["RealAgnosticInteractionBlock"],
        num_interactions=chosen["layers"],
        num_elements=len(ELEMENTS),
        hidden_irreps=o3.Irreps([(channels, ir) for _, ir in o3.Irreps(chosen["hidden"])]),
        MLP_irreps=o3.Irreps("16x0e"),
        radial_MLP=chosen["radial_hidden"],
        atomic_energies=np.zeros(len(ELEMENTS)),
        avg_num_neighbors=case["neighbors"],
        atomic_numbers=list(ELEMENTS),
        correlation=chosen["correlation"],
        gate=torch.nn.functional.silu,
        atomic_inter_scale=1.0,
        atomic_inter_shift=0.0,
    ).float()
    batch = graph({name: torch.from_numpy(values) for name, values in inputs.items()})

    def predict(training):
        found = model(batch, training=training)
        energy, forces = found["energy"], found["forces"]
        return (energy, forces) if training else (energy.detach(), forces.detach())

    return model_passes(predict, model.parameters(), batch["edge_index"].shape[1], train=case["train"])


def graph(inputs):
    """MACE's dictionary of a batch."""
    element = torch.searchsorted(torch.tensor(ELEMENTS), inputs["numbers"])
    cell, structure = inputs["cell"], inputs["structure"]
    return {
        "positions": inputs["positions"],
        "node_attrs": torch.nn.functional.one_hot(element, len(ELEMENTS)).float(),
        "edge_index": torch.stack([inputs["senders"], inputs["receivers"]]),
        "unit_shifts": inputs["shifts"],
        "shifts": torch.einsum("ei,eij->ej", inputs["shifts"], cell[structure[inputs["receivers"]]]),
        "cell": cell.reshape(-1, 3),
        "batch": structure,
        "ptr": torch.cat([torch.zeros(1, dtype=torch.long), torch.bincount(structure).cumsum(0)]),
        "head": torch.zeros(len(cell), dtype=torch.long),
    }
