"""The commands: `wsss --help`, or `python -m wsss --help`.

Each command imports what it needs when it runs, so that `--help` answers at once.
"""

import io
import logging
import os
import sys
from typing import Annotated, NoReturn

import typer

from wsss.cli import stages  # noqa: F401 - enters its commands, which `--help` lists in the order of imports

# isort: split
from wsss.cli import folders, notebooks, photographs  # noqa: F401 - likewise

# isort: split
from wsss.cli import exports, fetching  # noqa: F401 - likewise

# isort: split
from wsss.cli import bench, records, where  # noqa: F401 - likewise
from wsss.cli.application import app
from wsss.errors import WsssError, in_one_line
from wsss.machine.lazy import remedy
from wsss.machine.processes import connected, launched, lost_another, speaks
from wsss.paths import VERSION

__all__ = ["app", "main"]

SHARED = ("train", "cam", "crops", "pseudo", "segment", "predict", "evaluate", "results", "train-depth")
"""The commands that several processes may share."""


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"wsss {VERSION}")
        raise typer.Exit


@app.callback(help=app.info.help)
def _check_processes(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    name = context.invoked_subcommand
    if launched() > 1 and name not in SHARED:
        raise WsssError(
            f"{name} is done by one process. Make the stages with several (train, crops, pseudo, segment): it then "
            "finds them in the cache."
        )


def _debugging() -> bool:
    from wsss.checks import switched_on

    return switched_on("WSSS_DEBUG")


def _end(reason: object) -> NoReturn:
    """Say in one line why nothing more is done, and end."""
    typer.secho(f"error: {in_one_line(str(reason))}", fg=typer.colors.RED, err=True)
    if connected():  # torch's threads would have words of their own while Python ends in its usual way
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)
    sys.exit(1)


def main() -> None:
    """Run the command line; what users can mend is said in one line, without a traceback (`WSSS_DEBUG=1` shows it)."""
    logging.getLogger("papermill").setLevel(logging.ERROR)
    if isinstance(sys.stdout, io.TextIOWrapper):  # names, and signs of ours, that the terminal's encoding does not have
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if not speaks():
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends; the main process speaks for all
        app(prog_name="wsss")  # by `python -m wsss` too: completion goes by this name
    except WsssError as error:
        if _debugging():
            raise
        _end(error)
    except ImportError as error:
        told = remedy(error)
        if told is None or _debugging():
            raise
        _end(told)
    except OSError as error:  # a disk or a folder that fails where no reader or writer of ours expects it
        if _debugging() or isinstance(error, BrokenPipeError):
            raise
        place = f" {error.filename}" if error.filename else ""
        _end(f"cannot read or write{place}: {error.strerror or error}. Check the disk, free space and permissions.")
    except RuntimeError as error:
        if _debugging() or not lost_another(error):
            raise
        _end("another process of this run has stopped; its own message says why")
