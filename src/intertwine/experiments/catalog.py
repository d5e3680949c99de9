"""Every paper that `intertwine reproduce` knows, in a list to read. No group acts here."""

from difflib import get_close_matches

from intertwine.experiments.apen import paper as apen
from intertwine.experiments.experiment import Experiment, ExperimentError
from intertwine.experiments.facet import paper as facet
from intertwine.experiments.frame_averaging import paper as frame_averaging
from intertwine.experiments.gaunt import paper as gaunt
from intertwine.experiments.price_of_freedom import paper as price_of_freedom
from intertwine.experiments.soft_equivariance import paper as soft_equivariance
from intertwine.experiments.tdn import paper as tdn
from intertwine.experiments.tinvnn import paper as tinvnn

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
