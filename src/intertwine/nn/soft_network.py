"""A network of soft linear layers between exact nonlinearities; any subgroup of O(n) times changes of unit on `dim`."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.groups.representation import Representation, Sum, Trivial
from intertwine.nn.soft_coupling import TensorCoupling, tensors
from intertwine.nn.soft_linear import SoftLinear


class TensorGate(nn.Module):
    r"""silu of the numbers, and every tensor scaled by the sigmoid of a number of its own.

    The numbers that gate come first, one for each order above zero; the group acts on the rest.

    Shapes: x `*batch gates+dim channel`, result `*batch dim channel`.

    Example:
        >>> TensorGate(3, (0, 1))(torch.randn(5, 1 + 4, 8)).shape
        torch.Size([5, 4, 8])
    """

    def __init__(self, n: int, orders: tuple[int, ...]):
        super().__init__()
        self.gates = sum(order > 0 for order in orders)
        self.orders, self.rows = orders, [n**order for order in orders]

    def forward(self, x: Float[Tensor, "*batch dim_in channel"]) -> Float[Tensor, "*batch dim channel"]:
        """Gate every tensor."""
        gates = iter(torch.sigmoid(x[..., : self.gates, :]).split(1, dim=-2))
        parts = zip(self.orders, x[..., self.gates :, :].split(self.rows, dim=-2))
        return torch.cat([part * next(gates) if order else nn.functional.silu(part) for order, part in parts], -2)


class SoftNetwork(nn.Module):
    r"""Soft linear layers, couplings and gates in turn: a network that can be driven towards any symmetry.

        x = linear(x);  x = x + coupling(x);  x = gate(x)      (layers times),      then a last linear

    All softness sits in the linear layers: couplings and gates commute with the whole of Similarity(n), so a network
    whose linear weights commute with a subgroup commutes with it. Shifts do not act: give it differences of positions.

    Args:
        v, w: representations of Similarity(n) on the input and the result.
        orders: of the hidden tensors; they need 0 for the gates.

    Shapes: x `*batch dim_v channel_in`, result `*batch dim_w channel_out`.

    Raises ValueError for orders without 0.

    Example:
        >>> from intertwine.groups.linear import Similarity
        >>> group = Similarity(3)
        >>> network = SoftNetwork(tensors(group, 0, 1), tensors(group, 2), 5, 1, channels=4)
        >>> network(torch.randn(7, 4, 5)).shape
        torch.Size([7, 9, 1])

    Reference: the network of Kim, Lee, Yang, Lee, 2023, arXiv:2306.00356, section 5, with one number of channels for
    all orders.
    """

    def __init__(
        self,
        v: Representation,
        w: Representation,
        channels_in: int,
        channels_out: int,
        *,
        channels: int = 16,
        layers: int = 2,
        orders: tuple[int, ...] = (0, 1, 2),
    ):
        super().__init__()
        if 0 not in orders:
            raise ValueError(f"SoftNetwork: expected order 0 among the hidden orders, came {orders}; gates need it.")
        group, n = v.group, v.group.element_shape[0]
        hidden = tensors(group, *orders)
        gated = Sum(Trivial(group, sum(order > 0 for order in orders)), hidden)
        ins = [(v, channels_in)] + [(hidden, channels)] * (layers - 1)
        self.linears = nn.ModuleList(SoftLinear(rep, gated, many, channels) for rep, many in ins)
        self.couplings = nn.ModuleList(TensorCoupling(n, orders, channels) for _ in ins)
        self.gate = TensorGate(n, orders)
        self.last = SoftLinear(hidden, w, channels, channels_out)

    def forward(self, x: Float[Tensor, "*batch dim_v channel_in"]) -> Float[Tensor, "*batch dim_w channel_out"]:
        """Layer after layer."""
        for linear, coupling in zip(self.linears, self.couplings):
            mixed = linear(x)
            gates, tensors_in = mixed[..., : self.gate.gates, :], mixed[..., self.gate.gates :, :]
            x = self.gate(torch.cat([gates, tensors_in + coupling(tensors_in)], -2))
        return self.last(x)
