"""The Clebsch-Gordan product with an edge, in the frame of the edge, where few terms are left; O(3) acts on `dim`."""

from collections.abc import Sequence
from math import sqrt
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.tensor_products.base import Weights
from intertwine.tensor_products.clebsch_gordan import ClebschGordan, Path
from intertwine.tensor_products.edge_frame.edge_product import EdgeProduct, check_harmonics
from intertwine.tensor_products.edge_frame.frame_terms import FrameTerms, Term
from intertwine.tensor_products.filter_form import Coupling


class SO2(EdgeProduct):
    r"""`ClebschGordan` with the harmonics of an edge: the same map, paths and weights, computed along the edge.

        SO2(...)(x, edge, weight) = ClebschGordan(...)(x, Y(edge), weight)

    Where the edge is the polar axis only Y^l_0 = sqrt(2 l + 1) is left, and a path mixes single orders:

        z[out]_m += weight[path] norm sqrt(2 l2 + 1) C(l1, l2, l3)[+-m, 0, m]  x[in1]_+-m

    with m when l1 + l2 + l3 is even and -m (a turn by a quarter) when it is odd. Odd paths are kept wherever their
    parity is asked for, so the map is equivariant under O(3), not under rotations alone. Paths reach pseudo-tensors
    as in `ClebschGordan`.

    Exact up to rounding for any edge, with finite derivatives at +-y. Not a bilinear map: it convolves with harmonics
    and takes no other filter; see `EdgeProduct`. For all paths up to degree L the turns cost O(L^3) per channel and the
    terms, each with a weight of its own, O(L^4), against O(L^5) for `ClebschGordan`.

    Also known as: eSCN convolution. `SO2Linear` has one weight for every pair of entries and order instead.

    Args:
        irreps_in1, irreps_out: types of x and of the result; irreps_out left out means all paths, an entry for each.
        irreps_in2: the harmonics, |Y^l|^2 = 2l + 1 ("component"), entries may repeat.
        paths, normalization: as in `ClebschGordan`.

    Shapes: x `*batch dim1 channel`, edge `*batch 3` in any unit, weight `*batch paths channel`,
    result `*batch dim3 channel`.

    Raises:
        IrrepsError: a path breaks a selection rule, an entry is reached by no path, irreps_in2 are no harmonics.

    Example:
        >>> from intertwine.o3.spherical_harmonics import spherical_harmonics
        >>> import torch
        >>> x, edge = torch.randn(5, 4, 8), torch.randn(5, 3)
        >>> y = spherical_harmonics("0e+1o", edge, normalize=True, normalization="component")[..., None]
        >>> product = SO2("0e+1o", "0e+1o", "0e+1o+1e")
        >>> torch.allclose(product(x, edge), ClebschGordan("0e+1o", "0e+1o", "0e+1o+1e")(x, y), atol=1e-5)
        True

    Reference: Passaro and Zitnick, 2023, arXiv:2302.03655, section 3.
    """

    def __init__(
        self,
        irreps_in1: Irreps | str,
        irreps_in2: Irreps | str,
        irreps_out: Irreps | str | None = None,
        *,
        paths: Sequence[tuple[int, int, int]] | None = None,
        weights: Weights = "none",
        channels: int | None = None,
        normalization: Literal["component", "none"] = "component",
    ):
        check_harmonics("SO2", Irreps(irreps_in2))
        try:
            product = ClebschGordan(irreps_in1, irreps_in2, irreps_out, paths=paths, normalization=normalization)
        except IrrepsError as error:
            raise IrrepsError(str(error).replace("ClebschGordan", "SO2")) from None
        self.paths: list[Path] = product.paths
        irreps = (product.irreps_in1, product.irreps_in2, product.irreps_out)
        terms = FrameTerms(irreps, [term for coupling in product.couplings for term in _along_the_edge(coupling)])
        orders = {"orders_in": terms.orders_in, "orders_out": terms.orders_out}
        super().__init__(irreps, **orders, weight_count=len(self.paths), weights=weights, channels=channels)
        self.terms = terms

    def in_frame(
        self,
        x: Float[Tensor, "*batch order1 channel"],
        pole: Float[Tensor, "*batch entry2 1"],
        weight: Float[Tensor, "*#batch paths #channel"] | None,
    ) -> Float[Tensor, "*batch order3 channel"]:
        """Add up the paths, order by order."""
        return self.terms(x, pole, weight)


def _along_the_edge(coupling: Coupling) -> list[Term]:
    """What is left of a coupling when the harmonic is that of the polar axis."""
    l1, l2, l3 = (size // 2 for size in coupling.coefficients.shape)
    table = sqrt(2 * l2 + 1) * coupling.coefficients[:, l2, :]
    rows = table.nonzero().tolist()
    numbers = [(row1 - l1, row3 - l3, float(table[row1, row3])) for row1, row3 in rows]
    return [Term(coupling.in1, m1, coupling.in2, coupling.out, m3, coupling.weight, c) for m1, m3, c in numbers]
