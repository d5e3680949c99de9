"""Training from flags alone, the lines it prints, and a run repeated from the configuration it left."""

import json
import warnings

import pytest
from calling import call, refused

from intertwine.cli.boundary import PACKAGE, warnings_in_a_line

TINY = ["channels=4", "hidden=0e", "edge_degree=1", "layers=1", "radial_count=3", "radial_hidden=[4]"]
TINY = [word for text in TINY for word in ("--set", f"model.{text}")]
FLAGS = ["--valid", 0.25, "--model", "nequip", "--cutoff", 4.5, "--epochs", 2, "--batch-size", 3, "--lr", 0.02, *TINY]
FLAGS += ["--minutes", 1000]


@pytest.fixture(scope="module")
def trained(workplace):
    out = workplace / "flags"
    result = call("train", "--train", workplace / "data.extxyz", *FLAGS, "--set", "train.loss.stress=1", "--out", out)
    assert result.exit_code == 0, (result.output, result.exception)
    return out, result


def test_flags_alone_train_and_say_what_they_train_on(trained):
    out, result = trained
    lines = result.stderr.splitlines()
    assert lines[0] == "data     6 train / 2 valid   Ar   energy, forces, stress"
    assert lines[1].startswith("checks   ok   energies of atoms   fitted: Ar   they leave ")
    assert lines[2].startswith("model    nequip   cutoff 4.5 A   ") and "weights   float32" in lines[2]
    assert lines[3].startswith("epoch 1/2") and "left" in lines[3]
    digest = json.loads((out / "potential" / "checkpoint.json").read_text())["sha256"]
    assert digest[:12] in result.stdout
    assert "max_seconds: 60000.0" in (out / "config.yaml").read_text()


def test_the_configuration_that_a_run_leaves_makes_the_same_potential_again(trained, tmp_path):
    out, _ = trained
    result = call("train", out / "config.yaml", "--out", tmp_path / "again", "--quiet")
    assert result.exit_code == 0, result.output
    first, second = ((each / "potential" / "tensors.safetensors").read_bytes() for each in (out, tmp_path / "again"))
    assert first == second


def test_a_run_is_not_overwritten_and_keeps_its_configuration(trained, workplace):
    out, _ = trained
    before = (out / "config.yaml").read_bytes()
    refused(call("train", "--train", workplace / "data.extxyz", "--out", out), "holds a run already")
    assert (out / "config.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--epochs", "0"], "--epochs 0: train.epochs is 0: expected greater than or equal to 1"),
        (["--model", "mase"], "--model mase: model.kind is 'mase'"),
        (["--valid", "2"], "--valid 2.0: data.valid is 2.0: expected a fraction between 0 and 1"),
        (["--set", "model.chanels=3"], 'model has no "chanels". Did you mean "channels"?'),
        (["--set", "train.swa_start=200"], "swa_start is 200"),
        (["--set", "log=[wandb]"], "wandb is not installed; pip install wandb"),
        (
            ["--set", "train.mixed_precision=true", "--dtype", "float64"],
            "train.mixed_precision goes with dtype float32",
        ),
    ],
)
def test_bad_flags_are_one_line_that_shows_the_flag(words, expected, workplace, tmp_path, monkeypatch):
    monkeypatch.setattr("intertwine.training.loggers.find_spec", lambda name: None)
    result = call("train", "--train", workplace / "data.extxyz", "--out", tmp_path / "run", "--quiet", *words)
    refused(result, expected)


def test_finetune_goes_on_from_a_potential_and_keeps_the_old_head(trained, workplace, tmp_path):
    from intertwine.potentials.models.saved import load

    out, _ = trained
    data = workplace / "data.extxyz"
    result = call(
        "finetune", out / "potential", "--train", data, "--replay", data, "--freeze", "embedding", "--epochs", 1,
        "--out", tmp_path / "tuned",
    )  # fmt: skip
    assert result.exit_code == 0, (result.output, result.exception)
    lines = result.stderr.splitlines()
    assert lines[0].endswith("head main") and lines[2].endswith("head replay") and "heads main, replay" in lines[4]
    assert set(load(tmp_path / "tuned" / "potential", head="replay").species) == {18}
    again = call("finetune", out / "potential", tmp_path / "tuned" / "config.yaml", "--out", tmp_path / "again", "-q")
    assert again.exit_code == 0, (again.output, again.exception)
    first, second = (
        (tmp_path / name / "potential" / "tensors.safetensors").read_bytes() for name in ("tuned", "again")
    )
    assert first == second


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "finetune needs --train FILE"),
        (["--train", "{}/nowhere.extxyz"], "nowhere.extxyz"),
        (["--train", "{}/data.extxyz", "--head", "pbe"], "there is no head 'pbe'; it has main"),
        (["--train", "{}/data.extxyz", "--freeze", "embed"], 'Did you mean "embedding"?'),
        (["--train", "{}/data.extxyz", "--set", "model.channels=3"], 'the file has no "model"'),
    ],
)
def test_bad_finetuning_is_one_line(words, expected, trained, workplace, tmp_path):
    out, _ = trained
    words = [word.replace("{}", str(workplace)) for word in words]
    refused(call("finetune", out / "potential", *words, "--out", tmp_path / "x", "--quiet"), expected)


@pytest.mark.filterwarnings("always")
def test_a_warning_of_ours_is_one_line_without_the_place_in_the_code(capsys):
    """The second comes from another package, and is shown as ever."""
    with warnings_in_a_line():
        for place in (PACKAGE / "potentials/fitting/fit.py", "/elsewhere/other.py"):
            warnings.warn_explicit("energies\nare not determined", UserWarning, str(place), 45)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 or "other.py" in lines[1]
    assert lines[0] == "warning: energies are not determined" and not any("fit.py" in line for line in lines)
