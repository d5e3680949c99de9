"""The parts of mace-torch's architecture: mixing by element, radial functions, transforms, repulsion."""

from math import exp, pi, sin, sqrt, tanh

import pytest
import torch

from intertwine.nn.radial import BesselBasis
from intertwine.o3.irreps import Irreps
from intertwine.potentials.models.distance_transform import Agnesi, Soft
from intertwine.potentials.models.element_linear import FEW, ElementLinear
from intertwine.potentials.models.mace_torch_radial import FreeBessel
from intertwine.potentials.models.mace_torch_repulsion import mace_repulsion


@pytest.mark.parametrize("elements", [1, 3, FEW + 5])
def test_every_atom_is_mixed_by_the_matrix_of_its_element(elements):
    irreps = Irreps("0e+1o")
    linear = ElementLinear(irreps, channels=3, elements=elements).double()
    x, element = torch.randn(7, 4, 3, dtype=torch.float64), torch.randint(elements, (7,))
    expected = torch.zeros_like(x)
    for atom in range(7):
        for where, weight in zip(irreps.slices(), linear.weights):
            expected[atom, where] = x[atom, where] @ weight[:, element[atom]]
    torch.testing.assert_close(linear(x, element), expected)


def test_free_waves_begin_as_standing_waves_and_hear_their_frequencies():
    r = torch.linspace(0.1, 4.9, 9, dtype=torch.float64)
    free = FreeBessel(5.0, count=4).double()
    torch.testing.assert_close(free(r), BesselBasis(5.0, count=4).double()(r), rtol=1e-6, atol=1e-6)
    with torch.no_grad():
        free.frequencies[2] = 0.37
    assert float(free(r)[4, 2].detach()) == pytest.approx(sqrt(2 / 5) * sin(0.37 * pi * 2.5) / 2.5)


def test_transforms_of_a_distance_as_published():
    r, one, two = torch.tensor([1.3]).double(), torch.tensor([0]), torch.tensor([1])
    t = 1.3 / ((0.31 + 0.66) / 2)
    agnesi = 1 / (1 + 1.0805 * t**0.9183 / (1 + t ** (0.9183 - 4.5791)))
    assert float(Agnesi([0.31, 0.66]).double()(r, one, two).detach()) == pytest.approx(agnesi, rel=1e-6)
    near, far = 0.75 * 0.97, 4 / 3 * 0.97
    soft = near + (1.3 - near) * (1 + tanh(4 * (1.3 - (near + far) / 2) / (far - near))) / 2
    assert float(Soft([0.31, 0.66]).double()(r, one, two).detach()) == pytest.approx(soft, rel=1e-6)


def test_repulsion_with_the_constants_of_mace_torch():
    constants = dict(exponent=0.3, length=0.4543, amplitudes=[0.1818, 0.5099, 0.2802, 0.02817], envelope=6)
    repulsion = mace_repulsion((8, 26), 5.0, radii=[0.66, 1.32], **constants).double()
    vectors = torch.tensor([[0.0, 0.9, 0.0], [0.0, -0.9, 0.0]], dtype=torch.float64)
    found = repulsion(torch.tensor([0, 1]), vectors, torch.tensor([0, 1]), torch.tensor([1, 0]))
    x, t = 0.9 * (8**0.3 + 26**0.3) / (0.4543 * 0.529), 0.9 / 1.98
    terms = zip(constants["amplitudes"], (3.2, 0.9423, 0.4028, 0.2016))
    phi = sum(amplitude * exp(-decay * x) for amplitude, decay in terms)
    envelope = 1 - 28 * t**6 + 48 * t**7 - 21 * t**8
    assert found.tolist() == pytest.approx([14.3996 * 8 * 26 / 0.9 * phi * envelope / 2] * 2)
