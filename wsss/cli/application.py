"""The application, and what every command of it has: `--runs`, `--json`, `--quiet`, `--device`, and a last line."""

import inspect
import io
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from wsss.cli.adding import Command, adds
from wsss.cli.environment import environment
from wsss.cli.made import document
from wsss.paths import typed_path

__all__ = ["app"]

DeviceName = Literal["auto", "cpu", "cuda", "mps"]

_DEVICE: dict[str, tuple[Any, Any]] = {
    "device": (
        Annotated[
            DeviceName | None,
            typer.Option(help="What computes. Default: $WSSS_DEVICE, or auto.", rich_help_panel="Every command"),
        ],
        None,
    )
}
_WITHOUT_DEVICE = ("render", "fetch", "export-network", "report", "bench", "where")
"""Commands that compute with no network, or on the CPU alone."""

_SHARED: dict[str, tuple[Any, Any]] = {
    "runs": (
        Annotated[
            Path | None,
            typer.Option(
                help="Folder of runs: their records, figures and cache. Default: $WSSS_RUNS, or runs/ of the checkout, "
                "or of an installed package ./runs.",
                rich_help_panel="Every command",
            ),
        ],
        None,
    ),
    "as_json": (
        Annotated[
            bool,
            typer.Option(
                "--json",
                help="One JSON document on the standard output, with numbers and paths.",
                rich_help_panel="Every command",
            ),
        ],
        False,
    ),
    "quiet": (
        Annotated[
            bool,
            typer.Option("--quiet", "-q", help="No progress, and only the last line.", rich_help_panel="Every command"),
        ],
        False,
    ),
}


def _paragraphs(command: Command) -> str:
    """What a command's docstring says, each paragraph in one line: the width of a terminal breaks it."""
    return "\n\n".join(" ".join(each.split()) for each in (inspect.getdoc(command) or "").split("\n\n"))


class _Application(typer.Typer):
    """A command that is entered has the options that all of them share."""

    def command(self, name: str | None = None, **more: Any) -> Callable[[Any], Any]:
        enter_as = super().command

        def entered(command: Command) -> Command:
            enter = enter_as(name, help=_paragraphs(command), **more)
            called = name or command.__name__.replace("_", "-")
            shared = _SHARED if called in _WITHOUT_DEVICE else _DEVICE | _SHARED
            enter(adds(shared, lambda *given: _say(called, *given))(command))
            return command

        return entered


def _say(name: str, command: Command, chosen: dict[str, Any], given: dict[str, Any]) -> None:
    """Call a command and print what it made: its lines and where everything lies, the last line alone, or JSON."""
    as_json, quiet = chosen["as_json"], chosen["quiet"]
    runs = str(typed_path(chosen["runs"]).resolve()) if chosen["runs"] else None
    hidden = {"WSSS_HEADLESS": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"} if quiet else {}
    with environment(WSSS_RUNS=runs, WSSS_DEVICE=chosen.get("device"), **hidden):
        printed = io.StringIO()
        with redirect_stdout(printed if as_json or quiet else sys.stdout):
            made = command(**given)
            if made and (last := made.last_line()):
                typer.echo(last)
    lines = printed.getvalue().splitlines()
    if as_json:
        typer.echo(document(name, made, lines))
    elif quiet and lines:
        typer.echo(lines[-1])
    if made and made.code:
        raise typer.Exit(made.code)


app = _Application(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Weakly-supervised semantic segmentation via depth-guided class activation maps.",
)
