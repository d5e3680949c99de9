"""Stores give every bit back, read only what is asked for, and never return a damaged number."""

import ctypes
import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from formats import assert_equal, crystal, varied, water
from hypothesis import given
from hypothesis import strategies as st

from examples import examples
from intertwine.potentials.data.frame_store import FrameStore
from intertwine.potentials.data.prepared import Prepared
from intertwine.potentials.data.readers import from_atoms, read, write
from intertwine.potentials.data.store_writer import write_store
from intertwine.potentials.structures import textfile
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.potentials.structures.neighbors import connect


@pytest.mark.parametrize("compress", [False, True])
def test_every_bit_survives_a_store(tmp_path, compress):
    graphs = varied()
    write(tmp_path / "set.h5", graphs, compress=compress)
    store = FrameStore(tmp_path / "set.h5")
    for before, after, again in zip(graphs, store, read(tmp_path / "set.h5"), strict=True):
        assert_equal(before, after)
        assert_equal(before, again)
    assert len(store) == 5 and store.atom_counts.tolist() == [4, 3, 3, 1, 4]
    assert str(store[1].sources[0]).endswith("set.h5 frame 1")


numbers = st.floats(-1e5, 1e5, allow_subnormal=False)
atoms = st.lists(st.tuples(st.integers(1, 118), *[numbers] * 6), min_size=1, max_size=4)
frames = st.lists(
    st.tuples(atoms, numbers, st.booleans(), st.booleans(), st.text("ab é", max_size=3)), min_size=1, max_size=4
)


@given(frames, st.booleans())
@examples(40)
def test_any_sound_structures_survive_a_store(tmp_path, frames, compress):
    graphs = []
    for rows, energy, has_energy, has_forces, group in frames:
        values = torch.tensor([row[1:] for row in rows], dtype=torch.float64)
        spread = 1e3 * torch.arange(len(rows), dtype=torch.float64)[:, None]
        graph = replace(
            from_atoms(water()),
            positions=values[:, :3] % 1 + spread,
            numbers=torch.tensor([row[0] for row in rows]),
            structure=torch.zeros(len(rows), dtype=torch.int64),
            groups=(group,) if group else (),
            energy=torch.tensor([energy], dtype=torch.float64) if has_energy else None,
            forces=values[:, 3:] if has_forces else None,
        )
        graphs.append(graph)
    write_store(tmp_path / "set.h5", graphs, compress=compress)
    for before, after in zip(graphs, FrameStore(tmp_path / "set.h5"), strict=True):
        assert_equal(before, after)


def test_indices_behave_as_those_of_a_list(tmp_path):
    write(tmp_path / "set.h5", [collate([from_atoms(water(seed)) for seed in range(5)])])
    store = FrameStore(tmp_path / "set.h5")
    assert torch.equal(store[-1].positions, store[4].positions) and len(store[1:4]) == 3
    with pytest.raises(IndexError, match="no frame 5"):
        store[5]


def large(path: Path, frames: int = 1500, atoms: int = 700) -> Path:
    """About 50 MB."""
    grid = torch.tensor(np.indices((9, 9, 9)).reshape(3, -1).T[:atoms] * 3.0)
    graph = replace(
        from_atoms(water()), positions=grid, numbers=torch.full((atoms,), 18),
        structure=torch.zeros(atoms, dtype=torch.int64), forces=torch.zeros(atoms, 3, dtype=torch.float64),
    )  # fmt: skip
    write_store(path, Prepared(range(frames), lambda _: graph))
    return path


def kept() -> int:
    """Bytes of memory that belong to no file: those of libraries come and go as the system likes."""
    return 1024 * int(re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
def test_reading_some_frames_does_not_read_all(tmp_path):
    path = large(tmp_path / "set.h5")
    size = path.stat().st_size
    ctypes.CDLL(None).malloc_trim(0)  # memory that earlier tests left to the allocator would hide what is kept
    before = kept()
    store = FrameStore(path)
    for index in range(0, 1500, 100):
        assert store[index].node_count == 700
    assert size > 40e6 and kept() - before < size / 4
    everything = [store.frame(index).positions for index in range(1500)]
    assert kept() - before > size / 4 and everything  # so the measurement sees what is kept


def test_damage_far_away_leaves_other_frames_readable(tmp_path):
    graphs = [from_atoms(water(seed)) for seed in range(100)]
    write_store(tmp_path / "set.h5", graphs)
    data = bytearray((tmp_path / "set.h5").read_bytes())
    place = data.find(graphs[70].positions.numpy().tobytes())
    data[place + 3] ^= 1
    (tmp_path / "set.h5").write_bytes(data)
    store = FrameStore(tmp_path / "set.h5")
    assert_equal(store[69], graphs[69])
    with pytest.raises(GraphError, match=r"set.h5 frame 70: is damaged, its checksum differs"):
        store[70]


@pytest.mark.parametrize("compress", [False, True])
def test_no_flipped_bit_changes_a_number(tmp_path, compress):
    graphs = [from_atoms(crystal(seed)) for seed in range(2)]
    write_store(tmp_path / "good.h5", graphs, compress=compress)
    good = (tmp_path / "good.h5").read_bytes()
    refused = 0
    for place in range(0, len(good), max(1, len(good) // 150)):
        data = bytearray(good)
        data[place] ^= 1 << (place % 8)
        (tmp_path / "set.h5").write_bytes(data)
        try:
            for before, after in zip(graphs, read(tmp_path / "set.h5"), strict=True):
                assert_equal(before, after)  # a bit that nothing depends on
        except GraphError as error:
            refused += 1
            assert "\n" not in str(error) and str(error).isprintable() and "set.h5" in str(error)
    assert refused > 20


@pytest.mark.parametrize("compress", [False, True])
def test_a_cut_store_is_refused_at_every_length(tmp_path, compress):
    write_store(tmp_path / "good.h5", [from_atoms(crystal())], compress=compress)
    good = (tmp_path / "good.h5").read_bytes()
    for length in range(0, len(good) - 1, len(good) // 60):
        (tmp_path / "set.h5").write_bytes(good[:length])
        with pytest.raises(GraphError, match=r"set.h5"):
            read(tmp_path / "set.h5")


def energies(store: FrameStore) -> list[float]:
    return [float(graph.positions.sum()) for graph in store]


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_processes_read_one_store(tmp_path, compress, start):
    write_store(tmp_path / "set.h5", [from_atoms(water(seed)) for seed in range(20)], compress=compress)
    store = FrameStore(tmp_path / "set.h5")
    store[0]
    if start == "spawn":  # what a spawned process gets
        assert energies(pickle.loads(pickle.dumps(store))) == energies(store)  # noqa: S301
        return
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        assert list(pool.map(energies, [store, store, store])) == [energies(store)] * 3


def test_prepared_items_are_made_when_asked_for(tmp_path):
    write_store(tmp_path / "set.h5", [from_atoms(crystal(seed)) for seed in range(4)])
    made = []

    def prepare(graph: Graph) -> Graph:
        made.append(graph)
        return connect(graph, 3.0)

    items = Prepared(FrameStore(tmp_path / "set.h5"), prepare)
    assert len(items) == 4 and not made
    assert items[2].cutoff == 3.0 and len(made) == 1 and len(items[:2]) == 2


def test_unsound_structures_are_not_stored_and_the_old_store_stays(tmp_path):
    graph = from_atoms(crystal())
    write_store(tmp_path / "set.h5", [graph])
    before = (tmp_path / "set.h5").read_bytes()
    spoilt = replace(graph, energy=torch.tensor([float("nan")], dtype=torch.float64))
    with pytest.raises(GraphError, match="energy is nan"):
        write_store(tmp_path / "set.h5", [graph, spoilt])
    with pytest.raises(GraphError, match="no structures"):
        write_store(tmp_path / "set.h5", [])
    assert (tmp_path / "set.h5").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_interrupted_writing_leaves_no_half_store(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(textfile.os, "fsync", fail)
    with pytest.raises(GraphError, match=r"set.h5: cannot be written \(No space left on device\)"):
        write_store(tmp_path / "set.h5", [from_atoms(crystal())])
    assert not list(tmp_path.iterdir())


def test_a_store_that_points_into_other_files_is_refused(tmp_path):
    write_store(tmp_path / "set.h5", [from_atoms(crystal())])
    (tmp_path / "secret").write_bytes(b"\0" * 96)
    with h5py.File(tmp_path / "set.h5", "a") as file:
        del file["positions"]
        file.create_dataset("positions", (4, 3), "<f8", external=[(str(tmp_path / "secret"), 0, 96)])
    with pytest.raises(GraphError, match="positions is stored in an unexpected way"):
        read(tmp_path / "set.h5")
    with h5py.File(tmp_path / "set.h5", "a") as file:
        del file["positions"]
        file["positions"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "positions")
    with pytest.raises(GraphError, match="positions is no array of this file"):
        read(tmp_path / "set.h5")
