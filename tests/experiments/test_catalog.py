import importlib.util
from pathlib import Path

import pytest
import torch

from intertwine.cli.boundary import BAD_INPUT, exit_code, explain
from intertwine.experiments.catalog import EXPERIMENTS, find
from intertwine.experiments.experiment import ExperimentError

DOCS = Path(__file__).parents[2] / "docs"


def test_experiments_are_found_by_name_and_listed_by_system():
    assert find("gaunt").system == 1
    systems = [experiment.system for experiment in EXPERIMENTS]
    assert systems == sorted(set(systems))


@pytest.mark.parametrize("wrong", ["gount", "Gaunt", "gaunt-product"])
def test_a_near_miss_is_told_the_nearest_name(wrong):
    with pytest.raises(ExperimentError, match="did you mean gaunt") as caught:
        find(wrong)
    assert exit_code(caught.value) == BAD_INPUT and "\n" not in explain(caught.value)


def test_a_stranger_is_told_what_there_is():
    with pytest.raises(ExperimentError, match="there are: gaunt"):
        find("quux")


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_every_experiment_has_the_three_budgets_and_a_claim_in_one_sentence(experiment):
    assert list(experiment.budgets) == ["smoke", "small", "full"]
    assert experiment.claim.endswith(".") and experiment.claim.count(". ") == 0
    assert experiment.opening("smoke").splitlines()[0].startswith(("Data:", "Stand-in data:"))


def test_an_unknown_budget_and_a_missing_gpu_are_said_in_one_line(monkeypatch):
    with pytest.raises(ExperimentError, match="choose smoke, small, full"):
        find("gaunt").opening("large")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ExperimentError, match="needs a GPU"):
        find("gaunt").run("full")


def test_the_page_of_papers_is_what_the_catalogue_says():
    spec = importlib.util.spec_from_file_location("make_papers_page", DOCS / "make_papers_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / "papers.md").read_text("utf-8") == module.page(), "run: python docs/make_papers_page.py"
