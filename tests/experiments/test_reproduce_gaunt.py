import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from intertwine.experiments.data_folder import DataFolderError
from intertwine.experiments.experiment import Budget
from intertwine.experiments.gaunt import paper as gaunt
from intertwine.experiments.gaunt.numbers import PAPER, TITLES
from intertwine.experiments.outcome import Column, Number
from intertwine.experiments.page import show, text

TINY = replace(
    gaunt.SMOKE,
    channels=4,
    edge_degree=2,
    plan=gaunt.SHORT(epochs=2),
    frames=12,
    test_frames=3,
    rounds=3,
    operations=0,
)
EXPERIMENT = replace(gaunt.EXPERIMENT, budgets={"tiny": Budget(0.1, "for tests", TINY)})


@pytest.fixture(scope="module")
def stages():
    return []


@pytest.fixture(scope="module")
def outcome(tmp_path_factory, stages):
    out = tmp_path_factory.mktemp("gaunt")
    return EXPERIMENT.run("tiny", seed=5, out=out, progress=lambda *stage: stages.append(stage))


def test_it_runs_from_end_to_end_and_says_what_it_is_doing(outcome, stages):
    assert outcome.seeds == (5,) and outcome.seconds > 0
    named = {stage.split()[0] for stage, _, _ in stages}
    assert {f"{name}/5" for name in gaunt.CONTRACTIONS} | {"clock"} <= named
    assert all(done <= total for _, done, total in stages)


def test_every_contraction_took_equal_steps_and_differs_from_the_others(outcome):
    errors = outcome.measured.tables[0]
    rows = {row.name: row.cells for row in errors.ours}
    assert set(TITLES.values()) < set(rows)
    assert rows["Clebsch-Gordan"][3] != rows["Gaunt"][3] != rows["Gaunt + bracket"][3]
    assert any("took 6 steps of 5" in remark for remark in outcome.measured.remarks)


def test_json_is_complete_and_keeps_the_paper_apart(outcome):
    with open(f"{outcome.folder}/outcome.json", encoding="utf-8") as file:
        kept = json.load(file)
    assert next(iter(kept)) == "data" and kept["data"].startswith("Stand-in data")
    assert kept["verdict"] == outcome.verdict.value == "not decided at this budget"
    for name in ("claim", "reference", "command", "budget", "machine", "versions", "findings", "remarks", "seconds"):
        assert kept[name], name
    assert [table["title"] for table in kept["tables"]] == [table.title for table in outcome.measured.tables]
    errors, _, cost, alone, nbody = kept["tables"]
    assert {row["source"] for row in errors["paper"]} == {PAPER} and len(errors["ours"]) == 4
    for row in cost["ours"]:
        assert all(cell is not None and cell["value"] > 0 for cell in row["cells"]), row["name"]
    assert [row["name"] for row in alone["ours"]] == ["n = 2", "n = 3", "n = 4"]
    assert [row["name"] for row in nbody["ours"]] == [row["name"] for row in nbody["paper"]] == ["degree 1", "degree 2"]


def test_the_page_shows_verdict_units_and_command(outcome):
    stream = io.StringIO()
    show(outcome, Console(file=stream))
    shown = stream.getvalue()
    for words in ("meV/molecule", "meV/atom", "MACE-Gaunt", "Verdict: not decided at this budget", outcome.command):
        assert words in shown, words


def test_a_smoke_model_is_said_to_mean_nothing():
    assert "accuracy means nothing" in gaunt.EXPERIMENT.opening("smoke")


def test_a_broken_data_folder_gives_one_line_before_anything_is_trained(tmp_path, stages):
    with pytest.raises(DataFolderError) as caught:
        EXPERIMENT.run("tiny", data=tmp_path / "nowhere", out=tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "outcome.json").exists()


def test_only_the_contraction_differs_between_the_models():
    models = [gaunt.model(gaunt.FULL, name) for name in gaunt.CONTRACTIONS]
    assert {model.pop("contraction") for model in models} == set(gaunt.CONTRACTIONS)
    assert models[0] == models[1] == models[2]
    assert models[0]["tensor_product"] == "clebsch-gordan"


def test_numbers_are_printed_with_the_decimals_of_their_column():
    assert text(Number(12.345, 0.5), Column("time", "s")) == "12.3 ± 0.5"
    assert text(Number(3.0), Column("energy", "meV")) == "3.0"
    assert text(None, Column("energy", "meV")) == "-"
