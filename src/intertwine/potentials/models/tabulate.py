"""A trained potential with tables in place of its radial networks, for simulations. No group acts here."""

from contextlib import suppress
from copy import deepcopy

import torch

from intertwine.nn.radial import RadialMLP
from intertwine.nn.radial_table import RadialTable
from intertwine.potentials.models.mace_torch import MACETorch
from intertwine.potentials.models.mace_torch_radial import LengthNetwork
from intertwine.potentials.models.pair_table import tabulate_pairs
from intertwine.potentials.models.potential import PairedModel, Potential

TOLERANCE = 1e-5
"""Of the weights, relative to their root mean square."""
BELOW_ROUNDING = 1e-6
"""The same where float32 rounds anyway."""


def tabulate(potential: Potential, *, tolerance: float = TOLERANCE) -> Potential:
    """A copy that looks its radial weights up; energies stay conserved, as forces are derivatives of what is evaluated.

    For use, not for training or saving: a table does not learn, and checkpoints hold networks. The tables say how
    exact they are: `print(tabulated)`, or `tables_of(tabulated)`.

    Args:
        tolerance: largest error of a radial weight, relative to the root mean square of all.

    Raises:
        ValueError: the potential has no radial network, one that is too rough for a table, or different ones for too
            many pairs of elements.

    Example:
        >>> from intertwine.potentials.models.mace import MACE
        >>> potential = Potential(MACE(species=(1, 8), cutoff=4.0, channels=8), {1: -13.6, 8: -2041.8})
        >>> max(table.error for table in tables_of(tabulate(potential))) <= 1e-5
        True
    """
    found = deepcopy(potential)
    for module in list(found.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, RadialMLP | LengthNetwork):
                weight = next(child.parameters())
                table = RadialTable.compile(child, tolerance=tolerance)
                setattr(module, name, table.to(device=weight.device, dtype=weight.dtype))
    for module in list(found.modules()):
        if isinstance(module, MACETorch) and module.transform is not None:
            tabulate_pairs(module, tolerance=tolerance)
    if not tables_of(found):
        raise ValueError(
            f"tabulate: expected a potential with radial networks of the distance alone (RadialMLP), came a model "
            f"of the kind {type(potential.model).__name__} without any. Use it as it is."
        )
    for module in found.modules():
        if isinstance(module, PairedModel):
            module.takes_pairs = False  # a table answers for an edge sooner than its pair is found
    return found.eval()


def for_use(potential: Potential, tabulated: bool | None = None) -> Potential:
    """What simulations evaluate: tables where they are below rounding, the networks elsewhere.

    In float32 a table with errors of 1e-6 brings forces as near to those of float64 as the network does (tested), in a
    fraction of the time; in float64 it would be the largest error. Models without radial networks of the distance alone
    are left as they are.

    Args:
        tabulated: True takes tables, with errors of 1e-5 in float64, or says why not; False takes none.

    Raises:
        ValueError: tables were asked for, and cannot be made.

    Example:
        >>> from intertwine.potentials.models.mace import MACE
        >>> potential = Potential(MACE(species=(1, 8), cutoff=4.0, channels=8), {1: -13.6, 8: -2041.8})
        >>> len(tables_of(for_use(potential))), len(tables_of(for_use(potential.double())))
        (2, 0)
    """
    if tabulated:
        return tabulate(potential, tolerance=BELOW_ROUNDING if potential.dtype == torch.float32 else TOLERANCE)
    if tabulated is None and potential.dtype == torch.float32 and not tables_of(potential):
        with suppress(ValueError):
            return tabulate(potential, tolerance=BELOW_ROUNDING)
    return potential


def tables_of(potential: Potential) -> list[RadialTable]:
    """The tables of a potential, layer by layer."""
    return [module for module in potential.modules() if isinstance(module, RadialTable)]
