"""The members of every family that a contract check runs on, at sizes small enough for finite differences."""

from functools import partial

import torch

from intertwine.nn.gate import Gate
from intertwine.nn.grid_mlp import GridMLP
from intertwine.nn.linear import Linear, SharedLinear
from intertwine.nn.norm import RMSNorm
from intertwine.nn.sphere_activation import SphereActivation
from intertwine.o3.grid import gauss_legendre
from intertwine.tensor_products.cg_contraction import ClebschGordanContraction
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.cp.cp import CP
from intertwine.tensor_products.edge_frame.so2 import SO2
from intertwine.tensor_products.edge_frame.so2_linear import SO2Linear
from intertwine.tensor_products.matrix import Matrix
from intertwine.tensor_products.sphere.gaunt import Gaunt
from intertwine.tensor_products.sphere.gaunt_contraction import GauntContraction
from intertwine.tensor_products.sphere.gaunt_convolution import GauntConvolution
from intertwine.tensor_products.sphere.vector_gaunt import VectorGaunt

MIXED, NATURAL = "0e+1o+1e+2e", "0e+1o+2e"

PRODUCTS = {
    "clebsch-gordan": partial(ClebschGordan, NATURAL, NATURAL),
    "clebsch-gordan, mixed parities": partial(ClebschGordan, MIXED, "0o+1o", weights="internal", channels=2),
    "clebsch-gordan, repeated irreps": partial(ClebschGordan, "0e+2x1o", "0e+2x1o", "2x0e+1o+1e", weights="external"),
    "clebsch-gordan, weight on an edge": partial(ClebschGordan, "0e+1o", NATURAL, weights="external"),
    "clebsch-gordan, chosen paths": partial(
        ClebschGordan, NATURAL, NATURAL, "1o+2e", paths=[(2, 2, 1), (1, 0, 0), (0, 2, 1)], weights="external"
    ),
    "clebsch-gordan, scalars": partial(ClebschGordan, "0e", "0o", weights="internal", channels=3),
    "clebsch-gordan, bare": partial(ClebschGordan, "1o+2e", "1o", normalization="none"),
    "gaunt": partial(Gaunt, NATURAL, NATURAL),
    "gaunt, weights on three legs": partial(Gaunt, NATURAL, NATURAL, "0e+1o", weights="external"),
    "gaunt, weight on an edge": partial(Gaunt, NATURAL, NATURAL, NATURAL, weights="external", legs=(2,)),
    "gaunt, weights inside": partial(Gaunt, "0e+1o", "1o", weights="internal", channels=2, legs=(1, 3)),
    "gaunt, mixed parities": partial(Gaunt, MIXED, "0o+1o", weights="external"),
    "gaunt, repeated irreps": partial(Gaunt, "2x0e+2x1o", "1o+0e+1o", "2x1o+0e", weights="external"),
    "gaunt, another grid": partial(Gaunt, "0e+1o", "0e+1o", grid=gauss_legendre(7)),
    "gaunt, bare": partial(Gaunt, NATURAL, "1o", normalization="none"),
    "gaunt, scalars": partial(Gaunt, "0e", "0e", weights="external"),
    "gaunt, one irrep": partial(Gaunt, "2e", "2o", "2o"),
    "gaunt + bracket": partial(Gaunt, NATURAL, NATURAL, odd="bracket"),
    "gaunt + bracket, weight on an edge": partial(
        Gaunt, NATURAL, NATURAL, "0e+1o+1e", odd="bracket", weights="external", legs=(2,)
    ),
    "gaunt + bracket, mixed parities": partial(Gaunt, MIXED, "0o+1o+1e", odd="bracket", weights="external"),
    "gaunt + bracket, odd results only": partial(Gaunt, "1o+2e", "1o+2e", "1e+2o", odd="bracket", weights="external"),
    "gaunt, fourier": partial(Gaunt, NATURAL, NATURAL, method="fourier", weights="external"),
    "gaunt + bracket, fourier": partial(
        Gaunt, MIXED, "1o+2e", odd="bracket", method="fourier", weights="internal", channels=2
    ),
    "cp": partial(CP, NATURAL, NATURAL, NATURAL),
    "cp, one weight for all paths": partial(CP, "0e+1e+2e", "0e+1e+2e", "0e+1e+2e", weights="external"),
    "cp, weights on three legs": partial(CP, "0e+1o", NATURAL, "0e+1o", weights="external", legs=(1, 2, 3)),
    "cp, weights inside": partial(CP, "0e+1o", "0e+1o", weights="internal", channels=2),
    "cp, weight on an edge": partial(CP, NATURAL, NATURAL, "0e+1o", weights="external", legs=(2,)),
    "cp, mixed parities": partial(CP, "0e+1o+1e", "0o+1o", "0o+1o", weights="internal", legs=(3, 1), channels=2),
    "cp, repeated irreps": partial(CP, "1o+2x0e+1o", "2x1o+0e", "2x1o+0e", weights="external", legs=(1,)),
    "cp, bare": partial(CP, "1o+2e", "1o", "1o+2e", normalization="none"),
    "cp, scalars": partial(CP, "0e", "0o", "0o", weights="external"),
    "matrix": partial(Matrix, NATURAL, NATURAL, "0e+1o+1e+2e"),
    "matrix, mixed parities": partial(Matrix, MIXED, "0o+1o", weights="external"),
    "matrix, weight on an edge": partial(Matrix, NATURAL, NATURAL, NATURAL, weights="external", legs=(2,)),
    "matrix, repeated irreps": partial(Matrix, "2x0e+2x1o", "1o+0e+1o", "2x1o+0e", weights="external"),
    "matrix, weights inside": partial(Matrix, "0e+1o", "1o", weights="internal", channels=2, legs=(1, 3)),
    "matrix, larger space": partial(Matrix, "0e+1o", "1o", degree=3, normalization="none"),
    "matrix, scalars": partial(Matrix, "0e", "0o", weights="external"),
    "matrix, direct sum": partial(Matrix, "0e+1o", MIXED, "0e+1o+1e", space="sum"),
    "matrix, direct sum, weights": partial(Matrix, "0e+1o", "0e+1o", "0e+1o+1e", space="sum", weights="external"),
    "vector gaunt": partial(VectorGaunt, NATURAL, "0e+1o", "0e+1o+1e+2e+2o"),
    "vector gaunt, mixed parities": partial(VectorGaunt, "0e+1o+1e", "0o+1o", weights="external"),
    "vector gaunt, weight on an edge": partial(VectorGaunt, "0e+1o", NATURAL, "0e+1o", weights="external", legs=(2,)),
    "vector gaunt, repeated irreps": partial(VectorGaunt, "2x0e+2x1o", "1o+0e+1o", "2x1o+0e", weights="external"),
    "vector gaunt, weights inside": partial(VectorGaunt, "0e+1o", "1o", weights="internal", channels=2, legs=(1, 3)),
    "vector gaunt, vectors only": partial(VectorGaunt, "1o+2e", "1o", "1e+2o", normalization="none"),
    "vector gaunt, scalars": partial(VectorGaunt, "0e", "0o", weights="external"),
}
"""Every kind of member, by a name that a failing test shows: add yours here."""

EDGE_PRODUCTS = {
    "so2": partial(SO2, NATURAL, NATURAL),
    "so2, mixed parities": partial(SO2, MIXED, NATURAL, "0o+1e+1o+2o", weights="external"),
    "so2, chosen paths": partial(SO2, NATURAL, "0e+2x1o", "1o+1e", paths=[(1, 1, 1), (1, 2, 1), (0, 2, 0), (1, 0, 0)]),
    "so2, weights inside": partial(SO2, "0e+1o", NATURAL, "2x1o+2e", weights="internal", channels=2),
    "so2, scalars": partial(SO2, "0o", "0e", "0o", weights="external"),
    "so2, odd paths only": partial(SO2, "1o", "1o", "1e", normalization="none"),
    "so2 linear": partial(SO2Linear, MIXED, "0e+1o+2o", weights="external"),
    "so2 linear, low orders": partial(SO2Linear, NATURAL, "2e+1e", mmax=1, channels=2),
    "so2 linear, scalars": partial(SO2Linear, "0e", "0e", channels=2),
    "gaunt convolution": partial(GauntConvolution, NATURAL, NATURAL),
    "gaunt convolution, weight on an edge": partial(
        GauntConvolution, NATURAL, "0e+2x1o", NATURAL, weights="external", legs=(2,)
    ),
    "gaunt convolution + bracket": partial(GauntConvolution, MIXED, "0e+1o", odd="bracket", weights="external"),
    "gaunt convolution, weights inside": partial(
        GauntConvolution, "0e+1e", NATURAL, "1e+2x2o", weights="internal", channels=2, legs=(1, 3)
    ),
}
"""Products of a feature with an edge, linear in the feature alone."""


def of_two_elements(batch: tuple[int, ...]) -> tuple[torch.Tensor]:
    """An element for every node."""
    return (torch.arange(*batch) % 2,)


SQUARES_OF_SQUARES = 2e-5
"""Rounding in float32 of a random network that squares on every point, twice: up to 6e-6, by seed and by processor."""
SIZES = {"channels": 2, "correlation": 3, "elements": 2}
PER_NODE = {"channels": 2, "others": of_two_elements, "batches": [(0,), (5,)]}
LAYERS = {
    "linear": (partial(Linear, "0e+2x1o+2e", "2x1o+0e", 2, 3), "0e+2x1o+2e", "2x1o+0e", {"channels": 2}),
    "linear, reordered": (partial(Linear, "1o+0e", "1o+0e+1o", 2, 2), "1o+0e", "1o+0e+1o", {"channels": 2}),
    "shared linear": (partial(SharedLinear, "2x0e+1o+2e", "1o+2x0e", 2, 3), "2x0e+1o+2e", "1o+2x0e", {"channels": 2}),
    "gate": (partial(Gate, "0e+0o+1o+0e+2e"), "3x0e+0e+0o+1o+0e+2e", "0e+0o+1o+0e+2e", {"channels": 3}),
    "gate, scalars": (partial(Gate, "2x0e"), "2x0e", "2x0e", {"channels": 3}),
    "rms norm": (partial(RMSNorm, "0e+1e+2o", 3), "0e+1e+2o", "0e+1e+2o", {"channels": 3}),
    # polynomials only: of these a grid is exact
    "sphere activation": (partial(SphereActivation, NATURAL, function=torch.square), NATURAL, NATURAL, {"channels": 2}),
    "sphere activation, mixed parities": (
        partial(SphereActivation, MIXED, "1o+1e", function=lambda u: u**3 - u),
        MIXED,
        "1o+1e",
        {"channels": 2},
    ),
    "grid mlp": (
        partial(GridMLP, "2x0e+1o+2e", "2x1o+0e", 2, 3, activation=torch.square),
        "2x0e+1o+2e",
        "2x1o+0e",
        {"channels": 2, "rounding": SQUARES_OF_SQUARES},
    ),
    "grid mlp, rotations only": (
        partial(GridMLP, "0e+1e", "0e+1e+2e", 2, 2, activation=torch.square, inversion="trivial"),
        "0e+1e",
        "0e+1e+2e",
        {"channels": 2, "rounding": SQUARES_OF_SQUARES},
    ),
    "clebsch-gordan contraction": (
        partial(ClebschGordanContraction, "0e+1o", "0e+1o", **SIZES),
        "0e+1o",
        "0e+1o",
        PER_NODE,
    ),
    "clebsch-gordan contraction, mixed parities": (
        partial(ClebschGordanContraction, "0o+1o+1e", "0e+1e+1o", **SIZES),
        "0o+1o+1e",
        "0e+1e+1o",
        PER_NODE,
    ),
    "gaunt contraction": (partial(GauntContraction, NATURAL, "0e+1o", **SIZES), NATURAL, "0e+1o", PER_NODE),
    "gaunt contraction, repeated irreps": (
        partial(GauntContraction, "2x0e+2x1o", "2x1o+0e", **SIZES),
        "2x0e+2x1o",
        "2x1o+0e",
        PER_NODE,
    ),
    "gaunt contraction + double bracket": (
        partial(GauntContraction, NATURAL, "0e+1o", bracket=True, **SIZES),
        NATURAL,
        "0e+1o",
        PER_NODE,
    ),
    "gaunt contraction + double bracket, order 4": (
        partial(GauntContraction, "0e+1o", "0e+1o", bracket=True, **{**SIZES, "correlation": 4}),
        "0e+1o",
        "0e+1o",
        PER_NODE,
    ),
}
"""Layers with the types of their feature and result and the arguments of `check_layer`: add yours here."""
