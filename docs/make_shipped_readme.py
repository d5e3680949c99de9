"""Write the README.md beside the shipped data set: how it was made, and numbers computed from the file itself.

python docs/make_shipped_readme.py
"""

from importlib.resources import files
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import ground_state_magnetic_moments

from intertwine.potentials.data.label import single_point
from intertwine.potentials.data.molecule import relaxed_molecule
from intertwine.potentials.data.readers import read, to_atoms
from intertwine.potentials.data.sample import FRICTION, TIMESTEP, summarise
from intertwine.potentials.structures.graph import Graph

SMILES, SEED, WALKERS = "c1ccc(COc2cccnc2N)cc1", 0, 5
COMMAND = f'intertwine data label --smiles "{SMILES}" --seed {SEED} 3bpa_gfn2.extxyz.xz'

TEXT = """# 3bpa_gfn2.extxyz.xz

{frames} frames of 3BPA, 3-(benzyloxy)pyridin-2-amine, C12H12N2O, 27 atoms in the gas phase, and the isolated atoms.
Energies (eV) and forces (eV/Angstrom) are GFN2-xTB's: a semi-empirical method, quick and consistent, no substitute
for DFT. {size:.0f} kB.

Made by this library from the SMILES alone, and by nothing else (extra `label`; about 20 minutes on two cores):

    {command}

RDKit embeds the SMILES `{smiles}` once for each of {walkers} walkers (seeds {seed} to {last_seed}),
GFN2-xTB (tblite) relaxes each conformer to 0.01 eV/Angstrom from slightly displaced atoms, and Langevin dynamics
samples from it ({timestep} fs steps, friction {friction}/fs, centre of mass at rest, 1 ps of equilibration, a frame
every 40 fs). At every temperature the walkers share the frames equally. `test_300K` follows `train_300K` on the same
trajectories after 2 ps; 600 K and 1200 K have trajectories of their own. The random numbers of a trajectory are those
of `numpy.random.default_rng([seed, walker, temperature])`. Positions are rounded to 1e-5 Angstrom and then labelled by
fresh single points, so labels belong to the numbers in the file; energies are rounded to 1e-6 eV, forces to
1e-5 eV/Angstrom.

| set (`config_type`) | frames | mean energy (eV) | spread (eV) | force RMS (eV/Angstrom) | most stretched bond |
|---|---|---|---|---|---|
{rows}

Energies are counted from the first walker's relaxed conformer ({relaxed:.6f} eV). Force RMS is the error of predicting
zero. A bond is stretched to that many times its relaxed length; none broke.

How the sets cover the torsion of the CH2-O bond, {torsion}, in per cent of their frames:

| set | {bins} |
|---|{rules}
{torsions}

| isolated atom | energy (eV) | multiplicity |
|---|---|---|
{atoms}

Licence: MIT, as the library. The numbers were computed for it; no one else's data are in the file.
This page is written by `docs/make_shipped_readme.py` from the file; do not edit it by hand.
"""

TORSION = (3, 4, 5, 6)  # C(phenyl)-CH2-O-C(pyridine), atoms in the order of the SMILES
EDGES = range(0, 361, 60)


def main() -> None:
    """Compute the numbers and write the page."""
    folder = Path(str(files("intertwine.potentials") / "shipped"))
    path = folder / "3bpa_gfn2.extxyz.xz"
    graphs = read(path, require=("energy", "forces"))
    molecule = relaxed_molecule(SMILES, seed=SEED)
    relaxed = energy_of(molecule.atoms)
    rows, torsions = [], []
    for name in dict.fromkeys(graph.groups[0] for graph in graphs if graph.node_count > 1):
        numbers = summarise(molecule, name, [to_atoms(graph) for graph in graphs if graph.groups[0] == name])
        rows.append(
            f"| {name} | {numbers.frames} | {numbers.energy_mean - relaxed:.3f} | {numbers.energy_std:.3f} | "
            f"{numbers.force_rms:.3f} | {numbers.stretched_bond} {numbers.largest_stretch:.2f} |"
        )
        angles = [to_atoms(graph).get_dihedral(*TORSION) for graph in graphs if graph.groups[0] == name]
        shares = 100 * np.histogram(angles, bins=EDGES)[0] / len(angles)
        torsions.append(f"| {name} | " + " | ".join(f"{share:.0f}" for share in shares) + " |")
    (folder / "README.md").write_text(
        TEXT.format(
            frames=len(graphs) - 4,
            size=path.stat().st_size / 1000,
            command=COMMAND,
            smiles=SMILES,
            seed=SEED,
            walkers=WALKERS,
            last_seed=SEED + WALKERS - 1,
            timestep=TIMESTEP,
            friction=FRICTION,
            rows="\n".join(rows),
            relaxed=relaxed,
            torsion="-".join(str(atom) for atom in TORSION),
            bins=" | ".join(f"{low} to {low + 60} deg" for low in EDGES[:-1]),
            rules="---|" * (len(EDGES) - 1),
            torsions="\n".join(torsions),
            atoms="\n".join(atom_row(graph) for graph in graphs if graph.node_count == 1),
        ),
        "utf-8",
    )


def energy_of(atoms: Atoms) -> float:
    """GFN2-xTB energy, eV."""
    return single_point(atoms).get_potential_energy()


def atom_row(graph: Graph) -> str:
    """One line of the table of isolated atoms."""
    atoms = to_atoms(graph)
    multiplicity = int(ground_state_magnetic_moments[atoms.numbers[0]]) + 1
    return f"| {atoms.symbols[0]} | {np.round(atoms.get_potential_energy(), 6)} | {multiplicity} |"


if __name__ == "__main__":
    main()
