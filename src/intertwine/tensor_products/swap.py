"""Exchange of the products inside a model: each old one for another of the same types, O(3) acting as before."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from torch import nn

from intertwine.o3.irreps import IrrepsError
from intertwine.tensor_products.base import TensorProduct, Weights, check_choice
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.sphere.gaunt import Gaunt

NAMES = ("clebsch-gordan", "gaunt", "gaunt+bracket")
Rule = Callable[[TensorProduct], TensorProduct | None]


@dataclass(frozen=True)
class Swap:
    """One exchange: where in the model, and what for what.

    Example:
        >>> Swap("layers.0", ClebschGordan("0e", "1o"), Gaunt("0e", "1o")).place
        'layers.0'
    """

    place: str
    old: TensorProduct
    new: TensorProduct

    def __str__(self) -> str:
        return f"{self.place}: {_line(self.old)} -> {_line(self.new)}"


def swap_tensor_products(model: nn.Module, rule: Rule | str) -> list[Swap]:
    """Put other members of the family in the place of the products inside a model, and say which.

    The model is changed in place; a model that is itself a product cannot be. All new products are made and checked
    before the first is put in, so that a refusal changes nothing. New internal weights start from N(0, 1): a swapped
    model wants training. A product that occurs twice is replaced by one new product, twice.

    Not reached: products that a `Convolution` or another fused layer has turned into a form of its own.

    Args:
        rule: gets every product and returns its successor, or None to keep it. A name stands for the member of that
            name with the same types and kind of weights: "clebsch-gordan", "gaunt" or "gaunt+bracket".

    Raises:
        IrrepsError: a new product has other types, other kinds of weights, or other rows of weights from outside than
            the old one; or it cannot be built. The message names the place.

    Example:
        >>> from intertwine.nn import FullyConnected
        >>> layer = FullyConnected(ClebschGordan("0e+1o", "0e+1o", "0e+1o+2e"), "0e+1o", 8, 8)
        >>> for swap in swap_tensor_products(layer, "gaunt"):
        ...     print(swap)
        product: ClebschGordan(0e+1o x 0e+1o -> 0e+1o+2e, weights='none') -> \
Gaunt(0e+1o x 0e+1o -> 0e+1o+2e, weights='none')
    """
    make = _named(rule) if isinstance(rule, str) else rule
    successors: dict[int, TensorProduct | None] = {}
    swaps: list[Swap] = []
    for place, old in model.named_modules(remove_duplicate=False):
        if not isinstance(old, TensorProduct):
            continue
        if id(old) not in successors:
            successors[id(old)] = _successor(place, old, make)
        new = successors[id(old)]
        if new is not None:
            swaps.append(Swap(place, old, new))
    if any(swap.old is model for swap in swaps):
        raise IrrepsError("swap_tensor_products: the model is itself a product and has no place. Build the other one.")
    for swap in swaps:
        parent, _, name = swap.place.rpartition(".")
        setattr(model.get_submodule(parent), name, swap.new)
    return swaps


def _named(name: str) -> Rule:
    check_choice("swap_tensor_products", "rule", name, NAMES)

    def make(old: TensorProduct) -> TensorProduct:
        types = (old.irreps_in1, old.irreps_in2, old.irreps_out)
        weights = cast(Weights, old.weights)
        channels = old.weight.shape[-1] if old.weight is not None else None
        if name == "clebsch-gordan":
            return ClebschGordan(*types, weights=weights, channels=channels)
        odd = "bracket" if name == "gaunt+bracket" else "none"
        return Gaunt(*types, odd=odd, weights=weights, channels=channels)

    return make


def _successor(place: str, old: TensorProduct, make: Rule) -> TensorProduct | None:
    try:
        new = make(old)
    except IrrepsError as error:
        raise IrrepsError(f"swap_tensor_products: {place or 'the model'}, {_line(old)}: {error}") from error
    if new is None or new is old:
        return None
    same = {
        "irreps_in1": (old.irreps_in1, new.irreps_in1),
        "irreps_in2": (old.irreps_in2, new.irreps_in2),
        "irreps_out": (old.irreps_out, new.irreps_out),
        "weights": (old.weights, new.weights),
    }
    if old.weights == "external":
        same["weight_count"] = (old.weight_count, new.weight_count)
    for name, (expected, came) in same.items():
        if expected != came:
            raise IrrepsError(
                f"swap_tensor_products: {place or 'the model'} expected a product with {name} {expected}, as in "
                f"{_line(old)}, came {came}. Return a product that fits, or None to keep the old one."
            )
    new.train(old.training)
    return new.to(old.weight) if old.weight is not None else new


def _line(product: TensorProduct) -> str:
    return f"{type(product).__name__}({product.extra_repr()})"
