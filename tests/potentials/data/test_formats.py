"""Databases of ASE, in SQLite, JSON and LMDB: the same structures by every road, and nothing that could run code."""

import json
import pickle
import zlib
from importlib.util import find_spec

import ase.db
import numpy as np
import pytest
from ase.constraints import FixAtoms
from formats import ase_row, assert_equal, crystal, lmdb_file, varied, water

from intertwine.potentials.data.lmdb_pages import lmdb_entries
from intertwine.potentials.data.readers import frames_in, from_atoms, read, write
from intertwine.potentials.structures.graph import GraphError

needs_lmdb = pytest.mark.skipif(find_spec("lmdb") is None, reason="lmdb writes the files of these tests")


def test_a_database_of_ase_gives_back_what_was_written(tmp_path):
    graphs = varied()
    write(tmp_path / "set.db", graphs)
    for before, after in zip(graphs, read(tmp_path / "set.db"), strict=True):
        assert_equal(before, after)


@pytest.mark.parametrize("suffix", ["db", "json"])
def test_pairs_and_data_of_a_row_are_entries_of_its_frame(tmp_path, suffix):
    with ase.db.connect(tmp_path / f"set.{suffix}") as database:
        database.write(water(), key_value_pairs={"REF_energy": -3.5}, data={"config_type": "wet", "note": [1, 2]})
    (graph,) = read(tmp_path / f"set.{suffix}")
    assert graph.energy is not None and graph.energy.tolist() == [-3.5] and graph.groups == ("wet",)


def test_reading_leaves_a_file_that_is_no_database_as_it_was(tmp_path):
    (tmp_path / "set.db").write_bytes(b"")
    with pytest.raises(GraphError, match="ASE cannot read it as db"):
        read(tmp_path / "set.db")
    assert (tmp_path / "set.db").read_bytes() == b""


def test_constraints_are_seen_and_leave_forces_alone(tmp_path):
    atoms = crystal()
    raw = atoms.get_forces()
    atoms.set_constraint(FixAtoms([0, 2]))
    ase.db.connect(tmp_path / "set.db").write(atoms)
    (load,) = frames_in(tmp_path / "set.db")
    assert load().columns["move_mask"]().ravel().tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(load().columns["forces"](), raw)


@needs_lmdb
@pytest.mark.parametrize("name", ["set.lmdb", "set.aselmdb"])
def test_rows_of_lmdb_are_structures_in_the_order_of_their_numbers(tmp_path, name):
    images = [crystal(seed) for seed in range(12)]
    rows = [ase_row(atoms, data=atoms.info) for atoms in images]
    rows[1]["positions"] = {"__ndarray__": [[4, 3], "float64", images[1].positions.ravel().tolist()]}
    lmdb_file(tmp_path / name, rows)
    for atoms, graph in zip(images, read(tmp_path / name), strict=True):
        assert_equal(from_atoms(atoms), graph)


@needs_lmdb
def test_a_folder_with_data_mdb_is_read(tmp_path):
    (tmp_path / "set.lmdb").mkdir()
    lmdb_file(tmp_path / "set.lmdb" / "data.mdb", [ase_row(water())])
    assert len(read(tmp_path / "set.lmdb")) == 1


@needs_lmdb
def test_pages_give_what_the_library_gives(tmp_path):
    import lmdb

    rng = np.random.default_rng(0)
    values = {str(number).encode(): rng.bytes(int(rng.integers(0, 9000))) for number in range(700)}
    with lmdb.open(str(tmp_path / "x.lmdb"), map_size=1 << 28, subdir=False, lock=False) as env:
        for part in range(7):  # several transactions leave free pages between used ones
            with env.begin(write=True) as transaction:
                for key in list(values)[part::7]:
                    transaction.put(key, values[key])
        with env.begin(write=True) as transaction:
            for key in list(values)[::3]:
                transaction.delete(key)
                del values[key]
    assert dict(lmdb_entries(tmp_path / "x.lmdb")) == values


class Bomb:
    def __reduce__(self):
        import os

        return os.system, ("touch unpickled",)


@needs_lmdb
@pytest.mark.parametrize("compressed", [False, True])
def test_pickles_are_refused_and_never_opened(tmp_path, monkeypatch, compressed):
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps(Bomb())
    lmdb_file(tmp_path / "set.lmdb", [zlib.compress(data) if compressed else data])
    with pytest.raises(GraphError, match=r"set.lmdb: holds pickles.*AseDBDataset"):
        read(tmp_path / "set.lmdb")
    assert not (tmp_path / "unpickled").exists()


@needs_lmdb
def test_damaged_pages_are_one_line_and_never_a_signal(tmp_path):
    rows = [ase_row(crystal(seed)) for seed in range(8)]
    good = bytearray(lmdb_file(tmp_path / "good.lmdb", rows).read_bytes())
    images = read(tmp_path / "good.lmdb")
    rng, refused = np.random.default_rng(0), 0
    for place in rng.integers(0, len(good), 150).tolist() + list(range(0, 200, 8)) + list(range(4096, 4300, 8)):
        data = bytearray(good)
        data[place] ^= 1 << int(rng.integers(8))
        (tmp_path / "set.lmdb").write_bytes(data)
        try:
            assert len(read(tmp_path / "set.lmdb")) <= len(images)
        except GraphError as error:
            refused += 1
            assert "\n" not in str(error) and str(error).isprintable() and "set.lmdb" in str(error)
    for length in range(0, len(good), 3333):
        (tmp_path / "set.lmdb").write_bytes(good[:length])
        with pytest.raises(GraphError):
            read(tmp_path / "set.lmdb")
    assert refused > 20


@needs_lmdb
@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"numbers": [1]}, "no row of an ASE database"),
        ([1, 2], "JSON of a list"),
        (json.dumps({"numbers": [1], "positions": [[0, 0, 0]]}).encode(), "no compressed JSON"),
        (zlib.compress(b"[" * 100_000), "no compressed JSON"),
        (zlib.compress(b"1" * (70 << 20)), "more than 64 MiB"),
        ({"numbers": [1, 1], "positions": [[0, 0, 0]]}, "no row"),
        ({"numbers": [1], "positions": [[0, 0, float("nan")]]}, "positions is nan"),
        ({"numbers": [10**30], "positions": [[0, 0, 0]]}, "no row"),
        ({"numbers": [200], "positions": [[0, 0, 0]]}, "numbers is 200"),
        ({"numbers": [1], "positions": [[0, 0, 0]], "energy": "abc"}, "energy is 'abc'"),
        ({"numbers": [1], "positions": [[0, 0, 0]], "forces": [[0, 0]]}, "forces has 2 columns"),
        ({"numbers": [1], "positions": {"__ndarray__": [[1, 3], "object", [0, 0, 0]]}}, "an array of object"),
        ({"numbers": [1], "positions": {"__ndarray__": 3}}, "no compressed JSON"),
        ({"numbers": [1], "positions": [[0, 0, 0]], "constraints": [{"name": "FixAtoms"}]}, "no row"),
    ],
)
def test_rows_that_are_no_structures_are_named(tmp_path, row, words):
    lmdb_file(tmp_path / "set.lmdb", [row])
    with pytest.raises(GraphError) as caught:
        read(tmp_path / "set.lmdb")
    assert words in str(caught.value) and "\n" not in str(caught.value)
