"""Writes the exports beside this file: tiny models of mace-torch with random weights, and what they predict.

.peers/mace/bin/python tests/potentials/engines/golden_mace/make.py [FOLDER SEED NAME...]
"""

import importlib.util
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
warnings.simplefilter("ignore")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from e3nn import o3  # noqa: E402
from mace import modules  # noqa: E402

HERE = Path(__file__).resolve().parent
EXPORTER = HERE.parents[3] / "src/intertwine/potentials/engines/export_from_mace.py"
MODELS = {
    "residual": {"hidden": "3x0e+3x1o", "max_ell": 3},
    "agnostic": {"hidden": "2x0e+2x1o+2x2e", "blocks": ("Agnostic", "AgnosticResidual"), "kind": "MACE"},
    "density": {
        "hidden": "2x0e+2x1o", "blocks": ("AgnosticDensity", "AgnosticDensityResidual"), "numbers": (1, 8, 26),
        "distance_transform": "Agnesi", "pair_repulsion": True,
    },
    "heads": {"hidden": "3x0e", "heads": ["pbe", "ccsd"], "num_interactions": 3, "correlation": [1, 2, 3]},
    "soft": {
        "hidden": "2x0e+2x1o", "distance_transform": "Soft", "radial_type": "gaussian", "max_ell": 1, "correlation": 4,
        "use_agnostic_product": True, "dtype": torch.float32,
    },
}  # fmt: skip


def build(
    *,
    hidden,
    numbers=(1, 8),
    blocks=("AgnosticResidual", "AgnosticResidual"),
    kind="ScaleShiftMACE",
    heads=None,
    dtype=torch.float64,
    **choices,
):
    first, later = (modules.interaction_classes[f"Real{block}InteractionBlock"] for block in blocks)
    count = len(heads or [0])
    energies = -10.0 - np.arange(count * len(numbers), dtype=float).reshape(count, -1)
    shifted = {"atomic_inter_scale": [2.0, 3.0][:count], "atomic_inter_shift": [0.3, -0.2][:count]}
    torch.set_default_dtype(dtype)
    model = getattr(modules, kind)(
        **{
            "r_max": 4.0,
            "num_bessel": 5,
            "num_polynomial_cutoff": 5,
            "max_ell": 2,
            "interaction_cls": later,
            "interaction_cls_first": first,
            "num_interactions": 2,
            "num_elements": len(numbers),
            "hidden_irreps": o3.Irreps(hidden),
            "MLP_irreps": o3.Irreps("4x0e"),
            "atomic_energies": energies if heads else energies[0],
            "avg_num_neighbors": 1.5,
            "atomic_numbers": list(numbers),
            "correlation": 3,
            "gate": torch.nn.functional.silu,
            "radial_MLP": [6, 7],
            "heads": heads,
            **(shifted if kind == "ScaleShiftMACE" else {}),
            **choices,
        }
    )
    torch.set_default_dtype(torch.float64)
    return model


def exporter():
    spec = importlib.util.spec_from_file_location("export_from_mace", EXPORTER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(folder=HERE, seed=0, *names):
    for name in names or MODELS:
        torch.manual_seed(int(seed))
        exporter().export(build(**MODELS[name]), Path(folder) / name)


if __name__ == "__main__":
    main(*sys.argv[1:])
