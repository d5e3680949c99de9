"""SevenNet as a whole, row D'', as a script for `serve.py`."""

from importlib.metadata import version

import sevenn._const as const
import sevenn._keys as keys
import torch
from model_passes import model_passes
from sevenn.model_build import build_E3_equivariant_model

ELEMENTS = (1, 6, 7, 8)


def start(threads):
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    return {"sevenn": version("sevenn"), "e3nn": version("e3nn"), "torch": torch.__version__}


def build(row, case, inputs):
    chosen = case["model"]["hyperparameters"]
    torch.manual_seed(0)
    config = const.model_defaults(dict(const.DEFAULT_E3_EQUIVARIANT_MODEL_CONFIG)) | {
        keys.CUTOFF: 5.0,
        keys.NODE_FEATURE_MULTIPLICITY: chosen["channels"],
        keys.LMAX: chosen["edge_degree"],
        keys.IS_PARITY: "0o" in chosen["hidden"],
        keys.NUM_CONVOLUTION: chosen["layers"],
        keys.CONVOLUTION_WEIGHT_NN_HIDDEN_NEURONS: list(chosen["radial_hidden"]),
        keys.NUM_SPECIES: len(ELEMENTS),
        keys.TYPE_MAP: {number: place for place, number in enumerate(ELEMENTS)},
        keys.SHIFT: 0.0,
        keys.SCALE: 1.0,
        keys.CONV_DENOMINATOR: case["neighbors"] ** 0.5,
    }
    model = build_E3_equivariant_model(config)
    model.set_is_batch_data(True)
    inputs = {name: torch.from_numpy(values) for name, values in inputs.items()}
    element = torch.searchsorted(torch.tensor(ELEMENTS), inputs["numbers"])
    cell, structure = inputs["cell"], inputs["structure"]
    senders, receivers = inputs["senders"], inputs["receivers"]
    atoms, volume = torch.bincount(structure), torch.linalg.det(cell).abs()
    offsets = torch.einsum("ei,eij->ej", inputs["shifts"], cell[structure[receivers]])

    def predict(training):
        model.train(training)
        positions = inputs["positions"]
        batch = {
            keys.NODE_FEATURE: element,
            keys.ATOMIC_NUMBERS: inputs["numbers"],
            keys.POS: positions,
            keys.EDGE_IDX: torch.stack([senders, receivers]),
            keys.EDGE_VEC: positions[receivers] - positions[senders] + offsets,
            keys.CELL: cell,
            keys.CELL_SHIFT: inputs["shifts"],
            keys.CELL_VOLUME: volume.clamp(min=1.0),
            keys.NUM_ATOMS: atoms,
            keys.BATCH: structure,
        }
        found = model(batch)
        energy, forces = found[keys.PRED_TOTAL_ENERGY], found[keys.PRED_FORCE]
        return (energy, forces) if training else (energy.detach(), forces.detach())

    return model_passes(predict, model.parameters(), len(senders), train=case["train"])
