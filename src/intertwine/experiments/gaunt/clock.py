"""Seconds of training steps and of contractions alone, taken in turns; O(3) acts on `dim` of what they contract."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from intertwine.experiments import three_bpa
from intertwine.experiments.experiment import Stage
from intertwine.experiments.outcome import Column, Number, Row, Table
from intertwine.experiments.timing import in_turns, quartiles, ratio
from intertwine.o3.irreps import Irreps
from intertwine.potentials.fitting.fit import new_potential, reference_frames
from intertwine.potentials.fitting.objective import LossWeights, make_objective
from intertwine.potentials.models.products import CONTRACTIONS, ContractionName
from intertwine.potentials.structures.batching import collate

SIZES = (2, 3, 4)
"""The paper's n: irreps of degree 0 .. n-1 in and out."""
NODES, CHANNELS, CORRELATION = 32, 128, 3
"""As in the authors' notebook on many-body products."""
NOTEBOOK = {2: (3.00, 1.29), 3: (4.86, 1.71), 4: (7.06, 2.27)}
"""Milliseconds of MACE's contraction and of theirs, as printed there."""


@dataclass(frozen=True)
class Clock:
    """Seconds, round by round, of each contraction."""

    steps: Mapping[str, list[float]]
    """Of the loss of a batch and its gradient."""
    contractions: Mapping[int, Mapping[str, list[float]]]
    """Of forward and backward of a contraction alone, by n."""

    def table(self) -> Table:
        """The contractions alone, in milliseconds and over Clebsch-Gordan."""
        names: tuple[ContractionName, ...] = ("clebsch-gordan", "gaunt", "gaunt+bracket")
        columns = [Column(name, "ms", 2) for name in names]
        columns += [Column("clebsch-gordan over", f"{name}, times", 2) for name in names[1:]]
        rows = []
        for n, seconds in self.contractions.items():
            times = [quartiles([1000 * value for value in seconds[name]]) for name in names]
            times += [ratio(seconds, names[0], over=name) for name in names[1:]]
            rows.append(Row(f"n = {n}", "this run", tuple(Number(each.median, each.spread) for each in times)))
        paper = [
            Row(f"n = {n}", "authors' notebook", (Number(mace), Number(gaunt), None, Number(mace / gaunt), None))
            for n, (mace, gaunt) in NOTEBOOK.items()
        ]
        note = (
            f"Contraction of order {CORRELATION} alone, degrees 0 to n-1 in and out, {NODES} nodes, {CHANNELS} "
            "channels, forward and backward; median, ± half of the middle half. The notebook times the forward pass of "
            "MACE's contraction against theirs, on a GPU; ours is against our own Clebsch-Gordan contraction: not the "
            "same ratio."
        )
        return Table("The contraction alone", tuple(columns), tuple(rows), tuple(paper), note)


def run(
    models: Mapping[ContractionName, Mapping[str, Any]],
    data: Path | None,
    weights: LossWeights,
    batch_size: int,
    rounds: int,
    device: str,
    report: Stage,
) -> Clock:
    """Clock everything, in a process where nothing else runs."""
    report("clock steps", 0, 1 + len(SIZES))
    steps = in_turns(training_steps(models, data, weights, batch_size, device), rounds=rounds)
    alone = {}
    for done, n in enumerate(SIZES, start=1):
        report(f"clock n = {n}", done, 1 + len(SIZES))
        alone[n] = in_turns({name: contraction(name, n, device) for name in models}, rounds=2 * rounds)
    report("clock", 1 + len(SIZES), 1 + len(SIZES))
    return Clock(steps, alone)


def training_steps(
    models: Mapping[ContractionName, Mapping[str, Any]],
    data: Path | None,
    weights: LossWeights,
    batch_size: int,
    device: str,
) -> dict[str, Callable[[], object]]:
    """For every model the loss of one and the same batch, and its gradient."""
    sets, objective = three_bpa.load(data, frames=batch_size, test_frames=1), make_objective(weights)
    frames, references = reference_frames(sets.isolated + sets.train)

    def step(hyperparameters: Mapping[str, Any]) -> Callable[[], object]:
        potential, ready = new_potential("mace", hyperparameters, frames, references, seed=0)
        potential, batch = potential.to(device), collate(ready).to(device)

        def take() -> None:
            potential.zero_grad(set_to_none=True)
            objective(potential, batch)["loss"].backward()

        return take

    return {name: step(hyperparameters) for name, hyperparameters in models.items()}


def contraction(name: ContractionName, n: int, device: str) -> Callable[[], object]:
    """Forward and backward of one contraction on random features."""
    irreps = Irreps.spherical_harmonics(n - 1)
    generator = torch.Generator().manual_seed(0)
    module: nn.Module = CONTRACTIONS[name](irreps, irreps, channels=CHANNELS, correlation=CORRELATION, elements=1).to(
        device
    )
    x = torch.randn(NODES, irreps.dim, CHANNELS, generator=generator).to(device).requires_grad_()
    element = torch.zeros(NODES, dtype=torch.long, device=device)

    def take() -> None:
        module.zero_grad(set_to_none=True)
        x.grad = None
        module(x, element).square().sum().backward()

    return take
