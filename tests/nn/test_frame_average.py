"""FrameAverage: any net commutes with the group afterwards, and did not before."""

import copy
import subprocess
import sys
import warnings

import pytest
import torch
from torch import nn

from intertwine.groups.actions import BothAxes, LastAxis, Points
from intertwine.groups.classical import SO, O
from intertwine.groups.error import equivariance_error
from intertwine.groups.euclidean import SE, E, linear_part
from intertwine.groups.finite import Permutation
from intertwine.groups.frames.frame import FrameError
from intertwine.groups.frames.mds import MDSFrame
from intertwine.groups.frames.pca import PCAFrame
from intertwine.groups.frames.sort import SortFrame
from intertwine.groups.frames.weighted import WeightedFrame
from intertwine.groups.permuting import PermutationMatrix
from intertwine.groups.representation import Determinant, Restrict, Standard
from intertwine.nn.frame_average import FrameAverage
from intertwine.nn.learned_frame import LearnedFrame

MOTIONS = E(3)
POSITIONS = Points(MOTIONS)
VECTORS = LastAxis(Restrict(Standard(O(3)), MOTIONS, linear_part))
TENSOR = BothAxes(Restrict(Standard(O(3)), MOTIONS, linear_part))
BOUND = {torch.float64: 1e-12, torch.float32: 1e-5}


class PointNet(nn.Module):
    """Positions and velocities to positions, one vector, one tensor and numbers; no symmetry of space at all."""

    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Linear(6, 16), nn.Linear(16, 18)

    def forward(self, x, v, mask=None):
        mask = torch.ones_like(x[..., 0], dtype=torch.bool) if mask is None else mask
        h = self.inner(torch.cat([x, v], -1)).tanh().masked_fill(~mask[..., None], 0.0)
        h = h + h.sum(-2, keepdim=True) / 10
        y = self.outer(h.tanh()).masked_fill(~mask[..., None], 0.0)
        pooled = y.sum(-2)
        return y[..., :3], pooled[..., 3:6], pooled[..., 6:15].unflatten(-1, (3, 3)), pooled[..., 15:]


class Invariant(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.inner, self.outer = nn.Linear(width, 16), nn.Linear(16, 2)

    def forward(self, x):
        return self.outer(self.inner(x).tanh().mean(-2).sin())


OUT = (POSITIONS, VECTORS, TENSOR, None)


def cloud(*shape, dtype=torch.float64):
    return torch.randn(*shape, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("dtype", BOUND, ids=str)
@pytest.mark.parametrize("mode", ["full", "canonical"])
def test_positions_vectors_tensors_and_numbers_follow_motions_and_did_not_before(mode, dtype):
    net = PointNet().to(dtype)
    framed = FrameAverage(net, PCAFrame("E"), [POSITIONS, VECTORS], OUT, mode)
    inputs = [cloud(2, 7, dtype=dtype), cloud(2, 7, dtype=dtype).flip(-2)]
    error, bare = (equivariance_error(f, inputs, [POSITIONS, VECTORS], OUT, MOTIONS, samples=3) for f in (framed, net))
    assert error < BOUND[dtype]
    assert bare > 0.1


def test_one_cloud_and_several_batch_axes_give_what_a_batch_gives():
    framed = FrameAverage(PointNet().double(), PCAFrame("E"), [POSITIONS, VECTORS], OUT)
    x = cloud(2, 3, 7)
    for together, alone in zip(framed(x, x), framed(x[1, 2], x[1, 2])):
        assert torch.allclose(together[1, 2], alone, atol=1e-13)


class Handedness(nn.Module):
    """x y z, which a mirror turns around, beside |x y z|, which it does not."""

    def forward(self, x):
        volume = x.prod(-1).mean(-1, keepdim=True)
        return torch.cat([volume, volume.abs()], -1)


def test_rotations_keep_mirror_images_apart_and_reflections_do_not():
    net, x = Handedness(), cloud(5)
    mirrored, turned = x * torch.tensor([-1, 1, 1]), x @ SO(3).sample(dtype=torch.float64)
    proper = FrameAverage(net, PCAFrame("SE"), [Points(SE(3))], None)
    full = FrameAverage(net, PCAFrame("E"), [POSITIONS], None)
    assert proper(x)[0].abs() > 1e-3
    assert torch.allclose(proper(turned), proper(x), atol=1e-13)
    assert torch.allclose(proper(mirrored), proper(x) * torch.tensor([-1, 1]), atol=1e-13)
    assert full(x)[0].abs() < 1e-13 < full(x)[1]
    assert torch.allclose(full(mirrored), full(x), atol=1e-13)


def test_pseudo_scalars_change_sign_under_reflections():
    class Volume(nn.Module):
        def forward(self, x):
            return x.prod(-1).sum(-1, keepdim=True)

    framed = FrameAverage(Volume(), PCAFrame("O"), [LastAxis(Standard(O(3)))], Determinant(O(3)))
    x = cloud(5)
    assert framed(x).abs() > 1e-3
    assert torch.allclose(framed(x * torch.tensor([-1, 1, 1])), -framed(x), atol=1e-13)


def test_order_of_the_points_passes_through():
    net = PointNet().double()
    framed = FrameAverage(net, PCAFrame("E"), [POSITIONS, VECTORS], OUT)
    rows = PermutationMatrix(Permutation(7))
    inputs = [cloud(7), cloud(7).flip(-2)]
    error = equivariance_error(framed, inputs, [rows, rows], (rows, None, None, None), Permutation(7), samples=3)
    assert error < 1e-12


def test_masked_points_are_as_if_cut_off():
    framed = FrameAverage(PointNet().double(), PCAFrame("E"), [POSITIONS, VECTORS], OUT)
    x, mask = cloud(2, 7), torch.arange(7).expand(2, 7) < 5
    padded, cut = framed(x, x, mask=mask), framed(x[:, :5], x[:, :5])
    assert torch.allclose(padded[0][:, :5], cut[0], atol=1e-13)
    assert all(torch.allclose(one, other, atol=1e-13) for one, other in zip(padded[1:], cut[1:]))


def test_random_elements_average_to_all_of_them_and_differ_between_samples():
    seed = torch.Generator().manual_seed(0)
    framed = FrameAverage(Invariant().double(), PCAFrame("E"), [POSITIONS], None, "stochastic", generator=seed)
    x = cloud(6).expand(4000, 6, 3)
    drawn = framed(x)
    assert len(drawn[:, 0].detach().round(decimals=9).unique()) == 8
    full = framed.eval()(x[0])
    assert ((drawn.mean(0) - full).abs() < 5 * drawn.std(0) / 4000**0.5).all()
    again = FrameAverage(framed.net, PCAFrame("E"), [POSITIONS], None, "stochastic", generator=seed.manual_seed(0))
    assert torch.equal(again(x), drawn)


def test_symmetric_clouds_are_exact_and_what_is_not_warns():
    cube = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    net = Invariant().double()

    def error(frame):
        framed = FrameAverage(net, frame, [POSITIONS], None)
        return equivariance_error(framed, [cube], [POSITIONS], None, MOTIONS, samples=3)

    assert error(PCAFrame("E")) < 1e-12
    with pytest.warns(UserWarning, match="not exact for 1 of 1"):
        assert error(PCAFrame("E", "perturb")) > 1e-6  # the control
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FrameAverage(net, PCAFrame("E"), [POSITIONS], None)(cloud(4, 5))


def test_canonical_elements_of_undecided_clouds_warn():
    box = torch.cartesian_prod(*[torch.tensor([-a, a]) for a in (1.0, 2.0, 3.0)])
    framed = FrameAverage(Invariant(), PCAFrame("E"), [POSITIONS], None, "canonical")
    with pytest.warns(UserWarning, match="not exact"):
        framed(box)


def test_the_state_dict_is_that_of_the_net():
    net = nn.Sequential(nn.BatchNorm1d(5), Invariant())
    framed = FrameAverage(net, PCAFrame("E"), [POSITIONS], None)
    assert list(framed.state_dict()) == list(net.state_dict())
    other = FrameAverage(nn.Sequential(nn.BatchNorm1d(5), Invariant()), PCAFrame("E"), [POSITIONS], None)
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(cloud(3, 5).float()), framed(cloud(3, 5).float()))
    nested = nn.ModuleDict({"part": copy.deepcopy(framed)})
    assert list(nested.state_dict()) == [f"part.{key}" for key in net.state_dict()]
    nested.load_state_dict(nn.ModuleDict({"part": net}).state_dict())
    with pytest.raises(RuntimeError, match="Missing key"):
        framed.load_state_dict({})


def test_it_compiles_whole_in_every_mode_and_gives_the_same():
    # in a process of its own: compilers cannot look through the import hooks of these tests
    code = """
import torch
from torch import nn
from intertwine.groups.actions import Points
from intertwine.groups.euclidean import SE
from intertwine.groups.frames.pca import PCAFrame
from intertwine.nn.frame_average import FrameAverage
torch.manual_seed(0)
x = torch.randn(2, 7, 3)
net, at = nn.Linear(3, 3), Points(SE(3))
framed = FrameAverage(net, PCAFrame("SE"), [at], at, "canonical")
assert torch.allclose(torch.compile(framed, fullgraph=True, backend="aot_eager")(x), framed(x), atol=1e-6)
framed = FrameAverage(net, PCAFrame("SE"), [at], at, "stochastic")
torch.compile(framed, fullgraph=True, backend="aot_eager")(x).sum().backward()
assert framed.net.weight.grad.isfinite().all()
cube = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3)
refuse = torch.compile(lambda x: PCAFrame("O", "error")(x).exact, fullgraph=True, backend="aot_eager")
try:
    refuse(cube)
except RuntimeError as error:
    assert "repeated" in str(error), error
else:
    raise AssertionError("expected a refusal")
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr[-2000:]


def test_under_autocast_the_frame_stays_exact():
    framed = FrameAverage(Invariant(), PCAFrame("SE"), [Points(SE(3))], None)
    x = cloud(20, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        assert framed(x).dtype == torch.bfloat16
        frame = framed.frame_of(x)
    assert torch.equal(frame.elements, framed.frame_of(x).elements)
    half = FrameAverage(Invariant().bfloat16(), PCAFrame("SE"), [Points(SE(3))], None)
    assert half(x.bfloat16()).isfinite().all()


def test_wrapping_once_more_changes_nothing():
    net = Invariant().double()
    framed = FrameAverage(net, PCAFrame("E"), [POSITIONS], None)
    wrapped = nn.DataParallel(framed, device_ids=None)  # without devices it calls its module, as DDP does
    assert torch.equal(wrapped(cloud(3, 5)), framed(cloud(3, 5)))
    assert len(list(framed.parameters())) == len(list(net.parameters()))


def test_true_gradients_agree_with_differences():
    frame = PCAFrame("E", detach=False)
    framed = FrameAverage(Invariant().double(), frame, [POSITIONS], None)
    assert torch.autograd.gradcheck(framed, cloud(4).requires_grad_())
    x = cloud(4).requires_grad_()
    (gradient,) = torch.autograd.grad(framed(x).sum(), x)
    assert gradient.sum(0).abs().max() < 1e-12  # shifting all points changes nothing


def test_vectors_in_the_house_layout_and_a_named_source():
    class Mix(nn.Module):
        def forward(self, charge, v):
            return (v + charge[..., None, None]).tanh()

    vector, v = Standard(SO(3)), cloud(2, 3)  # [batch, dim, channel], as many channels as dimensions
    inputs, reps = [torch.ones(2).double(), v], [None, vector]
    framed = FrameAverage(Mix(), PCAFrame("SO"), reps, vector)
    assert equivariance_error(framed, inputs, reps, vector, SO(3), samples=3) < 1e-12
    assert equivariance_error(Mix(), inputs, reps, vector, SO(3), samples=3) > 0.1
    assert FrameAverage(Mix(), PCAFrame("SO"), reps, vector, source=1).source == 1
    for wrong in (0, 2):
        with pytest.raises(FrameError, match="source"):
            FrameAverage(Mix(), PCAFrame("SO"), reps, vector, source=wrong)


@pytest.mark.parametrize(
    "in_reps, out_reps, frame, mode, words",
    [
        ([None], None, PCAFrame("E"), "full", "at least one input"),
        ([POSITIONS], Standard(O(3)), PCAFrame("E"), "full", "Restrict"),
        ([POSITIONS], None, PCAFrame("O"), "full", r'frame of E\(n=3.*PCAFrame\("O"\)'),
    ],
)
def test_what_does_not_fit_together_is_named(in_reps, out_reps, frame, mode, words):
    with pytest.raises(FrameError, match=words):
        FrameAverage(Invariant(), frame, in_reps, out_reps, mode)


def test_inputs_and_outputs_that_do_not_fit_are_named():
    x = cloud(4, 5).float()

    def refuse(net, out_reps, words, *inputs, in_reps=(POSITIONS,)):
        with pytest.raises(FrameError, match=words):
            FrameAverage(net, PCAFrame("E"), in_reps, out_reps)(*inputs)

    refuse(Invariant(), None, "names 1 inputs, came 2", x, x)
    refuse(Invariant(), (None,), "tuple", x)
    refuse(PointNet(), (None,), "names a tuple of 1, the net returned a tuple of 4", x, x, in_reps=[POSITIONS, None])
    refuse(nn.Flatten(0), None, "32 samples in front", x)
    refuse(PointNet(), OUT, "batch axes", x, x[:3], in_reps=[POSITIONS, None])
    refuse(Invariant(), None, "finite", x * torch.nan)


@pytest.mark.parametrize(
    "frame", [WeightedFrame("E"), MDSFrame("E"), LearnedFrame("E").double()], ids=["weighted", "scaling", "learned"]
)
def test_every_frame_of_motions_makes_the_net_equivariant(frame):
    framed = FrameAverage(PointNet().double(), frame, [POSITIONS, VECTORS], OUT)
    inputs = [cloud(2, 5), cloud(2, 5).flip(-2)]
    assert equivariance_error(framed, inputs, [POSITIONS, VECTORS], OUT, MOTIONS, samples=3) < 1e-11
    learned = isinstance(frame, nn.Module)
    assert all(key.startswith(("net.", "frame.")) == learned for key in framed.state_dict())
    if learned:
        framed(*inputs)[0].sum().backward()
        assert all(p.grad is not None for p in frame.parameters())


def test_an_mlp_on_sorted_graphs_does_not_see_the_order_of_nodes():
    nodes = Permutation(6)
    rows = PermutationMatrix(nodes)
    both = BothAxes(rows)

    class GraphMLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(36, 8)

        def forward(self, adjacency):
            hidden = self.layer(adjacency.flatten(-2)).tanh()
            return hidden, hidden[..., :6, None]

    net = GraphMLP().double()
    path = torch.diag(torch.ones(5, dtype=torch.float64), 1)
    graphs = torch.stack([path + path.mT, torch.ones(6, 6, dtype=torch.float64) - torch.eye(6)])
    framed = FrameAverage(net, SortFrame(), [both], (None, rows))
    assert equivariance_error(framed, [graphs], [both], (None, rows), nodes, samples=3) < 1e-12
    assert equivariance_error(net, [graphs], [both], (None, rows), nodes, samples=3) > 0.1


def test_a_mask_moves_with_the_nodes():
    nodes = Permutation(4)
    rows = PermutationMatrix(nodes)

    class Masked(nn.Module):
        def forward(self, adjacency, mask):
            return (torch.arange(1.0, 5.0).double() * mask * adjacency.sum(-1)).sum(-1, keepdim=True)

    framed = FrameAverage(Masked(), SortFrame(), [BothAxes(rows)], None)
    graph = torch.tensor([[0.0, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]).double()
    real = torch.tensor([True, True, True, False])
    order = torch.tensor([3, 1, 0, 2])
    plain, moved = framed(graph, mask=real), framed(graph[order][:, order], mask=real[order])
    assert torch.allclose(plain, moved, atol=1e-12) and plain.abs() > 1
    assert not torch.allclose(Masked()(graph, real), Masked()(graph[order][:, order], real[order]))
