"""What does it bring to compute lengths once for both directions of an edge? Prints JSON: seconds, and their ratio.

python benchmarks/pairs.py [--rows D "D'" "D''"] [--rounds 9]

The models and systems of the bench rows D, D' and D'': a training step on 5 x 27 atoms, energies and forces of 27 atoms
and of 648 in a box. The same potential, told which edges are pairs and not told, takes turns in one process; `ratio` is
the median of rounds, `spread` half of their middle half. Runs on the threads that torch has: OMP_NUM_THREADS=1.
"""

import argparse
import json

import torch
from torch import nn

from intertwine.experiments.bench.model_passes import model_passes
from intertwine.experiments.bench.ours_models import predictor
from intertwine.experiments.bench.potential_rows import MACE, NEIGHBORS, NEQUIP, SEVENNET, SYSTEMS
from intertwine.experiments.bench.systems import CUTOFF, ELEMENTS, system
from intertwine.experiments.timing import in_turns, quartiles, ratio
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import build_potential

ROWS = {"D": MACE, "D'": NEQUIP, "D''": SEVENNET}


class EdgeByEdge(nn.Module):
    """A model that nobody tells which edges are pairs."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model, self.species, self.cutoff = model, model.species, model.cutoff

    def forward(self, element, vectors, senders, receivers):
        """Evaluate."""
        return self.model(element, vectors, senders, receivers)


def measure(row: str, data: dict, name: str, rounds: int) -> dict:
    """One model, one system, one pass."""
    references, graph = dict.fromkeys(ELEMENTS, 0.0), system(data).to(dtype=torch.float32)
    choices = {**ROWS[row]["hyperparameters"], "species": list(ELEMENTS), "cutoff": CUTOFF, "neighbors": NEIGHBORS}
    told = build_potential(ROWS[row]["kind"], choices, references, seed=0)
    sides = {"pairs": told, "edge by edge": Potential(EdgeByEdge(told.model), references)}
    passes = {
        side: model_passes(predictor(each, graph), each.parameters(), len(graph.senders), train=data["train"])[name][0]
        for side, each in sides.items()
    }
    seconds = in_turns(passes, rounds=rounds)
    times = ratio(seconds, "edge by edge", "pairs")
    medians = {side: quartiles(each).median for side, each in seconds.items()}
    return {"row": row, "system": data, "pass": name, "seconds": medians, "ratio": times.median, "spread": times.spread}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    for row in given.rows:
        for _, data, names in SYSTEMS:
            print(json.dumps(measure(row, dict(data), names[0], given.rounds)), flush=True)


if __name__ == "__main__":
    main()
