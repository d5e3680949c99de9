"""The sanity check of the Gaunt paper: future positions of charged particles; E(3) acts on them and on the network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.experiments.charged_particles import Particles, simulate, stack
from intertwine.experiments.experiment import Stage
from intertwine.experiments.outcome import Column, Number, Row, Table
from intertwine.experiments.verdict import Finding, stays_below, together
from intertwine.nn.gate import Gate
from intertwine.nn.linear import Linear
from intertwine.nn.mlp import MLP
from intertwine.o3.irreps import Irreps
from intertwine.o3.spherical_harmonics import spherical_harmonics
from intertwine.potentials.data.workers import run_in_processes
from intertwine.potentials.models.products import EDGE_PRODUCTS, ContractionName, message_irreps
from intertwine.tensor_products.convolution import Convolution
from intertwine.training.loop import fit
from intertwine.training.plan import TrainingPlan
from intertwine.training.progress import Quiet

Key = tuple[int, ContractionName, int]
"""Degree, product and seed."""


@dataclass(frozen=True)
class NBody:
    """How many systems, and how long to learn."""

    train: int
    test: int
    channels: int
    plan: TrainingPlan
    layers: int = 3


class ParticleNetwork(nn.Module):
    r"""Messages between all pairs of particles; the result is where each particle ends.

        h_i   = embed(q_i, |v_i|; x_i - mean(x), v_i)
        h_i  += gate( mix( sum over j != i of  product(h_j, Y(x_i - x_j), R(|x_i - x_j|, q_i q_j)) ) )    each layer
        x'_i  = x_i + v_i + read(h_i)

    Shapes: charges `system particle`, positions and velocities `system particle 3`, result `system particle 3`.
    """

    def __init__(self, product: ContractionName, *, degree: int, channels: int, layers: int):
        super().__init__()
        self.hidden = Irreps.spherical_harmonics(degree)
        self.embed = Linear("0e+1o", "0e+1o", 2, channels)
        self.layers = nn.ModuleList(
            Layer(product, "0e+1o" if layer == 0 else self.hidden, self.hidden, channels) for layer in range(layers)
        )
        self.read = Linear(self.hidden, "1o", channels, 1)
        for weight in self.read.parameters():  # begin with straight flight
            nn.init.zeros_(weight)

    def forward(
        self,
        charges: Float[Tensor, "system particle"],
        positions: Float[Tensor, "system particle 3"],
        velocities: Float[Tensor, "system particle 3"],
    ) -> Float[Tensor, "system particle 3"]:
        """Predict where the particles will be."""
        systems, particles = charges.shape
        receivers, senders = _pairs(systems, particles)
        x, v, q = positions.flatten(0, 1), velocities.flatten(0, 1), charges.flatten()
        centred = (positions - positions.mean(1, keepdim=True)).flatten(0, 1)
        scalars = torch.stack([q, v.norm(dim=-1)], dim=-1).unsqueeze(1)
        h = self.embed(torch.cat([scalars, torch.stack([centred, v], dim=-1)], dim=1))
        apart = x[receivers] - x[senders]
        invariants = torch.stack([apart.norm(dim=-1), q[receivers] * q[senders]], dim=-1)
        for layer in self.layers:
            h = layer(h, apart, invariants, senders, receivers)
        return positions + velocities + self.read(h).squeeze(-1).unflatten(0, (systems, particles))


class Layer(nn.Module):
    """One round of messages."""

    def __init__(self, product: ContractionName, irreps_in: Irreps | str, irreps: Irreps, channels: int):
        super().__init__()
        irreps_in = Irreps(irreps_in)
        self.filters = irreps
        messages = message_irreps(product, irreps_in, self.filters, kept=self.filters)
        self.product = EDGE_PRODUCTS[product](irreps_in, self.filters, messages, weights="external")
        self.convolution = Convolution(self.product)
        self.radial = MLP(2 + 1, 32, 32, self.product.weight_count * channels)
        self.gate = Gate(irreps)
        self.mix_in = Linear(irreps_in, irreps_in, channels, channels)
        self.mix = Linear(messages, self.gate.irreps_in, channels, channels)
        self.skip = Linear(irreps_in, irreps_in.filter(irreps), channels, channels)

    def forward(
        self,
        h: Float[Tensor, "node dim_in channel"],
        apart: Float[Tensor, "edge 3"],
        invariants: Float[Tensor, "edge 2"],
        senders: Tensor,
        receivers: Tensor,
    ) -> Float[Tensor, "node dim channel"]:
        """Pass messages and gate their sum."""
        filters = spherical_harmonics(self.filters, apart, normalize=True, normalization="component").unsqueeze(-1)
        one = torch.ones_like(invariants[:, :1])
        weight = self.radial(torch.cat([invariants, one], dim=-1)).unflatten(-1, (self.product.weight_count, -1))
        new = self.gate(self.mix(self.convolution(self.mix_in(h), filters, weight, senders, receivers) / 2))
        kept = self.skip(h)
        return new + nn.functional.pad(kept, (0, 0, 0, new.shape[1] - kept.shape[1]))


def _pairs(systems: int, particles: int) -> tuple[Tensor, Tensor]:
    """Receivers, ascending, and senders of all pairs of different particles of each system."""
    i, j = (~torch.eye(particles, dtype=torch.bool)).nonzero().unbind(-1)
    shift = particles * torch.arange(systems).unsqueeze(-1)
    return (i + shift).flatten(), (j + shift).flatten()


def objective(network: nn.Module, batch: Particles) -> dict[str, Tensor]:
    """Mean squared error of a coordinate."""
    found = network(batch.charges, batch.positions, batch.velocities)
    return {"loss": (found - batch.targets).square().mean()}


def data(size: NBody) -> tuple[Particles, Particles]:
    """Systems to learn from and others to be tested on; the same for every network and seed."""
    draw = torch.Generator().manual_seed(1)
    return simulate(size.train, generator=draw), simulate(size.test, generator=draw)


def train_and_test(size: NBody, product: ContractionName, degree: int, seed: int, report: Stage) -> float:
    """The error of one network on systems it has not seen."""
    train, test = data(size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ParticleNetwork(product, degree=degree, channels=size.channels, layers=size.layers)
    report(f"n-body, {product} to degree {degree}", 0, 1)
    plan = replace(size.plan, seed=seed)
    fit(network, objective, [train[i] for i in range(len(train))], stack, plan, progress=Quiet())
    with torch.no_grad():
        return float(objective(network, test)["loss"])


def straight(size: NBody) -> float:
    """The error of flying straight on, x + v: what a network must beat."""
    _, test = data(size)
    return float((test.positions + test.velocities - test.targets).square().mean())


# ---- numbers

PRODUCTS: tuple[ContractionName, ...] = ("clebsch-gordan", "gaunt")
DEGREES = (1, 2)
PAPER = {1: (5.0, 4.8), 2: (5.2, 5.0)}
"""Errors times 1000 of Clebsch-Gordan and Gaunt by degree, read off the paper's bar chart; another simulation."""
TOLERANCE = 1.10
"""As accurate: an error at most so many times larger."""


def measure(size: NBody, seeds: Sequence[int], workers: int, progress: Stage) -> tuple[Table, Finding]:
    """Train every product at every degree with every seed, side by side."""
    keys: list[Key] = [(degree, product, seed) for degree in DEGREES[::-1] for product in PRODUCTS for seed in seeds]
    jobs = [(size, product, degree, seed) for degree, product, seed in keys]
    errors = dict(zip(keys, run_in_processes(train_and_test, jobs, workers=workers, progress=progress), strict=True))
    return table(errors, seeds, straight(size), size), finding(errors, seeds)


def table(errors: Mapping[Key, float], seeds: Sequence[int], still: float, size: NBody) -> Table:
    """Mean squared errors beside the paper's."""
    rows, paper = [], []
    for degree in DEGREES:
        cells = [[1000 * errors[degree, product, seed] for seed in seeds] for product in PRODUCTS]
        spreads = [stdev(each) if len(each) > 1 else None for each in cells]
        numbers = [Number(fmean(each), spread) for each, spread in zip(cells, spreads, strict=True)]
        rows.append(Row(f"degree {degree}", "this run", (*numbers, Number(1000 * still))))
        paper.append(Row(f"degree {degree}", "Luo et al. 2024, chart", (*map(Number, PAPER[degree]), None)))
    columns = (Column("Clebsch-Gordan", "error x 1000", 2), Column("Gaunt", "error x 1000", 2))
    note = (
        f"Mean squared error of a coordinate of 5 charged particles, {size.train} systems to learn from, "
        f"{size.test} to be tested on; ± is the standard deviation over seeds. Simulation and network are this "
        "library's own: compare within a row."
    )
    return Table("N-body", (*columns, Column("straight flight", "error x 1000", 2)), tuple(rows), tuple(paper), note)


def finding(errors: Mapping[Key, float], seeds: Sequence[int]) -> Finding:
    """Whether Gaunt products lose accuracy."""
    ratios = {
        degree: [errors[degree, "gaunt", seed] / errors[degree, "clebsch-gordan", seed] for seed in seeds]
        for degree in DEGREES
    }
    spans = ", ".join(f"{min(each):.2f} to {max(each):.2f} at degree {degree}" for degree, each in ratios.items())
    return Finding(
        f"its errors in the n-body problem are no larger, within {TOLERANCE - 1:.0%}",
        together([stays_below(TOLERANCE, each) for each in ratios.values()]),
        f"Gaunt over Clebsch-Gordan: {spans}, seeds: {len(seeds)}.",
    )
