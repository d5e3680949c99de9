"""Graphs that message passing confuses: EXP, all graphs of 8 nodes, or others made by rule. S_n permutes nodes."""

import lzma
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from intertwine.experiments.data_folder import locate, require
from intertwine.geometry.array_file import read_arrays
from intertwine.groups.frames.sort import node_labels

PAIRS = Path("graphs_level") / "exp_graphsat.npz"
ALL_GRAPHS = Path("graphs_level") / "graph8c.g6.xz"


class GraphSetError(ValueError):
    """A set of graphs that is not what its name says. One line: where, what was expected."""


@dataclass(frozen=True)
class Graphs:
    """Graphs of one size, padded; rows 2i and 2i + 1 are a pair that 1-WL does not tell apart."""

    adjacency: Float[Tensor, "graph node node"]
    """Zeros and ones; labels of nodes stand on the diagonal. Nodes without an edge are padding."""
    labels: Int[Tensor, "graph"]

    def __getitem__(self, rows: list[int]) -> "Graphs":
        return Graphs(self.adjacency[rows], self.labels[rows])


def describe_graphs(data: Path | None) -> str:
    """What is used for graphs.

    Raises:
        DataFolderError: a folder without EXP and the graphs of 8 nodes.
    """
    if data is None:
        return "pairs of double covers for EXP, all connected graphs of 6 nodes for those of 8"
    for place in (PAIRS, ALL_GRAPHS):
        require(data, place, without="graphs made by rule")
    return "EXP and all 11117 connected graphs of 8 nodes"


# ---- pairs


def load_pairs(data: Path | None, pairs: int | None) -> Graphs:
    """EXP, its first so many pairs; without data, both double covers of random graphs.

    Raises:
        GraphSetError: a file that is not EXP.
        ArrayFileError: one that cannot be read.
    """
    if data is None:
        return double_covers(pairs or 300, torch.Generator().manual_seed(6), nodes=5)
    path = locate(data, PAIRS)
    found = read_arrays(path)
    try:
        graphs = len(found["y"]) if pairs is None else min(2 * pairs, len(found["y"]))
        sizes = np.diff(found["node_ptr"])[:graphs]
        most = int(sizes.max())
        adjacency = np.zeros((graphs, most, most), np.float32)
        for k in range(graphs):
            senders, receivers = found["edge_index"][:, slice(*found["edge_ptr"][k : k + 2])]
            adjacency[k, senders, receivers] = 1
            tags = found["x"][slice(*found["node_ptr"][k : k + 2])].ravel()
            adjacency[k, np.arange(sizes[k]), np.arange(sizes[k])] = tags
    except (KeyError, ValueError, IndexError) as error:
        raise GraphSetError(
            f"{path}: expected EXP as its README describes it; {type(error).__name__}: {error}."
        ) from None
    return Graphs(torch.tensor(adjacency), torch.tensor(found["y"][:graphs]).long())


def double_covers(pairs: int, generator: torch.Generator, nodes: int = 8) -> Graphs:
    """Two graphs that 1-WL cannot tell apart, label 0 in two pieces and label 1 connected.

    Each node of a random connected graph, in which no two are alike, becomes two, and each edge two parallel ones; in
    the second graph of a pair the edges over one edge of a cycle are crossed. Every neighbourhood stays as it was.

    Example:
        >>> double_covers(1, torch.Generator().manual_seed(0)).adjacency.sum((1, 2)).diff().item()
        0.0
    """
    found = []
    while len(found) < 2 * pairs:
        base = torch.zeros(nodes, nodes)
        for node in range(1, nodes):  # a random tree, then two edges more: no bridge among them
            base[node, torch.randint(node, (), generator=generator)] = 1
        base = base + base.T
        missing = (base + torch.eye(nodes) == 0).triu().nonzero()
        extra = missing[torch.randperm(len(missing), generator=generator)[:2]].tolist()
        for a, b in extra:
            base[a, b] = base[b, a] = 1
        tags = torch.diag((torch.rand(nodes, generator=generator) < 0.3).float())
        if len(node_labels(base + tags, torch.ones(nodes, dtype=torch.bool), 1e-4).unique()) < nodes:
            continue  # ties beside those of the two copies make more orders than can be averaged exactly
        crossed = torch.zeros(nodes, nodes)
        crossed[extra[0][0], extra[0][1]] = crossed[extra[0][1], extra[0][0]] = 1
        for cross in (torch.zeros(nodes, nodes), crossed):
            straight = base - cross + tags
            cover = torch.cat([torch.cat([straight, cross], 1), torch.cat([cross, straight], 1)])
            order = torch.randperm(2 * nodes, generator=generator)
            found.append(cover[order][:, order])
    return Graphs(torch.stack(found), torch.arange(2 * pairs) % 2)


# ---- all graphs of one size


def load_all(data: Path | None, limit: int | None = None, nodes: int = 6) -> Float[Tensor, "graph node node"]:
    """All connected graphs of 8 nodes, the first `limit`; without data, of so many nodes.

    Raises:
        GraphSetError: a file that is not in graph6.
    """
    if data is None:
        return connected_graphs(nodes)[:limit]
    path = locate(data, ALL_GRAPHS)
    try:
        lines = lzma.decompress(path.read_bytes()).decode("ascii").split()
        return torch.stack([from_graph6(line) for line in lines[:limit]])
    except (ValueError, RuntimeError, lzma.LZMAError) as error:
        raise GraphSetError(
            f"{path}: expected graphs of one size in graph6; {type(error).__name__}: {error}."
        ) from None


def from_graph6(line: str) -> Float[Tensor, "node node"]:
    """Adjacency of a graph of at most 62 nodes in graph6.

    Example:
        >>> from_graph6("Bw")
        tensor([[0., 1., 1.],
                [1., 0., 1.],
                [1., 1., 0.]])

    Reference: McKay, formats.txt of nauty, section graph6.
    """
    values = [ord(letter) - 63 for letter in line]
    n = values[0] if values else -1
    if not 0 <= n <= 62 or len(values) != 1 + (n * (n - 1) // 2 + 5) // 6 or min(values) < 0 or max(values) > 63:
        raise ValueError(f"not graph6: {line[:20]!r}")
    bits = [value >> k & 1 for value in values[1:] for k in range(5, -1, -1)]
    adjacency = torch.zeros(n, n)
    columns, rows = torch.tril_indices(n, n, -1)  # the upper triangle column by column
    adjacency[rows, columns] = adjacency[columns, rows] = torch.tensor(bits[: len(rows)], dtype=torch.float32)
    return adjacency


def connected_graphs(n: int) -> Float[Tensor, "graph node node"]:
    """All connected graphs of n nodes, one of each: those whose edges, read as bits, are the least of all orders.

    Example:
        >>> [len(connected_graphs(n)) for n in (2, 3, 4)]
        [1, 2, 6]
    """
    i, j = torch.triu_indices(n, n, 1)
    place = torch.zeros(n, n, dtype=torch.long)
    place[i, j] = place[j, i] = torch.arange(len(i))
    codes = torch.arange(2 ** len(i))
    least = codes.clone()
    for order in permutations(range(n)):
        to = torch.tensor(order)
        moved = torch.zeros_like(codes)
        for bit, target in enumerate(place[to[i], to[j]].tolist()):
            moved |= (codes >> bit & 1) << target
        least = torch.minimum(least, moved)
    kept = codes[least == codes]
    adjacency = torch.zeros(len(kept), n, n)
    edges = (kept.unsqueeze(-1) >> torch.arange(len(i)) & 1).float()
    adjacency[:, i, j] = adjacency[:, j, i] = edges
    reach = torch.linalg.matrix_power(adjacency + torch.eye(n), n)
    return adjacency[(reach > 0).all(-1).all(-1)]
