"""Coordinates that points have of their own, and the way there and back; what E(d) does to the points, it undoes."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from intertwine.nn.classical_scaling import ScalingError, Spectrum, new_coordinates


@dataclass(frozen=True)
class Embedding:
    """Points in their own coordinates, and the way there and back.

        points = (x - centre) axes / scale          for every choice of signs, on the axis `choice`

    `choice` has length 1, and 2^q with `sign="average"`.
    """

    points: Float[Tensor, "*batch choice point q"]
    axes: Float[Tensor, "*batch choice d q"] | None
    """Orthonormal columns; None when only distances were given."""
    centre: Float[Tensor, "*batch d"] | None
    scale: Float[Tensor, "*batch"]
    norms: Float[Tensor, "*batch point"]
    """Squared distances to the centre, over scale^2."""
    spectrum: Spectrum
    margin: Float[Tensor, "*batch"]
    """Of the signs: see `Signs`."""
    tolerance: float

    @property
    def degenerate(self) -> Bool[Tensor, "*batch"]:
        """Where the coordinates are no function of the points alone: equal eigenvalues, undecided signs, or all points
        in one place."""
        empty = self.spectrum.values.amax(-1) <= 0
        return (self.spectrum.gap < self.tolerance) | (self.margin < self.tolerance) | empty

    def check(self) -> None:
        """Raise `ScalingError` where the embedding is degenerate."""
        wrong = self.degenerate.flatten().nonzero().flatten().tolist()
        if wrong:
            gap, margin = (float(each.flatten()[wrong[0]]) for each in (self.spectrum.gap, self.margin))
            raise ScalingError(
                f"Embedding: {len(wrong)} of {self.degenerate.numel()} clouds have no coordinates of their own, first "
                f"cloud {wrong[0]} with eigenvalue gap {gap:.1e} and sign margin {margin:.1e}, expected above "
                f'{self.tolerance:g}; take sign="average" for signs, a frame of groups.frames for equal eigenvalues.'
            )

    def embed(self, x: Float[Tensor, "*batch new d"]) -> Float[Tensor, "*batch choice new q"]:
        """New points in the same coordinates.

        Raises:
            ScalingError: the embedding was made from distances; see `embed_distances`.
        """
        if self.axes is None or self.centre is None:
            raise ScalingError("Embedding: made from distances, it has no axes; give distances to embed_distances.")
        return (x - self.centre.unsqueeze(-2)).unsqueeze(-3) @ self.axes / self.scale[..., None, None, None]

    def embed_distances(
        self, distances: Float[Tensor, "*batch new point"], mask: Bool[Tensor, "*batch point"] | None = None
    ) -> Float[Tensor, "*batch choice new q"]:
        """New points, of which the distances to the old ones are known, in the same coordinates."""
        squared = (distances / self.scale[..., None, None]).square()
        if mask is not None:
            squared = torch.where(mask.unsqueeze(-2), squared, 0.0)
        return new_coordinates(self.points, self.norms.unsqueeze(-2), squared.unsqueeze(-3))

    def back(
        self, y: Float[Tensor, "*batch choice point q"], kind: Literal["points", "vectors"] = "points"
    ) -> Float[Tensor, "*batch choice point d"]:
        """Points or vectors of these coordinates, out in space: vectors are turned alone.

        Raises:
            ScalingError: the embedding was made from distances.
        """
        if self.axes is None or self.centre is None:
            raise ScalingError("Embedding: made from distances, it has no axes to go back along; embed points instead.")
        if kind == "vectors":
            return y @ self.axes.mT
        return (y * self.scale[..., None, None, None]) @ self.axes.mT + self.centre[..., None, None, :]
