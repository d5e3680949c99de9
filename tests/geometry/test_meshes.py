import pytest
import torch

from intertwine.geometry.meshes import Mesh, MeshError, sample_surface
from intertwine.geometry.solids import revolution
from intertwine.groups.euclidean import E


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def two_squares():
    """A unit square in the plane z = 0, and one of area 4 in the plane z = 5, each of two triangles."""
    square = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    return Mesh(torch.cat([square, 2 * square + torch.tensor([0.0, 0, 5])]), torch.cat([faces, faces + 4]))


def test_points_fall_by_area_and_evenly():
    points, normals = sample_surface(two_squares(), 20_000, generator=seeded())
    upper = points[:, 2] > 2
    assert abs(float(upper.float().mean()) - 0.8) < 0.01
    # moments of the uniform distribution on [0, 2]^2; a parametrisation without the root would miss them
    assert torch.allclose(points[upper, :2].mean(0), torch.ones(2), atol=0.03)
    assert torch.allclose(points[upper, :2].var(0), torch.full((2,), 4 / 12), atol=0.02)
    assert float((points[upper, 0] * points[upper, 1]).mean()) == pytest.approx(1.0, abs=0.03)
    assert torch.all(normals == torch.tensor([0.0, 0.0, 1.0]))


def test_a_seed_gives_the_same_points_and_motions_move_them():
    mesh, g = two_squares(), E(3).sample(generator=seeded(1))
    turned = Mesh(mesh.vertices @ g[:3, :3].T + g[:3, 3], mesh.faces)
    points, normals = sample_surface(mesh, 50, generator=seeded())
    moved, moved_normals = sample_surface(turned, 50, generator=seeded())
    assert torch.allclose(moved, points @ g[:3, :3].T + g[:3, 3], atol=1e-5)
    turn = g[:3, :3] * torch.linalg.det(g[:3, :3])  # normals are pseudo-vectors: corners keep their order in a mirror
    assert torch.allclose(moved_normals, normals @ turn.T, atol=1e-5)


def test_areas_and_normals_are_those_of_a_cylinder():
    side = revolution([(2.0, 0.0), (2.0, 3.0)], corners=256)
    assert float(side.areas.sum()) == pytest.approx(2 * torch.pi * 2 * 3, rel=1e-3)
    points, normals = sample_surface(side, 100, generator=seeded())
    outward = torch.nn.functional.normalize(points * torch.tensor([1.0, 1.0, 0.0]), dim=-1)
    assert torch.allclose((normals * outward).sum(-1), torch.ones(100), atol=1e-3)


def test_faces_without_area_are_never_drawn():
    mesh = Mesh(torch.eye(3), torch.tensor([[0, 0, 1], [0, 1, 2], [2, 2, 2]]))
    _, normals = sample_surface(mesh, 500, generator=seeded())
    assert torch.allclose(normals.norm(dim=-1), torch.ones(500))


def test_bad_meshes_are_told_in_one_line():
    calls = {
        "vertices 0 to 2, came 0 to 3": lambda: Mesh(torch.eye(3), torch.tensor([[0, 1, 3]])),
        "came nan or inf": lambda: Mesh(torch.full((3, 3), torch.nan), torch.tensor([[0, 1, 2]])),
        "area zero": lambda: sample_surface(Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]])), 5),
        "0 faces": lambda: sample_surface(Mesh(torch.eye(3), torch.zeros(0, 3, dtype=torch.long)), 5),
    }
    for words, call in calls.items():
        with pytest.raises(MeshError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)
