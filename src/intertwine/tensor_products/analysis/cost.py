"""What a product costs before it runs: flops, bytes and predicted seconds. No group acts on a cost."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from math import log

import torch
from torch import nn

from intertwine.tensor_products.analysis.rates import machine_rates
from intertwine.tensor_products.analysis.work import count
from intertwine.tensor_products.base import TensorProduct
from intertwine.tensor_products.kernels.library import using

Shapes = list[tuple[int, ...]]


@dataclass(frozen=True)
class Cost:
    """What one call takes.

    Example:
        >>> print(Cost(flops=2_000_000, bytes_read=48_000, bytes_written=16_000, table_bytes=600, operations=3,
        ...            seconds=2e-4))
        2.00 Mflop in 3 operations, 0.05 MB read, 0.02 MB written, tables 0.00 MB, predicted 0.200 ms
    """

    flops: int
    """Multiplications and additions; a multiply-add counts as two."""
    bytes_read: int
    """By all operations, intermediate results included."""
    bytes_written: int
    table_bytes: int
    """Of the constants, such as couplings and grids."""
    operations: int
    """Started one after the other."""
    seconds: float
    """Predicted from the rates of this machine."""

    def __str__(self) -> str:
        return (
            f"{self.flops / 1e6:.2f} Mflop in {self.operations} operations, {self.bytes_read / 1e6:.2f} MB read, "
            f"{self.bytes_written / 1e6:.2f} MB written, tables {self.table_bytes / 1e6:.2f} MB, "
            f"predicted {1e3 * self.seconds:.3f} ms"
        )


def cost(
    product: TensorProduct,
    batch: int,
    *,
    channels: int = 1,
    y_channels: int | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    derivatives: int = 0,
) -> Cost:
    """Work and predicted seconds of a product on random features, without running it.

        seconds = sum over operations of   start + max( flops / rate,  bytes / bandwidth )

    The rates are measured once per dtype, device and number of threads, in a fraction of a second. Work is exact for
    torch operations; a compiled kernel counts the numbers of its table once for each sample and channel. Good for
    ranking: seconds are right within a small factor, as caches and other processes are not in the model.

    Args:
        channels: of x; a product with internal weights has its own.
        y_channels: 1, or `channels` where left out.
        derivatives: 0 for the product alone, 1 with its gradient, 2 with the gradient of that.

    Example:
        >>> from intertwine.tensor_products import Gaunt
        >>> small, large = (cost(Gaunt("0e+1o", "0e+1o"), batch, channels=8) for batch in (1000, 2000))
        >>> large.flops == 2 * small.flops
        True
    """
    shapes = input_shapes(product, batch, channels=channels, y_channels=y_channels)
    return cost_of(product, shapes, dtype=dtype, device=device, derivatives=derivatives)


def cost_of(
    module: nn.Module,
    shapes: Shapes,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    derivatives: int = 0,
) -> Cost:
    """The same for any module, at the shapes of its inputs.

    Example:
        >>> cost_of(nn.Linear(8, 4, bias=False), [(100, 8)]).flops
        6400
    """
    with nullcontext() if torch.device(device).type == "cpu" else using(None):
        operations = count(module, shapes, dtype=dtype, derivatives=derivatives)
    rates = machine_rates(device, dtype)
    return Cost(
        flops=sum(each.flops for each in operations),
        bytes_read=sum(each.read for each in operations),
        bytes_written=sum(each.written for each in operations),
        table_bytes=sum(each.numel() * each.itemsize for each in module.buffers()),
        operations=len(operations),
        seconds=sum(map(rates.seconds, operations)),
    )


def input_shapes(product: TensorProduct, batch: int, *, channels: int = 1, y_channels: int | None = None) -> Shapes:
    """Of x, y and, where the product takes one, the weight: one a sample."""
    channels = channels if product.weight is None else product.weight.shape[-1]
    shapes = [(batch, product.irreps_in1.dim, channels), (batch, product.irreps_in2.dim, y_channels or channels)]
    return shapes + [(batch, product.weight_count, channels)] * (product.weights == "external")


def scaling(make: Callable[[int], TensorProduct], lmaxs: Sequence[int], *, batch: int = 1, channels: int = 1) -> float:
    """Exponent e with which the flops of a product grow, (lmax + 1)^e, by least squares over some degrees.

    Example:
        >>> from intertwine.o3 import Irreps
        >>> from intertwine.tensor_products import Gaunt
        >>> from intertwine.tensor_products.kernels.library import using
        >>> degrees = Irreps.spherical_harmonics
        >>> with using(None):       # on points; the compiled kernel, on rings, has 3
        ...     round(scaling(lambda lmax: Gaunt(degrees(lmax), degrees(lmax), degrees(lmax)), (4, 6, 8)))
        4
    """
    if len(set(lmaxs)) < 2:
        raise ValueError(f"scaling: expected at least two degrees, came {list(lmaxs)}.")
    flops = [sum(each.flops for each in count(p, input_shapes(p, batch, channels=channels))) for p in map(make, lmaxs)]
    u, v = [log(lmax + 1) for lmax in lmaxs], [log(each) for each in flops]
    u_mean, v_mean = sum(u) / len(u), sum(v) / len(v)
    slope = sum((a - u_mean) * (b - v_mean) for a, b in zip(u, v, strict=True))
    return slope / sum((a - u_mean) ** 2 for a in u)
