"""Which edges the shortest tour has: scores of a network on cities, on which similarities of the plane act.

Read from top to bottom: instances, network, decoding, training, numbers. Tours do not change under similarities, so a
network that sees coordinates of the cities' own cannot change its answer.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from intertwine.experiments.by_seed import mean_spread, span
from intertwine.experiments.experiment import Stage
from intertwine.experiments.outcome import Column, Row, Table
from intertwine.experiments.verdict import Finding, stays_below
from intertwine.nn.invariant_embedding import InvariantEmbedding
from intertwine.nn.tinvnn import TinvNN
from intertwine.training.loop import fit
from intertwine.training.plan import TrainingPlan
from intertwine.training.progress import Quiet


@dataclass(frozen=True)
class ToursSize:
    """How many instances of how many cities, and how long to learn."""

    train: int
    test: int
    cities: int
    plan: TrainingPlan
    width: int = 64
    layers: int = 2


# ---- instances


def shortest_tours(d: Float[Tensor, "instance city city"]) -> Int[Tensor, "instance city"]:
    """Cities in the order of the shortest closed tour, which starts at city 0; exact, by dynamic programming.

        cost(S + j, j) = min over i in S of  cost(S, i) + d(i, j)

    O(2^n n^2) for n cities: up to about 14.

    Example:
        >>> square = torch.tensor([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
        >>> sorted(shortest_tours(torch.cdist(square, square)[None])[0, [1, 3]].tolist())
        [2, 3]

    Reference: Held, Karp, 1962, Journal of SIAM 10, 196.
    """
    instances, n = d.shape[:2]
    others = n - 1
    cost = d.new_full((instances, 2**others, others), torch.inf)
    before = torch.zeros(instances, 2**others, others, dtype=torch.int8)
    for j in range(others):
        cost[:, 1 << j, j] = d[:, 0, j + 1]
    for visited in range(1, 2**others):
        found = (cost[:, visited, :, None] + d[:, 1:, 1:]).min(1)
        for j in range(others):
            if not visited >> j & 1:
                cost[:, visited | 1 << j, j] = found.values[:, j]
                before[:, visited | 1 << j, j] = found.indices[:, j].to(torch.int8)
    last = (cost[:, -1] + d[:, 1:, 0]).argmin(1)
    visited = torch.full_like(last, 2**others - 1)
    tour = []
    for _ in range(others):
        tour.append(last + 1)
        earlier = before[torch.arange(instances), visited, last].long()
        visited, last = visited - (1 << last), earlier
    return torch.stack([torch.zeros_like(last), *reversed(tour)], dim=1)


@dataclass(frozen=True)
class Instances:
    """Cities in the unit square, and their shortest tours."""

    cities: Float[Tensor, "instance city 2"]
    edges: Bool[Tensor, "instance city city"]
    """Whether two cities follow each other."""
    length: Float[Tensor, "instance"]


def draw_instances(count: int, cities: int, generator: torch.Generator) -> Instances:
    """Random instances, solved.

    Example:
        >>> draw_instances(3, 5, torch.Generator().manual_seed(0)).edges.sum((1, 2))
        tensor([10, 10, 10])
    """
    x = torch.rand(count, cities, 2, generator=generator)
    d = torch.cdist(x, x)
    tours = torch.cat([shortest_tours(part) for part in d.split(500)])
    follows = tours.roll(-1, 1)
    edges = torch.zeros(count, cities, cities, dtype=torch.bool)
    rows = torch.arange(count).unsqueeze(1)
    edges[rows, tours, follows] = edges[rows, follows, tours] = True
    return Instances(x, edges, d[rows, tours, follows].sum(1))


CHANGES = ("as trained", "turned", "three times larger", "shifted")


def changed(
    x: Float[Tensor, "instance city 2"], how: str, generator: torch.Generator
) -> Float[Tensor, "instance city 2"]:
    """The same instances elsewhere: a similarity changes no tour."""
    if how == "turned":
        angle = 2 * math.pi * torch.rand(len(x), generator=generator)
        turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=-1).unflatten(-1, (2, 2))
        return (x - 0.5) @ turn.mT + 0.5
    if how == "three times larger":
        return 3 * x
    return x + torch.tensor([2.0, -1.0]) if how == "shifted" else x


# ---- network


class EdgeScores(nn.Module):
    r"""How likely two cities follow each other in the tour, from coordinates.

        h = attention layers( W x ),    score_ij = mlp(h_i + h_j, |h_i - h_j|)

    The encoder of the attention model without its batch norm; the score is symmetric.

    Reference: encoder of Kool et al., 2019, arXiv:1803.08475, section 3.1.
    """

    def __init__(self, width: int, layers: int):
        super().__init__()
        self.embed = nn.Linear(2, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.score = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, x: Float[Tensor, "instance city 2"]) -> Float[Tensor, "instance city city"]:
        """Score all pairs."""
        h = self.embed(x)
        for layer in self.layers:
            h = layer(h)
        a, b = h.unsqueeze(2), h.unsqueeze(1)
        return self.score(torch.cat([a + b, (a - b).abs()], dim=-1)).squeeze(-1)


# ---- decoding


def tours_from(scores: Float[Tensor, "instance city city"]) -> Int[Tensor, "instance city 2"]:
    """Tours from scores: edges from the best to the worst, each taken that closes no cycle and branches nowhere.

    Example:
        >>> edges = tours_from(-torch.cdist(*[torch.tensor([[[0.0], [1.0], [5.0]]])] * 2))
        >>> edges[0].tolist()
        [[0, 1], [1, 2], [2, 0]]
    """
    n = scores.shape[-1]
    i, j = torch.triu_indices(n, n, 1)
    order = scores[:, i, j].argsort(dim=1, descending=True, stable=True)
    pairs = torch.stack([i, j], dim=-1)[order].tolist()
    return torch.tensor([_greedy(each, n) for each in pairs])


def _greedy(pairs: list[list[int]], n: int) -> list[list[int]]:
    part, degree, taken = list(range(n)), [0] * n, []
    for a, b in pairs:
        if degree[a] < 2 and degree[b] < 2 and part[a] != part[b]:
            taken.append([a, b])
            degree[a], degree[b] = degree[a] + 1, degree[b] + 1
            old, new = part[a], part[b]
            part = [new if each == old else each for each in part]
    ends = [city for city in range(n) if degree[city] < 2]
    return [*taken, ends[::-1]]


def gap(net: nn.Module, instances: Instances, cities: Tensor) -> float:
    """How much longer the decoded tours are than the shortest, on average; lengths are those of the unit square."""
    edges = tours_from(net(cities))
    d = torch.cdist(instances.cities, instances.cities)
    length = d[torch.arange(len(d)).unsqueeze(1), edges[..., 0], edges[..., 1]].sum(1)
    return float((length / instances.length - 1).mean())


# ---- training

BARE, TURNED, EMBEDDED, AVERAGED = "coordinates", "coordinates, augmented", "TinvNN", "TinvNN, all signs"


def models(size: ToursSize) -> dict[str, nn.Module]:
    """The same network on the coordinates given and on coordinates of the cities' own."""
    net = partial(EdgeScores, size.width, size.layers)
    return {
        BARE: net(),
        TURNED: net(),
        EMBEDDED: TinvNN(net(), InvariantEmbedding(2, scale="rms")),
        AVERAGED: TinvNN(net(), InvariantEmbedding(2, scale="rms", sign="average")),
    }


def objective(net: nn.Module, batch: tuple[Tensor, Tensor], augment: bool) -> dict[str, Tensor]:
    """Cross entropy over pairs of different cities; with `augment`, on similar instances."""
    x, edges = batch
    if augment:
        x = changed(x, "turned", torch.default_generator)
        x = x * torch.empty(len(x), 1, 1).uniform_(-math.log(3), math.log(3)).exp() + torch.randn(len(x), 1, 2)
    i, j = torch.triu_indices(x.shape[1], x.shape[1], 1)
    return {"loss": nn.functional.binary_cross_entropy_with_logits(net(x)[:, i, j], edges[:, i, j].to(x.dtype))}


def gather(instances: Instances, rows: list[int]) -> tuple[Tensor, Tensor]:
    """Cities and edges of some instances."""
    return instances.cities[rows], instances.edges[rows]


def train_all(size: ToursSize, seed: int, progress: Stage) -> dict[str, dict[str, float]]:
    """The gap of every method with one seed, by how the test instances are changed."""
    draw = torch.Generator().manual_seed(3)
    train, test = (draw_instances(count, size.cities, draw) for count in (size.train, size.test))
    results = {}
    for done, name in enumerate((BARE, TURNED, EMBEDDED, AVERAGED)):
        progress(f"tours/{seed}", done, 4)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = models(size)[name]
        plan = replace(size.plan, seed=seed)
        fit(
            net,
            partial(objective, augment=name == TURNED),
            range(size.train),
            partial(gather, train),
            plan,
            progress=Quiet(),
        )
        draw = torch.Generator().manual_seed(4)
        with torch.no_grad():
            results[name] = {how: gap(net, test, changed(test.cities, how, draw)) for how in CHANGES}
    progress(f"tours/{seed}", 4, 4)
    return results


# ---- numbers

CONSTANT, GROWS = 1e-5, 1.5
"""The change of a gap that counts as none, and the factor that counts as growth."""
Runs = Sequence[Mapping[str, Mapping[str, float]]]


def table(runs: Runs, size: ToursSize) -> Table:
    """Gaps of every method."""
    rows = [
        Row(name, "this run", tuple(mean_spread([100 * run[name][how] for run in runs]) for how in CHANGES))
        for name in runs[0]
    ]
    note = (
        f"Mean excess length over the shortest tour of {size.cities} cities, of tours that take edges by their score; "
        f"{size.train} solved instances to learn from, {size.test} to be tested on. ± is the standard deviation over "
        "seeds. The paper trains the attention model by reinforcement on larger instances: not the same numbers."
    )
    return Table("Tours", tuple(Column(how, "% above shortest", 3) for how in CHANGES), tuple(rows), note=note)


def findings(runs: Runs) -> list[Finding]:
    """Whether similarities change the gaps."""
    moved = [max(abs(run[EMBEDDED][how] - run[EMBEDDED]["as trained"]) for how in CHANGES) for run in runs]
    grown = [max(run[BARE].values()) / max(run[BARE]["as trained"], 1e-9) for run in runs]
    return [
        Finding(
            f"turning, scaling and shifting change the gap of {EMBEDDED} by less than {CONSTANT:g}",
            stays_below(CONSTANT, moved),
            f"largest change: {span(moved, '.1e')}.",
        ),
        Finding(
            f"they make that of the same network on {BARE} at least {GROWS:g} times larger",
            stays_below(-GROWS, [-each for each in grown]),
            f"times larger: {span(grown, '.2f')}.",
        ),
    ]
