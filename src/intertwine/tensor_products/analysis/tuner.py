"""Picks the fastest way to compute a product on this machine; the map, and how O(3) acts, stay what they were."""

import json
import os
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from intertwine.groups.error import relative_error
from intertwine.tensor_products.analysis.cost import cost_of, input_shapes
from intertwine.tensor_products.analysis.rates import fastest
from intertwine.tensor_products.analysis.same_map import same_map
from intertwine.tensor_products.analysis.work import differentiate
from intertwine.tensor_products.base import TensorProduct
from intertwine.tensor_products.kernels.library import active_isa

TIMED = 3
"""So many of the candidates with the lowest predicted times are timed."""
SAME = 1e-9
"""Largest difference of two ways to compute one map, in float64."""
_CHOICES: dict[str, str] = {}


@dataclass(frozen=True)
class Trial:
    """One candidate."""

    name: str
    predicted: float
    """Seconds, from the cost model."""
    measured: float | None
    """Seconds, the fastest of a few runs; None where the prediction ruled it out."""
    same: bool
    """Whether it is the same map as the product."""


@dataclass(frozen=True)
class Tuned:
    """The chosen module and how it was chosen; printed as a table.

    Example:
        >>> trials = (Trial("as given", 2e-3, 1.5e-3, True), Trial("fourier", 9e-3, None, True))
        >>> print(Tuned("as given", nn.Identity(), trials, "example"))
        example
          candidate  predicted ms  measured ms
        * as given          2.000        1.500
          fourier           9.000            -
    """

    name: str
    module: nn.Module
    """Computes `forward(x, y, weight)`; shares its parameters with the product."""
    trials: tuple[Trial, ...]
    """By predicted time; none where the choice was remembered."""
    request: str

    def __str__(self) -> str:
        if not self.trials:
            return f"{self.request}\n* {self.name} (remembered)"
        width = max(9, *(len(trial.name) for trial in self.trials))
        lines = [self.request, f"  {'candidate':{width}}  predicted ms  measured ms"]
        for trial in self.trials:
            measured = "-" if trial.measured is None else f"{1e3 * trial.measured:.3f}"
            mark, note = "*" if trial.name == self.name else " ", "" if trial.same else "  another map"
            lines.append(f"{mark} {trial.name:{width}}  {1e3 * trial.predicted:12.3f}  {measured:>11}{note}")
        return "\n".join(lines)


def tune(
    product: TensorProduct,
    batch: int,
    *,
    channels: int = 1,
    y_channels: int | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    derivatives: int = 0,
    others: Mapping[str, Callable[[], nn.Module]] | None = None,
    remember: Path | str | None = None,
) -> Tuned:
    """Choose among the ways to compute a product, by predicted time and then by the clock.

    Candidates are those of `same_map`: grids, Fourier series, couplings, compiled or not, the filter form for a y of
    one channel. Each is compared with the product on random features in float64 first: a candidate that is another map
    is a fault and raises. The `TIMED` with the lowest predicted times run on random features; the product itself
    always does. The fastest wins.

    The choice is remembered in this process, for the product, sizes up to the next power of two, dtype, device,
    threads and instruction set. With `remember` it is also kept in a JSON file, and taken from there.

    Args:
        batch: samples that come at a time.
        channels: of x; a product with internal weights has its own.
        y_channels: 1, or `channels` where left out.
        derivatives: 0 for inference, 1 for training on energies, 2 for training on forces.
        others: makers of further candidates of yours, by name. They may be other maps, such as a Gaunt product in the
            place of a Clebsch-Gordan one; the table says so.
        remember: a file to read choices from and write them to.

    Raises:
        ValueError: `remember` is no file of choices.
        AssertionError: a candidate of the library is not the same map.

    Example:
        >>> from intertwine.tensor_products import Gaunt
        >>> tuned = tune(Gaunt("0e+1o+2e", "0e+1o+2e"), batch=1000, channels=8)
        >>> tuned.name in same_map(Gaunt("0e+1o+2e", "0e+1o+2e"))
        True
        >>> print(tuned)                                                # doctest: +SKIP
    """
    shapes = input_shapes(product, batch, channels=channels, y_channels=y_channels)
    makers = {**same_map(product, y_channels=shapes[1][-1]), **(others or {})}
    request = _request(product, shapes, dtype, device, derivatives)
    key = f"{request} among {', '.join(makers)}"
    kept = _CHOICES if remember is None else {**_read(Path(remember)), **_CHOICES}
    if (name := kept.get(key)) in makers:
        return Tuned(name, _placed(makers[name](), product, dtype, device), (), request)

    modules = {name: make() for name, make in makers.items()}
    same = {name: _is_same(module, product, shapes) for name, module in modules.items()}
    for name, agrees in same.items():
        if not agrees and name not in (others or {}):
            raise AssertionError(f"tune: {name!r} computes another map than {product}; please report it.")
    predicted = {
        name: cost_of(module, shapes, dtype=dtype, device=device, derivatives=derivatives).seconds
        for name, module in modules.items()
    }
    order = sorted(modules, key=predicted.__getitem__)
    equal_work = {predicted[name]: name for name in reversed(order)}  # the first of those that cost the same
    runs = list(dict.fromkeys([*[name for name in order if name in equal_work.values()][:TIMED], "as given"]))
    measured = {name: _clock(modules[name], shapes, dtype, device, derivatives) for name in runs}
    best = min(measured, key=measured.__getitem__)
    _CHOICES[key] = best
    if remember is not None:
        _write(Path(remember), {**_read(Path(remember)), key: best})
    trials = tuple(Trial(name, predicted[name], measured.get(name), same[name]) for name in order)
    return Tuned(best, _placed(modules[best], product, dtype, device), trials, request)


def forget() -> None:
    """Drop the choices of this process, for example after a change of load.

    Example:
        >>> forget()
    """
    _CHOICES.clear()


def _request(
    product: TensorProduct, shapes: list[tuple[int, ...]], dtype: torch.dtype, device: torch.device | str, order: int
) -> str:
    """What is asked for, in words: the key of a choice. Batch and channels stand for the next power of two."""
    up = [1 << (size - 1).bit_length() for size in (shapes[0][0], shapes[0][-1])]
    options = f", {product.weight_count} weights" if product.weight_count else ""
    machine = f"{device}, {torch.get_num_threads()} threads, {active_isa() or 'no'} kernels"
    sizes = f"batch {up[0]}, {up[1]} channels, y of {'1' if shapes[1][-1] == 1 else 'as many'}"
    kind = f"{type(product).__name__}({product.extra_repr()}{options})"
    return f"{kind}: {sizes}, {str(dtype).removeprefix('torch.')}, derivatives {order}, {machine}"


def _features(shapes: list[tuple[int, ...]], dtype: torch.dtype, device: torch.device | str) -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=draw, dtype=torch.float64).to(device, dtype) for shape in shapes]


def _is_same(module: nn.Module, product: TensorProduct, shapes: list[tuple[int, ...]]) -> bool:
    """On two samples, in float64, on the CPU."""
    inputs = _features([(2, *shape[1:]) for shape in shapes], torch.float64, "cpu")
    with torch.no_grad():
        expected, value = (deepcopy(each).cpu().double()(*inputs) for each in (product, module))
    return value.shape == expected.shape and relative_error(value, expected) <= SAME


def _clock(
    module: nn.Module, shapes: list[tuple[int, ...]], dtype: torch.dtype, device: torch.device | str, order: int
) -> float:
    module = deepcopy(module).to(device=device, dtype=dtype)
    inputs = [each.requires_grad_(order > 0) for each in _features(shapes, dtype, device)]
    with torch.set_grad_enabled(order > 0):
        return fastest(lambda: differentiate(module, inputs, order), device, runs=7)


def _placed(module: nn.Module, product: TensorProduct, dtype: torch.dtype, device: torch.device | str) -> nn.Module:
    """Where it will run; parameters stay where those of the product are, as they are the same."""
    if module is product or product.weight is not None:
        return module
    return module.to(device=device, dtype=dtype)


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        kept = json.loads(path.read_text("utf-8"))
    except ValueError:
        kept = None
    if not isinstance(kept, dict) or not all(isinstance(value, str) for value in kept.values()):
        raise ValueError(
            f"tune: expected the file remember={str(path)!r} to hold choices of the tuner as JSON, came something "
            f"else. Delete it, or name another file."
        )
    return kept


def _write(path: Path, choices: Mapping[str, str]) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(choices, indent=1, sort_keys=True) + "\n", "utf-8")
    draft.replace(path)
