"""Every verb on a small real case, and every verb on bad input: one line, code 3."""

import json
import shutil

import pytest
import torch
from calling import call, refused
from damaged import damaged_copies

from intertwine.potentials.data.readers import read


def test_train_leaves_a_potential_and_a_history(workplace):
    assert (workplace / "run" / "potential" / "checkpoint.json").is_file()
    assert len(json.loads((workplace / "run" / "history.json").read_text())) == 2


def test_train_options_go_before_the_file(workplace, tmp_path):
    result = call("train", workplace / "config.yaml", "--quiet", "--out", tmp_path / "else", "--seed", 5)
    assert result.exit_code == 0, result.output
    assert str(tmp_path / "else" / "potential") in result.stdout.replace("\n", "")
    assert (tmp_path / "else" / "potential").is_dir()


def test_train_prints_an_example_that_it_reads(tmp_path):
    from intertwine.potentials.fitting.config_file import load_config

    result = call("train", "--example")
    assert result.exit_code == 0
    (tmp_path / "config.yaml").write_text(result.stdout)
    assert load_config(tmp_path / "config.yaml").version == 1


def test_evaluate_prints_a_row_a_set_and_writes_the_numbers(workplace, tmp_path):
    result = call("evaluate", workplace / "run/potential", workplace / "data.extxyz", "--json", tmp_path / "e.json")
    assert result.exit_code == 0, result.output
    assert "cold" in result.stdout and "hot" in result.stdout
    numbers = json.loads((tmp_path / "e.json").read_text())
    assert numbers["sets"]["cold"]["force_rmse"] > 0


def test_relax_writes_the_structure_and_its_path(workplace, tmp_path):
    result = call(
        "relax", workplace / "run/potential", workplace / "data.extxyz", "--frame", -1, "--fmax", 0.05, "--steps", 20,
        "--out", tmp_path / "end.extxyz", "--trajectory", tmp_path / "path.extxyz", "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "converged after" in result.stdout
    path = read(tmp_path / "path.extxyz")
    end = read(tmp_path / "end.extxyz")
    assert len(end) == 1
    assert torch.equal(path[-1].positions, end[0].positions)
    assert "nan" not in result.stdout


def test_md_tells_the_drift(workplace, tmp_path):
    result = call(
        "md", workplace / "run/potential", workplace / "data.extxyz", "--steps", 30, "--temperature", 20,
        "--trajectory", tmp_path / "run.extxyz",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "drift" in result.stdout and "fluctuation" in result.stdout
    assert len(read(tmp_path / "run.extxyz")) == 4


def test_report_writes_a_page(workplace, tmp_path):
    result = call("report", workplace / "run", "--data", workplace / "data.extxyz", "--out", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "page.html").read_text().lstrip().lower().startswith("<!doctype html")


POTENTIAL, DATA, RUN, CONFIG = "{}/run/potential", "{}/data.extxyz", "{}/run", "{}/config.yaml"

REFUSED = {
    "train without a file": (["train"], "needs a CONFIG"),
    "train, no such file": (["train", "{}/nowhere.yaml"], "no such file"),
    "train on data": (["train", DATA], "data.extxyz"),
    "train over a run": (["train", CONFIG], "holds a run already"),
    "train on a device that is not here": (["train", CONFIG, "--device", "tpu"], "--device tpu"),
    "evaluate without potential": (["evaluate", "{}/nowhere", DATA], "no such checkpoint folder"),
    "evaluate a training checkpoint": (["evaluate", "{}/run/checkpoints/step-00000006", DATA], 'expected "potential"'),
    "evaluate without data": (["evaluate", POTENTIAL, "{}/nowhere.extxyz"], "nowhere.extxyz"),
    "evaluate with a key that is not there": (["evaluate", POTENTIAL, DATA, "--energy-key", "enrgy"], "enrgy"),
    "evaluate into no folder": (["evaluate", POTENTIAL, DATA, "--json", "/nowhere/e.json"], "/nowhere/e.json"),
    "relax a frame that is not there": (["relax", POTENTIAL, DATA, "--frame", "99"], "there is no frame 99"),
    "relax into another format": (["relax", POTENTIAL, DATA, "--out", "x.cif"], "extxyz"),
    "relax text": (["relax", POTENTIAL, CONFIG], "config.yaml"),
    "md of gold": (["md", POTENTIAL, "{}/gold.extxyz"], "Au"),
    "md of atoms on each other": (["md", POTENTIAL, "{}/close.extxyz"], "close.extxyz"),
    "md into no folder": (["md", POTENTIAL, DATA, "--trajectory", "/nowhere/x.extxyz"], "no folder"),
    "report of nothing": (["report", "{}/nowhere"], "no such checkpoint folder"),
    "reproduce an unknown paper": (["reproduce", "gant"], "gaunt"),
    "reproduce with an unknown budget": (["reproduce", "gaunt", "--budget", "huge"], "huge"),
    "label nothing": (["data", "label", "x.extxyz"], "either --frames FILE or --smiles TEXT"),
    "label a file that is not there": (["data", "label", "x.extxyz", "--frames", "{}/nowhere.xyz"], "nowhere.xyz"),
    "label into another format": (["data", "label", "{}/x.cif", "--frames", DATA], "x.cif"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_line_and_code_3(case, workplace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (workplace / "gold.extxyz").write_text('1\nProperties=species:S:1:pos:R:3 pbc="F F F"\nAu 0 0 0\n')
    (workplace / "close.extxyz").write_text('2\nProperties=species:S:1:pos:R:3 pbc="F F F"\nAr 0 0 0\nAr 0 0 0.01\n')
    words, expected = REFUSED[case]
    refused(call(*(word.replace("{}", str(workplace)) for word in words)), expected)


def test_reproduce_without_a_paper_lists_all_with_their_budgets():
    listed = call("reproduce").output
    assert all(f"{name}: " in listed for name in ("gaunt", "apen", "facet")) and "small 4 minutes" in listed


def test_every_damage_to_a_potential_is_one_line_and_code_3(workplace, tmp_path):
    cases = damaged_copies(workplace / "run" / "potential", tmp_path, bits=8, cuts=3)
    count = 0
    for _, copy in cases:
        refused(call("evaluate", copy, workplace / "data.extxyz", "--quiet"), str(copy))
        count += 1
    assert count > 40


def test_a_run_with_a_damaged_checkpoint_does_not_resume(workplace, tmp_path):
    shutil.copytree(workplace / "run", tmp_path / "run")
    newest = max((tmp_path / "run" / "checkpoints").iterdir())
    raw = bytearray((newest / "tensors.safetensors").read_bytes())
    raw[-5] ^= 4
    (newest / "tensors.safetensors").write_bytes(raw)
    result = call("train", workplace / "config.yaml", "--resume", "--out", tmp_path / "run", "--quiet")
    refused(result, newest.name, "is damaged", "Delete")


def test_training_that_leaves_the_numbers_has_code_4(workplace, tmp_path):
    text = (
        (workplace / "config.yaml").read_text().replace("epochs: 2", "epochs: 2, learning_rate: 1e30, clip_norm: 1e30")
    )
    (tmp_path / "config.yaml").write_text(text)
    result = call("train", tmp_path / "config.yaml", "--out", tmp_path / "run", "--quiet")
    refused(result, "became", "learning rate", code=4)
