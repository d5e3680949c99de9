"""A `Report` as one HTML page that fetches nothing: its frame, opening and configuration. No group acts here."""

from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from intertwine import __version__
from intertwine.potentials.judging.page.embedded import embedded
from intertwine.potentials.judging.page.sections import (
    accuracy,
    distributions,
    dynamics,
    elements,
    learning,
    parity,
    prose,
    relaxation,
    section,
    uncertainty,
)
from intertwine.potentials.judging.report import Report


def write_report(path: Path | str, report: Report) -> None:
    """Write the report as one self-contained page: no request leaves it, and its numbers stand in it as JSON.

    The page holds what the report holds except the single forces, which are drawn as densities.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(report), encoding="utf-8")


def render(report: Report) -> str:
    """The page as text."""
    here = files("intertwine.potentials.judging.page")
    parts = [opening(report), accuracy(report), parity(report), distributions(report)]
    parts += [
        elements(report),
        uncertainty(report),
        learning(report),
        relaxation(report),
        dynamics(report),
        configuration(report),
    ]
    return Template(here.joinpath("page.html").read_text("utf-8")).substitute(
        title=escape(report.title),
        version=__version__,
        css=here.joinpath("page.css").read_text("utf-8"),
        body="\n".join(part for part in parts if part),
        data=embedded(report),
        viewer=here.joinpath("viewer.js").read_text("utf-8"),
    )


def opening(report: Report) -> str:
    """The title, the result in words, and the structures."""
    sentences = "".join(f"<li>{prose(sentence)}</li>" for sentence in report.summary)
    words = f'<div><h1>{escape(report.title)}</h1><ul class="summary">{sentences}</ul></div>'
    if not report.structures:
        return f'<header class="opening">{words}</header>'
    options = "".join(f"<option>{escape(structure.name)}</option>" for structure in report.structures)
    alone = "" if len(report.structures) > 1 else " hidden"
    viewer = (
        '<figure class="viewer" id="viewer">'
        '<canvas tabindex="0" role="img" aria-label="structure in three dimensions"></canvas><div class="controls">'
        f'<select data-part="choice" aria-label="structure"{alone}>{options}</select>'
        '<button type="button" data-part="play">Play</button>'
        '<input type="range" min="0" value="0" data-part="frame" aria-label="frame">'
        '<output data-part="count"></output></div>'
        "<figcaption>Drag to turn, wheel or pinch to zoom, double-click to go back.</figcaption></figure>"
    )
    return f'<header class="opening with-viewer">{words}{viewer}</header>'


def configuration(report: Report) -> str:
    """What was run."""
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in flat(report.configuration)
        if value not in ("", "None")
    )
    words = "What was run."
    return section("Configuration", words, f'<table class="facts"><tbody>{rows}</tbody></table>') if rows else ""


def flat(values: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    """Nested mappings as dotted names with their values as text."""
    rows = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            rows += flat(value, f"{prefix}{name}.")
        else:
            rows.append(
                (f"{prefix}{name}", ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
            )
    return rows
