"""`intertwine symmetry check`: finds the layer that breaks a symmetry of a user's own module."""

import numpy as np
import pytest
import torch
from calling import call, refused
from safetensors.torch import save_file

CODE = """
import torch
from torch import nn
import intertwine.nn.frame_average as frames
from intertwine.groups.actions import Points
from intertwine.groups.euclidean import E
from intertwine.groups.frames.pca import PCAFrame

class Distances(nn.Module):
    def forward(self, x):
        return torch.cdist(x, x)

class Mean(nn.Module):
    def forward(self, x):
        return x.mean((-1, -2))

good = nn.Sequential(Distances(), Mean())
bad = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), Mean())
bare = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 3), Mean())
framed = frames.FrameAverage(bare, PCAFrame("E"), [Points(E(3))], None)
number = 3

def needs(one): ...

class Fails(nn.Module):
    def forward(self, x):
        raise RuntimeError("on purpose")
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "net.py"
    path.write_text(CODE)
    return path


def check(name, *words):
    return call("symmetry", "check", name, *words)


def test_a_module_that_commutes_passes(file):
    for group in ("E3", "SO(3)"):
        result = check(f"{file}:good", "--group", group, "--input", "2,5,3:points", "--output", "invariant")
        assert result.exit_code == 0, result.output
    assert "commutes with SO(3)" in result.output
    assert check(f"{file}:framed", "--group", "E3", "--input", "2,5,3:points").exit_code == 0


def test_the_layer_that_breaks_it_is_named(file):
    result = check(f"{file}:bad", "--group", "SO3", "--input", "5,3:vectors")
    refused(result, "First layer to break it: 0.", code=4)
    assert "breaks it" in result.stdout
    refused(check(f"{file}:bare", "--group", "E3", "--input", "2,5,3:points"), code=4)


def test_the_order_of_rows(file):
    assert check(f"{file}:bad", "--group", "S_n", "--input", "5,3:rows").exit_code == 0


def test_inputs_from_a_file(file):
    path = file.parent / "example.npz"
    np.savez(path, x=np.random.default_rng(0).normal(size=(5, 3)), broken=np.full((5, 3), np.nan))
    words = ("--group", "E3", "--example", path)
    save_file({"x": torch.randn(5, 3)}, file.parent / "example.safetensors")
    other = ("--group", "E3", "--example", file.parent / "example.safetensors", "--input", "x:points")
    assert check(f"{file}:good", *other).exit_code == 0
    assert check(f"{file}:good", *words, "--input", "x:points").exit_code == 0
    refused(check(f"{file}:good", *words, "--input", "y:points"), "no array 'y'", "x, broken")
    refused(check(f"{file}:good", *words, "--input", "broken:points"), "not finite")


def test_bad_input_is_one_line(file):
    given = ("--group", "SO3", "--input", "5,3:vectors")
    refused(check(str(file), *given), "expected MODULE:NAME")
    refused(check("absent.py:net", *given), "no such file")
    refused(check("no.such.package:net", *given), "importing it failed")
    refused(check(f"{file}:nothing", *given), "has no name 'nothing'")
    refused(check(f"{file}:number", *given), "expected a torch module")
    refused(check(f"{file}:needs", *given), "without arguments")
    refused(check(f"{file}:Fails", *given), "on purpose", "(5, 3)")
    refused(check(f"{file}:good", "--group", "SO3"), "--input SHAPE:KIND")
    refused(check(f"{file}:good", "--group", "U7", "--input", "5,3:vectors"), "expected SO3")
    refused(check(f"{file}:good", "--group", "SO3", "--input", "5,4:vectors"), "expected 3 on axis -1")
    refused(check(f"{file}:good", "--group", "SO3", "--input", "5,3:rows"), "only S_n permutes")
    refused(check(f"{file}:good", "--group", "SO3", "--input", "5,x:vectors"), "whole numbers")
    refused(check(f"{file}:good", "--group", "SO3", "--input", "5,3:arrows"), "kind of points")
    refused(check(f"{file}:good", "--group", "S_n", "--input", "5,3:points"), "rows or both")
    (file.parent / "example.pt").write_bytes(b"")
    refused(check(f"{file}:good", *given, "--example", file.parent / "example.pt"), "expected a file .npz")
