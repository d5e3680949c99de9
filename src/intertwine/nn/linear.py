"""Mixing of channels: the linear maps that commute with O(3); the group acts on `dim`, the weights on `channel`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.irreps import Irrep, Irreps, IrrepsError
from intertwine.tensor_products.kernels.mix import Kind, Mixing, mix, takes


class ChannelMixing(nn.Module, ABC):
    """A linear map that commutes with O(3): for each irrep a matrix over its copies and channels (Schur's lemma).

    Raises:
        IrrepsError: irreps_out holds an irrep that irreps_in lacks, or nothing at all.
    """

    def __init__(self, irreps_in: Irreps | str, irreps_out: Irreps | str, channels_in: int, channels_out: int):
        super().__init__()
        name = type(self).__name__
        self.irreps_in, self.irreps_out = Irreps(irreps_in), Irreps(irreps_out)
        kinds = sorted(set(self.irreps_out))
        if not kinds:
            raise IrrepsError(f"{name}: expected at least one irrep in irreps_out, came none from {self.irreps_in}.")
        for ir in kinds:
            if ir not in self.irreps_in:
                raise IrrepsError(
                    f"{name}: irreps_out {self.irreps_out} holds {ir}, which irreps_in {self.irreps_in} lacks. "
                    f"A linear map cannot make it; drop it, or multiply features first."
                )
        self.blocks = [_Block(self.irreps_in, self.irreps_out, ir, channels_in, channels_out) for ir in kinds]
        self.sizes = [entry.dim for entry in self.irreps_in]
        rows = [Kind(ir.dim, _starts(self.irreps_in, ir), _starts(self.irreps_out, ir)) for ir in kinds]
        self.mixing = Mixing(rows, (self.irreps_in.dim, channels_in), (self.irreps_out.dim, channels_out))
        slices = [slice(start, start + kind.dim) for kind in rows for start in kind.written]
        order = torch.cat([torch.arange(where.start, where.stop) for where in slices]).argsort()
        self.in_order = bool((order == torch.arange(len(order))).all())
        self.register_buffer("order", order, persistent=False)

    @abstractmethod
    def matrices(self) -> Iterable[Tensor]:
        """The matrix of each kind of irrep, in order."""

    def forward(self, x: Float[Tensor, "*batch dim_in channel_in"]) -> Float[Tensor, "*batch dim_out channel_out"]:
        """Mix the channels of every irrep."""
        matrices = list(self.matrices())
        return mix(x, matrices, self.mixing) if takes(x, matrices, self.mixing) else self.readable(x, matrices)

    def readable(self, x: Tensor, matrices: Iterable[Tensor]) -> Tensor:
        """One matrix product for each kind of irrep."""
        parts = x.split(self.sizes, dim=-2)  # slices would each send back a gradient as large as x, mostly zeros
        scaled = [matrix / sqrt(matrix.shape[0]) for matrix in matrices]
        y = torch.cat([block(parts, matrix) for block, matrix in zip(self.blocks, scaled, strict=True)], dim=-2)
        return y if self.in_order else y.index_select(-2, self.get_buffer("order"))


class Linear(ChannelMixing):
    r"""The general equivariant linear map: one matrix per irrep over its copies and channels.

        y[a, m, k] = sum over copies b and channels c of  x[b, m, c] weight[b, c, a, k] / sqrt(copies * channels)

    Weights are drawn from N(0, 1), so that unit variance is kept. There is no bias: it would break equivariance on
    everything but 0e.

    Shapes: x `*batch dim_in channel_in`, result `*batch dim_out channel_out`.

    Raises:
        IrrepsError: irreps_out holds an irrep that irreps_in lacks, or nothing at all.

    Example:
        >>> from intertwine.o3 import Irreps
        >>> linear = Linear(Irreps("2x0e+1o"), Irreps("0e+1o"), 8, 16)
        >>> linear(torch.randn(5, 5, 8)).shape
        torch.Size([5, 4, 16])
    """

    def __init__(self, irreps_in: Irreps | str, irreps_out: Irreps | str, channels_in: int, channels_out: int):
        super().__init__(irreps_in, irreps_out, channels_in, channels_out)
        self.weights = nn.ParameterList(torch.randn(block.weight_shape) for block in self.blocks)

    def matrices(self) -> Iterable[Tensor]:
        """A parameter for each kind."""
        return self.weights


class SharedLinear(ChannelMixing):
    r"""`Linear` with the same matrix for all irreps: mixing that cannot tell degrees apart.

        y[a, m, k] = sum over copies b and channels c of  x[b, m, c] weight[b, c, a, k] / sqrt(copies * channels)

    where copies are counted from the last, so that in "2x0e+1o" the second 0e has the matrix of the 1o, and the first
    one has its own. A fraction of the weights; the map is as exactly equivariant. Also known as: PS-Linear.

    Shapes: x `*batch dim_in channel_in`, result `*batch dim_out channel_out`.

    Raises:
        IrrepsError: irreps_out holds an irrep that irreps_in lacks, or nothing at all.

    Example:
        >>> layer = SharedLinear("0e+1o+2e", "0e+1o+2e", 8, 16)
        >>> layer(torch.randn(5, 9, 8)).shape, layer.weight.numel() == 8 * 16
        (torch.Size([5, 9, 16]), True)

    Reference: Lin et al., 2025, Tensor Decomposition Networks for Fast Machine Learning Interatomic Potential
    Computations, section 3.
    """

    def __init__(self, irreps_in: Irreps | str, irreps_out: Irreps | str, channels_in: int, channels_out: int):
        super().__init__(irreps_in, irreps_out, channels_in, channels_out)
        rows, columns = (max(sizes) for sizes in zip(*[block.weight_shape for block in self.blocks]))
        self.weight = nn.Parameter(torch.randn(rows, columns))

    def matrices(self) -> Iterable[Tensor]:
        """The part of the only parameter that each kind has copies for."""
        for rows, columns in (block.weight_shape for block in self.blocks):
            yield self.weight[-rows:, -columns:]


class _Block:
    """The part of a map that mixes the copies of one irrep: which entries it reads, and how its matrix is laid out."""

    def __init__(self, irreps_in: Irreps, irreps_out: Irreps, ir: Irrep, channels_in: int, channels_out: int):
        self.copies_out = irreps_out.count(ir)
        self.weight_shape = (irreps_in.count(ir) * channels_in, self.copies_out * channels_out)
        self.entries = [index for index, entry in enumerate(irreps_in) if entry == ir]

    def __call__(self, parts: Sequence[Tensor], matrix: Tensor) -> Tensor:
        copies = [parts[index] for index in self.entries]
        x = copies[0] if len(copies) == 1 else torch.cat(copies, dim=-1)
        y = x @ matrix
        return y if self.copies_out == 1 else torch.cat(y.chunk(self.copies_out, dim=-1), dim=-2)


def _starts(irreps: Irreps, ir: Irrep) -> tuple[int, ...]:
    return tuple(where.start for where, entry in zip(irreps.slices(), irreps, strict=True) if entry == ir)
