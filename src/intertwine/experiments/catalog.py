"""Every paper that `intertwine reproduce` knows, in a list to read. No group acts here."""

from difflib import get_close_matches

from intertwine.experiments import apen, facet, frame_averaging, gaunt, price_of_freedom, soft_equivariance, tdn, tinvnn
from intertwine.experiments.experiment import Experiment, ExperimentError

EXPERIMENTS: tuple[Experiment, ...] = (
    gaunt.EXPERIMENT,
    price_of_freedom.EXPERIMENT,
    soft_equivariance.EXPERIMENT,
    apen.EXPERIMENT,
    frame_averaging.EXPERIMENT,
    tinvnn.EXPERIMENT,
    tdn.EXPERIMENT,
    facet.EXPERIMENT,
)
"""In the order of their system numbers."""


def find(name: str) -> Experiment:
    """The experiment of this name.

    Raises:
        ExperimentError: there is none; the message has the nearest name.

    Example:
        >>> find("gaunt").system
        1
    """
    known = {experiment.name: experiment for experiment in EXPERIMENTS}
    if name in known:
        return known[name]
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}."
    raise ExperimentError(f"there is no experiment {name!r}; {hint}")
