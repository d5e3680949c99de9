"""Groups, how they act, and how far a map is from commuting with them."""

from intertwine.groups.actions import LastAxis, Points
from intertwine.groups.classical import SO, O
from intertwine.groups.error import equivariance_error, relative_error
from intertwine.groups.euclidean import (
    SE,
    E,
    Translation,
    homogeneous,
    linear_part,
    pure_rotation,
    pure_translation,
    translation_part,
)
from intertwine.groups.finite import Cyclic, Permutation
from intertwine.groups.group import Group
from intertwine.groups.haar import haar_orthogonal, haar_special_orthogonal
from intertwine.groups.permuting import PermutationMatrix, Regular
from intertwine.groups.representation import (
    Action,
    Determinant,
    Dual,
    Product,
    Representation,
    Restrict,
    Standard,
    Sum,
    Trivial,
)

__all__ = [
    "SE",
    "SO",
    "Action",
    "Cyclic",
    "Determinant",
    "Dual",
    "E",
    "Group",
    "LastAxis",
    "O",
    "Permutation",
    "PermutationMatrix",
    "Points",
    "Product",
    "Regular",
    "Representation",
    "Restrict",
    "Standard",
    "Sum",
    "Translation",
    "Trivial",
    "equivariance_error",
    "haar_orthogonal",
    "haar_special_orthogonal",
    "homogeneous",
    "linear_part",
    "pure_rotation",
    "pure_translation",
    "relative_error",
    "translation_part",
]
