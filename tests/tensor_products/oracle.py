"""e3nn's tensor products in float64 and in the layout of this library, to compare with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from e3nn import o3 as e3nn
from torch import Tensor

from intertwine.o3.irreps import Irreps
from intertwine.o3.layout import from_e3nn, to_e3nn


@contextmanager
def float64_by_default() -> Iterator[None]:
    """e3nn keeps its constants in the default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def full_product(irreps_in1: str, irreps_in2: str) -> Callable[[Tensor, Tensor], Tensor]:
    """`FullTensorProduct` of features of one channel."""
    with float64_by_default():
        product = e3nn.FullTensorProduct(irreps_in1, irreps_in2)
    irreps = Irreps(str(product.irreps_out))
    return lambda x, y: from_e3nn(product(to_e3nn(x, irreps_in1), to_e3nn(y, irreps_in2)), irreps)


def channelwise_product(
    irreps: tuple[Irreps, Irreps, Irreps], paths: list[tuple[int, int, int, float]], channels: int, **normalization: str
) -> Callable[[Tensor, Tensor], Tensor]:
    """A `uuu` product along (in1, in2, out, path weight)."""
    multiplied = ["+".join(f"{channels}x{ir}" for ir in each) for each in irreps]
    instructions = [(in1, in2, out, "uuu", False, weight) for in1, in2, out, weight in paths]
    with float64_by_default():
        product = e3nn.TensorProduct(*multiplied, instructions, **normalization)
    return lambda x, y: from_e3nn(product(to_e3nn(x, irreps[0]), to_e3nn(y, irreps[1])), irreps[2])
