"""From a SMILES to a relaxed molecule, through RDKit and GFN2-xTB; no group acts, one geometry is picked."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.optimize import BFGS

from intertwine.potentials.data.label import failures_named, gfn2, single_point
from intertwine.potentials.structures.graph import GraphError, Source

BROKEN = 1.5  # a bond this many times its relaxed length is counted as broken
RATTLE = 0.05  # Angstrom; an embedding can be symmetric, and a relaxation that starts symmetric may end on a saddle


@dataclass(frozen=True)
class Molecule:
    """A relaxed molecule, and which atoms its SMILES joins."""

    atoms: Atoms
    bonds: np.ndarray
    """Pairs of atoms, `bond 2`."""
    charge: int

    def stretch(self, positions: np.ndarray) -> np.ndarray:
        """Length of every bond over its relaxed length, `*batch bond`."""
        first, second = self.bonds.T

        def lengths(x: np.ndarray) -> np.ndarray:
            return np.linalg.norm(x[..., first, :] - x[..., second, :], axis=-1)

        return lengths(positions) / lengths(self.atoms.positions)

    def name(self, bond: int) -> str:
        """A bond as "C5-O6", atoms counted from 0."""
        return "-".join(f"{self.atoms.symbols[atom]}{atom}" for atom in self.bonds[bond])

    def refuse_broken(self, positions: np.ndarray, where: str) -> None:
        """Stop with a `GraphError` when a bond is much longer than in the relaxed molecule."""
        stretch = self.stretch(positions)
        if stretch.size and stretch.max() > BROKEN:
            bond = int(stretch.argmax())
            raise GraphError(
                f"{where}: bond {self.name(bond)} is {stretch[bond]:.2f} times its relaxed length, so the molecule "
                "came apart; try another seed or a lower temperature"
            )


def relaxed_molecule(smiles: str, *, seed: int = 0, fmax: float = 0.01) -> Molecule:
    """The molecule of a SMILES, embedded by RDKit and relaxed with GFN2-xTB until no force exceeds `fmax` (eV/A)."""
    try:
        from rdkit import Chem, rdBase
        from rdkit.Chem.rdDistGeom import EmbedMolecule
        from rdkit.Chem.rdForceFieldHelpers import MMFFOptimizeMolecule
    except ImportError as error:
        raise ImportError(
            f'geometry from SMILES needs rdkit ({error}); try: pip install "intertwine[label]"'
        ) from error
    with rdBase.BlockLogs():
        graph = Chem.MolFromSmiles(smiles)
        if graph is None or graph.GetNumAtoms() == 0:
            raise GraphError(f"SMILES {smiles!r}: RDKit cannot read it; check brackets, ring closures and valences")
        if len(Chem.GetMolFrags(graph)) > 1:
            raise GraphError(f"SMILES {smiles!r}: holds fragments that would drift apart; expected one molecule")
        graph = Chem.AddHs(graph)
        if EmbedMolecule(graph, randomSeed=seed) != 0:
            raise GraphError(f"SMILES {smiles!r}: RDKit found no geometry with seed {seed}; try another seed")
        MMFFOptimizeMolecule(graph)
    atoms = Atoms([atom.GetAtomicNum() for atom in graph.GetAtoms()], graph.GetConformer().GetPositions())
    charge = Chem.GetFormalCharge(graph)
    atoms.positions += RATTLE * np.random.default_rng(seed).standard_normal((len(atoms), 3))
    single_point(atoms, charge=charge, source=Source(f"SMILES {smiles!r}", 0))
    atoms.calc = gfn2(atoms.numbers, charge=charge)
    with failures_named(f"SMILES {smiles!r}: ", "try another seed"):
        relaxed = BFGS(atoms, logfile=None).run(fmax=fmax, steps=2000)
    if not relaxed:
        raise GraphError(f"SMILES {smiles!r}: not relaxed to {fmax} eV/A within 2000 steps; try another seed")
    atoms.calc = None
    atoms.positions -= atoms.get_center_of_mass()
    bonds = np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in graph.GetBonds()]).reshape(-1, 2)
    return Molecule(atoms, bonds, charge)
