"""The matrix product: against sums over 6j symbols, plain matrices, Gaunt's limit, and what parity forbids."""

from math import pi, sqrt

import pytest
import torch
from sympy.physics.wigner import wigner_6j

from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error, relative_error
from intertwine.o3.clebsch_gordan import wigner_3j
from intertwine.o3.gaunt import gaunt_factor
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.o3.representation import IrrepsRepresentation
from intertwine.tensor_products.analysis.expressivity import expressivity
from intertwine.tensor_products.matrix import Matrix, matrix_factor

CHANNELS, BATCH = 10_000, 8


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def inputs(product, channels: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    return random(5, product.irreps_in1.dim, channels), random(5, product.irreps_in2.dim, channels, seed=1)


def triangles(lmax: int) -> list[tuple[int, int, int]]:
    degrees = range(lmax + 1)
    return [(a, b, c) for a in degrees for b in degrees for c in degrees if abs(a - b) <= c <= a + b]


@pytest.mark.parametrize("space", [(1, 1, 1), (2, 2, 2), (3, 3, 3), (1, 2, 0), (2, 1, 3)])
def test_strengths_are_6j_symbols(space):
    i, j, k = space
    count = 0
    for l1, l2, l3 in triangles(4):
        if abs(i - j) <= l1 <= i + j and abs(j - k) <= l2 <= j + k and abs(i - k) <= l3 <= i + k:
            size = sqrt((2 * l1 + 1) * (2 * l2 + 1) * (2 * l3 + 1))
            expected = size * float(wigner_6j(l1, l2, l3, k, i, j))
            assert abs(abs(matrix_factor((l1, l2, l3), space)) - abs(expected)) < 1e-13
            count += 1
    assert count > 0


@pytest.mark.parametrize("space", ["single", "sum"])
def test_equals_the_sum_over_paths(space):
    product = Matrix("0e+1o+1e+2e", "0o+1o+2e", space=space, degree=2, normalization="none")
    x, y = inputs(product)
    z = x.new_zeros(5, product.irreps_out.dim, 2)
    types = (product.irreps_in1, product.irreps_in2, product.irreps_out)
    degrees = [2] if space == "single" else range(3)
    for ir1, rows1 in zip(types[0], types[0].slices()):
        for ir2, rows2 in zip(types[1], types[1].slices()):
            for ir3, rows3 in zip(types[2], types[2].slices()):
                if ir3 in ir1 * ir2:
                    l = (ir1.l, ir2.l, ir3.l)
                    blocks = [(i, j, k) for i in degrees for j in degrees for k in degrees]
                    live = [
                        (i, j, k)
                        for i, j, k in blocks
                        if all(abs(a - b) <= c <= a + b for a, b, c in ((i, j, l[0]), (j, k, l[1]), (i, k, l[2])))
                    ]
                    strength = sum(matrix_factor(l, block) for block in live)
                    coupled = torch.einsum("bic,bjc,ijk->bkc", x[:, rows1], y[:, rows2], wigner_3j(*l))
                    z[:, rows3] += strength * coupled
    assert relative_error(product.double()(x, y), z) < 1e-12


def test_commutator_of_vectors_is_the_cross_product_and_anticommutator_is_symmetric():
    product = Matrix("1o", "1o", "0e+1e+2e").double()
    x, y = random(5, 3, 2), random(5, 3, 2, seed=1)
    there, back = product(x, y), product(y, x)
    cross = torch.linalg.cross(x, y, dim=1)
    assert relative_error((there - back)[:, 1:4].abs(), (sqrt(2) * cross).abs()) < 1e-13
    assert relative_error(there[:, :1], back[:, :1]) < 1e-13
    assert relative_error(there[:, 4:], back[:, 4:]) < 1e-13


def test_nothing_of_wrong_parity_leaks():
    """Exactly zero, not rounding: both halves of the space are kept apart."""
    product = Matrix("0e+0o+1o+1e+2e+2o", "0e+0o+1o+1e", space="sum").double()
    x, y = inputs(product)
    odd_rows = [
        torch.tensor([ir.p == -1 for ir in each for _ in range(ir.dim)])
        for each in (product.irreps_in1, product.irreps_in2, product.irreps_out)
    ]
    for p1 in (1, -1):
        for p2 in (1, -1):
            one = x * (odd_rows[0] == (p1 == -1))[:, None]
            two = y * (odd_rows[1] == (p2 == -1))[:, None]
            z = product(one, two)
            wrong = odd_rows[2] != (p1 * p2 == -1)
            assert z[:, wrong].abs().max() == 0 and z[:, ~wrong].abs().min() > 0


def test_a_product_that_ignores_parity_is_not_equivariant():
    """Negative control: all entries read as even ones."""
    blind = Matrix("0e+1e", "0e+1e", "0e+1e").double()
    x, y = inputs(blind)
    natural = IrrepsRepresentation("0e+1o")
    assert equivariance_error(blind, [x, y], [natural, natural], natural, O(3)) > 0.1


@pytest.mark.parametrize(("lmax", "single", "full"), [(1, 5, 6), (2, 9, 19)])
def test_expressivity_is_that_of_the_paper_and_the_direct_sum_is_complete(lmax, single, full):
    """The paper counts one result of each degree, without parity: 4 L + 1."""
    even, out = (Irreps([f"{l}e" for l in range(degrees + 1)]) for degrees in (lmax, 2 * lmax))
    assert expressivity(Matrix(even, even, out)).dim == single
    assert expressivity(Matrix(even, even, out, space="sum", weights="external")).dim == full


def test_every_allowed_path_is_alive_at_the_default_degree_and_some_are_not_at_others():
    """6j symbols vanish by accident: { 3 5 5; 3 3 3 } does, and degree 3 has all operators up to 6."""
    assert Matrix("3o", "5o", "5e").degree == 4
    assert abs(float(wigner_6j(3, 5, 5, 3, 3, 3))) == 0
    with pytest.raises(IrrepsError, match=r"asks for 5e.*degree=3. Leave degree out"):
        Matrix("3o", "5o", "5e", degree=3)


def test_large_matrices_approach_the_gaunt_product():
    """A fuzzy sphere: the error of every even path falls with the square of the degree, odd paths fade out."""
    for path in triangles(3):
        exact = abs(gaunt_factor(*path))
        errors = [abs(sqrt((2 * a + 1) / (4 * pi)) * abs(matrix_factor(path, (a, a, a))) - exact) for a in (6, 12, 24)]
        if sum(path) % 2 == 0 and max(errors) > 1e-12:
            assert errors[1] < 0.4 * errors[0] and errors[2] < 0.3 * errors[1]
        if sum(path) % 2:
            assert errors[0] > errors[1] > errors[2] > 0


@pytest.mark.parametrize("lmax", [5, 8])
def test_equivariance_at_high_degrees(lmax):
    natural = Irreps.spherical_harmonics(lmax)
    product = Matrix(natural, natural, natural).double()
    x, y = inputs(product)
    action = IrrepsRepresentation(natural)
    assert equivariance_error(product, [x, y], [action, action], action, O(3)) < 1e-12
    single = product.float()(x.float(), y.float()).double()
    assert relative_error(single, product.double()(x.float().double(), y.float().double())) < 5e-6


@pytest.mark.parametrize("space", ["single", "sum"])
@pytest.mark.parametrize("legs", [None, (1, 2, 3), (2,), (1,), (3,), (1, 3)])
@torch.no_grad()
def test_result_has_unit_variance(space, legs):
    options = {"weights": "external", "legs": legs} if legs else {}
    product = Matrix("0e+1o+1e+2x1o", "0e+1o", space=space, **options)
    x, y = random(BATCH, product.irreps_in1.dim, CHANNELS).float(), random(BATCH, 4, CHANNELS, seed=1).float()
    weight = [random(product.weight_count, CHANNELS, seed=2).sign().float()] if legs else []
    z = product(x, y, *weight)
    for ir, rows in zip(product.irreps_out, product.irreps_out.slices(), strict=True):
        squares = z[:, rows].square().mean((0, 1))
        deviation, error = abs(float(squares.mean()) - 1), float(squares.std()) / CHANNELS**0.5
        assert deviation < 4 * error + 0.01, f"{ir}: {squares.mean():.3f} +- {error:.3f}"


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("0e+1o", "0e+1o", "0e+3o"), {}, r"asks for 3o.*Drop it"),
        (("0e+1o", "0e+1o", "0o"), {}, r"asks for 0o.*Drop it"),
        (("0e+3o", "0e+1o"), {"degree": 1}, r"degrees up to 2, came irreps_in1 0e\+3o.*at least 2"),
        (("0e+1o", "0e+1o"), {"legs": (1, 4)}, r"legs: expected some of 1, 2"),
        (("", "0e+1o"), {}, "irreps on every leg"),
        (("0e", "0e", ""), {}, "irreps on every leg"),
        (("0e", "0e"), {"weights": "internal"}, "Matrix: weights='internal' need channels="),
    ],
)
def test_refusals_name_the_entry_and_the_remedy(arguments, options, message):
    with pytest.raises(IrrepsError, match=message):
        Matrix(*arguments, **options)
