"""Threads of the command wait briefly; the user's own choice stays, and an import changes nothing."""

import os
import subprocess
import sys

import pytest

from intertwine.cli.waiting_threads import ASKED, SETTINGS, wait_briefly


@pytest.fixture
def fresh(monkeypatch):
    """A process that has not imported torch, with no setting of threads."""
    monkeypatch.setattr(sys, "modules", {name: module for name, module in sys.modules.items() if name != "torch"})
    for name in SETTINGS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_threads_wait_briefly(fresh):
    wait_briefly()
    assert os.environ["GOMP_SPINCOUNT"] == str(ASKED)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_choice_of_the_user_stays(fresh, monkeypatch, name):
    monkeypatch.setenv(name, "ACTIVE")
    wait_briefly()
    assert [os.environ.get(each) for each in SETTINGS] == ["ACTIVE" if each == name else None for each in SETTINGS]


def test_after_torch_nothing_is_set(fresh, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    wait_briefly()
    assert "GOMP_SPINCOUNT" not in os.environ


def test_importing_the_command_line_sets_nothing():
    code = "import os; before = dict(os.environ); import intertwine.cli.main; assert dict(os.environ) == before"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
