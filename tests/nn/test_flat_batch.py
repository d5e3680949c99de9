"""Graphs in one row are averaged each in frames of its own, as padded ones are, and a bare net does not turn."""

import pytest
import torch
from torch import nn

from intertwine.groups.actions import BothAxes, LastAxis, Points
from intertwine.groups.classical import SO, O
from intertwine.groups.euclidean import E, linear_part
from intertwine.groups.finite import Permutation
from intertwine.groups.frames.frame import FrameError
from intertwine.groups.frames.pca import PCAFrame
from intertwine.groups.frames.segments import segment_mean
from intertwine.groups.frames.sort import SortFrame
from intertwine.groups.permuting import PermutationMatrix
from intertwine.groups.representation import Restrict, Standard
from intertwine.nn.flat_batch import FlatBatch
from intertwine.nn.frame_average import FrameAverage
from unchecked import unchecked

POSITIONS = Points(E(3))
VECTORS = LastAxis(Restrict(Standard(O(3)), E(3), linear_part))
BATCH = torch.tensor([0, 1, 0, 2, 2, 1, 0, 2, 2, 1, 0, 0, 1])  # graphs of 5, 4 and 4 nodes, mixed
EDGES = torch.tensor([[0, 2, 6, 1, 5, 3, 4, 7], [2, 6, 10, 5, 9, 4, 7, 8]])


class Messages(nn.Module):
    """As in PyG: positions and edges to positions of nodes, a vector and numbers of graphs. No symmetry of space."""

    def __init__(self):
        super().__init__()
        self.message, self.read = nn.Linear(6, 8), nn.Linear(11, 8)

    def forward(self, x, edge_index, batch):
        senders, receivers = edge_index
        m = self.message(torch.cat([x[senders], x[receivers]], -1)).tanh()
        h = self.read(torch.cat([x, x.new_zeros(len(x), 8).index_add(0, receivers, m)], -1)).sin()
        pooled = segment_mean(h, batch, int(batch.max()) + 1)
        return h[:, :3], pooled[:, 3:6], pooled[:, 6:]


def framed(mode="full", net=None):
    net = Messages() if net is None else net
    return FrameAverage(net.double(), PCAFrame("E"), [POSITIONS, None], (POSITIONS, VECTORS, None), mode)


@pytest.fixture
def x():
    return torch.randn(13, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.mark.parametrize("mode", ["full", "canonical"])
def test_every_graph_turns_on_its_own_and_before_it_did_not(mode, x):
    average = framed(mode)
    g = E(3).sample(3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = POSITIONS.act(g[BATCH], x[:, None])[:, 0]

    @torch.no_grad()
    def error(net):
        here, there = net(x, EDGES, batch=BATCH), net(moved, EDGES, batch=BATCH)
        expected = POSITIONS.act(g[BATCH], here[0][:, None])[:, 0], VECTORS.act(g, here[1][:, None])[:, 0], here[2]
        return max(float((a - b).abs().max()) for a, b in zip(expected, there, strict=True))

    assert error(average) < 1e-12
    assert error(average.net) > 0.1


def test_a_batch_gives_what_its_graphs_give_one_by_one(x):
    average = framed()
    together = average(x, EDGES, batch=BATCH)
    for graph in range(3):
        rows = (graph == BATCH).nonzero().flatten()
        inside = (BATCH[EDGES[0]] == graph).nonzero().flatten()
        edges = torch.searchsorted(rows, EDGES[:, inside])
        alone = average(x[rows], edges, batch=torch.zeros_like(rows))
        assert torch.allclose(together[0][rows], alone[0], atol=1e-13)
        assert all(torch.allclose(a[graph], b[0], atol=1e-13) for a, b in zip(together[1:], alone[1:], strict=True))


def test_it_is_the_average_of_padded_clouds(x):
    class Mean(nn.Module):
        def forward(self, x, mask=None, batch=None):
            if batch is not None:
                return segment_mean(x.sin(), batch, int(batch.max()) + 1)
            return x.sin().masked_fill(~mask[..., None], 0.0).sum(-2) / mask.sum(-1, keepdim=True)

    average = FrameAverage(Mean(), PCAFrame("E"), [POSITIONS], None)
    rows, mask = FlatBatch(BATCH).padded(x)
    assert torch.allclose(average(x, batch=BATCH), average(rows, mask=mask), atol=1e-13)
    assert not torch.allclose(average(x, batch=BATCH), Mean()(x, batch=BATCH), atol=1e-2)


def test_symmetric_graphs_among_others_are_exact_and_gradients_reach_the_weights(x):
    cube = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    both, batch = torch.cat([x[:5], cube]), torch.tensor([0] * 5 + [1] * 8)
    average = framed()
    assert average.frame_of(both, None, batch=batch).exact.all()
    g = torch.eye(4, dtype=torch.float64).repeat(2, 1, 1)
    g[1, :3, :3] = SO(3).sample(generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = POSITIONS.act(g[batch], both[:, None])[:, 0]
    here, there = (average(each, torch.tensor([[0, 2, 5], [2, 4, 6]]), batch=batch) for each in (both, moved))
    assert torch.allclose(here[2], there[2], atol=1e-12)
    here[2].sum().backward()
    assert all(p.grad.isfinite().all() for p in average.parameters())


def test_several_vectors_of_a_node_are_points_of_its_graph():
    class Gate(nn.Module):
        def forward(self, v, batch):
            return (v + torch.arange(6.0).double().reshape(3, 2)).tanh()

    vector = Standard(SO(3))  # features in the house layout, [node, dim, channel]
    v = torch.randn(13, 3, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    average = FrameAverage(Gate(), PCAFrame("SO"), [vector], vector)
    g = SO(3).sample(3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)[BATCH]
    assert torch.allclose(average(g @ v, batch=BATCH), g @ average(v, batch=BATCH), atol=1e-12)
    assert not torch.allclose(Gate()(g @ v, BATCH), g @ Gate()(v, BATCH), atol=0.1)


def test_what_does_not_fit_is_named(x):
    average = framed()
    with unchecked(), pytest.raises(FrameError, match=r"integers \[node\]"):
        average(x, EDGES, batch=BATCH.double())
    with pytest.raises(FrameError, match="came -1"):
        average(x, EDGES, batch=BATCH - 1)
    with pytest.raises(FrameError, match="13 nodes"):
        average(x[:7], EDGES, batch=BATCH)
    with pytest.raises(FrameError, match="a mask too"):
        average(x, EDGES, batch=BATCH, mask=BATCH == 0)
    with pytest.raises(FrameError, match="without gaps"):
        FlatBatch(torch.tensor([0, 0, 2])).graph_of_rows(torch.zeros(3, 1))
    graphs = FrameAverage(nn.Flatten(), SortFrame(), [BothAxes(PermutationMatrix(Permutation(3)))], None)
    with pytest.raises(FrameError, match="acts on coordinates"):
        graphs(x[:3], batch=BATCH[:3])
    with pytest.raises(FrameError, match="13 rows"):
        framed(net=Scalar())(x, EDGES, batch=BATCH)


class Scalar(nn.Module):
    """Loses its nodes."""

    def forward(self, x, edge_index, batch):
        return x[:5], x[:3], x[:3]
