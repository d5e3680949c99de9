"""Maps of parts by themselves, for partitions that are known and such that are not."""

import itertools

import jaxtyping
import pytest
import torch

from intertwine.geometry.piecewise.block import PartBlock
from intertwine.groups.actions import Points
from intertwine.groups.error import equivariance_error
from intertwine.groups.euclidean import SE
from intertwine.groups.frames.part_frames import PartPCA, Upright
from intertwine.groups.frames.segments import PartError
from intertwine.groups.piecewise import Piecewise
from intertwine.nn.piecewise import PiecewiseMap, check_probabilities

TRUE = torch.tensor([0, 1, 0, 2, 1, 2, 0, 2, 1, 0, 1, 2])
FINER = TRUE + 3 * (torch.arange(12) > 5)
COARSER = TRUE.clamp(max=1)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network(frames=PartPCA("SE")) -> PiecewiseMap:
    """A PointNet of every part: where it points to from the position of each point, an equivariant map of points."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        block = PartBlock((0, 0), (0, 1), 8).double()

    def base(x, part, parts, weight):
        _, vectors = block(x, x[:, :0], x.unsqueeze(-1)[..., :0], part, frames(x, part, parts, weight), weight)
        return x + 30 * vectors.squeeze(-1)

    return PiecewiseMap(base)


def error(f, x, part=TRUE) -> float:
    action = Piecewise(Points(SE(3)), part, 3)
    seed = torch.Generator().manual_seed(0)
    return equivariance_error(f, [x], [action], action, action.group, samples=4, generator=seed)


def test_every_part_may_move_by_itself_if_the_partition_is_known_or_refined():
    x, psi = draw(2, 12, 3), network()
    assert error(lambda x: psi(x, TRUE.expand(2, -1)), x) < 1e-12
    assert error(lambda x: psi(x, FINER.expand(2, -1)), x) < 1e-12


def test_the_same_check_fails_without_frames_and_with_parts_that_are_joined():
    x = draw(2, 12, 3)
    assert error(lambda x: network(Upright())(x, TRUE.expand(2, -1)), x) > 1e-2
    assert error(lambda x: network()(x, COARSER.expand(2, -1)), x) > 1e-2


def test_single_precision_is_exact_to_rounding():
    x, psi = draw(12, 3).float(), network()
    psi_float = PiecewiseMap(lambda *args: psi.base(*(a.double() if a is x else a for a in args)))
    assert error(lambda x: psi_float(x.double(), TRUE).float(), x) < 1e-5


def test_the_three_forms_agree_where_the_partition_is_certain():
    x, psi = draw(2, 12, 3), network()
    q = torch.nn.functional.one_hot(TRUE, 3).double().expand(2, -1, -1)
    known = psi(x, TRUE.expand(2, -1))
    assert torch.allclose(psi.arg_max(x, q), known)
    assert torch.allclose(psi.expected_value(x, q, samples=2), known)
    assert torch.allclose(psi.expected_assignment(x, q), known, atol=1e-9)


def test_the_expected_value_is_the_sum_over_all_partitions():
    x, psi = draw(3, 3), network()
    q = torch.tensor([[0.9, 0.1], [0.4, 0.6], [1.0, 0.0]], dtype=torch.float64)
    exact = torch.zeros(3, 3).double()
    for row in itertools.product((0, 1), repeat=3):
        part = torch.tensor(row)
        exact += q.gather(1, part[:, None]).prod() * psi(x, part, 2)
    found = psi.expected_value(x, q, samples=4000, generator=torch.Generator().manual_seed(0))
    assert (found - exact).abs().max() < 0.005
    assert (psi.arg_max(x, q) - exact).abs().max() > 0.02


def test_the_order_of_the_points_and_the_numbers_of_the_parts_do_not_matter():
    x, psi, order = draw(12, 3), network(), torch.randperm(12, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(psi(x[order], TRUE[order]), psi(x, TRUE)[order])
    assert torch.allclose(psi(x, 7 - TRUE), psi(x, TRUE))


def test_shifting_one_part_shifts_its_points_and_no_others():
    x, psi = draw(12, 3), network()
    moved = x + 5.0 * (TRUE == 1)[:, None]
    assert torch.allclose(psi(moved, TRUE), psi(x, TRUE) + 5.0 * (TRUE == 1)[:, None])


@pytest.mark.parametrize(
    "q, said",
    [
        (torch.full((11, 3), 1 / 3), "probabilities"),
        (torch.ones(12, 3), "sum to 1"),
        (torch.tensor([[2.0, -1.0, 0.0]]).expand(12, 3), "not negative"),
    ],
)
def test_what_is_not_made_of_probabilities_is_named(q, said):
    with pytest.raises(PartError, match=said):
        check_probabilities(draw(12, 3), q)


def test_a_partition_of_other_points_is_named():
    jaxtyping.config.update("jaxtyping_disable", True)  # the shape checker of the tests would speak first
    try:
        with pytest.raises(PartError, match="the part of every point"):
            network()(draw(12, 3), TRUE[None])
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
