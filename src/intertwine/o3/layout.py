"""Features of O(3) in e3nn's layout `[*batch, mul x ir]` and in ours, `[*batch, dim, channel]`: adds converters."""

import math
import re

import torch
from jaxtyping import Shaped
from torch import Tensor

from intertwine.o3.irreps import EXAMPLE, Irreps, IrrepsError, IrrepsLike


def from_e3nn(x: Shaped[Tensor, "*batch flat"], irreps: IrrepsLike) -> Shaped[Tensor, "*batch dim channel"]:
    """A flat feature of e3nn in the layout of this library; the number of channels is its length over `irreps.dim`.

    An entry of `irreps` with C channels is the block `Cx<ir>` of e3nn; equal neighbours join there, so "64x0e+32x1o" is
    `Irreps("2x0e+1o")` with 32 channels. `split_channels` finds both from e3nn's string.

    Raises `IrrepsError` when the length is not a multiple of `irreps.dim`.

    Example:
        >>> irreps, channels = split_channels("4x0e+2x1o")
        >>> irreps, channels, from_e3nn(torch.arange(10), irreps)[2:]      # two vectors, as columns
        (2x0e+1o, 2, tensor([[4, 7],
                [5, 8],
                [6, 9]]))
    """
    irreps = Irreps(irreps)
    if irreps.dim == 0 or x.shape[-1] % irreps.dim:
        raise IrrepsError(
            f'from_e3nn: expected a last axis of channels x {irreps.dim} for irreps "{irreps}", came {x.shape[-1]}. '
            f"Use split_channels on the irreps string of e3nn."
        )
    channels = x.shape[-1] // irreps.dim
    blocks = x.split([channels * ir.dim for ir in irreps], -1)
    return torch.cat([block.unflatten(-1, (channels, ir.dim)).mT for ir, block in zip(irreps, blocks)], -2)


def to_e3nn(x: Shaped[Tensor, "*batch dim channel"], irreps: IrrepsLike) -> Shaped[Tensor, "*batch flat"]:
    """The inverse of `from_e3nn`.

    Raises `IrrepsError` when the `dim` axis is not `irreps.dim` long.

    Example:
        >>> to_e3nn(from_e3nn(torch.arange(10), "2x0e+1o"), "2x0e+1o")
        tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    irreps = Irreps(irreps)
    if x.shape[-2] != irreps.dim:
        raise IrrepsError(f'to_e3nn: irreps "{irreps}" ask for a dim axis of {irreps.dim}, came {x.shape[-2]}.')
    return torch.cat([x[..., rows, :].mT.flatten(-2) for rows in irreps.slices()], -1)


def split_channels(irreps: str, channels: int | None = None) -> tuple[Irreps, int]:
    """Irreps of e3nn, with multiplicities, as irreps of this library and a number of channels.

    Without `channels` the largest number that divides every multiplicity is taken.
    Raises `IrrepsError` when `channels` does not divide a multiplicity.

    Example:
        >>> split_channels("128x0e+64x1o+32x2e")
        (4x0e+2x1o+2e, 32)
    """
    # joined neighbours: e3nn's "1x0e+1x0e" is laid out like "2x0e"
    runs = [(int(mul or 1), ir) for mul, ir in re.findall(r"(?:(\d+)x)?([^+x]+)", str(Irreps(irreps)))]
    found = math.gcd(*(mul for mul, _ in runs)) if channels is None else channels
    for mul, ir in runs:
        if found < 1 or mul % found:
            raise IrrepsError(f'split_channels: {found} channels do not divide {mul}x{ir} of "{irreps}". {EXAMPLE}')
    return Irreps("+".join(f"{mul // found}x{ir}" for mul, ir in runs)), found
