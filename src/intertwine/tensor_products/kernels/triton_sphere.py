"""The product of functions on the sphere on a GPU: points instead of rings, in the kernel of CP; O(3) acts on `dim`.

    z = C^T ( A x * B y )           A, B, C: harmonics of the three legs at points; C with areas and norms

Where matrix products are nearly free, a dense grid in one kernel that stores no point beats sums over rings.
`kernels.sphere_product` says what is computed; its operators call the two functions of this file for tensors on a GPU.
"""

from math import pi
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from intertwine.tensor_products.kernels import triton_decompose
from intertwine.tensor_products.kernels.term_table import kept


class _Points(NamedTuple):
    """Harmonics of every leg, `point dim`."""

    A: Tensor
    B: Tensor
    C: Tensor


def sphere_product(x: Tensor, y: Tensor, structure: Tensor, numbers: Tensor, dim: int) -> Tensor:
    """The product, `batch dim channel`."""
    return triton_decompose.decompose(x, y, *_points(structure, numbers))


def sphere_product_backward(
    x: Tensor, y: Tensor, gz: Tensor, structure: Tensor, numbers: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of <gz, z> by x and y."""
    return triton_decompose.decompose_backward(x, y, gz, *_points(structure, numbers))


def _points(structure: Tensor, numbers: Tensor) -> _Points:
    return kept(structure, numbers.dtype, lambda: _build(structure, numbers))


def _build(structure: Tensor, numbers: Tensor) -> _Points:
    s, c = structure.cpu().numpy(), numbers.detach().double().cpu().numpy()
    pairs, head, s = int(s[0]), s[1:10].reshape(3, 3).tolist(), s[10:]
    around = sum(order for _, order, _ in head) + 1  # points of a ring: exact for the highest order of a product
    areas, c, legs = c[:pairs] * 4 / around, c[pairs:], []
    for dim, order, slots in head:
        sizes = (2 * (order + 1), dim)
        counts, places, s = np.split(s, np.cumsum(sizes))
        scale, legendre, c = np.split(c, np.cumsum((dim, pairs * slots)))
        legs.append(scale * _harmonics(counts.reshape(-1, 2), places, legendre, pairs, around))
    legs[2] = legs[2] * np.repeat(np.tile(areas, 2), around)[:, None]
    return _Points(*(torch.from_numpy(np.ascontiguousarray(leg)).to(numbers) for leg in legs))


def _harmonics(
    counts: NDArray[np.integer], places: NDArray[np.integer], legendre: NDArray[np.floating], pairs: int, around: int
) -> NDArray[np.floating]:
    """Of every row, at all points: northern rings, then southern ones, points of a ring together."""
    blocks = np.split(legendre, np.cumsum(pairs * counts.flatten())[:-1])
    north = np.concatenate([block.reshape(pairs, -1) for block in blocks], axis=1)  # by pair and slot
    sign = np.repeat(np.tile([1, -1], len(counts)), counts.flatten())
    rings = np.concatenate([north, sign * north])
    order = np.repeat(np.arange(len(counts)), counts.sum(axis=1))
    angle = 2 * pi * np.arange(around)[:, None] / around * order
    waves = np.stack([np.cos(angle), np.sin(angle)])  # by cosine or sine, point and slot
    slot, sine = places // 2, places % 2
    return (rings[:, None, slot] * waves[sine, :, slot].T).reshape(-1, len(places))
