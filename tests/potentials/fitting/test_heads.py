"""Heads share their weights but for readouts and energies of atoms, on disk and in training."""

from dataclasses import replace

import pytest
import torch
from test_fit import ATOM, SMALL, frames

from intertwine.potentials.fitting.config import DataConfig
from intertwine.potentials.fitting.data_set import DataSet
from intertwine.potentials.fitting.fit import new_potential, ready
from intertwine.potentials.fitting.fit_heads import collate_by_head, make_head_terms, make_head_validation, train_heads
from intertwine.potentials.fitting.objective import LossWeights, make_objective
from intertwine.potentials.fitting.partial_labels import collate_partial
from intertwine.potentials.models.heads import Heads, another_head, of_readout
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import load, save_potential
from intertwine.potentials.structures.graph import Graph
from intertwine.training.checkpoint import CheckpointError
from intertwine.training.plan import TrainingPlan
from intertwine.training.progress import Quiet
from intertwine.training.weights import weights

OTHER = ATOM + 2.0


def of_another_theory(graph: Graph) -> Graph:
    """Bonds 1.5 times as strong, and atoms of another energy."""
    assert graph.energy is not None and graph.forces is not None
    energy = graph.node_count * OTHER + 1.5 * (graph.energy - graph.node_count * ATOM)
    return replace(graph, energy=energy, forces=1.5 * graph.forces)


def two_heads(kind: str = "mace") -> dict[str, Potential]:
    model = {**SMALL} if kind == "mace" else {**SMALL, "hidden": "0e+1o"}
    model = {name: value for name, value in model.items() if kind == "mace" or name != "correlation"}
    main, _ = new_potential(kind, model, frames(6), {18: ATOM}, seed=0, dtype=torch.float64)
    return {"main": main, "other": another_head(main, {18: OTHER}, shift=0.25)}


@pytest.mark.parametrize("kind", ["mace", "nequip"])
def test_a_new_head_differs_by_its_energies_of_atoms_alone(kind):
    main, other = two_heads(kind).values()
    (graph,) = ready(frames(1), main)
    one, two = main(graph), other(graph)
    assert torch.equal(one.forces, two.forces)
    assert (two.energy - one.energy).item() == pytest.approx(4 * (OTHER + 0.25 - ATOM - main.shift), rel=1e-12)


@pytest.mark.parametrize("kind", ["mace", "nequip"])
def test_heads_share_all_but_their_readouts(kind):
    heads = two_heads(kind)
    main, other = (dict(each.named_parameters()) for each in heads.values())
    assert {name for name in main if main[name] is not other[name]} == {name for name in main if of_readout(name)}
    assert any(map(of_readout, main)) and not all(map(of_readout, main))
    assert len(weights(Heads(heads))) == len(main) + sum(map(of_readout, main))


def test_a_model_without_readouts_has_no_second_head():
    from lennard_jones import argon

    with pytest.raises(ValueError, match="LennardJones has no parameter under a name with readout"):
        another_head(argon(), {18: 0.0}, shift=0.0)


def test_the_loss_of_heads_is_a_mean_over_the_labels_of_all():
    heads, loss = two_heads(), LossWeights(energy=2.0, forces=3.0)
    first, second = (
        ready(frames(3), heads["main"]),
        ready([of_another_theory(graph) for graph in frames(5)], heads["main"]),
    )
    items = [("main", graph) for graph in first] + [("other", graph) for graph in second]
    terms = make_head_terms(loss)(Heads(heads), collate_by_head(items[::-1]))
    one = make_objective(loss)(heads["main"], collate_partial(first))
    two = make_objective(loss)(heads["other"], collate_partial(second))
    for name in ("energy_mse", "forces_mse"):
        expected = (3 * one[name] + 5 * two[name]).item() / 8
        assert (terms[name].total / terms[name].count).item() == pytest.approx(expected, rel=1e-12)
    found = make_head_validation({"main": first, "other": second}, loss, batch_size=2)(Heads(heads))
    assert found["other_energy_rmse"] == pytest.approx(two["energy_mse"].item() ** 0.5, rel=1e-12)
    assert found["loss"] == pytest.approx((3 * one["loss"] + 5 * two["loss"]).item() / 8, rel=1e-12)


@pytest.fixture(scope="module")
def trained():
    heads = two_heads()
    train = {"main": ready(frames(12), heads["main"])}
    train["other"] = [of_another_theory(graph) for graph in train["main"]]
    history = train_heads(
        heads, train, train, TrainingPlan(epochs=25, batch_size=6, learning_rate=0.02), progress=Quiet()
    )
    return heads, train, history


def test_heads_learn_labels_that_contradict_each_other_and_one_head_cannot(trained):
    _, train, history = trained
    both = history.best["valid_forces_rmse"]
    single = two_heads()
    same = {"main": train["main"] + [replace(graph, energy=None) for graph in train["other"]]}
    plan = TrainingPlan(epochs=25, batch_size=6, learning_rate=0.02)
    alone = train_heads({"main": single["main"]}, same, same, plan, progress=Quiet())
    assert both < 0.5 * alone.best["valid_forces_rmse"]


def test_saved_heads_come_back_one_at_a_time_bit_for_bit(trained, tmp_path):
    heads, train, _ = trained
    save_potential(tmp_path / "both", heads["main"], heads={"other": heads["other"]})
    graph = train["main"][0]
    for name, potential in heads.items():
        found = load(tmp_path / "both", head=name)
        assert torch.equal(found(graph).energy, potential.eval()(graph).energy)
        assert found.reference_energies == potential.reference_energies and found.shift == potential.shift
    assert torch.equal(load(tmp_path / "both")(graph).energy, heads["main"](graph).energy)
    assert not torch.equal(load(tmp_path / "both", head="other")(graph).forces, heads["main"](graph).forces)
    with pytest.raises(CheckpointError, match=r"there is no head 'r2scan'; it has main, other\.") as caught:
        load(tmp_path / "both", head="r2scan")
    assert "\n" not in str(caught.value)
    save_potential(tmp_path / "taken", load(tmp_path / "both", head="other"))  # alone it is a potential like any other
    assert torch.equal(load(tmp_path / "taken")(graph).energy, heads["other"](graph).energy)
    with pytest.raises(CheckpointError, match="there is no head 'other'; it has main"):
        load(tmp_path / "taken", head="other")


def test_a_configuration_with_heads_gives_each_its_own_energies_of_atoms(tmp_path):
    from test_fit import configuration, isolated

    from intertwine.potentials.data.readers import write
    from intertwine.potentials.fitting.training_run import fit_potential
    from intertwine.training.history import History

    others = [isolated(18, OTHER), *(replace(of_another_theory(graph), forces=None) for graph in frames(6))]
    write(tmp_path / "other.extxyz", others)
    config = configuration(tmp_path, [isolated(18, ATOM), *frames(6)])
    config = config.model_copy(update={"heads": {"other": DataConfig(train=str(tmp_path / "other.extxyz"), valid=0.2)}})
    folder = fit_potential(config, progress=Quiet())
    assert load(folder).reference_energies == {18: ATOM}
    assert load(folder, head="other").reference_energies == {18: OTHER}
    row = History.load(folder.parent / "history.json").rows[-1]
    assert {"valid_loss", "valid_forces_rmse", "valid_main_forces_rmse", "valid_other_energy_rmse"} <= set(row)
    assert "valid_other_forces_rmse" not in row  # that set has energies alone


def test_an_element_that_a_set_lacks_takes_its_energy_from_the_set_that_has_it(tmp_path):
    from test_fit import configuration

    from intertwine.potentials.fitting.training_run import new_heads

    xenon = [replace(graph, numbers=torch.full_like(graph.numbers, 54)) for graph in frames(3)]
    config = configuration(tmp_path, frames(3))
    sets = {
        "main": DataSet(frames(3), frames(1), {18: ATOM}, {}),
        "other": DataSet(xenon, xenon[:1], {54: OTHER}, {}),
    }
    from intertwine.potentials.structures.neighbors import connect

    sets = {
        name: replace(each, train=[connect(graph, config.model.cutoff) for graph in each.train])
        for name, each in sets.items()
    }
    heads = new_heads(config, sets)
    assert heads["main"].reference_energies == heads["other"].reference_energies == {18: ATOM, 54: OTHER}
