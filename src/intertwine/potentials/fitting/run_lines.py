"""What a training run is about to do, in lines for whoever watches. No group acts here."""

from collections import Counter
from collections.abc import Collection, Mapping
from itertools import chain

import torch
from ase.data import chemical_symbols

from intertwine.potentials.fitting.data_set import DataSet
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.structures.batching import LABELS
from intertwine.potentials.structures.reference import composition_energy
from intertwine.training.weights import weights


def data_line(data: DataSet, labels: Collection[str], *, head: str = "") -> str:
    """How many frames, of which elements, and how many of them have which label."""
    numbers, counts, total = set(), Counter(), len(data.train) + len(data.valid)
    for graph in chain(data.train, data.valid):
        numbers.update(graph.numbers.unique().tolist())
        counts.update(label for label in LABELS if getattr(graph, label) is not None)
    found = []
    for label in LABELS:
        count = counts[label]
        some = "" if count == total else f" on {count} of {total}"
        if count:
            found.append(f"{label}{some}{'' if label in labels else ' (not trained on)'}")
        elif label in labels:
            found.append(f"no {label}")
    parts = [
        f"data     {len(data.train)} train / {len(data.valid)} valid",
        " ".join(chemical_symbols[number] for number in sorted(numbers)),
        ", ".join(found),
    ]
    return "   ".join([*parts, f"head {head}"] if head else parts)


def reference_line(data: DataSet, potential: Potential) -> str:
    """Where the reference energies come from, and what they leave of the energies."""
    known = [chemical_symbols[number] for number in data.references if number in data.isolated]
    fitted = [chemical_symbols[number] for number in data.references if number not in data.isolated]
    energies = [
        (graph.energy - composition_energy(graph.numbers, graph.structure, 1, potential.reference_energies))
        / graph.node_count
        - potential.shift
        for graph in data.train
        if graph.energy is not None
    ]
    parts = ["energies of atoms"]
    parts += [f"from isolated atoms: {' '.join(known)}"] if known else []
    parts += [f"fitted: {' '.join(fitted)}"] if fitted and energies else []
    parts += [f"they leave {1000 * torch.cat(energies).square().mean().sqrt().item():.3g} meV/atom"] if energies else []
    return "checks   ok   " + "   ".join(parts if energies else [*parts, "no energy labels"])


def model_line(heads: Mapping[str, Potential]) -> str:
    """Kind, cutoff, number of weights and dtype."""
    potential = next(iter(heads.values()))
    kind = (potential.recipe or {}).get("model", type(potential.model).__name__)
    count = sum(tensor.numel() for tensor in weights(potential).values())
    parts = [
        f"model    {kind}",
        f"cutoff {potential.cutoff} A",
        f"{count:,} weights",
        f"{str(potential.dtype).removeprefix('torch.')}, energies summed in float64",
        "errors in eV/atom, eV/A, eV/A^3",
    ]
    return "   ".join([*parts, f"heads {', '.join(heads)}"] if len(heads) > 1 else parts)
