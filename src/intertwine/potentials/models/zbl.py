"""What keeps atoms from falling into each other: screened nuclear repulsion under a model, a function of distances."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from ase.data import covalent_radii
from ase.units import Bohr, Hartree
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.nn.radial import PolynomialCutoff
from intertwine.o3.constants import Constants
from intertwine.potentials.models.potential import EnergyModel, takes_pairs
from intertwine.potentials.models.uncertainty import LinearAtLast
from intertwine.potentials.structures.pairs import Pairs

RepulsionName = Literal["none", "zbl"]


class ZBL(nn.Module):
    r"""Coulomb repulsion of two nuclei behind their electrons, the universal form of Ziegler, Biersack and Littmark.

        E_ij = e^2 Z_i Z_j / r  phi(r / a_ij)  u(r / d_ij),          half of it for each of the two atoms
        a_ij = 0.88534 bohr / (Z_i^0.23 + Z_j^0.23)
        phi(x) = 0.18175 exp(-3.1998 x) + 0.50986 exp(-0.94229 x) + 0.28022 exp(-0.4029 x) + 0.02817 exp(-0.20162 x)

    u is a `PolynomialCutoff` with a root of order four at d_ij, the sum of the covalent radii or the model's cutoff
    where that is less: the energy is smooth to the third derivative, bonds of common length feel next to nothing, and
    what little they do feel the model learns. Nothing here is trained.

    Args:
        species: atomic numbers, in the order that `element` counts.
        cutoff: of the model, Angstrom.

    Shapes: element `node`, vectors `edge 3` in Angstrom, senders and receivers `edge`, result `node` in eV.

    Example:
        >>> repulsion = ZBL(species=(14,), cutoff=5.0)
        >>> vectors = torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.0, -0.5]])
        >>> repulsion(torch.tensor([0, 0]), vectors, torch.tensor([0, 1]), torch.tensor([1, 0])).round()
        tensor([234., 234.])

    Reference: Ziegler, Biersack, Littmark, 1985, The Stopping and Range of Ions in Solids, chapter 2.
    """

    def __init__(self, species: Sequence[int], cutoff: float):
        super().__init__()
        self.count = len(species)
        z = torch.tensor(species, dtype=torch.float64)
        radii = torch.from_numpy(covalent_radii[list(species)])
        sizes = 0.88534 * Bohr / (z[:, None] ** 0.23 + z**0.23)
        self.envelope = PolynomialCutoff(1.0, order=4)
        self.tables = Constants(
            charge=(Hartree * Bohr * z[:, None] * z).flatten(),
            decay=1 / sizes.flatten(),
            reach=1 / (radii[:, None] + radii).clamp(max=cutoff).flatten(),
            phi_weight=torch.tensor([0.18175, 0.50986, 0.28022, 0.02817], dtype=torch.float64),
            phi_decay=torch.tensor([3.1998, 0.94229, 0.4029, 0.20162], dtype=torch.float64),
        )

    def forward(
        self,
        element: Int[Tensor, "node"],
        vectors: Float[Tensor, "edge 3"],
        senders: Int[Tensor, "edge"],
        receivers: Int[Tensor, "edge"],
    ) -> Float[Tensor, "node"]:
        """Energy of every atom, eV."""
        r, tables = vectors.norm(dim=-1), self.tables
        pair = self.count * element.index_select(0, senders) + element.index_select(0, receivers)
        charge, decay, reach = (tables.like(r, name).index_select(0, pair) for name in ("charge", "decay", "reach"))
        x = (decay * r).unsqueeze(-1)
        phi = torch.exp(-tables.like(r, "phi_decay") * x) @ tables.like(r, "phi_weight")
        energy = charge / r * phi * self.envelope(reach * r)
        return r.new_zeros(element.shape[0]).index_add(0, receivers, energy / 2)


class WithRepulsion(nn.Module):
    r"""An energy model on top of the repulsion of nuclei, whatever its own weights say.

        energy = model(...) + ZBL(...) / scale

    An `EnergyModel`: give it to `Potential`. A model has seen no atoms closer than its training set, and may let them
    fall together; with the repulsion they cannot. It has no more to do below `soundness.CLOSEST`, where the tool takes
    a structure for broken.

    Args:
        model: any `EnergyModel`.
        scale: of the potential that will hold it, eV, so that its product with the energy is right.

    Shapes: as in `EnergyModel`.

    Raises:
        TypeError: not an `EnergyModel`.

    Example:
        >>> from intertwine.potentials.models.mace import MACE
        >>> from intertwine.potentials.models.potential import Potential
        >>> model = MACE(species=(1, 8), cutoff=4.0, channels=8)
        >>> potential = Potential(WithRepulsion(model, scale=2.0), {1: -13.6, 8: -2041.8}, scale=2.0)
    """

    def __init__(self, model: nn.Module, *, scale: float):
        super().__init__()
        if not isinstance(model, EnergyModel):
            raise TypeError(
                f"WithRepulsion: expected a model with `species` and `cutoff`, came {type(model).__name__}."
            )
        self.model, self.scale = model, float(scale)
        self.species, self.cutoff = tuple(model.species), float(model.cutoff)
        self.takes_pairs = takes_pairs(model)
        self.repulsion = ZBL(self.species, self.cutoff)

    @property
    def last_weights(self) -> Sequence[nn.Parameter]:
        """Those of the model, where it says which they are."""
        if not isinstance(self.model, LinearAtLast):
            raise AttributeError(f"{type(self.model).__name__} does not declare its last weights")
        return self.model.last_weights

    def forward(
        self,
        element: Int[Tensor, "node"],
        vectors: Float[Tensor, "edge 3"],
        senders: Int[Tensor, "edge"],
        receivers: Int[Tensor, "edge"],
        pairs: Pairs | None = None,
    ) -> Float[Tensor, "node"]:
        """Energy of every atom in units of the scale."""
        repulsion = self.repulsion(element, vectors, senders, receivers)
        given = () if pairs is None else (pairs,)
        return self.model(element, vectors, senders, receivers, *given) + repulsion / self.scale


def with_repulsion(model: nn.Module, name: str, *, scale: float) -> nn.Module:
    """A model with the repulsion that a configuration names: itself for "none".

    Raises:
        ValueError: another name.
    """
    if name not in get_args(RepulsionName):
        raise ValueError(
            f"with_repulsion: there is no repulsion {name!r}; choose {' or '.join(get_args(RepulsionName))}."
        )
    return WithRepulsion(model, scale=scale) if name == "zbl" else model
