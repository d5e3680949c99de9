"""Calling the command line in this process, and what a refusal looks like."""

import re

from typer.testing import CliRunner, Result

from intertwine.cli.main import app


def call(*words: object) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="intertwine")


def refused(result: Result, *words: str, code: int = 3) -> None:
    """One line `error: ...` on stderr with these words, and the exit code."""
    assert result.exit_code == code, (result.stderr, result.exception)
    # progress comes after ten seconds, which a busy machine may need
    lines = [line for line in result.stderr.splitlines() if not re.match(r"(step )?\d+/\d+  ", line)]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: "), lines
    assert "Traceback" not in result.output
    for word in words:
        assert word in lines[0], (word, lines[0])
