"""Partitions: Voronoi cells, refinement, and mixtures of votes by EM with merging, repulsion and implicit gradient."""

from dataclasses import replace

import pytest
import torch

from intertwine.geometry.piecewise.implicit import with_gradient
from intertwine.geometry.piecewise.mixture import Mixture, em_step, fit_mixture, merge_close, start_from_parts
from intertwine.geometry.piecewise.refinement import is_refinement, pure_points, same_points
from intertwine.geometry.piecewise.voronoi import farthest_points, voronoi
from intertwine.groups.frames.segments import PartError
from intertwine.groups.haar import haar_orthogonal


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


# ---- Voronoi and refinement


def test_cells_hold_their_nearest_points_and_do_not_see_motions_or_the_order():
    x = draw(2, 40, 3)
    part = voronoi(x, 6)
    seeds = farthest_points(x, 6)
    centres = x.gather(1, seeds.unsqueeze(-1).expand(-1, -1, 3))
    assert torch.equal(part, (x[:, :, None] - centres[:, None]).norm(dim=-1).argmin(-1))
    moved = x @ haar_orthogonal(3, generator=seeded(), dtype=torch.float64).mT + 4.0
    assert torch.equal(voronoi(moved, 6), part)
    order = torch.randperm(40, generator=seeded())
    assert bool(same_points(voronoi(x[:, order], 6), part[:, order]).all())


def test_seeds_are_different_points_and_with_all_of_them_every_point_is_a_part():
    x = draw(10, 3)
    assert sorted(farthest_points(x, 10).tolist()) == list(range(10))
    assert bool(is_refinement(voronoi(x, 10), torch.arange(10) // 5))


def test_coinciding_points_leave_cells_empty_and_nothing_breaks():
    assert voronoi(torch.zeros(4, 3), 3).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("count", [0, 11])
def test_too_many_or_no_seeds_are_named(count):
    with pytest.raises(PartError, match="expected 1 to 10 seeds"):
        farthest_points(draw(10, 3), count)


def test_points_that_are_not_finite_are_named():
    with pytest.raises(PartError, match="finite"):
        voronoi(draw(10, 3).log(), 2)


def test_refinement_agrees_with_its_definition():
    for seed in range(20):
        draws = torch.Generator().manual_seed(seed)
        fine = torch.randint(4, (6,), generator=draws)
        coarse = torch.randint(2, (4,), generator=draws)[fine] if seed % 2 else torch.randint(3, (6,), generator=draws)
        pure = [len(set(coarse[fine == p].tolist())) == 1 for p in fine]
        assert pure_points(fine, coarse).tolist() == pure
        assert bool(is_refinement(fine, coarse)) == all(pure)
        sets = [set((fine == p).nonzero().flatten().tolist()) for p in fine]
        others = [set((coarse == p).nonzero().flatten().tolist()) for p in coarse]
        assert same_points(fine, coarse).tolist() == [a == b for a, b in zip(sets, others)]


# ---- mixtures


def votes(spread: float = 0.3) -> tuple[torch.Tensor, torch.Tensor]:
    """Two clouds of votes for three centres, and a finer partition of them into six."""
    groups = torch.arange(60) % 3
    centres = torch.tensor([[0.0, 0, 0], [3, 0, 0], [0, 3, 1]], dtype=torch.float64)
    y = centres[groups] + spread * draw(2, 60, 3)
    return y, (groups + 3 * (torch.arange(60) > 30)).expand(2, -1)


@pytest.mark.parametrize("strength", [0.0, 3.0])
def test_the_objective_never_falls_without_merging(strength):
    y, part = votes(1.0)
    mixture = start_from_parts(y, part, 6, 0.6)
    values = [mixture.objective(y, strength)]
    for _ in range(20):
        mixture = em_step(y, mixture, strength)
        values.append(mixture.objective(y, strength))
    steps = torch.stack(values).diff(dim=0)
    assert steps.min() > -1e-9 and steps.max() > 0.1


def test_repulsion_drives_centres_apart():
    y, part = votes(1.0)
    start = start_from_parts(y, part, 6, 0.6)
    alone, pushed = (fit_mixture(y, start, steps=20, strength=s) for s in (0.0, 3.0))
    assert bool((pushed.repulsion() > alone.repulsion()).all())


def test_merging_finds_as_many_parts_as_there_are():
    y, part = votes()
    fitted = fit_mixture(y, start_from_parts(y, part, 6, 0.3), steps=6, merge=2.0, strength=1.0)
    assert (fitted.weights > 0).sum(-1).tolist() == [3, 3]
    assert torch.allclose(fitted.weights.sum(-1), torch.ones(2).double())
    found = fitted.assignment(y).argmax(-1)
    assert bool(same_points(found, part % 3).all())


def test_a_wider_mixture_is_coarser():
    y, part = votes()
    start = start_from_parts(y, part, 6, 0.3)
    counts = [
        int((fit_mixture(y, replace(start, width=w), steps=8, merge=2.0).weights > 0).sum()) for w in (0.05, 0.3, 9.0)
    ]
    assert counts == [12, 6, 2]


def test_all_points_in_one_part_is_no_special_case():
    y, _ = votes()
    fitted = fit_mixture(y, start_from_parts(y, torch.zeros(2, 60, dtype=torch.int64), 1, 0.3), steps=2, merge=1.0)
    assert torch.allclose(fitted.centres[:, 0], y.mean(1)) and torch.equal(
        fitted.assignment(y), torch.ones(2, 60, 1).double()
    )
    assert with_gradient(y, fitted).weights.tolist() == [[1.0], [1.0]]


def test_a_chain_of_neighbours_does_not_collapse_at_once():
    chain = Mixture(torch.tensor([[0.0], [0.9], [1.8], [2.7]]), torch.tensor([0.4, 0.3, 0.2, 0.1]), 1.0)
    joined = merge_close(chain, 1.0)
    assert torch.allclose(joined.weights, torch.tensor([0.7, 0.0, 0.2, 0.1]))
    assert torch.allclose(joined.centres[0], torch.tensor([0.9 * 3 / 7]))


def test_votes_far_from_the_origin_cost_no_digits():
    y, part = (t.float() if t.is_floating_point() else t for t in votes())
    near = fit_mixture(y, start_from_parts(y, part, 6, 0.3), steps=6, merge=2.0)
    far = fit_mixture(y + 1000, start_from_parts(y + 1000, part, 6, 0.3), steps=6, merge=2.0)
    assert torch.allclose(far.weights.sort().values, near.weights.sort().values, atol=1e-3)


def test_motions_and_the_order_of_votes_do_not_matter():
    y, part = votes()
    fitted = fit_mixture(y, start_from_parts(y, part, 6, 0.3), steps=5, merge=2.0, strength=1.0)
    turn = haar_orthogonal(3, generator=seeded(), dtype=torch.float64)
    order = torch.randperm(60, generator=seeded())
    moved = (y @ turn.mT + 1.0)[:, order]
    again = fit_mixture(moved, start_from_parts(moved, part[:, order], 6, 0.3), steps=5, merge=2.0, strength=1.0)
    assert torch.allclose(again.assignment(moved), fitted.assignment(y)[:, order], atol=1e-9)


@pytest.mark.parametrize("information, tolerance", [("observed", 1e-6), ("fisher", 0.2)])
def test_the_implicit_gradient_is_that_of_unrolled_em(information, tolerance):
    y, part = votes(0.8)
    y.requires_grad_()
    start = start_from_parts(y, part % 3, 4, 0.7)  # the fourth part is empty
    unrolled = start
    for _ in range(150):
        unrolled = em_step(y, unrolled)
    mixture = with_gradient(y, fit_mixture(y, start, steps=150), information)
    assert torch.allclose(mixture.centres, unrolled.centres) and torch.allclose(mixture.weights, unrolled.weights)
    a, b = draw(2, 4, 3), draw(2, 4)
    expected, found = (
        torch.autograd.grad((m.centres * a).sum() + (m.weights * b).sum(), y)[0] for m in (unrolled, mixture)
    )
    assert (found - expected).norm() < tolerance * expected.norm()
    direct = torch.autograd.grad((start_from_parts(y, part % 3, 4, 0.7).assignment(y)[..., 0] * b[:, :1]).sum(), y)[0]
    assert (direct - expected).norm() > 0.5 * expected.norm()  # the negative control: another gradient


def test_the_fisher_gradient_is_exact_where_parts_do_not_overlap():
    y, part = votes(0.1)
    y.requires_grad_()
    fitted = fit_mixture(y, start_from_parts(y, part % 3, 3, 0.2), steps=3)
    gradients = [
        torch.autograd.grad(with_gradient(y, fitted, i).centres.square().sum(), y)[0] for i in ("observed", "fisher")
    ]
    assert torch.allclose(*gradients, rtol=1e-6)


def test_votes_that_are_not_finite_and_widths_of_zero_are_named():
    y, part = votes()
    with pytest.raises(PartError, match="finite votes"):
        fit_mixture(y.log(), start_from_parts(y, part, 6, 0.3), steps=1)
    with pytest.raises(PartError, match="width > 0"):
        fit_mixture(y, start_from_parts(y, part, 6, 0.0), steps=1)
