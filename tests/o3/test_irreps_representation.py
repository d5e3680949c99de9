"""The representation of O(3) that irreps describe."""

import torch

from intertwine.groups.classical import O
from intertwine.o3.irreps import Irreps
from intertwine.o3.representation import IrrepsRepresentation
from intertwine.o3.wigner import wigner_d

IRREPS = Irreps("2x0e+0o+1o+1e+3o+2e")


def elements(*shape: int) -> torch.Tensor:
    return O(3).sample(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_it_is_a_homomorphism_reflections_included():
    rep = IrrepsRepresentation(IRREPS)
    g, h = elements(2, 8)
    assert bool((torch.linalg.det(g) < 0).any()) and bool((torch.linalg.det(g) > 0).any())
    assert torch.allclose(rep.matrix(g @ h), rep.matrix(g) @ rep.matrix(h), atol=1e-13)
    assert not torch.allclose(rep.matrix(h @ g), rep.matrix(g) @ rep.matrix(h), atol=1e-3)


def test_blocks_are_wigner_matrices():
    g = elements(4)
    matrix = IrrepsRepresentation(IRREPS).matrix(g)
    for ir, rows in zip(IRREPS, IRREPS.slices()):
        assert torch.allclose(matrix[:, rows, rows], wigner_d(ir, g), atol=1e-14)
        matrix[:, rows, rows] = 0
    assert not matrix.any()


def test_inversion_is_the_parity():
    signs = IrrepsRepresentation(IRREPS).matrix(-torch.eye(3, dtype=torch.float64)).diagonal()
    expected = torch.cat([torch.full((ir.dim,), float(ir.p)) for ir in IRREPS]).double()
    assert torch.allclose(signs, expected, atol=1e-14)


def test_it_acts_on_the_dim_axis():
    rep = IrrepsRepresentation("0e+1o")
    g, x = elements(5), torch.randn(5, 4, 2, dtype=torch.float64)
    moved = rep.act(g, x)
    assert torch.allclose(moved[:, :1], x[:, :1], atol=1e-14)
    assert torch.allclose(moved[:, 1:], g @ x[:, 1:], atol=1e-14)


def test_no_irreps_is_a_space_of_dimension_zero():
    assert IrrepsRepresentation("").act(elements(3), torch.zeros(3, 0, 2)).shape == (3, 0, 2)
