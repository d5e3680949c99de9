"""NequIP as a whole, row D', as a script for `serve.py`."""

from importlib.metadata import version

import torch
from model_passes import model_passes
from nequip.model import NequIPGNNModel
from nequip.utils.global_state import set_global_state

ELEMENTS = {1: "H", 6: "C", 7: "N", 8: "O"}


def start(threads):
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    set_global_state()
    return {"nequip": version("nequip"), "e3nn": version("e3nn"), "torch": torch.__version__}


def build(row, case, inputs):
    chosen = case["model"]["hyperparameters"]
    model = NequIPGNNModel(
        seed=0,
        model_dtype="float32",
        r_max=5.0,
        type_names=list(ELEMENTS.values()),
        num_layers=chosen["layers"],
        l_max=chosen["edge_degree"],
        parity="0o" in chosen["hidden"],
        num_features=chosen["channels"],
        radial_mlp_depth=len(chosen["radial_hidden"]),
        radial_mlp_width=chosen["radial_hidden"][0],
        num_bessels=chosen["radial_count"],
        avg_num_neighbors=case["neighbors"],
    )
    inputs = {name: torch.from_numpy(values) for name, values in inputs.items()}
    batch = {
        "pos": inputs["positions"],
        "atom_types": torch.searchsorted(torch.tensor(list(ELEMENTS)), inputs["numbers"]),
        "edge_index": torch.stack([inputs["receivers"], inputs["senders"]]),
        "edge_cell_shift": -inputs["shifts"],
        "batch": inputs["structure"],
        "num_atoms": torch.bincount(inputs["structure"]),
    }
    if "water" in case:
        batch["cell"] = inputs["cell"]
    else:
        del batch["edge_cell_shift"]
    parameters = list(model.parameters())

    def predict(training):
        model.train(training)
        found = model(dict(batch))
        energy, forces = found["total_energy"], found["forces"]
        return (energy, forces) if training else (energy.detach(), forces.detach())

    return model_passes(predict, parameters, len(inputs["senders"]), train=case["train"])
