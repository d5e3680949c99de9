"""A trained potential with one matrix in place of each radial network; a function of distances, no group acts."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from inspect import signature
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.nn.radial import RadialMLP
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import KINDS, build_potential
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect, edge_vectors
from intertwine.potentials.structures.soundness import CLOSEST
from intertwine.training.weights import load_weights, weights

SAMPLES = 8192
"""Distances at which a matrix is fitted."""
EVERYWHERE = 8
"""One in so many of them lies anywhere below the cutoff, so that weights stay tame where the data have no distances."""
RIDGE = 1e-7
"""Keeps the matrix small where waves are nearly dependent; relative to their norm."""
WAVES = (1.0, 1.5, 2.0, 3.0, 4.0)
"""Times the waves of the network that are tried, until the matrix is good enough."""


@dataclass(frozen=True)
class RadialFit:
    """How well a matrix stands for a radial network."""

    layer: str
    """Where the network stands in the potential."""
    r2: float
    """1 - (mean square of what is lost) / (variance of the weights over the distances)."""


@dataclass(frozen=True)
class Compressed:
    """What `compress` made."""

    potential: Potential
    fits: tuple[RadialFit, ...]
    waves: int
    """Radial functions in each layer."""
    parameters: tuple[int, int]
    """Before and after."""

    @property
    def r2(self) -> float:
        """Of the layer that lost most."""
        return min(fit.r2 for fit in self.fits)


def compress(
    potential: Potential, graphs: Sequence[Graph] = (), *, r2: float = 0.99999, waves: int | None = None
) -> Compressed:
    r"""Replace radial networks by linear maps of waves, fitted to the trained weights by least squares.

        MLP( b(r) u(r) )  ~  b'(r) u(r) W             b: waves, b': as many or more of them, u: envelope

    Everything else stays as it is, and so do energies as far as the fit is good. The result is smaller, costs less a
    step, and is an ordinary potential: it can be saved, trained on and tabulated.

    Args:
        potential: of a kind with radial networks, made by `build_potential` or `load`.
        graphs: training structures, whose distances say where a fit counts; without any, all distances count alike.
        r2: what the fit of every layer should reach; up to four times the waves are taken for it.
        waves: a fixed number of waves instead.

    Raises:
        ValueError: a potential without radial networks, or one that cannot be built anew.

    Example:
        >>> hyperparameters = {"species": [1, 8], "cutoff": 4.0, "channels": 8, "radial_hidden": [64]}
        >>> potential = build_potential("mace", hyperparameters, {1: -13.6, 8: -2041.8}, seed=0)
        >>> found = compress(potential)
        >>> found.r2 > 0.99, found.parameters[1] < found.parameters[0]
        (True, True)

    Reference: Miklaucic et al., 2025, arXiv:2509.08418 (Facet), there for SevenNet-0.
    """
    networks = radial_networks(potential)
    if not networks or not _can_be_linear(potential):
        raise ValueError(
            f"compress: expected a potential whose radial networks have hidden layers and that build_potential made or "
            f"load read, came a {type(potential.model).__name__}; nothing to compress, or nothing to build it from."
        )
    r = distances(graphs, potential.cutoff)
    exact = {name: deepcopy(network).cpu().double()(r).detach().flatten(1) for name, network in networks.items()}
    basis = next(iter(networks.values())).basis.count
    found = None
    for count in [round(times * basis) for times in WAVES] if waves is None else [waves]:
        found = _with_waves(potential, r, exact, count)
        if found.r2 >= r2:
            break
    assert found is not None
    return found


def radial_networks(potential: Potential) -> dict[str, RadialMLP]:
    """The radial networks with hidden layers, by their place."""
    modules = potential.named_modules()
    return {name: each for name, each in modules if isinstance(each, RadialMLP) and len(each.network.weights) > 1}


def distances(graphs: Sequence[Graph], cutoff: float) -> Float[Tensor, "sample"]:
    """Distances to fit at, Angstrom: quantiles of those in the structures, and a few evenly from `CLOSEST` on.

    Example:
        >>> distances((), 5.0).shape
        torch.Size([8192])
    """
    even = torch.linspace(CLOSEST, cutoff, SAMPLES // EVERYWHERE if graphs else SAMPLES, dtype=torch.float64)
    if not graphs:
        return even
    lengths = torch.cat([edge_vectors(connect(graph, cutoff)).double().norm(dim=-1) for graph in graphs]).sort().values
    count = SAMPLES - len(even)
    places = (torch.arange(count, dtype=torch.float64) + 0.5) / count * len(lengths)
    return torch.cat([lengths[places.long()], even])


def _can_be_linear(potential: Potential) -> bool:
    """Whether the potential can be built anew without hidden layers in its radial networks."""
    if potential.recipe is None:
        return False
    return {"radial_hidden", "radial_count"} <= set(signature(KINDS[potential.recipe["model"]]).parameters)


def _with_waves(potential: Potential, r: Tensor, exact: Mapping[str, Tensor], waves: int) -> Compressed:
    """A potential like this one whose radial weights are linear maps of so many waves, fitted to the exact ones."""
    assert potential.recipe is not None
    made = build_potential(
        potential.recipe["model"],
        {**potential.recipe["hyperparameters"], "radial_hidden": [], "radial_count": waves},
        potential.reference_energies,
        scale=potential.scale,
        shift=potential.shift,
        shift_alone=potential.shift_alone,
        seed=0,
    ).to(device=potential.get_buffer("species_index").device, dtype=potential.dtype)
    tensors = {
        name: tensor.detach()
        for name, tensor in weights(potential).items()
        if not name.startswith(tuple(f"{place}.network." for place in exact))
    }
    fits = []
    for place, wanted in exact.items():
        radial = made.get_submodule(place)
        assert isinstance(radial, RadialMLP)
        matrix, r2 = fit(radial, r, wanted)
        (weight,) = radial.network.weights
        tensors[f"{place}.network.weights.0"] = matrix.to(weight)
        fits.append(RadialFit(place, r2))
    load_weights(made, tensors)
    return Compressed(made, tuple(fits), waves, (_size(potential), _size(made)))


def fit(
    radial: RadialMLP, r: Float[Tensor, "sample"], wanted: Float[Tensor, "sample width"]
) -> tuple[Float[Tensor, "wave width"], float]:
    """The matrix with which a radial network without hidden layers is nearest to given weights, and R^2 of the fit."""
    with torch.no_grad():
        waves = radial.basis(r) * radial.envelope(r).unsqueeze(-1) / sqrt(radial.basis.count)
        ridge = RIDGE * waves.norm() * torch.eye(waves.shape[1], dtype=waves.dtype)
        zero = wanted.new_zeros(waves.shape[1], wanted.shape[1])
        matrix = torch.linalg.lstsq(torch.cat([waves, ridge]), torch.cat([wanted, zero])).solution
        lost, spread = waves @ matrix - wanted, wanted - wanted.mean(0)
        return matrix, 1 - float(lost.square().sum() / spread.square().sum())


def _size(potential: Potential) -> int:
    return sum(parameter.numel() for parameter in potential.parameters())
