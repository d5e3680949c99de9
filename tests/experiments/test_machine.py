import json
import subprocess
import sys
from pathlib import Path

import pytest

from intertwine.experiments.machine import library_versions, this_machine

CHILD = """
import json, resource
import numpy as np
from intertwine.experiments.machine import PeakMemory
memory = PeakMemory()
idle = memory.above_start
np.ones(25_000_000)          # 200 MB, gone at once
print(json.dumps([idle, memory.above_start, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says VmHWM")
def test_the_peak_of_a_process_is_its_own_and_not_its_parents():
    large = bytearray(b"1") * 800_000_000
    result = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    del large
    idle, peak, naive = json.loads(result.stdout)
    assert idle < 50_000_000
    assert 190_000_000 < peak < 260_000_000
    assert naive > 750_000_000, "getrusage no longer inherits the parent's peak; PeakMemory could use it"


def test_the_machine_and_the_versions_are_named():
    machine = this_machine()
    assert machine.cores >= 1 and machine.processor in str(machine)
    assert {"python", "torch", "intertwine"} <= set(library_versions())
