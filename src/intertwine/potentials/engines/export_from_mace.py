"""Write a model of mace-torch as plain arrays, for `intertwine convert mace`; no group acts here.

Run this file in the environment of MACE, which needs nothing of this library; only open models that you trust, since
torch's own format can hold code:

    python export_from_mace.py MODEL.model FOLDER

FOLDER then holds `model.json`, the architecture, and `weights.npz`, every linear map as it acts (measured on unit
vectors), the many-body couplings as polynomials, and three structures with the energies and forces that mace-torch
computes for them in float64. The conversion is refused unless it finds the same.
"""

import json
import os
import sys
from itertools import combinations_with_replacement, product
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # files beside this one, such as mace.py, must not stand in for packages
    os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # e3nn 0.4.4 reads its constants by pickle
    sys.path = [place for place in sys.path if Path(place).resolve() != Path(__file__).resolve().parent]

import numpy as np
import torch

VERSION = 1
NEAREST = 1.5
"""Angstrom between atoms of the structures that are compared."""


class CannotExport(ValueError):
    """A model that this script does not understand; one line."""


def export(model: Any, folder: Path) -> None:
    """Write a model in the memory of mace-torch."""
    dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
    model = model.double().cpu().eval()
    arrays: dict[str, Any] = {}
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    found = describe(model, arrays)
    found["dtype"] = dtype
    compare(model, arrays)
    folder.mkdir(parents=True, exist_ok=True)
    stored: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    np.savez_compressed(folder / "weights.npz", **stored)
    (folder / "model.json").write_text(json.dumps(found, indent=1) + "\n")


def describe(model: Any, arrays: dict[str, Any]) -> dict[str, Any]:
    """The architecture; weights go into `arrays` under the names of their places."""
    kind = type(model).__name__
    if kind not in ("MACE", "ScaleShiftMACE"):
        raise CannotExport(f"expected a model of the kind MACE or ScaleShiftMACE, came {kind}.")
    for extra in ("joint_embedding", "embedding_readout"):
        if hasattr(model, extra):
            raise CannotExport(f"{kind}.{extra}: embeddings of charge, spin and the like are not supported.")
    elements = len(model.atomic_numbers)
    arrays["embedding"] = model.node_embedding.linear(torch.eye(elements))
    arrays["atomic_energies"] = torch.atleast_2d(model.atomic_energies_fn.atomic_energies)
    shifted = hasattr(model, "scale_shift")
    arrays["scale"] = torch.atleast_1d(model.scale_shift.scale) if shifted else torch.ones(1)
    arrays["shift"] = torch.atleast_1d(model.scale_shift.shift) if shifted else torch.zeros(1)
    return {
        "format": "export of mace-torch",
        "version": VERSION,
        "class": kind,
        "atomic_numbers": model.atomic_numbers.tolist(),
        "cutoff": float(model.r_max),
        "heads": list(getattr(model, "heads", None) or ["Default"]),
        "edge_irreps": str(model.spherical_harmonics.irreps_out),
        "radial": describe_radial(model, arrays),
        "repulsion": describe_repulsion(model, arrays),
        "layers": [
            describe_layer(layer, product, elements, f"layer{index}", arrays)
            for index, (layer, product) in enumerate(zip(model.interactions, model.products))
        ],
        "readouts": [
            describe_readout(readout, f"readout{index}", arrays) for index, readout in enumerate(model.readouts)
        ],
    }


def describe_radial(model: Any, arrays: dict[str, Any]) -> dict[str, Any]:
    """Basis, envelope, and transform of distances."""
    radial = model.radial_embedding
    basis, transform = radial.bessel_fn, getattr(radial, "distance_transform", None)
    if type(basis).__name__ == "BesselBasis":
        arrays["frequencies"] = basis.bessel_weights
    if transform is not None:
        arrays["covalent_radii"] = transform.covalent_radii[model.atomic_numbers]
    constants = ("a", "q", "p", "alpha")
    return {
        "basis": type(basis).__name__,
        "count": radial.out_dim,
        "envelope": int(radial.cutoff_fn.p),
        "apply_cutoff": bool(getattr(radial, "apply_cutoff", True)),
        "transform": None if transform is None else type(transform).__name__,
        "transform_constants": {
            name: float(getattr(transform, name)) for name in constants if hasattr(transform, name)
        },
    }


def describe_repulsion(model: Any, arrays: dict[str, Any]) -> dict[str, Any] | None:
    """The short-range term of Ziegler, Biersack and Littmark."""
    if not hasattr(model, "pair_repulsion"):
        return None
    zbl = model.pair_repulsion_fn
    arrays["repulsion_radii"] = zbl.covalent_radii[model.atomic_numbers]
    return {
        "exponent": float(zbl.a_exp),
        "length": float(zbl.a_prefactor),
        "amplitudes": zbl.c.tolist(),
        "envelope": int(zbl.p),
    }


def describe_layer(layer: Any, many_body: Any, elements: int, name: str, arrays: dict[str, Any]) -> dict[str, Any]:
    """An interaction with the product that follows."""
    kind, convolution = type(layer).__name__, layer.conv_tp
    if not type(convolution).__module__.startswith("e3nn."):
        raise CannotExport(
            f"{kind}: its products are {type(convolution).__module__}. Convert it to e3nn first (mace_cueq_to_e3nn)."
        )
    if type(layer.conv_tp_weights).__name__ != "FullyConnectedNet" or not hasattr(layer, "skip_tp"):
        raise CannotExport(f"{kind}: this kind of interaction block is not supported.")
    features = [
        *layer.linear_up.irreps_in,
        *convolution.irreps_in1,
        *convolution.irreps_out,
        *many_body.linear.irreps_out,
    ]
    if len({mul for mul, _ in features}) > 1:
        raise CannotExport(f"{kind}: irreps with different multiplicities, {features}, are not supported.")
    save_matrices(f"{name}.up", layer.linear_up, arrays)
    save_matrices(f"{name}.mix", layer.linear, arrays)
    save_matrices(f"{name}.out", many_body.linear, arrays)
    save_matrices_of_elements(f"{name}.skip", layer.skip_tp, elements, arrays)
    save_network(f"{name}.radial", layer.conv_tp_weights, arrays)
    if hasattr(layer, "density_fn"):
        save_network(f"{name}.density", layer.density_fn, arrays)
    orders = [
        save_polynomials(f"{name}.power{index}", contraction, arrays)
        for index, contraction in enumerate(many_body.symmetric_contractions.contractions)
    ]
    return {
        "class": kind,
        "neighbors": float(layer.avg_num_neighbors),
        "irreps_in": str(layer.linear_up.irreps_in),
        "irreps_sent": str(convolution.irreps_in1),
        "irreps_mid": str(convolution.irreps_out),
        "irreps_message": str(layer.linear.irreps_out),
        "irreps_out": str(many_body.linear.irreps_out),
        "irreps_skip": str(layer.skip_tp.irreps_out),
        "paths": [[each.i_in1, each.i_in2, each.i_out] for each in convolution.instructions],
        "path_factors": [float(each.path_weight) for each in convolution.instructions],
        "correlation": max(orders),
    }


def describe_readout(readout: Any, name: str, arrays: dict[str, Any]) -> dict[str, Any]:
    """A layer that reads energies, one a head."""
    kind = type(readout).__name__
    if kind == "LinearReadoutBlock":
        save_matrices(f"{name}.linear", readout.linear, arrays)
        return {"class": kind}
    if kind != "NonLinearReadoutBlock":
        raise CannotExport(f"{kind}: this kind of readout is not supported.")
    save_matrices(f"{name}.first", readout.linear_1, arrays)
    save_matrices(f"{name}.second", readout.linear_2, arrays)
    samples = torch.linspace(-4, 4, 33)
    gate = readout.non_linearity.acts[0]
    factor = 1.0 if gate is None else gate(samples)[-1] / torch.nn.functional.silu(samples)[-1]
    if gate is None or (gate(samples) - factor * torch.nn.functional.silu(samples)).abs().max() > 1e-6:
        raise CannotExport(f"{kind}: its gate is not silu.")
    return {"class": kind, "silu_factor": float(factor)}


def save_matrices(name: str, linear: Any, arrays: dict[str, Any]) -> None:
    """For every irrep the matrix from all its multiplicities to all, measured: y = x @ matrix."""
    for ir, rows, columns in shared_irreps(linear.irreps_in, linear.irreps_out):
        arrays[f"{name}.{ir}"] = linear(unit_vectors(linear.irreps_in, rows))[:, columns]


def save_matrices_of_elements(name: str, linear: Any, elements: int, arrays: dict[str, Any]) -> None:
    """The same for a map that depends on the element: `element in out`."""
    for ir, rows, columns in shared_irreps(linear.irreps_in1, linear.irreps_out):
        x, found = unit_vectors(linear.irreps_in1, rows), []
        for element in torch.eye(elements):
            found.append(linear(x, element.expand(len(x), -1))[:, columns])
        arrays[f"{name}.{ir}"] = torch.stack(found)


def save_network(name: str, network: Any, arrays: dict[str, Any]) -> None:
    """Matrices of a network with silu between them; factors of normalisation go into them."""
    layers = list(network)
    factor = 1.0
    for index, layer in enumerate(layers):
        arrays[f"{name}.{index}"] = factor * layer.weight / layer.h_in**0.5
        factor = getattr(layer.act, "cst", 1.0)
    x = torch.linspace(-1, 1, 5 * layers[0].h_in).reshape(5, -1)
    found = x
    for index in range(len(layers)):
        found = torch.nn.functional.silu(found) if index else found
        found = found @ arrays[f"{name}.{index}"]
    if (found - network(x)).abs().max() > 1e-10:
        raise CannotExport(f"{name}: the radial network is not one of silu between linear maps.")


def save_polynomials(name: str, contraction: Any, arrays: dict[str, Any]) -> int:
    """Couplings of every order as polynomials `dim monomial path` in sorted monomials, and their weights."""
    order = contraction.correlation
    weights = [contraction.weights_max, *contraction.weights]  # from the highest order down
    for n, weight in zip(range(order, 0, -1), weights):
        tensor = contraction.U_tensors(n)
        tensor = tensor.unsqueeze(0) if tensor.dim() == n + 1 else tensor
        dim = tensor.shape[1]
        place = {indices: index for index, indices in enumerate(combinations_with_replacement(range(dim), n))}
        columns = torch.tensor([place[tuple(sorted(indices))] for indices in product(range(dim), repeat=n)])
        table = torch.zeros(len(tensor), len(place), tensor.shape[-1]).index_add(1, columns, tensor.flatten(1, n))
        arrays[f"{name}.couplings{n}"] = table
        arrays[f"{name}.weights{n}"] = weight
    return order


def shared_irreps(irreps_in: Any, irreps_out: Any) -> list[tuple[str, list[int], list[int]]]:
    """Irreps on both sides, with the first component of each of their multiplicities."""
    kinds = dict.fromkeys(ir for _, ir in irreps_out)
    both = [ir for ir in kinds if any(ir == other for _, other in irreps_in)]
    return [(str(ir), first_components(irreps_in, ir), first_components(irreps_out, ir)) for ir in both]


def first_components(irreps: Any, wanted: Any) -> list[int]:
    """Where the multiplicities of an irrep begin."""
    found = []
    for (mul, ir), where in zip(irreps, irreps.slices()):
        if ir == wanted:
            found += range(where.start, where.start + mul * ir.dim, ir.dim)
    return found


def unit_vectors(irreps: Any, places: list[int]) -> torch.Tensor:
    """A row for every place."""
    x = torch.zeros(len(places), irreps.dim)
    x[range(len(places)), places] = 1.0
    return x


def compare(model: Any, arrays: dict[str, Any]) -> None:
    """Energies and forces of mace-torch, for every head: a cluster, a crystal of low symmetry, atoms far apart."""
    numbers, cutoff = model.atomic_numbers.tolist(), float(model.r_max)
    rng = np.random.default_rng(7)
    many = (numbers * (1 + 12 // len(numbers)))[: max(12, len(numbers))]
    few = rng.permutation(numbers)[:5].tolist()
    few = (few * 5)[:5]
    cell = np.array([[3.9, 0.0, 0.0], [0.7, 4.1, 0.0], [-0.5, 0.4, 4.4]])
    apart = np.arange(len(numbers))[:, None] * np.array([[3.0 * cutoff, 0.0, 0.0]])
    structures = [
        (many, scattered(rng, len(many), 2.1 * len(many) ** (1 / 3) * np.eye(3), periodic=False), None),
        (few, scattered(rng, len(few), cell, periodic=True), cell),
        (numbers, apart, None),
    ]
    for index, (numbers, positions, cell) in enumerate(structures):
        results = [evaluate(model, numbers, positions, cell, head) for head in range(len(arrays["atomic_energies"]))]
        arrays[f"check{index}.numbers"] = numbers
        arrays[f"check{index}.positions"] = positions
        arrays[f"check{index}.cell"] = np.zeros((3, 3)) if cell is None else cell
        arrays[f"check{index}.energy"] = np.stack([energy for energy, _ in results])
        arrays[f"check{index}.forces"] = np.stack([forces for _, forces in results])


def scattered(rng: Any, count: int, cell: Any, *, periodic: bool) -> Any:
    """Points at random, none too near another."""
    shifts = np.array(list(product((-1, 0, 1), repeat=3))) @ cell if periodic else np.zeros((1, 3))
    nearest = NEAREST
    while True:
        points: list[Any] = []
        for _ in range(10000):
            point = rng.uniform(size=3) @ cell
            if all(np.linalg.norm(point - other + shifts, axis=1).min() > nearest for other in points):
                points.append(point)
            if len(points) == count:
                return np.array(points)
        nearest *= 0.95


def evaluate(model: Any, numbers: list[int], positions: Any, cell: Any, head: int) -> tuple[Any, Any]:
    """Energy and forces of one structure."""
    cutoff = float(model.r_max)
    known = model.atomic_numbers.tolist()
    reach = 0 if cell is None else int(np.ceil(cutoff / (1 / np.linalg.norm(np.linalg.inv(cell), axis=0)).min())) + 1
    cell = np.eye(3) if cell is None else cell
    senders, receivers, shifts = [], [], []
    for images in product(range(-reach, reach + 1), repeat=3):
        shift = np.array(images) @ cell
        distances = np.linalg.norm(positions[None, :] - positions[:, None] + shift, axis=2)
        near = (distances < cutoff) & ((distances > 0) | bool(any(images)))
        sender, receiver = np.nonzero(near)
        senders, receivers = [*senders, *sender], [*receivers, *receiver]
        shifts += [shift] * len(sender)
    data = {
        "positions": torch.tensor(positions),
        "node_attrs": torch.eye(len(known))[[known.index(number) for number in numbers]],
        "edge_index": torch.tensor([senders, receivers], dtype=torch.long),
        "shifts": torch.tensor(np.array(shifts).reshape(-1, 3), dtype=torch.float64),
        "unit_shifts": torch.zeros(len(shifts), 3),
        "cell": torch.tensor(cell),
        "batch": torch.zeros(len(numbers), dtype=torch.long),
        "ptr": torch.tensor([0, len(numbers)]),
        "head": torch.tensor([head]),
    }
    found = model(data)
    return found["energy"].detach().numpy()[0], found["forces"].detach().numpy()


def main(words: list[str]) -> int:
    """`MODEL.model FOLDER`: export, or say how."""
    if len(words) != 2:
        print(__doc__)
        return 2
    torch.set_default_dtype(torch.float64)
    try:
        model = torch.load(words[0], map_location="cpu", weights_only=False)
        export(model, Path(words[1]))
    except (CannotExport, OSError, ImportError) as error:
        print(f"error: {words[0]}: {' '.join(str(error).split())}", file=sys.stderr)
        return 3
    print(f"written      {words[1]}\nnext         intertwine convert mace {words[1]} POTENTIAL")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
