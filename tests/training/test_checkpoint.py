"""A checkpoint comes back bit by bit, or not at all and with one line that says why."""

import math
import os
import subprocess
from pathlib import Path

import pytest
import torch
from damaged import damaged_copies

from intertwine.training import checkpoint
from intertwine.training.checkpoint import CheckpointError, read_checkpoint, steps, write_checkpoint, write_step

TENSORS = {
    "model.weight": torch.randn(4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64),
    "model.half": torch.arange(6).to(torch.bfloat16),
    "flag": torch.tensor([True, False]),
    "count": torch.tensor(7),
    "empty": torch.zeros(0, 3),
    "strided": torch.arange(12.0).reshape(3, 4).T,
    "random.torch": torch.get_rng_state()[:300],
}
VALUES = {"step": 12, "rate": 1e-05, "nested": {"list": [1, 2.5, None, "é"]}}


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_checkpoint(tmp_path / "runs" / "model", TENSORS, VALUES, kind="test")


def test_every_tensor_and_value_comes_back(folder):
    found = read_checkpoint(folder, kind="test")
    assert found.values == VALUES
    assert found.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor)
    assert found.part("model").keys() == {"weight", "half"}


def test_every_damage_is_one_line_that_names_the_file(folder, tmp_path):
    count = 0
    for what, copy in damaged_copies(folder, tmp_path / "damaged", bits=150, cuts=100):
        count += 1
        with pytest.raises(CheckpointError) as caught:
            read_checkpoint(copy, kind="test")
            pytest.fail(what)
        message = str(caught.value)
        assert "\n" not in message, what
        assert message.startswith(str(copy)), what
        assert message.endswith("."), what
        assert len(message) < 500, what
    assert count >= 500


def test_every_single_bit_of_the_first_bytes_is_guarded(folder, tmp_path):
    for name in ("tensors.safetensors", "checkpoint.json"):
        good = (folder / name).read_bytes()
        for place in range(160):
            for bit in range(8):
                raw = bytearray(good)
                raw[place] ^= 1 << bit
                (folder / name).write_bytes(raw)
                with pytest.raises(CheckpointError):
                    read_checkpoint(folder, kind="test")
        (folder / name).write_bytes(good)
    read_checkpoint(folder, kind="test")


def test_a_damaged_tensor_is_named(folder):
    raw = bytearray((folder / "tensors.safetensors").read_bytes())
    place = bytes(raw).index(TENSORS["model.weight"].numpy().tobytes())
    raw[place + 3] ^= 1
    (folder / "tensors.safetensors").write_bytes(raw)
    with pytest.raises(CheckpointError, match=r'tensor "model.weight" is damaged'):
        read_checkpoint(folder, kind="test")


def test_the_wrong_kind_and_the_wrong_place_are_refused(folder, tmp_path):
    with pytest.raises(CheckpointError, match='"test" checkpoint, expected "potential"'):
        read_checkpoint(folder, kind="potential")
    with pytest.raises(CheckpointError, match="no such checkpoint folder"):
        read_checkpoint(tmp_path / "nowhere", kind="test")
    with pytest.raises(CheckpointError, match="no such checkpoint folder"):
        read_checkpoint(folder / "checkpoint.json", kind="test")


def test_writing_again_replaces_the_folder(folder):
    write_checkpoint(folder, {"other": torch.ones(1)}, {}, kind="test")
    assert list(read_checkpoint(folder, kind="test").tensors) == ["other"]
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_replacement_interrupted_between_its_renames_leaves_the_older_one_readable(folder, monkeypatch):
    renames = []

    def rename(path, target):
        if renames:
            raise KeyboardInterrupt
        renames.append(path)
        return os.rename(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(folder, {"other": torch.ones(1)}, {}, kind="test")
    monkeypatch.undo()
    assert not folder.exists()
    assert read_checkpoint(folder, kind="test").values == VALUES
    write_checkpoint(folder, {"other": torch.ones(1)}, {}, kind="test")
    assert list(read_checkpoint(folder, kind="test").tensors) == ["other"]


def test_values_that_are_not_json_leave_no_file_behind(tmp_path):
    for bad in (math.nan, {1, 2}):
        with pytest.raises((ValueError, TypeError)):
            write_checkpoint(tmp_path / "model", TENSORS, {"bad": bad}, kind="test")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_older_checkpoint(folder, monkeypatch):
    def full(tensors, path):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(folder, {"other": torch.ones(1)}, {}, kind="test")
    assert read_checkpoint(folder, kind="test").values == VALUES


def test_the_newest_two_steps_are_kept_and_leftovers_are_cleared(tmp_path):
    (tmp_path / ".step-00000001.writing-77").mkdir()
    (tmp_path / ".step-00000001.removing").mkdir()
    for step in (10, 20, 30):
        write_step(tmp_path, step, {"w": torch.ones(1)}, {"step": step}, kind="test")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000020", "step-00000030"]
    assert [path.name for path in steps(tmp_path)] == ["step-00000020", "step-00000030"]


def test_a_damaged_newest_step_names_the_good_one_before(tmp_path):
    for step in (10, 20):
        folder = write_step(tmp_path, step, {"w": torch.ones(1)}, {}, kind="test")
    (folder / "tensors.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="Delete step-00000020 to resume from step-00000010"):
        read_checkpoint(folder, kind="test")


def test_the_file_has_the_standard_format(folder):
    # Anybody's safetensors reader opens the weights, and `sha256sum`-style tools find the digests in plain JSON.
    assert (folder / "tensors.safetensors").read_bytes()[8:9] == b"{"
    assert b'"sha256"' in (folder / "checkpoint.json").read_bytes()


def test_nothing_in_the_training_room_can_unpickle():
    source = Path(checkpoint.__file__).parent
    words = ["import pickle", "torch.load(", "torch.save(", "weights_only", "_object_list", "all_gather_object"]
    found = subprocess.run(
        ["grep", "-rnE", "|".join(word.replace("(", r"\(") for word in words), "--include=*.py", str(source)],
        capture_output=True,
        text=True,
    )
    assert found.stdout == ""
