import pytest
import torch

from intertwine.geometry.meshes import sample_surface
from intertwine.geometry.solids import SOLIDS, prism, revolution, solid, solid_clouds, tube

CLOSED = sorted(set(SOLIDS) - {"spring", "bowl"})


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def volume(mesh):
    """By the divergence theorem: right only when the surface is closed and its normals point outward."""
    a, b, c = mesh.vertices[mesh.faces].unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("name", CLOSED)
def test_closed_solids_have_an_inside(name):
    mesh = solid(name, generator=seeded())
    assert volume(mesh) > 0.1
    shifted = type(mesh)(mesh.vertices + 10, mesh.faces)
    assert volume(shifted) == pytest.approx(volume(mesh), abs=0.02)  # no hole: the volume knows no origin


def test_shapes_have_the_volume_of_their_formula():
    angles = torch.linspace(-torch.pi / 2, torch.pi / 2, 65)
    ball = revolution(list(zip(angles.cos().clamp(min=0).tolist(), angles.sin().tolist())), 128)
    assert volume(ball) == pytest.approx(4 / 3 * torch.pi, rel=5e-3)
    assert volume(prism([(-1, -1), (1, -1), (1, 1), (-1, 1)], 3.0)) == pytest.approx(12.0)
    angles = torch.arange(128) * (2 * torch.pi / 128)
    circle = torch.stack([angles.cos(), angles.sin(), torch.zeros(128)], dim=-1)
    ring = tube(circle, 0.25, closed=True, corners=64)
    assert volume(ring) == pytest.approx(2 * torch.pi**2 * 0.25**2, rel=1e-2)


def test_the_bracket_has_a_corner_that_no_box_has():
    mesh = solid("bracket", generator=seeded())
    box = mesh.vertices.amax(0) - mesh.vertices.amin(0)
    assert volume(mesh) < 0.8 * float(box.prod())


@pytest.mark.parametrize("name", SOLIDS)
def test_normals_stand_on_the_surface(name):
    mesh = solid(name, generator=seeded(1))
    points, normals = sample_surface(mesh, 200, generator=seeded(2))
    assert torch.allclose(normals.norm(dim=-1), torch.ones(200), atol=1e-4) and points.isfinite().all()


def test_a_class_varies_and_a_seed_repeats_it():
    first, second = solid("block", generator=seeded(0)), solid("block", generator=seeded(1))
    assert not torch.allclose(first.vertices, second.vertices)
    points, normals, labels = solid_clouds(24, 16, generator=seeded())
    again, _, _ = solid_clouds(24, 16, generator=seeded())
    assert torch.equal(points, again) and labels.bincount().tolist() == [2] * len(SOLIDS)
    assert normals.shape == points.shape == (24, 16, 3)
    with pytest.raises(ValueError, match="block, ellipsoid"):
        solid("sphere")
