"""What every bilinear equivariant map offers; O(3) acts on `dim`, the map acts channel by channel."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.irreps import Irreps, IrrepsError

Weights = Literal["none", "internal", "external"]


class TensorProduct(nn.Module, ABC):
    """An equivariant bilinear map of two features, the interface of the whole family.

        product(D1 x, D2 y) = D3 product(x, y)        D: Wigner matrices of the three irreps, on `dim`

    A product never mixes channels: channel c of the result reads channel c of `x` and of `y` (or the only channel of
    `y`). Mixing is the work of `nn.Linear`.

    Weights scale whole irreps, never single components, so that every choice of them is equivariant:

    - "none": no weights.
    - "internal": the module owns a parameter of shape `weight_count channel`, drawn from N(0, 1).
    - "external": the caller passes `weight` to `forward`, for example one set per edge from a radial network.

    Shapes: x `*batch dim1 channel`, y `*batch dim2 channel` or `*batch dim2 1`, weight `*batch weight_count channel`,
    result `*batch dim3 channel`.

    Raises:
        IrrepsError: weights is none of the three, or internal without a number of channels.

    Example:
        >>> from intertwine.tensor_products import ClebschGordan
        >>> product: TensorProduct = ClebschGordan("0e+1o", "0e+1o", weights="internal", channels=8)
        >>> product(torch.randn(5, 4, 8), torch.randn(5, 4, 1)).shape, product.weight_count
        (torch.Size([5, 16, 8]), 6)
    """

    irreps_in1: Irreps
    irreps_in2: Irreps
    irreps_out: Irreps
    weight_count: int
    """Rows of the weight: one an irrep or a path, see the member of the family. Zero without weights."""

    def __init__(
        self,
        irreps_in1: Irreps,
        irreps_in2: Irreps,
        irreps_out: Irreps,
        *,
        weight_count: int,
        weights: Weights,
        channels: int | None,
    ):
        super().__init__()
        name = type(self).__name__
        check_choice(name, "weights", weights, ("none", "internal", "external"))
        if weights == "internal" and not channels:
            raise IrrepsError(
                f"{name}: weights='internal' need channels=, the number of channels of x; came {channels}."
            )
        self.irreps_in1, self.irreps_in2, self.irreps_out = irreps_in1, irreps_in2, irreps_out
        self.weights = weights
        self.weight_count = 0 if weights == "none" else weight_count
        self.weight = nn.Parameter(torch.randn(weight_count, channels or 1)) if weights == "internal" else None

    @abstractmethod
    def forward(
        self,
        x: Float[Tensor, "*batch dim1 channel"],
        y: Float[Tensor, "*batch dim2 #channel"],
        weight: Float[Tensor, "*#batch paths #channel"] | None = None,
    ) -> Float[Tensor, "*batch dim3 channel"]:
        """Multiply `x` by `y`."""

    @abstractmethod
    def filter_form(self) -> nn.Module:
        """The same map for a `y` of one channel, in the form that is fastest for messages: `forward(x, y, weight)`.

        The weight stays outside: a product with weights="internal" has no filter form.
        """

    def effective_weight(self, weight: Tensor | None) -> Tensor | None:
        """The weight to use: the caller's, the module's own, or none; ValueError where they contradict each other."""
        if (weight is None) == (self.weights == "external"):
            expected = f"one of shape (*batch, {self.weight_count}, channel)" if weight is None else "no weight"
            came = "none" if weight is None else f"one of shape {tuple(weight.shape)}"
            raise ValueError(
                f"{type(self).__name__}: forward of a product built with weights={self.weights!r} expected {expected}, "
                f"came {came}. Pass a weight exactly where the product was built with weights='external'."
            )
        return self.weight if weight is None else weight

    def weighted_outside(self) -> bool:
        """Whether a filter form takes a weight; ValueError where the weight is the product's own."""
        if self.weights == "internal":
            raise ValueError(
                f"{type(self).__name__}: a filter form keeps no weights, and this product was built with "
                f"weights='internal'. Build it with weights='external' and pass the weight to forward."
            )
        return self.weights == "external"

    def extra_repr(self) -> str:
        """One line: the three types and the weights."""
        return f"{self.irreps_in1} x {self.irreps_in2} -> {self.irreps_out}, weights={self.weights!r}"


def check_choice(owner: str, argument: str, value: object, choices: Sequence[str]) -> None:
    """Raise `IrrepsError` unless an argument is one of the words it may be."""
    if value not in choices:
        *rest, last = [repr(choice) for choice in choices]
        raise IrrepsError(f"{owner}: expected {argument} {', '.join(rest)} or {last}, came {value!r}.")


def check_legs(owner: str, irreps: Sequence[Irreps]) -> None:
    """Raise `IrrepsError` where a factor or the result of a product has no irrep."""
    if not all(irreps):
        types = ", ".join(repr(str(each)) for each in irreps)
        raise IrrepsError(f"{owner}: expected irreps on every leg, came {types}.")
