"""The page that tells how to add a tensor product: its code, its lists and its tests are real."""

import re
import sys
from pathlib import Path
from types import ModuleType

import families
import pytest

from intertwine.potentials.models import products
from intertwine.testing import check_tensor_product

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "add-a-tensor-product.md"


@pytest.fixture(scope="module")
def recipe():
    """The Python blocks of the page, run one after the other in one module."""
    module = ModuleType("recipe")
    sys.modules["recipe"] = module
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.S):
        exec(compile(block, PAGE.name, "exec"), vars(module))
    yield module
    del sys.modules["recipe"]


def test_its_members_keep_the_contract(recipe):
    assert len(recipe.PRODUCTS) == 3
    for make in recipe.PRODUCTS.values():
        check_tensor_product(make())


def test_its_two_tests_pass(recipe):
    found = [name for name in vars(recipe) if name.startswith("test_")]
    assert len(found) == 2
    for name in found:
        getattr(recipe, name)()


def test_the_lists_and_files_it_names_are_there(recipe):
    assert families.PRODUCTS and products.EDGE_PRODUCTS
    named = set(re.findall(r"`((?:src|tests|changelog)[^`]*)`", PAGE.read_text()))
    new = {"src/intertwine/tensor_products/scale.py", "tests/tensor_products/test_scale.py"}
    assert new < named
    for path in named - new:
        assert (ROOT / path).exists(), path
