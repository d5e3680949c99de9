"""The three operations of the Gaunt paper beside the same map through Clebsch-Gordan couplings; O(3) acts on `dim`."""

from collections.abc import Iterable

from intertwine.experiments.bench.cases import CHANNELS, CORRELATION, ELEMENTS, Case, types
from intertwine.experiments.bench.row import NAME, Row, Side
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.clebsch_gordan import allowed_paths

NODES, EDGES, MANY = 100, 1000, 4
"""Samples of interactions and contractions, edges of convolutions, and the largest order."""
TWO = ("forward", "forward+backward")


def interactions(degrees: Iterable[int]) -> tuple[Case, ...]:
    """Degrees 0 to L on all legs, one copy of each."""
    return tuple(Case("", L, {**_paths(L), "nodes": NODES, "channels": CHANNELS}) for L in degrees)


def edge_convolutions(degrees: Iterable[int]) -> tuple[Case, ...]:
    """The same with the harmonics of an edge, and weights for each edge, entry and leg."""
    return tuple(Case("", L, {**_paths(L), "edges": EDGES, "channels": CHANNELS}) for L in degrees)


def many_body(degrees: Iterable[int]) -> tuple[Case, ...]:
    """Degrees 0 to L in and out, by order."""
    found = []
    for order in range(2, MANY + 1):
        for L in degrees:
            irreps = str(Irreps.spherical_harmonics(L))
            data = {"irreps_in": irreps, "irreps_out": irreps, "correlation": order, "elements": ELEMENTS}
            found.append(Case(f"order {order}", L, {**data, "nodes": NODES, "channels": CHANNELS}))
    return tuple(found)


def _paths(L: int) -> dict[str, object]:
    irreps = Irreps.spherical_harmonics(L)
    paths = [tuple(path) for path in allowed_paths(irreps, irreps, irreps)]  # natural parity: l1 + l2 + l3 even
    return {**types(irreps, irreps, irreps), "paths": paths}


COUPLED = Side("Clebsch-Gordan, ours", variant="coupled")
E3NN = Side("e3nn", "torch", "e3nn_worker.py")
ONE_MAP = (
    "All sides compute one and the same map: the couplings get the numbers that make them a product of functions, so "
    "this is what a user pays who wants that map; couplings could say more for the same price. "
)

OPERATIONS: tuple[Row, ...] = (
    Row(
        "G1",
        "Gaunt, feature interaction",
        f"{NODES} nodes, 64 channels, degrees 0 to L on all legs. {ONE_MAP}",
        TWO,
        interactions,
        (1, 2, 3, 4, 5, 6),
        (1,),
        (Side(NAME), COUPLED, E3NN),
        asymptotic="Gaunt 3, couplings 5",
        slope_from=2,
        weighed=True,
    ),
    Row(
        "G2",
        "Gaunt, convolution",
        f"{EDGES} edges, 64 channels, degrees 0 to L on all legs, weights for each edge, entry, leg and channel; "
        f"without gather and scatter. {ONE_MAP}Ours multiplies with the harmonics of the edge; aligned: turns the "
        "features until the edge is the polar axis, as in the paper. Couplings take harmonics and one weight a path, "
        "made from those of the legs before the clock starts. Backward: features, edges and the weights of each side.",
        TWO,
        edge_convolutions,
        (1, 2, 3, 4, 5, 6),
        (1,),
        (Side(NAME), Side("aligned, ours", variant="aligned"), COUPLED, E3NN),
        asymptotic="Gaunt 3, couplings 5",
        slope_from=2,
        weighed=True,
    ),
    Row(
        "G3",
        "Gaunt, many-body contraction",
        f"{NODES} nodes, 64 channels, 4 elements, orders up to 2, 3 or {MANY}, degrees 0 to L in and out. {ONE_MAP}The "
        "weights of couplings are fitted to the Gaunt contraction before the clock starts.",
        TWO,
        many_body,
        (1, 2, 3),
        (1,),
        (
            Side(NAME),
            COUPLED,
            Side(
                "mace", "mace", "mace_worker.py",
                covers=lambda case: case.degree ** case.data["correlation"] <= 3**CORRELATION,
                left_out="its couplings take minutes to build",
            ),
        ),
        weighed=True,
        matched="wider",
    ),
)  # fmt: skip
