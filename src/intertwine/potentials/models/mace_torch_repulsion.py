"""The short-range repulsion of nuclei with the constants of mace-torch; a function of distances, no group acts here."""

from collections.abc import Sequence

import torch

from intertwine.nn.radial import PolynomialCutoff
from intertwine.o3.constants import Constants
from intertwine.potentials.models.zbl import ZBL


def mace_repulsion(
    species: Sequence[int],
    cutoff: float,
    *,
    exponent: float,
    length: float,
    amplitudes: Sequence[float],
    envelope: int,
    radii: Sequence[float],
) -> ZBL:
    r"""A `ZBL` whose rounded constants, envelope and reach are those of a model trained elsewhere.

        E_ij = 14.3996 Z_i Z_j / r  phi(r / a_ij)  u(r / (radius_i + radius_j))
        a_ij = 0.529 length / (Z_i^exponent + Z_j^exponent)
        phi(x) = sum over the amplitudes of  amplitude exp(-decay x),        decays 3.2, 0.9423, 0.4028, 0.2016

    Args:
        species: atomic numbers.
        cutoff: of the model, Angstrom.
        envelope: exponent of u, a `PolynomialCutoff`.
        radii: covalent radius of every species, Angstrom.

    Example:
        >>> constants = dict(exponent=0.3, length=0.4543, amplitudes=[0.1818, 0.5099, 0.2802, 0.02817], envelope=6)
        >>> repulsion = mace_repulsion((14,), 5.0, radii=[1.11], **constants)
        >>> vectors = torch.tensor([[0.0, 0.0, 3.0], [0.0, 0.0, -3.0]])
        >>> repulsion(torch.tensor([0, 0]), vectors, torch.tensor([0, 1]), torch.tensor([1, 0]))
        tensor([0., 0.])
    """
    repulsion = ZBL(species, cutoff)
    z = torch.tensor(species, dtype=torch.float64)
    radius = torch.tensor(radii, dtype=torch.float64)
    repulsion.envelope = PolynomialCutoff(1.0, p=envelope)
    repulsion.tables = Constants(
        charge=(14.3996 * z[:, None] * z).flatten(),
        decay=((z[:, None] ** exponent + z**exponent) / (0.529 * length)).flatten(),
        reach=1 / (radius[:, None] + radius).flatten(),
        phi_weight=torch.tensor(amplitudes, dtype=torch.float64),
        phi_decay=torch.tensor([3.2, 0.9423, 0.4028, 0.2016], dtype=torch.float64),
    )
    return repulsion
