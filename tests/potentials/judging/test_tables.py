"""Evaluations as CSV and JSON: every number is that of the sets, and what does not exist is absent."""

import csv
import io
import json

import numpy as np
import pytest

from intertwine.potentials.judging.set_result import SetResult, together
from intertwine.potentials.judging.tables import as_json, csv_text
from intertwine.potentials.models.comparison import Comparison


def results() -> list[SetResult]:
    """Two sets; the second has neither energies nor stresses."""
    rng = np.random.default_rng(0)

    def compared(*shape: int) -> Comparison:
        label = rng.normal(size=shape)
        return Comparison(label, label + 0.01 * rng.normal(size=shape))

    numbers = np.array([1, 1, 8] * 4)
    whole = SetResult("whole", 5, compared(4), compared(12, 3), compared(2, 3, 3), numbers, force_structures=4)
    return [whole, SetResult("part", 1, None, compared(3, 3), None, np.array([1, 1, 8]), force_structures=1)]


def test_errors_are_those_of_numpy():
    error, label = 1000 * results()[0].forces.error, 1000 * results()[0].forces.label
    found = results()[0].errors["forces"]
    assert found.rmse == pytest.approx(np.sqrt((error**2).mean())) and found.mae == pytest.approx(np.abs(error).mean())
    assert found.max == pytest.approx(np.abs(error).max()) and found.bias == pytest.approx(error.mean())
    assert found.q90 == pytest.approx(np.percentile(np.abs(error), 90)) and found.count == 36
    assert found.r2 == pytest.approx(1 - (error**2).sum() / ((label - label.mean()) ** 2).sum())
    assert found.relative == pytest.approx(100 * found.rmse / np.sqrt((label**2).mean()))


def test_a_constant_label_has_no_r2_and_no_relative_error():
    found = Comparison(np.zeros(3), np.full(3, 0.1)).errors()
    assert found.r2 is None and found.relative is None and found.rmse == pytest.approx(0.1)
    assert "x_r2" not in found.named("x")


def test_csv_has_a_row_for_each_set_quantity_and_element():
    rows = list(csv.DictReader(io.StringIO(csv_text({"group": results()}))))
    found = [(row["set"], row["quantity"], row["unit"], row["element"]) for row in rows]
    forces = [(name, "forces", "meV/A", element) for name in ("whole", "part") for element in ("all", "H", "O")]
    stress = [("whole", "stress", unit, "all") for unit in ("meV/A^3", "GPa")]
    assert found == [("whole", "energy", "meV/atom", "all"), *forces[:3], *stress, *forces[3:]]
    by_place = {place: row for place, row in zip(found, rows)}
    oxygen = by_place["whole", "forces", "meV/A", "O"]
    assert float(oxygen["rmse"]) == results()[0].element_errors["O"].rmse and int(oxygen["count"]) == 12
    gigapascal, milli = (float(by_place[place]["rmse"]) for place in stress[::-1])
    assert gigapascal == pytest.approx(0.1602177 * milli, rel=1e-6)


def test_json_holds_total_sets_and_further_divisions():
    total = together(results(), "total")
    found = json.loads(json.dumps(as_json({"group": results(), "file": results()[:1]}, total), allow_nan=False))
    assert list(found["sets"]) == ["whole", "part"] and list(found["by"]) == ["file"]
    assert found["by"]["file"]["whole"] == found["sets"]["whole"]
    assert found["sets"]["part"]["labelled"] == {"energy": 0, "forces": 1, "stress": 0}
    assert "energy_rmse" not in found["sets"]["part"] and "energy_rmse" in found["total"]
    assert found["sets"]["whole"]["elements"]["H"]["force_mae"] == results()[0].element_errors["H"].mae
