"""The charts of a report, one unit an axis: curves, parity, bars and traces. No group acts; errors are invariants."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from intertwine.potentials.judging.calibration import LEVELS, Calibration
from intertwine.potentials.judging.page.panel import INK, MUTED, SERIES, Panel, draw, log_axis

DENSE = 600  # more points than this are drawn as a density
DENSITY_COLOUR = "#0b6bb0"  # on white; page.css lightens pictures in the dark scheme
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), "-", "-")

CURVES = (
    ("loss", "Loss", "loss", 1.0),
    ("energy", "Energy error", "error (meV/atom)", 1000.0),
    ("force", "Force error", "error (meV/Å)", 1000.0),
    ("stress", "Stress error", "error (meV/Å³)", 1000.0),
)


def learning_curves(history: Sequence[Mapping[str, float | int]]) -> list[Panel]:
    """One panel for each unit: keys are sorted by the word "loss", "energy", "force" or "stress" in them.

    Mean squares (keys that end in "mse") are drawn as their roots, beside errors that are roots already.
    """
    panels, taken = [], {"epoch", "seconds"}
    for word, title, label, scale in CURVES:
        keys = [key for key in dict.fromkeys(key for row in history for key in row) if word in key and key not in taken]
        taken.update(keys)
        lines = {key: points for key in keys if (points := curve(history, key, scale))}
        if lines:
            panels.append(draw(f"curve-{word}", title, partial(curves, lines=lines, label=label)))
    return panels


def curve(history: Sequence[Mapping[str, float | int]], key: str, scale: float) -> list[tuple[float, float]]:
    """Epochs and positive values of one key, times `scale`; nothing for a key that is always zero."""
    power = 0.5 if key.endswith("mse") and not key.endswith("rmse") else 1.0
    return [(float(row["epoch"]), scale * row[key] ** power) for row in history if 0 < row.get(key, 0) < np.inf]


def curves(axes: Axes, lines: Mapping[str, Sequence[tuple[float, float]]], label: str) -> None:
    """Every key against the epoch, on a logarithmic axis."""
    for (key, points), colour, dash in zip(lines.items(), SERIES, DASHES):
        name = key.replace("mse", "rmse").replace("rrmse", "rmse").replace("_", " ")
        axes.plot(*zip(*points), color=colour, linestyle=dash, marker="o" if len(points) < 3 else None, label=name)
    log_axis(axes)
    axes.legend()
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)


def parity(
    name: str,
    title: str,
    label: Float[np.ndarray, "point"],
    predicted: Float[np.ndarray, "point"],
    *,
    unit: str,
    note: str,
) -> Panel:
    """Prediction against label on equal axes with the diagonal; many points are drawn as a density."""
    low, high = float(min(label.min(), predicted.min())), float(max(label.max(), predicted.max()))
    margin = 0.04 * (high - low) or 1.0
    span = (low - margin, high + margin)

    def plot(axes: Axes) -> None:
        axes.plot(span, span, color=MUTED, linewidth=0.8, zorder=1)
        if len(label) > DENSE:
            axes.imshow(density(label, predicted, span), origin="lower", extent=(*span, *span), zorder=2)
        else:
            axes.plot(label, predicted, "o", color=SERIES[0], markersize=3, alpha=0.5, markeredgewidth=0, zorder=2)
        axes.set(xlim=span, ylim=span, aspect="equal", xlabel=f"label ({unit})", ylabel=f"predicted ({unit})")
        axes.text(0.04, 0.96, note, transform=axes.transAxes, va="top", fontsize=9)

    return draw(name, title, plot, size=(3.4, 3.2))


def density(
    label: Float[np.ndarray, "point"], predicted: Float[np.ndarray, "point"], span: tuple[float, float], bins: int = 110
) -> Float[np.ndarray, "{bins} {bins} 4"]:
    """A picture whose opacity is the logarithm of the number of points: single outliers stay visible."""
    count = np.histogram2d(predicted, label, bins=bins, range=(span, span))[0]
    picture = np.zeros((bins, bins, 4))
    picture[..., :3] = to_rgb(DENSITY_COLOUR)
    picture[..., 3] = np.where(count > 0, 0.35 + 0.65 * np.log1p(count) / np.log1p(count.max()), 0.0)
    return picture


def histogram(name: str, title: str, errors: Mapping[str, Float[np.ndarray, "_"]], unit: str) -> Panel:
    """Share of the errors in each bin, a line a set, on a logarithmic axis; the outermost 0.2 % are left out."""
    reach = max(float(np.percentile(np.abs(values), 99.8)) for values in errors.values()) or 1.0
    edges = np.linspace(-reach, reach, 1 + min(60, max(10, int(max(map(len, errors.values())) ** 0.5))))

    def plot(axes: Axes) -> None:
        for (key, values), colour in zip(errors.items(), SERIES):
            share = 100 * np.histogram(values, edges)[0] / len(values)
            axes.stairs(np.where(share > 0, share, np.nan), edges, color=colour, label=key, baseline=None)
        log_axis(axes)
        axes.set(xlabel=f"error ({unit})", ylabel="share (%)", xlim=(-reach, reach))
        legend_above(axes)

    return draw(name, title, plot)


def error_by_size(
    name: str, title: str, sizes: Mapping[str, tuple[Float[np.ndarray, "node"], Float[np.ndarray, "node"]]]
) -> Panel:
    """Root mean square error of the forces in ten groups of equal number, against the size of the force, eV/A."""

    def plot(axes: Axes) -> None:
        for (key, (force, error)), colour, dash in zip(sizes.items(), SERIES, DASHES):
            order = np.array_split(force.argsort(), min(10, len(force)))
            middle = [float(np.median(force[group])) for group in order]
            length = [1000 * float(np.sqrt((error[group] ** 2).mean())) for group in order]
            axes.plot(middle, length, color=colour, linestyle=dash, marker="o", markersize=2.5, label=key)
        axes.set(xlabel="length of the force (eV/Å)", ylabel="error (meV/Å)", ylim=(0, None))
        legend_above(axes)

    return draw(name, title, plot)


def reliability(name: str, title: str, curves: Mapping[str, Calibration]) -> Panel:
    """Share of errors within each central interval against what a Gaussian has there; below the diagonal: too sure."""

    def plot(axes: Axes) -> None:
        axes.plot((0, 100), (0, 100), color=MUTED, linewidth=0.8)
        for (key, each), colour, dash in zip(curves.items(), SERIES, DASHES):
            axes.plot(100 * LEVELS, 100 * each.observed, color=colour, linestyle=dash, label=key)
        axes.set(xlabel="expected (%)", ylabel="observed (%)", xlim=(0, 100), ylim=(0, 100), aspect="equal")
        legend_above(axes)

    return draw(name, title, plot, size=(3.4, 3.4))


def error_by_deviation(name: str, title: str, curves: Mapping[str, Calibration], unit: str) -> Panel:
    """Error against predicted deviation, root mean squares of groups of equal number, with the diagonal."""

    def plot(axes: Axes) -> None:
        points = {key: each.bins() for key, each in curves.items()}
        values = np.concatenate([np.concatenate(pair) for pair in points.values()])
        span = (0.7 * values[values > 0].min(), 1.4 * values.max())
        axes.plot(span, span, color=MUTED, linewidth=0.8)
        for (key, (deviation, error)), colour in zip(points.items(), SERIES):
            axes.plot(deviation, error, "o-", color=colour, markersize=3, linewidth=0.9, label=key)
        axes.set(xlabel=f"predicted deviation ({unit})", ylabel=f"error ({unit})", xlim=span, ylim=span)
        log_axis(axes)
        log_axis(axes, along="x")
        legend_above(axes)

    return draw(name, title, plot, size=(3.4, 3.4))


def legend_above(axes: Axes) -> None:
    """A legend clear of the lines, in rows of two or three."""
    columns = 2 if len(axes.get_legend_handles_labels()[0]) in (2, 4) else 3
    axes.legend(ncols=columns, loc="lower left", bbox_to_anchor=(0, 1), handlelength=1.2)


def element_bars(errors: Mapping[str, Mapping[str, float]]) -> Panel:
    """Force error of every element, a bar for each set: errors[set][element] in meV/A."""
    elements = list(dict.fromkeys(element for by_element in errors.values() for element in by_element))
    width = 0.8 / len(errors)

    def plot(axes: Axes) -> None:
        for index, ((name, by_element), colour) in enumerate(zip(errors.items(), SERIES * len(errors))):
            places = np.arange(len(elements)) + (index - (len(errors) - 1) / 2) * width
            axes.bar(
                places, [by_element.get(element, 0.0) for element in elements], 0.9 * width, color=colour, label=name
            )
        axes.set_xticks(range(len(elements)), elements)
        axes.grid(axis="x", visible=False)
        axes.set_ylabel("force RMSE (meV/Å)")
        legend_above(axes)

    return draw("element-force", "Force error by element", plot, size=(max(3.7, 0.3 * len(elements) + 1), 2.6))


def relaxation(energy: Float[np.ndarray, "step"], fmax: Float[np.ndarray, "step"]) -> list[Panel]:
    """Energy above the last step, and the largest force, against the step."""

    def plot_energy(axes: Axes) -> None:
        axes.plot(1000 * (energy - energy[-1]), color=SERIES[0], marker="o", markersize=2.5)
        axes.set(xlabel="step", ylabel="energy above the last step (meV)")

    def plot_force(axes: Axes) -> None:
        axes.plot(1000 * fmax, color=SERIES[1], marker="o", markersize=2.5)
        if (fmax > 0).all():
            log_axis(axes)
        axes.set(xlabel="step", ylabel="largest force (meV/Å)")

    return [
        draw("relax-energy", "Energy along the relaxation", plot_energy),
        draw("relax-force", "Largest force along the relaxation", plot_force),
    ]


def dynamics(
    time: Float[np.ndarray, "step"],
    potential: Float[np.ndarray, "step"],
    kinetic: Float[np.ndarray, "step"],
    temperature: Float[np.ndarray, "step"],
    drift: float,
) -> list[Panel]:
    """How energy is exchanged, how well its total is kept, and the temperature.

    Energies in eV/atom, time in fs, temperature in K, drift in eV/atom/ps.
    """
    total = potential + kinetic

    def plot_exchange(axes: Axes) -> None:
        for (name, energy), colour in zip((("potential", potential), ("kinetic", kinetic), ("total", total)), SERIES):
            axes.plot(time, 1000 * (energy - energy[0]), color=colour, label=name, linewidth=1.0)
        axes.set(xlabel="time (fs)", ylabel="change (meV/atom)")
        legend_above(axes)

    def plot_total(axes: Axes) -> None:
        line = 1000 * drift * (time - time.mean()) / 1000 + 1000 * (total - total[0]).mean()
        axes.plot(time, 1000 * (total - total[0]), color=SERIES[2], linewidth=1.0)
        axes.plot(time, line, color=INK, linewidth=0.9, linestyle=DASHES[1], label="drift")
        axes.set(xlabel="time (fs)", ylabel="change (meV/atom)")
        axes.legend()

    def plot_temperature(axes: Axes) -> None:
        axes.plot(time, temperature, color=SERIES[3], linewidth=1.0)
        axes.axhline(temperature.mean(), color=MUTED, linewidth=0.8)
        axes.set(xlabel="time (fs)", ylabel="temperature (K)")

    return [
        draw("md-exchange", "Potential, kinetic and total energy", plot_exchange),
        draw("md-total", "Total energy", plot_total),
        draw("md-temperature", "Temperature", plot_temperature),
    ]
