"""What is timed of a potential, the same lines for every library on torch. No group acts here.

Imported by path in the peers' environments: torch only.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

Pass = tuple[Callable[[], Any], Callable[[Any], dict[str, Any]]]
Predict = Callable[[bool], tuple[Tensor, Tensor]]
"""From whether the result will be differentiated to energies `graph` and forces `node 3`."""


def model_passes(
    predict: Predict, parameters: Iterable[Tensor], edges: int, *, train: bool, tabulated: Predict | None = None
) -> dict[str, Pass]:
    """The passes of a potential on one batch.

        energy and forces   both, without a graph of the parameters
        with table          the same; ours from a table of the radial networks, theirs as they are
        training step       loss = mean E^2 + 10 mean F^2, its gradient for all parameters, a step of Adam with amsgrad

    Sides have weights of their own, so values are not compared; the number of edges is, which says that all saw the
    same graph.

    Args:
        train: give the training step in place of the other two.
    """
    weights = [parameter for parameter in parameters if parameter.requires_grad]
    optimizer = torch.optim.Adam(weights, lr=1e-4, amsgrad=True)

    def step() -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        energy, forces = predict(True)
        loss = energy.square().mean() + 10 * forces.square().mean()
        loss.backward(inputs=weights)
        optimizer.step()
        return loss.detach()

    def export(found: Any) -> dict[str, Any]:
        numbers = found if isinstance(found, tuple) else (found,)
        if not all(torch.isfinite(number).all() for number in numbers):
            raise ArithmeticError("the result is not finite")
        return {"edges": torch.tensor([edges]).numpy()}

    if train:
        return {"training step": (step, export)}
    return {
        "energy and forces": (lambda: predict(False), export),
        "with table": (lambda: (tabulated or predict)(False), export),
    }
