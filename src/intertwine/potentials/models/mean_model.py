"""The mean of several energy models as one model; E(3) acts on every member alike."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.potentials.models.potential import Potential, takes_pairs
from intertwine.potentials.structures.pairs import Pairs


class MeanModel(nn.Module):
    r"""An `EnergyModel` whose energy is the mean of those of its members, in eV.

        energy = 1/M  sum over m of  scale_m model_m(...)

    The reference energies and shifts of the members are no part of it: the potential around it takes their means.
    `mean_potential` makes that potential. Forces are exact derivatives of the mean, at the cost of all members.

    Args:
        members: potentials of the same species, in the same order, with the same cutoff, dtype and `shift_alone`.

    Raises:
        ValueError: fewer than two members, or members that differ in one of these.

    Shapes: as `EnergyModel`.
    """

    def __init__(self, members: Sequence[Potential]):
        super().__init__()
        if len(members) < 2:
            raise ValueError(f"committee: expected at least two potentials, came {len(members)}.")
        first = members[0]
        for index, member in enumerate(members[1:], start=1):
            for name in ("species", "cutoff", "dtype", "shift_alone"):
                mine, other = getattr(member, name), getattr(first, name)
                if mine != other:
                    raise ValueError(
                        f"committee: the {name} of potential {index} is {mine}, of potential 0 {other}; members must "
                        "agree on it. Train them on the same elements with one cutoff, by one release."
                    )
        self.members = nn.ModuleList(members)
        self.species, self.cutoff = first.species, first.cutoff
        self.takes_pairs = all(takes_pairs(member.model) for member in members)

    @property
    def potentials(self) -> list[Potential]:
        """The members."""
        return [member for member in self.members if isinstance(member, Potential)]

    def forward(
        self,
        element: Int[Tensor, "node"],
        vectors: Float[Tensor, "edge 3"],
        senders: Int[Tensor, "edge"],
        receivers: Int[Tensor, "edge"],
        pairs: Pairs | None = None,
    ) -> Float[Tensor, "node"]:
        """Energy of every atom."""
        given = (element, vectors, senders, receivers, *(() if pairs is None else (pairs,)))
        energies = [member.scale * member.model(*given) for member in self.potentials]
        return torch.stack(energies).mean(dim=0)


def mean_potential(members: Sequence[Potential]) -> Potential:
    """One potential whose energy, forces and stress are the means of those of its members; it can be saved.

    Raises:
        ValueError: as `MeanModel`.

    Example:
        >>> from intertwine.potentials.models.saved import build_potential
        >>> choices = {"species": [1, 8], "cutoff": 4.0, "channels": 2}
        >>> members = [build_potential("nequip", choices, {1: -13.6, 8: -2041.8}, seed=seed) for seed in (1, 2)]
        >>> mean_potential(members).species
        (1, 8)
    """
    model = MeanModel(members)
    references = {
        number: sum(member.reference_energies[number] for member in members) / len(members) for number in model.species
    }
    shift = sum(member.shift for member in members) / len(members)
    mean = Potential(model, references, shift=shift, shift_alone=members[0].shift_alone)
    if all(member.recipe is not None for member in members):
        mean.recipe = {"model": "committee", "hyperparameters": {"members": [described(member) for member in members]}}
    return mean


def described(member: Potential) -> dict:
    """All but the weights of a potential as JSON values."""
    assert member.recipe is not None
    references = {str(number): energy for number, energy in member.reference_energies.items()}
    shift = {"shift": member.shift, "shift_alone": member.shift_alone}
    return {**member.recipe, "reference_energies": references, "scale": member.scale, **shift}
