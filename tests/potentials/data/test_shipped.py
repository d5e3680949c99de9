"""The data set in the package: as many frames as promised, none twice, small, and labelled with what it says."""

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from intertwine.potentials.data.label import single_point
from intertwine.potentials.data.readers import read, to_atoms

FOLDER = Path(str(files("intertwine.potentials") / "shipped"))
PATH = FOLDER / "3bpa_gfn2.extxyz.xz"
SETS = {"isolated_atom": 4, "train_300K": 500, "test_300K": 200, "test_600K": 200, "test_1200K": 200}


@pytest.fixture(scope="module")
def graphs():
    return read(PATH, require=("energy", "forces"))


def test_sets_have_the_promised_counts_and_one_molecule(graphs):
    names = [graph.groups[0] for graph in graphs]
    assert {name: names.count(name) for name in dict.fromkeys(names)} == SETS
    assert [graph.numbers.item() for graph in graphs[:4]] == [1, 6, 7, 8]
    first = graphs[4].numbers.tolist()
    assert [first.count(number) for number in (1, 6, 7, 8)] == [12, 12, 2, 1]
    assert all(graph.numbers.tolist() == first for graph in graphs[4:])


def test_file_is_at_most_two_megabytes():
    assert PATH.stat().st_size <= 2_000_000


def test_no_frame_is_twice_in_the_file_turned_or_not(graphs):
    positions = np.stack([graph.positions.numpy() for graph in graphs[4:]])
    rows, columns = np.triu_indices(positions.shape[1], k=1)
    distances = np.linalg.norm(positions[:, rows] - positions[:, columns], axis=-1)
    from scipy.spatial import KDTree

    nearest = KDTree(distances).query(distances, k=2)[0][:, 1]
    assert nearest.min() > 0.1  # frames 40 fs apart differ by more


def test_readme_tells_the_force_rms_that_the_file_has(graphs):
    text = (FOLDER / "README.md").read_text("utf-8")
    for name in list(SETS)[1:]:
        forces = np.concatenate([graph.forces.numpy() for graph in graphs if graph.groups[0] == name])
        row = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
        assert f"| {np.sqrt((forces**2).mean()):.3f} |" in row


@pytest.mark.skipif(
    find_spec("tblite") is None, reason='tblite is not installed: pip install "intertwine[label]" to re-label'
)
@pytest.mark.parametrize("frame", [0, 3, 4, 703, 1103])
def test_labels_are_what_a_fresh_calculation_gives(graphs, frame):
    again = single_point(to_atoms(graphs[frame]))
    assert again.get_potential_energy() == pytest.approx(graphs[frame].energy.item(), abs=1e-5)
    np.testing.assert_allclose(again.get_forces(), graphs[frame].forces, atol=2e-5)
    if frame > 3:
        moved = to_atoms(graphs[frame])
        moved.positions[0, 0] += 0.01
        assert np.abs(single_point(moved).get_forces() - graphs[frame].forces.numpy()).max() > 1e-2
