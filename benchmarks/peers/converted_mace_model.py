"""A model of mace-torch to convert: `python converted_mace_model.py FILE` writes it, `serve.py` times it."""

import os
import sys
from importlib.metadata import version

os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")

import numpy as np
import torch
from e3nn import o3
from mace import modules

ELEMENTS = (1, 6, 7, 8)


def write(path):
    """Random weights in float32, as a training run would leave them."""
    torch.manual_seed(0)
    block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    model = modules.ScaleShiftMACE(
        r_max=5.0,
        num_bessel=8,
        num_polynomial_cutoff=6,
        max_ell=3,
        interaction_cls=block,
        interaction_cls_first=block,
        num_interactions=2,
        num_elements=len(ELEMENTS),
        hidden_irreps=o3.Irreps("64x0e+64x1o"),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=np.array([-13.6, -1029.9, -1484.9, -2042.0]),
        avg_num_neighbors=16.5,
        atomic_numbers=list(ELEMENTS),
        correlation=3,
        gate=torch.nn.functional.silu,
        atomic_inter_scale=20.0,
        atomic_inter_shift=0.0,
    )
    torch.save(model, path)


def start(threads):
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    return {"mace-torch": version("mace-torch"), "e3nn": version("e3nn"), "torch": torch.__version__}


def build(row, case, inputs):
    sys.path.append(case["peers"])
    from mace_model import graph

    inputs = {name: torch.from_numpy(values) for name, values in inputs.items()}
    found = {}
    for dtype in (torch.float32, torch.float64):
        model = torch.load(case["model"], weights_only=False).to(dtype)
        cast = {name: each.to(dtype) if each.is_floating_point() else each for name, each in inputs.items()}
        batch = graph(cast)
        batch["node_attrs"] = batch["node_attrs"].to(dtype)
        name = "energy and forces" if dtype == torch.float32 else "float64"
        found[name] = (lambda model=model, batch=batch: model(batch), export)
    return found


def export(found):
    return {name: found[name].detach().double().numpy() for name in ("energy", "forces")}


if __name__ == "__main__":
    write(sys.argv[1])
