"""A committee of potentials: their mean, and how far apart they are; E(3) acts on every member alike."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.potentials.judging.evaluate import compare
from intertwine.potentials.models.mean_model import MeanModel, mean_potential
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.uncertainty import Deviation
from intertwine.potentials.structures.graph import Graph, GraphError, Prediction
from intertwine.potentials.structures.reference import composition_energy


class Committee:
    r"""An `Estimator`: mean and standard deviation of the predictions of several potentials.

        mean = 1/M sum_m y_m,     deviation = scale sqrt( 1/(M-1) sum_m (y_m - mean)^2 )

    Squares of vectors and tensors are means over their components, so that deviations do not depend on the axes.
    `potential` is the mean as a potential of its own, for simulations and for saving: `save_potential` keeps it as one
    folder, which `load` and `Committee.of` read back. Members that saw the same data agree on their common faults; the
    deviation is a lower bound of the error until it is calibrated.

    Args:
        members: potentials of the same species, cutoff and dtype, trained from different seeds or on different frames.
        scale, force_scale: factors on the deviations of energies, and of forces and stress, from a calibration.

    Raises:
        ValueError: fewer than two potentials, or some that differ in species, cutoff or dtype.

    Example:
        >>> committee = Committee([load(f"runs/{n}/potential") for n in (1, 2, 3)])  # doctest: +SKIP
        >>> prediction, deviation = committee(graph)  # doctest: +SKIP

    Reference: query by committee for potentials: Schran, Brezina, Marsalek, 2020, J. Chem. Phys. 153, 104105.
    """

    def __init__(self, members: Sequence[Potential], *, scale: float = 1.0, force_scale: float = 1.0):
        self.potential = mean_potential(members)
        self.members = list(members)
        self.scale, self.force_scale = float(scale), float(force_scale)

    @staticmethod
    def of(potential: Potential, *, scale: float = 1.0, force_scale: float = 1.0) -> "Committee":
        """The committee whose mean a loaded potential is.

        Raises:
            ValueError: the potential is no mean of others.
        """
        if not isinstance(potential.model, MeanModel):
            raise ValueError(
                f"committee: this potential is a single {type(potential.model).__name__}; join several with "
                "`intertwine committee A B C --out FOLDER`."
            )
        return Committee(potential.model.potentials, scale=scale, force_scale=force_scale)

    def __call__(self, graph: Graph, *, forces: bool = True, stress: bool = False) -> tuple[Prediction, Deviation]:
        """Mean and deviation of all members."""
        with torch.no_grad():
            answers = [member(graph, forces=forces, stress=stress) for member in self.members]
        energy = torch.stack([answer.energy for answer in answers])
        atoms = torch.stack([answer.node_energy for answer in answers])
        whole = atoms + torch.stack([atom_offsets(member, graph) for member in self.members])
        pulls = torch.stack([answer.forces for answer in answers if answer.forces is not None]) if forces else None
        tensions = torch.stack([answer.stress for answer in answers if answer.stress is not None]) if stress else None
        mean = Prediction(
            energy.mean(dim=0),
            atoms.mean(dim=0),
            None if pulls is None else pulls.mean(dim=0),
            None if tensions is None else tensions.mean(dim=0),
        )
        deviation = Deviation(
            self.scale * energy.std(dim=0),
            self.scale * whole.std(dim=0),
            None if pulls is None else self.force_scale * pulls.var(dim=0).mean(dim=-1).sqrt(),
            None if tensions is None else self.force_scale * tensions.var(dim=0).mean(dim=(-2, -1)).sqrt(),
        )
        return mean, deviation


def atom_offsets(member: Potential, graph: Graph) -> Float[Tensor, "node"]:
    """What a potential adds to the energy that its model gives each atom: reference energy and shift, eV."""
    atoms = torch.arange(graph.node_count, device=graph.numbers.device)
    return member.shift + composition_energy(graph.numbers, atoms, graph.node_count, member.reference_energies)


def calibrated(
    potential: Potential, valid: Sequence[Graph], *, progress: Callable[[int, int], None] | None = None
) -> Committee:
    """The committee of a loaded mean, its deviations scaled to the size of the errors on validation frames.

        scale = rms(errors) / rms(deviations)

    Not the likeliest scale, rms(errors / deviations): with few members a deviation is small by chance now and then, and
    that mean has no bound.

    Raises:
        GraphError: no label to compare with, or members that agree everywhere.
    """
    raw = Committee.of(potential)
    found = compare(potential, valid, estimator=raw, progress=progress).total().calibrations
    if "energy" not in found and "forces" not in found:
        raise GraphError("calibrate: no energies or forces to compare with, or members that agree to the last digit.")
    scales = {quantity: each.ratio for quantity, each in found.items()}
    energy = scales.get("energy", scales.get("forces", 1.0))
    return Committee(raw.members, scale=energy, force_scale=scales.get("forces", energy))
