"""Symmetry that is learnt or kept softly: penalties, their strengths, and what data say about a group."""

from intertwine.learning.find_symmetries import SymmetryReport, find_symmetries
from intertwine.learning.soft_equivariance import Hard, Residual, Soft, relaxed
from intertwine.learning.symmetry_breaking import symmetry_breaking
from intertwine.learning.weight_projection import WeightProjection

__all__ = [
    "Hard",
    "Residual",
    "Soft",
    "SymmetryReport",
    "WeightProjection",
    "find_symmetries",
    "relaxed",
    "symmetry_breaking",
]
