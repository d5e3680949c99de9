import pytest
import torch
from scipy.spatial.distance import cdist
from torch import nn

from intertwine.groups.actions import Points
from intertwine.groups.error import equivariance_error
from intertwine.groups.euclidean import E
from intertwine.nn.classical_scaling import ScalingError, principal_axes, principal_combinations, scalar_products
from intertwine.nn.invariant_embedding import InvariantEmbedding
from intertwine.nn.tinvnn import TinvNN

MOTIONS = Points(E(3))


def cloud(*shape, seed=0, dtype=torch.float64):
    stretch = torch.tensor([2.0, 1.2, 0.6], dtype=dtype)[: shape[-1]]
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype).exp() * stretch


def apart(x):
    return torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")


def features(embed, x):
    return embed(x).points.squeeze(-3)


def moved(x, **options):
    return MOTIONS.act(E(3).sample(generator=torch.Generator().manual_seed(5), dtype=torch.float64, **options), x)


@pytest.mark.parametrize("sign", ["third_moment", "max_abs"])
@pytest.mark.parametrize("points", [2, 3, 4, 30])
def test_motions_change_nothing_and_distances_stay(points, sign):
    x, embed = cloud(5, points, 3), InvariantEmbedding(sign=sign)
    z = features(embed, x)
    assert torch.allclose(apart(z), apart(x), atol=1e-10)
    if points > 2:  # two points are mirror images of each other: no sign can be chosen
        assert equivariance_error(lambda x: features(embed, x), [x], [MOTIONS], None, E(3)) < 1e-10
    assert equivariance_error(lambda x: x, [x], [MOTIONS], None, E(3)) > 0.1


def test_single_precision_is_invariant_to_a_millionth():
    x, embed = cloud(200, 64, 3, dtype=torch.float32), InvariantEmbedding(scale="rms")
    good = ~embed(x).degenerate
    assert good.float().mean() > 0.8
    assert equivariance_error(lambda x: features(embed, x[good]).square().sum(1), [x], [MOTIONS], None, E(3)) < 5e-6
    net = nn.Sequential(nn.Linear(3, 32), nn.SiLU(), nn.Linear(32, 4)).float()
    assert equivariance_error(TinvNN(Pooled(net)), [x[good]], [MOTIONS], None, E(3)) < 5e-5


class Pooled(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, z, mask=None):
        y = self.net(z)
        return y.mean(1) if mask is None else (y * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)


def test_both_routes_give_the_same_coordinates():
    x = cloud(4, 12, 3)
    x = x - x.mean(1, keepdim=True)
    by_axes, axes = principal_axes(x, 3)
    products = scalar_products(torch.cdist(x, x))
    by_pairs, combinations = principal_combinations(products, 3)
    assert torch.allclose(by_axes.values, by_pairs.values) and torch.allclose(by_axes.gap, by_pairs.gap)
    assert torch.allclose((x @ axes).abs(), (products @ combinations).abs(), atol=1e-10)
    for embed in (InvariantEmbedding(3), InvariantEmbedding(3, scale="max"), InvariantEmbedding(3, scale="rms")):
        from_pairs = embed.from_distances(torch.cdist(x, x))
        assert torch.allclose(from_pairs.points, embed(x).points, atol=1e-10)
        assert torch.allclose(from_pairs.scale, embed(x).scale)


def test_more_dimensions_than_points_take_the_small_matrix():
    x = torch.randn(6, 40, dtype=torch.float64)
    z = InvariantEmbedding(8)(x)
    assert z.points.shape == (1, 6, 8) and torch.allclose(torch.cdist(z.points[0], z.points[0]), torch.cdist(x, x))
    assert float(z.points[0, :, 5:].abs().max()) < 1e-12 and float(z.spectrum.residual) == 0.0
    plane = torch.cat([x[:, :2], torch.zeros(6, 38, dtype=torch.float64)], 1)
    assert torch.allclose(InvariantEmbedding(2)(plane).embed(plane), InvariantEmbedding(2)(plane).points)


@pytest.mark.parametrize("scale", ["rms", "max"])
def test_scaling_changes_nothing_when_asked_for(scale):
    x, embed = cloud(3, 20, 3), InvariantEmbedding(scale=scale)
    assert torch.allclose(features(embed, 7 * moved(x)), features(embed, x))
    d = torch.cdist(features(embed, x), features(embed, x))
    size = d.amax((1, 2)) if scale == "max" else (d.square().sum((1, 2)) / (20 * 19)).sqrt()
    assert torch.allclose(size, torch.ones_like(size))
    plain = InvariantEmbedding()
    assert not torch.allclose(features(plain, 7 * x), features(plain, x))


def test_order_follows_and_padding_does_not_count():
    x, embed = cloud(3, 12, 3), InvariantEmbedding(scale="max")
    order = torch.randperm(12)
    assert torch.allclose(features(embed, x[:, order]), features(embed, x)[:, order])
    padded = torch.cat([x, torch.full((3, 5, 3), torch.nan, dtype=torch.float64)], dim=1)
    mask = (torch.arange(17) < 12).expand(3, 17)
    z = embed(padded, mask).points.squeeze(1)
    assert torch.allclose(z[:, :12], features(embed, x)) and torch.all(z[:, 12:] == 0)
    pairs = torch.full((3, 17, 17), torch.nan, dtype=torch.float64)
    pairs[:, :12, :12] = torch.cdist(x, x)
    z = InvariantEmbedding(3, scale="max").from_distances(pairs, mask).points.squeeze(1)
    assert torch.allclose(z[:, :12], features(embed, x)) and torch.all(z[:, 12:].abs() < 1e-12)


def test_new_points_land_where_they_would_have_been():
    x, new = cloud(2, 15, 3), cloud(2, 4, 3, seed=1)
    for sign in ("third_moment", "average"):
        embedding = InvariantEmbedding(3, scale="rms", sign=sign)(x)
        by_axes = embedding.embed(new)
        assert torch.allclose(embedding.embed(x), embedding.points)
        assert torch.allclose(embedding.embed_distances(torch.cdist(new, x)), by_axes)
        assert torch.allclose(embedding.back(by_axes), new.unsqueeze(1).expand_as(by_axes))
    from_pairs = InvariantEmbedding(3, scale="rms").from_distances(torch.cdist(x, x))
    expected = InvariantEmbedding(3, scale="rms")(x).embed(new)
    assert torch.allclose(from_pairs.embed_distances(torch.cdist(new, x)), expected)
    with pytest.raises(ScalingError, match="embed_distances"):
        from_pairs.embed(new)
    with pytest.raises(ScalingError, match="go back"):
        from_pairs.back(from_pairs.points)


def test_distances_that_no_points_have_leave_a_residual():
    star = torch.full((4, 4), 2.0, dtype=torch.float64)
    star[0] = star[:, 0] = 1.0
    star.fill_diagonal_(0.0)
    ring = torch.tensor(
        cdist(
            [[0], [1], [2], [3], [4], [5]],
            [[0], [1], [2], [3], [4], [5]],
            lambda a, b: min(abs(a - b)[0], 6 - abs(a - b)[0]),
        )
    )
    for graph in (star, ring):
        embedding = InvariantEmbedding(3).from_distances(graph)
        assert embedding.points.isfinite().all() and float(embedding.spectrum.residual) > 0.01
    x = cloud(10, 3)
    residuals = [float(InvariantEmbedding(q).from_distances(torch.cdist(x, x)).spectrum.residual) for q in (1, 2, 3)]
    assert residuals[0] > residuals[1] > residuals[2] == 0.0
    assert torch.allclose(InvariantEmbedding(2)(x).points, InvariantEmbedding(3)(x).points[..., :2])


def test_symmetric_shapes_are_flagged_and_generic_ones_are_not():
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    box = corners * torch.tensor([3.0, 2.0, 1.0])
    point = torch.full((8, 3), 0.1, dtype=torch.float64)
    flat, line = cloud(8, 3) * torch.tensor([1.0, 1.0, 0.0]), cloud(8, 3) * torch.tensor([1.0, 0.0, 0.0])
    shapes = torch.stack([corners, box, point, flat, line, cloud(8, 3)])
    embedding = InvariantEmbedding()(moved(shapes))
    assert embedding.degenerate.tolist() == [True, True, True, False, False, False]
    assert float(embedding.spectrum.gap[0]) < 1e-10 < 0.1 < float(embedding.spectrum.gap[1])
    assert float(embedding.margin[1]) < 1e-10 and embedding.points.isfinite().all()
    with pytest.raises(ScalingError, match="3 of 6 clouds"):
        embedding.check()
    averaged = InvariantEmbedding(sign="average")(box)
    assert not averaged.degenerate and averaged.points.shape == (8, 8, 3)


@pytest.mark.parametrize("sign", ["third_moment", "average"])
def test_any_network_becomes_invariant_or_moves_along(sign):
    net = nn.Sequential(nn.Linear(3, 16), nn.SiLU(), nn.Linear(16, 3)).double()
    x, embed = cloud(4, 20, 3), InvariantEmbedding(sign=sign)
    assert equivariance_error(TinvNN(Pooled(net), embed), [x], [MOTIONS], None, E(3)) < 1e-10
    assert equivariance_error(TinvNN(net, embed, output="points"), [x], [MOTIONS], MOTIONS, E(3)) < 1e-10
    turned = TinvNN(net, embed, output="vectors")
    assert torch.allclose(turned(x + 3), turned(x)) and torch.allclose(turned(-x), -turned(x))
    assert equivariance_error(net, [x], [MOTIONS], MOTIONS, E(3)) > 1e-2
    assert "net.0.weight" in turned.state_dict() and len(turned.state_dict()) == 4


def test_averaged_signs_hold_on_shapes_whose_signs_are_not_decided():
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    box = (corners * torch.tensor([3.0, 2.0, 1.0])).unsqueeze(0)
    net = nn.Sequential(nn.Linear(3, 16), nn.SiLU(), nn.Linear(16, 3)).double()
    generator = torch.Generator().manual_seed(0)
    errors = [
        equivariance_error(
            TinvNN(net, InvariantEmbedding(sign=sign), output="points"),
            [box],
            [MOTIONS],
            MOTIONS,
            E(3),
            samples=20,
            generator=generator,
        )
        for sign in ("average", "third_moment")
    ]
    assert errors[0] < 1e-10 < 1e-3 < errors[1]


def test_masks_and_further_inputs_reach_the_network():
    class Weighted(Pooled):
        def forward(self, z, weight, mask=None):
            return super().forward(z * weight[:, None, None], mask)

    x, weight = cloud(3, 10, 3), torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    mask = torch.arange(10) < torch.tensor([10, 7, 5]).unsqueeze(-1)
    model = TinvNN(Weighted(nn.Linear(3, 2).double()), InvariantEmbedding(sign="average"))
    alone = [model(x[i : i + 1, :n], weight[i : i + 1]) for i, n in enumerate((10, 7, 5))]
    assert torch.allclose(model(x, weight, mask=mask), torch.cat(alone))


def test_gradients_are_finite_and_exact_without_detach():
    x = cloud(1, 7, 3).requires_grad_()
    for detach in (True, False):
        embed = InvariantEmbedding(scale="rms", detach=detach)
        (gradient,) = torch.autograd.grad(embed(x).points.sin().sum(), x)
        assert gradient.isfinite().all() and float(gradient.abs().max()) > 1e-3
    embed = InvariantEmbedding(scale="max", detach=False)
    assert torch.autograd.gradcheck(lambda x: embed(x).points, x)
    pairs = lambda x: InvariantEmbedding(2, detach=False).from_distances(torch.cdist(x, x) + 0.0).points  # noqa: E731
    (gradient,) = torch.autograd.grad(pairs(x).sin().sum(), x)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_embedded_in_single(dtype):
    x = cloud(2, 30, 3).to(dtype)
    z = InvariantEmbedding()(x)
    assert z.points.dtype == dtype and z.axes.dtype == torch.float32 and z.points.isfinite().all()


def test_bad_input_is_told_in_one_line():
    embed, x = InvariantEmbedding(3), cloud(5, 3)
    calls = {
        "finite": lambda: embed(torch.where(torch.arange(5).unsqueeze(-1) == 2, torch.nan, x)),
        "at least q = 3": lambda: embed(x[:, :2]),
        r"shape \(0, 3\)": lambda: embed(x[:0]),
        "symmetric": lambda: embed.from_distances(torch.cdist(x, x).triu()),
        "finite numbers in distances": lambda: embed.from_distances(torch.cdist(x, x) / 0.0),
        "expected q": lambda: InvariantEmbedding().from_distances(torch.cdist(x, x)),
        "q = 0": lambda: InvariantEmbedding(0),
    }
    for words, call in calls.items():
        with pytest.raises(ScalingError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)
