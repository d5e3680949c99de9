"""What an estimate of uncertainty is: standard deviations beside a prediction, which are invariants of E(3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from intertwine.potentials.models.potential import Potential
from intertwine.potentials.structures.graph import Graph, Prediction


@dataclass(frozen=True)
class Deviation:
    """Standard deviations of a `Prediction`, in its units; None where the estimate does not reach.

    Vectors and tensors have one each, not one a component, which would depend on the axes.
    """

    energy: Float[Tensor, "graph"]
    """eV."""
    node_energy: Float[Tensor, "node"]
    """Of the energy of each atom, eV: where in a structure the model is unsure."""
    forces: Float[Tensor, "node"] | None = None
    """Of the force on each atom, eV/A: root mean square over its Cartesian components."""
    stress: Float[Tensor, "graph"] | None = None
    """eV/A^3, root mean square over its components."""


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
