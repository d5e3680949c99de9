"""A potential known in closed form, to test what stands on a potential: Lennard-Jones with ASE's smooth cutoff."""

import torch
from torch import nn

from intertwine.potentials.models.potential import Potential


class LennardJones(nn.Module):
    """4 epsilon ((sigma/r)^12 - (sigma/r)^6) s(r), where s falls from 1 at `onset` to 0 at `cutoff` as in ASE."""

    def __init__(self, species=(18,), cutoff: float = 6.0, onset: float = 5.0, epsilon=0.0104, sigma=3.4):
        super().__init__()
        self.species, self.cutoff = tuple(species), cutoff
        self.onset, self.epsilon, self.sigma = onset, epsilon, sigma
        self.register_buffer("one", torch.ones((), dtype=torch.float64))

    def forward(self, element, vectors, senders, receivers):
        square = vectors.square().sum(dim=1)
        power = (self.sigma**2 / square) ** 3
        rc, ro = self.cutoff**2, self.onset**2
        fall = (rc - square) ** 2 * (rc + 2 * square - 3 * ro) / (rc - ro) ** 3
        smooth = torch.where(square < ro, 1.0, torch.where(square < rc, fall, 0.0))
        pairs = 2 * self.epsilon * (power**2 - power) * smooth * self.one
        return pairs.new_zeros(element.shape[0]).index_add(0, receivers, pairs)


def argon(dtype: torch.dtype = torch.float64, reference: float = 0.0, **choices) -> Potential:
    return Potential(LennardJones(**choices).to(dtype), {number: reference for number in choices.get("species", (18,))})
