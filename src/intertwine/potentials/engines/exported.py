"""An exported potential, used as any other; E(3) acts on positions, and the package holds energy and derivative."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.potentials.engines.engine_function import EngineInputs, EngineOutputs
from intertwine.potentials.engines.package import read_description, start
from intertwine.potentials.models.models import MODELS  # noqa: F401  its import registers the kernels that packages call
from intertwine.potentials.models.potential import Potential


class ExportedModel(nn.Module):
    """The `EnergyModel` in a package.

    A package wants positions, cells and whole shifts; edge vectors alone are given to it as structures whose atoms all
    lie at the origin, whose cell is the unit cube, and whose shifts are the vectors.

    The package computed the slope of the total energy beside the energies, once; so this is the one derivative there
    is, and others are refused.
    """

    def __init__(self, function: Callable[..., Sequence[Tensor]], species: Sequence[int], cutoff: float):
        super().__init__()
        self.function, self.species, self.cutoff = function, tuple(species), float(cutoff)
        self.register_buffer("numbers", torch.tensor(self.species), persistent=False)

    def forward(
        self,
        element: Int[Tensor, "node"],
        vectors: Float[Tensor, "edge 3"],
        senders: Int[Tensor, "edge"],
        receivers: Int[Tensor, "edge"],
    ) -> Float[Tensor, "node"]:
        """Energy of every atom, eV."""
        given = vectors.detach().double()
        inputs = EngineInputs(
            numbers=self.get_buffer("numbers")[element],
            positions=given.new_zeros(len(element), 3),
            cell=torch.eye(3, dtype=given.dtype, device=given.device)[None],
            senders=senders,
            receivers=receivers,
            shifts=given,
            structure=torch.zeros_like(element),
        )
        found = EngineOutputs(*self.function(*inputs))
        return _WithSlope.apply(vectors, found.node_energy, found.gradient)


class _WithSlope(torch.autograd.Function):
    """Energies per atom that know the slope of their sum."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, energy: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient.to(vectors.dtype))
        return energy.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (weights,) = grad_outputs
        (gradient,) = ctx.saved_tensors
        if not (weights == weights[0]).all():
            raise NotImplementedError(
                "exported potential: it knows the gradient of the total energy only, came a request for that of a "
                "weighted sum of energies per atom. Use the potential it was made from."
            )
        return weights[0] * gradient, None, None


def load_exported(path: Path | str) -> Potential:
    """Read a package that `export_potential` wrote: a `Potential` for calculators, `evaluate`, `relax`, `simulate`.

    It answers on the kind of device it was exported on, in float64, with the digits that the model had. It cannot be
    trained, saved or tabulated. Load packages of people you trust only: see `package.start`.

    Example:
        >>> atoms.calc = Calculator(load_exported("water.pt2"))  # doctest: +SKIP

    Raises:
        CheckpointError: a file is missing, damaged, or for another torch or processor; it holds a pickle.
    """
    path = Path(path)
    values = read_description(path)
    model = ExportedModel(start(path, values["format"]), values["species"], values["cutoff"])
    references = {int(number): energy for number, energy in values["reference_energies"].items()}
    shift = values["shift"]  # of which the package has taken from lonely atoms what they must not have
    return Potential(model, references, shift=shift, shift_alone=True).to(values["device"])
