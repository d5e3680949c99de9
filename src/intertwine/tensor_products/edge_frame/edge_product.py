"""Products of a feature with the harmonics of an edge, done where the edge is the polar axis; O(3) acts on `dim`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.edge_frame import EdgeFrame
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.o3.spherical_harmonics import unit_vector
from intertwine.tensor_products.base import Weights, check_choice


class EdgeProduct(nn.Module, ABC):
    r"""A product of x with the harmonics of an edge that never computes the harmonics.

        z = D(R)^T  in_frame( D(R) x )          R: takes the edge to the polar axis (`EdgeFrame`)

    Along the polar axis all harmonics of order m != 0 vanish, so in_frame mixes only orders m and -m.

    Linear in x and equivariant in x and edge together, inversion included. Not a `TensorProduct`: it is not linear in
    the edge, and y cannot be chosen. An edge of length zero has no direction and meets the harmonic of degree 0 alone,
    as it does in `spherical_harmonics`. `turn`, `in_frame` and `turn_back` are there for layers that do more than one
    thing in the frame, or use the frames of their edges more than once.

    Weights are as in `TensorProduct`: "none", "internal" or "external".

    Args:
        irreps_in2: the harmonics, of natural parity, with |Y^l|^2 = 2l + 1 ("component").
        orders_in, orders_out: for every entry of x and of the result the largest order that in_frame reads or writes.

    Shapes: x `*batch dim1 channel`, edge `*batch 3` in any unit, weight `*batch weight_count channel`,
    result `*batch dim3 channel`.

    Raises:
        IrrepsError: irreps_in2 is not of natural parity, weights is none of the three, or internal without channels.

    Example:
        >>> from intertwine.tensor_products import SO2
        >>> product: EdgeProduct = SO2("0e+1o", "0e+1o+2e", "0e+1o", weights="external")
        >>> product(torch.randn(5, 4, 8), torch.randn(5, 3), torch.randn(5, product.weight_count, 8)).shape
        torch.Size([5, 4, 8])

    Reference: Passaro and Zitnick, 2023, arXiv:2302.03655.
    """

    def __init__(
        self,
        irreps: tuple[Irreps, Irreps, Irreps],
        *,
        orders_in: Sequence[int],
        orders_out: Sequence[int],
        weight_count: int,
        weights: Weights,
        channels: int | None,
    ):
        super().__init__()
        name = type(self).__name__
        self.irreps_in1, self.irreps_in2, self.irreps_out = irreps
        check_harmonics(name, self.irreps_in2)
        check_choice(name, "weights", weights, ("none", "internal", "external"))
        if weights == "internal" and not channels:
            raise IrrepsError(
                f"{name}: weights='internal' need channels=, the number of channels of x; came {channels}."
            )
        self.weights = weights
        self.weight_count = 0 if weights == "none" else weight_count
        self.weight = nn.Parameter(torch.randn(weight_count, channels or 1)) if weights == "internal" else None
        self.orders_in, self.orders_out = tuple(orders_in), tuple(orders_out)
        self.frame = EdgeFrame(max(self.irreps_in1.lmax, self.irreps_out.lmax))
        is_scalar = torch.tensor([ir.l == 0 for ir in self.irreps_in2])[:, None]
        self.register_buffer("is_scalar", is_scalar, persistent=False)

    def forward(
        self,
        x: Float[Tensor, "*batch dim1 channel"],
        edge: Float[Tensor, "*batch 3"],
        weight: Float[Tensor, "*#batch paths #channel"] | None = None,
    ) -> Float[Tensor, "*batch dim3 channel"]:
        """Turn x into the frame of its edge, multiply there, turn back."""
        weight, frame = self._effective_weight(weight), self.frame(edge)
        return self.turn_back(frame, self.in_frame(self.turn(frame, x), self.pole(edge), weight))

    @abstractmethod
    def in_frame(
        self,
        x: Float[Tensor, "*batch order1 channel"],
        pole: Float[Tensor, "*batch entry2 1"],
        weight: Float[Tensor, "*#batch paths #channel"] | None,
    ) -> Float[Tensor, "*batch order3 channel"]:
        """The product with an edge along y.

        x and the result have the rows m = -order .. order of every entry; pole is 1 for every harmonic that the edge
        meets and 0 where the edge has no length.
        """

    def turn(
        self, frame: list[Tensor], x: Float[Tensor, "*batch dim1 channel"]
    ) -> Float[Tensor, "*batch order1 channel"]:
        """D(R) x, the rows that `in_frame` reads. The frame is `self.frame(edge)`, or that of higher degrees."""
        parts = zip(self.irreps_in1.degrees, self.orders_in, self.irreps_in1.slices(), strict=True)
        return torch.cat([_rows(frame[l], order) @ x[..., rows, :] for l, order, rows in parts], -2)

    def turn_back(
        self, frame: list[Tensor], z: Float[Tensor, "*batch order3 channel"]
    ) -> Float[Tensor, "*batch dim3 channel"]:
        """D(R)^T z of the rows that `in_frame` writes."""
        entries = z.split([2 * order + 1 for order in self.orders_out], dim=-2)
        parts = zip(self.irreps_out.degrees, self.orders_out, entries, strict=True)
        return torch.cat([_rows(frame[l], order).mT @ entry for l, order, entry in parts], -2)

    def pole(self, edge: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch entry2 1"]:
        """What `in_frame` needs to know of edges: 1 for every harmonic that is there."""
        pointing = unit_vector(edge.detach()).any(-1)[..., None, None]
        return (pointing | self.get_buffer("is_scalar")).to(edge.dtype)

    def extra_repr(self) -> str:
        """One line: the three types and the weights."""
        return f"{self.irreps_in1} x Y({self.irreps_in2}) -> {self.irreps_out}, weights={self.weights!r}"

    def _turn(self, frame: list[Tensor], x: Tensor) -> Tensor:
        parts = zip(self.irreps_in1.degrees, self.orders_in, self.irreps_in1.slices(), strict=True)
        return torch.cat([_rows(frame[l], order) @ x[..., rows, :] for l, order, rows in parts], -2)

    def _turn_back(self, frame: list[Tensor], z: Tensor) -> Tensor:
        entries = z.split([2 * order + 1 for order in self.orders_out], dim=-2)
        parts = zip(self.irreps_out.degrees, self.orders_out, entries, strict=True)
        return torch.cat([_rows(frame[l], order).mT @ entry for l, order, entry in parts], -2)

    def _effective_weight(self, weight: Tensor | None) -> Tensor | None:
        if (weight is None) == (self.weights == "external"):
            expected = f"one of shape (*batch, {self.weight_count}, channel)" if weight is None else "no weight"
            came = "none" if weight is None else f"one of shape {tuple(weight.shape)}"
            raise ValueError(
                f"{type(self).__name__}: forward of a product built with weights={self.weights!r} expected {expected}, "
                f"came {came}. Pass a weight exactly where the product was built with weights='external'."
            )
        return self.weight if weight is None else weight


def _rows(matrix: Tensor, order: int) -> Tensor:
    """Rows m = -order .. order of a Wigner matrix."""
    l = matrix.shape[-2] // 2
    return matrix[..., l - order : l + order + 1, :]


def check_harmonics(owner: str, irreps: Irreps) -> None:
    """Raise `IrrepsError` unless a feature of this type can be harmonics of a vector."""
    for ir in irreps:
        if not ir.natural:
            raise IrrepsError(
                f"{owner}: expected irreps_in2 of harmonics, parity (-1)^l as in 0e+1o+2e, came {ir} in {irreps}. An "
                f"edge is a vector and has no other harmonics; pseudo-tensors belong to irreps_in1 and irreps_out."
            )
