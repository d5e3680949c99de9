"""Frames of ragged parts: equal to those of each part alone, exact where axes are undetermined, flagged where not."""

import pytest
import torch

from intertwine.groups.frames.part_frames import PartFrames, PartPCA, Upright
from intertwine.groups.frames.pca import PCAFrame
from intertwine.groups.frames.segments import (
    PartError,
    check_points,
    number_parts,
    segment_max,
    segment_mean,
    segment_sum,
)
from intertwine.groups.haar import haar_special_orthogonal


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def as_set(elements: torch.Tensor) -> torch.Tensor:
    """Matrices in an order that does not depend on the order they came in."""
    rows = elements.flatten(-2).round(decimals=8) + 0.0
    return torch.stack(sorted(rows, key=lambda row: row.tolist()))


@pytest.mark.parametrize("group", ["E", "SE"])
def test_frames_of_parts_are_the_frames_of_each_part_alone(group):
    x, part = draw(30, 3), torch.arange(30) % 4
    frames = PartPCA(group)(x, part, 4)
    for p in range(4):
        alone = PCAFrame(group)(x[part == p])
        assert torch.allclose(as_set(frames.elements[p]), as_set(alone.elements), atol=1e-7)
        assert torch.allclose(frames.shift[p], alone.shift) and torch.allclose(frames.gap[p], alone.gap)


def invariant(frames: PartFrames, x: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    """Something nonlinear and without symmetry, averaged over the frames."""
    inside = frames.invert(x, part)
    return (inside @ draw(3, 5, seed=7) + 0.3).tanh().mean(0)


CLOUDS = {
    "points in general position": draw(7, 3),
    "a single point": draw(1, 3),
    "the same point again and again": draw(1, 3).expand(4, 3).clone(),
    "two points": draw(2, 3),
    "points on a line": draw(5, 1) * draw(1, 3),
    "points in a plane": draw(6, 2) @ draw(2, 3),
    "points in a plane but for rounding": draw(6, 2) @ draw(2, 3) + 1e-15 * draw(6, 3),
}


@pytest.mark.parametrize("group", ["E", "SE"])
@pytest.mark.parametrize("cloud", CLOUDS.values(), ids=CLOUDS)
def test_invariance_is_exact_also_without_unique_axes(cloud, group):
    part = torch.zeros(len(cloud), dtype=torch.int64)
    turn = haar_special_orthogonal(3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    moved = cloud @ turn.mT + 2.0
    before, after = PartPCA(group)(cloud, part, 1), PartPCA(group)(moved, part, 1)
    assert torch.allclose(invariant(before, cloud, part), invariant(after, moved, part), atol=1e-11)
    upright = Upright()(cloud, part, 1), Upright()(moved, part, 1)
    if bool((cloud != cloud[0]).any()):  # the negative control
        assert not torch.allclose(invariant(upright[0], cloud, part), invariant(upright[1], moved, part), atol=1e-2)


@pytest.mark.parametrize("cloud, determined", [(draw(1, 3), 0), (draw(2, 3), 1), (draw(3, 3), 3), (draw(4, 3), 3)])
def test_axes_that_points_do_not_determine_hide_vectors_too(cloud, determined):
    """A vector that came from elsewhere may point off a line of points; along arbitrary axes it would not be exact."""
    part, v = torch.zeros(len(cloud), dtype=torch.int64), draw(len(cloud), 3, 1, seed=9)
    turn = haar_special_orthogonal(3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    before, after = PartPCA("SE")(cloud, part, 1), PartPCA("SE")(cloud @ turn.mT, part, 1)
    assert int((before.elements[0, 0].norm(dim=0) > 0.5).sum()) == determined
    seen = [(frames.invert_vectors(w, part) + 0.3).tanh().mean(0) for frames, w in ((before, v), (after, turn @ v))]
    assert torch.allclose(*seen, atol=1e-11)


def test_a_long_box_with_a_square_base_keeps_its_long_axis():
    box = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0]).double()] * 3) * torch.tensor([1.0, 1.0, 3.0])
    frames = PartPCA("SE")(box, torch.zeros(8, dtype=torch.int64), 1)
    assert frames.degenerate.tolist() == [True]
    assert frames.invert(box, torch.zeros(8, dtype=torch.int64)).abs().amax((0, 1)).tolist() == [0, 0, 3]


def test_a_cube_is_flagged_and_seen_without_coordinates():
    cube, part = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3), torch.zeros(8, dtype=torch.int64)
    frames = PartPCA("SE")(cube, part, 1)
    assert frames.degenerate.tolist() == [True] and float(frames.gap) < 1e-6
    assert torch.equal(frames.invert(cube, part), torch.zeros(4, 8, 3))
    assert PartPCA("SE", degenerate="keep")(cube, part, 1).elements.abs().max() > 0
    with pytest.raises(PartError, match="part 0 has two equal variances"):
        PartPCA("SE", degenerate="error")(cube, part, 1)


def test_an_empty_part_disturbs_nothing():
    x = draw(5, 3)
    frames = PartPCA("SE")(x, torch.tensor([0, 0, 0, 2, 2]), 4)
    assert frames.size.tolist() == [3, 0, 2, 0]
    assert bool(frames.elements.isfinite().all()) and not bool(frames.degenerate[1])


def test_special_frames_have_determinant_one_and_all_frames_are_orthogonal():
    x, part = draw(40, 3), torch.arange(40) % 5
    proper, all_signs = PartPCA("SE")(x, part, 5).elements, PartPCA("E")(x, part, 5).elements
    assert torch.allclose(torch.linalg.det(proper), torch.ones(5, 4).double())
    assert torch.allclose(all_signs.mT @ all_signs, torch.eye(3).double().expand(5, 8, 3, 3), atol=1e-12)
    assert torch.linalg.det(all_signs).sum(-1).abs().max() < 1e-9


def test_going_in_and_back_is_the_identity_and_one_frame_is_one_of_them():
    x, v, part = draw(12, 3), draw(12, 3, 2), torch.arange(12) % 3
    frames = PartPCA("SE")(x, part, 3)
    assert torch.allclose(frames.apply_vectors(frames.invert_vectors(v, part), part), v.expand(4, 12, 3, 2))
    one = frames.one_of(torch.Generator().manual_seed(0))
    assert one.elements.shape == (3, 1, 3, 3)
    assert bool((one.elements == frames.elements).all(-1).all(-1).any(-1).all())


def test_weights_of_zero_and_one_cut_a_part():
    x, part, weight = draw(9, 3), torch.zeros(9, dtype=torch.int64), torch.tensor([1.0] * 6 + [0.0] * 3).double()
    whole, cut = PartPCA("SE")(x, part, 1, weight), PartPCA("SE")(x[:6], part[:6], 1)
    assert torch.allclose(as_set(whole.elements[0]), as_set(cut.elements[0])) and torch.allclose(whole.shift, cut.shift)


def test_sums_over_parts_agree_with_a_loop_and_ties_share_the_gradient():
    x, part = draw(10, 2), torch.tensor([0, 3, 3, 1, 0, 3, 1, 1, 0, 3])
    for reduce, plain in ((segment_sum, torch.sum), (segment_mean, torch.mean), (segment_max, torch.amax)):
        found = reduce(x, part, 4)
        assert torch.equal(found[2], torch.zeros(2).double())
        for p in (0, 1, 3):
            assert torch.allclose(found[p], plain(x[part == p], 0))
    tied = torch.tensor([[1.0], [1.0], [0.0]], requires_grad=True)
    segment_max(tied, torch.zeros(3, dtype=torch.int64), 1).sum().backward()
    assert tied.grad is not None and tied.grad[:, 0].tolist() == [0.5, 0.5, 0.0]


@pytest.mark.parametrize(
    "x, part, parts, said",
    [
        (draw(4, 3), torch.zeros(3, dtype=torch.int64), 1, "a part for each"),
        (draw(2, 4, 3), torch.zeros(2, 4, dtype=torch.int64), 1, "Flatten batches"),
        (draw(4, 3), torch.tensor([0, 1, 2, 5]), 3, "came 0 to 5"),
        (draw(4, 3), torch.zeros(4, dtype=torch.int64), 0, "at least one part"),
        (draw(4, 3).log(), torch.zeros(4, dtype=torch.int64), 1, "not finite"),
    ],
)
def test_malformed_parts_are_named(x, part, parts, said):
    with pytest.raises(PartError, match=said):
        check_points(x, part, parts)


def test_numbers_go_on_from_cloud_to_cloud():
    part, count = number_parts(torch.tensor([[[0, 1]], [[1, 0]]]), 2)
    assert part.tolist() == [0, 1, 3, 2] and count == 4


def test_the_spread_of_a_part_is_exact_also_where_its_axes_are_not():
    box = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0]).double()] * 3) * torch.tensor([1.0, 1.0, 3.0])
    for cloud in (box, draw(6, 3), *CLOUDS.values()):
        part = torch.zeros(len(cloud), dtype=torch.int64)
        turn = haar_special_orthogonal(3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        spread = PartPCA("SE")(cloud, part, 1).spread
        variances = (
            torch.linalg.eigvalsh(torch.cov(cloud.T, correction=0)) if len(cloud) > 1 else torch.zeros(3).double()
        )
        assert torch.allclose(spread[0].square(), variances, atol=1e-12)
        assert torch.allclose(PartPCA("SE")(cloud @ turn.mT + 1.0, part, 1).spread, spread, atol=1e-12)
