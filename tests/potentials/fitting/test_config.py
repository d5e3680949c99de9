"""Configuration files: what is written is what is run, and every fault is one line with its place and remedy."""

import inspect
from pathlib import Path

import pytest

from intertwine.potentials.fitting.config import DataConfig, FitConfig, ModelConfig
from intertwine.potentials.fitting.config_file import (
    Change,
    ConfigError,
    compose_config,
    example,
    load_config,
    read_change,
    write_config,
)
from intertwine.potentials.models.models import MODELS

GOOD = """\
version: 1
data:
  train: train.extxyz
  valid: 0.2
model:
  cutoff: 4.5
  channels: 32
train:
  learning_rate: 1e-3
  loss: {energy: 1, forces: 100}
seed: 7
"""


def load(text: str, folder: Path) -> FitConfig:
    (folder / "config.yaml").write_bytes(text.encode())
    return load_config(folder / "config.yaml")


def test_values_arrive_and_the_rest_are_defaults(tmp_path):
    config = load(GOOD, tmp_path)
    assert (config.data.valid, config.model.cutoff, config.train.learning_rate) == (0.2, 4.5, 1e-3)
    assert config.train.loss.forces == 100.0
    assert config.train.epochs == FitConfig(version=1, data=DataConfig(train="x")).train.epochs
    plan = config.plan()
    assert (plan.learning_rate, plan.seed, plan.ema_decay) == (1e-3, 7, 0.99)


def test_the_example_shows_every_key_with_its_default(tmp_path):
    assert load(example(), tmp_path) == FitConfig(version=1, data=DataConfig(train="train.extxyz"))
    import yaml

    def keys(section: dict) -> set:
        return {
            (name, *rest)
            for name, value in section.items()
            for rest in (keys(value) if isinstance(value, dict) else {()})
        }

    assert keys(yaml.safe_load(example())) == keys(FitConfig(version=1, data=DataConfig(train="x")).model_dump())


def test_a_file_can_validate_on_another_file(tmp_path):
    assert load(GOOD.replace("valid: 0.2", "valid: other.extxyz"), tmp_path).data.valid == "other.extxyz"


FAULTS = {
    "misspelt": (GOOD.replace("cutoff", "cutof"), 'line 6: model has no "cutof". Did you mean "cutoff"?'),
    "misspelt section": (GOOD.replace("model:", "modle:"), 'line 5: the file has no "modle". Did you mean "model"?'),
    "deep": (GOOD.replace("forces: 100", "force: 100"), 'line 10: train.loss has no "force". Did you mean "forces"?'),
    "far from any": (GOOD.replace("cutoff", "zzz"), 'line 6: model has no "zzz". It may have kind, cutoff,'),
    "missing key": ("version: 1\ndata:\n  valid: 0.1\n", 'line 2: data needs "train", a file with the frames'),
    "missing section": ("version: 1\n", 'the file needs "data"'),
    "version": (GOOD.replace("version: 1", "version: 2"), "line 1: version is 2: expected 1."),
    "text for a number": (GOOD.replace("32", "many"), "line 7: model.channels is 'many': expected a valid integer"),
    "fraction for a count": (GOOD.replace("32", "32.5"), "line 7: model.channels is 32.5: expected a valid integer"),
    "negative": (GOOD.replace("4.5", "-4.5"), "line 6: model.cutoff is -4.5: expected greater than 0."),
    "nan": (GOOD.replace("4.5", ".nan"), "line 6: model.cutoff is nan: expected a finite number."),
    "inf": (GOOD.replace("1e-3", ".inf"), "line 9: train.learning_rate is inf: expected a finite number."),
    "boolean": (GOOD.replace("4.5", "yes"), "line 6: model.cutoff is True: true, false,"),
    "fraction": (GOOD.replace("0.2", "1.5"), "line 4: data.valid is 1.5: expected a fraction between 0 and 1"),
    "choice": (GOOD + "dtype: float16\n", "line 12: dtype is 'float16': expected 'float32' or 'float64'."),
    "empty value": (GOOD.replace("4.5", ""), "line 6: model.cutoff is empty: expected a valid number."),
    "list for text": (
        GOOD.replace("train.extxyz", "[a, b]"),
        "line 3: data.train is ['a', 'b']: expected a valid string.",
    ),
    "list for fraction": (GOOD.replace("0.2", "[1]"), "line 4: data.valid is [1]: expected a valid"),
    "section as number": (
        GOOD.replace("{energy: 1, forces: 100}", "3"),
        "line 10: train.loss is 3: expected a section with energy",
    ),
    "irreps": (GOOD.replace("channels: 32", "hidden: 1x"), "line 7: model.hidden is '1x':"),
    "entry of a list": (
        GOOD.replace("channels: 32", "radial_hidden:\n    - 64\n    - no"),
        "line 9: model.radial_hidden.1 is",
    ),
    "twice": (GOOD.replace("channels: 32", "cutoff: 5"), 'line 7: "cutoff" stands already in line 6.'),
    "section twice": (GOOD + "model: {}\n", 'line 12: "model" stands already in line 5.'),
    "tag": (GOOD.replace("4.5", "!!python/object/apply:os.system [ls]"), "line 6: the tag"),
    "own tag": (GOOD.replace("4.5", "!x 3"), "line 6: the tag !x"),
    "anchor": (GOOD.replace("4.5", "&a 4.5"), "line 6: anchors"),
    "merge": (GOOD.replace("  cutoff: 4.5", "  <<: {cutoff: 4.5}"), "line 6: keys are words"),
    "number as key": (GOOD + "3: 4\n", "line 12: keys are words"),
    "tab": ("version: 1\ndata:\n\ttrain: x\n", "line 3: not YAML"),
    "unclosed": ("version: 1\ndata: {train: x\n", "not YAML"),
    "two documents": (GOOD + "---\nversion: 1\n", "line 12: not YAML"),
    "deep nesting": ("[" * 100_000, "line 1: nested more than 20 levels deep"),
    "empty": ("", "is empty"),
    "comment only": ("# nothing\n", "is empty"),
    "a word": ("hello", "holds no sections"),
    "a list": ("- 1\n", "holds no sections"),
    "control character": ("version: 1\x07\n", "not YAML"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_one_line_with_its_place(name, tmp_path):
    text, words = FAULTS[name]
    with pytest.raises(ConfigError) as caught:
        load(text, tmp_path)
    message = str(caught.value)
    assert words in message
    assert message.startswith(str(tmp_path / "config.yaml"))
    assert "\n" not in message
    assert len(message) < 500


def test_several_faults_are_counted_and_the_first_line_comes_first(tmp_path):
    with pytest.raises(ConfigError, match=r"line 4: data.valid is 1.5: .*\(2 more after this one.\)"):
        load(GOOD.replace("0.2", "1.5").replace("cutoff", "cutof").replace("7", "-7"), tmp_path)


def test_files_that_are_no_text_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_config(tmp_path / "binary.yaml")
    (tmp_path / "large.yaml").write_text("#" * 2_000_000)
    with pytest.raises(ConfigError, match="too many"):
        load_config(tmp_path / "large.yaml")


@pytest.mark.parametrize("kind", MODELS)
def test_the_model_section_matches_the_constructor(kind):
    constructor = set(inspect.signature(MODELS[kind]).parameters) - {"species", "neighbors"}
    found = ModelConfig(kind=kind, channels=4).hyperparameters()
    assert set(found) == constructor
    assert ModelConfig(kind=kind, channels=4, repulsion="zbl").hyperparameters() == {**found, "repulsion": "zbl"}
    MODELS[kind](species=(1, 8), **found)


@pytest.mark.parametrize("kind", MODELS)
def test_keys_that_are_left_out_are_as_the_constructor_has_them(kind):
    found = ModelConfig(kind=kind).hyperparameters()
    parameters = inspect.signature(MODELS[kind]).parameters
    expected = {name: each.default for name, each in parameters.items() if each.default is not each.empty}
    found["radial_hidden"] = tuple(found.get("radial_hidden", ()))
    assert {name: found[name] for name in expected if name != "neighbors"} | {"neighbors": 16.0} == expected


@pytest.mark.parametrize("kind", MODELS)
def test_a_configuration_says_no_more_than_it_takes_to_make_it_again(kind):
    config = ModelConfig(kind=kind, channels=2)
    assert ModelConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("kind", "key", "hint"),
    [
        ("nequip", "correlation: 2", "mace does"),
        ("nequip", "contraction: gaunt", "mace does"),
        ("facet", "radial_hidden: [8]", "mace or nequip or tdn or escn"),
        ("escn", "tensor_product: cp", "mace or nequip or facet or tdn"),
        ("nequip", "heads: 2", "tdn does"),
        ("mace", "grid_hidden: 8", "facet does"),
    ],
)
def test_keys_of_another_model_are_refused(tmp_path, kind, key, hint):
    (tmp_path / "config.yaml").write_text(f"version: 1\ndata: {{train: x}}\nmodel: {{kind: {kind}, {key}}}\n")
    words = f"line 3: model is .*leave out {key.split(':')[0]}, which {kind} does not take .*{hint}"
    with pytest.raises(ConfigError, match=words) as caught:
        load_config(tmp_path / "config.yaml")
    assert "\n" not in str(caught.value)


def test_changes_from_the_command_line_go_before_the_file_and_make_sections(tmp_path):
    (tmp_path / "config.yaml").write_text(GOOD)
    changes = [read_change("train.loss.forces=7"), read_change("data.keys.energy=E"), read_change("model.layers=1.5")]
    with pytest.raises(ConfigError, match=r"^--set model.layers=1.5: model.layers is 1.5: expected") as caught:
        compose_config(FitConfig, tmp_path / "config.yaml", [*changes, Change(("seed",), -1, "--seed -1")])
    assert "(1 more after this one.)" in str(caught.value)
    config = compose_config(FitConfig, tmp_path / "config.yaml", changes[:2])
    assert (config.train.loss.forces, config.data.keys.energy, config.model.cutoff) == (7.0, "E", 4.5)
    alone = compose_config(FitConfig, None, [Change(("data", "train"), "a: b.xyz", "--train"), changes[0]])
    assert alone.data.train == "a: b.xyz" and alone.train.loss.forces == 7.0


CHANGES = {
    "misspelt": ("model.cutof=3", '--set model.cutof=3: model has no "cutof". Did you mean "cutoff"?'),
    "misspelt section": ("modle.cutoff=3", '--set modle.cutoff=3: the file has no "modle". Did you mean "model"?'),
    "no value": ("model.cutoff", "--set model.cutoff: expected KEY=VALUE"),
    "empty value": ("model.cutoff=", "--set model.cutoff=: model.cutoff is empty: expected a valid number."),
    "no section": ("seed.x=3", "--set seed.x=3: seed is 7 and no section."),
    "not YAML": ("model.hidden=[1", "--set model.hidden=[1 line 1: not YAML"),
    "tag": ("model.hidden=!!python/name:os.system", "the tag"),
    "anchor": ("model.hidden=&a 1", "anchors"),
    "bad key": ("a b=1", "expected KEY=VALUE"),
    "control character": ("a=\x1b[0m", r"--set 'a=\x1b[0m'"),
    "second stage too late": ("train.swa_start=100", "swa_start is 100, expected less than epochs, 100"),
    "logger": ("log=[cvs]", "log.0 is 'cvs': expected 'csv', 'tensorboard' or 'wandb'"),
    "head": ("heads.r2.trian=x", 'heads.r2 has no "trian". Did you mean "train"?'),
    "head without data": ("heads.r2={}", 'heads.r2 needs "train", a file with the frames'),
    "head called main": ("heads.main.train=x", "expected a name of letters, digits, - and _, other than main"),
    "nothing counts": (
        "train.loss={forces: 0, energy: 0}",
        "train.loss is {'forces': 0, 'energy': 0}: expected a weight",
    ),
    "later loss": ("train.swa_loss.force=1", 'train.swa_loss has no "force". Did you mean "forces"?'),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_faulty_change_is_one_line_that_shows_it(name, tmp_path):
    text, words = CHANGES[name]
    (tmp_path / "config.yaml").write_text(GOOD)
    with pytest.raises(ConfigError) as caught:
        compose_config(FitConfig, tmp_path / "config.yaml", [read_change(text)])
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_written_configuration_reads_back_the_same(tmp_path):
    words = [
        "data.train=x",
        "seed=3",
        "heads.r2.train=b",
        "log=[csv]",
        "train.swa_start=50",
        "train.learning_rate=1e-7",
    ]
    config = compose_config(FitConfig, None, [read_change(word) for word in words])
    for name in ("1e5", "010", "null", "yes", "1:30", "- a", "mit Umlaut ä", "a#b", "# c", "2024-01-01", ".5"):
        named = config.model_copy(update={"out": name})
        write_config(tmp_path / "config.yaml", named)
        assert load_config(tmp_path / "config.yaml") == named
