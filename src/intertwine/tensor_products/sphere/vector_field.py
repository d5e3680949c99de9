"""Features read as vector fields on the sphere, axial and polar apart; O(3) acts on `dim`; adds the cross product."""

from collections.abc import Mapping, Sequence
from functools import cache
from math import sqrt

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.clebsch_gordan import real_wigner_3j, wigner_3j
from intertwine.o3.constants import Constants
from intertwine.o3.gaunt import gaunt, gaunt_factor
from intertwine.o3.grid import SphereGrid
from intertwine.o3.irreps import Irrep, Irreps
from intertwine.o3.spherical_harmonics import spherical_harmonics

Fields = dict[int, Tensor]
"""Cartesian components `*batch 3 point channel` by character: 0 axial (as a torque), 1 polar (as a force)."""

ORBITALS = {1: {0: 1.0, 1: 1.0}, 2: {-1: 1.0}, 3: {0: 1.0, 1: -1.0}}
"""Which orbitals l = j + step an entry of degree j takes on each leg, and with which sign.

The choice with which no path vanishes or is the difference of two others. Were all legs alike, the cross product would
be antisymmetric in x and y, and even paths of equal degrees would cancel. A test tries all paths.
"""


class VectorField(nn.Module):
    r"""Vector spherical harmonics of a feature to values at points, and back.

        F(r) = sum over entries and m of  x_m V^jl_m(r)
        V^jl_m = sqrt(2 j + 1) sum over n and k of  wigner_3j(l, 1, j)[n, k, m] Y^l_n e_k

    V are orthonormal on the sphere. Degree j says how a field turns, the orbital l = j - 1, j or j + 1 of which
    functions its components are made.

    Args:
        irreps: type of the feature, axial entries first.
        places: character and orbital of every entry.
        leg: 1, 2 or 3, for the signs of the orbitals.

    Shapes: x `*batch dim channel`, values `*batch 3 point channel`.
    """

    def __init__(self, irreps: Irreps, places: Sequence[tuple[int, ...]], leg: int, grid: SphereGrid):
        super().__init__()
        self.characters = sorted({character for character, _ in places})
        self.sizes, tables = [], {}
        for character in self.characters:
            entries = [(ir.l, l) for ir, (own, l) in zip(irreps, places) if own == character]
            values = [ORBITALS[leg][l - j] * vector_harmonics(j, l, grid.points) for j, l in entries]
            table = torch.cat(values, -1)  # [k, point, m]
            tables[f"sample{character}"] = table.flatten(0, 1)
            tables[f"expand{character}"] = (table * grid.weights[:, None]).flatten(0, 1).T.contiguous()
            self.sizes.append(table.shape[-1])
        self.tables = Constants(**tables)

    def sample(self, x: Float[Tensor, "*batch dim channel"]) -> Fields:
        """Values of both fields."""
        parts = zip(self.characters, x.split(self.sizes, dim=-2))
        return {each: (self.tables.like(x, f"sample{each}") @ part).unflatten(-2, (3, -1)) for each, part in parts}

    def expand(self, fields: Mapping[int, Tensor]) -> Float[Tensor, "*batch dim channel"]:
        """Components of both fields."""
        found = [(fields[each].flatten(-3, -2), f"expand{each}") for each in self.characters]
        return torch.cat([self.tables.like(field, name) @ field for field, name in found], -2)


def cross(f: Fields, g: Fields) -> Fields:
    """The cross product at every point; of two polar or two axial fields it is axial."""
    found: Fields = {}
    for one, a in f.items():
        for two, b in g.items():
            term = torch.linalg.cross(*torch.broadcast_tensors(a, b), dim=-3)
            found[one ^ two] = found[one ^ two] + term if one ^ two in found else term
    return found


def orbitals(ir: Irrep, leg: int) -> list[tuple[int, int]]:
    """Character and orbital of the fields that an irrep is on a leg: the inversion acts by (-1)^(l + character)."""
    return [((ir.l + step + (ir.p == -1)) % 2, ir.l + step) for step in ORBITALS[leg]]


def vector_harmonics(j: int, l: int, points: Float[Tensor, "point 3"]) -> Float[Tensor, "3 point dim"]:
    """V^jl at unit vectors, Cartesian components first."""
    values = spherical_harmonics(l, points, normalize=False)
    return sqrt(2 * j + 1) * torch.einsum("qn,nkm->kqm", values, wigner_3j(l, 1, j).to(values.dtype))


@cache
def cross_factor(j: tuple[int, int, int], l: tuple[int, int, int]) -> float:
    r"""int V^j3l3 . (V^j1l1 x V^j2l2) = cross_factor * `wigner_3j(j1, j2, j3)`: with a 9j symbol, read off one entry.

    Zero unless l1 + l2 + l3 is even and within the triangle rule.

    Example:
        >>> cross_factor((1, 1, 1), (0, 0, 0)) > 0, cross_factor((1, 1, 1), (1, 1, 1))
        (True, 0.0)
    """
    if not abs(l[0] - l[1]) <= l[2] <= l[0] + l[1] or not gaunt_factor(*l):
        return 0.0
    coupled = real_wigner_3j(*j)
    place = np.unravel_index(np.abs(coupled).argmax(), coupled.shape)
    fields = [
        sqrt(2 * total + 1) * real_wigner_3j(orbital, 1, total)[:, :, m] for total, orbital, m in zip(j, l, place)
    ]
    one, two, three = fields
    epsilon = sqrt(6) * real_wigner_3j(1, 1, 1)
    table = gaunt(*l).numpy()
    return float(np.einsum("abc,ai,bj,ck,ijk->", table, one, two, three, epsilon, optimize=True) / coupled[place])
