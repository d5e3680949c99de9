"""Shapes made of points: networks on them, and the parts that move on their own."""

from intertwine.geometry.mesh_files import read_mesh
from intertwine.geometry.meshes import Mesh, MeshError, sample_surface
from intertwine.geometry.point_network import DGCNN, PointNet
from intertwine.geometry.rotations import random_turns, turned
from intertwine.geometry.solids import SOLIDS, solid, solid_clouds

__all__ = [
    "DGCNN",
    "SOLIDS",
    "Mesh",
    "MeshError",
    "PointNet",
    "random_turns",
    "read_mesh",
    "sample_surface",
    "solid",
    "solid_clouds",
    "turned",
]
