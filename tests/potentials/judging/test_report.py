"""The report page: its numbers, its structure always, and what a browser makes of it where there is one."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import molecule

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.judging.evaluate import compare
from intertwine.potentials.judging.page.charts import curve, learning_curves
from intertwine.potentials.judging.page.embedded import broad_side
from intertwine.potentials.judging.page.page import write_report
from intertwine.potentials.judging.report import (
    EnergyTrace,
    RelaxationPath,
    Report,
    Structure,
    plain,
)
from intertwine.potentials.judging.run_report import evaluation_report
from intertwine.potentials.judging.set_result import SetResult, readable, together
from intertwine.potentials.models.comparison import Comparison
from intertwine.potentials.models.saved import build_potential
from intertwine.potentials.structures.graph import GraphError

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--v=0"),
    *("--virtual-time-budget=9000", "--window-size=1200,900"),
]


def set_result(name: str, noise: float, structures: int = 30) -> SetResult:
    """Water-like sets with a known error: forces off by +-noise everywhere, energies by +-noise/10."""
    rng = np.random.default_rng(0)
    numbers = np.tile([8, 1, 1], structures)
    forces, energy = rng.normal(size=(len(numbers), 3)), rng.normal(size=structures)
    signs = np.where(rng.random(forces.shape) < 0.5, -1.0, 1.0)
    compared = Comparison(energy, energy + noise / 10), Comparison(forces, forces + noise * signs)
    return SetResult(name, structures, *compared, numbers=numbers, force_structures=structures)


@pytest.fixture(scope="module")
def report() -> Report:
    steps, time = np.arange(20.0), np.arange(0.0, 200.0)
    water = np.array([[0.0, 0.0, 0.0], [0.76, 0.59, 0.0], [-0.76, 0.59, 0.0]])
    wave = 0.01 * np.sin(time / 7)
    return Report(
        "Water </script><b>& more",
        configuration={"model": {"channels": 8}, "command": "train <x>"},
        history=[{"epoch": n, "seconds": 2.0 * n, "loss": 1 / n, "valid_force_rmse": 0.3 / n} for n in range(1, 9)],
        sets=[set_result("test_300K", 0.05), set_result("test_600K", 0.1, structures=300)],
        relaxation=RelaxationPath(np.exp(-steps), np.exp(-steps / 4)),
        dynamics=EnergyTrace(time, wave, 0.04 - wave + 2e-6 * time, 300 + 1000 * wave),
        structures=[Structure("water", np.array([8, 1, 1]), np.stack([water, 1.01 * water, 1.02 * water]))],
    )


@pytest.fixture(scope="module")
def page(report, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("report") / "new folder" / "report.html"
    write_report(path, report)
    return path


class Outline(HTMLParser):
    """Tags in order, ids, links, headings, table cells and the embedded JSON of a page; complains of bad nesting."""

    VOID = ("meta", "link", "input", "br", "img")

    def __init__(self, text: str):
        super().__init__()
        self.open, self.tags, self.ids, self.links, self.headings, self.cells, self.json = [], [], [], [], [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href", "action"):
                self.links.append(value)
        if tag not in self.VOID:
            self.open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop()[0] == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        tag, attrs = self.open[-1] if self.open else ("", {})
        if tag in ("h1", "h2"):
            self.headings.append(data)
        if tag in ("td", "th"):
            self.cells.append(data)
        if attrs.get("type") == "application/json":
            self.json += data


def test_metrics_are_the_known_errors_beside_their_baselines():
    result = set_result("test_300K", 0.05)
    metrics = result.metrics
    assert metrics["force_rmse"] == pytest.approx(50.0) == metrics["force_mae"]
    assert metrics["energy_rmse"] == pytest.approx(5.0)
    assert metrics["force_rmse_predict_zero"] == pytest.approx(1000 * np.sqrt((result.forces.label**2).mean()))
    assert metrics["energy_rmse_predict_mean"] == pytest.approx(1000 * result.energy.label.std())
    assert list(result.element_errors) == ["H", "O"]


def test_drift_is_the_slope_of_the_total_energy_and_not_of_its_parts(report):
    assert report.dynamics.drift == pytest.approx(2e-3)  # 2e-6 eV/atom a fs
    assert report.dynamics.spread == pytest.approx(0.0, abs=1e-12)
    rising = EnergyTrace(*(np.arange(10.0), np.arange(10.0), -np.arange(10.0), np.full(10, 300.0)))
    assert rising.drift == pytest.approx(0.0, abs=1e-12)


def test_summary_says_the_result_in_words(report):
    assert re.fullmatch(
        r"Force error at 300 K: 50\.0 meV/Å, \d\d times better than predicting zero\.", report.summary[0]
    )
    assert "Relaxed in 19 steps" in report.summary[2]
    assert "2.00 meV/atom per ps" in report.summary[3]
    worse = Report("x", sets=[set_result("test_300K", 5.0)])
    assert worse.summary == ["Force error at 300 K: 5000 meV/Å."]
    assert Report("x", sets=[set_result("all", 5.0)]).summary == ["Force error: 5000 meV/Å."]
    rows = [{"epoch": n, "valid_loss": abs(n - 2.0), "valid_forces_rmse": n / 10} for n in (1, 2, 3)]
    assert Report("x", history=rows).summary == [
        "Errors on the validation frames: 200 meV/Å, at best, in epoch 2 of 3."
    ]


def test_names_and_numbers_are_written_for_readers():
    assert [readable(n) for n in ("test_300K", "test_1200K", "heldout_block", "test_CaK")] == [
        "300 K",
        "1200 K",
        "heldout block",
        "CaK",
    ]
    assert [plain(v) for v in (0.0, 1234.5, 45.24, 0.012345, -3.456)] == ["0", "1234", "45.2", "0.0123", "-3.46"]


def test_page_is_whole_and_asks_for_nothing_from_elsewhere(page):
    text = page.read_text("utf-8")
    outline = Outline(text)
    assert outline.headings[1:] == [
        *("Accuracy", "Prediction and label", "Errors", "Error by element", "Training", "Relaxation"),
        *("Molecular dynamics", "Configuration"),
    ]
    assert outline.tags.count("svg") == 4 + 3 + 1 + 2 + 2 + 3
    assert len(outline.ids) == len(set(outline.ids))
    assert all(link.startswith(("#", "data:")) for link in outline.links)
    references = set(re.findall(r"url\(#([^)]+)\)", text)) | {link[1:] for link in outline.links if link[0] == "#"}
    assert references <= set(outline.ids)
    assert not re.search(r"(?:@import|url\(['\"]?http|fetch\(|XMLHttpRequest|WebSocket)", text)
    assert "</script><b>" not in text and "train <x>" not in text
    assert len(text) < 1_200_000


def test_every_number_of_the_tables_stands_in_the_json(page, report):
    outline = Outline(page.read_text("utf-8"))
    data = json.loads(outline.json)
    assert data["summary"] == report.summary and data["title"] == report.title
    numbers = [value for result in data["sets"] for value in result.values() if isinstance(value, float)]
    numbers += [each["force_rmse"] for result in data["sets"] for each in result["elements"].values()]
    fits = {f"{result[name]:.4f}" for result in data["sets"] for name in ("energy_r2", "force_r2")}
    written = {plain(value) for value in numbers} | {str(result["structures"]) for result in data["sets"]}
    shown = [cell for cell in outline.cells if re.fullmatch(r"-?\d+(\.\d+)?", cell)]
    assert len(shown) == 2 * 2 * 6 + 2 * 2 + 1 and set(shown) <= written | fits | {"8"}
    assert data["structures"][0]["bonds"] == [[0, 1], [0, 2]]


def test_axes_carry_units_and_words_stay_text(page):
    text = page.read_text("utf-8")
    for label in ("label (meV/atom)", "label (eV/Å)", "force RMSE (meV/Å)", "epoch", "time (fs)", "temperature (K)"):
        assert f">{label}</text>" in text, label


def test_mean_squares_are_drawn_as_roots_and_zeros_not_at_all():
    history = [
        {"epoch": n, "energy_mse": 4e-6 * n**2, "valid_energy_rmse": 2e-3 * n, "stress_mse": 0.0} for n in (1, 2)
    ]
    for key in ("energy_mse", "valid_energy_rmse"):
        np.testing.assert_allclose(curve(history, key, 1000.0), [(1, 2.0), (2, 4.0)])
    (panel,) = learning_curves(history)
    assert ">energy rmse</text>" in panel.svg and ">valid energy rmse</text>" in panel.svg


def test_colours_follow_the_scheme_of_the_page(page):
    svg = " ".join(re.findall(r"<svg.*?</svg>", page.read_text("utf-8"), flags=re.DOTALL))
    assert "var(--ink)" in svg and "var(--series-0)" in svg
    assert not re.search(r"#[12]0000\d", svg)
    assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) <= {"#000000"}  # matplotlib's default under a hidden mark


@pytest.mark.parametrize("part", ["relaxation", "dynamics", "sets", "history", "structures", "configuration"])
def test_a_part_alone_makes_a_page_without_the_other_sections(report, tmp_path, part):
    write_report(tmp_path / "page.html", Report("One part", **{part: getattr(report, part)}))
    outline = Outline((tmp_path / "page.html").read_text("utf-8"))
    sections = {"sets": 4, "structures": 0}
    assert outline.tags.count("section") == sections.get(part, 1)
    assert outline.tags.count("canvas") == (part == "structures")


def test_same_report_gives_the_same_page(page, report, tmp_path):
    write_report(tmp_path / "again.html", report)
    assert (tmp_path / "again.html").read_text("utf-8") == page.read_text("utf-8")


def test_numbers_that_are_not_finite_are_refused_by_name():
    with pytest.raises(GraphError, match=r"fmax of the relaxation holds a number that is not finite"):
        RelaxationPath(np.array([1.0, 2.0]), np.array([1.0, np.nan]))
    with pytest.raises(GraphError, match="label is empty"):
        Comparison(np.zeros(0), np.zeros(0))
    with pytest.raises(GraphError, match="predicted holds a number that is not finite"):
        Comparison(np.zeros(2), np.array([1.0, np.nan]))


def test_many_sets_are_drawn_as_one_and_listed_one_by_one(tmp_path):
    results = [set_result(f"set_{index}", 0.01 * (index + 1)) for index in range(9)]
    write_report(tmp_path / "page.html", Report("Many", sets=results))
    outline = Outline((tmp_path / "page.html").read_text("utf-8"))
    assert outline.tags.count("svg") == 2 + 3 + 1
    assert sum(cell.startswith("set ") for cell in outline.cells) == 2 * 9
    whole = together(results, "all")
    mean = np.sqrt(np.mean([result.metrics["force_rmse"] ** 2 for result in results]))
    assert whole.metrics["force_rmse"] == pytest.approx(mean) and whole.structures == 270


def test_a_set_with_a_stress_alone_has_its_own_sentence_table_and_charts(tmp_path):
    label = np.random.default_rng(0).normal(size=(12, 3, 3)) / 100
    result = SetResult("strained", 12, None, None, Comparison(label, label + 0.001))
    report = Report("Stress", sets=[result, SetResult("bare", 3, None, None)])
    assert report.summary == ["Stress error at strained: 1.00 meV/Å³, 9.6 times better than predicting zero."]
    write_report(tmp_path / "page.html", report)
    text = (tmp_path / "page.html").read_text("utf-8")
    assert "Stress, meV/Å³" in text and "label (meV/Å³)" in text and "Error by element" not in text


def test_broad_side_is_a_rotation_that_lays_the_long_axis_to_the_right():
    offsets = np.random.default_rng(1).normal(size=(12, 3)) * [0.3, 5.0, 1.0]
    turn = broad_side(offsets)
    assert np.allclose(turn @ turn.T, np.eye(3)) and np.linalg.det(turn) == pytest.approx(1.0)
    spread = ((offsets - offsets.mean(axis=0)) @ turn.T).std(axis=0)
    assert spread[0] == max(spread)
    for few in (np.zeros((1, 3)), np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]])):
        assert np.linalg.det(broad_side(few)) == pytest.approx(1.0)


# Headless browsers draw frames when they please: here by their virtual clock, which depends on nothing else.
FRAMES = "<script>window.requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now()), 16);</script>"
PROBE = """<script>
addEventListener("load", () => {
  const canvas = document.querySelector("canvas"), picture = () => canvas.toDataURL();
  const charts = [...document.querySelectorAll("svg")];
  const told = {
    widths: charts.map((svg) => svg.getBoundingClientRect().width),
    marks: charts.map((svg) => svg.querySelectorAll("path, use, image").length),
    overflow: document.documentElement.scrollWidth - innerWidth,
  };
  const drag = (type, x) => canvas.dispatchEvent(
    new PointerEvent(type, { pointerId: 1, clientX: x, clientY: 100, bubbles: true }));
  canvas.setPointerCapture = () => {};
  const start = picture();
  drag("pointerdown", 100); drag("pointermove", 160); drag("pointerup", 160);
  const until = (holds, then) => { if (holds()) then(); else setTimeout(() => until(holds, then), 50); };
  until(() => picture() !== start, () => {
    told.turned = picture() !== start;
    const count = () => document.querySelector('[data-part="count"]').textContent;
    document.querySelector('[data-part="play"]').click();
    until(() => /^frame [23]/.test(count()), () => {
      told.played = count();
      document.body.dataset.told = JSON.stringify(told);
    });
  });
});
</script>"""


def opened(page: Path, profile: Path) -> tuple[str, list[str]]:
    """The page after its scripts ran, and what the browser complained of."""
    command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(
    BROWSER is None, reason="no chromium or google-chrome on PATH: the page was only parsed, not opened"
)
def test_page_opens_in_a_browser_without_complaint_and_draws_turns_and_plays(page, tmp_path):
    probed = tmp_path / "probed.html"
    text = page.read_text("utf-8").replace("<head>", "<head>" + FRAMES, 1).replace("</body>", PROBE + "</body>")
    probed.write_text(text, "utf-8")
    dom, complaints = opened(probed, tmp_path / "profile")
    assert complaints == []
    assert re.search(r'<html[^>]*data-ready="yes"', dom)
    assert int(re.search(r'data-drawn="(\d+)"', dom)[1]) > 1000
    told = json.loads(re.search(r'data-told="([^"]*)"', dom)[1].replace("&quot;", '"'))
    assert len(told["widths"]) == 15 and min(told["widths"]) > 200 and min(told["marks"]) > 10
    assert told["overflow"] <= 0
    assert told["turned"]
    assert re.fullmatch(r"frame [23] of 3", told["played"])


@pytest.mark.skipif(
    BROWSER is None, reason="no chromium or google-chrome on PATH: the page was only parsed, not opened"
)
def test_the_browser_check_notices_a_broken_script(page, tmp_path):
    broken = tmp_path / "broken.html"
    broken.write_text(page.read_text("utf-8").replace("show(0);", "show(99);"), "utf-8")
    dom, complaints = opened(broken, tmp_path / "profile")
    assert complaints and "data-ready" not in dom.split("<body>")[0]


def test_the_page_of_an_evaluation_shows_the_worst_structures_first():
    choices = {"species": [1, 8], "cutoff": 3.0, "channels": 2, "layers": 1, "edge_degree": 1, "radial_hidden": [4]}
    potential = build_potential("nequip", choices, {1: 0.0, 8: 0.0}, seed=0)
    graphs = []
    for size in (0.1, 3.0, 1.0):
        water = from_atoms(molecule("H2O"))
        forces = torch.zeros_like(water.positions)
        forces[0, 0] = 1000 * size
        graphs.append(replace(water, forces=forces))
    found = compare(potential, graphs)
    report = evaluation_report("Water", found, found.sets(["x"] * 3), configuration={})
    errors = [float(structure.name.split()[2]) for structure in report.structures]
    assert errors == pytest.approx([3e6, 1e6, 1e5], rel=0.01)
