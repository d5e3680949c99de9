"""Groups, and how they act on a tensor, by the words of the command line."""

from enum import StrEnum
from typing import TYPE_CHECKING

from intertwine.cli.boundary import CannotRun

if TYPE_CHECKING:
    from torch import Tensor

    from intertwine.groups.group import Group
    from intertwine.groups.representation import Action


class Kind(StrEnum):
    """How the group acts on a tensor."""

    points = "points"
    vectors = "vectors"
    features = "features"
    tensors = "tensors"
    rows = "rows"
    both = "both"
    invariant = "invariant"


def parse_group(name: str, inputs: "list[Tensor]", kinds: list[Kind]) -> "Group":
    """The group of a name such as SO3, SO(3), S_n."""
    from intertwine.groups.classical import SO, O
    from intertwine.groups.euclidean import SE, E, Translation
    from intertwine.groups.finite import Permutation

    word = name.replace("(", "").replace(")", "").replace("_", "").upper()
    families = {"SO": SO, "SE": SE, "O": O, "E": E, "T": Translation}
    if word == "SN":
        sizes = {x.shape[-2] for x, kind in zip(inputs, kinds) if kind in (Kind.rows, Kind.both) and x.dim() >= 2}
        if len(sizes) != 1:
            raise CannotRun("--group S_n: expected inputs of kind rows or both, all with the same number of rows.")
        return Permutation(sizes.pop())
    letters, digits = word.rstrip("0123456789"), word[len(word.rstrip("0123456789")) :]
    if letters not in families or not digits or not 1 <= int(digits) <= 10:
        raise CannotRun(f"--group {name}: expected SO3, O3, SE3, E3, T3, the same with 2, or S_n.")
    group = families[letters](int(digits))
    for x, kind in zip(inputs, kinds):
        axis = -2 if kind is Kind.features else -1
        if kind is not Kind.invariant and (x.dim() < 2 or x.shape[axis] != int(digits)):
            raise CannotRun(
                f"--group {name}: expected {digits} on axis {axis} of the input of kind {kind}, came shape "
                f"{tuple(x.shape)}."
            )
    return group


def action(group: "Group", kind: Kind, option: str) -> "Action | None":
    """How the group acts on a tensor of this kind."""
    from intertwine.groups.actions import BothAxes, LastAxis, Points
    from intertwine.groups.classical import O
    from intertwine.groups.euclidean import SE, E, Translation, linear_part
    from intertwine.groups.finite import Permutation
    from intertwine.groups.permuting import PermutationMatrix
    from intertwine.groups.representation import Restrict, Standard, Trivial

    if kind is Kind.invariant:
        return None
    if isinstance(group, Permutation):
        if kind not in (Kind.rows, Kind.both):
            raise CannotRun(f"{option} {kind}: S_n acts on rows or both, or leaves an input invariant.")
        rows = PermutationMatrix(group)
        return BothAxes(rows) if kind is Kind.both else rows
    if kind in (Kind.rows, Kind.both):
        raise CannotRun(f"{option} {kind}: only S_n permutes; take points, vectors, features, tensors or invariant.")
    if kind is Kind.points and isinstance(group, E | SE | Translation):
        return Points(group)
    if isinstance(group, Translation):
        vector = Trivial(group, group.n)
    elif isinstance(group, E | SE):
        vector = Restrict(Standard(O(group.n)), group, linear_part)
    else:
        vector = Standard(group)
    return {Kind.features: vector, Kind.tensors: BothAxes(vector)}.get(kind, LastAxis(vector))
