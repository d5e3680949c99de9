"""How long threads hold their core while they wait for the next piece of work; set for the command. No group acts here.

torch's threads (OpenMP of GNU) wait by asking again and again, for milliseconds, before they let another program have
the core. Where another program needs it, the thread that all wait for gets none, and every one of a hundred small steps
takes a slice of the scheduler's time: training on two cores beside one busy program was many times slower than on one.
Waiting for about ten microseconds costs nothing on a quiet machine (benchmarks/busy_machine.py).
"""

import os
import sys

ASKED = 10_000
"""Times a thread asks before it sleeps: longer than most pauses between two operations, shorter than a slice."""
SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def wait_briefly() -> None:
    """Let threads of this process and of its workers wait briefly, unless the user has said how they wait.

    The OpenMP library reads it when torch is imported; afterwards it would change nothing, and nothing is set.
    """
    if "torch" not in sys.modules and not any(name in os.environ for name in SETTINGS):
        os.environ["GOMP_SPINCOUNT"] = str(ASKED)
