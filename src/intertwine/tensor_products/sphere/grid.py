"""Features as functions on a quadrature grid of the sphere; O(3) acts on `dim` on one side, on points on the other."""

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.o3.constants import Constants
from intertwine.o3.grid import SphereGrid
from intertwine.o3.irreps import Irreps
from intertwine.o3.spherical_harmonics import spherical_harmonics, surface_gradient
from intertwine.tensor_products.sphere.function import SphereTransform

WIDE = 16
"""Channels from which a matrix product for each sample is as fast as one for all of them."""


class GridTransform(SphereTransform):
    """Harmonics to grid values and back, each one constant matrix.

        sample:    f(r_q) = sum_lm x_lm Y_lm(r_q)
        gradient:  (a_q, b_q) = components of grad f at r_q along two tangents t_a, t_b with t_a x t_b = r_q
        expand:    z_lm = sum_q weights_q f(r_q) Y_lm(r_q)

    Y are orthonormal ("integral") harmonics. `expand` is the exact integral for every f of degree at most
    grid.degree - l. Equal degrees in `irreps` are functions that add up.

    Shapes: x `*batch dim channel`, f, a, b `*batch point channel`.
    """

    def __init__(self, irreps: Irreps, grid: SphereGrid):
        super().__init__()
        harmonics = harmonics_at(irreps, grid)
        tangents = torch.stack(tangent_frame(grid.points))
        tangential = torch.einsum("dqx,tqx->tqd", gradients_at(irreps, grid), tangents)
        self.tables = Constants(
            harmonics=harmonics,
            expansion=(harmonics * grid.weights[:, None]).T.contiguous(),
            tangential=tangential.flatten(0, 1).contiguous(),
        )

    def sample(self, x: Float[Tensor, "*batch dim channel"]) -> Float[Tensor, "*batch point channel"]:
        """Values of the function."""
        return matrix_product(self.tables.like(x, "harmonics"), x)

    def gradient(
        self, x: Float[Tensor, "*batch dim channel"]
    ) -> tuple[Float[Tensor, "*batch point channel"], Float[Tensor, "*batch point channel"]]:
        """Tangential derivatives of the function along t_a and t_b."""
        both = matrix_product(self.tables.like(x, "tangential"), x)
        a, b = both.chunk(2, dim=-2)
        return a, b

    def expand(self, f: Float[Tensor, "*batch point channel"]) -> Float[Tensor, "*batch dim channel"]:
        """Harmonics of the function."""
        return matrix_product(self.tables.like(f, "expansion"), f)


def matrix_product(
    table: Float[Tensor, "out dim"], x: Float[Tensor, "*batch dim channel"]
) -> Float[Tensor, "*batch out channel"]:
    """The table times every sample: one narrow product for each, or with few channels one wide product for all.

    Narrow products with few columns are many times slower, and some BLAS libraries add them up carelessly.
    """
    if x.shape[-1] >= WIDE:
        return table @ x
    return (x.mT @ table.mT).mT.contiguous()


def tangential_derivatives(lmax: int, grid: SphereGrid) -> Float[Tensor, "derivative point"]:
    """Matrix from the grid values of a function of degree at most `lmax` to its derivatives, first t_a, then t_b."""
    tables = GridTransform(Irreps.spherical_harmonics(lmax), grid).tables.exact
    return tables["tangential"] @ tables["expansion"]


def harmonics_at(irreps: Irreps, grid: SphereGrid) -> Float[Tensor, "point dim"]:
    """Orthonormal harmonics of the degrees in `irreps` at the points, float64."""
    return spherical_harmonics(list(irreps.degrees), grid.points, True, normalization="integral")


def gradients_at(irreps: Irreps, grid: SphereGrid) -> Float[Tensor, "dim point 3"]:
    """Tangential gradients of the same harmonics, float64."""
    by_degree = surface_gradient(irreps.lmax, grid.points).split([2 * l + 1 for l in range(irreps.lmax + 1)])
    return torch.cat([by_degree[l] for l in irreps.degrees])


def tangent_frame(points: Float[Tensor, "point 3"]) -> tuple[Float[Tensor, "point 3"], Float[Tensor, "point 3"]]:
    """Two unit tangents at each unit vector, right-handed with it.

    Any frame will do, since the bracket does not depend on it; this one starts from the axis farthest from the point,
    and so has no singular point.
    """
    axis = torch.zeros_like(points).scatter_(1, points.abs().argmin(1, keepdim=True), 1.0)
    a = torch.linalg.cross(axis, points)
    a = a / a.norm(dim=1, keepdim=True)
    return a, torch.linalg.cross(points, a)
