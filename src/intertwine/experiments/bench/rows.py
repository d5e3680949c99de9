"""The rows of the benchmark in a list to read: which map, beside whom, and what was promised. No group acts here."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from intertwine.experiments.bench.cases import (
    contractions,
    convolutions,
    decompositions,
    full_products,
    gaunt_products,
)
from intertwine.experiments.bench.operations import OPERATIONS
from intertwine.experiments.bench.potential_rows import POTENTIALS
from intertwine.experiments.bench.row import NAME, BenchError, Goal, Row, Side

E3NN = Side("e3nn", "torch", "e3nn_worker.py")
CUE = Side("cuequivariance", "torch", "cuequivariance_worker.py")
COMPILED = Side(
    "e3nn, compiled",
    "torch",
    "e3nn_worker.py",
    "compiled",
    covers=lambda case: case.setting == "MIMO" and case.degree <= 2,
    left_out="torch.compile takes minutes for it",
)
BOTH = {"forward": 30.0, "forward+backward": 30.0, "two derivatives": 20.0}
TWO, THREE = ("forward", "forward+backward"), ("forward", "forward+backward", "two derivatives")

ROWS: tuple[Row, ...] = (
    Row(
        "A",
        "Full product of irreps, every path to natural parities up to 2L",
        "1000 samples of one channel. SISO: degree L alone in, L out (odd L has no path of natural parity and is left "
        "out); SIMO: L alone in, 0 to 2L out; MIMO: 0 to L in, 0 to 2L out. Every path has an entry of its own, scaled "
        "by sqrt(2 l3 + 1). The memory of a feature is the same on all sides: [1000, dim], ours as [1000, dim, 1].",
        TWO,
        full_products,
        tuple(range(1, 9)),
        (1, 2),
        (Side(NAME), E3NN, COMPILED, CUE, Side("e3nn-jax", "jax", "e3nn_jax_worker.py")),
        (
            Goal(("e3nn",), {"forward": 20.0, "forward+backward": 15.0}),
            Goal(("e3nn-jax",), {"forward": 6.0, "forward+backward": 4.0}),
        ),
        "sparse couplings: SISO 2, SIMO 3, MIMO 5; dense: 3, 4, 6",
        slope_from=4,
    ),
    Row(
        "A'",
        "Gaunt product on a grid, degrees 0 to L in, one copy of 0 to 2L out",
        "1000 samples of one channel, orthonormal harmonics, no other factors. Beside e3nn-jax's grids under jit (2L + "
        "1 times 4L + 1 Gauss-Legendre points, the grid form of Xie et al., 2025; its transform along the rings by a "
        "matrix, which is faster here than its FFT) and beside our 2-D Fourier form.",
        TWO,
        gaunt_products,
        tuple(range(1, 13)),
        (1, 2),
        (
            Side(NAME),
            Side("grid in JAX", "jax", "e3nn_jax_worker.py"),
            Side("2-D Fourier, ours", variant="fourier"),
        ),
        (
            Goal(("grid in JAX",), {"forward": 5.0, "forward+backward": 3.0}, range(1, 5)),
            Goal(("grid in JAX",), {"forward": 2.0, "forward+backward": 1.5}, range(5, 13)),
            Goal(("2-D Fourier, ours",), {"forward": 30.0, "forward+backward": 30.0}),
        ),
        "separable grid 3, grid as one GEMM 4, 2-D Fourier 3 and a logarithm",
        slope_from=6,
    ),
    Row(
        "B",
        "Channel-wise convolution over edges, given weights",
        "64 channels, 10 000 edges sorted by receiver, 1000 nodes, node degrees 0 to L, harmonics and result to degree "
        "3; every path has an entry of its own (e3nn's uvu) and a weight for each edge and channel. Gather and scatter "
        "belong to the call. Backward: node features, harmonics and weights. Two derivatives: the gradient of |dE/dY|^2"
        " + E for features and weights, E a quadratic form of the result.",
        THREE,
        convolutions,
        (1, 2, 3),
        (1,),
        (Side(NAME), E3NN, CUE),
        (Goal(("e3nn", "cuequivariance"), BOTH),),
        memory=1 / 5,
    ),
    Row(
        "B'",
        "The same convolution with its radial network",
        "Row B with weights from a network 8-64-64-64-(paths times channels) with silu. Forward and backward through "
        "the network, gradients for features, harmonics, its input and its weights. Inference: ours from a table of "
        "the network over the distance, theirs the network.",
        ("forward", "forward+backward", "inference"),
        convolutions,
        (1, 2, 3),
        (1,),
        (Side(NAME), E3NN),
        (Goal(("e3nn",), {"forward": 9.0, "forward+backward": 9.0, "inference": 25.0}),),
    ),
    Row(
        "C",
        "Symmetric contraction of order 3, degrees 0 to 3 in, 0 to L out",
        "64 channels, 1000 nodes, 4 elements. The weights of each side are chosen so that all compute the same "
        "polynomial; a side whose couplings span less or more is refused. MACE keeps redundant couplings, ours are "
        "independent: the map is the same, the number of weights is not.",
        THREE,
        contractions,
        (1, 2),
        (1,),
        (
            Side(NAME),
            Side("mace", "mace", "mace_worker.py"),
            replace(
                CUE, covers=lambda case: case.degree < 2, left_out="it needed more than 22 GB before its first call"
            ),
        ),
        (Goal(("mace", "cuequivariance"), {"forward": 40.0, "forward+backward": 20.0, "two derivatives": 12.0}),),
        matched="same",
    ),
    Row(
        "E",
        "CP product, degrees 0 to L on all legs",
        "1000 samples of one channel. The exact rank where its factors are shipped (L up to 4), then rank 4 (L + 1)^2 "
        "with random factors, on which time does not depend. The roofline is the rate of a large GEMM on this machine.",
        TWO,
        decompositions,
        (1, 2, 3, 4, 6, 8),
        (1,),
        (Side(NAME),),
        asymptotic="6 with exact ranks, 4 with rank 4 (L + 1)^2",
        slope_from=2,
        of_roofline=0.7,
    ),
    *POTENTIALS,
    *OPERATIONS,
    *POTENTIALS,
)


def find_rows(names: Sequence[str]) -> tuple[Row, ...]:
    """The rows of these keys, all where none is named; "Ap" and "A-prime" are as good as "A'".

    Raises:
        BenchError: there is no such row.

    Example:
        >>> [row.key for row in find_rows(["b", "A-prime"])]
        ['B', "A'"]
    """
    known = {row.key.lower(): row for row in ROWS}
    found = []
    for name in names:
        key = name.lower().replace("-prime", "'").replace("p", "'")
        if key not in known:
            near = get_close_matches(key, known, n=1, cutoff=0.3)
            hint = f" Did you mean {known[near[0]].key}?" if near else ""
            raise BenchError(f"there is no row {name!r}; there are {', '.join(row.key for row in ROWS)}.{hint}")
        found.append(known[key])
    return tuple(found) or ROWS
