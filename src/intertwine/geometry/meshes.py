"""Triangle meshes and points drawn from them uniformly, with normals; E(3) acts on `vertices` and points."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor


class MeshError(ValueError):
    """A mesh that cannot be read or has no surface. One line: where, what was expected, what came."""


@dataclass(frozen=True)
class Mesh:
    """Triangles between points, in the unit of the file.

    Raises:
        MeshError: a corner that is no vertex, or a coordinate that is not finite.

    Example:
        >>> corner = Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]))
        >>> round(float(corner.areas), 4), corner.normals.round(decimals=3)
        (0.866, tensor([[0.5770, 0.5770, 0.5770]]))
    """

    vertices: Float[Tensor, "vertex 3"]
    faces: Int[Tensor, "face 3"]
    """Corners of each triangle, counter-clockwise seen from outside."""

    def __post_init__(self) -> None:
        count = len(self.vertices)
        if self.faces.numel() and not 0 <= int(self.faces.min()) <= int(self.faces.max()) < count:
            raise MeshError(
                f"Mesh: expected corners of faces among vertices 0 to {count - 1}, came "
                f"{int(self.faces.min())} to {int(self.faces.max())}."
            )
        if not bool(self.vertices.isfinite().all()):
            raise MeshError("Mesh: expected finite coordinates in vertices, came nan or inf.")

    @cached_property
    def _crossed(self) -> Float[Tensor, "face 3"]:
        a, b, c = self.vertices[self.faces.long()].unbind(1)
        return torch.linalg.cross(b - a, c - a)

    @cached_property
    def areas(self) -> Float[Tensor, "face"]:
        """Of the triangles."""
        return self._crossed.norm(dim=-1) / 2

    @cached_property
    def normals(self) -> Float[Tensor, "face 3"]:
        """Unit normals of the triangles; zero for a triangle without area."""
        return torch.nn.functional.normalize(self._crossed, dim=-1)


def sample_surface(
    mesh: Mesh, count: int, *, generator: torch.Generator | None = None
) -> tuple[Float[Tensor, "point 3"], Float[Tensor, "point 3"]]:
    """Points uniform over the area, and the normals of their triangles.

        x = (1 - sqrt(u)) a + sqrt(u) (1 - v) b + sqrt(u) v c,      u, v uniform in [0, 1)

    Raises:
        MeshError: the mesh has no area.

    Example:
        >>> corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
        >>> points, normals = sample_surface(Mesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]])), 5)
        >>> points.shape, normals[0]
        (torch.Size([5, 3]), tensor([0., 0., 1.]))

    Reference: Osada et al., 2002, ACM Transactions on Graphics 21, 807, equation 1.
    """
    if not float(mesh.areas.sum()) > 0:
        raise MeshError(f"sample_surface: expected a mesh with area, came {len(mesh.faces)} faces of area zero.")
    total = mesh.areas.double().cumsum(0)
    draws = torch.rand(3, count, generator=generator, dtype=torch.float64)
    face = torch.searchsorted(total, draws[0] * total[-1], right=True).clamp(max=len(mesh.faces) - 1)
    root, v = draws[1].sqrt().to(mesh.vertices.dtype), draws[2].to(mesh.vertices.dtype)
    weights = torch.stack([1 - root, root * (1 - v), root * v], dim=-1)
    points = torch.einsum("pk,pkd->pd", weights, mesh.vertices[mesh.faces[face].long()])
    return points, mesh.normals[face]
