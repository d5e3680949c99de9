"""The demo from end to end, shorter than its own: files complete, numbers those of the objects, errors above chance."""

import json
from dataclasses import replace

import pytest

from intertwine.experiments.demo import MODEL, PLAN, run
from intertwine.potentials.judging.evaluate import evaluate
from intertwine.potentials.models.saved import load
from intertwine.training.progress import Quiet


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    stages = []
    found = run(
        tmp_path_factory.mktemp("demo"),
        plan=replace(PLAN, epochs=1),
        model={**MODEL, "channels": 8},
        picoseconds=0.01,
        progress=Quiet(),
        stage=lambda name, done, total: stages.append((name, done, total)),
    )
    return found, stages


def test_one_epoch_is_already_better_than_predicting_zero(outcome):
    for errors in outcome[0].metrics["sets"].values():
        assert errors["force_rmse_meV_per_A"] < 0.6 * errors["force_rmse_predict_zero_meV_per_A"]


def test_metrics_file_holds_what_was_measured_and_where(outcome):
    found, _ = outcome
    metrics = json.loads((found.folder / "metrics.json").read_text())
    assert metrics == found.metrics
    assert list(metrics["sets"]) == ["test_300K", "test_600K", "test_1200K"]
    for result in found.results:
        assert metrics["sets"][result.name]["force_rmse_meV_per_A"] == result.metrics["force_rmse"]
    assert metrics["dynamics"]["picoseconds"] == pytest.approx(0.01)
    assert metrics["versions"]["torch"] and metrics["machine"]


def test_saved_potential_gives_the_same_errors(outcome):
    found, _ = outcome
    from intertwine.experiments.demo import SHIPPED
    from intertwine.potentials.data.readers import read

    graphs = [graph for graph in read(SHIPPED) if graph.groups == ("test_300K",)]
    (again,) = evaluate(load(found.folder / "potential"), graphs)
    assert again.metrics["force_rmse"] == pytest.approx(found.results[0].metrics["force_rmse"], rel=1e-5)


def test_report_is_written_and_every_stage_was_told(outcome):
    found, stages = outcome
    page = (found.folder / "report.html").read_text("utf-8")
    assert "GFN2-xTB" in page and "Molecular dynamics" in page
    assert {name for name, _, _ in stages} == {"evaluate", "relax", "dynamics"}
