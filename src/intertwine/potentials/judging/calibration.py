"""Whether standard deviations tell the truth about errors; both are numbers, no group acts."""

from dataclasses import dataclass
from functools import cached_property
from math import log, pi, sqrt

import numpy as np
from jaxtyping import Float
from scipy.special import erf

from intertwine.potentials.structures.graph import GraphError

LEVELS = np.linspace(0.0, 1.0, 51)
"""Coverages that a reliability diagram asks for."""


@dataclass(frozen=True, eq=False)
class Calibration:
    r"""Errors e and the standard deviations s that were predicted for them, as if e came from N(0, s^2).

        z = e / s,     coverage(p) = share of |z| <= sqrt(2) erfinv(p),     coverage(p) = p when calibrated

    Other names: reliability or calibration curve. A constant s of the right size is calibrated on average and useless;
    `rank` tells whether large errors come with large deviations.

    Raises:
        GraphError: no pair, or a deviation that is not positive.

    Example:
        >>> deviation = np.random.default_rng(0).uniform(0.1, 1.0, 2000)
        >>> honest = Calibration(deviation * np.random.default_rng(1).normal(size=2000), deviation)
        >>> honest.area < 0.03 and abs(honest.scale - 1) < 0.05
        True

    Reference: Kuleshov, Fenner, Ermon, 2018, arXiv:1807.00263. Area: Tran et al., 2020, Machine Learning: Science and
    Technology 1, 025006.
    """

    error: Float[np.ndarray, "pair"]
    deviation: Float[np.ndarray, "pair"]

    def __post_init__(self) -> None:
        if self.error.size == 0 or not (self.deviation > 0).all():
            found = "no pair" if self.error.size == 0 else f"a deviation of {self.deviation.min()}"
            raise GraphError(f"calibration: expected errors with positive deviations, came {found}.")

    @cached_property
    def z(self) -> Float[np.ndarray, "pair"]:
        """Errors in units of their deviations."""
        return self.error / self.deviation

    @cached_property
    def observed(self) -> Float[np.ndarray, "level"]:
        """Share of the errors within the central interval of each of `LEVELS`."""
        inside = np.sort(erf(np.abs(self.z) / sqrt(2)))
        return np.searchsorted(inside, LEVELS, side="right") / inside.size

    @cached_property
    def area(self) -> float:
        """Miscalibration area: mean distance of the reliability curve from the diagonal, 0 at best, 0.5 at worst."""
        return float(np.trapezoid(np.abs(self.observed - LEVELS), LEVELS))

    @cached_property
    def nll(self) -> float:
        """Mean negative log-likelihood of the errors, in nats and the unit of the errors."""
        return float(np.mean(0.5 * self.z**2 + np.log(self.deviation))) + 0.5 * log(2 * pi)

    @cached_property
    def scale(self) -> float:
        """The factor on all deviations that makes the errors likeliest: sqrt(mean z^2)."""
        return float(np.sqrt(np.mean(self.z**2)))

    @cached_property
    def ratio(self) -> float:
        """rms(e) / rms(s): whether deviations have the right size as a whole, whatever the single ones say."""
        return float(np.sqrt(np.mean(self.error**2) / np.mean(self.deviation**2)))

    @cached_property
    def rank(self) -> float | None:
        """Spearman's correlation of |e| and s; None where all are alike."""
        if self.error.size < 3 or np.ptp(self.deviation) == 0 or np.ptp(np.abs(self.error)) == 0:
            return None
        return float(np.corrcoef(_ranks(np.abs(self.error)), _ranks(self.deviation))[0, 1])

    def within(self, deviations: float) -> float:
        """Share of errors of at most so many deviations; a Gaussian has 0.683 within one, 0.954 within two."""
        return float(np.mean(np.abs(self.z) <= deviations))

    def bins(self, count: int = 10) -> tuple[Float[np.ndarray, "bin"], Float[np.ndarray, "bin"]]:
        """Root mean square of deviations and of errors, in groups of equal number with ascending deviation."""
        groups = np.array_split(self.deviation.argsort(kind="stable"), min(count, self.error.size))
        deviation = [np.sqrt(np.mean(self.deviation[group] ** 2)) for group in groups]
        return np.array(deviation), np.array([np.sqrt(np.mean(self.error[group] ** 2)) for group in groups])

    def numbers(self) -> dict[str, float]:
        """All of it by name, for tables."""
        named = {"nll": self.nll, "miscalibration_area": self.area, "scale": self.scale, "rank_correlation": self.rank}
        named |= {"ratio": self.ratio, "within_1": self.within(1.0), "within_2": self.within(2.0)}
        return {name: value for name, value in named.items() if value is not None}


def _ranks(values: Float[np.ndarray, "pair"]) -> Float[np.ndarray, "pair"]:
    """Places in ascending order, counted from 1; equal values share the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[which]
