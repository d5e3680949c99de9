"""Graphs that message passing confuses, told apart by plain networks on sorted nodes. S_n acts on both axes.

Read from top to bottom: sizes, networks, classification, separation, numbers.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from intertwine.experiments.by_seed import mean_spread, span
from intertwine.experiments.experiment import Stage
from intertwine.experiments.graph_networks import GIN, AdjacencyMLP
from intertwine.experiments.graph_sets import Graphs, load_all, load_pairs
from intertwine.experiments.outcome import Column, Number, Row, Table
from intertwine.experiments.verdict import Finding, stays_below, together
from intertwine.groups.actions import BothAxes
from intertwine.groups.finite import Permutation
from intertwine.groups.frames.sort import LIMIT, SortFrame, node_labels
from intertwine.groups.permuting import PermutationMatrix
from intertwine.nn.frame_average import FrameAverage
from intertwine.training.loop import fit
from intertwine.training.plan import TrainingPlan
from intertwine.training.progress import Quiet


@dataclass(frozen=True)
class GraphsSize:
    """How many graphs, and how long to learn; the same for every method."""

    plan: TrainingPlan
    pairs: int | None = None
    """None takes all of EXP."""
    all_graphs: int | None = None
    """Of the graphs of one size; None takes all."""
    nodes: int = 6
    """Of these graphs, where they are made by rule."""
    draws: int = 10
    """Orders of tied nodes at the test; one in training."""


# ---- networks


def sorted_nodes(net: nn.Module, nodes: int, frame: SortFrame) -> FrameAverage:
    """Any network on adjacency, averaged over orders that sort the nodes."""
    return FrameAverage(net, frame, [BothAxes(PermutationMatrix(Permutation(nodes)))], None)


MESSAGES, FLAT, PLACED = "GIN", "MLP, frame average", "GIN with places, frame average"
NETWORKS: Mapping[str, Callable[[int], nn.Module]] = {
    MESSAGES: partial(GIN, outputs=2),
    FLAT: partial(AdjacencyMLP, outputs=2),
    PLACED: partial(GIN, outputs=2, places=True, width=64, layers=2),  # narrower, places are squashed: stays at chance
}

# ---- classification


def objective(net: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """Cross entropy."""
    adjacency, labels = batch
    return {"loss": nn.functional.cross_entropy(net(adjacency), labels)}


def gather(graphs: Graphs, rows: list[int]) -> tuple[Tensor, Tensor]:
    """Adjacency and labels of some graphs."""
    return graphs.adjacency[rows], graphs.labels[rows]


def classify(size: GraphsSize, pairs: Graphs, seed: int, progress: Stage) -> dict[str, float]:
    """Share of test graphs in the right class, by method; pairs stay together, a sixth of them for the test."""
    nodes, count = pairs.adjacency.shape[-1], len(pairs.labels) // 2
    order = torch.randperm(count, generator=torch.Generator().manual_seed(7))
    learned, tested = order[: count - count // 6], order[count - count // 6 :]
    train, test = (pairs[(2 * each.unsqueeze(-1) + torch.arange(2)).flatten().tolist()] for each in (learned, tested))
    results = {}
    for done, (name, build) in enumerate(NETWORKS.items()):
        progress(f"graphs/{seed}", done, len(NETWORKS))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = build(nodes)
        if name != MESSAGES:
            net = sorted_nodes(net, nodes, SortFrame(sampled=1, generator=torch.Generator().manual_seed(seed)))
        with warnings.catch_warnings():  # sampled orders are exact in the mean alone, as the note of the table says
            warnings.filterwarnings("ignore", message="FrameAverage: the frame is not exact")
            items = list(range(len(train.labels)))
            fit(net, objective, items, partial(gather, train), replace(size.plan, seed=seed), progress=Quiet())
            if isinstance(net, FrameAverage):
                draw = torch.Generator().manual_seed(seed)
                net = sorted_nodes(net.net, nodes, SortFrame(sampled=size.draws, generator=draw))
            with torch.no_grad():
                found = torch.cat([net(part).argmax(-1) for part in test.adjacency.split(50)])
        results[name] = float((found == test.labels).float().mean())
    progress(f"graphs/{seed}", len(NETWORKS), len(NETWORKS))
    return results


# ---- separation

SAME = 1e-6
"""Embeddings nearer than this, over their length, do not tell two graphs apart; computed in float64."""


def block_means(adjacency: Float[Tensor, "graph node node"]) -> Float[Tensor, "graph feature"]:
    """The sorted adjacency averaged over all orders of tied nodes, in closed form: means over blocks of ties.

    The frame average of a network that is linear in the adjacency, without enumerating k! orders.
    """
    adjacency = adjacency.double()
    labels = node_labels(adjacency, torch.ones_like(adjacency[..., 0], dtype=torch.bool), 1e-4)
    order = labels.argsort(dim=-1, stable=True)
    sort = nn.functional.one_hot(order, order.shape[-1]).double()
    ranked = labels.gather(-1, order)
    tied = (ranked.unsqueeze(-1) == ranked.unsqueeze(-2)).double()
    mean = tied / tied.sum(-1, keepdim=True)
    own = adjacency.diagonal(dim1=-2, dim2=-1)
    edges = adjacency - torch.diag_embed(own)
    placed = sort @ edges @ sort.mT
    # within a block the diagonal, which is zero, is no place for an edge: k (k - 1) places instead of k^2
    size = tied.sum(-1, keepdim=True)
    within = torch.where(tied > 0, size / (size - 1).clamp(min=1), 1.0)
    averaged = (mean @ placed @ mean.mT) * within * (1 - torch.eye(order.shape[-1], dtype=torch.float64))
    return (averaged + torch.diag_embed((mean @ sort @ own.unsqueeze(-1)).squeeze(-1))).flatten(1)


def told_apart(
    a: Float[Tensor, "graph node node"], b: Float[Tensor, "graph node node"], net: nn.Module
) -> Bool[Tensor, "graph"]:
    """Whether the average of a linear network tells graphs apart, or else that of `net` over all their orders."""
    apart = distance(block_means(a), block_means(b)) > SAME
    rows = (~apart & (order_counts(a) <= LIMIT) & (order_counts(b) <= LIMIT)).nonzero().flatten()
    if len(rows):
        apart[rows] = distance(embed_exactly(net, a[rows].double()), embed_exactly(net, b[rows].double())) > SAME
    return apart


def unseparated_pairs(pairs: Graphs, seed: int) -> tuple[dict[str, int], int]:
    """Pairs that each method does not tell apart, and copies in another order that sorting does take for others."""
    adjacency, nodes = pairs.adjacency.double(), pairs.adjacency.shape[-1]
    torch.manual_seed(seed)
    messages, flat = GIN(nodes, 16).double(), AdjacencyMLP(nodes, 8, width=32).double()
    order = torch.randperm(nodes)
    with torch.no_grad():
        y = messages(adjacency)
        missed = {
            MESSAGES: int((distance(y[::2], y[1::2]) < SAME).sum()),
            FLAT: int((~told_apart(adjacency[::2], adjacency[1::2], flat)).sum()),
        }
        copies = int(told_apart(adjacency[::2], adjacency[::2][:, order][:, :, order], flat).sum())
    return missed, copies


def unseparated_among_all(graphs: Float[Tensor, "graph node node"], seed: int) -> dict[str, int]:
    """Pairs among all graphs whose embeddings by a random network agree."""
    adjacency, nodes = graphs.double(), graphs.shape[-1]
    torch.manual_seed(seed)
    messages, flat = GIN(nodes, 8).double(), AdjacencyMLP(nodes, 8, width=32).double()
    with torch.no_grad():
        return {
            MESSAGES: agreeing_pairs(messages(adjacency)),
            FLAT: agreeing_pairs(embed_exactly(flat, adjacency)),
        }


def order_counts(adjacency: Float[Tensor, "graph node node"]) -> Float[Tensor, "graph"]:
    """How many orders of the nodes sort each graph: k! for k nodes that are tied, multiplied."""
    labels = node_labels(adjacency, torch.ones_like(adjacency[..., 0], dtype=torch.bool), 1e-4)
    ties = nn.functional.one_hot(labels, adjacency.shape[-1]).sum(1).double()
    return torch.lgamma(ties + 1).sum(-1).exp().round()


def embed_exactly(net: nn.Module, adjacency: Float[Tensor, "graph node node"]) -> Float[Tensor, "graph feature"]:
    """Averages over all orders of tied nodes: at most `LIMIT`, or of few nodes that are all alike, all there are."""
    nodes, counts = adjacency.shape[-1], order_counts(adjacency)
    average = sorted_nodes(net, nodes, SortFrame())
    result = torch.zeros_like(net(adjacency))
    for count in counts.unique().tolist():
        rows = (counts == count).nonzero().flatten()
        if count > LIMIT:
            result[rows] = torch.stack([_over_all_orders(net, adjacency[row]) for row in rows])
            continue
        for part in rows.split(max(1, int(20_000 / count))):
            result[part] = average(adjacency[part])
    return result


def _over_all_orders(net: nn.Module, adjacency: Float[Tensor, "node node"]) -> Float[Tensor, "feature"]:
    orders = torch.tensor(list(permutations(range(len(adjacency)))))
    return net(adjacency[orders.unsqueeze(-1), orders.unsqueeze(-2)]).mean(0)


def agreeing_pairs(y: Float[Tensor, "graph feature"]) -> int:
    """Pairs of rows that agree within `SAME`.

    Example:
        >>> agreeing_pairs(torch.tensor([[1.0], [2.0], [1.0], [1.0]]))
        3
    """
    y = y / y.norm(dim=-1).mean().clamp(min=1e-300)
    y = y[y[:, 0].argsort()]
    pairs = 0
    for step in range(1, len(y)):
        near = y[step:, 0] - y[:-step, 0] < SAME
        if not bool(near.any()):
            break
        pairs += int(((y[step:] - y[:-step]).norm(dim=-1) < SAME).sum())
    return pairs


def distance(a: Float[Tensor, "graph feature"], b: Float[Tensor, "graph feature"]) -> Float[Tensor, "graph"]:
    """Between embeddings, over their length."""
    return (a - b).norm(dim=-1) / a.norm(dim=-1).clamp(min=1e-300)


# ---- run and numbers


@dataclass(frozen=True)
class Separated:
    """What one seed found."""

    accuracy: Mapping[str, float]
    pairs: Mapping[str, int]
    copies: int
    among_all: Mapping[str, int]
    tested: tuple[int, int]
    """Pairs, and graphs of one size."""


def run_seed(size: GraphsSize, data: Path | None, seed: int, progress: Stage) -> Separated:
    """Classify and separate with one seed."""
    pairs, graphs = load_pairs(data, size.pairs), load_all(data, size.all_graphs, size.nodes)
    accuracy = classify(size, pairs, seed, progress)
    with torch.random.fork_rng(devices=[]):
        missed, copies = unseparated_pairs(pairs, seed)
        among_all = unseparated_among_all(graphs, seed)
    return Separated(accuracy, missed, copies, among_all, (len(pairs.labels) // 2, len(graphs)))


def table(runs: Sequence[Separated]) -> Table:
    """Accuracies and pairs that are not told apart."""
    pairs, graphs = runs[0].tested
    rows = []
    for name in NETWORKS:
        counts = [
            mean_spread([float(getattr(run, kind)[name]) for run in runs]) if name in getattr(runs[0], kind) else None
            for kind in ("pairs", "among_all")
        ]
        rows.append(Row(name, "this run", (mean_spread([100 * run.accuracy[name] for run in runs]), *counts)))
    copies = Number(float(max(run.copies for run in runs)))
    rows.append(Row("copies in another order", "this run", (None, copies, None)))
    columns = (
        Column("right class", "%", 1),
        Column(f"of {pairs} pairs", "not told apart", 0),
        Column(f"among {graphs} graphs", "pairs not told apart", 0),
    )
    note = (
        "Pairs stay together in the split, so what does not tell them apart is right half of the time. In training and "
        "for classes one and a few random orders of tied nodes are drawn, exact in the mean alone. Pairs are embedded "
        "by the exact average of a linear network, and where that agrees of a random MLP; all graphs of one size by "
        "that of a random MLP, in float64. Copies in another order that are taken for others must be none. ± is the "
        "standard deviation over seeds."
    )
    return Table("Graphs", columns, tuple(rows), note=note)


CERTAIN, CHANCE = 0.995, 0.505
"""Accuracies that count as 100 % and as 50 %."""


def findings(runs: Sequence[Separated]) -> list[Finding]:
    """Whether sorted nodes see what messages do not."""
    best = [max(run.accuracy[name] for name in (FLAT, PLACED)) for run in runs]
    blind = [run.accuracy[MESSAGES] for run in runs]
    left = [float(run.pairs[FLAT] + run.copies + run.among_all[FLAT]) for run in runs]
    return [
        Finding(
            "a frame average classifies the pairs, where message passing does not rise above chance",
            together([stays_below(-CERTAIN, [-each for each in best]), stays_below(CHANCE, blind)]),
            f"right, in %: the better of two averages {span([100 * each for each in best], '.1f')}; {MESSAGES} "
            f"{span([100 * each for each in blind], '.1f')}; judged by {100 * CERTAIN:g} and {100 * CHANCE:g}.",
        ),
        Finding(
            "no pair of graphs is left that a frame average does not tell apart",
            stays_below(0.0, left),
            f"pairs left: {span(left, '.0f')}, beside {span([float(run.among_all[MESSAGES]) for run in runs], '.0f')} "
            f"of {MESSAGES} among graphs of one size.",
        ),
    ]
