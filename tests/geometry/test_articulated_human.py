"""Skinned people: a mesh of our own with the names of the real one, so that no data is needed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from intertwine.geometry.array_file import ArrayFileError
from intertwine.geometry.articulated_human import (
    KINDS,
    LIMBS,
    MOCAP,
    HumanError,
    between,
    captured_joints,
    limb_motions,
    load_human,
    people,
    random_joints,
)


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """Every limb a bone of its own with one square, its joint in a cube; and a helper face that must not be drawn."""
    rng = np.random.default_rng(0)
    heads = rng.normal(size=(len(LIMBS), 3)).astype(np.float32) * 5
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    joints = heads[1:, None] + square - square.mean(0)
    vertices = np.concatenate([heads[:, None] + square, np.full((1, 4, 3), 99, np.float32), joints]).reshape(-1, 3)
    quads = np.arange(len(vertices)).reshape(-1, 4)
    everywhere = np.arange(len(vertices))
    out = tmp_path_factory.mktemp("human") / "base_human.npz"
    np.savez(
        out,
        vertices=vertices,
        quads=quads,
        face_group=np.array([1] * len(LIMBS) + [0, *range(2, len(LIMBS) + 1)]),
        group_names=np.array(["helper", "body", *(f"joint-{limb}" for limb in range(1, len(LIMBS)))]),
        bone_names=np.array([bone for _, _, bone, _ in LIMBS]),
        bone_parent=np.array([above for *_, above in LIMBS]),
        bone_head=heads,
        weight_bone=np.repeat(np.arange(len(LIMBS)), 4),
        weight_vertex=np.arange(4 * len(LIMBS)),
        weight=np.full(4 * len(LIMBS), 0.97),
        target_ptr=np.array([0, 2, 2 + len(vertices)]),
        target_vertex=np.array([0, 1, *everywhere]),
        target_delta=np.concatenate([np.array([[0, 0, 10.0], [0, 0, 10.0]], np.float32), -0.5 * vertices]),
    )
    return out


def posed(file: Path, angle: float, shape: float = 0.0, seed: int = 0):
    draw = torch.Generator().manual_seed(seed)
    local = random_joints(2, angle, generator=torch.Generator().manual_seed(5))
    return people(
        load_human(file),
        local,
        torch.zeros(2, dtype=torch.int64),
        torch.tensor([[shape, 0.0]]),
        points=200,
        generator=draw,
    )


def test_only_the_body_is_read_and_weights_sum_to_one(file):
    human = load_human(file)
    assert len(human.vertices) == 4 * len(LIMBS) and human.vertices.max() < 9
    assert torch.allclose(human.weights.sum(1), torch.ones(4 * len(LIMBS)))


def test_limbs_keep_their_shape_in_every_pose_and_left_and_right_are_of_one_kind(file):
    calm, wild = posed(file, 0.0), posed(file, 2.0)
    assert torch.equal(calm.part, wild.part)
    inside = calm.part[:, :, None] == calm.part[:, None]
    change = (torch.cdist(calm.points, calm.points) - torch.cdist(wild.points, wild.points)).abs()
    assert change[inside].max() < 1e-3 and change[~inside].max() > 0.1
    kinds = {LIMBS[part][1]: KINDS[label] for part, label in zip(calm.part[0].tolist(), calm.label[0].tolist())}
    assert all(name == kind for name, kind in kinds.items())


def test_shapes_move_the_skin_that_they_name(file):
    plain, other = load_human(file), posed(file, 0.0, shape=1.0)
    assert plain.shapes[0].abs().sum(1).nonzero().flatten().tolist() == [0, 1]
    assert not torch.allclose(other.points, posed(file, 0.0).points)


def test_the_joints_of_a_person_of_half_the_size_lie_in_its_limbs(file):
    human = load_human(file)
    skin, joints = human.vertices + human.shapes[1], human.joints + human.joint_shapes[1]
    for limb in range(1, len(LIMBS)):
        own = skin[human.weights[:, limb] > 0.5]
        inside = [
            ((own.amin(0) - 1e-5 <= j) & (j <= own.amax(0) + 1e-5)).all() for j in (joints[limb], human.joints[limb])
        ]
        assert inside == [True, False], LIMBS[limb]


def test_a_limb_of_half_the_size_bends_about_its_own_joint(file):
    human, local = load_human(file), torch.eye(3).expand(1, len(LIMBS), 3, 3).clone()
    local[0, 10] = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # the left shin
    joints = (human.joints + human.joint_shapes[1])[None]
    about = limb_motions(joints, local)[0, 10]
    assert torch.allclose(about[:3, :3] @ joints[0, 10] + about[:3, 3], joints[0, 10], atol=1e-6)
    assert torch.equal(limb_motions(joints, local)[0, 8], torch.eye(4))


def test_captured_limbs_point_where_they_were_captured(file, tmp_path):
    human, rng = load_human(file), np.random.default_rng(1)
    names = sorted({name for pair in MOCAP.values() for name in pair} | {"hip"})
    parents = np.array([-1 if name == "hip" else names.index("hip") for name in names])
    motion = tmp_path / "motion.npz"
    np.savez(motion, joint_names=np.array(names), parents=parents, one=rng.normal(size=(6, len(names), 3)))
    local = captured_joints(motion, human, ["one"], every=2)
    assert local.shape == (3, len(LIMBS), 3, 3)
    assert torch.allclose(local @ local.mT, torch.eye(3).expand_as(local), atol=1e-5)
    frames = torch.tensor(np.load(motion)["one"][::2], dtype=torch.float32)
    above = local[:, 0] @ local[:, 2] @ local[:, 4]  # torso, left upper arm, left forearm
    bone = above @ (human.tips[4] - human.joints[4])
    wanted = frames[:, names.index("lradius")] - frames[:, names.index("hip")]
    assert torch.allclose(bone / bone.norm(dim=-1, keepdim=True), wanted / wanted.norm(dim=-1, keepdim=True), atol=1e-4)


def test_the_smallest_rotation_also_turns_a_direction_back():
    a = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    q = between(a, -a)
    assert bool(q.isfinite().all()) and torch.allclose((q @ a.unsqueeze(-1)).squeeze(-1), -a, atol=0.05)


def test_other_files_are_named(file, tmp_path):
    other = tmp_path / "other.npz"
    np.savez(other, vertices=np.zeros(3))
    with pytest.raises(HumanError, match="expected the makehuman mesh"):
        load_human(other)
    with pytest.raises(ArrayFileError, match=r"none\.npz: no such file"):
        captured_joints(tmp_path / "none.npz", load_human(file), ["01_01"], every=1)
