"""The tuner changes how a product is computed and never what: every candidate against the product, choices kept."""

import json

import pytest
import torch
from torch import nn

from intertwine.groups.error import relative_error
from intertwine.o3.grid import gauss_legendre
from intertwine.tensor_products.analysis import tuner
from intertwine.tensor_products.analysis.same_map import same_map
from intertwine.tensor_products.analysis.tuner import forget, tune
from intertwine.tensor_products.base import TensorProduct
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.coupled_form import CoupledGaunt
from intertwine.tensor_products.kernels.library import active_isa, using
from intertwine.tensor_products.sphere.gaunt import Gaunt

NATURAL, MIXED = "0e+1o+2e", "0e+0o+1o+1e"
PRODUCTS = {
    "gaunt": lambda: Gaunt(NATURAL, NATURAL),
    "gaunt, weights outside": lambda: Gaunt(NATURAL, NATURAL, NATURAL, weights="external", legs=(2, 3)),
    "gaunt, weights inside": lambda: Gaunt(NATURAL, "0e+1o", weights="internal", channels=3),
    "gaunt + bracket, mixed parities": lambda: Gaunt(MIXED, "1o+1e", odd="bracket", weights="external"),
    "gaunt, repeated irreps": lambda: Gaunt("2x0e+1o", "2x1o", "2x1o+2e", normalization="none"),
    "gaunt, fourier": lambda: Gaunt("0e+1o", NATURAL, method="fourier"),
    "gaunt, a fine grid": lambda: Gaunt("0e+1o", "0e+1o", grid=gauss_legendre(12)),
    "clebsch-gordan": lambda: ClebschGordan(NATURAL, "0e+1o", weights="external"),
    "clebsch-gordan, weights inside": lambda: ClebschGordan(MIXED, "0o+1o", weights="internal", channels=3),
}


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def inputs(product: TensorProduct, *batch: int, y_channels: int = 3) -> list[torch.Tensor]:
    given = [random(*batch, product.irreps_in1.dim, 3), random(*batch, product.irreps_in2.dim, y_channels, seed=1)]
    return given + [random(*batch, product.weight_count, 3, seed=2)] * (product.weights == "external")


@pytest.fixture(autouse=True)
def _fresh():
    forget()
    yield
    forget()


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("y_channels", [1, 3])
def test_every_candidate_is_the_same_map_with_the_same_gradients(name, y_channels):
    product = PRODUCTS[name]().double()
    given = [each.requires_grad_() for each in inputs(product, 4, y_channels=y_channels)]
    leaves = [*given, *product.parameters()]
    expected = product(*given)
    slopes = torch.autograd.grad(expected.square().sum(), leaves, create_graph=True)
    bends = torch.autograd.grad(slopes[0].square().sum(), leaves, retain_graph=True, materialize_grads=True)
    for candidate, make in same_map(product, y_channels=y_channels).items():
        module = make().double()
        z = module(*given)
        assert relative_error(z, expected) < 1e-11, candidate
        found = torch.autograd.grad(z.square().sum(), leaves, create_graph=True)
        assert all(relative_error(a, b) < 1e-10 for a, b in zip(found, slopes, strict=True)), candidate
        twice = torch.autograd.grad(found[0].square().sum(), leaves, materialize_grads=True)
        assert all(relative_error(a, b) < 1e-9 for a, b in zip(twice, bends, strict=True)), candidate


@pytest.mark.parametrize("batch", [(), (0,), (2, 3)])
def test_couplings_take_any_batch_and_equal_their_readable_twin(batch):
    product = Gaunt(NATURAL, NATURAL, odd="bracket").double()
    form = same_map(product)["couplings"]().double()
    given = inputs(product, *batch)
    assert relative_error(form(*given), product(*given)) < 1e-12
    with using(None):
        assert relative_error(form(*given), product(*given)) < 1e-12


def test_candidates_share_the_parameters_of_the_product():
    product = Gaunt(NATURAL, NATURAL, weights="internal", channels=3)
    for name, make in same_map(product).items():
        assert [id(each) for each in make().parameters()] == [id(product.weight)], name
    assert "filter form" not in same_map(product, y_channels=1)


def test_choice_is_among_the_candidates_and_computes_the_product():
    for make in PRODUCTS.values():
        product = make()
        tuned = tune(product, 16, channels=3, y_channels=1)
        assert tuned.name in same_map(product, y_channels=1)
        given = [each.float() for each in inputs(product, 16, y_channels=1)]
        assert relative_error(tuned.module(*given), product(*given)) < 1e-5
        timed = [trial for trial in tuned.trials if trial.measured is not None]
        assert 1 <= len(timed) <= 4 and "as given" in {trial.name for trial in timed}
        assert min(timed, key=lambda trial: trial.measured).name == tuned.name
        assert all(trial.same for trial in tuned.trials)


def test_table_names_the_choice_and_what_was_not_timed():
    text = str(tune(Gaunt(NATURAL, NATURAL), 16))
    assert "candidate" in text and "predicted ms" in text and "batch 16, 1 channels" in text
    assert sum(line.startswith("*") for line in text.splitlines()) == 1
    assert any(line.endswith(" -") for line in text.splitlines())


def test_choices_are_remembered_by_size_dtype_derivatives_and_kernels():
    product = Gaunt(NATURAL, NATURAL)
    first = tune(product, 100)
    again = tune(product, 128)
    assert first.trials and not again.trials and again.name == first.name and "(remembered)" in str(again)
    assert tune(product, 129).trials and tune(product, 100, channels=2).trials
    assert tune(product, 100, dtype=torch.float64).trials and tune(product, 100, derivatives=1).trials
    if active_isa() is not None:
        with using(None):
            assert tune(product, 100).trials
    forget()
    assert tune(product, 100).trials


def test_choices_go_through_a_file(tmp_path):
    path, product = tmp_path / "kept" / "choices.json", Gaunt(NATURAL, NATURAL)
    tune(product, 100, remember=path)
    tune(product, 1000, remember=path)
    kept = json.loads(path.read_text())
    assert len(kept) == 2 and [each.name for each in path.parent.iterdir()] == ["choices.json"]
    forget()
    path.write_text(json.dumps({key: "fourier" for key in kept}))
    assert tune(product, 100, remember=path).name == "fourier"
    assert tune(product, 100).trials  # without the file nothing is known
    forget()
    path.write_text(json.dumps({key: "a way that is no more" for key in kept}))
    assert tune(product, 100, remember=path).trials


@pytest.mark.parametrize("content", ["{", "[1]", '{"a": 1}'])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    path = tmp_path / "choices.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"choices\.json.*Delete it"):
        tune(Gaunt("0e", "0e"), 4, remember=path)


def test_another_map_is_taken_only_where_the_caller_lists_it_and_is_marked():
    product = ClebschGordan(NATURAL, NATURAL, NATURAL)
    others = {"gaunt": lambda: Gaunt(NATURAL, NATURAL, NATURAL)}
    tuned = tune(product, 16, others=others)
    assert [trial.same for trial in tuned.trials if trial.name == "gaunt"] == [False]
    assert "another map" in str(tuned)
    assert "gaunt" not in {trial.name for trial in tune(product, 16).trials}


def test_a_candidate_of_ours_that_is_another_map_is_a_fault(monkeypatch):
    def broken(product, *, y_channels=None):
        return {"as given": lambda: product, "wrong": lambda: Gaunt(NATURAL, NATURAL, normalization="none")}

    monkeypatch.setattr(tuner, "same_map", broken)
    with pytest.raises(AssertionError, match="'wrong' computes another map"):
        tune(Gaunt(NATURAL, NATURAL), 16)


def test_tuning_leaves_the_product_and_the_global_generator_alone():
    product = Gaunt(NATURAL, NATURAL, weights="internal", channels=3)
    before, state = product.weight.detach().clone(), torch.random.get_rng_state()
    tuned = tune(product, 16, dtype=torch.float64, derivatives=2)
    assert product.weight.dtype == torch.float32 and torch.equal(product.weight, before) and product.weight.grad is None
    assert torch.equal(state, torch.random.get_rng_state()) and isinstance(tuned.module, nn.Module)


def test_coupled_products_keep_their_numbers_through_dtypes_and_out_of_state_dicts():
    product = Gaunt(NATURAL, NATURAL)
    form = same_map(product)["couplings"]()
    assert isinstance(form, CoupledGaunt) and not form.state_dict()
    given = inputs(product, 4)
    there_and_back = same_map(product)["couplings"]().float().double()
    assert relative_error(there_and_back(*given), product.double()(*given)) < 1e-13
