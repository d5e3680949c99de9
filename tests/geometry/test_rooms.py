"""Rooms and scans from files of our own that look like the real ones."""

import numpy as np
import pytest
import torch

from intertwine.geometry.array_file import ArrayFileError
from intertwine.geometry.rooms import PIECES, RoomError, load_furniture, load_scans, rooms


@pytest.fixture(scope="module")
def furniture(tmp_path_factory):
    rng = np.random.default_rng(0)
    file = tmp_path_factory.mktemp("rooms") / "furniture.npz"
    names = np.array([*PIECES, "wall"])
    label = np.array([0, 1, 2, 3, 4, 5, 6, 0])
    np.savez(file, class_names=names, label=label, points=rng.uniform(size=(8, 40, 3)).astype(np.float16))
    return load_furniture(file)


def made(furniture, **changes):
    options = {"pieces": 3, "points": 90, "turn": 3.0, **changes}
    return rooms(furniture, 4, generator=torch.Generator().manual_seed(0), **options)


def test_models_stand_on_the_floor_and_walls_are_left_out(furniture):
    assert furniture.label.tolist() == [1, 2, 3, 4, 5, 6, 1]
    assert torch.allclose(furniture.points[..., 2].amin(1), torch.zeros(7))


def test_a_room_has_a_floor_and_pieces_that_do_not_share_a_place(furniture):
    clouds = made(furniture)
    assert clouds.points.shape == (4, 90, 3) and clouds.part.unique().tolist() == [0, 1, 2, 3]
    assert bool((clouds.label[clouds.part == 0] == 0).all()) and bool((clouds.label[clouds.part > 0] > 0).all())
    assert bool((clouds.points[clouds.part == 0][:, 2] == 0).all())
    centres = torch.stack([clouds.points[0][clouds.part[0] == p].mean(0) for p in (1, 2, 3)])
    assert torch.cdist(centres, centres)[~torch.eye(3, dtype=torch.bool)].min() > 0.2


@pytest.mark.parametrize("changes", [{"pieces": 0}, {"pieces": 10}, {"points": 8}])
def test_impossible_rooms_are_named(furniture, changes):
    with pytest.raises(RoomError, match="expected 1 to 9 pieces"):
        made(furniture, **changes)


def test_scans_are_centred_thinned_and_split_as_they_are_named(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.ones((3, 50), np.uint8)
    labels[:, :10], labels[:, 10:15] = 2, 3
    file = tmp_path / "scans.npz"
    points = rng.integers(-900, 900, size=(3, 50, 3)).astype(np.int16)
    np.savez(file, names=np.array(["learn0", "test0", "test1"]), points=points, labels=labels, scale=np.float32(0.01))
    learn, test = load_scans(file, points=30, generator=torch.Generator().manual_seed(0))
    assert (len(learn), len(test)) == (1, 2) and learn.points.shape == (1, 30, 3)
    assert learn.points.mean(1).abs().max() < 1e-5 and 1 < float(learn.points.abs().max()) < 20
    assert set(learn.part.unique().tolist()) <= {0, 1, 2} and torch.equal(learn.label, (learn.part > 0).long())
    assert float(test.label.double().mean()) > 0.3  # objects are drawn more often than they are there


def test_other_files_are_named(tmp_path):
    for load in (load_furniture, lambda file: load_scans(file, points=5, generator=torch.Generator())):
        with pytest.raises(ArrayFileError, match=r"none\.npz: no such file"):
            load(tmp_path / "none.npz")
        np.savez(tmp_path / "other.npz", other=np.zeros(3))
        with pytest.raises(RoomError, match="expected the"):
            load(tmp_path / "other.npz")
