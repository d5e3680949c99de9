"""Labels and predictions of one quantity, and how far they are apart; errors are invariants, no group acts on them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Shaped

from intertwine.potentials.structures.graph import GraphError

QUANTILES = (50, 90, 95, 99)
"""Of the absolute errors, in percent."""


@dataclass(frozen=True)
class Errors:
    """Statistics of e = predicted - label, in the unit of both; every Cartesian component counts for itself.

    A statistic that does not exist is None: `relative` where all labels equal the baseline, `r2` where they all agree.
    """

    count: int
    """Numbers compared."""
    rmse: float
    mae: float
    bias: float
    """Mean of e."""
    max: float
    """Largest |e|."""
    q50: float
    """Half of all |e| are smaller; so q90, q95 and q99."""
    q90: float
    q95: float
    q99: float
    baseline: float
    """RMSE of predicting a constant: zero, or the mean energy."""
    relative: float | None
    """100 rmse / baseline, percent."""
    r2: float | None
    """1 - sum(e^2) / sum((label - mean)^2)."""

    def named(self, name: str) -> dict[str, float]:
        """The statistics that exist but the count, each with a name before its own: "force_rmse"."""
        values = {f"{name}_{key}": value for key, value in asdict(self).items() if key not in ("count", "baseline")}
        return {key: value for key, value in values.items() if value is not None}


@dataclass(frozen=True, eq=False)
class Comparison:
    """One quantity of many structures or atoms, beside its labels.

    Raises:
        GraphError: no rows, or a number that is not finite.

    Example:
        >>> forces = Comparison(np.array([1.0, -1.0]), np.array([1.1, -1.0]))
        >>> round(forces.errors().mae, 3), round(forces.errors(unit=0.001).max)
        (0.05, 100)
    """

    label: Float[np.ndarray, "*shape"]
    predicted: Float[np.ndarray, "*shape"]
    deviation: Float[np.ndarray, "*shape"] | None = None
    """Standard deviation that goes with each prediction, where something estimates it."""

    def __post_init__(self) -> None:
        for name in ("label", "predicted", "deviation"):
            value = getattr(self, name)
            if value is not None and (value.size == 0 or not np.isfinite(value).all()):
                found = "is empty" if value.size == 0 else "holds a number that is not finite"
                raise GraphError(f"{name} {found}; leave this part out or look at the run")

    @cached_property
    def error(self) -> Float[np.ndarray, "*shape"]:
        """predicted - label."""
        return self.predicted - self.label

    def errors(self, *, constant: float = 0.0, unit: float = 1.0) -> Errors:
        """The statistics.

        Args:
            constant: what the baseline predicts everywhere, in the unit of the labels.
            unit: size of the unit to express errors in, 0.001 for milli.
        """
        error, label = self.error.ravel() / unit, self.label.ravel() / unit
        size = np.abs(error)
        squares, spread = float((error**2).sum()), float(((label - label.mean()) ** 2).sum())
        baseline = rms(label - constant / unit)
        quantiles = dict(zip([f"q{q}" for q in QUANTILES], np.percentile(size, QUANTILES).tolist()))
        return Errors(
            count=error.size,
            rmse=rms(error),
            mae=float(size.mean()),
            bias=float(error.mean()),
            max=float(size.max()),
            baseline=baseline,
            relative=100 * rms(error) / baseline if baseline > 0 else None,
            r2=1 - squares / spread if spread > 0 else None,
            **quantiles,
        )

    def rows(self, chosen: Shaped[np.ndarray, "row"]) -> "Comparison":
        """Some of the rows, by a mask or by their indices."""
        deviation = None if self.deviation is None else self.deviation[chosen]
        return Comparison(self.label[chosen], self.predicted[chosen], deviation)


def joined(parts: Sequence[Comparison]) -> Comparison:
    """The rows of all parts; deviations only where all parts have them."""
    deviations = [part.deviation for part in parts if part.deviation is not None]
    return Comparison(
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.predicted for part in parts]),
        np.concatenate(deviations) if len(deviations) == len(parts) else None,
    )


def rms(values: Float[np.ndarray, "*any"]) -> float:
    """Root mean square over everything."""
    return float(np.sqrt(np.mean(values**2)))
