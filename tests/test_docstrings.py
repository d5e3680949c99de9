"""Every example in the docstrings of these rooms runs, and every public name has one."""

import ast
import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest
import torch

import intertwine.geometry
import intertwine.groups
import intertwine.learning
import intertwine.nn
import intertwine.o3
import intertwine.potentials
import intertwine.tensor_products

ROOMS = [intertwine.groups, intertwine.o3, intertwine.tensor_products, intertwine.nn, intertwine.potentials]
ROOMS += [intertwine.geometry, intertwine.learning]
MODULES = [found.name for room in ROOMS for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")]
# kernels need their device, and the shape checker of the tests refuses the classes that metatomic makes
MODULES = [name for name in MODULES if ".triton_" not in name and not name.endswith("_kernels")]
MODULES = [name for name in MODULES if ".metatomic_" not in name]
MODULES += ["intertwine.contracts.compiling", "intertwine.contracts.layers", "intertwine.contracts.products"]
CHECKER = doctest.NORMALIZE_WHITESPACE


def examples(module: ModuleType) -> list[doctest.DocTest]:
    """Read from the source, because the shape checker of the tests wraps the functions."""
    source = inspect.getsource(module)
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            name = getattr(node, "name", module.__name__)
            text = ast.get_docstring(node) or ""
            names = {**vars(module), "torch": torch}
            found.append(doctest.DocTestParser().get_doctest(text, names, name, module.__file__, 0))
    return [test for test in found if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    runner = doctest.DocTestRunner(optionflags=CHECKER)
    report: list[str] = []
    for test in examples(importlib.import_module(name)):
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_every_public_name_has_an_example(room):
    listed = {name: getattr(room, name) for name in room.__all__}
    speaking = {name for name, thing in listed.items() if callable(thing) and not issubclass_safe(thing, Exception)}
    assert [name for name in speaking if ">>>" not in (listed[name].__doc__ or "")] == []


def issubclass_safe(thing: object, parent: type) -> bool:
    return isinstance(thing, type) and issubclass(thing, parent)
