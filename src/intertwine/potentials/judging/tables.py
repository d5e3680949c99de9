"""Results of an evaluation as rows and as JSON, for programs; no group acts here."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from intertwine.potentials.judging.set_result import UNITS, SetResult
from intertwine.potentials.models.comparison import Errors

STATISTICS = tuple(field.name for field in fields(Errors))
COLUMNS = ("by", "set", "quantity", "unit", "element", "structures", *STATISTICS)


def csv_text(tables: Mapping[str, Sequence[SetResult]]) -> str:
    """A row for each way of dividing the structures, set, quantity and element, below a line of names.

    Element "all" is the whole set. The stress stands there twice, in meV/A^3 and in GPa. A statistic that does not
    exist is left empty.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for by, results in tables.items():
        for result in results:
            writer.writerows({"by": by, "set": result.name} | row for row in rows(result))
    return text.getvalue()


def rows(result: SetResult) -> Iterable[dict[str, Any]]:
    """The rows of one set."""
    for quantity, errors in result.errors.items():
        head = {"quantity": quantity, "unit": UNITS[quantity], "structures": result.labelled[quantity]}
        yield head | {"element": "all"} | asdict(errors)
        if quantity == "forces":
            yield from (head | {"element": name} | asdict(each) for name, each in result.element_errors.items())
        if quantity == "stress" and result.stress_errors_in_gigapascal is not None:
            yield head | {"element": "all", "unit": "GPa"} | asdict(result.stress_errors_in_gigapascal)


def as_json(tables: Mapping[str, Sequence[SetResult]], total: SetResult) -> dict[str, Any]:
    """All numbers by name: {"units", "total", "sets", and for each further division one more such table under "by"}."""
    first, *others = tables
    return {
        "units": dict(UNITS),
        "total": numbers(total),
        "sets": {result.name: numbers(result) for result in tables[first]},
        "by": {by: {result.name: numbers(result) for result in tables[by]} for by in others},
    }


def numbers(result: SetResult) -> dict[str, Any]:
    """The numbers of one set: `metrics`, how many structures have which label, and the forces of each element."""
    return {
        "structures": result.structures,
        "labelled": result.labelled,
        **result.metrics,
        "elements": {name: errors.named("force") for name, errors in result.element_errors.items()},
        "calibration": {name: each.numbers() for name, each in result.calibrations.items()},
    }
