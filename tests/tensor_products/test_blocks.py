"""Memory that results take turns in: never two living results in one place, and never more waiting than the limit."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from intertwine.tensor_products.kernels import blocks
from intertwine.tensor_products.kernels.blocks import LONG, empty, idle

LIKE = torch.zeros(1)
ROWS = LONG // 4


@pytest.fixture(autouse=True)
def nothing_waits():
    blocks._FREE.clear()
    yield
    blocks._FREE.clear()


def test_a_result_gets_the_memory_of_one_that_is_gone():
    first = empty(LIKE, ROWS)
    place = first.data_ptr()
    assert idle() == 0
    del first
    assert idle() >= LONG
    assert empty(LIKE, ROWS).data_ptr() == place


def test_living_results_and_views_of_them_keep_their_memory():
    first = empty(LIKE, 2, ROWS)
    view = first[1]
    view.fill_(3.0)
    del first
    second = empty(LIKE, 2, ROWS).fill_(4.0)
    assert idle() == 0 and bool((view == 3).all()) and bool((second == 4).all())


def test_results_of_almost_one_size_share_and_others_do_not():
    place = empty(LIKE, 33, ROWS // 32).data_ptr()
    assert empty(LIKE, 34, ROWS // 32).data_ptr() == place
    assert empty(LIKE, 2, ROWS).data_ptr() != place


def test_memory_of_one_dtype_serves_the_other():
    place = empty(LIKE, 2, ROWS).data_ptr()
    double = empty(LIKE.double(), ROWS)
    assert (double.data_ptr(), double.dtype, double.shape) == (place, torch.float64, (ROWS,))


def test_what_is_short_or_no_float_comes_from_torch():
    kept = [empty(LIKE, ROWS - 1), empty(LIKE, 0), empty(torch.zeros(1, dtype=torch.int64), ROWS)]
    assert [each.dtype for each in kept] == [torch.float32, torch.float32, torch.int64]
    del kept
    assert idle() == 0


def test_no_more_waits_than_the_limit(monkeypatch):
    monkeypatch.setattr(blocks, "IDLE", 3 * LONG)
    results = [empty(LIKE, ROWS) for _ in range(8)]
    results.clear()
    assert idle() <= 3 * LONG


def test_threads_never_meet_in_a_block():
    def alone(seed: int) -> bool:
        for number in range(20):
            result = empty(LIKE, ROWS).fill_(seed + number / 32)
            if not bool((result == seed + number / 32).all()):
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(alone, range(4)))


def test_results_are_differentiable_and_saved_like_any_other(tmp_path):
    from safetensors.torch import load_file, save_file

    result = empty(LIKE, ROWS).fill_(1.5).requires_grad_()
    result.square().sum().backward()
    assert bool((result.grad == 3).all())
    save_file({"result": result.detach()}, tmp_path / "result.safetensors")
    assert torch.equal(load_file(tmp_path / "result.safetensors")["result"], result.detach())
