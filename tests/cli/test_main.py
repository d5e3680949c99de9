"""The command line as a user meets it: fast help, clean errors, exit codes, tracebacks only for bugs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from calling import call

from intertwine.cli.boundary import CannotRun, exit_code, explain
from intertwine.cli.main import app

VERBS = ["demo", "train", "evaluate", "compress", "relax", "md", "phonons", "report", "data", "convert"]
VERBS += ["export", "reproduce", "bench", "doctor"]
VERBS += ["committee", "calibrate", "info", "finetune", "symmetry"]


def python(code: str, **rest) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, **rest)


def test_help_imports_nothing_heavy():
    done = python(
        "import sys\nfrom intertwine.cli.main import main\nsys.argv[1:] = ['--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'numpy', 'ase', 'pydantic', 'yaml', 'scipy', 'matplotlib', 'lightning_fabric'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "[]"
    assert all(verb in done.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", [*VERBS, "data label"])
def test_every_verb_explains_itself(verb):
    result = call(*verb.split(), "--help")
    assert result.exit_code == 0
    assert "Usage: intertwine" in result.stdout


def test_the_version_is_told():
    assert call("--version").stdout.startswith("intertwine 0.")


@pytest.mark.parametrize(
    "words", [["trane"], ["train", "--no-such-option"], ["relax", "only-one"], ["md", "a", "b", "--steps", "x"]]
)
def test_wrong_usage_has_code_2(words):
    result = call(*words)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_our_errors_are_told_from_others_without_importing_them():
    class GraphError(ValueError):
        __module__ = "intertwine.potentials.structures.graph"

    class Child(GraphError):
        __module__ = "somebody.elses"

    class NumericalError(ArithmeticError):
        __module__ = "intertwine.training.run"

    class NonFinite(GraphError, ArithmeticError):
        __module__ = "intertwine.potentials.models.potential"

    assert exit_code(GraphError("x")) == exit_code(Child("x")) == exit_code(CannotRun("x")) == 3
    assert exit_code(NumericalError("x")) == exit_code(NonFinite("x")) == 4
    assert exit_code(KeyboardInterrupt()) == 5
    assert exit_code(PermissionError(13, "Permission denied", "/there")) == 3
    for bug in (ValueError("x"), ZeroDivisionError("x"), RuntimeError("x"), OSError("x"), AssertionError("x")):
        assert exit_code(bug) is None
    assert explain(GraphError("a\nb  c")) == "a b c"
    assert explain(PermissionError(13, "Permission denied", "/there")) == "/there: Permission denied."


def test_the_names_of_our_errors_are_the_real_ones():
    from intertwine.o3.irreps import IrrepsError
    from intertwine.potentials.fitting.config_file import ConfigError
    from intertwine.potentials.structures.graph import GraphError
    from intertwine.training.checkpoint import CheckpointError
    from intertwine.training.interruption import Interrupted
    from intertwine.training.run import NumericalError

    for kind in (GraphError, CheckpointError, IrrepsError, ConfigError):
        assert exit_code(kind("x")) == 3
    assert exit_code(NumericalError("x")) == 4
    assert exit_code(Interrupted("x")) == 5


def test_a_bug_keeps_its_traceback():
    done = python(
        "import intertwine.cli.doctor as doctor\n"
        "def broken(): raise RuntimeError('a bug')\n"
        "doctor.examine = broken\n"
        "import sys\nfrom intertwine.cli.main import main\nsys.argv[1:] = ['doctor']\nmain()\n"
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "RuntimeError: a bug" in done.stderr


def test_control_c_is_one_line_and_code_5(monkeypatch):
    from intertwine.cli import doctor

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "examine", interrupted)
    result = call("doctor")
    assert result.exit_code == 5
    assert result.stderr == "interrupted: stopped by hand.\n"


def test_a_training_run_stopped_by_control_c_says_that_it_was_saved_and_resumes(workplace, tmp_path):
    text = (
        (workplace / "config.yaml")
        .read_text()
        .replace("epochs: 2", "epochs: 100000")
        .replace(str(workplace / "run"), str(tmp_path / "run"))
    )
    (tmp_path / "config.yaml").write_text(text)
    command = [
        sys.executable,
        "-c",
        "from intertwine.cli.main import main; main()",
        "train",
        str(tmp_path / "config.yaml"),
    ]
    run = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    give_up = time.monotonic() + 600
    try:
        while not (tmp_path / "run" / "history.json").exists() and run.poll() is None and time.monotonic() < give_up:
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=600)
    finally:
        run.kill()
    assert run.returncode == 5, errors
    last = errors.splitlines()[-1]
    assert last.startswith("interrupted: stopped after step")
    assert "checkpoint saved" in last
    assert "Traceback" not in errors
    (tmp_path / "config.yaml").write_text(text.replace("epochs: 100000", "epochs: 1"))
    result = call("train", tmp_path / "config.yaml", "--resume", "--quiet")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "run" / "potential").is_dir()


def test_the_doctor_finds_things_and_is_content():
    result = call("doctor")
    assert result.exit_code == 0
    for word in ("torch", "threads", "kernels", "safetensors", "browser", "disk", "labelling"):
        assert word in result.stdout


def test_the_doctor_says_what_to_install(monkeypatch):
    import importlib.util
    import shutil

    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = call("doctor")
    assert result.exit_code == 0
    assert 'pip install "intertwine[label]"' in result.stdout


def test_the_verbs_are_those_of_the_files():
    import intertwine.cli

    files = {path.stem for path in Path(intertwine.cli.__file__).parent.glob("*.py")}
    assert set(VERBS) <= files
    assert set(typer.main.get_command(app).commands) == set(VERBS)  # type: ignore[attr-defined]


@pytest.mark.parametrize("chosen", [None, "2"])
def test_linear_algebra_has_one_thread_unless_the_user_chose(chosen):
    code = (
        "import os, sys\nfrom intertwine.cli.main import main\n"
        "assert 'numpy' not in sys.modules\ntry:\n    main()\nfinally:\n    print(os.environ['OPENBLAS_NUM_THREADS'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    environment |= {"OPENBLAS_NUM_THREADS": chosen} if chosen else {}
    run = subprocess.run([sys.executable, "-c", code, "--version"], env=environment, capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == (chosen or "1"), run.stderr
