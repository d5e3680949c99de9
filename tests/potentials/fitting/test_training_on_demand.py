"""A set larger than memory trains: its frames are read as they are needed, to the same weights."""

import json
import weakref
from typing import ClassVar

import pytest
import torch
from ase import Atoms
from lennard_jones import argon

from intertwine.potentials.data import on_demand
from intertwine.potentials.data.frame_store import FrameStore
from intertwine.potentials.data.on_demand import frames_of_file
from intertwine.potentials.data.readers import from_atoms, write
from intertwine.potentials.fitting.config import FinetuneConfig, FitConfig
from intertwine.potentials.fitting.finetune import finetune_potential
from intertwine.potentials.fitting.training_run import fit_potential
from intertwine.potentials.models.saved import load
from intertwine.potentials.structures.graph import GraphError
from intertwine.potentials.structures.neighbors import connect
from intertwine.training.weights import weights

FRAMES, BATCH = 24, 3
MODEL = {"kind": "nequip", "cutoff": 6.0, "channels": 2, "layers": 1, "edge_degree": 1, "radial_hidden": [4]}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Labelled molecules of four atoms and an isolated atom; one frame in four lacks its energy."""
    graphs = [from_atoms(Atoms("Ar", info={"energy": -1.5}))]
    for seed in range(FRAMES):
        atoms = Atoms("Ar4", [[0, 0, 0], [3.8, 0, 0], [0, 3.8, 0], [0, 0, 3.8]])
        atoms.rattle(0.2, seed=seed)
        graph = connect(from_atoms(atoms), 6.0)
        with torch.no_grad():
            answer = argon()(graph)
        atoms.arrays["forces"] = answer.forces.numpy()
        if seed % 4:
            atoms.info["energy"] = answer.energy.item()
        graphs.append(from_atoms(atoms))
    path = tmp_path_factory.mktemp("store") / "train.h5"
    write(path, graphs)
    return path


class Counted(FrameStore):
    """Notes how many of its frames are in use at a time: their positions are those of all that is made of them."""

    opened: ClassVar[list] = []

    def __init__(self, path):
        super().__init__(path)
        self.alive, self.most = weakref.WeakSet(), 0
        self.opened.append(self)

    def __getitem__(self, index):
        graph = super().__getitem__(index)
        self.alive.add(graph.positions)
        self.most = max(self.most, len(self.alive))
        return graph


def train(store, out, **changes):
    sections = {"version": 1, "data": {"train": str(store), "valid": 0.25}, "model": MODEL, "dtype": "float64"}
    sections |= {"train": {"epochs": 2, "batch_size": BATCH, "ema": 0.9}, "device": "cpu", "out": str(out)}
    return fit_potential(FitConfig.model_validate(sections | changes))


def history(folder):
    rows = json.loads((folder / "history.json").read_text())
    return json.dumps([{key: value for key, value in row.items() if "second" not in key} for row in rows])


@pytest.mark.parametrize("heads", [False, True])
def test_frames_on_demand_and_frames_in_memory_give_the_same_weights(store, tmp_path, monkeypatch, heads):
    changes = {"heads": {"other": {"train": str(store), "valid": 0.5}}} if heads else {}
    found = []
    for name, large in (("whole", 10**9), ("demand", 0)):
        monkeypatch.setattr(on_demand, "LARGE", large)
        found.append((load(train(store, tmp_path / name, **changes)), history(tmp_path / name)))
    (whole, before), (demand, after) = found
    assert before == after and demand.reference_energies == whole.reference_energies == {18: -1.5}
    assert (demand.scale, demand.shift) == (whole.scale, whole.shift)
    one, two = weights(whole), weights(demand)
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_no_more_than_a_batch_of_frames_is_in_memory_at_a_time(store, tmp_path, monkeypatch):
    monkeypatch.setattr(on_demand, "LARGE", 0)
    monkeypatch.setattr(on_demand, "FrameStore", Counted)
    Counted.opened.clear()
    folder = train(store, tmp_path / "run")
    assert 2 * BATCH <= Counted.opened[0].most <= 3 * BATCH < FRAMES / 2
    new = {"version": 1, "start": str(folder), "data": {"train": str(store)}, "device": "cpu"}
    new |= {"out": str(tmp_path / "new"), "train": {"epochs": 1, "batch_size": BATCH}}
    finetune_potential(FinetuneConfig.model_validate(new))
    assert Counted.opened[1].most < FRAMES


def test_the_list_of_frames_holds_them_all(store):
    """The control of the count."""
    counted = Counted(store)
    kept = list(counted)
    assert counted.most == len(kept) == FRAMES + 1


def test_small_stores_and_other_files_are_read_whole_and_faults_are_errors(store, tmp_path, monkeypatch):
    nothing = dict.fromkeys(("energy", "forces", "stress", "group"))
    assert isinstance(frames_of_file(store, nothing), list)
    monkeypatch.setattr(on_demand, "LARGE", 0)
    assert isinstance(frames_of_file(store, nothing), FrameStore)
    assert isinstance(frames_of_file(store, {**nothing, "energy": "energy"}), list)
    write(tmp_path / "set.extxyz", list(frames_of_file(store, nothing))[:2])
    assert isinstance(frames_of_file(tmp_path / "set.extxyz", nothing), list)
    raw = bytearray(store.read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "damaged.h5").write_bytes(raw)
    with pytest.raises(GraphError, match=r"damaged\.h5"):
        list(frames_of_file(tmp_path / "damaged.h5", nothing))
