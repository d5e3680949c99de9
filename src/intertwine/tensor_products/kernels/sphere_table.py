"""The harmonics of three legs on rings of a Gauss-Legendre rule, as the compiled Gaunt product reads them.

O(3) acts on the rows of a leg. Its harmonics are sorted by order m, and of one order those of even l - m come first:
they agree on a ring and its mirror image, the others change sign.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int32
from torch import Tensor

from intertwine.o3.irreps import Irreps
from intertwine.o3.spherical_harmonics import spherical_harmonics


@dataclass(frozen=True)
class SphereTable:
    """Where everything is, and the numbers.

    structure: pairs of rings; for every leg the number of rows, the largest order and the number of harmonics; then for
    every leg, by order, how many harmonics have even and odd l - m, and for every row twice its harmonic, plus 1 for a
    sine.
    numbers: a weight for every pair of rings; for every leg the scales of its rows, then by order and parity the
    harmonics on the northern rings, `pair harmonic`.
    """

    structure: Int32[Tensor, "integer"]
    numbers: Float[Tensor, "number"]


def sphere_table(irreps: tuple[Irreps, Irreps, Irreps], norms: Float[Tensor, "dim3"]) -> SphereTable:
    """Tables for products of the first two legs, expanded in the third and multiplied by `norms`."""
    rings = sum(each.lmax for each in irreps) // 2 + 1  # exact for this degree
    pairs = (rings + 1) // 2
    height, area = (torch.tensor(each[pairs:]) for each in np.polynomial.legendre.leggauss(2 * pairs))
    # two cosines multiply to half a cosine of the sum and half of the difference; the circle has length 2 pi
    numbers, head, tail = [area * torch.pi / 2], [pairs], []
    for leg, each in enumerate(irreps):
        slots, legendre = _harmonics(each, height)
        places = [2 * slots[l, abs(m)] + (m < 0) for l in each.degrees for m in range(-l, l + 1)]
        kinds = [(m, (l - m) % 2) for l, m in slots]
        sizes = [kinds.count((m, odd)) for m in _orders(each) for odd in (0, 1)]
        head += [each.dim, each.lmax, len(slots)]
        tail += [*sizes, *places]
        numbers += [norms if leg == 2 else torch.ones(each.dim, dtype=torch.float64), legendre]
    return SphereTable(torch.tensor([*head, *tail], dtype=torch.int32), torch.cat(numbers))


def _orders(irreps: Irreps) -> range:
    return range(irreps.lmax + 1)


def _harmonics(
    irreps: Irreps, height: Float[Tensor, "pair"]
) -> tuple[dict[tuple[int, int], int], Float[Tensor, "number"]]:
    """Places of the harmonics (l, m), and their values at azimuth 0, one order and parity after the other."""
    meridian = torch.stack([torch.zeros_like(height), height, (1 - height**2).sqrt()], dim=-1)
    values = spherical_harmonics(list(range(irreps.lmax + 1)), meridian, True, normalization="integral")
    slots, tables = {}, []
    for m in _orders(irreps):
        for odd in (0, 1):
            degrees = [l for l in sorted(set(irreps.degrees)) if l >= m and (l - m) % 2 == odd]
            slots |= {(l, m): len(slots) + place for place, l in enumerate(degrees)}
            tables.append(values[:, [l * l + l + m for l in degrees]].flatten())
    return slots, torch.cat(tables)
