"""Charged particles that attract and repel each other, simulated; E(3) acts on positions and velocities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

SOFTENING = 0.1
"""Added to squared distances, so that a close pass costs no smaller steps."""


@dataclass(frozen=True)
class Particles:
    """Systems of charged particles at the beginning, and where the particles are later.

    Units are those of the problem: charges are +-1, masses 1, the force between two charges at distance 1 is 1.
    """

    charges: Float[Tensor, "system particle"]
    positions: Float[Tensor, "system particle 3"]
    velocities: Float[Tensor, "system particle 3"]
    targets: Float[Tensor, "system particle 3"]
    """Positions after `simulate`'s time."""

    def __len__(self) -> int:
        return len(self.charges)

    def __getitem__(self, system: int) -> "Particles":
        return Particles(*(each[system : system + 1] for each in self.parts()))

    def to(self, *args: Any, **kwargs: Any) -> "Particles":
        """On another device or in another dtype, as of `Tensor.to`."""
        return Particles(*(each.to(*args, **kwargs) for each in self.parts()))

    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Charges, positions, velocities, targets."""
        return self.charges, self.positions, self.velocities, self.targets


def stack(systems: Sequence[Particles]) -> Particles:
    """Systems in one batch."""
    return Particles(*(torch.cat(parts) for parts in zip(*(each.parts() for each in systems), strict=True)))


def simulate(
    systems: int, particles: int = 5, *, time: float = 1.0, step: float = 0.01, generator: torch.Generator
) -> Particles:
    """Random systems and their future, by velocity Verlet in float64.

        a_i = sum over j of  q_i q_j (x_i - x_j) / (|x_i - x_j|^2 + SOFTENING)^(3/2)

    Not the simulation of the cited papers: theirs clips forces in place of softening them, and runs in a box for a part
    of the data sets. Errors compare between models trained here, not with published ones.

    Example:
        >>> simulate(4, generator=torch.Generator().manual_seed(0)).targets.shape
        torch.Size([4, 5, 3])

    Reference: the task is that of Kipf et al., 2018, arXiv:1802.04687, in the three dimensions of Satorras et al.,
    2021, arXiv:2102.09844, section 5.1.
    """
    shape = (systems, particles, 3)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    v = 0.5 * torch.randn(shape, generator=generator, dtype=torch.float64)
    q = torch.randint(0, 2, shape[:2], generator=generator).double() * 2 - 1
    start, launch = x.clone(), v.clone()
    a = _accelerations(x, q)
    for _ in range(round(time / step)):
        v = v + step / 2 * a
        x = x + step * v
        a = _accelerations(x, q)
        v = v + step / 2 * a
    return Particles(q.float(), start.float(), launch.float(), x.float())


def _accelerations(x: Tensor, q: Tensor) -> Tensor:
    apart = x.unsqueeze(2) - x.unsqueeze(1)
    strength = q.unsqueeze(2) * q.unsqueeze(1) / (apart.square().sum(-1) + SOFTENING) ** 1.5
    return (strength.unsqueeze(-1) * apart).sum(2)
