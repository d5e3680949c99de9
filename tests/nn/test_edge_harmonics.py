"""Harmonics of edges: a feature that turns with them, the same by either way, for the models that read it."""

import pytest
import torch
from ase.build import molecule

from intertwine.groups.actions import LastAxis
from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error
from intertwine.groups.representation import Standard
from intertwine.nn.edge_harmonics import EdgeHarmonics
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.o3.representation import IrrepsRepresentation
from intertwine.o3.spherical_harmonics import spherical_harmonics
from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.saved import build_potential
from intertwine.potentials.structures.neighbors import connect
from intertwine.tensor_products.kernels.library import using


def vectors() -> torch.Tensor:
    return torch.randn(30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("degree", range(5))
def test_they_are_all_harmonics_up_to_the_degree_as_a_feature_of_one_channel(degree):
    found = EdgeHarmonics(degree)(vectors())
    expected = spherical_harmonics(range(degree + 1), vectors(), normalize=True, normalization="component")
    assert found.shape == (30, (degree + 1) ** 2, 1)
    torch.testing.assert_close(found.squeeze(-1), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("p", [-1, 1])
def test_turning_edges_turns_their_harmonics(p):
    harmonics, vector = EdgeHarmonics(4), LastAxis(Standard(O(3)))
    irreps = Irreps.spherical_harmonics(4, p)
    features, generator = IrrepsRepresentation(irreps), torch.Generator().manual_seed(0)
    error = equivariance_error(harmonics, [vectors()], [vector], features, O(3), generator=generator)
    if irreps == harmonics.irreps:
        assert error < 1e-12
    else:
        assert error > 0.1  # even parity throughout is wrong for the harmonics of a vector


def test_functions_of_functions_take_the_readable_way():
    harmonics, x = EdgeHarmonics(2), vectors()
    slopes = torch.func.jacrev(harmonics)(x[:1])
    torch.testing.assert_close(slopes, torch.autograd.functional.jacobian(harmonics, x[:1]))
    along = torch.func.jvp(harmonics, (x,), (x,))[1]
    assert along.abs().max() < 1e-12  # nothing changes along an edge


@pytest.mark.parametrize("kind", ["mace", "nequip", "facet", "tdn", "escn"])
def test_models_predict_the_same_without_kernels(kind):
    small = {"species": [1, 6, 8], "cutoff": 3.0, "channels": 4}
    potential = build_potential(kind, small, {1: 0.0, 6: 0.0, 8: 0.0}, seed=0).double()
    graph = connect(from_atoms(molecule("CH3OH")), 3.0)
    found = potential(graph)
    with using(None):
        expected = potential(graph)
    torch.testing.assert_close(found.energy, expected.energy)
    torch.testing.assert_close(found.forces, expected.forces, rtol=0, atol=1e-10)


def test_a_negative_degree_is_refused_in_one_line():
    with pytest.raises(IrrepsError, match="EdgeHarmonics: expected a degree of at least 0, came -1"):
        EdgeHarmonics(-1)
