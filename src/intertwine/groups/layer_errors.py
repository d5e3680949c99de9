"""Which layer of a net breaks a symmetry: the group acts on the inputs, hooks watch what submodules make of it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from intertwine.groups.actions import BothAxes, LastAxis, Points
from intertwine.groups.classical import SO, O
from intertwine.groups.error import relative_error
from intertwine.groups.euclidean import SE, E, Translation, linear_part
from intertwine.groups.finite import Permutation
from intertwine.groups.group import Group
from intertwine.groups.permuting import PermutationMatrix
from intertwine.groups.representation import Action, Restrict, Standard


@dataclass(frozen=True)
class LayerError:
    """What one call of one submodule does to the symmetry.

    Attributes:
        name: as in `named_modules`, "" for the whole net.
        kind: name of its class.
        behaves: the action that its outputs follow best, or the declared one.
        into: error of its inputs, relative; the best action for each of them.
        out: error of its outputs.
        breaks: inputs follow the group, outputs do not, and no submodule inside is to blame.
    """

    name: str
    kind: str
    behaves: str
    into: float
    out: float
    breaks: bool


def layer_errors(
    net: nn.Module,
    inputs: Sequence[Tensor],
    reps_in: Sequence[Action | None],
    group: Group,
    *,
    reps: Mapping[str, Action | tuple[Action | None, ...] | None] | None = None,
    tolerance: float = 1e-8,
    samples: int = 4,
    generator: torch.Generator | None = None,
) -> list[LayerError]:
    """Errors of all submodules, in the order in which they finish; the whole net comes last.

    A submodule listed in `reps` is held to its representation. The outputs of any other are compared with each action
    that their shape allows (nothing moves, points, vectors on the last axis or in the house layout, tensors, rows that
    permute) and the best counts. Features whose action is none of these look broken: declare them. A net is to be
    deterministic, so put it in evaluation mode.

    Args:
        reps: for names of submodules, how the group acts on their outputs, a tuple for several.
        tolerance: errors up to it count as rounding.

    Raises ValueError for a name in reps that is no submodule, for a number of representations that does not fit, and
    for a net that calls other submodules once its inputs have moved.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.ReLU()).double()
        >>> with torch.no_grad():
        ...     _ = net[0].weight.copy_(2 * torch.eye(3))
        >>> vectors = LastAxis(Standard(SO(3)))
        >>> for each in layer_errors(net, [torch.randn(5, 3).double()], [vectors], SO(3)):
        ...     print(each.kind, each.behaves, each.breaks)
        Linear vectors [.., 3] False
        ReLU vectors [.., 3] True
        Sequential vectors [.., 3] False
    """
    reps = dict(reps or {})
    unknown = set(reps) - {name for name, _ in net.named_modules()}
    if unknown:
        raise ValueError(f"layer_errors: expected names of submodules in reps, came {sorted(unknown)}.")
    if len(inputs) != len(reps_in):
        raise ValueError(f"layer_errors: expected an action for each of {len(inputs)} inputs, came {len(reps_in)}.")
    plain = _watch(net, inputs)
    watched = []
    elements = group.sample(samples, generator=generator, dtype=torch.float64)
    for g in elements:
        moved = _watch(net, [x if rep is None else rep.act(g, x) for rep, x in zip(reps_in, inputs)])
        if [each[0] for each in moved] != [each[0] for each in plain]:
            raise ValueError("layer_errors: the net calls other submodules for moved inputs; nothing to compare.")
        watched.append(moved)

    kinds = {name: type(module).__name__ for name, module in net.named_modules()}
    found: list[LayerError] = []
    for place, (name, before_in, before_out) in enumerate(plain):
        moved = [each[place] for each in watched]
        declared = _each(reps[name], len(before_out), name) if name in reps else None
        given = list(reps_in) if name == "" else None
        into, _ = _error(group, elements, before_in, [each[1] for each in moved], given)
        out, behaves = _error(group, elements, before_out, [each[2] for each in moved], declared)
        inside = [each for each in found if each.name.startswith(f"{name}." if name else "")]
        breaks = into <= tolerance < out and not any(each.breaks for each in inside)
        found.append(LayerError(name, kinds[name], behaves, into, out, breaks))
    return found


def candidates(group: Group, x: Tensor) -> dict[str, Action | None]:
    """Actions of the group that a tensor of this shape may follow.

    Example:
        >>> list(candidates(SO(3), torch.zeros(2, 3)))
        ['invariant', 'vectors [.., 3]']
    """
    found: dict[str, Action | None] = {"invariant": None}
    if isinstance(group, Permutation):
        rows = PermutationMatrix(group)
        if x.dim() >= 2 and x.shape[-2] == group.n:
            found["rows permute"] = rows
        if x.dim() >= 1 and x.shape[-1] == group.n:
            found["last axis permutes"] = LastAxis(rows)
        if x.dim() >= 2 and x.shape[-2:] == (group.n, group.n):
            found["both axes permute"] = BothAxes(rows)
        return found
    if isinstance(group, Translation | E | SE) and x.dim() >= 1 and x.shape[-1] == group.n:
        found["points"] = Points(group)
    if isinstance(group, O | SO | E | SE):
        moving = isinstance(group, E | SE)
        vector = Restrict(Standard(O(group.n)), group, linear_part) if moving else Standard(group)
        if x.dim() >= 1 and x.shape[-1] == group.n:
            found[f"vectors [.., {group.n}]"] = LastAxis(vector)
        if x.dim() >= 2 and x.shape[-2] == group.n:
            found[f"features [.., {group.n}, c]"] = vector
        if x.dim() >= 2 and x.shape[-2:] == (group.n, group.n):
            found[f"tensors [.., {group.n}, {group.n}]"] = BothAxes(vector)
    return found


def _each(rep: Action | tuple[Action | None, ...] | None, count: int, name: str) -> list[Action | None]:
    found = list(rep) if isinstance(rep, tuple) else [rep]
    if len(found) != count:
        raise ValueError(f"layer_errors: reps names {len(found)} outputs of {name or 'the net'!r}, came {count}.")
    return found


def _watch(net: nn.Module, inputs: Sequence[Tensor]) -> list[tuple[str, list[Tensor], list[Tensor]]]:
    """Name, inputs and outputs of every call, from one run."""
    calls: list[tuple[str, list[Tensor], list[Tensor]]] = []
    open_calls: list[list[Tensor]] = []  # copies of inputs, taken before a layer may write into them

    def before(module: nn.Module, args: tuple, kwargs: dict) -> None:
        open_calls.append(_floating([*args, *kwargs.values()]))

    def after(name: str) -> Callable[..., None]:
        return lambda module, args, result: calls.append((name, open_calls.pop(), _floating([result])))

    handles = [module.register_forward_pre_hook(before, with_kwargs=True) for module in net.modules()]
    handles += [module.register_forward_hook(after(name)) for name, module in net.named_modules()]
    try:
        with torch.no_grad():
            net(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return calls


def _floating(value: object) -> list[Tensor]:
    """All tensors of floating type, out of lists, tuples and dictionaries."""
    if isinstance(value, Tensor):
        return [value.detach().clone()] if value.is_floating_point() else []
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [tensor for part in parts for tensor in _floating(part)]


def _error(
    group: Group,
    elements: Tensor,
    before: list[Tensor],
    after: list[list[Tensor]],
    declared: Sequence[Action | None] | None,
) -> tuple[float, str]:
    """Worst error over tensors and elements, each tensor by the action that it follows best; and these actions."""
    worst, names = 0.0, []
    for place, x in enumerate(before):
        shapes = {tuple(each[place].shape) if place < len(each) else None for each in after}
        if shapes != {tuple(x.shape)}:
            return math.inf, "changes shape"
        options = {"declared": declared[place]} if declared is not None and place < len(declared) else None
        errors = {
            name: max(_distance(rep, g, x, each[place]) for g, each in zip(elements, after))
            for name, rep in (options or candidates(group, x)).items()
        }
        best = min(errors, key=errors.__getitem__)
        worst = max(worst, errors[best])
        names.append(best)
    return worst, ", ".join(dict.fromkeys(names)) or "no tensors"


def _distance(rep: Action | None, g: Tensor, before: Tensor, after: Tensor) -> float:
    """Error of after = g before; a single vector may lack the axis of rows."""
    if rep is None:
        return relative_error(after, before)
    if before.dim() == 1:
        return relative_error(after[None], rep.act(g, before[None]))
    return relative_error(after, rep.act(g, before))
