"""Models of mace-torch after their conversion: its energies and forces, and refusal of what is not the same."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import molecule

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.engines.convert_mace import convert_export, convert_mace, differences, fill
from intertwine.potentials.engines.mace_export import Export, read_export
from intertwine.potentials.models.contract import check_potential
from intertwine.potentials.models.saved import load, save_potential
from intertwine.potentials.models.tabulate import tables_of, tabulate
from intertwine.potentials.simulation.calculator import Calculator
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect
from intertwine.training.checkpoint import CheckpointError

GOLDEN = Path(__file__).parent / "golden_mace"
MODELS = ("residual", "agnostic", "density", "heads", "soft")
PEER = Path(__file__).parents[3] / ".peers/mace/bin/python"
ROUNDING = {"float32": 1e-8, "float64": 1e-12}
"""What the original's dtype leaves in its coupling coefficients."""


@pytest.fixture(scope="module")
def exports() -> dict[str, Export]:
    return {name: read_export(GOLDEN / name) for name in MODELS}


def water(cutoff: float) -> Graph:
    return connect(from_atoms(molecule("H2O")), cutoff)


def agrees(export: Export) -> None:
    for head in export.content["heads"]:
        found = convert_export(export, head=head)
        assert max(found.energy_error, found.force_error) < ROUNDING[export.content["dtype"]], head
        assert str(found.potential.dtype) == f"torch.{export.content['dtype']}"


@pytest.mark.parametrize("name", MODELS)
def test_a_converted_model_has_the_energies_and_forces_of_mace_torch(exports, name):
    export = exports[name]
    assert min(float(export.arrays[f"check{index}.forces"].abs().max()) for index in range(2)) > 0.1
    agrees(export)


@pytest.mark.skipif(not PEER.exists(), reason="mace-torch lives in .peers/mace (make bench-peers)")
def test_models_made_just_now_by_mace_torch_convert(tmp_path):
    names = ("residual", "density")
    subprocess.run([PEER, GOLDEN / "make.py", tmp_path, "1", *names], check=True, capture_output=True)
    for name in names:
        agrees(read_export(tmp_path / name))


@pytest.mark.parametrize("name", ["residual", "density"])
def test_every_array_of_an_export_counts(exports, name):
    export = exports[name]
    potential = convert_export(export).potential
    filled = [each for each in export.arrays if each.split(".")[0].startswith(("layer", "readout", "emb", "freq"))]
    assert len(filled) > 30
    for changed in filled:
        array = export.arrays[changed]
        fill(potential.model, export._replace(arrays={**export.arrays, changed: 2 * array}), 0)
        assert not array.any() or max(differences(potential, export, 0)) > 1e-9, changed


@pytest.mark.parametrize("changed", ["atomic_energies", "scale", "shift", "repulsion_radii", "covalent_radii"])
def test_a_conversion_that_is_not_mace_torch_is_refused(exports, changed):
    export = exports["density"]
    arrays = {**export.arrays, changed: 1.01 * export.arrays[changed]}
    with pytest.raises(CheckpointError, match="differs from mace-torch"):
        convert_export(export._replace(arrays=arrays))


def test_couplings_that_are_not_equivariant_are_refused(exports):
    export = exports["residual"]
    name = "layer0.power1.couplings2"
    broken = export.arrays[name].flip(0)
    with pytest.raises(CheckpointError, match="order 2 to 1o in layer0 are no equivariant polynomials"):
        convert_export(export._replace(arrays={**export.arrays, name: broken}))


def test_paths_in_another_order_are_the_same_model(exports):
    export = exports["residual"]
    layers = [dict(layer) for layer in export.content["layers"]]
    last = layers[1]
    channels = export.arrays["embedding"].shape[1]
    columns = export.arrays["layer1.radial.2"].unflatten(1, (-1, channels)).flip(1).flatten(1)
    last["paths"], last["path_factors"] = last["paths"][::-1], last["path_factors"][::-1]
    agrees(
        export._replace(
            content={**export.content, "layers": layers}, arrays={**export.arrays, "layer1.radial.2": columns}
        )
    )


def test_an_isolated_atom_has_the_energy_that_mace_torch_gives_it(exports):
    """Not the reference energy alone: readouts see the atom itself."""
    potential = convert_export(exports["residual"]).potential
    atom = connect(from_atoms(molecule("O")), potential.cutoff)
    above = float(potential(atom).energy.detach()) - potential.reference_energies[8] - potential.shift
    assert abs(above) > 1e-3
    numbers, total = exports["residual"].arrays["check2.numbers"].tolist(), exports["residual"].arrays["check2.energy"]
    alone = [connect(from_atoms(molecule({1: "H", 8: "O"}[number])), potential.cutoff) for number in numbers]
    assert sum(float(potential(each).energy.detach()) for each in alone) == pytest.approx(float(total[0]), abs=1e-10)


def test_a_model_whose_first_messages_are_all_it_has_keeps_the_contract_of_potentials(exports):
    check_potential(convert_export(exports["density"]).potential)


def test_skip_connections_of_the_first_layer_give_isolated_atoms_an_energy_and_break_nothing_else(exports):
    with pytest.raises(AssertionError) as caught:
        check_potential(convert_export(exports["residual"]).potential)
    faults = str(caught.value).splitlines()[1:]
    assert [fault.split(":")[0] for fault in faults] == ["smooth at the cutoff", "isolated atoms"]
    assert "a pair at the cutoff, energy" in faults[0] and "forces [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]" in faults[0]


def test_a_model_for_fewer_elements_is_the_same_for_these(exports):
    whole = convert_export(exports["density"]).potential
    fewer = convert_export(exports["density"], elements=[8, 1]).potential
    assert (whole.species, fewer.species) == ((1, 8, 26), (1, 8))
    sizes = [sum(each.numel() for each in potential.parameters()) for potential in (whole, fewer)]
    assert sizes[1] < sizes[0]
    once, again = whole(water(4.0)), fewer(water(4.0))
    torch.testing.assert_close(again.energy, once.energy, rtol=0, atol=1e-10)
    torch.testing.assert_close(again.forces, once.forces, rtol=0, atol=1e-10)
    for wrong in ([1, 6], [], [1, 1]):
        with pytest.raises(CheckpointError, match="expected different elements out of"):
            convert_export(exports["density"], elements=wrong)


def test_elements_are_left_out_of_products_that_know_none(exports):
    fewer = convert_export(exports["soft"], elements=[8]).potential
    atom = connect(from_atoms(molecule("O2")), 4.0)
    torch.testing.assert_close(fewer(atom).forces, convert_export(exports["soft"]).potential(atom).forces)


def test_a_converted_model_is_saved_and_loaded_bit_for_bit(exports, tmp_path):
    for name in ("soft", "density"):
        potential = convert_export(exports[name]).potential
        again = load(save_potential(tmp_path / name, potential))
        graph = water(potential.cutoff)
        assert torch.equal(again(graph).energy, potential(graph).energy)
        assert torch.equal(again(graph).forces, potential(graph).forces)


def test_a_converted_model_drives_a_calculator(exports):
    atoms = molecule("H2O")
    potential = convert_export(exports["residual"]).potential
    atoms.calc = Calculator(potential)
    assert atoms.get_potential_energy() == pytest.approx(float(potential(water(4.0)).energy.detach()), abs=1e-9)


def test_a_converted_model_is_tabulated_where_distances_are_enough(exports):
    potential = convert_export(exports["agnostic"]).potential
    fast, graph = tabulate(potential, tolerance=1e-8), water(4.0)
    assert len(tables_of(fast)) == 2
    torch.testing.assert_close(fast(graph).forces, potential(graph).forces, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["density", "soft"])
def test_a_model_that_rescales_distances_has_a_table_for_every_pair_of_elements(exports, name):
    potential = convert_export(exports[name]).potential.double()
    fast = tabulate(potential, tolerance=1e-7)
    for symbols in ("H2O", "O2", "H2"):
        graph = connect(from_atoms(molecule(symbols)), 5.0)  # with edges beyond the cutoff
        torch.testing.assert_close(fast(graph).forces, potential(graph).forces, rtol=0, atol=1e-5)
    pairs = len(potential.species) * (len(potential.species) + 1) // 2
    assert all(table.points % pairs == 0 and table.error < 1e-7 for table in tables_of(fast))
    moved = replace(graph, positions=graph.positions + torch.tensor([[0, 0, 1e-4], [0, 0, 0]]).double())
    with torch.no_grad():
        here, there = fast(graph), fast(moved)
    slope = float(there.energy - here.energy) / 1e-4
    assert slope == pytest.approx(-float(there.forces[0, 2] + here.forces[0, 2]) / 2, rel=1e-5)
    assert len(tables_of(tabulate(fast))) == len(tables_of(fast))


def test_tables_for_too_many_pairs_of_elements_are_refused(exports):
    potential = convert_export(exports["density"]).potential
    potential.model.species = (1, 2, 3, 4, 5, 6)
    with pytest.raises(ValueError, match="at most 5 elements, came 6"):
        tabulate(potential)


def test_the_script_for_the_other_environment_changes_nothing_when_it_is_imported():
    code = "import os, sys; before = dict(os.environ), list(sys.path); "
    code += "import intertwine.potentials.engines.export_from_mace; "
    code += "assert (dict(os.environ), list(sys.path)) == before"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_weight_of_a_converted_model_can_be_trained_further(exports):
    potential = convert_export(exports["residual"]).potential.train()
    prediction = potential(water(4.0))
    (prediction.energy.square().sum() + prediction.forces.square().sum()).backward()
    still = [name for name, each in potential.named_parameters() if each.grad is None or not each.grad.any()]
    assert still == []


def copy(tmp_path: Path, name: str = "residual", **changes) -> Path:
    """An export with other entries in its model.json."""
    folder = tmp_path / name
    shutil.copytree(GOLDEN / name, folder)
    content = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**content, **changes}))
    return folder


def described(name: str, key: str) -> dict | list:
    return json.loads((GOLDEN / name / "model.json").read_text())[key]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "other"}, "no export of mace-torch"),
        ({"version": 99}, "version 99, expected 1"),
        ({"edge_irreps": "1x0e+1x1e"}, "use_so3"),
        ({"radial": {**described("residual", "radial"), "basis": "ChebychevBasis"}}, "radial basis ChebychevBasis"),
        ({"radial": {**described("residual", "radial"), "transform": "Odd"}}, "distance transform Odd"),
        ({"radial": {**described("residual", "radial"), "apply_cutoff": False}}, "apply_cutoff"),
        ({"radial": {**described("residual", "radial"), "count": 7}}, "do not belong together"),
        ({"layers": [{**described("residual", "layers")[0], "class": "AttBlock"}]}, "interaction block AttBlock"),
        ({"layers": [{**described("residual", "layers")[0], "irreps_out": "6x0e+3x1o"}]}, "multiplicities"),
        ({"layers": None}, "do not belong together"),
        ({"cutoff": 3.0}, "differs from mace-torch"),
        ({"dtype": "float16"}, "do not belong together"),
    ],
)
def test_what_is_not_supported_is_refused_in_one_line(tmp_path, changes, words):
    with pytest.raises(CheckpointError) as caught:
        convert_mace(copy(tmp_path, **changes))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_model_with_several_heads_asks_for_one(tmp_path):
    with pytest.raises(CheckpointError, match="heads pbe, ccsd, came None"):
        convert_mace(GOLDEN / "heads")
    pbe, ccsd = (convert_mace(GOLDEN / "heads", head=head).potential(water(4.0)) for head in ("pbe", "ccsd"))
    assert (pbe.forces - ccsd.forces).abs().max() > 1e-3


def test_a_model_file_is_answered_with_the_command_that_exports_it(tmp_path):
    (tmp_path / "MACE.model").write_bytes(b"pickle")
    with pytest.raises(CheckpointError, match=r"export_from_mace.py .*MACE.model .*MACE"):
        convert_mace(tmp_path / "MACE.model")


def test_missing_and_damaged_files_are_refused_in_one_line(tmp_path):
    with pytest.raises(CheckpointError, match="missing"):
        convert_mace(tmp_path)
    folder = copy(tmp_path)
    whole = (folder / "weights.npz").read_bytes()
    damages = {
        "cut": whole[:-100],
        "altered": whole[:5000] + bytes(100) + whole[5100:],
        "empty": b"",
    }
    np.savez(tmp_path / "pickled.npz", embedding=np.array([{"a": 1}], dtype=object))
    damages["pickled"] = (tmp_path / "pickled.npz").read_bytes()
    for kind, content in damages.items():
        (folder / "weights.npz").write_bytes(content)
        with pytest.raises(CheckpointError) as caught:
            convert_mace(folder)
        assert "damaged" in str(caught.value) and "\n" not in str(caught.value), kind
