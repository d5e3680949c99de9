"""Geometry of a periodic cell: lattice translations act on positions, along the periodic directions only."""

import numpy as np
from jaxtyping import Bool, Float


def complete(cell: Float[np.ndarray, "3 3"], pbc: Bool[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """The cell with its rows across non-periodic directions replaced by unit vectors orthogonal to all others.

    Lattice coordinates along periodic rows then do not depend on what a slab's file says of its vacuum.
    """
    if pbc.all():
        return cell
    result = np.empty((3, 3))
    result[pbc] = cell[pbc]
    result[~pbc] = np.linalg.svd(cell[pbc])[2][pbc.sum() :] if pbc.any() else np.eye(3)
    return result


def plane_spacing(cell: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3"]:
    """Distance between the lattice planes that each row crosses, Angstrom: 1 / |reciprocal vector|; zero if flat."""
    try:
        reciprocal = np.linalg.inv(cell)
    except np.linalg.LinAlgError:
        return np.zeros(3)
    return 1 / np.linalg.norm(reciprocal, axis=0)
