"""Every Python block of the pages a newcomer reads must run as it stands, and every command must be one."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from intertwine.cli.main import app

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/ten-minutes.md", "docs/data.md", "docs/tensor-products.md", "docs/symmetry.md")


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), flags=re.S)


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = blocks(page)
    assert found, f"{page} shows no Python"
    names: dict[str, object] = {}
    for block in found:
        exec(compile(block, page, "exec"), names)


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md"])
def test_links_of_a_page_lead_somewhere(page):
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}, which is not there"


def commands(page: str) -> list[str]:
    """The calls of `intertwine` in blocks and in the text, without what the shell makes of `#` and `>`."""
    text = (ROOT / page).read_text()
    lines = [line for block in re.findall(r"```\w*\n(.*?)```", text, flags=re.S) for line in block.splitlines()]
    lines += re.findall(r"`(intertwine [^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    found = [re.split("[#>]", line)[0].strip() for line in lines]
    return [line for line in found if line.startswith("intertwine ") and " | " not in line and "..." not in line]


def require_command(line: str) -> None:
    """Refuse a verb that is not there, or an option that the verb does not take."""
    command, words = get_command(app), shlex.split(line)[1:]
    context = command.context_class(command)
    while hasattr(command, "commands") and not words[0].startswith("--"):
        name = words.pop(0)
        command = command.get_command(context, name)
        assert command is not None, f"`{line}`: there is no {name}"
        context = command.context_class(command, parent=context)
    command.make_parser(context).parse_args(words)


@pytest.mark.parametrize(
    "page", [str(path.relative_to(ROOT)) for path in (ROOT / "README.md", *ROOT.glob("docs/*.md"))]
)
def test_commands_of_a_page_are_verbs_with_options_that_they_take(page):
    for line in commands(page):
        require_command(line)


@pytest.mark.parametrize(
    "line", ["intertwine rlax here", "intertwine relax here --everyy", "intertwine data chek file"]
)
def test_a_command_that_is_not_there_is_noticed(line):
    with pytest.raises(Exception, match=r"rlax|everyy|chek"):
        require_command(line)
    assert len(commands("docs/dynamics.md")) > 8


def test_readme_shows_the_two_commands_first():
    lines = [line for line in (ROOT / "README.md").read_text().splitlines() if line.strip()]
    assert lines[2].startswith("make demo") and lines[3].startswith("make test")
