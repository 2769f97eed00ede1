"""What messages, pages and docstrings tell people to type exists: commands, their options, targets of make, variables."""

import re
from pathlib import Path

import pytest
import typer

from wsss import cli

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
OPTIONS = {
    option
    for command in COMMANDS.values()
    for param in command.params
    for option in (*param.opts, *param.secondary_opts)
} | {option for param in typer.main.get_command(cli.app).params for option in param.opts}
COMMAND = r"""(?:^\s*|`|f"|-m )wsss (?=[a-z])"""
"""What stands before the name of a command: in a block of code, between backticks, in a string, behind a launcher."""

FOREIGN = {
    # of torchrun, accelerate and pip
    "--nproc-per-node", "--nnodes", "--node-rank", "--rdzv-backend", "--rdzv-endpoint", "--standalone", "--multi_gpu",
    "--num_processes", "--help", "--index-url",
    "--no-merges",  # of git
    "--dist",  # of pytest-xdist
    "--partial", "--base-url", "--without",  # of .ci/release.py
}  # fmt: skip
CODE = sorted(ROOT.glob("wsss/**/*.py"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("notebooks/*.ipynb"))]
FOREIGN_FILES = {"notebooks.py", "provenance.py", "checked.py"}  # they call papermill and git


def lines_of(path: Path) -> list[str]:
    """The lines of a file; what continues after a backslash is one line."""
    return path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()


@pytest.mark.parametrize("path", [*CODE, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_named_exists(path: Path) -> None:
    """Every option behind a command is one of that command's; every other option is one of some command's."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    missing = []
    for line in lines_of(path):
        for target in re.findall(r"`make ([a-z][a-z-]*)", line):
            missing += [] if target in targets else [f"make {target}"]
        for name, rest in re.findall(rf"{COMMAND}([a-z][a-z-]*)([^`#]*)", line):
            command = COMMANDS.get(name)
            known = {option for param in command.params for option in param.opts} if command else set()
            used = re.findall(r"(?<![\w-])--[a-z][\w-]*", re.split(COMMAND, rest)[0])
            missing += (
                [f"{name} {option}" for option in used if option not in known | {"--help"}] if command else [name]
            )
        if path.name not in FOREIGN_FILES:
            used = re.findall(r"(?<![\w-])--[a-z][\w-]*", line)
            missing += [option for option in used if option not in OPTIONS | FOREIGN]
    assert missing == []


def test_commands_are_found() -> None:
    named = {
        name for path in (*CODE, *PAGES) for line in lines_of(path) for name in re.findall(rf"{COMMAND}([a-z-]+)", line)
    }
    assert named >= {"run", "train", "crops", "pseudo", "segment", "predict", "export", "evaluate", "rerun", "results"}
    assert named <= set(COMMANDS)


def test_the_page_of_the_command_line_has_every_command() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"`{name}`" not in page] == []


def test_the_script_is_what_people_are_told_to_type() -> None:
    """`python -m wsss` works as well, and is said in the pages on the command line alone."""
    told = [path.name for path in (*CODE, *PAGES) for line in lines_of(path) if "python -m wsss" in line]
    assert set(told) <= {"__main__.py", "__init__.py", "command-line.md", "performance.md", "same_scene.py"}


def test_something_is_looked_for() -> None:
    named = {option for path in (*CODE, *PAGES) for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", path.read_text())}
    assert named >= {
        "--weights",
        "--batch-size",
        "--depth-kind",
        "--classes",
        "--device",
        "--methods",
        "--on-error",
        "--out",
    }
