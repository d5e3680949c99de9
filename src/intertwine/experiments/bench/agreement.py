"""Do two sides compute the same? Asked before anything is timed: a faster wrong answer is not faster. No group acts."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

WORST = 1e-4
"""Largest difference relative to the size of what is compared."""


class Disagreement(ValueError):
    """Outputs or gradients differ by more than rounding."""


def load(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of a folder by name."""
    return {path.stem: np.load(path, allow_pickle=False) for path in sorted(folder.glob("*.npy"))}


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """max |theirs - ours| / (|ours| + rms(ours)); infinite for what is not finite or has another shape.

    Example:
        >>> difference(np.array([1.0, -1.0]), np.array([1.0, -1.1])).__round__(3), difference(np.ones(2), np.ones(3))
        (0.05, inf)
    """
    if ours.shape != theirs.shape or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return float("inf")
    ours = ours.astype(np.float64)
    scale = float(np.sqrt(np.mean(ours**2))) if ours.size else 0.0
    if not scale:
        return float("inf") if theirs.any() else 0.0
    return float((np.abs(theirs - ours) / (np.abs(ours) + scale)).max())


def compare(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The difference of everything that a pass gives.

    Raises:
        Disagreement: something differs by more than `WORST`, or is there on one side only.
    """
    if set(ours) != set(theirs):
        raise Disagreement(f"we give {', '.join(sorted(ours))}, they give {', '.join(sorted(theirs))}")
    found = {name: difference(ours[name], theirs[name]) for name in ours}
    name = max(found, key=lambda each: found[each]) if found else ""
    if found and not found[name] <= WORST:
        raise Disagreement(f"{name} differs by {found[name]:.1e} of its size, allowed are {WORST:.0e}")
    return found
