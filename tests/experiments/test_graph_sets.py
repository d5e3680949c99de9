import lzma

import networkx
import numpy as np
import pytest
import torch

from intertwine.experiments import graph_sets
from intertwine.experiments.data_folder import DataFolderError
from intertwine.experiments.graph_networks import GIN, AdjacencyMLP
from intertwine.experiments.graph_sets import (
    GraphSetError,
    connected_graphs,
    describe_graphs,
    double_covers,
    from_graph6,
    load_all,
    load_pairs,
)


def as_networkx(adjacency):
    return networkx.from_numpy_array(adjacency.numpy() - np.diag(adjacency.diagonal().numpy()))


def test_connected_graphs_are_counted_and_none_comes_twice():
    assert [len(connected_graphs(n)) for n in (2, 3, 4, 5)] == [1, 2, 6, 21]  # OEIS A001349
    graphs = [as_networkx(each) for each in connected_graphs(5)]
    assert all(map(networkx.is_connected, graphs))
    alike = [networkx.is_isomorphic(a, b) for k, a in enumerate(graphs) for b in graphs[:k]]
    assert not any(alike)


def test_covers_look_alike_to_messages_but_one_is_in_pieces():
    pairs = double_covers(6, torch.Generator().manual_seed(0))
    pieces = [networkx.number_connected_components(as_networkx(each)) for each in pairs.adjacency]
    assert pieces == [2, 1] * 6 and pairs.labels.tolist() == [0, 1] * 6
    hashes = [networkx.weisfeiler_lehman_graph_hash(as_networkx(each), iterations=16) for each in pairs.adjacency]
    assert hashes[::2] == hashes[1::2] and len(set(hashes)) > 2
    y = GIN(16, 4).double()(pairs.adjacency.double())
    assert torch.allclose(y[::2], y[1::2], atol=1e-12) and not torch.allclose(y[0], y[2], atol=1e-6)
    placed = GIN(16, 4, places=True).double()(pairs.adjacency.double())
    assert not torch.allclose(placed[::2], placed[1::2], atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_graph6_is_read_as_networkx_reads_it(seed):
    graph = networkx.gnp_random_graph(7 + seed, 0.5, seed=seed)
    line = networkx.to_graph6_bytes(graph, header=False).decode().strip()
    assert torch.equal(from_graph6(line), torch.tensor(networkx.to_numpy_array(graph)).float())
    for wrong in ("", line[:-1], line + "?", "~" + line, " " + line):
        with pytest.raises(ValueError, match="graph6"):
            from_graph6(wrong)


def test_message_passing_does_not_see_the_order_and_the_flat_network_does():
    graphs, order = connected_graphs(5)[5:].double(), torch.tensor([3, 0, 4, 1, 2])
    moved = graphs[:, order][:, :, order]
    assert torch.allclose(GIN(5, 3).double()(graphs), GIN(5, 3).double()(graphs)) is False  # other weights
    for net, same in ((GIN(5, 3), True), (GIN(5, 3, places=True), False), (AdjacencyMLP(5, 3), False)):
        net = net.double()
        assert torch.allclose(net(graphs), net(moved), atol=1e-12) == same
    padded = torch.zeros(len(graphs), 7, 7, dtype=torch.float64)
    padded[:, :5, :5] = graphs
    net = GIN(7, 3).double()
    smaller = GIN(5, 3).double()
    smaller.load_state_dict(net.state_dict())
    assert torch.allclose(net(padded), smaller(graphs), atol=1e-12)


def test_broken_sets_are_told_in_one_line(tmp_path):
    with pytest.raises(DataFolderError, match="exp_graphsat"):
        describe_graphs(tmp_path)
    (tmp_path / "graphs_level").mkdir()
    (tmp_path / graph_sets.PAIRS).write_bytes(b"no archive")
    (tmp_path / graph_sets.ALL_GRAPHS).write_bytes(b"not compressed")
    for load in (lambda: load_pairs(tmp_path, None), lambda: load_all(tmp_path)):
        with pytest.raises(ValueError, match="expected") as caught:
            load()
        assert "\n" not in str(caught.value)
    (tmp_path / graph_sets.ALL_GRAPHS).write_bytes(lzma.compress(b"Bw\nBW\nC~\n"))
    with pytest.raises(GraphSetError, match="one size"):
        load_all(tmp_path)
    assert load_all(tmp_path, 2).shape == (2, 3, 3)
