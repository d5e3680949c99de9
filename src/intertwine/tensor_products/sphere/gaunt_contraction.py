"""Many-body products on one grid: powers of a function on the sphere; O(3) acts on `dim`."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.o3.constants import Constants
from intertwine.o3.gaunt import bracket_factor, gaunt_factor
from intertwine.o3.grid import smallest_grid
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.tensor_products.sphere.function import entry_of_row
from intertwine.tensor_products.sphere.gaunt_moments import double_bracket_moment, power_moment
from intertwine.tensor_products.sphere.gaunt_polynomials import LARGEST, GauntPolynomials
from intertwine.tensor_products.sphere.grid import GridTransform, tangential_derivatives


class GauntContraction(nn.Module):
    r"""Products of a feature with itself up to an order, through pointwise products on the sphere.

        f_k = S(v_k x)                                           k = 1 .. correlation, leg weights v_k per entry
        z   = sum over orders n of  w_n[element] norm_n P(f_1 f_2 ... f_n)
        with bracket:   + u_n[element] P( {{f_1, f_2}, f_3} f_4 ... f_n)      from order 3 on

    S evaluates harmonics on a grid that is exact for degree correlation * lmax_in + lmax_out, and P expands there: one
    transform to the grid for all legs, one back for all orders. Compared with the Clebsch-Gordan contraction, an order
    carries one weight per output entry, and one per entry and leg, instead of one per coupling tree. The double bracket
    adds trees that go through two antisymmetric couplings, which pointwise products cannot reach: with it, order 3
    reaches all polynomials for degrees up to 2, and from degree 3 to "0e" and "1o" (16 of 16 to "1o", against 13). A
    single bracket has the wrong parity, and the integral of a double one is zero: nothing for "0e" at order 3.

    Where the compiled kernel runs, and dim_in^correlation is at most 100 000, the same map is evaluated as polynomials
    (`GauntPolynomials`), which for small degrees are cheaper than points.

    norm_n gives terms of independent legs unit variance. The weights start smaller where the shared x makes terms
    larger, so that z has unit variance for x from N(0, 1).

    Args:
        irreps_in, irreps_out: natural parity; equal entries add up as functions.
        correlation: largest order n, the body order minus one.
        elements: number of chemical elements; each has its own w_n and u_n.
        bracket: add the double bracket.

    Shapes: x `node dim_in channel`, element `node`, result `node dim_out channel`.

    Raises:
        IrrepsError: irreps of unnatural parity, correlation < 1, or an entry of irreps_out that no product reaches.

    Example:
        >>> contract = GauntContraction(Irreps("0e+1o+2e"), Irreps("0e+1o"), channels=8, correlation=3, elements=2)
        >>> contract(torch.randn(5, 9, 8), torch.tensor([0, 0, 1, 1, 0])).shape
        torch.Size([5, 4, 8])

    Reference: Luo, Chen, Krishnapriyan, 2024, arXiv:2401.10216, section 3.3 (there in Fourier space).
    """

    def __init__(
        self,
        irreps_in: Irreps | str,
        irreps_out: Irreps | str,
        *,
        channels: int,
        correlation: int,
        elements: int,
        bracket: bool = False,
    ):
        super().__init__()
        irreps_in, irreps_out = Irreps(irreps_in), Irreps(irreps_out)
        if not (irreps_in.natural and irreps_out.natural) or correlation < 1:
            raise IrrepsError(
                f"GauntContraction: expected natural parities (-1)^l and correlation >= 1, "
                f"came {irreps_in} -> {irreps_out} and correlation {correlation}. "
                f"Take a ClebschGordanContraction for other parities."
            )
        self.irreps_in, self.irreps_out, self.correlation = irreps_in, irreps_out, correlation
        grid = smallest_grid(correlation * irreps_in.lmax + irreps_out.lmax)
        self.legs, self.result = GridTransform(irreps_in, grid), GridTransform(irreps_out, grid)
        several = sum(l > 0 for l in irreps_in.degrees) > 1  # a single entry has only {f, f} = 0
        self.bracket = bracket and correlation >= 3 and several
        if self.bracket:
            # the grid may be too coarse for the highest degrees of {f, g}, but these are out of reach of the result
            self.inner = Constants(gradient=tangential_derivatives(2 * irreps_in.lmax, grid))
        spectra = powers_and_brackets(irreps_in, correlation, bracket=self.bracket)
        for ir in irreps_out:
            if not any(each.get(ir.l) for each in spectra):
                raise IrrepsError(
                    f"GauntContraction: irreps_out asks for {ir}, which products of {irreps_in} up to order "
                    f"{correlation} do not reach. Drop it, or raise correlation or the degrees of irreps_in."
                )
        variance = torch.tensor(
            [[each.get(l, 0.0) for l in irreps_out.degrees] for each in spectra], dtype=torch.float64
        )
        norms = torch.where(variance > 0, variance.rsqrt(), 0.0)
        self.norms = Constants(terms=norms[:, :, None])
        self.register_buffer("entry_in", entry_of_row(irreps_in), persistent=False)
        self.register_buffer("entry_out", entry_of_row(irreps_out), persistent=False)
        self.polynomials = None
        if irreps_in.dim**correlation <= LARGEST:
            inner = self.inner.exact["gradient"] if self.bracket else None
            self.polynomials = GauntPolynomials(irreps_in, irreps_out, correlation, self.legs, self.result, inner)
        self.leg_weights = nn.Parameter(torch.randn(correlation, len(irreps_in), channels))
        start = self._start(variance).to(torch.get_default_dtype())
        self.weights = nn.Parameter(torch.randn(elements, *start.shape, channels) * start.unsqueeze(-1))

    def forward(
        self, x: Float[Tensor, "node dim_in channel"], element: Int[Tensor, "node"]
    ) -> Float[Tensor, "node dim_out channel"]:
        """Contract the feature of every node with itself: in the compiled kernel, else as `readable` does."""
        if self.polynomials is not None and self.polynomials.takes(x, element, self.leg_weights):
            return self.polynomials(x, element, self.leg_weights, self.weights * self.norms.like(x, "terms"))
        return self.readable(x, element)

    def readable(
        self, x: Float[Tensor, "node dim_in channel"], element: Int[Tensor, "node"]
    ) -> Float[Tensor, "node dim_out channel"]:
        """Multiply the legs point by point, and bracket them where asked."""
        legs = x.unsqueeze(1) * self.leg_weights[:, self.get_buffer("entry_in")]
        f = self.legs.sample(legs).unbind(1)
        powers = [f[0]]
        for k in range(1, self.correlation):
            powers.append(powers[-1] * f[k])
        if self.bracket:
            powers += self._double_brackets(legs, f)
        weights = (self.weights * self.norms.like(x, "terms")).index_select(0, element)
        terms = self.result.expand(torch.stack(powers, dim=1))
        return (terms * weights[:, :, self.get_buffer("entry_out")]).sum(1)

    def _start(self, variance: Float[Tensor, "term entry"]) -> Float[Tensor, "term entry"]:
        """Standard deviations of the weights for which z has unit variance, now that all legs read the same x.

        Exact for powers and for the double bracket of order 3; of higher orders, legs count as independent.
        """
        degrees = self.irreps_out.degrees
        moments = [[power_moment(self.irreps_in, n, l) for l in degrees] for n in range(1, self.correlation + 1)]
        if self.bracket:
            moments.append([double_bracket_moment(self.irreps_in, l) for l in degrees])
        size = variance.clone()
        size[: len(moments)] = torch.tensor(moments, dtype=torch.float64)
        alive = (variance > 0) & (size > 0)
        return torch.where(alive, (variance / (size * alive.sum(0))).sqrt(), 0.0)

    def _double_brackets(self, legs: Tensor, f: Sequence[Tensor]) -> list[Tensor]:
        """{{f_1, f_2}, f_3} and its products with the legs that remain."""
        a, b = self.legs.gradient(legs[:, :3])
        inner = a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1]
        inner_a, inner_b = (self.inner.like(inner, "gradient") @ inner).chunk(2, dim=-2)
        found = [inner_a * b[:, 2] - inner_b * a[:, 2]]
        for k in range(3, self.correlation):
            found.append(found[-1] * f[k])
        return found


def powers_and_brackets(irreps: Irreps, correlation: int, *, bracket: bool) -> list[dict[int, float]]:
    """Power spectra of f_1, f_1 f_2, ..., then of the double brackets, for independent legs of unit variance."""
    leg = {l: float(irreps.degrees.count(l)) for l in set(irreps.degrees)}
    spectra = [leg]
    for _ in range(1, correlation):
        spectra.append(product_spectrum(spectra[-1], leg, gaunt_factor))
    if bracket:
        inner = product_spectrum(leg, leg, bracket_factor)
        spectra.append(product_spectrum(inner, leg, bracket_factor))
        for _ in range(3, correlation):
            spectra.append(product_spectrum(spectra[-1], leg, gaunt_factor))
    return spectra


def product_spectrum(
    f: Mapping[int, float], g: Mapping[int, float], factor: Callable[[int, int, int], float]
) -> dict[int, float]:
    """Variance per component of each degree of a product of two independent isotropic functions.

    result[l3] = sum over l1, l2 of  f[l1] g[l2] factor(l1, l2, l3)^2 / (2 l3 + 1)
    """
    found: dict[int, float] = {}
    for (l1, v1), (l2, v2) in product(f.items(), g.items()):
        for l3 in range(abs(l1 - l2), l1 + l2 + 1):
            found[l3] = found.get(l3, 0.0) + v1 * v2 * factor(l1, l2, l3) ** 2 / (2 * l3 + 1)
    return found
