"""How many examples a test of hypothesis tries: as many as it says, and FUZZ times as many in a long run.

HYPOTHESIS_PROFILE=explore FUZZ=100 python -m pytest tests/hostile tests/potentials/structures tests/potentials/data
"""

import os

from hypothesis import settings

TIMES = int(os.environ.get("FUZZ", "1"))


def examples(count: int) -> settings:
    """The settings of a test that tries `count` examples in an ordinary run."""
    return settings(max_examples=TIMES * count)
