"""Nonlinearity for features of any degree: invariants pass a function and scale the rest; O(3) acts on `dim`."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.nn.mlp import SIGMOID_SCALE, SILU_SCALE
from intertwine.o3.constants import Constants
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.tensor_products.kernels.gate import Plan, gate, takes


class Gate(nn.Module):
    r"""Apply silu to the scalars and scale every other entry by the sigmoid of a scalar of its own.

        z[0e] = c silu(x[0e]),        z[entry] = c' sigmoid(gate[entry]) x[entry]

    where silu(x) = sigmoid(x) x: a scalar is its own gate. c = `SILU_SCALE` and c' = `SIGMOID_SCALE` make the second
    moment of both functions one, which keeps unit variance.

    The first entries of the input are the gates, one "0e" per entry that is not "0e"; `irreps_in` says how many. Odd
    scalars ("0o") are gated like vectors, since silu of them would have no parity.

    Args:
        irreps: type of the result.

    Shapes: x `*batch dim_in channel` of type `irreps_in`, result `*batch dim channel` of type `irreps`.

    Raises:
        IrrepsError: no irreps.

    Example:
        >>> gate = Gate(Irreps("0e+1o"))
        >>> gate.irreps_in
        2x0e+1o
        >>> gate(torch.randn(5, 5, 8)).shape
        torch.Size([5, 4, 8])

    Reference: Weiler et al., 2018, arXiv:1807.02547, section 4.3.
    """

    def __init__(self, irreps: Irreps | str):
        super().__init__()
        self.irreps = Irreps(irreps)
        if not self.irreps:
            raise IrrepsError(
                "Gate: expected at least one irrep, came none. Name the type of the result, such as 0e+1o."
            )
        gated = [ir != Irreps("0e")[0] for ir in self.irreps]
        self.gates = sum(gated)
        self.irreps_in = Irreps("0e") * self.gates + self.irreps
        rows, scales = [self.irreps_in.dim, self.irreps.dim], []
        for entry, (where, is_gated) in enumerate(zip(self.irreps.slices(), gated, strict=True)):
            own = self.gates + where.start
            rows += [sum(gated[:entry]) if is_gated else own, own, where.start, where.stop - where.start]
            scales.append(SIGMOID_SCALE if is_gated else SILU_SCALE)
        self.plan = Plan(tuple(rows), tuple(scales))
        sizes = torch.tensor(rows[5::4])
        self.register_buffer("gate_of_row", torch.tensor(rows[2::4]).repeat_interleave(sizes), persistent=False)
        scale = torch.tensor(scales, dtype=torch.float64).repeat_interleave(sizes)
        self.tables = Constants(scale=scale.unsqueeze(-1))

    def forward(self, x: Float[Tensor, "*batch dim_in channel"]) -> Float[Tensor, "*batch dim channel"]:
        """Gate every entry."""
        return gate(x, self.plan) if takes(x, self.plan) else self.readable(x)

    def readable(self, x: Tensor) -> Tensor:
        """All entries at once; scaled last: the way back keeps the gates only once."""
        gates = torch.sigmoid(x.index_select(-2, self.get_buffer("gate_of_row")))
        return gates * x[..., self.gates :, :] * self.tables.like(x, "scale")
