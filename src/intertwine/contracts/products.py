"""What every tensor product must keep besides what a layer does: O(3) acts along `dim`, the map is bilinear."""

from copy import deepcopy

import torch
from torch import Tensor
from torch.func import functional_call

from intertwine.contracts.case import BATCHES, EXACT_FLOAT64, Batch, Case, Draw, require, require_close
from intertwine.contracts.layers import check_map
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.base import TensorProduct


def check_tensor_product(
    product: TensorProduct, *, channels: int = 3, generator: torch.Generator | None = None
) -> None:
    r"""Check a member of the tensor-product family, ours or your own, against the contract of `TensorProduct`.

    All that `check_layer` checks, for both factors and the weight, and

        product(a x + x', y) = a product(x, y) + product(x', y),    the same in y
        channels stay apart,  y may have one channel,  one weight may serve the whole batch
        every weight row matters,  a missing or unwanted weight is an error,  filter_form() is the same map

    Args:
        product: at any size; three or four irreps of low degree on each leg keep it fast.
        channels: of x, where the product does not fix them by its internal weights.
        generator: for the random features; a fixed seed where left out.

    Raises:
        AssertionError: the first sentence of the contract that fails, with the error and the bound.

    Example:
        >>> from intertwine.tensor_products import Gaunt
        >>> check_tensor_product(Gaunt("0e+1o", "0e+1o", odd="bracket", weights="external"))
    """
    product = deepcopy(product).double()
    channels = channels if product.weight is None else product.weight.shape[-1]
    irreps = (product.irreps_in1, product.irreps_in2, product.irreps_out)
    external = product.weights == "external"

    def inputs(batch: Batch, draw: "Draw") -> tuple[Tensor, ...]:
        x, y = (draw(*batch, each.dim, channels) for each in irreps[:2])
        return (x, y, draw(*batch, product.weight_count, channels)) if external else (x, y)

    reps: tuple[Irreps | None, ...] = (*irreps[:2], None) if external else irreps[:2]
    case = Case(product, inputs, reps, irreps[2], channels, Draw(generator))
    check_map(case, BATCHES)
    _check_bilinear(case)
    _check_channels(case)
    _check_weights(case, product)
    _check_filter_form(case, product)


def _check_bilinear(case: Case) -> None:
    inputs, more = case.inputs(4), case.inputs(4)
    for place, name in enumerate("xy"):
        other = [more[place] if i == place else each for i, each in enumerate(inputs)]
        both = [3 * inputs[place] + more[place] if i == place else each for i, each in enumerate(inputs)]
        expected = 3 * case.module(*inputs) + case.module(*other)
        require_close(f"the product is linear in {name}", case.module(*both), expected, EXACT_FLOAT64)


def _check_channels(case: Case) -> None:
    x, y, *weight = case.inputs(4)
    z = case.module(x, y, *weight)
    for channel in range(x.shape[-1]):
        rest = (torch.arange(x.shape[-1]) != channel).to(x.dtype)
        for name, changed in (("x", (x + rest, y)), ("y", (x, y + rest))):
            kept = case.module(*changed, *weight)[..., channel]
            sentence = f"a channel of {name} reaches only its own of the result"
            require_close(sentence, kept, z[..., channel], EXACT_FLOAT64)
    one = y[..., :1]
    expected = case.module(x, one.expand_as(y), *weight)
    require_close("y of one channel serves all of x", case.module(x, one, *weight), expected, EXACT_FLOAT64)


def _check_weights(case: Case, product: TensorProduct) -> None:
    x, y, *given = case.inputs(4)
    wrong = [] if given else [torch.ones(4, 1, 1, dtype=torch.float64)]
    try:
        product(x, y, *wrong)
    except ValueError:
        pass
    else:
        raise AssertionError(f"expected a ValueError for a {'missing' if given else 'needless'} weight, came none")
    weight = given[0] if given else product.weight
    if weight is None:
        return
    weight = weight.detach().requires_grad_()
    z = product(x, y, weight) if given else functional_call(product, {"weight": weight}, (x, y))
    gradient = torch.autograd.grad(z.square().sum(), weight)[0]
    dead = [row for row in range(weight.shape[-2]) if not gradient[..., row, :].any()]
    require(not dead, f"rows {dead} of the weight change nothing")
    if given:
        shared = weight.detach()[0]
        expected = product(x, y, shared.expand_as(weight))
        require_close("one weight serves the whole batch", product(x, y, shared), expected, EXACT_FLOAT64)


def _check_filter_form(case: Case, product: TensorProduct) -> None:
    if product.weights == "internal":
        return
    form = product.filter_form().double()
    for batch in BATCHES:
        x, y, *weight = case.inputs(*batch)
        y = y[..., :1]
        require_close("filter_form is the same map", form(x, y, *weight), product(x, y, *weight), EXACT_FLOAT64)
