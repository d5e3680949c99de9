"""A potential as a metatomic model, which LAMMPS, i-PI, ASE and others run; E(3) acts on positions and edge vectors.

metatomic reads TorchScript: the code of this file is compiled, and annotated with the names that metatomic compares.
"""
# ruff: noqa: UP006, UP035, UP045

from typing import Dict, List, Optional

import torch
from metatensor.torch import Labels, TensorBlock, TensorMap  # type: ignore[attr-defined]
from metatomic.torch import ModelOutput, NeighborListOptions, System
from torch import Tensor, nn


class MetatomicModel(nn.Module):
    """The energy, of systems or of atoms, as a function of positions and cells that can be differentiated.

        energy of an atom = atom_energies(...) + reference + shift        eV, float64 whatever the model computes in

    An engine finds all ordered pairs within the cutoff; the first atom of a pair sends, the second receives. Forces
    and stress are the engine's: it differentiates.

    Args:
        model: `Potential.atom_energies`, traced.
        index: place of every atomic number in the species of the model.
        reference: energy of an atom of every atomic number, eV, shift included.
    """

    index: Tensor
    reference: Tensor

    def __init__(self, model: nn.Module, index: Tensor, reference: Tensor, cutoff: float, single: bool):
        super().__init__()
        self.model = model
        self.dtype = torch.float32 if single else torch.float64
        self.options = NeighborListOptions(cutoff=cutoff, full_list=True, strict=True)
        self.register_buffer("index", index)
        self.register_buffer("reference", reference)

    def requested_neighbor_lists(self) -> List[NeighborListOptions]:
        """What the engine has to find."""
        return [self.options]

    def forward(
        self,
        systems: List[System],
        outputs: Dict[str, ModelOutput],
        selected_atoms: Optional[Labels],
    ) -> Dict[str, TensorMap]:
        """Evaluate all systems at once."""
        results: Dict[str, TensorMap] = {}
        if "energy" not in outputs:
            return results
        numbers: List[Tensor] = []
        vectors: List[Tensor] = []
        senders: List[Tensor] = []
        receivers: List[Tensor] = []
        samples: List[Tensor] = []
        first = 0
        for place, system in enumerate(systems):
            pairs = system.get_neighbor_list(self.options)
            ends = pairs.samples.values
            numbers.append(system.types.long())
            vectors.append(pairs.values.reshape(-1, 3))
            senders.append(ends[:, 0].long() + first)
            receivers.append(ends[:, 1].long() + first)
            atoms = torch.arange(len(system), device=ends.device, dtype=torch.int32)
            samples.append(torch.stack([torch.full_like(atoms, place), atoms], dim=1))
            first += len(system)
        number, sample = torch.cat(numbers), torch.cat(samples)
        element = self.index[number]
        near = torch.cat(vectors).to(self.dtype)
        energy = self.model(element, near, torch.cat(senders), torch.cat(receivers)) + self.reference[number]
        if selected_atoms is not None:
            chosen = Labels(["system", "atom"], sample).select(selected_atoms)
            energy, sample = energy[chosen], sample[chosen]
        names = ["system", "atom"]
        if outputs["energy"].sample_kind != "atom":
            total = torch.zeros(len(systems), dtype=energy.dtype, device=energy.device)
            energy = total.index_add(0, sample[:, 0].long(), energy)
            sample = torch.arange(len(systems), dtype=torch.int32, device=energy.device).unsqueeze(1)
            names = ["system"]
        block = TensorBlock(
            values=energy.unsqueeze(1),
            samples=Labels(names, sample),
            components=torch.jit.annotate(List[Labels], []),
            properties=Labels(["energy"], torch.zeros(1, 1, dtype=torch.int32, device=energy.device)),
        )
        results["energy"] = TensorMap(
            Labels(["_"], torch.zeros(1, 1, dtype=torch.int32, device=energy.device)), [block]
        )
        return results
