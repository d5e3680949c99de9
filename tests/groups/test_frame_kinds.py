"""Weighted, scaling, local and sorting frames: each moves along with its input, and the weighted one does not jump."""

from dataclasses import dataclass

import pytest
import torch
from torch.autograd import gradcheck

from intertwine.groups.frames.canonical import canonical
from intertwine.groups.frames.frame import FrameError
from intertwine.groups.frames.gram_schmidt import gram_schmidt
from intertwine.groups.frames.local import LocalFrame, neighbourhoods
from intertwine.groups.frames.mds import MDSFrame
from intertwine.groups.frames.pca import PCAFrame
from intertwine.groups.frames.sort import SortFrame
from intertwine.groups.frames.weighted import WeightedFrame
from intertwine.groups.haar import haar_orthogonal, haar_special_orthogonal
from intertwine.nn.learned_frame import LearnedFrame


@dataclass(frozen=True)
class CanonicalPCA:
    group: str

    def __call__(self, x, mask=None):
        return canonical(PCAFrame(self.group)(x, mask), x, mask)


GROUPS = ("O", "SO", "E", "SE")
KINDS = {
    "weighted": WeightedFrame,
    "scaling": MDSFrame,
    "farthest": lambda group: MDSFrame(group, "max_abs"),
    "all signs": lambda group: MDSFrame(group, "average"),
    "canonical": CanonicalPCA,
    "learned": lambda group: LearnedFrame(group).double(),
}


def generic(*shape, d=3):
    return torch.randn(*shape, d, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def moved(group, x):
    seed = torch.Generator().manual_seed(2)
    draw = haar_special_orthogonal if group.startswith("S") else haar_orthogonal
    rotation = draw(x.shape[-1], generator=seed, dtype=torch.float64)
    shift = generic(1, d=x.shape[-1])[0] * group.endswith("E")
    return x @ rotation.mT + shift, rotation


def set_distance(one, other, weights_one, weights_other):
    """Farthest element, of weight above zero, of either set from the other set."""
    one, other = one[weights_one > 1e-9], other[weights_other > 1e-9]
    apart = (one[:, None] - other[None]).abs().amax((-1, -2))
    return float(torch.maximum(apart.amin(0).max(), apart.amin(1).max()))


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("kind", KINDS)
def test_elements_move_along_with_the_cloud(kind, group):
    frame_function, x = KINDS[kind](group), generic(7)
    here = frame_function(x)
    there, rotation = moved(group, x)
    there = frame_function(there)
    assert here.exact and there.exact
    here.check()
    assert set_distance(rotation @ here.elements, there.elements, here.weights, there.weights) < 1e-11
    assert torch.allclose(here.weights, there.weights, atol=1e-12)
    if group.startswith("S"):
        assert torch.allclose(torch.linalg.det(here.elements), torch.ones((), dtype=torch.float64))


@pytest.mark.parametrize("kind", KINDS)
def test_masked_points_are_as_if_cut_off(kind):
    frame_function, x = KINDS[kind]("SE"), generic(7)
    mask = torch.arange(7) < 5
    padded, cut = frame_function(x.masked_fill(~mask[:, None], torch.nan), mask), frame_function(x[:5])
    padded.check()
    assert set_distance(padded.elements, cut.elements, padded.weights, cut.weights) < 1e-12
    assert torch.allclose(padded.shift, cut.shift)


@pytest.mark.parametrize("kind", KINDS)
def test_degenerate_clouds_give_finite_frames_and_bad_ones_an_error(kind):
    frame_function = KINDS[kind]("SE")
    cube = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    for x in (cube, generic(1), generic(2), generic(6) * torch.tensor([1, 1, 0]), generic(5) * 0, generic(6).half()):
        frame = frame_function(x)
        frame.check()
        assert frame.elements.isfinite().all()
    if kind not in ("weighted",):  # nothing to decide there
        assert not frame_function(cube).exact
    with pytest.raises(FrameError, match="finite"):
        frame_function(generic(5) * torch.nan)
    with pytest.raises(FrameError, match="at least one point"):
        frame_function(generic(0))


def average(frame_function, x):
    """A smooth invariant of the cloud, averaged."""
    frame = frame_function(x)
    z = frame.invert(x)
    values = (z @ z.new_tensor([1.0, 2.0, 4.0][: x.shape[-1]]) + 0.5).sin().sum(-1)
    return (frame.weights * values).sum(-1)


def largest_jump(frame_function, path, steps):
    """Largest change between neighbouring steps of the path, -1 to 1."""
    values = average(frame_function, torch.stack([path(float(t)) for t in torch.linspace(-1, 1, steps)]))
    return float(values.diff().abs().max())


@pytest.mark.parametrize("d", [2, 3])
def test_the_weighted_average_does_not_jump_where_eigenvalues_cross(d):
    white = torch.linalg.qr(generic(6, d=d) - generic(6, d=d).mean(0)).Q
    stretch = torch.ones(d, dtype=torch.float64)
    stretch[0], stretch[-1] = 2.0, 2.0

    def through_a_crossing(t):
        return white * stretch * torch.tensor([1 + 0.1 * t, *[1.0] * (d - 1)], dtype=torch.float64)

    pca = [largest_jump(PCAFrame("SO"), through_a_crossing, steps) for steps in (40, 400)]
    smooth = [largest_jump(WeightedFrame("SO"), through_a_crossing, steps) for steps in (40, 400)]
    assert pca[1] > 0.5 * pca[0]  # a jump stays however small the step
    assert smooth[1] < 0.2 * smooth[0]  # what is continuous shrinks with it
    assert smooth[1] < 0.02 * pca[1]


def test_the_weighted_average_does_not_jump_where_a_point_crosses_the_origin_or_the_cloud_becomes_a_line():
    far = generic(5)

    def through_the_origin(t):
        return torch.cat([far, t * far[:1] + 1e-9])

    def through_a_line(t):
        return far * torch.tensor([1.0, t, t * t], dtype=torch.float64)

    for path in (through_the_origin, through_a_line):
        steps = [largest_jump(WeightedFrame("SO"), path, steps) for steps in (40, 400)]
        assert steps[1] < 0.2 * steps[0]


def test_weighted_frames_say_what_is_too_large():
    with pytest.raises(FrameError, match=r"4225 bases.*PCAFrame"):
        WeightedFrame("O")(generic(65))
    with pytest.raises(FrameError, match="power"):
        WeightedFrame("O", power=0.0)


def test_gradients_of_the_weighted_average_agree_with_differences():
    frame = WeightedFrame("SE", detach=False)
    assert gradcheck(lambda x: average(frame, x), generic(3).requires_grad_())
    x = torch.zeros(3, 3, dtype=torch.float64).requires_grad_()
    average(frame, x).backward()
    assert x.grad.isfinite().all()


def test_gram_schmidt_agrees_with_qr_and_completes_what_is_missing():
    vectors = generic(4, 3)
    axes, lengths = gram_schmidt(vectors)
    q, r = torch.linalg.qr(vectors)
    sign = r.diagonal(dim1=-2, dim2=-1).sign()
    assert torch.allclose(axes, q * sign[..., None, :])
    assert torch.allclose(lengths, r.diagonal(dim1=-2, dim2=-1).abs())
    dependent = torch.stack([generic(1)[0], 2 * generic(1)[0]], -1)
    axes, lengths = gram_schmidt(dependent)
    assert lengths[1] == 0
    assert torch.allclose(axes.mT @ axes, torch.eye(3, dtype=torch.float64))
    assert torch.allclose(torch.linalg.det(axes), torch.ones((), dtype=torch.float64))


def test_neighbourhoods_move_along_and_name_cut_ties():
    x = generic(2, 9)
    there, rotation = moved("SE", x)
    here = LocalFrame(PCAFrame("SE"), 5)(x)
    there = LocalFrame(PCAFrame("SE"), 5)(there)
    assert here.elements.shape == (2, 9, 4, 3, 3)
    for one, other in zip((rotation @ here.elements).flatten(0, 1), there.elements.flatten(0, 1)):
        assert set_distance(one, other, here.weights[0, 0], there.weights[0, 0]) < 1e-11
    assert here.exact.all()
    assert neighbourhoods(x, 5).points[:, :, 0].equal(x)
    line = torch.arange(4.0)[:, None]
    assert neighbourhoods(line, 2).cut.tolist() == [False, True, True, False]
    assert not LocalFrame(PCAFrame("SE"), 2)(line).exact[1]
    mask = torch.tensor([True, True, False, True])
    near = neighbourhoods(line, 3, mask)
    assert near.mask.tolist() == [[True] * 3, [True] * 3, [False] * 3, [True] * 3]
    assert near.points[0, :, 0].tolist() == [0, 1, 3]
    with pytest.raises(FrameError, match="count"):
        neighbourhoods(line, 0)


def graph(*edges, n):
    adjacency = torch.zeros(n, n, dtype=torch.float64)
    for one, other in edges:
        adjacency[one, other] = adjacency[other, one] = 1
    return adjacency


RING = graph((0, 1), (1, 2), (2, 3), (3, 4), (4, 0), n=5)
TREE = graph((0, 1), (1, 2), (2, 3), (2, 4), (4, 5), (5, 6), n=7)


@pytest.mark.parametrize("adjacency", [RING, TREE, generic(6, 6)[..., 0].abs().triu(1)], ids=["ring", "tree", "dense"])
def test_sorted_graphs_do_not_depend_on_the_order_of_their_nodes(adjacency):
    adjacency = adjacency + adjacency.triu(1).mT * (adjacency.tril(-1).abs().sum() == 0)
    n = len(adjacency)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    here, there = SortFrame()(adjacency), SortFrame()(adjacency[order][:, order])
    here.check()

    def sorted_graphs(frame, a):
        return frame.elements.mT @ a @ frame.elements

    one, other = sorted_graphs(here, adjacency), sorted_graphs(there, adjacency[order][:, order])
    assert set_distance(one, other, here.weights, there.weights) < 1e-12
    assert here.exact and here.elements.shape == there.elements.shape


def test_ties_take_all_orders_or_random_ones():
    assert SortFrame()(RING).elements.shape == (120, 5, 5)
    assert SortFrame()(TREE).elements.shape == (1, 7, 7)
    seed = torch.Generator().manual_seed(0)
    sampled = SortFrame(sampled=3, generator=seed)(torch.stack([RING, graph((0, 1), (1, 2), (2, 3), n=5)]))
    sampled.check()
    assert sampled.elements.shape == (2, 3, 5, 5)
    assert not sampled.exact.any()
    assert SortFrame(sampled=3)(TREE).exact
    labelled = RING + torch.diag(torch.arange(5.0))  # labels of nodes stand on the diagonal
    assert SortFrame()(labelled).elements.shape == (1, 5, 5)


def test_padded_nodes_come_last():
    padded = torch.zeros(9, 9, dtype=torch.float64)
    padded[:7, :7] = TREE
    frame = SortFrame()(padded, torch.arange(9) < 7)
    assert frame.elements[0].argmax(-2)[:7].equal(SortFrame()(TREE).elements[0].argmax(-2))


def test_malformed_graphs_are_named():
    with pytest.raises(FrameError, match="symmetric"):
        SortFrame()(torch.ones(3, 3).triu())
    with pytest.raises(FrameError, match="finite"):
        SortFrame()(torch.full((3, 3), torch.nan))
    with pytest.raises(FrameError, match=r"362880.*sampled=1"):
        SortFrame()(torch.zeros(9, 9))
    with pytest.raises(FrameError, match="sampled"):
        SortFrame(sampled=0)


def test_a_learned_frame_learns():
    frame = LearnedFrame("SE").double()
    x = generic(3, 8)
    z = frame(x).invert(x)
    z[..., 0].pow(3).mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in frame.parameters())
    with pytest.raises(FrameError, match="dimension"):
        frame(generic(5, d=2))
