"""What an estimate of uncertainty is: standard deviations beside a prediction.

Those of energies are invariants of E(3); those of Cartesian components belong to the axes they were computed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from intertwine.potentials.graph import Graph, Prediction
from intertwine.potentials.potential import Potential


@dataclass(frozen=True)
class Deviation:
    """Standard deviations of a `Prediction`, in its units; None where the estimate does not reach."""

    energy: Float[Tensor, "graph"]
    """eV."""
    node_energy: Float[Tensor, "node"]
    """Of the energy of each atom, eV: where in a structure the model is unsure."""
    forces: Float[Tensor, "node 3"] | None = None
    """Of each Cartesian component, eV/A."""
    stress: Float[Tensor, "graph 3 3"] | None = None
    """eV/A^3."""


@runtime_checkable
class Estimator(Protocol):
    """What knows how unsure a potential is: `Committee` or `LastLayer`."""

    @property
    def potential(self) -> Potential:
        """The one whose predictions come out."""
        ...

    def __call__(self, graph: Graph, *, forces: bool = True, stress: bool = False) -> tuple[Prediction, Deviation]:
        """Evaluate with the deviations of what is asked for, without autograd."""
        ...


@runtime_checkable
class LinearAtLast(Protocol):
    """A model whose energy is linear in some of its parameters, and says in which: what `LastLayer` needs."""

    @property
    def last_weights(self) -> Sequence[nn.Parameter]:
        """Weights of the last layer of every readout."""
        ...
