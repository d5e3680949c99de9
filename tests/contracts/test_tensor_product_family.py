"""Every tensor product keeps the contract of the family, and the check refuses what breaks it."""

from copy import deepcopy

import pytest
import torch
from families import PRODUCTS
from torch import nn

from intertwine.o3.clebsch_gordan import wigner_3j
from intertwine.o3.grid import smallest_grid
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.base import TensorProduct
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.kernels.library import available, using
from intertwine.tensor_products.sphere.function import SphereFunction
from intertwine.tensor_products.sphere.gaunt import Gaunt
from intertwine.tensor_products.sphere.grid import GridTransform
from intertwine.testing import check_tensor_product

needs_kernels = pytest.mark.skipif(not available(torch.zeros(1)), reason="no compiled kernels: no C++ compiler")


@pytest.mark.parametrize("name", PRODUCTS)
def test_member_keeps_the_contract(name):
    check_tensor_product(PRODUCTS[name]())


class Altered(TensorProduct):
    """A good product with something done to it, to show that the check sees it."""

    def __init__(self, product: TensorProduct | None = None, *, before=None, after=None):
        product = ClebschGordan("0e+1o", "0e+1o", weights="external") if product is None else product
        irreps = (product.irreps_in1, product.irreps_in2, product.irreps_out)
        super().__init__(*irreps, weight_count=product.weight_count, weights=product.weights, channels=None)
        self.product, self.before, self.after = product, before, after

    def forward(self, x, y, weight=None):
        x = x if self.before is None else self.before(x)
        z = self.product(x, y, weight)
        return z if self.after is None else self.after(z)

    def filter_form(self) -> nn.Module:
        return self.product.filter_form()


def flip_one_component(z):
    return z * torch.tensor([1.0] * 4 + [-1.0] + [1.0] * 11, dtype=z.dtype)[:, None]


def drop_an_irrep(z):
    return z * torch.tensor([0.0] + [1.0] * 15, dtype=z.dtype)[:, None]


def saturate(x):
    return x / (1 + x[..., :1, :].square())


def mix_channels(x):
    return x.cumsum(-1)


def mix_samples(x):
    return x + x.mean(0, keepdim=True) if x.dim() > 2 and len(x) else x


def cut_the_graph(z):
    return z.detach() + 0 * z


def remember(z):
    remember.calls += 1
    return z * (1 + 1e-9 * remember.calls)


remember.calls = 0


@pytest.mark.parametrize(
    ("failure", "alteration"),
    [
        ("equivariance", {"after": flip_one_component}),
        ("is zero for any input", {"after": drop_an_irrep}),
        ("linear in x", {"before": saturate}),
        ("channel of x reaches only its own", {"before": mix_channels}),
        ("samples of a batch", {"before": mix_samples}),
        ("derivatives", {"after": cut_the_graph}),
        (r"different bits|do not see each other", {"after": remember}),
        ("shape", {"after": lambda z: z[..., :-1]}),
        ("dtype", {"after": lambda z: z.float()}),
    ],
)
def test_check_refuses_an_altered_product(failure, alteration):
    check_tensor_product(Altered())
    with pytest.raises(AssertionError, match=failure):
        check_tensor_product(Altered(**alteration))


def test_check_refuses_a_product_of_components():
    class Componentwise(Altered):
        def forward(self, x, y, weight=None):
            self.product.effective_weight(weight)
            return x * y

    with pytest.raises(AssertionError, match="equivariance"):
        check_tensor_product(Componentwise(Gaunt("0e+1o", "0e+1o", "0e+1o")))


def test_check_refuses_a_grid_that_is_too_coarse():
    product = Gaunt("0e+1o+2e", "0e+1o+2e", "0e+1o+2e")
    check_tensor_product(product)
    for leg in ("leg1", "leg2", "leg3"):
        setattr(product, leg, SphereFunction(Irreps("0e+1o+2e"), lambda part: GridTransform(part, smallest_grid(4))))
    with using(None), pytest.raises(AssertionError, match="equivariance"):
        check_tensor_product(product)


@needs_kernels
def test_check_refuses_rings_with_the_wrong_weights():
    product = Gaunt("0e+1o+2e", "0e+1o+2e", "0e+1o+2e")
    product.rings.exact["numbers"][0] *= 1.01
    with pytest.raises(AssertionError, match="equivariance"):
        check_tensor_product(product)


def test_check_refuses_a_filter_form_of_another_map():
    class Elsewhere(Altered):
        def filter_form(self):
            return ClebschGordan("0e+1o", "0e+1o", weights="external", normalization="none").filter_form()

    with pytest.raises(AssertionError, match="filter_form"):
        check_tensor_product(Elsewhere())


def test_check_refuses_weights_that_do_nothing_and_weights_that_are_not_asked_for():
    class Careless(Altered):
        def forward(self, x, y, weight=None):
            return self.product(x, y, torch.ones_like(x[..., :1, :1]).expand(*x.shape[:-2], 6, 1))

    with pytest.raises(AssertionError, match="missing weight"):
        check_tensor_product(Careless())

    class Deaf(Altered):
        def forward(self, x, y, weight=None):
            first = self.effective_weight(weight)[..., :1, :]
            return self.product(x, y, torch.cat([first] * 6, -2))

    with pytest.raises(AssertionError, match=r"rows \[1, 2, 3, 4, 5\]"):
        check_tensor_product(Deaf())


class PlainBuffer(Altered):
    def __init__(self, persistent: bool):
        super().__init__(ClebschGordan("1o", "1o", "1e"))
        self.register_buffer("coupling", wigner_3j(1, 1, 1), persistent=persistent)

    def forward(self, x, y, weight=None):
        self.effective_weight(weight)
        return 3**0.5 * torch.einsum("ijk,...ic,...jc->...kc", self.coupling.to(x.dtype), x, y.expand_as(x))


def test_check_refuses_constants_that_lose_digits_or_are_saved():
    with pytest.raises(AssertionError, match=r"lose digits|float32 and float64"):
        check_tensor_product(PlainBuffer(persistent=False))

    class Exact(PlainBuffer):
        def _apply(self, fn, recurse=True):
            kept = self.coupling
            super()._apply(fn, recurse)
            self.coupling = kept
            return self

    check_tensor_product(Exact(persistent=False))
    with pytest.raises(AssertionError, match=r"state dict holds \['coupling'\]"):
        check_tensor_product(Exact(persistent=True))


def test_check_leaves_the_product_and_the_global_generator_alone():
    product = Gaunt("0e+1o", "0e+1o", weights="internal", channels=2)
    before, state = deepcopy(product.state_dict()), torch.random.get_rng_state()
    check_tensor_product(product, generator=torch.Generator().manual_seed(3))
    assert all(torch.equal(before[name], value) for name, value in product.state_dict().items())
    assert product.weight.dtype == torch.float32 and torch.equal(state, torch.random.get_rng_state())
