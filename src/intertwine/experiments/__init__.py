"""Papers repeated: claim, data, model, objective, run, and the paper's number beside ours."""

from intertwine.experiments.catalog import EXPERIMENTS, find
from intertwine.experiments.experiment import Budget, Experiment, ExperimentError
from intertwine.experiments.outcome import Column, Measured, Number, Outcome, Row, Table
from intertwine.experiments.verdict import Finding, Verdict

__all__ = [
    "EXPERIMENTS",
    "Budget",
    "Column",
    "Experiment",
    "ExperimentError",
    "Finding",
    "Measured",
    "Number",
    "Outcome",
    "Row",
    "Table",
    "Verdict",
    "find",
]
