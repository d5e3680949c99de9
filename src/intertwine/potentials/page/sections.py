"""The sections of a report page: a sentence, charts and tables for each part of the report. No group acts here."""

import re
from collections.abc import Sequence
from html import escape

from intertwine.potentials.page import charts
from intertwine.potentials.page.panel import Panel
from intertwine.potentials.report import Report, plain


def section(title: str, words: str, content: str) -> str:
    """A heading, a sentence and what it is about."""
    return f"<section>\n<h2>{escape(title)}</h2>\n<p>{prose(words)}</p>\n{content}\n</section>"


def prose(words: str) -> str:
    """Text as HTML, in which a number and its unit stay on one line."""
    return re.sub(r"[-+\d.]+ (meV/(Å|atom per ps|atom)|meV|ps|K)\b", r'<span class="unit">\g<0></span>', escape(words))


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
    if not report.sets:
        return ""
    energies, forces = (
        [
            [result.title, len(result.energy), *(result.metrics[f"{kind}_{column}"] for column in columns)]
            for result in report.sets
        ]
        for kind, columns in (
            ("energy", ("rmse", "mae", "rmse_predict_mean")),
            ("force", ("rmse", "mae", "rmse_predict_zero")),
        )
    )
    return section(
        "Accuracy",
        "Root mean square and mean absolute errors. The last column is the root mean square error of a model that "
        "predicts the mean energy, or no forces.",
        '<div class="tables">'
        + table(["Set", "Structures", "RMSE", "MAE", "predict mean"], energies, caption="Energy, meV/atom", strong=2)
        + table(["Set", "Structures", "RMSE", "MAE", "predict zero"], forces, caption="Forces, meV/Å", strong=2)
        + "</div>",
    )


def parity(report: Report) -> str:
    """Prediction against label, energies and forces of every set."""
    panels = []
    for index, result in enumerate(report.sets):
        centre = result.energy.mean()
        panels.append(
            charts.parity(
                f"parity-energy-{index}",
                f"Energy, {result.title}",
                1000 * (result.energy - centre),
                1000 * (result.predicted_energy - centre),
                unit="meV/atom",
                note=f"RMSE {plain(result.metrics['energy_rmse'])} meV/atom",
            )
        )
    for index, result in enumerate(report.sets):
        panels.append(
            charts.parity(
                f"parity-force-{index}",
                f"Forces, {result.title}",
                result.forces.ravel(),
                result.predicted_forces.ravel(),
                unit="eV/Å",
                note=f"RMSE {plain(result.metrics['force_rmse'])} meV/Å",
            )
        )
    words = (
        "Energies are counted from the mean label of their set. Forces are Cartesian components, in stronger colour "
        "where more of them fall."
    )
    return section("Prediction and label", words, figures(panels)) if panels else ""


def elements(report: Report) -> str:
    """Force error by element, as bars and as numbers."""
    if not report.sets:
        return ""
    errors = {result.title: result.element_force_rmse for result in report.sets}
    symbols = list(dict.fromkeys(symbol for by_element in errors.values() for symbol in by_element))
    rows = [[symbol, *(errors[name].get(symbol) for name in errors)] for symbol in symbols]
    numbers = table(["Element", *errors], rows)
    return section(
        "Error by element",
        "Root mean square force error of the atoms of one element, meV/Å.",
        f'<div class="side">{figures([charts.element_bars(errors)])}{numbers}</div>',
    )


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
