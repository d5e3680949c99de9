"""What tests of Triton kernels share: a process of their own, as the interpreter is chosen before torch is imported."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from compiled import distance
from torch import Tensor

from intertwine.tensor_products.kernels.library import has_triton, using

needs_triton = pytest.mark.skipif(not has_triton(), reason="Triton is not installed: pip install triton")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU of NVIDIA here")
PLACES = ["interpreter", pytest.param("cuda", marks=needs_gpu)]
"""Where kernels run: on the CPU in Triton's interpreter, or on a GPU."""


def elsewhere(file: str, function: str, place: str = "interpreter") -> Any:
    """What a function of a test file, called with the device, returns in a fresh process: anything JSON can hold."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TRITON_INTERPRET": "1" if place == "interpreter" else "0"}
    device = "cpu" if place == "interpreter" else place
    code = f"import json, {Path(file).stem} as tests; print(json.dumps(tests.{function}({device!r})))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=600, env=environment, cwd=Path(file).parent,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


def both(call: Any) -> tuple[Any, Any]:
    """The result of a call in Triton's kernels, and on the readable twins."""
    with using("triton"):
        found = call()
    with using(None):
        return found, call()


def derivatives(call: Any, inputs: list[Tensor]) -> list[Tensor]:
    """The result, its gradients, and the gradients of these."""
    z = call(*inputs)
    first = torch.autograd.grad(z.square().sum(), inputs, create_graph=True)
    return [z, *first, *torch.autograd.grad(sum(each.square().sum() for each in first), inputs)]


def twin_errors(case: Callable[..., Any], cases: Mapping[str, Mapping[str, Any]], device: str) -> dict[str, float]:
    """Largest relative error of results and derivatives, by case and precision; `case` makes module and inputs."""
    found = {}
    for name, arguments in cases.items():
        for dtype in (torch.float64, torch.float32):
            module, inputs = case(device, dtype, **arguments)
            ours, twin = both(lambda module=module, inputs=inputs: derivatives(module, inputs))
            assert [each.shape for each in ours] == [each.shape for each in twin]
            found[f"{name} {dtype}"] = max(distance(a, b) for a, b in zip(ours, twin, strict=True))
    return found
