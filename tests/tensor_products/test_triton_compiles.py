import pytest
import test_triton_contract
import test_triton_convolve
import test_triton_couple
import test_triton_decompose
import torch
from interpreted import derivatives, elsewhere, needs_triton

from intertwine.tensor_products.kernels.library import using

SHARED_MEMORY = 96 * 1024
"""Bytes that a program may have on the smallest GPUs of NVIDIA since 2020."""
KERNELS = {"_sum_of_products", "_sum_in_order", "_add_as_they_come", "_gradients_of_edges", "_decompose"}


class Absent:
    """What Triton asks of a GPU before it compiles."""

    def __init__(self, capability):
        from triton.backends.compiler import GPUTarget

        self.target = GPUTarget("cuda", capability, 32)

    def get_current_device(self):
        return 0

    def get_current_stream(self, device):
        return 0

    def get_current_target(self):
        return self.target


def shared_memory(capability):
    """Bytes of shared memory of every kernel, compiled to the end for a GPU that is not here, and not run."""
    from triton.runtime.driver import driver
    from triton.runtime.jit import JITFunction

    found, run = {}, JITFunction.run

    def compiled(self, *args, grid, warmup, **options):
        kernel = run(self, *args, grid=grid, warmup=True, **options)
        assert kernel.asm["cubin"]
        name = self.fn.__name__
        found[name] = max(found.get(name, 0), kernel.metadata.shared)

    driver.set_active(Absent(int(capability)))
    JITFunction.run = compiled
    for dtype in (torch.float32, torch.float64):
        with using("triton"):
            forms, features, ends = test_triton_convolve.case("cpu", dtype, ("0e+1o", "1o", "0e+1o"), channels=64)
            for convolution in forms.values():
                derivatives(lambda *given, form=convolution, ends=ends: form(*given, *ends), features)
            derivatives(*test_triton_couple.case("cpu", dtype, ("0e+1o", "0e+1o"), (5, 3)))
            derivatives(*test_triton_contract.case("cpu", dtype, ("0e+1o", "0e+1o"), 4))
            for out in ("0e+1o", "2e+8e+8e+8e+8e+8e+8e+8e"):
                product, features = test_triton_decompose.case("cpu", dtype, ("0e+1o+8e", "0e+1o+8e", out), 5)
                product(*features)
    return found


@needs_triton
@pytest.mark.parametrize("capability", ["80", "90"])
def test_every_kernel_compiles_for_a_gpu_and_fits_into_a_small_one(capability):
    found = elsewhere(__file__, "shared_memory", capability)
    assert set(found) == KERNELS
    assert max(found.values()) < SHARED_MEMORY
