"""e3nn's modules as ours, weights copied; O(3) acts on `dim`, multiplicities become channels. e3nn is not imported."""

from collections.abc import Callable, Iterable
from math import gcd, sqrt
from typing import Any, NoReturn

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.nn.fully_connected import FullyConnected
from intertwine.nn.linear import Linear
from intertwine.o3.irreps import Irrep, Irreps, IrrepsError
from intertwine.o3.spherical_harmonics import SphericalHarmonics
from intertwine.tensor_products.base import Weights
from intertwine.tensor_products.clebsch_gordan import ClebschGordan

CHANNELWISE = ("uvu", "uuu", "uvuv")


def from_e3nn(module: nn.Module) -> nn.Module:
    r"""The same map as a module of e3nn, in the layout of this library, with a copy of its weights.

    | e3nn | becomes |
    |---|---|
    | `SphericalHarmonics` | `o3.SphericalHarmonics` |
    | `Linear` | `Linear` |
    | `TensorProduct` with "uvu" or "uuu", `FullTensorProduct`, `ElementwiseTensorProduct` | `ClebschGordan` |
    | `TensorProduct` with "uvw", `FullyConnectedTensorProduct` | `FullyConnected` |

    Features go in and come out through `o3.from_e3nn` and `o3.to_e3nn`. The number of channels of x and of the result
    is the largest that divides their multiplicities. y has one channel, and an entry for each of its multiplicities;
    with "uuu" it has the channels of x. In `FullTensorProduct` channels of x and y meet all with all: where y has
    multiplicities above one, every multiplicity becomes an entry, and there is one channel.

    Weights that the caller passes stay outside: convert them with `weights_from_e3nn`. With `path_normalization`,
    `in1_var` and the like, scales differ from ours; they go into the copied weights.

    Raises:
        IrrepsError: the module is none of these, or an instruction of it cannot be expressed; the message names it.

    Example:
        >>> from e3nn import o3 as e3nn
        >>> product = from_e3nn(e3nn.FullTensorProduct("8x0e+8x1o", "1o"))
        >>> product.irreps_out, product(torch.randn(5, 4, 8), torch.randn(5, 3, 1)).shape
        (0e+1o+1e+2e, torch.Size([5, 12, 8]))
    """
    kind = type(module)
    convert = CONVERTERS.get(kind.__name__) if kind.__module__.partition(".")[0] == "e3nn" else None
    if convert is None:
        raise IrrepsError(
            f"from_e3nn: expected one of e3nn's modules {', '.join(CONVERTERS)}, came {kind.__module__}.{kind.__name__}"
            f". Convert the modules inside it one by one."
        )
    made = convert(module)
    weight = getattr(module, "weight", None)
    return made if weight is None else made.to(weight)


def weights_from_e3nn(module: nn.Module, weight: Float[Tensor, "*batch flat"]) -> Float[Tensor, "*batch paths channel"]:
    """Weights for a channel-wise `TensorProduct` of e3nn as the converted product takes them.

    A linear map that reorders and scales: where every multiplicity of y is one and scales agree, the order is the same.

    Example:
        >>> from e3nn import o3 as e3nn
        >>> old = e3nn.TensorProduct("8x1o", "1o", "8x0e", [(0, 0, 0, "uvu", True)], shared_weights=False)
        >>> weight = weights_from_e3nn(old, torch.randn(5, old.weight_numel))
        >>> from_e3nn(old)(torch.randn(5, 3, 8), torch.randn(5, 3, 1), weight).shape
        torch.Size([5, 1, 8])
    """
    source: Any = module
    channels = _channels_of_products(source)
    factors = _factors(source, channels, "component")
    rows, start = [], 0
    for instruction, factor in zip(source.instructions, factors, strict=True):
        mul1, *mul2 = instruction.path_shape
        count = mul1 * (mul2[0] if mul2 else 1)
        part = weight[..., start : start + count].unflatten(-1, (mul1 // channels, channels, -1))
        rows.append(factor * part.mT.flatten(-3, -2))
        start += count
    return torch.cat(rows, dim=-2)


def _harmonics(module: Any) -> SphericalHarmonics:
    degrees = [ir.l for mul, ir in module.irreps_out for _ in range(mul)]
    return SphericalHarmonics(degrees, normalize=module.normalize, normalization=module.normalization)


def _linear(module: Any) -> Linear:
    if not module.internal_weights:
        raise IrrepsError(f"from_e3nn: {module} takes its weights from the caller; ours owns them.")
    channels_in, channels_out = _channels(module.irreps_in), _channels(module.irreps_out)
    entries_in, entries_out = _entries(module.irreps_in, channels_in), _entries(module.irreps_out, channels_out)
    blocks, start = {}, 0
    for index, (i_in, i_out, shape, scale) in enumerate(module.instructions):
        if i_in < 0:
            raise IrrepsError(f"from_e3nn: instruction {index} of {module} adds a bias; ours has none.")
        value = scale * module.weight.detach()[start : start + shape[0] * shape[1]].reshape(shape)
        start += shape[0] * shape[1]
        for a, rows in zip(entries_in[i_in], value.split(channels_in, 0), strict=True):
            for b, block in zip(entries_out[i_out], rows.split(channels_out, 1), strict=True):
                blocks[a, b] = block
    irreps_in, irreps_out = _irreps(module.irreps_in, channels_in), _irreps(module.irreps_out, channels_out)
    linear = Linear(irreps_in, irreps_out, channels_in, channels_out)
    _fill(module, linear, blocks)
    return linear


def _tensor_product(module: Any) -> nn.Module:
    modes = {instruction.connection_mode for instruction in module.instructions}
    return _fully_connected(module) if modes == {"uvw"} else _channelwise(module)


def _channelwise(module: Any) -> ClebschGordan:
    channels = _channels_of_products(module)
    channels2 = channels if any(each.connection_mode == "uuu" for each in module.instructions) else 1
    entries1, entries2, entries3 = (
        _entries(irreps, number)
        for irreps, number in (
            (module.irreps_in1, channels), (module.irreps_in2, channels2), (module.irreps_out, channels),
        )
    )  # fmt: skip
    paths: list[tuple[int, int, int]] = []
    for index, each in enumerate(module.instructions):
        one, two, out = entries1[each.i_in1], entries2[each.i_in2], entries3[each.i_out]
        if each.connection_mode not in CHANNELWISE:
            _refuse(module, index, "it sums over channels; split it into a channel-wise product and a Linear")
        if each.connection_mode != "uuu" and channels2 > 1:
            _refuse(module, index, "y has one channel here, and one for each of x in an instruction with 'uuu'")
        if each.has_weight != module.instructions[0].has_weight:
            _refuse(module, index, "some instructions have weights and some have none; give all of them weights")
        if each.connection_mode == "uuu":
            paths += zip(one, two, out, strict=True)
        elif each.connection_mode == "uvu":
            paths += [(a, v, c) for a, c in zip(one, out, strict=True) for v in two]
        else:
            paths += [(a, v, out[place * len(two) + w]) for place, a in enumerate(one) for w, v in enumerate(two)]

    has_weights = module.instructions[0].has_weight if module.instructions else False
    weights: Weights = "none" if not has_weights else "internal" if module.internal_weights else "external"
    normalization = "component"
    if weights == "none" and not _agrees(_factors(module, channels, "component")):
        normalization = "none"
        for index, factor in enumerate(_factors(module, channels, "none")):
            if abs(factor - 1) > 1e-12:
                _refuse(module, index, f"its path is scaled by {factor:.6g} and has no weight that could hold that")
    product = ClebschGordan(
        _irreps(module.irreps_in1, channels),
        _irreps(module.irreps_in2, channels2),
        _irreps(module.irreps_out, channels),
        paths=paths,
        weights=weights,
        channels=channels,
        normalization=normalization,
    )
    if product.weight is not None:
        product.weight.data = weights_from_e3nn(module, module.weight.detach())
    return product


def _fully_connected(module: Any) -> FullyConnected:
    if not module.internal_weights:
        _refuse(module, 0, "its weights come from the caller, and the weights of our Linear are its own")
    channels, channels_out = _channels(module.irreps_in1), _channels(module.irreps_out)
    entries1, entries2 = _entries(module.irreps_in1, channels), _entries(module.irreps_in2, 1)
    entries3 = _entries(module.irreps_out, channels_out)
    between = sorted(
        {
            (Irrep.parse(str(module.irreps_out[each.i_out].ir)), a, v)
            for each in module.instructions
            for a in entries1[each.i_in1]
            for v in entries2[each.i_in2]
        }
    )
    product = ClebschGordan(
        _irreps(module.irreps_in1, channels),
        _irreps(module.irreps_in2, 1),
        Irreps(ir for ir, _, _ in between),
        paths=[(a, v, entry) for entry, (_, a, v) in enumerate(between)],
    )
    made = FullyConnected(product, _irreps(module.irreps_out, channels_out), channels, channels_out)
    place = {each: entry for entry, each in enumerate(between)}
    blocks, start = {}, 0
    for each in module.instructions:
        ir = Irrep.parse(str(module.irreps_out[each.i_out].ir))
        count = each.path_shape[0] * each.path_shape[1] * each.path_shape[2]
        value = module.weight.detach()[start : start + count].reshape(each.path_shape)
        value = value * (each.path_weight / sqrt(ir.dim))
        start += count
        for a, rows in zip(entries1[each.i_in1], value.split(channels, 0), strict=True):
            for v, columns in zip(entries2[each.i_in2], rows.unbind(1), strict=True):
                for b, block in zip(entries3[each.i_out], columns.split(channels_out, 1), strict=True):
                    blocks[place[ir, a, v], b] = block
    _fill(module, made.linear, blocks)
    return made


def _fill(module: Any, linear: Linear, blocks: dict[tuple[int, int], Tensor]) -> None:
    """Give a `Linear` the weight of every pair of entries, undoing its 1 / sqrt(fan_in)."""
    for weight, kind in zip(linear.weights, sorted(set(linear.irreps_out)), strict=True):
        rows = [entry for entry, ir in enumerate(linear.irreps_in) if ir == kind]
        columns = [entry for entry, ir in enumerate(linear.irreps_out) if ir == kind]
        for missing in ((a, b) for a in rows for b in columns if (a, b) not in blocks):
            raise IrrepsError(
                f"from_e3nn: {module} has no instruction for {kind} from copy {missing[0]} to copy {missing[1]}, and "
                f"ours connects all copies of an irrep. Convert the connected parts one by one."
            )
        whole = torch.cat([torch.cat([blocks[a, b] for b in columns], dim=1) for a in rows])
        weight.data = whole * sqrt(len(whole))


def _channels_of_products(module: Any) -> int:
    """Channels of x and of the result: what divides all their multiplicities, and those of y in "uuu"."""
    modes = {each.connection_mode for each in module.instructions}
    if any(each.connection_mode == "uvuv" and module.irreps_in2[each.i_in2].mul > 1 for each in module.instructions):
        return 1
    return _channels([*module.irreps_in1, *module.irreps_out, *(module.irreps_in2 if "uuu" in modes else ())])


def _factors(module: Any, channels: int, normalization: str) -> list[float]:
    """What e3nn scales the paths of every instruction by, over our scale."""
    if normalization == "none":
        return [each.path_weight for each in module.instructions]
    arrivals: dict[int, int] = {}
    for each in module.instructions:  # paths that meet in one entry of the result
        meeting = module.irreps_in2[each.i_in2].mul if each.connection_mode == "uvu" else 1
        arrivals[each.i_out] = arrivals.get(each.i_out, 0) + meeting
    return [
        each.path_weight / sqrt(module.irreps_out[each.i_out].ir.dim / arrivals[each.i_out])
        for each in module.instructions
    ]


def _agrees(factors: Iterable[float]) -> bool:
    return all(abs(factor - 1) < 1e-12 for factor in factors)


def _channels(irreps: Any) -> int:
    return gcd(*(mul for mul, _ in irreps)) or 1


def _irreps(irreps: Any, channels: int) -> Irreps:
    return Irreps(Irrep.parse(str(ir)) for mul, ir in irreps for _ in range(mul // channels))


def _entries(irreps: Any, channels: int) -> list[list[int]]:
    """For every term of e3nn's irreps the entries that hold its multiplicities, channel by channel."""
    found, start = [], 0
    for mul, _ in irreps:
        found.append(list(range(start, start + mul // channels)))
        start += mul // channels
    return found


def _refuse(module: Any, index: int, reason: str) -> NoReturn:
    each = module.instructions[index]
    one, two, out = module.irreps_in1[each.i_in1], module.irreps_in2[each.i_in2], module.irreps_out[each.i_out]
    raise IrrepsError(
        f"from_e3nn: instruction {index} of {module}, {one} x {two} -> {out} with '{each.connection_mode}', cannot be "
        f"expressed: {reason}."
    )


CONVERTERS: dict[str, Callable[[Any], nn.Module]] = {
    "SphericalHarmonics": _harmonics,
    "Linear": _linear,
    "TensorProduct": _tensor_product,
    "FullTensorProduct": _tensor_product,
    "ElementwiseTensorProduct": _tensor_product,
    "FullyConnectedTensorProduct": _tensor_product,
}
"""By the name of e3nn's class."""
