import warnings

import pytest
import torch
from jaxtyping import TypeCheckError

import intertwine.tensor_products.cp.cp as cp_file
from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error, relative_error
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.o3.representation import IrrepsRepresentation
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.convolution import Convolution
from intertwine.tensor_products.cp.cp import CP
from intertwine.tensor_products.cp.rank import check_rank

ALL, NATURAL = (
    {L: Irreps.spherical_harmonics(L, 1) for L in range(5)},
    {L: Irreps.spherical_harmonics(L) for L in range(5)},
)


def features(irreps: Irreps | str, *batch: int, channels: int = 3, seed: int = 0, dtype=torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*batch, Irreps(irreps).dim, channels, generator=generator, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("normalization", ["component", "none"])
@pytest.mark.parametrize("irreps", [*list(ALL.values())[1:], *list(NATURAL.values())[1:]], ids=str)
def test_an_exact_product_is_the_clebsch_gordan_product_of_all_paths(irreps, normalization):
    x, y = features(irreps, 20), features(irreps, 20, seed=1)
    product = CP(irreps, irreps, irreps, normalization=normalization)
    expected = ClebschGordan(irreps, irreps, irreps, normalization=normalization)(x, y)
    assert relative_error(product(x, y), expected) < 1e-12
    single = product.float()(x.float(), y.float()).double()
    assert (single - expected).norm() < 1e-6 * expected.norm()
    assert relative_error(single, expected) < 5e-6


@pytest.mark.parametrize("channels", [1, 2, cp_file.WIDE, cp_file.WIDE + 1])
@pytest.mark.parametrize("of_y", [1, None])
def test_every_layout_and_any_number_of_chunks_give_the_same(channels, of_y, monkeypatch):
    irreps = NATURAL[2]
    product = CP(irreps, irreps, irreps)
    x = features(irreps, 3, 7, channels=channels).requires_grad_()
    y = features(irreps, 3, 7, channels=of_y or channels, seed=1).requires_grad_()
    expected = ClebschGordan(irreps, irreps, irreps)(x, y)
    wanted = torch.autograd.grad(expected.square().sum(), (x, y))
    for numbers in (1, 500, 2**17):
        monkeypatch.setattr(cp_file, "CHUNK", numbers)
        z = product(x, y)
        assert relative_error(z, expected) < 1e-12
        with torch.no_grad():
            assert relative_error(product(x, y), expected) < 1e-12
        for got, gradient in zip(torch.autograd.grad(z.square().sum(), (x, y)), wanted):
            assert relative_error(got, gradient) < 1e-12


def test_repeated_irreps_add_up_as_in_clebsch_gordan():
    types = "2x0e+1o", "1o+0e+1o", "1o+2x0e"
    x, y = features(types[0], 5), features(types[1], 5, seed=1)
    product = CP(*types)
    assert product.rank == 6
    assert relative_error(product(x, y), ClebschGordan(*types)(x, y)) < 1e-12


def test_a_result_left_out_is_every_irrep_once_paths_summed():
    product = CP("0e+1o", "0e+1o")
    assert product.irreps_out == Irreps("0e+1o+1e+2e")
    x, y = features("0e+1o", 5), features("0e+1o", 5, seed=1)
    assert relative_error(product(x, y), ClebschGordan("0e+1o", "0e+1o", "0e+1o+1e+2e")(x, y)) < 1e-12


def test_the_papers_rank_breaks_the_symmetry_within_the_bound():
    for L in (1, 2, 3, 4):
        product = CP(ALL[L], ALL[L], ALL[L], rank="paper")
        reps = [IrrepsRepresentation(ALL[L])] * 2
        inputs = [features(ALL[L], 16), features(ALL[L], 16, seed=1)]
        seen = equivariance_error(product, inputs, reps, reps[0], O(3))
        bound = product.error_bound()
        assert product.rank == 7 * L**2
        assert seen > 1e-2 and bound.measured > 1e-2
        assert bound.relative < bound.measured < bound.bound


def test_exact_factors_keep_the_symmetry_and_the_bound_says_so():
    bound = CP(ALL[3], ALL[3], ALL[3]).error_bound()
    assert bound.rank == 90 and bound.relative < 1e-13 and bound.measured < 1e-12
    assert bound.bound < 1e-11 and bound.amplification < 30


def test_more_terms_break_the_symmetry_less():
    bounds = [CP("0e+1e", "0e+1e", "0e+1e", rank=rank).error_bound() for rank in (2, 5, 7, 8)]
    for metric in ("relative", "bound", "measured"):
        values = [getattr(bound, metric) for bound in bounds]
        assert values == sorted(values, reverse=True)


def test_a_fraction_asks_for_the_smallest_rank_of_that_error():
    coarse, fine = (CP("0e+1e", "0e+1e", "0e+1e", rank=error) for error in (0.5, 0.05))
    assert coarse.rank < fine.rank <= 8
    assert coarse.error_bound().relative <= 0.5 and fine.error_bound().relative <= 0.05


def test_no_more_terms_are_taken_than_the_exact_form_has():
    for rank in ("paper", 6, 1000):
        assert CP("0e+1o", "0e+1o", "0e+1o", rank=rank).rank == 6


def test_a_product_is_the_same_for_a_seed_and_is_fitted_once():
    first = CP("0e+1o", "1o", "0e+1o", rank=2, seed=7)
    again = CP("0e+1o", "1o", "0e+1o", rank=2, seed=7)
    assert all(a is b for a, b in zip(first.factors, again.factors))


def test_a_long_fit_is_announced_and_a_shipped_one_is_not(monkeypatch):
    monkeypatch.setattr("intertwine.tensor_products.cp.rank.SLOW", 0.0)
    with pytest.warns(UserWarning, match="no factors are shipped .* 3 x 1 x 3 .* on one core"):
        CP("1o", "0o", "1e", seed=123)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CP(ALL[4], ALL[4], ALL[4])


def test_one_weight_scales_the_whole_product_and_weights_on_legs_scale_entries():
    x, y = features("0e+1o", 5), features("0e+1o", 5, seed=1)
    plain = CP("0e+1o", "0e+1o", "0e+1o")(x, y)
    shared = CP("0e+1o", "0e+1o", "0e+1o", weights="external")
    weight = torch.randn(5, 1, 3).double()
    assert shared.weight_count == 1
    assert relative_error(shared(x, y, weight), weight * plain) < 1e-13
    legs = CP("0e+1o", "0e+1o", "0e+1o", weights="external", legs=(3,))
    weight = torch.randn(5, 2, 3).double()
    assert legs.weight_count == 2
    assert relative_error(legs(x, y, weight), weight[..., [0, 1, 1, 1], :] * plain) < 1e-13


def test_the_filter_form_of_an_approximate_product_keeps_its_error():
    product = CP("0e+1e", "0e+1e", "0e+1e", rank=4, weights="external", legs=(1, 2, 3))
    x, y = features("0e+1e", 5), features("0e+1e", 5, channels=1, seed=1)
    weight = torch.randn(5, product.weight_count, 3).double()
    assert relative_error(product.filter_form()(x, y, weight), product(x, y, weight)) < 1e-12
    with pytest.raises(ValueError, match="6 rows"):
        product.filter_form()(x, y)


@pytest.mark.parametrize("weights", ["none", "external"])
def test_messages_with_one_weight_for_all_paths_run_fused_and_are_the_same(weights):
    product = CP("0e+1o", "0e+1o", "0e+1o", weights=weights)
    convolution = Convolution(product).double()
    x, y = features("0e+1o", 4), features("0e+1o", 6, channels=1, seed=1)
    weight = torch.randn(6, 1, 3).double() if weights == "external" else None
    senders, receivers = torch.tensor([0, 1, 2, 3, 0, 1]), torch.tensor([1, 1, 2, 3, 3, 0])
    messages = product(x[senders], y, *([] if weight is None else [weight]))
    expected = torch.zeros(4, 4, 3).double().index_add(0, receivers, messages)
    assert convolution.fused
    assert relative_error(convolution(x, y, weight, senders, receivers), expected) < 1e-13
    assert not Convolution(CP("0e+1o", "0e+1o", "0e+1o", weights="external", legs=(1,))).fused


def test_factors_of_your_own_are_taken_where_they_fit():
    kept = CP("0e+1e", "0e+1e", "0e+1e", rank=4)
    again = CP("0e+1e", "0e+1e", "0e+1e", rank=kept.factors)
    x, y = features("0e+1e", 5), features("0e+1e", 5, seed=1)
    assert torch.equal(again(x, y), kept(x, y))
    with pytest.raises(IrrepsError, match=r"widths \(4, 3, 4\)"):
        CP("0e+1e", "1e", "0e+1e", rank=kept.factors)
    with pytest.raises(IrrepsError, match="equal heights"):
        CP("0e+1e", "0e+1e", "0e+1e", rank=kept.factors._replace(in1=torch.ones(3, 4)))


@pytest.mark.parametrize("rank", [0, -1, True, 1.5, 0.0, "best", None])
def test_what_is_no_rank_is_refused(rank):
    with pytest.raises((IrrepsError, TypeCheckError)):  # in these tests the annotations speak first
        CP("0e+1o", "0e+1o", "0e+1o", rank=rank)
    with pytest.raises(IrrepsError, match="expected rank"):
        check_rank(rank)


def test_results_out_of_reach_and_empty_legs_are_refused():
    with pytest.raises(IrrepsError, match="no path from"):
        CP("0e+1o", "0e+1o", "0e+3o")
    with pytest.raises(IrrepsError, match="every leg"):
        CP("0e+1o", "", "0e")
    with pytest.raises(IrrepsError, match="legs"):
        CP("0e", "0e", "0e", legs=(4,))
