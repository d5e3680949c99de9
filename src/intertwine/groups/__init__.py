"""Groups, how they act, and how far a map is from commuting with them."""

from intertwine.groups.actions import BothAxes, LastAxis, Points
from intertwine.groups.classical import SO, O
from intertwine.groups.direct_product import DirectProduct
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
from intertwine.groups.generators import Generators, differential, generators
from intertwine.groups.group import Group
from intertwine.groups.haar import haar_orthogonal, haar_special_orthogonal
from intertwine.groups.layer_errors import layer_errors
from intertwine.groups.linear import GL, SL, Scaling, Similarity
from intertwine.groups.permuting import PermutationMatrix, Regular
from intertwine.groups.piecewise import Piecewise
from intertwine.groups.power import Power
from intertwine.groups.projector import BlockProjector, ProjectorError, intertwiners, multiplicity
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
from intertwine.groups.subgroup import FixedAxis, SubgroupError, Unit, restrict

__all__ = [
    "GL",
    "SE",
    "SL",
    "SO",
    "Action",
    "BlockProjector",
    "BothAxes",
    "Cyclic",
    "Determinant",
    "DirectProduct",
    "Dual",
    "E",
    "FixedAxis",
    "Generators",
    "Group",
    "LastAxis",
    "O",
    "Permutation",
    "PermutationMatrix",
    "Piecewise",
    "Points",
    "Power",
    "Product",
    "ProjectorError",
    "Regular",
    "Representation",
    "Restrict",
    "Scaling",
    "Similarity",
    "Standard",
    "SubgroupError",
    "Sum",
    "Translation",
    "Trivial",
    "Unit",
    "differential",
    "equivariance_error",
    "generators",
    "haar_orthogonal",
    "haar_special_orthogonal",
    "homogeneous",
    "intertwiners",
    "layer_errors",
    "linear_part",
    "multiplicity",
    "pure_rotation",
    "pure_translation",
    "relative_error",
    "restrict",
    "translation_part",
]
