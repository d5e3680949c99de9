"""Which irreps a Gaunt product reaches, and how large its components are: sums over paths that O(3) leaves alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

from intertwine.o3.gaunt import bracket_factor, gaunt_factor
from intertwine.o3.irreps import Irrep, Irreps, IrrepsError


@dataclass
class Variance:
    """Variance of one component of a result, from the product and from the bracket, for unit-variance x and y."""

    product: float = 0.0
    bracket: float = 0.0

    def norms(self) -> tuple[float, float]:
        """Factors that give each kind an equal share of a total variance of one; zero for a kind that is absent."""
        live = (self.product > 0) + (self.bracket > 0)
        product, bracket = (1 / sqrt(live * value) if value else 0.0 for value in (self.product, self.bracket))
        return product, bracket


def reached_irreps(irreps_in1: Irreps, irreps_in2: Irreps, *, bracket: bool) -> dict[Irrep, Variance]:
    """Every irrep that a Gaunt product reaches, by degree, and the variance sum g^2 / (2 l3 + 1) with which it does."""
    found: dict[Irrep, Variance] = {}
    for ir1 in irreps_in1:
        for ir2 in irreps_in2:
            for ir3 in ir1 * ir2:
                degrees = (ir1.l, ir2.l, ir3.l)
                product = gaunt_factor(*degrees) ** 2 / ir3.dim
                curl = bracket_factor(*degrees) ** 2 / ir3.dim if bracket else 0.0
                if product or curl:
                    total = found.setdefault(ir3, Variance())
                    total.product += product
                    total.bracket += curl
    return dict(sorted(found.items(), key=lambda item: (item[0].l, not item[0].natural)))


def check_reached(irreps_in1: Irreps, irreps_in2: Irreps, irreps_out: Iterable[Irrep], *, bracket: bool) -> None:
    """Raise `IrrepsError` unless every irrep of the result is reached; name the remedy that is there."""
    reached = reached_irreps(irreps_in1, irreps_in2, bracket=bracket)
    for ir in irreps_out:
        if ir not in reached:
            in_bracket = ir in reached_irreps(irreps_in1, irreps_in2, bracket=True)
            remedy = "Drop it, or take odd='bracket', which reaches it." if in_bracket else "Drop it."
            raise IrrepsError(
                f"Gaunt: irreps_out asks for {ir}, but {irreps_in1} times {irreps_in2} with "
                f"odd={'bracket' if bracket else 'none'!r} reaches {Irreps(reached) or 'nothing'}. {remedy}"
            )
