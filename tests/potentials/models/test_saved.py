"""A potential written and read again is the same to the last bit; a damaged one is refused in one line."""

import inspect
import json

import pytest
import torch
from ase.build import molecule
from lennard_jones import argon
from safetensors.torch import load_file, save_file

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.products import CONTRACTIONS, EDGE_PRODUCTS
from intertwine.potentials.models.saved import build_potential, load, save_potential
from intertwine.potentials.structures.neighbors import connect
from intertwine.training.checkpoint import TENSORS, VALUES, CheckpointError, write_checkpoint
from intertwine.training.weights import weights

REFERENCES = {1: -13.6 - 1 / 3, 8: -2041.8}
SMALL = {
    "species": [1, 8],
    "cutoff": 3.0,
    "channels": 4,
    "edge_degree": 1,
    "correlation": 2,
    "radial_hidden": [8],
    "neighbors": 2.0,
}


def potential(**others) -> Potential:
    return build_potential("mace", {**SMALL, **others}, REFERENCES, scale=1 / 7, shift=-0.1, seed=3)


def water():
    return connect(from_atoms(molecule("H2O")), 3.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("product", EDGE_PRODUCTS)
def test_a_potential_comes_back_bit_for_bit_in_its_own_dtype(tmp_path, dtype, product):
    assert set(CONTRACTIONS) <= set(EDGE_PRODUCTS)
    contraction = product if product in CONTRACTIONS else "clebsch-gordan"
    saved = potential(tensor_product=product, contraction=contraction).to(dtype)
    loaded = load(save_potential(tmp_path / "potential", saved))
    assert loaded.dtype == dtype and not loaded.training
    before, after = weights(saved), weights(loaded)
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    for name in ("reference_energies", "scale", "shift", "shift_alone", "species", "cutoff", "recipe"):
        assert getattr(loaded, name) == getattr(saved, name)
    expected, found = saved(water()), loaded(water())
    assert torch.equal(expected.energy, found.energy) and torch.equal(expected.forces, found.forces)


def test_every_weight_counts_for_what_comes_back(tmp_path):
    """The control: changed by one unit in the last place, it is another potential."""
    saved = potential().double()
    loaded = load(save_potential(tmp_path / "potential", saved))
    with torch.no_grad():
        row = loaded.model.embedding.weight
        row[1, 0] = torch.nextafter(row[1, 0], torch.tensor(torch.inf, dtype=row.dtype))
    assert not torch.equal(weights(saved)["model.embedding.weight"], weights(loaded)["model.embedding.weight"])


def test_the_folder_holds_tensors_and_json_and_nothing_else(tmp_path):
    folder = save_potential(tmp_path / "potential", potential(), notes={"made_by": "a test"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["potential"]
    assert (
        sorted(path.name for path in folder.iterdir())
        == [VALUES, TENSORS]
        == ["checkpoint.json", "tensors.safetensors"]
    )
    assert set(load_file(folder / TENSORS)) == set(weights(potential()))
    values = json.loads((folder / VALUES).read_text())["values"]
    assert values["notes"] == {"made_by": "a test"} and values["hyperparameters"] == SMALL


def test_a_potential_that_was_loaded_can_be_saved_again_with_the_same_bytes(tmp_path):
    first = save_potential(tmp_path / "first", potential())
    second = save_potential(tmp_path / "second", load(first))
    for name in (TENSORS, VALUES):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_saving_over_an_older_potential_replaces_it(tmp_path):
    save_potential(tmp_path / "potential", potential())
    folder = save_potential(tmp_path / "potential", potential(channels=2))
    assert load(folder).model.embedding.weight.shape == (2, 2)


def test_loading_and_building_with_a_seed_leave_the_random_numbers_of_the_caller_alone(tmp_path):
    folder = save_potential(tmp_path / "potential", potential())
    state = torch.random.get_rng_state()
    load(folder), potential()
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_seed_decides_the_weights():
    def first(seed):
        return build_potential("mace", SMALL, REFERENCES, seed=seed).model.embedding.weight

    assert torch.equal(first(0), first(0)) and not torch.equal(first(0), first(1))


def refusal(folder) -> str:
    with pytest.raises(CheckpointError) as caught:
        load(folder)
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", [TENSORS, VALUES])
@pytest.mark.parametrize("place", [0.1, 0.5, 0.9, 0.999])
def test_a_flipped_bit_is_refused(tmp_path, name, place):
    path = save_potential(tmp_path / "potential", potential()) / name
    raw = bytearray(path.read_bytes())
    raw[int(place * len(raw))] ^= 1
    path.write_bytes(raw)
    refusal(tmp_path / "potential")


@pytest.mark.parametrize("name", [TENSORS, VALUES])
def test_a_file_that_is_cut_short_emptied_or_missing_is_refused(tmp_path, name):
    path = save_potential(tmp_path / "potential", potential()) / name
    raw = path.read_bytes()
    for part in (raw[:-1], raw[: len(raw) // 2], b""):
        path.write_bytes(part)
        refusal(tmp_path / "potential")
    path.unlink()
    assert "missing" in refusal(tmp_path / "potential")


def test_a_folder_that_is_not_there_or_holds_something_else_is_refused(tmp_path):
    assert "no such checkpoint folder" in refusal(tmp_path / "nowhere")
    other = write_checkpoint(tmp_path / "other", {"w": torch.ones(1)}, {}, kind="training")
    assert '"training" checkpoint, expected "potential"' in refusal(other)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "crystal ball"},
        {"model": ["mace"]},
        {"hyperparameters": {**SMALL, "colour": "blue"}},
        {"hyperparameters": {**SMALL, "hidden": "1o"}},
        {"hyperparameters": {**SMALL, "channels": "many"}},
        {"hyperparameters": None},
        {"reference_energies": {"1": -13.6}},
        {"reference_energies": {"H": -13.6, "O": 0.0}},
        {"reference_energies": [1, 2]},
        {"dtype": "float8"},
        {"scale": "large"},
        {"shift": None},
    ],
)
def test_values_that_describe_no_potential_are_refused_even_with_a_correct_digest(tmp_path, change):
    folder = save_potential(tmp_path / "potential", potential())
    values = json.loads((folder / VALUES).read_text())["values"]
    write_checkpoint(folder, load_file(folder / TENSORS), {**values, **change}, kind="potential")
    assert "does not describe a potential" in refusal(folder)


def test_values_that_are_missing_are_refused_even_with_a_correct_digest(tmp_path):
    folder = save_potential(tmp_path / "potential", potential())
    values, tensors = json.loads((folder / VALUES).read_text())["values"], load_file(folder / TENSORS)
    for name in values.keys() - {"notes", "shift_alone"}:
        rest = {key: value for key, value in values.items() if key != name}
        write_checkpoint(folder, tensors, rest, kind="potential")
        assert f"'{name}'" in refusal(folder)


def test_tensors_of_another_model_are_refused_even_with_a_correct_digest(tmp_path):
    folder = save_potential(tmp_path / "potential", potential())
    values, tensors = json.loads((folder / VALUES).read_text())["values"], load_file(folder / TENSORS)
    write_checkpoint(folder, weights(potential(channels=2)), values, kind="potential")
    assert "has shape [2, 2], the model wants [2, 4]" in refusal(folder)
    write_checkpoint(folder, weights(potential().double()), values, kind="potential")
    assert "torch.float64, the model wants torch.float32" in refusal(folder)
    write_checkpoint(folder, {**tensors, "stranger": torch.ones(1)}, values, kind="potential")
    assert '"stranger" has no place' in refusal(folder)


def test_a_pickle_in_place_of_the_weights_is_not_opened(tmp_path):
    folder = save_potential(tmp_path / "potential", potential())
    torch.save(weights(potential()), folder / TENSORS)
    refusal(folder)
    save_file({"w": torch.ones(1)}, folder / TENSORS)
    refusal(folder)


def test_an_unknown_kind_is_refused_with_the_kinds_there_are():
    with pytest.raises(ValueError, match="there is no model 'crystal ball'; choose one of mace"):
        # unwrapped: the type checker of the tests would refuse the name before the library does
        inspect.unwrap(build_potential)("crystal ball", SMALL, REFERENCES)


def test_a_potential_without_a_recipe_cannot_be_saved(tmp_path):
    with pytest.raises(ValueError, match="no recipe; make it with build_potential"):
        save_potential(tmp_path / "potential", argon())
    assert list(tmp_path.iterdir()) == []
