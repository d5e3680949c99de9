"""Frames of edges: rotations that bring an edge to the polar axis y; adds their quaternions and Wigner matrices.

Angles fail at the poles, where the azimuth jumps. Two charts of quaternions do not: each is smooth on more than half of
the sphere.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.clebsch_gordan import wigner_3j
from intertwine.o3.constants import Constants
from intertwine.o3.rotation import quaternion_to_matrix
from intertwine.o3.spherical_harmonics import unit_vector


def edge_quaternion(edge: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 4"]:
    r"""Unit quaternion (w, x, y, z) of a rotation that takes the direction of an edge to the polar axis y.

        u = edge / |edge|
        q ~ (1 + u_y, -u_z, 0, u_x)            u_y >= 0:  the shortest way
        q ~ (-u_z, 1 - u_y, u_x, 0)            u_y <  0:  half a turn about x, then the shortest way

    Before division by its length q is linear in u and at least sqrt(2) long, so values and all derivatives are finite
    for every direction, +-y included. At u_y = 0 the frame jumps by a turn about y, because no smooth choice exists
    on the whole sphere: what is computed in the frame must not depend on a turn about y.

    An edge of length zero gets the identity.

    Shapes: edge `*batch 3`, any unit of length; result `*batch 4`.

    Example:
        >>> from intertwine.o3.rotation import quaternion_to_matrix
        >>> edge = torch.tensor([[1.0, 2.0, 2.0], [0.0, -5.0, 0.0]], dtype=torch.float64)
        >>> (quaternion_to_matrix(edge_quaternion(edge)) @ edge[..., None]).squeeze(-1).round(decimals=9).abs()
        tensor([[0., 3., 0.],
                [0., 5., 0.]], dtype=torch.float64)
    """
    x, y, z = unit_vector(edge).unbind(-1)
    zero = torch.zeros_like(y)
    upper, lower = torch.stack([1 + y, -z, zero, x], -1), torch.stack([-z, 1 - y, x, zero], -1)
    q = torch.where(y[..., None] >= 0, upper, lower)
    return q / q.norm(dim=-1, keepdim=True)


class EdgeFrame(nn.Module):
    r"""Wigner matrices of every degree to lmax for the rotation that takes an edge to the polar axis y.

        frame(edge)[l] = D^l(R),   R = rotation of edge_quaternion(edge),   R edge = |edge| y

    `frame(edge)[l] @ x` is a feature as seen along the edge: its components m are orders of rotation about the edge.
    Each degree comes from the one below, D^l = (2 l + 1) w^T (R x D^{l-1}) w with w the 3j tensor of (1, l - 1, l);
    `wigner_d` gives the same matrices for a single degree. O(lmax^4) numbers of work an edge, no channels.

    Shapes: edge `*batch 3`, result: lmax + 1 tensors `*batch dim dim`.

    Example:
        >>> frame = EdgeFrame(2)
        >>> edge = torch.randn(5, 3)
        >>> (frame(edge)[1] @ edge[..., None])[:, [0, 2]].abs().max() < 1e-5
        tensor(True)

    Reference: Passaro and Zitnick, 2023, arXiv:2302.03655, section 3.1 (there with angles).
    """

    def __init__(self, lmax: int) -> None:
        super().__init__()
        self.lmax = lmax
        tables = {}
        for l in range(2, lmax + 1):
            coupling = (2 * l + 1) ** 0.5 * wigner_3j(1, l - 1, l)
            tables[f"read{l}"] = coupling.transpose(0, 1).flatten(1).contiguous()
            tables[f"write{l}"] = coupling.permute(2, 1, 0).flatten(1).contiguous()
        self.tables = Constants(**tables)

    def forward(self, edge: Float[Tensor, "*batch 3"]) -> list[Float[Tensor, "*batch dim dim"]]:
        """The matrices by degree."""
        r = quaternion_to_matrix(edge_quaternion(edge))
        matrices = [torch.ones_like(r[..., :1, :1]), r]
        for l in range(2, self.lmax + 1):
            lower = (matrices[-1] @ self.tables.like(r, f"read{l}")).unflatten(-1, (3, 2 * l + 1))  # [n, k', m']
            both = r.unsqueeze(-3) @ lower  # [n, k, m']
            matrices.append(self.tables.like(r, f"write{l}") @ both.flatten(-3, -2))
        return matrices[: self.lmax + 1]
