"""Every test starts from the same random numbers, so that a run that passed passes again."""

import os

import pytest
import torch
from hypothesis import settings

import shape_checks

settings.register_profile("repeatable", derandomize=True)
settings.register_profile("explore", print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(autouse=True)
def same_random_numbers():
    """Parameters that a test draws without a generator of its own do not depend on the tests before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def shapes_checked_anew():
    """No test finds the checks of its shapes used up by the tests before it."""
    shape_checks.begin_test()
