"""Irreps of O(3) and functions on the sphere: harmonics, Wigner matrices, couplings, grids, Fourier transforms."""

from intertwine.o3.clebsch_gordan import wigner_3j
from intertwine.o3.gaunt import bracket_factor, gaunt, gaunt_factor, poisson_bracket
from intertwine.o3.grid import SphereGrid, gauss_legendre, lebedev, smallest_grid
from intertwine.o3.irreps import Irrep, Irreps, IrrepsError
from intertwine.o3.spherical_harmonics import SphericalHarmonics, spherical_harmonics, surface_gradient

__all__ = [
    "Irrep",
    "Irreps",
    "IrrepsError",
    "SphereGrid",
    "SphericalHarmonics",
    "bracket_factor",
    "gaunt",
    "gaunt_factor",
    "gauss_legendre",
    "lebedev",
    "poisson_bracket",
    "smallest_grid",
    "spherical_harmonics",
    "surface_gradient",
    "wigner_3j",
]
