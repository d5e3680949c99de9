"""Frames: sets of group elements that move along with the cloud, at degenerate and malformed clouds too."""

from contextlib import contextmanager
from dataclasses import replace

import jaxtyping
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from intertwine.groups.frames.anchored import LIMIT, anchored_elements
from intertwine.groups.frames.eigen import symmetric_eigen
from intertwine.groups.frames.frame import DegenerateFrame, Frame, FrameError
from intertwine.groups.frames.pca import TOLERANCE, PCAFrame, with_signs
from intertwine.groups.haar import haar_orthogonal, haar_special_orthogonal

GROUPS = ("O", "SO", "E", "SE")
BOUND = {torch.float64: 1e-12, torch.float32: 1e-5}


@contextmanager
def without_shape_checks():
    """As a user has it: bad input meets our own checks, not the annotations."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def cube(dtype=torch.float64):
    return torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=dtype)] * 3)


def ring(count, dtype=torch.float64):
    angle = torch.arange(count, dtype=torch.float64) * (2 * torch.pi / count)
    return torch.stack([angle.cos(), angle.sin(), 0 * angle], -1).to(dtype)


def icosahedron():
    golden = (1 + 5**0.5) / 2
    face = torch.tensor([[0.0, a, b * golden] for a in (-1, 1) for b in (-1, 1)], dtype=torch.float64)
    return torch.cat([face, face.roll(1, -1), face.roll(2, -1)])


def generic(*shape):
    return torch.randn(*shape, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


CLOUDS = {
    "generic": generic(9),
    "planar": generic(9) * torch.tensor([1, 1, 0]),
    "two points": generic(2),
    "cube": cube(),
    "square box": cube() * torch.tensor([1, 1, 0.5]),
    "ring": ring(7),
    "icosahedron": icosahedron(),
    "whitened": torch.linalg.qr(generic(9) - generic(9).mean(0)).Q,
}
RANK_ONE = {"two points": ("E", "SE")}


def moved(group, x):
    """The cloud after a random element of the group, with that element."""
    seed = torch.Generator().manual_seed(2)
    draw = haar_special_orthogonal if group.startswith("S") else haar_orthogonal
    rotation = draw(3, generator=seed, dtype=torch.float64).to(x.dtype)
    shift = torch.tensor([0.3, -2.0, 1.0], dtype=x.dtype) if group.endswith("E") else x.new_zeros(3)
    return x @ rotation.mT + shift, rotation, shift


def set_distance(one, other):
    """Farthest element of either set from the other set."""
    apart = (one[:, None] - other[None]).abs().amax((-1, -2))
    return float(torch.maximum(apart.amin(0).max(), apart.amin(1).max()))


def mismatch(frame_function, group, x):
    """How far F(g x) is from g F(x), as sets."""
    there, rotation, shift = moved(group, x)
    here, there = frame_function(x), frame_function(there)
    assert torch.allclose(there.shift, here.shift @ rotation.mT + shift, atol=1e-5)
    return set_distance(rotation @ here.elements, there.elements)


@pytest.mark.parametrize("dtype", BOUND, ids=str)
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("name", CLOUDS)
def test_elements_move_along_with_the_cloud(name, group, dtype):
    if group in RANK_ONE.get(name, ()):
        pytest.skip("two or more empty axes are an arbitrary choice, which coordinates do not show")
    x = CLOUDS[name].to(dtype)
    frame = PCAFrame(group)(x)
    frame.check()
    assert frame.exact
    assert mismatch(PCAFrame(group), group, x) < BOUND[dtype]
    if group.startswith("S"):
        assert torch.allclose(torch.linalg.det(frame.elements), torch.ones((), dtype=dtype))


@pytest.mark.parametrize("group", GROUPS)
def test_coordinates_of_clouds_without_extent_do_not_depend_on_the_motion(group):
    for x in (generic(1), generic(2), generic(1).expand(4, 3), generic(1) * torch.arange(1, 5)[:, None]):
        there, _, _ = moved(group, x)
        here, there = PCAFrame(group)(x).invert(x), PCAFrame(group)(there).invert(there)
        assert set_distance(here, there) < 1e-12


@pytest.mark.parametrize("name", ["cube", "square box", "ring", "icosahedron", "whitened"])
def test_plain_principal_axes_of_symmetric_clouds_are_arbitrary(name):
    def plain(x):  # the control: what the library returns, without a policy
        axes = with_signs(torch.linalg.eigh(x.mT @ x).eigenvectors, special=False)
        return replace(PCAFrame("O")(generic(9)), elements=axes)

    assert mismatch(plain, "O", CLOUDS["generic"]) < 1e-12
    assert mismatch(plain, "O", CLOUDS[name]) > 1e-3
    assert PCAFrame("O")(CLOUDS[name]).degenerate


def test_points_in_one_place_count_once():
    assert PCAFrame("O")(cube().repeat(3, 1)).elements.shape[-3] == 48


def test_symmetric_clouds_get_one_element_for_each_of_their_symmetries():
    sizes = {name: PCAFrame("O")(CLOUDS[name]).elements.shape[-3] for name in ("cube", "icosahedron")}
    assert sizes == {"cube": 48, "icosahedron": 120}
    assert PCAFrame("SO")(cube()).elements.shape[-3] == 24
    assert PCAFrame("O")(ring(7)[:, :2].contiguous()).elements.shape[-3] == 14


@pytest.mark.parametrize("d", [1, 2, 4])
def test_other_dimensions(d):
    x = torch.randn(7, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rotation = haar_special_orthogonal(d, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for group in GROUPS:
        here, there = PCAFrame(group)(x), PCAFrame(group)(x @ rotation.mT)
        assert here.elements.shape[-3] == 2 ** (d - group.startswith("S"))
        assert set_distance(rotation @ here.elements, there.elements) < 1e-12


def test_two_eigenspaces_at_once():
    square, pentagon = ring(4)[:, :2], 2 * ring(5)[:, :2]
    x = torch.cat([square.repeat_interleave(5, 0), pentagon.repeat(4, 1)], -1)
    rotation = haar_special_orthogonal(4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    here, there = PCAFrame("SO")(x), PCAFrame("SO")(x @ rotation.mT)
    assert here.degenerate and here.exact
    assert set_distance(rotation @ here.elements, there.elements) < 1e-12


@pytest.mark.parametrize("dtype, bound", [(torch.float64, 1e-11), (torch.float32, 1e-3)], ids=str)
def test_just_above_the_tolerance_axes_are_still_determined(dtype, bound):
    above = 1 + 1.1 * TOLERANCE[dtype]  # its square is in the covariance
    x = (CLOUDS["whitened"] * torch.tensor([1.0, above, 2.0])).to(dtype)
    frame = PCAFrame("E", tolerance=TOLERANCE[dtype] / 4)
    assert not frame(x).degenerate
    assert mismatch(frame, "E", x) < bound
    assert mismatch(PCAFrame("E"), "E", x) < BOUND[dtype]


def test_perturbing_separates_what_agrees_by_chance_and_flags_what_does_not():
    frame = PCAFrame("E", "perturb")
    assert frame(CLOUDS["whitened"]).degenerate
    assert frame(CLOUDS["whitened"]).exact
    assert mismatch(frame, "E", CLOUDS["whitened"]) < 1e-12
    assert not frame(cube()).exact
    assert torch.equal(frame(cube()).elements, frame(cube()).elements)


def test_the_error_policy_names_the_cloud_in_the_batch():
    batch = torch.stack([generic(8), cube()])
    with pytest.raises(DegenerateFrame, match=r"batch index \[1\].*average"):
        PCAFrame("O", "error")(batch)
    assert PCAFrame("O", "error")(batch[:1]).exact.all()
    for x in (generic(8) * torch.tensor([1, 1, 0]), generic(1), generic(2)):
        assert PCAFrame("E", "error")(x).gap > 1e-3


def test_a_symmetric_cloud_does_not_change_the_frames_beside_it():
    batch = torch.stack([generic(8), cube()])
    together, alone = PCAFrame("O")(batch), PCAFrame("O")(generic(8))
    assert together.elements.shape == (2, 48, 3, 3)
    assert torch.equal(together.elements[0, :8], alone.elements)
    assert together.weights[0].tolist() == [1 / 8] * 8 + [0.0] * 40
    together.check()


def test_more_ties_than_the_limit_are_thinned_out_and_said_so():
    frame = PCAFrame("O")(ring(600))
    assert frame.elements.shape[-3] <= LIMIT
    assert not frame.exact
    sphere = torch.nn.functional.normalize(generic(600), dim=-1)
    axes = torch.eye(3, dtype=torch.float64)
    tie = torch.tensor(1e-9, dtype=torch.float64)
    elements, weights, exact = anchored_elements(
        sphere, axes, torch.tensor([True, True]), tie, axes[None], special=False
    )
    Frame(elements, axes[0], weights, tie, exact, exact).check()
    assert len(elements) <= LIMIT and not exact


def test_masked_points_are_as_if_cut_off():
    x = torch.cat([generic(7), torch.full((3, 3), torch.nan, dtype=torch.float64)])
    mask = torch.arange(10) < 7
    for group in GROUPS:
        padded, cut = PCAFrame(group)(x, mask), PCAFrame(group)(x[:7])
        assert torch.allclose(padded.elements, cut.elements, atol=1e-13)
        assert torch.allclose(padded.shift, cut.shift, atol=1e-15)


def test_order_of_the_points_does_not_matter():
    x, order = generic(9), torch.randperm(9)
    one, other = PCAFrame("SE")(x), PCAFrame("SE")(x[order])
    assert set_distance(one.elements, other.elements) < 1e-13


def test_an_empty_cloud_in_a_batch_is_flagged():
    frame = PCAFrame("E")(generic(2, 5), torch.tensor([[True] * 5, [False] * 5]))
    frame.check()
    assert frame.elements.isfinite().all() and frame.shift[1].eq(0).all()
    assert frame.exact.tolist() == [True, False]
    assert frame.degenerate.tolist() == [False, True]


def test_half_precision_is_computed_in_float32_also_under_autocast():
    for dtype in (torch.float16, torch.bfloat16):
        x = generic(30).to(dtype)
        with torch.autocast("cpu", torch.bfloat16):
            frame = PCAFrame("SE")(x)
            assert frame.invert(x).dtype == torch.float32
        frame.check()
        assert frame.elements.dtype == torch.float32
        assert set_distance(frame.elements, PCAFrame("SE")(x.float()).elements) < 1e-6
        assert PCAFrame("O")(cube(dtype)).degenerate


def test_size_and_distance_of_the_cloud_do_not_matter():
    for scale in (1e-30, 1e30):
        frame = PCAFrame("E")(generic(9).float() * scale)
        assert set_distance(frame.elements.double(), PCAFrame("E")(generic(9)).elements) < 1e-5
    assert PCAFrame("E")(cube(torch.float32) + 1000.1).degenerate


@pytest.mark.parametrize(
    "x, mask, words",
    [
        (torch.ones(4, 3).index_fill(0, torch.tensor([2]), torch.nan), None, r"finite.*nan at index \[2, 0\]"),
        (torch.full((1, 3), torch.inf), None, "finite"),
        (torch.zeros(2, 0, 3), None, r"at least one point.*\(2, 0, 3\)"),
        (torch.zeros(4, 0), None, "point"),
        (torch.zeros(4, 3, dtype=torch.long), None, "floating type"),
        (torch.zeros(4, 9), None, "d <= 8"),
        (torch.zeros(2, 4, 3), torch.ones(2, 5, dtype=torch.bool), r"mask of shape \(2, 4\)"),
        (torch.zeros(2, 4, 3), torch.ones(2, 4), "mask"),
    ],
)
def test_malformed_clouds_are_named(x, mask, words):
    with without_shape_checks(), pytest.raises(FrameError, match=words):
        PCAFrame("E")(x, mask)


def test_unknown_options_are_named():
    for options in ({"group": "U"}, {"degenerate": "ignore"}, {"tolerance": 0.0}):
        with without_shape_checks(), pytest.raises(FrameError, match=next(iter(options))):
            PCAFrame(**options)


def test_gradients_of_the_axes_agree_with_differences_away_from_degeneracy():
    def coordinates(x):
        frame = PCAFrame("E", detach=False)(x)
        return frame.invert(x)

    x = generic(5).requires_grad_()
    assert gradcheck(coordinates, x)
    assert gradgradcheck(lambda x: coordinates(x).square().sum((-1, -2)).sin(), x)


def test_gradients_at_degeneracy_are_finite_and_flagged():
    for x in (cube(), ring(5), generic(1), CLOUDS["planar"], cube(torch.float32)):
        for policy in ("average", "perturb"):
            x = x.detach().clone().requires_grad_()
            frame = PCAFrame("E", policy, detach=False)(x)
            frame.invert(x).pow(3).sum().backward()
            assert x.grad is not None and x.grad.isfinite().all()
    bare = torch.eye(3).requires_grad_()
    torch.linalg.eigh(bare).eigenvectors.sum().backward()
    assert not bare.grad.isfinite().all()  # the control
    safe = torch.eye(3).requires_grad_()
    symmetric_eigen(safe, 1e-6)[1].sum().backward()
    assert safe.grad.isfinite().all()


def test_detached_axes_are_constants_and_the_mean_is_not():
    x = generic(5).requires_grad_()
    frame = PCAFrame("E")(x)
    assert not frame.elements.requires_grad
    assert frame.shift.requires_grad
