"""Models of mace-torch, written by `export_from_mace.py`, as potentials of this library; no group acts here."""

from collections.abc import Sequence
from math import pi, sqrt
from pathlib import Path
from typing import Any, NamedTuple

import torch
from ase import Atoms
from torch import Tensor

from intertwine.nn.linear import Linear
from intertwine.nn.mlp import MLP, SILU_SCALE
from intertwine.o3.irreps import Irrep, IrrepsError
from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.engines.mace_elements import keep_elements
from intertwine.potentials.engines.mace_export import Export, hyperparameters, network_matrices, read_export
from intertwine.potentials.models.element_linear import ElementLinear
from intertwine.potentials.models.mace_torch import MACETorch, TorchInteraction
from intertwine.potentials.models.mace_torch_radial import FeatureNetwork, LengthNetwork
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import DTYPES, build_potential
from intertwine.potentials.structures.neighbors import connect
from intertwine.tensor_products.cg_contraction import ClebschGordanContraction
from intertwine.tensor_products.clebsch_gordan import full_paths
from intertwine.tensor_products.symmetric_power import symmetric_power
from intertwine.training.checkpoint import CheckpointError

TOLERANCE = 1e-6
"""Largest difference from mace-torch in eV an atom and eV/Angstrom, where these are of the order of one."""


class Converted(NamedTuple):
    """A potential, and how far it is from mace-torch in float64 on the structures of the export.

    Errors in eV an atom and eV/Angstrom, relative where energies an atom and forces are above one.
    """

    potential: Potential
    energy_error: float
    force_error: float


def convert_mace(folder: Path | str, *, head: str | None = None, elements: Sequence[int] | None = None) -> Converted:
    """A potential with the energies and forces of a model of mace-torch, proved on three structures.

    In the environment of MACE, `export_from_mace.py` writes the folder. The potential has the dtype of the original;
    train it further, save it, tabulate it like any other.

    Args:
        folder: what the script wrote.
        head: which head of a model with several.
        elements: atomic numbers to keep of a model for many, see `keep_elements`; all are kept if none are named.

    Raises:
        CheckpointError: not such a folder, a block that is not supported, or results that are not those of mace-torch.

    Example:
        >>> potential = convert_mace("exported").potential  # doctest: +SKIP
    """
    export = read_export(Path(folder))
    try:
        return convert_export(export, head=head, elements=elements)
    except CheckpointError:
        raise
    except IrrepsError as error:
        raise export.refuse(f"irreps that are not supported ({error})") from error
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise export.refuse(f"architecture and weights do not belong together ({reason}). Export again.") from error


def convert_export(export: Export, *, head: str | None = None, elements: Sequence[int] | None = None) -> Converted:
    """The same from what has been read."""
    index = _head(export, head)
    potential = _build(export, index)
    energy_error, force_error = differences(potential, export, index)
    if not (energy_error <= TOLERANCE and force_error <= TOLERANCE):
        raise export.refuse(
            f"the converted model differs from mace-torch by {energy_error:.1e} eV an atom and {force_error:.1e} eV/A, "
            f"expected at most {TOLERANCE:.0e}. Please report the architecture in model.json."
        )
    if elements is not None:
        potential = _build(keep_elements(export, elements), index)
    return Converted(potential.to(DTYPES[export.content["dtype"]]), energy_error, force_error)


def _build(export: Export, head: int) -> Potential:
    """In float64."""
    arrays = export.arrays
    potential = build_potential(
        "mace-torch",
        hyperparameters(export),
        dict(zip(export.content["atomic_numbers"], arrays["atomic_energies"][head].tolist(), strict=True)),
        scale=_of_head(arrays["scale"], head),
        shift=_of_head(arrays["shift"], head),
        shift_alone=True,
        seed=0,
    ).double()
    assert isinstance(potential.model, MACETorch)
    fill(potential.model, export, head)
    return potential


@torch.no_grad()
def fill(model: MACETorch, export: Export, head: int) -> None:
    """Write exported weights into a model of the same architecture."""
    model.embedding.weight.copy_(export.arrays["embedding"])
    if "frequencies" in export.arrays:
        model.features.basis.get_parameter("frequencies").copy_(export.arrays["frequencies"].flatten() / pi)
    if model.transform is not None:
        model.transform.get_parameter("radii").copy_(export.arrays["covalent_radii"])
        for name, value in export.content["radial"]["transform_constants"].items():
            model.transform.get_parameter(name).fill_(value)
    for index, (layer, described) in enumerate(zip(model.interactions, export.content["layers"], strict=True)):
        assert isinstance(layer, TorchInteraction)
        _fill_interaction(layer, described, f"layer{index}", export)
    first = len(model.readouts) - len(export.content["readouts"])
    for index, readout in enumerate(list(model.readouts)[first:]):
        assert isinstance(readout, MLP)
        _fill_readout(readout, export, index, head)


def _fill_interaction(layer: TorchInteraction, described: dict[str, Any], name: str, export: Export) -> None:
    arrays = export.arrays
    _fill_linear(layer.mix_senders, f"{name}.up", arrays)
    _fill_linear(layer.mix_out, f"{name}.out", arrays)
    # their paths in our order
    sent, filters = layer.mix_senders.irreps_out, layer.filters
    mid = [Irrep.parse(term.split("x")[1]) for term in described["irreps_mid"].split("+")]
    theirs = {(one, two, mid[out]): place for place, (one, two, out) in enumerate(described["paths"])}
    every, paths = full_paths(sent, filters)
    ours = [(path.in1, path.in2, every[path.out]) for path in paths if every[path.out] in layer.mix_messages.irreps_out]
    if sorted(ours) != sorted(theirs):
        raise export.refuse(f"{name} couples {described['paths']}, expected all paths of {sent} and {filters}.")
    order = [theirs[path] for path in ours]
    channels = layer.by_element.channels
    factors = torch.tensor(
        [described["path_factors"][place] / sqrt(path[2].dim) for place, path in zip(order, ours, strict=True)],
        dtype=torch.float64,
    )
    matrices = network_matrices(export, f"{name}.radial")
    columns = matrices[-1].unflatten(1, (-1, channels))[:, order] * factors[:, None]
    _fill_network(layer.radial, [*matrices[:-1], columns.flatten(1)])
    mixed = {}
    for ir in sorted(set(layer.mix_messages.irreps_out)):
        outs = sorted(out for _, _, out in described["paths"] if mid[out] == ir)
        rows = [outs.index(described["paths"][place][2]) for place in order if mid[described["paths"][place][2]] == ir]
        blocks = arrays[f"{name}.mix.{ir}"].unflatten(0, (-1, channels))
        mixed[f"mix.{ir}"] = blocks[rows].flatten(0, 1)
    if layer.density is None:
        mixed = {key: matrix / described["neighbors"] for key, matrix in mixed.items()}
    else:
        _fill_network(layer.density.radial, network_matrices(export, f"{name}.density"))
    _fill_linear(layer.mix_messages, "mix", mixed)
    _fill_by_element(layer.by_element, f"{name}.skip", arrays)
    _fill_contraction(layer.contraction, name, export)


def _fill_linear(linear: Linear, name: str, arrays: dict[str, Tensor]) -> None:
    """Undo the 1 / sqrt(fan_in) of a `Linear`."""
    for weight, ir in zip(linear.weights, sorted(set(linear.irreps_out)), strict=True):
        weight.copy_(arrays[f"{name}.{ir}"] * sqrt(weight.shape[0]))


def _fill_by_element(linear: ElementLinear, name: str, arrays: dict[str, Tensor]) -> None:
    for weight, ir in zip(linear.weights, linear.irreps, strict=True):
        weight.copy_(arrays[f"{name}.{ir}"].permute(1, 0, 2))


def _fill_network(radial: torch.nn.Module, matrices: list[Tensor]) -> None:
    """Undo factors of an `MLP`: 1 / sqrt(fan_in), and that of silu before every layer but the first."""
    network = radial.of_features if isinstance(radial, LengthNetwork) else radial
    assert isinstance(network, FeatureNetwork)
    for layer, (weight, matrix) in enumerate(zip(network.network.weights, matrices, strict=True)):
        weight.copy_(matrix * sqrt(weight.shape[0]) / (SILU_SCALE if layer else 1.0))


def _fill_readout(readout: MLP, export: Export, index: int, head: int) -> None:
    """The columns of one head."""
    arrays, name = export.arrays, f"readout{index}"
    if len(readout.weights) == 1:
        matrices = [arrays[f"{name}.linear.0e"][:, head : head + 1]]
    else:
        width = readout.weights[0].shape[1]
        mine = slice(head * width, (head + 1) * width)
        factor = export.content["readouts"][index]["silu_factor"] / SILU_SCALE
        matrices = [arrays[f"{name}.first.0e"][:, mine], factor * arrays[f"{name}.second.0e"][mine, head : head + 1]]
    for weight, matrix in zip(readout.weights, matrices, strict=True):
        weight.copy_(matrix * sqrt(weight.shape[0]))


def _fill_contraction(contraction: ClebschGordanContraction, name: str, export: Export) -> None:
    r"""Weights of our independent couplings from those of their coupling trees, which depend on each other.

    theirs_n[k] = sum over p of  T[p, k] U_n[p],        w_n[element, p] = sum over k of  T[p, k] w'_n[element, k]
    """
    rows = []
    for n in range(1, contraction.correlation + 1):
        power = symmetric_power(contraction.irreps_in, n, contraction.irreps_out.lmax)
        for index, ir in enumerate(contraction.irreps_out):
            theirs = export.arrays[f"{name}.power{index}.couplings{n}"].flatten(0, 1)
            weights = export.arrays[f"{name}.power{index}.weights{n}"]
            basis = power.get(ir)
            if basis is None:
                basis = theirs.new_zeros(0, len(theirs))
            basis = basis.flatten(1).T
            change = torch.linalg.lstsq(basis, theirs).solution
            if not (basis @ change - theirs).abs().max() <= 1e-6 * (1 + theirs.abs().max()):
                raise export.refuse(f"the couplings of order {n} to {ir} in {name} are no equivariant polynomials.")
            rows.append(torch.einsum("pk,ekc->epc", change, weights))
    found = torch.cat(rows, dim=1)
    contraction.weights.copy_(found.expand(contraction.weights.shape[0], -1, -1))


def differences(potential: Potential, export: Export, head: int) -> tuple[float, float]:
    """Largest differences from mace-torch: energies an atom and forces, relative where these are above one."""
    energy_error = force_error = 0.0
    for index in range(3):
        check = {key: export.arrays[f"check{index}.{key}"] for key in ("numbers", "positions", "cell")}
        periodic = bool(check["cell"].any())
        atoms = Atoms(check["numbers"].numpy(), check["positions"].numpy(), cell=check["cell"].numpy(), pbc=periodic)
        with torch.no_grad():
            found = potential(connect(from_atoms(atoms, keys=None), potential.cutoff))
        assert found.forces is not None
        energy, forces = (export.arrays[f"check{index}.{key}"][head] for key in ("energy", "forces"))
        size = max(1.0, float(found.node_energy.abs().mean()))
        energy_error = max(energy_error, abs(float(found.energy) - float(energy)) / len(atoms) / size)
        force_error = max(force_error, float((found.forces - forces).abs().max()) / max(1.0, float(forces.abs().max())))
    return energy_error, force_error


def _head(export: Export, head: str | None) -> int:
    heads = export.content["heads"]
    if head is None and len(heads) == 1:
        return 0
    if head not in heads:
        raise export.refuse(f"the model has the heads {', '.join(heads)}, came {head}. Choose one with --head.")
    return heads.index(head)


def _of_head(values: Tensor, head: int) -> float:
    return float(values[head if len(values) > 1 else 0])
