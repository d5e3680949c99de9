"""The sections of a report page: a sentence, charts and tables for each part of the report. No group acts here."""

import re
from collections.abc import Sequence
from html import escape

import numpy as np

from intertwine.potentials.judging.page import charts
from intertwine.potentials.judging.page.panel import Panel
from intertwine.potentials.judging.report import SHOWN_UNITS, Report, plain
from intertwine.potentials.judging.set_result import SetResult, together

AXES = {"energy": ("meV/atom", 0.001), "forces": ("eV/Å", 1.0), "stress": ("meV/Å³", 0.001)}
"""Units of the axes of each quantity, and their size in eV, A and atoms."""
MANY = 6
"""More sets than this are drawn as one."""


def section(title: str, words: str, content: str) -> str:
    """A heading, a sentence and what it is about."""
    return f"<section>\n<h2>{escape(title)}</h2>\n<p>{prose(words)}</p>\n{content}\n</section>"


def prose(words: str) -> str:
    """Text as HTML, in which a number and its unit stay on one line."""
    return re.sub(
        r"[-+\d.]+ (meV/(Å³|Å|atom per ps|atom)|meV|ps|K)\b", r'<span class="unit">\g<0></span>', escape(words)
    )


def figures(panels: Sequence[Panel]) -> str:
    """Charts beside one another, as many as fit."""
    drawn = [f"<figure><figcaption>{escape(panel.title)}</figcaption>{panel.svg}</figure>" for panel in panels]
    return f'<div class="panels">{"".join(drawn)}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[object]], *, caption: str = "", strong: int = -1) -> str:
    """Rows of a name and its numbers, three digits each; the column `strong` is the one to read first."""
    top = f"<caption>{escape(caption)}</caption>" if caption else ""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = ""
    for name, *cells in rows:
        lines += f"<tr><th>{escape(str(name))}</th>"
        for column, cell in enumerate(cells, start=1):
            text = plain(cell) if isinstance(cell, float) else "" if cell is None else str(cell)
            lines += f'<td class="strong">{text}</td>' if column == strong else f"<td>{text}</td>"
        lines += "</tr>"
    return f'<div class="scroll"><table>{top}<thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table></div>'


def accuracy(report: Report) -> str:
    """Errors of every set beside what no model at all would reach."""
    tables = []
    for quantity, unit in SHOWN_UNITS.items():
        constant = "mean" if quantity == "energy" else "zero"
        rows = []
        for result in report.sets:
            errors = result.errors.get(quantity)
            if errors is not None:
                fit = None if errors.r2 is None else f"{errors.r2:.4f}"
                count = result.labelled[quantity]
                rows.append([result.title, count, errors.rmse, errors.mae, errors.max, fit, errors.baseline])
        head = ["Set", "Structures", "RMSE", "MAE", "largest", "R²", f"predict {constant}"]
        if rows:
            tables.append(table(head, rows, caption=f"{quantity.capitalize()}, {unit}", strong=2))
    if not tables:
        return ""
    return section(
        "Accuracy",
        "Root mean square, mean absolute and largest errors, and the share of the variance that is explained. The last "
        "column is the root mean square error of a model that predicts the mean energy, or no forces.",
        f'<div class="tables">{"".join(tables)}</div>',
    )


def shown(report: Report) -> list[SetResult]:
    """The sets to draw one by one; when there are too many for that, all of them as one."""
    labelled = [result for result in report.sets if result.errors]
    return labelled if len(labelled) <= MANY else [together(labelled, f"all {len(labelled)} sets")]


def parity(report: Report) -> str:
    """Prediction against label of every quantity and set."""
    panels = []
    for quantity, (unit, size) in AXES.items():
        for index, result in enumerate(shown(report)):
            compared = getattr(result, quantity)
            if compared is None:
                continue
            centre = compared.label.mean() if quantity == "energy" else 0.0
            panels.append(
                charts.parity(
                    f"parity-{quantity}-{index}",
                    f"{quantity.capitalize()}, {result.title}",
                    ((compared.label - centre) / size).ravel(),
                    ((compared.predicted - centre) / size).ravel(),
                    unit=unit,
                    note=f"RMSE {plain(result.errors[quantity].rmse)} {SHOWN_UNITS[quantity]}",
                )
            )
    words = (
        "Energies are counted from the mean label of their set. Forces are Cartesian components, in stronger colour "
        "where more of them fall."
    )
    return section("Prediction and label", words, figures(panels)) if panels else ""


def distributions(report: Report) -> str:
    """How the errors spread: a histogram for each quantity, a line a set."""
    panels = []
    for quantity, unit in SHOWN_UNITS.items():
        errors = {
            result.title: 1000 * compared.error.ravel()
            for result in shown(report)
            if (compared := getattr(result, quantity)) is not None
        }
        if errors:
            panels.append(charts.histogram(f"errors-{quantity}", f"{quantity.capitalize()} errors", errors, unit))
    sizes = {
        result.title: (np.linalg.norm(result.forces.label, axis=1), np.linalg.norm(result.forces.error, axis=1))
        for result in shown(report)
        if result.forces is not None
    }
    if sizes:
        panels.append(charts.error_by_size("errors-by-size", "Force error by size of the force", sizes))
    words = (
        "Predicted minus label; straight flanks on the logarithmic axis are heavier than those of a Gaussian. The last "
        "chart tells small from large forces: the root mean square length of the error of atoms with similar forces."
    )
    return section("Errors", words, figures(panels)) if panels else ""


def elements(report: Report) -> str:
    """Force error by element, as bars and as numbers."""
    errors = {
        result.title: {element: each.rmse for element, each in result.element_errors.items()}
        for result in shown(report)
        if result.element_errors
    }
    if not errors:
        return ""
    symbols = list(dict.fromkeys(symbol for by_element in errors.values() for symbol in by_element))
    rows = [[symbol, *(errors[name].get(symbol) for name in errors)] for symbol in symbols]
    numbers = table(["Element", *errors], rows)
    return section(
        "Error by element",
        "Root mean square force error of the atoms of one element, meV/Å.",
        f'<div class="side">{figures([charts.element_bars(errors)])}{numbers}</div>',
    )


def uncertainty(report: Report) -> str:
    """Whether predicted deviations tell the truth, where there are some."""
    panels, tables = [], []
    for quantity, unit in SHOWN_UNITS.items():
        curves = {result.title: found for result in shown(report) if (found := result.calibrations.get(quantity))}
        if not curves:
            continue
        name = quantity.capitalize()
        panels.append(charts.reliability(f"reliability-{quantity}", f"{name}, coverage", curves))
        panels.append(charts.error_by_deviation(f"deviation-{quantity}", f"{name}, error and deviation", curves, unit))
        rows = [
            [
                title,
                f"{100 * each.within(1.0):.0f} %",
                f"{100 * each.within(2.0):.0f} %",
                each.ratio,
                each.area,
                each.rank,
            ]
            for title, each in curves.items()
        ]
        head = ["Set", "within 1", "within 2", "error / deviation", "area", "rank"]
        tables.append(table(head, rows, caption=f"{name}: deviations and errors"))
    words = (
        "The share of errors within one and two predicted standard deviations (68 and 95 % when Gaussian), their root "
        "mean squares in units of each other, the miscalibration area between curve and diagonal, and the rank "
        "correlation of error and deviation. Curves below the diagonal are too sure of themselves."
    )
    if not panels:
        return ""
    return section("Uncertainty", words, figures(panels) + f'<div class="tables below">{"".join(tables)}</div>')


def learning(report: Report) -> str:
    """Curves of the training."""
    panels = charts.learning_curves(report.history)
    if not panels:
        return ""
    last = report.history[-1]
    seconds = f" in {plain(last['seconds'])} s" if "seconds" in last else ""
    words = f"{len(report.history)} epochs{seconds}. Every vertical axis is logarithmic."
    return section("Training", words, figures(panels))


def relaxation(report: Report) -> str:
    """The relaxation, step by step."""
    path = report.relaxation
    if path is None:
        return ""
    words = (
        f"{len(path.energy) - 1} steps lowered the energy by {plain(1000 * (path.energy[0] - path.energy[-1]))} meV "
        f"and the largest force from {plain(1000 * path.fmax[0])} to {plain(1000 * path.fmax[-1])} meV/Å"
        + ("." if path.converged else "; it did not reach its goal.")
    )
    return section("Relaxation", words, figures(charts.relaxation(path.energy, path.fmax)))


def dynamics(report: Report) -> str:
    """How well dynamics keeps the energy."""
    trace = report.dynamics
    if trace is None:
        return ""
    length, kelvin = (trace.time[-1] - trace.time[0]) / 1000, trace.temperature.mean()
    words = (
        f"{plain(length)} ps without a thermostat, at {plain(kelvin)} K on average. The total energy drifts by "
        f"{plain(1000 * trace.drift)} meV/atom per ps (slope of a straight line) and scatters by "
        f"{plain(1000 * trace.spread)} meV/atom about that line."
    )
    panels = charts.dynamics(trace.time, trace.potential, trace.kinetic, trace.temperature, trace.drift)
    return section("Molecular dynamics", words, figures(panels))
