"""Many-body products of a feature with itself, by the method of one's choice; O(3) acts on `dim`."""

from collections.abc import Callable
from functools import partial
from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.base import check_choice
from intertwine.tensor_products.cg_contraction import ClebschGordanContraction
from intertwine.tensor_products.sphere.gaunt_contraction import GauntContraction

Method = Literal["cg", "gaunt", "gaunt+bracket"]
METHODS: dict[str, Callable[..., nn.Module]] = {
    "cg": ClebschGordanContraction,
    "gaunt": GauntContraction,
    "gaunt+bracket": partial(GauntContraction, bracket=True),
}


class SymmetricContraction(nn.Module):
    r"""Symmetric products of a feature with itself up to an order, weighted by element.

        z = sum over orders n <= correlation of  weights_n[element] . products_n(x)

    method="cg" has every independent coupling (`ClebschGordanContraction`, most expressive), "gaunt" the pointwise
    products of functions on the sphere (`GauntContraction`, fewer weights, natural parities), "gaunt+bracket" adds
    double Poisson brackets to these. In compiled kernels all three cost about the same for small degrees; without them,
    and for high degrees and orders, the Gaunt forms are far cheaper.

    Shapes: x `node dim_in channel`, element `node` (integers), result `node dim_out channel`.

    Raises:
        IrrepsError: no such method, or what the contraction of the method refuses.

    Example:
        >>> import torch
        >>> contract = SymmetricContraction("0e+1o", "0e+1o", channels=8, correlation=3, elements=2, method="gaunt")
        >>> contract(torch.randn(5, 4, 8), torch.tensor([0, 0, 1, 1, 0])).shape
        torch.Size([5, 4, 8])

    Reference: Batatia et al., 2022, arXiv:2206.07697, equation (10); Luo et al., 2024, arXiv:2401.10216, section 3.3.
    """

    def __init__(
        self,
        irreps_in: Irreps | str,
        irreps_out: Irreps | str,
        *,
        channels: int,
        correlation: int,
        elements: int,
        method: Method = "cg",
    ):
        super().__init__()
        check_choice("SymmetricContraction", "method", method, tuple(METHODS))
        sizes = {"channels": channels, "correlation": correlation, "elements": elements}
        self.method, self.contraction = method, METHODS[method](irreps_in, irreps_out, **sizes)

    def forward(
        self, x: Float[Tensor, "node dim_in channel"], element: Int[Tensor, "node"]
    ) -> Float[Tensor, "node dim_out channel"]:
        """Contract the feature of every node with itself."""
        return self.contraction(x, element)
