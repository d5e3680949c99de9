"""What is timed of a differentiable map, the same lines for every library on torch. No group acts here.

Imported by path in the peers' environments: torch only.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

Pass = tuple[Callable[[], Any], Callable[[Any], dict[str, Any]]]
Export = Callable[[Tensor], Tensor]


def torch_passes(
    f: Callable[[], Tensor],
    leaves: Mapping[str, Tensor],
    cotangent: Tensor,
    *,
    force: str | None = None,
    exports: Mapping[str, Export] | None = None,
) -> dict[str, Pass]:
    """The passes of z = f(), where f reads the leaves.

        forward             z
        forward+backward    z, and the gradient of sum(cotangent z) with respect to every leaf
        two derivatives     E = sum(cotangent z^2) / 2,   the gradient of |dE/d force|^2 + E for all leaves but `force`
                            (for `force` itself too where it is the only feature), as in training on forces

    Args:
        force: the leaf that stands for the positions; without it there is no third pass.
        exports: for "z" and every leaf, how it looks in the layout that all sides share.
    """
    for leaf in leaves.values():
        leaf.requires_grad_(True)
    others = {name: leaf for name, leaf in leaves.items() if name != force or name == "x"}

    def forward() -> dict[str, Tensor]:
        with torch.no_grad():
            return {"z": f()}

    def backward() -> dict[str, Tensor]:
        z = f()
        return {"z": z, **dict(zip(leaves, torch.autograd.grad(z, list(leaves.values()), cotangent), strict=True))}

    def twice() -> dict[str, Tensor]:
        energy = (cotangent * f().square()).sum() / 2
        (slope,) = torch.autograd.grad(energy, leaves[str(force)], create_graph=True)
        total = slope.square().sum() + energy
        return dict(zip(others, torch.autograd.grad(total, list(others.values())), strict=True))

    def export(found: dict[str, Tensor]) -> dict[str, Any]:
        names = {name: name if name == "z" else f"gradient of {name}" for name in found}
        return {
            names[name]: (exports or {}).get(name, torch.Tensor.detach)(value).detach().cpu().numpy()
            for name, value in found.items()
        }

    passes = {"forward": (forward, export), "forward+backward": (backward, export)}
    return passes if force is None else {**passes, "two derivatives": (twice, export)}


def basis_passes(contraction: nn.Module, samples: Tensor) -> dict[str, Pass]:
    """What every single weight of a contraction does: `basis` `[weight, sample, dim_out]` for samples
    `[sample, dim_in, weight]`, the same in every channel.

    Args:
        contraction: of one element, with a channel for every weight in which it alone is 1.
    """

    def run() -> dict[str, Tensor]:
        with torch.no_grad():
            found = contraction(samples, torch.zeros(len(samples), dtype=torch.long))
        return {"basis": found.permute(2, 0, 1)}

    return {"basis": (run, lambda found: {"basis": found["basis"].contiguous().numpy()})}
