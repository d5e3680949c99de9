"""Graphs of different sizes with all nodes in one row, as PyG batches them; the group acts on each graph alone."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from intertwine.groups.frames.frame import FrameError


@dataclass(frozen=True)
class FlatBatch:
    """Which graph every node belongs to, in any order.

    Raises:
        FrameError: not one non-negative integer for every node, or no node at all.

    Example:
        >>> flat = FlatBatch(torch.tensor([0, 0, 1]))
        >>> flat.graphs, flat.graph_of_rows(torch.zeros(3, 5)), flat.graph_of_rows(torch.zeros(2, 5))
        (2, tensor([0, 0, 1]), tensor([0, 1]))
    """

    batch: Int[Tensor, "node"]

    def __post_init__(self) -> None:
        batch = self.batch
        if batch.dim() != 1 or batch.is_floating_point() or batch.dtype == torch.bool or not len(batch):
            raise FrameError(
                f"batch: expected the number of its graph for every node, integers [node], came {batch.dtype} of shape "
                f"{tuple(batch.shape)}."
            )
        if int(batch.min()) < 0:
            raise FrameError(f"batch: expected numbers of graphs 0, 1, ..., came {int(batch.min())}.")

    @property
    def graphs(self) -> int:
        """How many there are, those without nodes among them."""
        return int(self.batch.max()) + 1

    def graph_of_rows(self, x: Shaped[Tensor, "row *rest"]) -> Int[Tensor, "row"]:
        """The graph of every row of a tensor that has one row for each node, or one for each graph.

        Raises:
            FrameError: another number of rows, or as many nodes as graphs and two of them in one.
        """
        nodes, each = len(self.batch), torch.arange(self.graphs, device=self.batch.device)
        if nodes == self.graphs and not torch.equal(self.batch, each):
            raise FrameError(
                f"batch: expected rows that are nodes or graphs, came {nodes} of each, and some graph has no node or "
                f"another's place: which is meant is not decided. Number the graphs 0, 1, ... without gaps, in order."
            )
        if not x.dim() or x.shape[0] not in (nodes, self.graphs):
            raise FrameError(
                f"batch: expected tensors that the group acts on with {nodes} rows (nodes) or {self.graphs} (graphs), "
                f"came shape {tuple(x.shape)}."
            )
        return self.batch if x.shape[0] == nodes else each

    def padded(
        self, x: Shaped[Tensor, "node *rest"]
    ) -> tuple[Shaped[Tensor, "graph most *rest"], Bool[Tensor, "graph most"]]:
        """Every graph in a row of its own, filled up with zeros, and a mask that is True where a node is real.

        Example:
            >>> FlatBatch(torch.tensor([0, 1, 0])).padded(torch.tensor([1.0, 2.0, 3.0]))
            (tensor([[1., 3.],
                    [2., 0.]]), tensor([[ True,  True],
                    [ True, False]]))
        """
        if x.shape[:1] != self.batch.shape:
            raise FrameError(
                f"batch: expected a row for each of its {len(self.batch)} nodes, came shape {tuple(x.shape)}."
            )
        count = torch.bincount(self.batch, minlength=self.graphs)
        order = self.batch.argsort(stable=True)
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order), device=order.device) - (count.cumsum(0) - count)[self.batch[order]]
        real = torch.arange(int(count.max()), device=count.device) < count[:, None]
        rows = x.new_zeros(*real.shape, *x.shape[1:]).index_put((self.batch, place), x)
        return rows, real
