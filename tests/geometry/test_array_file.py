import numpy as np
import pytest

from intertwine.geometry.array_file import ArrayFileError, read_arrays


@pytest.fixture
def whole(tmp_path):
    path = tmp_path / "whole.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).normal(size=400), name=np.array(["a", "b"]))
    return path


def test_arrays_come_back_by_name(whole):
    found = read_arrays(whole)
    assert sorted(found) == ["name", "x"] and found["x"].shape == (400,) and found["name"].tolist() == ["a", "b"]


def test_every_cut_and_a_flipped_bit_are_one_line_that_names_the_file(whole, tmp_path):
    content = whole.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    cuts = [content[: len(content) * part // 8] for part in range(8)]
    for damaged in [*cuts, bytes(flipped), b"PK\x03\x04 no archive", b"nothing"]:
        path = tmp_path / "damaged.npz"
        path.write_bytes(damaged)
        with pytest.raises(ArrayFileError, match=r"damaged\.npz: expected named arrays") as caught:
            read_arrays(path)
        assert "\n" not in str(caught.value)


def test_what_holds_no_named_arrays_is_refused(tmp_path):
    np.save(tmp_path / "one.npz.npy", np.zeros(3))
    np.savez(tmp_path / "objects.npz", x=np.array([{}], dtype=object))
    for name in ("one.npz.npy", "objects.npz", "."):
        with pytest.raises(ArrayFileError, match="expected named arrays"):
            read_arrays(tmp_path / name)
    with pytest.raises(ArrayFileError, match="no such file"):
        read_arrays(tmp_path / "nowhere.npz")
