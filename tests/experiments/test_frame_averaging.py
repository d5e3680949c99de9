from dataclasses import replace

import pytest
import torch
from torch import nn

from intertwine.experiments.data_folder import DataFolderError
from intertwine.experiments.experiment import Budget
from intertwine.experiments.frame_averaging import graphs as frame_averaging_graphs
from intertwine.experiments.frame_averaging import nbody as frame_averaging_nbody
from intertwine.experiments.frame_averaging import normals as frame_averaging_normals
from intertwine.experiments.frame_averaging import paper as frame_averaging
from intertwine.experiments.frame_averaging.graphs import FLAT, MESSAGES, PLACED, GraphsSize, Separated
from intertwine.experiments.frame_averaging.nbody import (
    AVERAGED,
    BUILT_IN,
    MOVING,
    MOVING_AVERAGED,
    PLAIN,
    NBodySize,
    Predicted,
)
from intertwine.experiments.frame_averaging.normals import NormalsSize
from intertwine.experiments.graph_sets import connected_graphs, double_covers
from intertwine.experiments.rotated_classes import ClassesSize
from intertwine.experiments.verdict import Verdict
from intertwine.groups.actions import BothAxes, LastAxis, Points
from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error
from intertwine.groups.euclidean import E, linear_part
from intertwine.groups.frames.pca import PCAFrame
from intertwine.groups.frames.sort import SortFrame
from intertwine.groups.representation import Restrict, Standard
from intertwine.nn.frame_average import FrameAverage

YES, NO, OPEN = Verdict.reproduced, Verdict.not_reproduced, Verdict.not_decided
PLAN = frame_averaging.plan(1, 12)
TINY = frame_averaging.Size(
    GraphsSize(PLAN, pairs=9, all_graphs=20, nodes=4, draws=2),
    NBodySize(12, 6, 6, PLAN, rates=(4e-3,), width=6, layers=1),
    NormalsSize(12, 12, 16, PLAN, widths=(4, 8)),
    ClassesSize(24, 12, 16, PLAN, widths=(4, 8)),
)
EXPERIMENT = replace(frame_averaging.EXPERIMENT, budgets={"tiny": Budget(0.1, "for tests", TINY)})


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return EXPERIMENT.run("tiny", out=tmp_path_factory.mktemp("frames"))


def test_it_runs_from_end_to_end_and_a_single_seed_decides_nothing(outcome):
    assert outcome.data.startswith("Stand-in data") and "double covers" in outcome.data
    assert [table.title for table in outcome.measured.tables] == ["Graphs", "N-body", "Normals", "Rotated classes"]
    assert outcome.verdict is OPEN and len(outcome.measured.findings) == 8


def test_untrained_averages_are_flat_and_bare_networks_are_not(outcome):
    graphs, nbody, normals, _ = outcome.measured.tables
    rows = {row.name: row.cells for row in nbody.ours}
    for name in (AVERAGED, MOVING_AVERAGED, BUILT_IN):
        assert rows[name][0].value == pytest.approx(rows[name][1].value, rel=1e-4)
    for name in (PLAIN, MOVING):
        assert rows[name][0].value != pytest.approx(rows[name][1].value, rel=1e-4)
    for row in normals.ours:
        same = row.cells[0].value == pytest.approx(row.cells[1].value, abs=1e-5)
        assert same == ("average" in row.name), row.name
    counts = {row.name: row.cells for row in graphs.ours}
    assert counts[MESSAGES][0].value == 50.0 and counts[MESSAGES][1].value == 9.0
    assert counts[FLAT][1].value == counts[FLAT][2].value == counts["copies in another order"][1].value == 0.0


@pytest.mark.parametrize("name", frame_averaging_nbody.METHODS)
def test_networks_of_particles_move_with_them_or_do_not(name):
    net = frame_averaging_nbody.METHODS[name](8, 2).double()
    systems = frame_averaging_nbody.simulate(3, generator=torch.Generator().manual_seed(0)).to(torch.float64)
    position, velocity = Points(E(3)), LastAxis(Restrict(Standard(O(3)), E(3), linear_part))
    inputs = [systems.positions, systems.velocities, systems.charges]
    error = equivariance_error(net, inputs, [position, velocity, None], position, E(3))
    assert (error < 1e-9) == (name not in (PLAIN, MOVING))


def test_signs_that_differ_between_frames_cancel_in_vectors_and_not_in_lines():
    class Positive(nn.Module):
        def forward(self, x):
            return x.abs()

    x = torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    position, turn = Points(E(3)), Restrict(Standard(O(3)), E(3), linear_part)
    lines = frame_averaging_normals.Lines(Positive())
    averaged = FrameAverage(lines, PCAFrame("E"), [position], BothAxes(turn))
    assert equivariance_error(averaged, [x], [position], BothAxes(turn), E(3)) < 1e-12
    assert equivariance_error(lines, [x], [position], BothAxes(turn), E(3)) > 0.1
    assert torch.allclose(averaged(x).diagonal(dim1=-2, dim2=-1).sum(-1), torch.ones(2, 9).double())
    assert FrameAverage(Positive(), PCAFrame("E"), [position], LastAxis(turn))(x).abs().max() < 1e-12


def test_block_means_are_the_average_over_all_orders():
    graphs = connected_graphs(5)[4:12].double()
    graphs[:, 0, 0] = 1.0  # a label
    average = frame_averaging_graphs.sorted_nodes(nn.Flatten(1), 5, SortFrame())
    assert torch.allclose(average(graphs), frame_averaging_graphs.block_means(graphs), atol=1e-9)


def test_graphs_of_which_all_nodes_are_alike_are_averaged_over_all_orders_too(monkeypatch):
    graphs = connected_graphs(4).double()
    net = frame_averaging_graphs.AdjacencyMLP(4, 3, width=8).double()
    by_frame = frame_averaging_graphs.embed_exactly(net, graphs)
    monkeypatch.setattr(frame_averaging_graphs, "LIMIT", 23)
    assert float(frame_averaging_graphs.order_counts(graphs).max()) == 24
    assert torch.allclose(frame_averaging_graphs.embed_exactly(net, graphs), by_frame)


def test_copies_are_never_told_apart_and_different_covers_always():
    pairs = double_covers(5, torch.Generator().manual_seed(1))
    missed, copies = frame_averaging_graphs.unseparated_pairs(pairs, 0)
    assert missed == {MESSAGES: 5, FLAT: 0} and copies == 0


def test_numbers_decide_the_findings():
    def graphs(flat=1.0, messages=0.5, left=0, copies=0):
        run = Separated(
            {FLAT: flat, PLACED: 0.5, MESSAGES: messages}, {FLAT: left}, copies, {FLAT: 0, MESSAGES: 9}, (5, 5)
        )
        return [each.verdict for each in frame_averaging_graphs.findings([run] * 2)]

    assert graphs() == [YES, YES]
    assert graphs(flat=0.9) == graphs(messages=0.8) == [NO, YES]
    assert graphs(left=1) == graphs(copies=1) == [YES, NO]

    def nbody(averaged, moving, built_in):
        errors = {PLAIN: 3.0, AVERAGED: averaged, MOVING: 2.0, MOVING_AVERAGED: moving, BUILT_IN: built_in}
        runs = [{name: Predicted(error, error, 1.0) for name, error in errors.items()}] * 2
        return [each.verdict for each in frame_averaging_nbody.findings(runs)]

    assert nbody(1.0, 1.0, 1.0) == [YES, YES] and nbody(2.5, 1.0, 1.0) == [NO, YES]
    assert nbody(1.0, 1.0, 0.5) == [YES, NO]

    def normals(averaged, moved, augmented):
        run = {}
        for method in frame_averaging_normals.METHODS:
            here, there = (averaged, moved) if method.averaged else (augmented, augmented)
            run[method.name] = {"solids, I": here, "solids, SO(3)": there}
        return [each.verdict for each in frame_averaging_normals.findings([run] * 2)]

    assert normals(0.1, 0.1, 0.2) == [YES, YES] and normals(0.1, 0.15, 0.2) == [NO, YES]
    assert normals(0.3, 0.3, 0.2) == [YES, NO]


def test_a_folder_without_the_sets_is_told_before_anything_is_trained(tmp_path):
    with pytest.raises(DataFolderError, match="furniture") as caught:
        EXPERIMENT.opening("tiny", data=tmp_path)
    assert "\n" not in str(caught.value)
