"""Projection of all soft weights of a model onto those that commute with a group, which acts on `dim`."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.groups.group import Group
from intertwine.groups.projector import BlockProjector
from intertwine.groups.representation import Trivial
from intertwine.groups.subgroup import restrict
from intertwine.nn.soft_linear import SoftLinear


class WeightProjection:
    r"""The nearest weights with which every soft layer of a model commutes with a group, and how far away they are.

        projection(parameters)[name] = P parameters[name],       penalty = sum over soft weights of  |W - P W|^2 / 2

    Parameters are dictionaries as of `named_parameters`, or stacks of them with one more axis in front of every tensor
    (`torch.func.stack_module_state`), so that many models are projected at once. Biases are maps from an invariant.
    Parameters of other layers pass unchanged and cost nothing.

    Penalty zero makes the model commute with the group if all else in it does.

    Raises:
        ValueError: the model has no `SoftLinear`.
        SubgroupError: the group is no subgroup of that of a layer.

    Example:
        >>> from intertwine.groups.classical import O
        >>> from intertwine.groups.representation import Standard
        >>> layer = SoftLinear(Standard(O(3)), Standard(O(3)), 2, 2)
        >>> project = WeightProjection(layer, O(3))
        >>> weights = dict(layer.named_parameters())
        >>> bool(project.penalty(weights) > 0.01), bool(project.penalty(project(weights)) < 1e-10)
        (True, True)

    Reference: Kim, Lee, Yang, Lee, 2023, Regularizing Towards Soft Equivariance Under Mixed Symmetries,
    arXiv:2306.00356, equation for R_g in section 3.
    """

    def __init__(self, model: nn.Module, group: Group):
        self.group = group
        layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, SoftLinear)}
        if not layers:
            raise ValueError(
                f"WeightProjection: expected layers with representations, came {type(model).__name__} without any. "
                f"Build it from SoftLinear."
            )
        self._blocks: dict[str, BlockProjector] = {}
        known: dict[tuple[int, int], tuple[BlockProjector, BlockProjector]] = {}
        for name, layer in layers.items():
            kind = id(layer.v), id(layer.w)
            if kind not in known:
                v, w = restrict(layer.v, group), restrict(layer.w, group)
                known[kind] = BlockProjector(v, w), BlockProjector(Trivial(group), w)
            prefix = f"{name}." if name else ""
            self._blocks[f"{prefix}weight"], self._blocks[f"{prefix}bias"] = known[kind]
        shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
        self.directions = sum(shapes[name].numel() for name in self._blocks)
        channels = {name: shapes[name][1::2].numel() for name in self._blocks}
        self.freedom = sum(block.freedom * channels[name] for name, block in self._blocks.items())

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters that are projected."""
        return tuple(self._blocks)

    @property
    def trivial(self) -> bool:
        """Whether every weight commutes, so that the penalty is zero and says nothing."""
        return self.freedom == self.directions

    def __call__(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All parameters, the soft ones projected."""
        return {name: self._projected(name, each) for name, each in parameters.items()}

    def outside(self, parameters: Mapping[str, Tensor]) -> Float[Tensor, "*stack direction"]:
        """W - P W of all soft weights, one after the other."""
        rest = [parameters[name] - self._projected(name, parameters[name]) for name in self._blocks]
        return torch.cat([each.flatten(-self._axes(name)) for name, each in zip(self._blocks, rest)], -1)

    def penalty(self, parameters: Mapping[str, Tensor]) -> Float[Tensor, "*stack"]:
        """Half the squared distance from the projected weights."""
        outside = self.outside({name: parameters[name].detach() for name in self._blocks})
        weights = torch.cat([parameters[name].flatten(-self._axes(name)) for name in self._blocks], -1)
        # The gradient is W - P W: a product with zero brings it in, without a derivative of the projection.
        return outside.square().sum(-1) / 2 + ((weights - weights.detach()) * outside).sum(-1)

    def _projected(self, name: str, parameter: Tensor) -> Tensor:
        if name not in self._blocks:
            return parameter
        if self._axes(name) == 4:
            return self._blocks[name](parameter)
        return self._blocks[name](parameter[..., None, None])[..., 0, 0]

    def _axes(self, name: str) -> int:
        return 4 if name.endswith("weight") else 2
