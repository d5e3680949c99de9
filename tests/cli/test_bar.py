"""Progress of verbs: stages on a terminal, now and then a line in a log, nothing when quiet."""

import io
import sys

from intertwine.cli import bar as module
from intertwine.cli.bar import bar
from intertwine.training.progress import Bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def make_terminal(monkeypatch) -> Terminal:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    return terminal


def test_a_terminal_shows_every_stage(monkeypatch):
    terminal = make_terminal(monkeypatch)
    with bar() as show:
        for done in range(5):
            show(f"relax  energy {done}", done, 4)
        for done in range(3):
            show("dynamics  10 K", done, 2)
    text = terminal.getvalue()
    assert "4/4" in text and "relax  energy 4" in text
    assert "2/2" in text and "dynamics" in text


def test_a_training_bar_may_come_first(monkeypatch):
    terminal = make_terminal(monkeypatch)
    with bar() as show:
        training = Bar()
        training.start(epochs=1, steps=2, done=0)
        training.step(2, 0.1)
        training.close()
        show("evaluate", 1, 1)
    assert "training" in terminal.getvalue() and "evaluate" in terminal.getvalue()


def test_a_log_gets_a_line_now_and_then(capsys, monkeypatch):
    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    with bar() as show:
        for done in range(1, 5):
            show("relax", done, 4)
    assert capsys.readouterr().err == "2/4  relax\n4/4  relax\n"


def test_quiet_says_nothing(capsys):
    with bar(quiet=True) as show:
        show("relax", 1, 4)
    assert capsys.readouterr() == ("", "")
