"""Contractions: which polynomials they reach, that every weight counts, and that each is the sum it says."""

from functools import partial

import pytest
import torch

from intertwine.groups.error import relative_error
from intertwine.o3.gaunt import poisson_bracket
from intertwine.o3.irreps import Irrep, Irreps, IrrepsError
from intertwine.tensor_products.cg_contraction import ClebschGordanContraction
from intertwine.tensor_products.sphere.gaunt import Gaunt
from intertwine.tensor_products.sphere.gaunt_contraction import GauntContraction
from intertwine.tensor_products.symmetric_power import Monomials, symmetric_power

IRREPS_IN = Irreps("0e+1o+2e")
OUT = Irreps("0e+1o+2e")
FAMILIES = {
    "gaunt": partial(GauntContraction, IRREPS_IN, OUT),
    "gaunt + bracket": partial(GauntContraction, IRREPS_IN, OUT, bracket=True),
    "clebsch-gordan": partial(ClebschGordanContraction, IRREPS_IN, OUT),
}


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(autouse=True)
def seeded_weights():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def coefficients(contraction, ir: Irrep, order: int) -> tuple[torch.Tensor, float]:
    """Every channel's function as a combination of equivariant polynomials up to an order, and what is left over."""
    irreps_in, irreps_out = contraction.irreps_in, contraction.irreps_out
    samples, channels = 200, contraction.weights.shape[-1]
    x = random(samples, irreps_in.dim, 1)
    z = contraction(x.expand(-1, -1, channels), torch.zeros(samples, dtype=torch.long))
    found = z[:, irreps_out.slices()[irreps_out.index(ir)]].flatten(0, 1)
    monomials = Monomials(irreps_in.dim, order)
    values, basis = monomials(x)[..., 0].split(monomials.counts, dim=1), []
    for n in range(1, order + 1):
        for polynomial in symmetric_power(irreps_in, n, irreps_out.lmax).get(ir, []):
            basis.append((values[n - 1] @ polynomial.T).flatten())
    basis = torch.stack(basis, 1)
    solution = torch.linalg.lstsq(basis, found).solution
    return solution, relative_error(basis @ solution, found)


def rank(matrix: torch.Tensor) -> int:
    return int(torch.linalg.matrix_rank(matrix, rtol=1e-9))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("ir", OUT)
def test_functions_are_equivariant_polynomials_of_the_order_and_not_of_a_lower_one(name, ir):
    contraction = FAMILIES[name](channels=8, correlation=3, elements=1).double()
    _, left_over = coefficients(contraction, ir, 3)
    assert left_over < 1e-11
    _, left_over = coefficients(contraction, ir, 2)
    assert left_over > 0.1


@pytest.mark.parametrize(
    ("lmax", "ir", "ranks"),
    [
        (2, "0e", (9, 9, 9)),
        (2, "1o", (7, 8, 8)),
        (2, "2e", (9, 10, 10)),
        (3, "1o", (13, 16, 16)),
        (3, "2e", (15, 19, 20)),
    ],
)
def test_bracket_reaches_more_than_the_paper_and_no_more_than_clebsch_gordan(lmax, ir, ranks):
    """Rank of the functions that random weights give: the dimension of what a layer of many channels can span."""
    irreps_in, irreps_out, target = Irreps.spherical_harmonics(lmax), Irreps(ir), Irrep.parse(ir)
    sizes = {"channels": 64, "correlation": 3, "elements": 1}
    found = tuple(
        rank(coefficients(contraction.double(), target, 3)[0])
        for contraction in (
            GauntContraction(irreps_in, irreps_out, **sizes),
            GauntContraction(irreps_in, irreps_out, bracket=True, **sizes),
            ClebschGordanContraction(irreps_in, irreps_out, **sizes),
        )
    )
    assert found == ranks
    assert found[2] == sum(len(symmetric_power(irreps_in, n, target.l).get(target, [])) for n in (1, 2, 3))


@pytest.mark.parametrize("correlation", [1, 2, 3])
def test_gaunt_contraction_is_a_chain_of_gaunt_products(correlation):
    contraction = GauntContraction(IRREPS_IN, OUT, channels=2, correlation=correlation, elements=1).double()
    x, element = random(5, IRREPS_IN.dim, 2), torch.zeros(5, dtype=torch.long)
    legs = [x * leg.repeat_interleave(torch.tensor([1, 3, 5]), 0) for leg in contraction.leg_weights]
    degrees = [Irreps.spherical_harmonics(n * IRREPS_IN.lmax) for n in range(1, correlation + 1)]
    power, powers = legs[0], [legs[0]]
    for n in range(1, correlation):
        power = Gaunt(degrees[n - 1], IRREPS_IN, degrees[n], normalization="none")(power, legs[n])
        powers.append(power[:, : OUT.dim])
    rows = torch.repeat_interleave(torch.arange(3), torch.tensor([1, 3, 5]))
    weights = (contraction.weights[0] * contraction.norms.terms)[:, rows]
    expected = sum(weights[n] * powers[n] for n in range(correlation))
    assert relative_error(contraction(x, element), expected) < 1e-12


def test_double_bracket_is_two_poisson_brackets():
    contraction = GauntContraction(IRREPS_IN, OUT, channels=2, correlation=3, elements=1, bracket=True).double()
    with torch.no_grad():
        contraction.weights[:, :3] = 0
    x, element = random(5, IRREPS_IN.dim, 2), torch.zeros(5, dtype=torch.long)
    legs = [x * leg.repeat_interleave(torch.tensor([1, 3, 5]), 0) for leg in contraction.leg_weights]

    def bracket(f, g, lmax):
        z = x.new_zeros(5, (lmax + 1) ** 2, 2)
        for l1 in range(round(f.shape[1] ** 0.5)):
            for l2 in range(round(g.shape[1] ** 0.5)):
                for l3 in range(abs(l1 - l2), min(l1 + l2, lmax) + 1):
                    a, b = f[:, l1 * l1 : (l1 + 1) ** 2], g[:, l2 * l2 : (l2 + 1) ** 2]
                    table = poisson_bracket(l1, l2, l3)
                    z[:, l3 * l3 : (l3 + 1) ** 2] += torch.einsum("nac,nbc,abk->nkc", a, b, table)
        return z

    rows = torch.repeat_interleave(torch.arange(3), torch.tensor([1, 3, 5]))
    weights = (contraction.weights[0] * contraction.norms.terms)[3, rows]
    expected = weights * bracket(bracket(legs[0], legs[1], 4), legs[2], 2)
    assert relative_error(contraction(x, element), expected) < 1e-12
    assert not expected[:, 0].any() and expected[:, 1:].abs().min() > 0


@pytest.mark.parametrize("name", FAMILIES)
def test_every_weight_counts_but_those_of_terms_that_are_zero(name):
    contraction = FAMILIES[name](channels=2, correlation=3, elements=2).double()
    z = contraction(random(6, IRREPS_IN.dim, 2), torch.tensor([0, 1, 0, 1, 1, 0]))
    gradients = dict(
        zip(dict(contraction.named_parameters()), torch.autograd.grad(z.square().sum(), list(contraction.parameters())))
    )
    for parameter, gradient in gradients.items():
        alive = torch.ones_like(gradient, dtype=torch.bool)
        if name == "gaunt + bracket" and parameter == "weights":
            alive[:, 3, 0] = False  # the integral of a double bracket is zero
        assert torch.equal(gradient != 0, alive), parameter


@pytest.mark.parametrize("name", FAMILIES)
def test_elements_have_weights_of_their_own_and_nodes_do_not_mix(name):
    contraction = FAMILIES[name](channels=2, correlation=3, elements=3).double()
    x, element = random(4, IRREPS_IN.dim, 2), torch.tensor([2, 0, 1, 2])
    z = contraction(x, element)
    order = torch.tensor([3, 1, 0, 2])
    assert relative_error(contraction(x[order], element[order]), z[order]) < 1e-13
    same = contraction(x[:1].expand(3, -1, -1), torch.arange(3))
    assert relative_error(same[2], z[0]) < 1e-13
    assert relative_error(same[0], z[0]) > 0.1


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (ClebschGordanContraction, ("1o", "1o+0o", 3), "asks for 0o, which products of 1o up to order 3.*Drop it"),
        (ClebschGordanContraction, ("0e+1o", "3o", 2), "asks for 3o"),
        (ClebschGordanContraction, ("0e+1o", "1o", 0), "expected correlation = 1, 2, 3, ..., came 0"),
        (GauntContraction, ("0e+1o", "0e+3o", 2), "asks for 3o, which products of 0e.1o up to order 2.*raise correl"),
        (GauntContraction, ("0e+1e", "0e", 2), "natural parities.*came 0e.1e -> 0e.*ClebschGordanContraction"),
        (GauntContraction, ("0e+1o", "0e", 0), "correlation >= 1"),
    ],
)
def test_refusals_name_the_entry_and_the_remedy(make, arguments, message):
    irreps_in, irreps_out, correlation = arguments
    with pytest.raises(IrrepsError, match=message):
        make(irreps_in, irreps_out, channels=2, correlation=correlation, elements=1)
