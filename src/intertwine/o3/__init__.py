"""Irreps of O(3) and functions on the sphere: harmonics, Wigner matrices, couplings, grids, Fourier transforms."""

from intertwine.o3.clebsch_gordan import wigner_3j
from intertwine.o3.constants import Constants
from intertwine.o3.edge_frame import EdgeFrame, edge_quaternion
from intertwine.o3.fourier import convolve, fourier_to_harmonics, from_fourier, harmonics_to_fourier, to_fourier
from intertwine.o3.gaunt import bracket_factor, gaunt, gaunt_factor, poisson_bracket
from intertwine.o3.grid import SphereGrid, gauss_legendre, lebedev, smallest_grid
from intertwine.o3.irreps import Irrep, Irreps, IrrepsError
from intertwine.o3.layout import from_e3nn, split_channels, to_e3nn
from intertwine.o3.representation import IrrepsRepresentation
from intertwine.o3.rotation import (
    angles_to_matrix,
    axis_angle_to_matrix,
    matrix_to_angles,
    matrix_to_quaternion,
    quaternion_to_matrix,
    random_quaternion,
    random_rotation,
)
from intertwine.o3.spherical_harmonics import SphericalHarmonics, spherical_harmonics, surface_gradient
from intertwine.o3.wigner import wigner_d, wigner_d_from_angles, wigner_d_from_quaternion

__all__ = [
    "Constants",
    "EdgeFrame",
    "Irrep",
    "Irreps",
    "IrrepsError",
    "IrrepsRepresentation",
    "SphereGrid",
    "SphericalHarmonics",
    "angles_to_matrix",
    "axis_angle_to_matrix",
    "bracket_factor",
    "convolve",
    "edge_quaternion",
    "fourier_to_harmonics",
    "from_e3nn",
    "from_fourier",
    "gaunt",
    "gaunt_factor",
    "gauss_legendre",
    "harmonics_to_fourier",
    "lebedev",
    "matrix_to_angles",
    "matrix_to_quaternion",
    "poisson_bracket",
    "quaternion_to_matrix",
    "random_quaternion",
    "random_rotation",
    "smallest_grid",
    "spherical_harmonics",
    "split_channels",
    "surface_gradient",
    "to_e3nn",
    "to_fourier",
    "wigner_3j",
    "wigner_d",
    "wigner_d_from_angles",
    "wigner_d_from_quaternion",
]
