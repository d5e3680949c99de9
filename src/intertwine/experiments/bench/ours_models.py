"""Our side of the rows on whole potentials, built as the tool builds them; E(3) acts on positions."""

import torch
from torch import Tensor

from intertwine.experiments.bench.model_passes import Pass, Predict, model_passes
from intertwine.experiments.bench.systems import CUTOFF, ELEMENTS
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import build_potential
from intertwine.potentials.models.tabulate import tabulate
from intertwine.potentials.structures.graph import Graph


def potential(case: dict, inputs: dict[str, Tensor]) -> dict[str, Pass]:
    """Rows D and D'."""
    model = case["model"]
    hyperparameters = {**model["hyperparameters"], "species": list(ELEMENTS), "cutoff": CUTOFF}
    hyperparameters["neighbors"] = case["neighbors"]
    ours = build_potential(model["kind"], hyperparameters, dict.fromkeys(ELEMENTS, 0.0), seed=0)
    graph = Graph(
        positions=inputs["positions"],
        numbers=inputs["numbers"],
        cell=inputs["cell"],
        pbc=torch.full((len(inputs["cell"]), 3), "water" in case),
        structure=inputs["structure"],
        senders=inputs["senders"],
        receivers=inputs["receivers"],
        shifts=inputs["shifts"],
        cutoff=CUTOFF,
    )
    table = None if case["train"] else predictor(tabulate(ours), graph)
    edges = len(graph.senders)
    return model_passes(predictor(ours, graph), ours.parameters(), edges, train=case["train"], tabulated=table)


def predictor(ours: Potential, graph: Graph) -> Predict:
    """Energies and forces of one batch."""

    def predict(training: bool) -> tuple[Tensor, Tensor]:
        ours.train(training)
        with torch.set_grad_enabled(training):
            found = ours(graph)
        assert found.forces is not None
        return found.energy, found.forces

    return predict
