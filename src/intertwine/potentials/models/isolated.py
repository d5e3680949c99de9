"""Energies above those of isolated atoms: models count from an atom without neighbours. No group acts here."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def with_isolated(element: Int[Tensor, "node"], species_count: int) -> Int[Tensor, "longer"]:
    """The elements of all nodes, then one node of every species, to which no edge leads.

    Example:
        >>> with_isolated(torch.tensor([1, 1, 0]), 2)
        tensor([1, 1, 0, 0, 1])
    """
    return torch.cat([element, torch.arange(species_count, device=element.device)])


def above_isolated(
    energy: Float[Tensor, "longer"], element: Int[Tensor, "node"], receivers: Int[Tensor, "edge"]
) -> Float[Tensor, "node"]:
    """Energies of the nodes minus those of isolated nodes of their species, which `with_isolated` put at the end.

    Exactly zero for a node without edges: matrix products may round equal rows differently.

    Example:
        >>> above_isolated(torch.tensor([3.0, 5.0, 4.0, 4.0]), torch.tensor([0, 1]), torch.tensor([0]))
        tensor([-1., 0.])
    """
    energy, isolated = energy[: element.shape[0]], energy[element.shape[0] :]
    met = torch.zeros_like(energy).index_fill(0, receivers, 1)
    return met * (energy - isolated.index_select(0, element))
