"""Every layer and contraction keeps the contract of its family; all members trace whole."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from families import LAYERS
from torch import nn

from intertwine.testing import check_layer


@pytest.mark.parametrize("name", LAYERS)
def test_layer_keeps_the_contract(name):
    make, irreps_in, irreps_out, options = LAYERS[name]
    check_layer(make(), irreps_in, irreps_out, **options)


@pytest.mark.parametrize(
    ("failure", "layer"),
    [
        ("equivariance", nn.SiLU()),
        ("samples of a batch", nn.BatchNorm1d(4, affine=False, track_running_stats=False)),
        ("equivariance", nn.LayerNorm(2)),
    ],
)
def test_check_refuses_plain_networks(failure, layer):
    batches = [(5,)]
    with pytest.raises(AssertionError, match=failure):
        check_layer(layer, "0e+1o", "0e+1o", channels=2, batches=batches)


def test_check_accepts_channel_mixing_written_by_hand():
    class Mix(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.eye(2) + 0.1)

        def forward(self, x):
            return x @ self.weight

    check_layer(Mix(), "0e+1o", "0e+1o", channels=2)


def test_products_and_layers_compile_and_export_whole():
    """In a process of its own: the shape checker of these tests wraps every function, and wrappers do not trace."""
    script = Path(__file__).with_name("trace_families.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
