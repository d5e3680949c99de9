import shutil

import pytest
import torch
from compiled import HERE

from intertwine.tensor_products.kernels.library import active_isa, available, best_isa, status, using


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler here")
def test_kernels_are_there_where_a_compiler_is():
    assert best_isa() is not None


def test_readable_twins_can_be_asked_for():
    x = torch.zeros(1)
    with using(None):
        assert not available(x)
        assert active_isa() is None
    assert available(x) == (best_isa() is not None)


@pytest.mark.skipif(not HERE, reason="no compiled kernels")
def test_kernels_take_single_and_double_precision_on_the_cpu_only():
    x = torch.zeros(1)
    assert available(x, None, x)
    assert not available(x, x.double())
    assert not available(x.half())
    assert not available(x.to("meta"))


def test_an_unknown_instruction_set_is_refused():
    with pytest.raises(ValueError, match="came 'mmx'"), using("mmx"):
        pass


def test_status_says_what_runs_and_what_to_do():
    found, advice = status()
    assert ("compiled" in found) == (best_isa() is not None) or "no compiled kernels" in found
    assert (advice == "") == (best_isa() is not None)
