"""How much work a case is: floating-point operations and bytes that no implementation can avoid.

Counts come from the couplings that O(3) fixes, not from any code, so that the fraction of the roofline is fair to all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import log2, prod
from typing import Any

from intertwine.experiments.bench.cases import Case
from intertwine.o3.clebsch_gordan import wigner_3j
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.symmetric_power import exponents, symmetric_power

SMALL = 1e-12
"""Couplings below it are zero but for rounding."""
FLOAT, INDEX = 4, 8


@dataclass(frozen=True)
class Work:
    """Of one call."""

    flops: int
    bytes: int

    def bound(self, flops_a_second: float, bytes_a_second: float) -> float:
        """Seconds that the machine needs at least: the roofline.

        Example:
            >>> Work(flops=2 * 10**9, bytes=10**9).bound(1e11, 2e10)
            0.05
        """
        return max(self.flops / flops_a_second, self.bytes / bytes_a_second)


def work(row: str, case: Case, name: str) -> Work | None:
    """The work of a pass, or None where nothing sensible can be counted.

    Forward and backward of a bilinear map are three such maps, of a map of feature, filter and weight four, and its two
    derivatives seven.
    """
    count = COUNTS.get(row)
    return None if count is None else count(case.data, name)


def product_work(data: dict[str, Any], name: str) -> Work:
    """Row A: products x_i y_j once, then a multiply-add for each coupling; everything read or written once."""
    types = [Irreps(data[each]) for each in ("irreps_in1", "irreps_in2", "irreps_out")]
    slices = [each.slices() for each in types]
    pairs, nonzero = set(), 0
    for in1, in2, out in data["paths"]:
        table = wigner_3j(types[0][in1].l, types[1][in2].l, types[2][out].l).abs() > SMALL
        nonzero += int(table.sum())
        i0, j0 = slices[0][in1].start, slices[1][in2].start
        pairs |= {(i0 + i, j0 + j) for i, j in table.any(2).nonzero().tolist()}
    forward = 2 * nonzero + len(pairs)
    once = sum(each.dim for each in types)
    flops, floats = {"forward": (forward, once), "forward+backward": (3 * forward, 2 * once + types[0].dim)}[name]
    return Work(data["batch"] * flops, data["batch"] * FLOAT * floats)


def sphere_work(data: dict[str, Any], name: str) -> Work:
    """Row A': the sparse couplings or separable transforms to and from the sphere, whichever is less.

    A separable transform takes the Legendre sums of every order, halved by north-south parity, and real FFTs along the
    rings; the grid of 2L + 1 rings of 4L + 1 points is the smallest that is exact.
    """
    sparse = product_work(data, name)
    dims = [Irreps(data[each]).dim for each in ("irreps_in1", "irreps_in2", "irreps_out")]
    degree = Irreps(data["irreps_in1"]).lmax
    rings, points = 2 * degree + 1, 4 * degree + 1
    forward = sum(dims) * rings + rings * points * (3 * 2.5 * log2(points) + 1)
    times = {"forward": 1, "forward+backward": 3}[name]
    return Work(min(sparse.flops, round(data["batch"] * times * forward)), sparse.bytes)


def convolution_work(data: dict[str, Any], name: str) -> Work | None:
    """Row B: the filter's matrix once an edge, weight times feature, then the matrix, channel by channel."""
    types = [Irreps(data[each]) for each in ("irreps_in1", "irreps_in2", "irreps_out")]
    fill = apply = scale = 0
    for in1, in2, out in data["paths"]:
        table = wigner_3j(types[0][in1].l, types[1][in2].l, types[2][out].l).abs() > SMALL
        fill += 2 * int(table.sum())
        apply += 2 * int(table.any(1).sum())
        scale += types[0][in1].dim
    edges, nodes, channels = data["edges"], data["nodes"], data["channels"]
    forward = edges * (fill + channels * (apply + scale))
    weights = edges * len(data["paths"]) * channels
    filters = edges * types[1].dim
    one, result = nodes * channels * types[0].dim, nodes * channels * types[2].dim
    floats = {
        "forward": weights + filters + one + result,
        "forward+backward": 3 * (weights + filters + one) + 2 * result,
        "two derivatives": 5 * (weights + filters + one) + 4 * result,
    }
    times = {"forward": 1, "forward+backward": 4, "two derivatives": 7}
    return Work(times[name] * forward, FLOAT * floats[name] + 2 * INDEX * edges) if name in times else None


def layer_work(data: dict[str, Any], name: str) -> Work | None:
    """Row B': row B and the GEMMs of the radial network; per-edge weights need not exist in memory."""
    inner = convolution_work(data, "forward" if name == "inference" else name)
    if inner is None or name == "inference":
        return None
    widths = [8, *data["hidden"], len(data["paths"]) * data["channels"]]
    gemm = 2 * data["edges"] * sum(prod(pair) for pair in pairwise(widths))
    times = 1 if name == "forward" else 3
    weights = data["edges"] * len(data["paths"]) * data["channels"] * (1 if name == "forward" else 3)
    return Work(inner.flops + times * gemm, inner.bytes - FLOAT * weights)


def contraction_work(data: dict[str, Any], name: str) -> Work:
    """Row C: one product a monomial, a multiply-add for each entry of our tables, one for each weighted row."""
    types = Irreps(data["irreps_in"]), Irreps(data["irreps_out"])
    products = sum(len(exponents(types[0].dim, order)) for order in range(2, data["correlation"] + 1))
    entries = rows = 0
    for order in range(1, data["correlation"] + 1):
        power = symmetric_power(types[0], order, types[1].lmax)
        for ir in types[1]:
            if ir in power:
                entries += int((power[ir].abs() > SMALL).sum())
                rows += power[ir].shape[0] * power[ir].shape[1]
    size = data["nodes"] * data["channels"]
    forward = size * (products + 2 * entries + 2 * rows)
    times, copies = {"forward": (1, 1), "forward+backward": (3, 2), "two derivatives": (7, 4)}[name]
    return Work(times * forward, copies * size * FLOAT * (types[0].dim + types[1].dim))


def decomposition_work(data: dict[str, Any], name: str) -> Work:
    """Row E: three GEMMs of the rank."""
    dims = [Irreps(data[each]).dim for each in ("irreps_in1", "irreps_in2", "irreps_out")]
    flops = 2 * data["batch"] * data["rank"] * sum(dims)
    times = {"forward": 1, "forward+backward": 3}[name]
    return Work(times * flops, times * data["batch"] * FLOAT * sum(dims))


COUNTS: dict[str, Callable[[dict[str, Any], str], Work | None]] = {
    "A": product_work,
    "A'": sphere_work,
    "B": convolution_work,
    "B'": layer_work,
    "C": contraction_work,
    "E": decomposition_work,
}
