"""Every test starts from the same random numbers and none looks at the clock: a run that passed passes again."""

import os

import pytest
import torch
from hypothesis import HealthCheck, settings

import shape_checks

ANY_MACHINE = settings(
    deadline=None,
    # too_slow measures the machine; files in tmp_path are written anew for every example
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("repeatable", ANY_MACHINE, derandomize=True)
settings.register_profile("explore", ANY_MACHINE, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(autouse=True)
def same_random_numbers():
    """Parameters that a test draws without a generator of its own do not depend on the tests before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def shapes_checked_anew():
    """No test finds the checks of its shapes used up by the tests before it."""
    shape_checks.begin_test()
