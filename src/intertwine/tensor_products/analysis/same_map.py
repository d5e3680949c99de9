"""Other ways to compute one and the same product; O(3) acts on `dim`. What the tuner chooses from, in a list."""

from collections.abc import Callable
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.grid import gauss_legendre
from intertwine.tensor_products.base import TensorProduct, Weights
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.coupled_form import CoupledGaunt
from intertwine.tensor_products.kernels.library import active_isa
from intertwine.tensor_products.sphere.gaunt import Gaunt


def same_map(product: TensorProduct, *, y_channels: int | None = None) -> dict[str, Callable[[], nn.Module]]:
    """Makers of modules that compute the same `forward(x, y, weight)`, by name; the product itself comes first.

    Parameters are shared with the product, not copied.

    - any member, for a y of one channel and no weights inside: its filter form.
    - `ClebschGordan`: without its compiled kernel.
    - `Gaunt`: from its couplings, on the other kind of grid, by Fourier series.

    Args:
        y_channels: of the y that will come; None where it is not known to be one.

    Example:
        >>> list(same_map(Gaunt("0e+1o", "0e+1o"), y_channels=1))
        ['as given', 'filter form', 'couplings', 'gauss-legendre grid', 'smallest grid', 'fourier']
    """
    found: dict[str, Callable[[], nn.Module]] = {"as given": lambda: product}
    if y_channels == 1 and product.weights != "internal":
        found["filter form"] = product.filter_form
    if isinstance(product, ClebschGordan) and active_isa() is not None:
        found["readable twin"] = lambda: ReadableTwin(product)
    if isinstance(product, Gaunt):
        found.update(_gaunt_forms(product))
    return found


class ReadableTwin(nn.Module):
    """A Clebsch-Gordan product outside its compiled kernel: one matrix product a pair of entries.

    Shapes: as in `TensorProduct`.
    """

    def __init__(self, product: ClebschGordan):
        super().__init__()
        self.product = product

    def forward(
        self,
        x: Float[Tensor, "*batch dim1 channel"],
        y: Float[Tensor, "*batch dim2 #channel"],
        weight: Float[Tensor, "*#batch paths #channel"] | None = None,
    ) -> Float[Tensor, "*batch dim3 channel"]:
        """Multiply `x` by `y`."""
        return self.product.readable(x, y, self.product.effective_weight(weight))


def _gaunt_forms(product: Gaunt) -> dict[str, Callable[[], nn.Module]]:
    irreps = (product.irreps_in1, product.irreps_in2, product.irreps_out)
    legs = product.legs.legs if product.weights != "none" else ()
    degree = sum(each.lmax for each in irreps)

    def other(**options: Any) -> Gaunt:
        with torch.random.fork_rng(devices=[]):  # the weight it draws gives way to the product's
            made = Gaunt(
                *irreps,
                odd="bracket" if product.bracket else "none",
                weights=cast(Weights, product.weights),
                legs=product.legs.legs,
                channels=None if product.weight is None else product.weight.shape[-1],
                normalization=cast(Literal["component", "none"], product.normalization),
                **options,
            )
        made.weight = product.weight
        return made

    return {
        "couplings": lambda: CoupledGaunt(
            irreps, product.entry_norms(), bracket=product.bracket, legs=legs, weight=product.weight
        ),
        "gauss-legendre grid": lambda: other(grid=gauss_legendre(degree)),
        "smallest grid": lambda: other(),
        "fourier": lambda: other(method="fourier"),
    }
