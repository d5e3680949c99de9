"""Our side of `converted_mace.py`: the converted potential, as a script for `serve.py`."""

from importlib.metadata import version

import torch

from intertwine.potentials.models.saved import load
from intertwine.potentials.models.tabulate import tabulate
from intertwine.potentials.structures.graph import Graph


def start(threads):
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    return {"intertwine": version("intertwine"), "torch": torch.__version__}


def build(row, case, inputs):
    inputs = {name: torch.from_numpy(values) for name, values in inputs.items()}
    structures = len(inputs["cell"])
    graph = Graph(**inputs, pbc=torch.full((structures, 3), case["periodic"]), cutoff=5.0)
    single, double = load(case["potential"]), load(case["potential"]).double()
    found = {"energy and forces": (single, graph), "with table": (tabulate(single), graph)}
    found["float64"] = (double, graph.to(dtype=torch.float64))
    return {name: (lambda each=each: evaluate(*each), export) for name, each in found.items()}


@torch.no_grad()
def evaluate(potential, graph):
    return potential(graph)


def export(found):
    return {"energy": found.energy.double().numpy(), "forces": found.forces.double().numpy()}
