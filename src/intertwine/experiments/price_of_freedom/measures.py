"""What products can say and what it costs, degree by degree: expressivity, seconds, operations; O(3) acts on `dim`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from statistics import linear_regression

import torch

from intertwine.experiments.experiment import Stage
from intertwine.experiments.outcome import Column, Number, Row, Table
from intertwine.experiments.timing import in_turns, quartiles
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.analysis.cost import cost
from intertwine.tensor_products.analysis.expressivity import Expressivity, expressivity
from intertwine.tensor_products.base import TensorProduct
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.matrix import Matrix
from intertwine.tensor_products.sphere.gaunt import Gaunt
from intertwine.tensor_products.sphere.vector_gaunt import VectorGaunt

OURS, PAPER = "this run", "paper"
CG, GRID, BRACKET, FOURIER, VECTOR, MATRIX = (
    "Clebsch-Gordan", "Gaunt, grid", "Gaunt, grid and bracket", "Gaunt, Fourier", "Gaunt, vector fields", "matrices",
)  # fmt: skip
PRODUCTS: dict[str, Callable[[Irreps], TensorProduct]] = {
    CG: lambda irreps: ClebschGordan(irreps, irreps),
    GRID: lambda irreps: Gaunt(irreps, irreps),
    BRACKET: lambda irreps: Gaunt(irreps, irreps, odd="bracket"),
    FOURIER: lambda irreps: Gaunt(irreps, irreps, method="fourier"),
    VECTOR: lambda irreps: VectorGaunt(irreps, irreps),
    MATRIX: lambda irreps: Matrix(irreps, irreps),
}
"""From degrees 0 to L, twice, to all that they reach."""
HAND_COUNTS: dict[str, Callable[[int], int]] = {
    CG: lambda L: (L + 1) * (2 * (L + 1) ** 2 + 1) // 3,
    GRID: lambda L: 4 * L + 1,
    FOURIER: lambda L: 4 * L + 1,
}
"""Dimensions of the maps, one copy of each irrep: every path, and 4 L + 1."""
EXPONENTS = {CG: 5.0, GRID: 3.0, FOURIER: 3.0, VECTOR: 3.0, MATRIX: 3.0}
"""Of L, as the paper expects for all outputs; sparse couplings, separable grids, one irrep of matrices."""
SAMPLES = 1000


@dataclass(frozen=True)
class Measures:
    """Of every product by L."""

    spans: Mapping[str, Mapping[int, Expressivity]]
    seconds: Mapping[int, Mapping[str, list[float]]]
    flops: Mapping[str, Mapping[int, int]]

    def counts_agree(self) -> bool:
        """Whether measured dimensions are those counted by hand."""
        return all(self.spans[name][L].dim == count(L) for name, count in HAND_COUNTS.items() for L in self.spans[name])

    def per_dimension(self, name: str, L: int) -> float:
        """Microseconds of forward and backward for each dimension of what the product can say."""
        return 1e6 * quartiles(self.seconds[L][name]).median / self.spans[name][L].dim

    def slope(self, what: Callable[[int], float]) -> float:
        """Exponent with which a number grows with L, from L = 2 on where that is enough."""
        degrees = [L for L in self.seconds if L >= 2 or len(self.seconds) < 3]
        return linear_regression([log(L) for L in degrees], [log(what(L)) for L in degrees]).slope


def measure(degrees: Sequence[int], rounds: int, progress: Stage) -> Measures:
    """Count dimensions, then clock forward and backward of all products in turns, on one thread."""
    spans: dict[str, dict[int, Expressivity]] = {name: {} for name in PRODUCTS}
    flops: dict[str, dict[int, int]] = {name: {} for name in PRODUCTS}
    seconds = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for done, L in enumerate(degrees):
            progress(f"measure L = {L}", done, len(degrees))
            irreps, tasks = Irreps.spherical_harmonics(L), {}
            for name, make in PRODUCTS.items():
                product = make(irreps)
                spans[name][L] = expressivity(product)
                flops[name][L] = cost(product, SAMPLES, channels=1).flops
                tasks[name] = _step(product)
            seconds[L] = in_turns(tasks, rounds=rounds)
    finally:
        torch.set_num_threads(threads)
    progress("measure", len(degrees), len(degrees))
    return Measures(spans, seconds, flops)


def _step(product: TensorProduct) -> Callable[[], object]:
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.randn(SAMPLES, irreps.dim, 1, generator=draw, requires_grad=True)
            for irreps in (product.irreps_in1, product.irreps_in2))  # fmt: skip
    gz = torch.randn(SAMPLES, product.irreps_out.dim, 1, generator=draw)
    return lambda: torch.autograd.grad(product(x, y), (x, y), gz)


def span_table(found: Measures) -> Table:
    """Dimensions and live paths beside the counts by hand."""
    columns = (
        Column("dimensions", "of maps", 0),
        Column("all there are", "of maps", 0),
        Column("live paths", "triples", 0),
        Column("odd ones alive", "triples", 0),
        Column("of all odd", "triples", 0),
    )
    rows = [
        Row(
            f"L = {L}, {name}",
            OURS,
            tuple(Number(float(each)) for each in (e.dim, e.full_dim, e.live_paths, e.odd_live, e.odd_full)),
        )
        for L in found.seconds
        for name, e in ((name, found.spans[name][L]) for name in PRODUCTS)
    ]
    paper = [
        Row(f"L = {L}, {name}", PAPER, (Number(float(count(L))), None, None, None, None))
        for L in found.seconds
        for name, count in HAND_COUNTS.items()
    ]
    note = (
        "Degrees 0 to L in, twice, to all degrees reached, one copy of each irrep and one channel between linear maps. "
        "The paper's numbers are counts by formula."
    )
    return Table("What a product can say", columns, tuple(rows), tuple(paper), note)


def cost_table(found: Measures) -> Table:
    """Seconds and operations, and each over the dimensions."""
    columns = (
        Column("forward and backward", "ms", 3),
        Column("a dimension", "us", 2),
        Column("forward", "kflop a sample", 2),
        Column("a dimension", "kflop a sample", 3),
    )
    rows = []
    for L, seconds in found.seconds.items():
        for name in PRODUCTS:
            time, kflop = quartiles([1e3 * each for each in seconds[name]]), found.flops[name][L] / SAMPLES / 1e3
            each = Number(kflop / found.spans[name][L].dim)
            cells = (Number(time.median, time.spread), Number(found.per_dimension(name, L)), Number(kflop), each)
            rows.append(Row(f"L = {L}, {name}", OURS, cells))
    note = (
        f"{SAMPLES} samples of one channel, one thread, float32; median, ± half of the middle half. Clebsch-Gordan and "
        "the plain grid run in compiled kernels where there are any, the others in torch: seconds say what a user of "
        "this library pays, operations what the methods need."
    )
    return Table("What it costs", columns, tuple(rows), (), note)


def slope_table(found: Measures) -> Table:
    """Exponents of L beside the asymptotic ones."""
    columns = (
        Column("time", "exponent of L"),
        Column("operations", "exponent of L"),
        Column("time a dimension", "exponent of L"),
    )
    rows = []
    for name in PRODUCTS:
        numbers: list[Callable[[int], float]] = [
            lambda L, name=name: quartiles(found.seconds[L][name]).median,
            lambda L, name=name: found.flops[name][L],
            lambda L, name=name: found.per_dimension(name, L),
        ]
        rows.append(Row(name, OURS, tuple(Number(found.slope(each)) for each in numbers)))
    paper = tuple(Row(name, PAPER, (None, Number(value), None)) for name, value in EXPONENTS.items())
    note = "Least squares over logarithms from L = 2 on. Small degrees are short of their asymptotic exponents."
    return Table("How it grows", columns, tuple(rows), paper, note)
