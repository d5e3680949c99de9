"""Bodies by formula: links keep their shape, hang together, and move as the joints say."""

import math

import torch

from intertwine.geometry.articulated import (
    MANNEQUIN,
    Clouds,
    areas,
    mannequins,
    pose,
    proportions,
    scattered,
    surface,
    turns,
)
from intertwine.groups.euclidean import SE, linear_part, translation_part


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bodies(angle: float, points: int = 100) -> Clouds:
    draw = seeded()
    return mannequins(proportions(MANNEQUIN, 4, 0.1, generator=draw), points=points, angle=angle, generator=draw)


def test_points_lie_on_the_surface_of_their_link():
    half = torch.tensor([0.2, 0.3, 0.5]).expand(500, 3)
    box = surface(half, torch.zeros(500, dtype=torch.bool), generator=seeded())
    assert torch.allclose((box.abs() / half).amax(-1), torch.ones(500))
    rod = torch.tensor([0.2, 0.2, 0.5]).expand(500, 3)
    capsule = surface(rod, torch.ones(500, dtype=torch.bool), generator=seeded())
    core = torch.cat([torch.zeros(500, 2), capsule[:, 2:].clamp(-0.3, 0.3)], -1)
    assert torch.allclose((capsule - core).norm(dim=-1), torch.full((500,), 0.2), atol=1e-6)


def test_points_are_spread_evenly_over_the_surface():
    half = torch.tensor([0.2, 0.3, 0.5]).expand(40000, 3)
    box = surface(half, torch.zeros(40000, dtype=torch.bool), generator=seeded())
    on_top = ((box[:, 2].abs() - 0.5).abs() < 1e-6).double().mean()
    assert abs(float(on_top) - 8 * 0.2 * 0.3 / float(areas(half[0], torch.tensor(False)))) < 0.01
    rod = torch.tensor([0.2, 0.2, 0.5]).expand(40000, 3)
    capsule = surface(rod, torch.ones(40000, dtype=torch.bool), generator=seeded())
    assert abs(float((capsule[:, 2].abs() < 0.3).double().mean()) - 0.6) < 0.01  # of a capsule of half-length 0.5
    assert math.isclose(float(areas(rod[0], torch.tensor(True))), 2 * math.pi * 0.2 * 1.0, rel_tol=1e-6)


def test_a_link_stays_at_its_joint_whatever_the_pose():
    half = proportions(MANNEQUIN, 3, 0.2, generator=seeded())
    motions = pose(MANNEQUIN, half, turns(3, 6, angle=2.0, generator=seeded(1)).float())
    for link, parent in enumerate(MANNEQUIN.parents):
        own = torch.tensor(MANNEQUIN.at_link[link]) * half[:, link]
        of_parent = torch.tensor(MANNEQUIN.at_parent[link]) * half[:, max(parent, 0)]
        here = (linear_part(motions[:, link]) @ own.unsqueeze(-1)).squeeze(-1) + translation_part(motions[:, link])
        frame = motions[:, parent] if parent >= 0 else torch.eye(4).expand(3, 4, 4)
        there = (linear_part(frame) @ of_parent.unsqueeze(-1)).squeeze(-1) + translation_part(frame)
        assert torch.allclose(here, there, atol=1e-5)


def test_poses_change_distances_between_links_and_none_within():
    draws = [seeded(), seeded()]
    calm, wild = (
        mannequins(proportions(MANNEQUIN, 2, 0.0, generator=d), points=60, angle=angle, generator=d)
        for d, angle in zip(draws, (0.0, 2.0))
    )
    assert torch.equal(calm.part, wild.part)  # the same draws up to the size of the turns
    inside = calm.part[:, :, None] == calm.part[:, None]
    change = (torch.cdist(calm.points, calm.points) - torch.cdist(wild.points, wild.points)).abs()
    assert change[inside].max() < 1e-3 and change[~inside].max() > 0.1


def test_turns_are_rotations_within_their_cone():
    q = turns(200, angle=0.4, generator=seeded())
    assert torch.allclose(q @ q.mT, torch.eye(3).double().expand(200, 3, 3), atol=1e-5)
    angle = ((q.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1).acos()
    assert 0.35 < float(angle.max()) < 0.401 and torch.allclose(
        torch.linalg.det(q), torch.ones(200).double(), atol=1e-5
    )


def test_a_seed_gives_the_same_bodies_and_a_motion_moves_one_part():
    assert torch.equal(bodies(0.5).points, bodies(0.5).points)
    clouds = bodies(0.5)
    g = SE(3).identity().expand(6, 4, 4).clone()
    g[2, :3, 3] = 1.0
    moved = clouds.moved(g).points - clouds.points
    assert torch.allclose(moved, (clouds.part == 2).float().unsqueeze(-1).expand_as(moved), atol=1e-6)


def test_clouds_can_be_chosen_and_sent_elsewhere():
    some = bodies(0.1).take(torch.tensor([2, 0])).to("cpu")
    assert len(some) == 2 and some.subject.tolist() == [2, 0]


def test_scattered_parts_keep_their_shape_and_their_centre_up_to_the_shift():
    clouds = bodies(0.5)
    moved, turn = scattered(clouds, angle=2.0, shift=0.0, still=0, generator=seeded())
    inside = clouds.part[:, :, None] == clouds.part[:, None]
    change = (torch.cdist(clouds.points, clouds.points) - torch.cdist(moved.points, moved.points)).abs()
    assert change[inside].max() < 1e-3 and change[~inside].max() > 0.05
    assert torch.allclose(moved.points[clouds.part == 0], clouds.points[clouds.part == 0], atol=1e-6)
    assert torch.allclose(
        moved.points[0, clouds.part[0] == 3].mean(0), clouds.points[0, clouds.part[0] == 3].mean(0), atol=1e-5
    )
    assert torch.allclose(turn @ turn.mT, torch.eye(3).expand_as(turn), atol=1e-5)
