"""What a run shows: a line an epoch in logs, a bar on a terminal, nothing when asked."""

import io
import sys

from toy import TOY_PLAN, toy_collate, toy_items, toy_model, toy_objective, toy_validate

from intertwine.training.loop import fit
from intertwine.training.progress import Bar, Lines, Progress, Quiet, TimeLeft, make_progress


def shown(progress: Progress) -> None:
    fit(toy_model(), toy_objective, toy_items(), toy_collate, TOY_PLAN, validate=toy_validate, progress=progress)


def test_lines_show_every_epoch_with_its_numbers_and_the_time_left():
    stream = io.StringIO()
    shown(Lines(stream))
    lines = stream.getvalue().splitlines()
    assert len(lines) == TOY_PLAN.epochs
    assert lines[1].startswith("epoch 2/6  loss 0.")
    assert all(word in lines[1] for word in ["valid_loss", "lr", "left"])
    assert "absolute" in lines[0]
    assert "absolute" not in lines[1]


def test_lines_report_within_a_long_epoch():
    stream = io.StringIO()
    shown(Lines(stream, seconds_between=0.0))
    assert "step 3/30  loss" in stream.getvalue()


def test_time_left_is_that_of_the_steps_or_of_the_limit_whichever_is_less():
    clock = iter([0.0, 10.0, 20.0, 20.0, 70.0])
    left = TimeLeft(total=100, done=50, seconds=60.0, now=lambda: next(clock))
    assert [left(50), left(60), left(90), left(60)] == [50.0, 40.0, 5.0, 0.0]
    clock = iter([0.0, 10.0, 10.0])
    left = TimeLeft(total=100, done=0, seconds=None, now=lambda: next(clock))
    assert [left(0), left(10)] == [None, 90.0]


def test_lines_say_what_is_left_of_the_time_allowed():
    stream = io.StringIO()
    lines = Lines(stream)
    lines.start(epochs=10**6, steps=1, done=0, seconds=3000.0)
    lines.epoch({"epoch": 1, "step": 1, "seconds": 1.0, "learning_rate": 0.1, "loss": 0.5})
    assert "left 50:00" in stream.getvalue() or "left 49:" in stream.getvalue()


def test_quiet_says_nothing(capsys):
    shown(Quiet())
    shown(make_progress(quiet=True))
    assert capsys.readouterr() == ("", "")


def test_a_pipe_gets_lines(capsys):
    assert isinstance(make_progress(), Lines)
    shown(make_progress())
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == TOY_PLAN.epochs


def test_a_terminal_gets_a_bar_and_the_epoch_lines(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    bar = make_progress()
    assert isinstance(bar, Bar)
    shown(bar)
    text = sys.stderr.getvalue()
    assert "training" in text
    assert "6/6" in text or "30/30" in text
    assert sum("epoch" in line and "valid_loss" in line for line in text.splitlines()) == 3
