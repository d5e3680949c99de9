"""How sure one potential is, from the last linear layer of its model; E(3) leaves deviations of energies alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.predict import BATCH_EDGES, batches_of_edges
from intertwine.potentials.models.uncertainty import Deviation, LinearAtLast
from intertwine.potentials.structures.batching import collate, split
from intertwine.potentials.structures.graph import Graph, GraphError, Prediction
from intertwine.potentials.structures.reference import is_isolated_atom

RIDGES = tuple(10.0**power for power in range(-10, 1))
"""Tried when fitting, in units of the mean diagonal of the covariance."""
TINY = 1e-300
"""Instead of the zero of a structure whose energy no weight can change."""


@dataclass(frozen=True, eq=False)
class LastLayer:
    r"""An `Estimator`: the rigidity of the prediction against a change of the last weights w, also called LLPR.

        g = dE/dw,     deviation(E)^2 = scale^2  g . (C + ridge)^(-1) g,     C = sum over training set of (g/N)(g/N)^T

    E is linear in w, so g are the last features summed over atoms, and this is the posterior of a Bayesian linear
    regression on them (Laplace's approximation of the last layer), learned from energies per atom. One forward pass
    more than the potential itself; forces and stress have no deviation. Atoms have one each, from the g of their own
    energy; those of a structure do not add up to its own.

    Args:
        covariance: C, in eV^2 / atom^2.
        ridge: added to the diagonal of C.
        scale: found on validation frames, see `fit_last_layer`.

    Raises:
        GraphError: the model does not say which weights are its last.

    Example:
        >>> estimator = fit_last_layer(potential, train, valid)  # doctest: +SKIP
        >>> prediction, deviation = estimator(graph)  # doctest: +SKIP

    Reference: Bigi, Chong, Ceriotti, Grasselli, 2024, A prediction rigidity formalism, arXiv:2403.02251.
    """

    potential: Potential
    covariance: Float[Tensor, "feature feature"]
    ridge: float
    scale: float

    def __call__(self, graph: Graph, *, forces: bool = True, stress: bool = False) -> tuple[Prediction, Deviation]:
        """Evaluate with the deviations of the energies."""
        with torch.no_grad():
            prediction = self.potential(graph, forces=forces, stress=stress)
        whole, atoms, _ = features(self.potential, graph)
        return prediction, Deviation(self.deviation(whole), self.deviation(atoms))

    def deviation(self, rows: Float[Tensor, "row feature"]) -> Float[Tensor, "row"]:
        """Standard deviation of the energy that belongs to each row of features, eV."""
        return self.scale * rigidity(self.covariance.to(rows.device), self.ridge, rows).sqrt()


def fit_last_layer(
    potential: Potential,
    train: Sequence[Graph],
    valid: Sequence[Graph],
    *,
    batch_edges: int = BATCH_EDGES,
    progress: Callable[[int, int], None] | None = None,
) -> LastLayer:
    """Collect the covariance over training frames; find ridge and scale by likelihood on validation frames.

        scale^2 = mean( (E - E*)^2 / g . (C + ridge)^(-1) g ),     ridge = the one of `RIDGES` with the smallest loss

    Args:
        train: frames that the potential learned from; labels are not read.
        valid: frames that it did not learn from; those without energy are passed over.
        progress: called with structures done and structures in all.

    Raises:
        GraphError: no frames, or a model that does not declare its last weights.

    Example:
        >>> estimator = fit_last_layer(potential, train, valid)  # doctest: +SKIP
    """
    learned, kept = (
        [part for graph in graphs for part in split(graph) if not is_isolated_atom(part)] for graphs in (train, valid)
    )
    kept = [graph for graph in kept if graph.energy is not None]
    if not learned or len(kept) < 2:
        raise GraphError(
            f"calibrate: expected training frames, and at least 2 validation frames with energies, of more than one "
            f"atom; came {len(learned)} and {len(kept)}."
        )
    device = potential.get_buffer("species_index").device
    rows, energies = [], []
    for members in batches_of_edges([*learned, *kept], potential.cutoff, batch_edges):
        batch = collate(members).to(device)
        whole, _, energy = features(potential, batch)
        sizes = torch.bincount(batch.structure, minlength=batch.graph_count)
        rows += (whole / sizes[:, None]).cpu().unbind()
        energies += (energy / sizes).tolist()
        if progress:
            progress(len(rows), len(learned) + len(kept))
    labels = [float(graph.energy[0]) / graph.node_count for graph in kept if graph.energy is not None]
    errors = torch.tensor(energies[len(learned) :], dtype=torch.float64) - torch.tensor(labels, dtype=torch.float64)
    return likeliest(potential, torch.stack(rows[: len(learned)]), torch.stack(rows[len(learned) :]), errors)


def likeliest(
    potential: Potential,
    train: Float[Tensor, "row feature"],
    valid: Float[Tensor, "column feature"],
    errors: Float[Tensor, "column"],
) -> LastLayer:
    """The estimator from features and errors per atom, ridge and scale by maximum likelihood."""
    covariance = train.T @ train
    unit = float(covariance.diagonal().mean())
    if not unit > 0:
        raise GraphError("calibrate: all features of the training frames vanish; the potential learned nothing there.")

    def loss(ridge: float) -> float:
        square = rigidity(covariance, ridge, valid).clamp_min(TINY)
        return float((errors**2 / square).mean().log() + square.log().mean())

    ridge = min((factor * unit for factor in RIDGES), key=loss)
    scale = float((errors**2 / rigidity(covariance, ridge, valid).clamp_min(TINY)).mean().sqrt())
    return LastLayer(potential, covariance, ridge, scale)


def features(
    potential: Potential, graph: Graph
) -> tuple[Float[Tensor, "graph feature"], Float[Tensor, "node feature"], Float[Tensor, "graph"]]:
    """Derivatives by the last weights of the energy of every structure and of every atom; and the energies, eV.

    The derivative of sum_i u_i e_i by the weights is linear in u, so its derivative by u holds those of all e_i: one
    pass through the last layer for each weight, linear in the number of atoms.

    Raises:
        GraphError: the model does not declare its last weights.
    """
    model = potential.model
    if not isinstance(model, LinearAtLast):
        raise GraphError(
            f"calibrate: {type(model).__name__} does not say which weights are its last (`last_weights`), which an "
            "uncertainty from one model needs; train a committee instead."
        )
    with torch.enable_grad():
        prediction = potential(graph, forces=False)
        u = torch.ones_like(prediction.node_energy, requires_grad=True)
        slopes = torch.autograd.grad(prediction.node_energy, list(model.last_weights), u, create_graph=True)
        slope = torch.cat([part.flatten() for part in slopes])
    unit = torch.eye(len(slope), dtype=slope.dtype, device=slope.device)
    (columns,) = torch.autograd.grad(slope, u, unit, is_grads_batched=True)
    atoms = columns.T.double()
    whole = atoms.new_zeros(graph.graph_count, len(slope)).index_add(0, graph.structure, atoms)
    return whole, atoms, prediction.energy.detach()


def rigidity(
    covariance: Float[Tensor, "feature feature"], ridge: float, rows: Float[Tensor, "row feature"]
) -> Float[Tensor, "row"]:
    """g . (C + ridge)^(-1) g for every row g."""
    regular = covariance + ridge * torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    half = torch.linalg.solve_triangular(torch.linalg.cholesky(regular), rows.T, upper=False)
    return half.square().sum(dim=0)
