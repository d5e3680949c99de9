"""Shapes made of points: networks on them, and the parts that move on their own."""

from intertwine.geometry.articulated import mannequins, proportions, scattered
from intertwine.geometry.mesh_files import read_mesh
from intertwine.geometry.meshes import Mesh, MeshError, sample_surface
from intertwine.geometry.piecewise.implicit import with_gradient
from intertwine.geometry.piecewise.mixture import fit_mixture
from intertwine.geometry.piecewise.network import PiecewiseNetwork, vote_loss
from intertwine.geometry.piecewise.refinement import is_refinement
from intertwine.geometry.piecewise.voronoi import voronoi
from intertwine.geometry.point_network import DGCNN, PointNet
from intertwine.geometry.rotations import random_turns, turned
from intertwine.geometry.solids import SOLIDS, solid, solid_clouds

__all__ = [
    "DGCNN",
    "SOLIDS",
    "Mesh",
    "MeshError",
    "PiecewiseNetwork",
    "PointNet",
    "fit_mixture",
    "is_refinement",
    "mannequins",
    "proportions",
    "random_turns",
    "read_mesh",
    "sample_surface",
    "scattered",
    "solid",
    "solid_clouds",
    "turned",
    "voronoi",
    "vote_loss",
    "with_gradient",
]
