"""Constants that stay exact through changes of dtype."""

import copy

import torch
from torch import nn

from intertwine.o3.constants import Constants

THIRD = torch.tensor([1 / 3], dtype=torch.float64)


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.constants = Constants(third=THIRD)
        self.register_buffer("plain", THIRD.clone(), persistent=False)

    def forward(self, x):
        return x * self.constants.like(x, "third")


def test_a_stay_in_float32_leaves_no_trace_where_a_plain_buffer_is_spoilt():
    layer = Layer().float().double()
    assert torch.equal(layer.constants.third, THIRD)
    assert not torch.equal(layer.plain, THIRD)


def test_copies_keep_the_exact_values():
    layer = copy.deepcopy(Layer().half()).double()
    assert torch.equal(layer.constants.third, THIRD)


def test_inputs_of_another_dtype_get_the_exact_value():
    assert torch.equal(Layer()(torch.ones(1, dtype=torch.float64)), THIRD)
    assert Layer()(torch.ones(1)).dtype == torch.float32


def test_constants_are_not_saved():
    assert not Layer().state_dict()


def test_a_compiled_layer_uses_them():
    compiled = torch.compile(Layer(), fullgraph=True, backend="aot_eager")
    for dtype in (torch.float32, torch.float64):
        assert torch.equal(compiled(torch.ones(1, dtype=dtype)), THIRD.to(dtype))
