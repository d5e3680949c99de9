"""All Clebsch-Gordan paths of a product added up into one tensor of three `dim` axes that O(3) leaves alone."""

from collections import Counter
from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.o3.clebsch_gordan import wigner_3j
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.tensor_products.base import check_legs
from intertwine.tensor_products.clebsch_gordan import Path, allowed_paths


@dataclass(frozen=True)
class SummedCoupling:
    r"""The tensor T of a product whose paths share their weight, every irrep of a leg once.

        z[k] = sum_ij T[i, j, k] x[i] y[j],      T[in1, in2, out] = norm[out] wigner_3j(l1, l2, l3) for every path

    Hashable, so that what is computed for it can be kept; two products with the same degrees and paths share one.
    """

    degrees: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    paths: tuple[Path, ...]
    norms: tuple[float, ...]
    """For every entry of the result."""

    @staticmethod
    def of(irreps: tuple[Irreps, Irreps, Irreps], *, component: bool) -> "SummedCoupling":
        """The coupling of three legs; repeated entries meet the same slices of it, see `rows_of_once`.

        Args:
            component: norms that give unit variance, as in `ClebschGordan`, or bare 3j tensors.

        Raises:
            IrrepsError: a leg is empty, or no path reaches an entry of the result.
        """
        check_legs("CP", irreps)
        once = tuple(irreps_once(each) for each in irreps)
        paths = allowed_paths(*once)
        times = [Counter(each) for each in irreps[:2]]
        arrivals = Counter[int]()
        for path in paths:
            arrivals[path.out] += times[0][once[0][path.in1]] * times[1][once[1][path.in2]]
        for out, ir in enumerate(once[2]):
            if not arrivals[out]:
                raise IrrepsError(
                    f"CP: irreps_out asks for {ir}, but no path from {irreps[0]} and {irreps[1]} reaches it. "
                    f"Drop it, or raise the degrees of the inputs."
                )
        norms = (sqrt(ir.dim / arrivals[out]) if component else 1.0 for out, ir in enumerate(once[2]))
        degrees1, degrees2, degrees3 = (tuple(ir.l for ir in each) for each in once)
        return SummedCoupling((degrees1, degrees2, degrees3), tuple(paths), tuple(norms))

    @property
    def lmax(self) -> int:
        """Largest degree of a leg."""
        return max(max(each) for each in self.degrees)

    @property
    def sides(self) -> tuple[int, int, int]:
        """Dimensions of the tensor."""
        side1, side2, side3 = (sum(2 * l + 1 for l in each) for each in self.degrees)
        return side1, side2, side3

    def tensor(self) -> Float[Tensor, "dim1 dim2 dim3"]:
        """T, in float64."""
        slices = [_slices(each) for each in self.degrees]
        found = torch.zeros(self.sides, dtype=torch.float64)
        for in1, in2, out in self.paths:
            block = wigner_3j(self.degrees[0][in1], self.degrees[1][in2], self.degrees[2][out])
            found[slices[0][in1], slices[1][in2], slices[2][out]] = self.norms[out] * block
        return found

    def norm_of_rows(self) -> Float[Tensor, "dim3"]:
        """The norm of every row of the result."""
        sides = torch.tensor([2 * l + 1 for l in self.degrees[2]])
        return torch.tensor(self.norms, dtype=torch.float64).repeat_interleave(sides)

    def bare(self) -> "SummedCoupling":
        """The same paths without norms."""
        return SummedCoupling(self.degrees, self.paths, (1.0,) * len(self.norms))


def irreps_once(irreps: Irreps) -> Irreps:
    """Every irrep of a leg once, sorted."""
    return Irreps(sorted(set(irreps)))


def rows_of_once(irreps: Irreps) -> list[int]:
    """For every row of a leg, the row of `irreps_once` that it is a copy of."""
    once = irreps_once(irreps)
    slices = dict(zip(once, once.slices()))
    return [row for ir in irreps for row in range(slices[ir].start, slices[ir].stop)]


def _slices(degrees: tuple[int, ...]) -> list[slice]:
    return Irreps([f"{l}e" for l in degrees]).slices()
