"""Export to metatomic and run it through metatomic's own calculator; a script, as shape checkers do not compile."""

import sys
from pathlib import Path
from tempfile import mkdtemp

import metatomic.torch as metatomic
import numpy as np
import torch
from ase.build import bulk, molecule
from metatensor.torch import Labels
from metatomic_ase import MetatomicCalculator
from typer.testing import CliRunner

from intertwine.cli.main import app
from intertwine.potentials.engines import metatomic_export
from intertwine.potentials.engines.engine_function import ExportError
from intertwine.potentials.engines.export_check import trial_structures
from intertwine.potentials.models.saved import build_potential, save_potential
from intertwine.potentials.simulation.calculator import Calculator

CHOICES = {"species": [1, 8], "cutoff": 3.5, "channels": 2, "radial_hidden": [4]}
REFERENCES = {1: -13.6, 8: -2041.8}


def agrees_with_our_calculator(potential, path):
    crystal = bulk("MgO", "rocksalt", a=4.2) * (2, 1, 1)
    crystal.numbers = np.resize([1, 8, 8], len(crystal))
    crystal.rattle(0.1, seed=0)
    for atoms in (molecule("H2O"), crystal, molecule("H2O")[:1]):
        ours = atoms.copy()
        ours.calc = Calculator(potential)
        atoms.calc = MetatomicCalculator(path, check_consistency=True)
        assert abs(atoms.get_potential_energy() - ours.get_potential_energy()) < 1e-5 * len(atoms)
        assert np.abs(atoms.get_forces() - ours.get_forces()).max() < 1e-5
        assert np.abs(atoms.get_potential_energies() - ours.get_potential_energies()).max() < 1e-5
        if atoms.pbc.all():
            assert np.abs(atoms.get_stress() - ours.get_stress()).max() < 1e-6


def energies_of_chosen_atoms(path):
    """What LAMMPS asks of one of its domains."""
    model = metatomic.load_atomistic_model(path)
    atoms = molecule("H2O")
    calculator = MetatomicCalculator(model)
    for kind in ("atom", "system"):
        wanted = metatomic.ModelOutput(unit="eV", sample_kind=kind)
        chosen = Labels(["system", "atom"], torch.tensor([[0, 2], [0, 0]], dtype=torch.int32))
        everything = calculator.run_model(atoms, {"energy": metatomic.ModelOutput(unit="eV", sample_kind="atom")})
        some = calculator.run_model(atoms, {"energy": wanted}, selected_atoms=chosen)["energy"].block()
        expected = everything["energy"].block().values[[2, 0]]
        expected = expected if kind == "atom" else expected.sum(0, keepdim=True)
        assert (some.values - expected).abs().max() < 1e-9


def says_what_it_is(path, hops):
    capabilities = metatomic.load_atomistic_model(path).capabilities()
    assert sorted(capabilities.atomic_types) == [1, 8] and capabilities.length_unit.lower() == "angstrom"
    assert capabilities.interaction_range == hops * CHOICES["cutoff"]
    assert capabilities.outputs["energy"].unit == "eV"


def a_wrong_trace_gets_no_name(potential, folder):
    right = metatomic_export.engine_function

    def wrong(model):
        evaluate = right(model)
        return lambda *inputs: (outputs := evaluate(*inputs))._replace(forces=outputs.forces + 1e-3)

    metatomic_export.engine_function = wrong
    try:
        metatomic_export.export_metatomic(potential, folder / "wrong.pt", structures=trial_structures(potential, 2))
    except ExportError as error:
        assert "forces" in str(error)
    else:
        raise AssertionError("a wrong model was written")
    finally:
        metatomic_export.engine_function = right
    assert not (folder / "wrong.pt").exists() and not list(folder.glob(".*"))


def the_verb_writes_it_too(potential, folder):
    save_potential(folder / "potential", potential)
    words = ["export", folder / "potential", folder / "verb.pt", "--format", "metatomic", "--quiet"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    agrees_with_our_calculator(potential, folder / "verb.pt")


def main():
    folder = Path(mkdtemp())
    for kind, layers in (("mace", 2), ("nequip", 3)):
        potential = build_potential(kind, {**CHOICES, "layers": layers}, REFERENCES, scale=2.0, shift=0.3, seed=0)
        path = folder / f"{kind}.pt"
        found = metatomic_export.export_metatomic(potential, path)
        assert found.structures == 20 and found.forces < 1e-5
        agrees_with_our_calculator(potential, path)
        says_what_it_is(path, layers)
    energies_of_chosen_atoms(path)
    a_wrong_trace_gets_no_name(potential, folder)
    the_verb_writes_it_too(potential, folder)


if __name__ == "__main__":
    sys.exit(main())
