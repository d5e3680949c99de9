"""The cases of every row: types, paths and sizes, so that both sides build the same map; O(3) acts on `dim`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from intertwine.o3.irreps import Irrep, Irreps
from intertwine.tensor_products.clebsch_gordan import Path, allowed_paths, full_paths
from intertwine.tensor_products.cp.shipped import EXACT_RANK

BATCH = 1000
EDGES, NODES, CHANNELS, ELEMENTS = 10_000, 1000, 64, 4
FILTER_DEGREE, CORRELATION = 3, 3
RADIAL_BASIS, RADIAL_HIDDEN, CUTOFF = 8, (64, 64, 64), 5.0


@dataclass(frozen=True)
class Case:
    """One point of a row.

    `data` goes to every worker as JSON: types as strings, and `paths`, triples of entries, for maps that are given by
    their couplings.
    """

    setting: str
    degree: int
    data: dict[str, Any]
    name: str = ""
    passes: tuple[str, ...] = ()
    """What is timed of it; everything that its row names where empty."""

    @property
    def label(self) -> str:
        """How reports call it."""
        return self.name or f"{self.setting} L = {self.degree}".strip()


def full_products(degrees: Iterable[int]) -> tuple[Case, ...]:
    """Row A: one or all degrees in, one or all out, natural parities; cases without a path are left out."""
    found = []
    for setting in ("SISO", "SIMO", "MIMO"):
        for degree in degrees:
            one, all_in = Irreps([Irrep(degree, (-1) ** degree)]), Irreps.spherical_harmonics(degree)
            irreps_in = all_in if setting == "MIMO" else one
            irreps_out = one if setting == "SISO" else Irreps.spherical_harmonics(2 * degree)
            data = product_data(irreps_in, irreps_in, irreps_out)
            if data["paths"]:
                found.append(Case(setting, degree, {**data, "batch": BATCH}))
    return tuple(found)


def gaunt_products(degrees: Iterable[int]) -> tuple[Case, ...]:
    """Row A': all degrees in, one copy of every degree that is reached out."""
    found = []
    for degree in degrees:
        one, out = Irreps.spherical_harmonics(degree), Irreps.spherical_harmonics(2 * degree)
        paths = [tuple(path) for path in allowed_paths(one, one, out)]  # natural parity: l1 + l2 + l3 even
        found.append(Case("", degree, {**types(one, one, out), "paths": paths, "batch": BATCH}))
    return tuple(found)


def convolutions(degrees: Iterable[int]) -> tuple[Case, ...]:
    """Rows B and B': every path of node feature and harmonics to degree 3, each with an entry of its own."""
    filters = Irreps.spherical_harmonics(FILTER_DEGREE)
    found = []
    for degree in degrees:
        data = product_data(Irreps.spherical_harmonics(degree), filters, filters)
        sizes = {"edges": EDGES, "nodes": NODES, "channels": CHANNELS, "hidden": list(RADIAL_HIDDEN)}
        found.append(Case("", degree, {**data, **sizes}))
    return tuple(found)


def contractions(degrees: Iterable[int]) -> tuple[Case, ...]:
    """Row C: degrees to 3 in; `degree` is the largest of the result."""
    sizes = {"nodes": NODES, "channels": CHANNELS, "elements": ELEMENTS, "correlation": CORRELATION}
    irreps_in = Irreps.spherical_harmonics(FILTER_DEGREE)
    return tuple(
        Case("", degree, {"irreps_in": str(irreps_in), "irreps_out": str(Irreps.spherical_harmonics(degree)), **sizes})
        for degree in degrees
    )


def decompositions(degrees: Iterable[int]) -> tuple[Case, ...]:
    """Row E: degrees 0 to L on every leg; the rank of the exact factors where they are shipped, else 4 (L + 1)^2."""
    found = []
    for degree in degrees:
        irreps, shipped = Irreps.spherical_harmonics(degree, 1), ("all", degree) in EXACT_RANK
        rank = EXACT_RANK["all", degree] if shipped else 4 * (degree + 1) ** 2
        data = {**types(irreps, irreps, irreps), "rank": rank, "shipped": shipped, "batch": BATCH}
        found.append(Case("", degree, data))
    return tuple(found)


def product_data(irreps_in1: Irreps, irreps_in2: Irreps, kept: Irreps) -> dict[str, Any]:
    """Every path to an irrep of `kept`, each to an entry of its own, by degree, then by the entries it comes from."""
    irreps_out, paths = full_paths(irreps_in1, irreps_in2)
    chosen = [path for path in paths if irreps_out[path.out] in kept]
    outs = Irreps(irreps_out[path.out] for path in chosen)
    return {
        **types(irreps_in1, irreps_in2, outs),
        "paths": [tuple(Path(path.in1, path.in2, place)) for place, path in enumerate(chosen)],
    }


def types(irreps_in1: Irreps, irreps_in2: Irreps, irreps_out: Irreps) -> dict[str, str]:
    """The three types, for JSON."""
    return {"irreps_in1": str(irreps_in1), "irreps_in2": str(irreps_in2), "irreps_out": str(irreps_out)}
