"""What the commands share: the application, and the options that several of them have."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wsss.checks import settings_of_environment
from wsss.cli.adding import Command, adds
from wsss.cli.application import app
from wsss.cli.environment import environment
from wsss.cli.made import Made
from wsss.cli.method_names import classes_of, methods_of, names_of
from wsss.cli.settings import layered, place_from, settings_of_file, settings_of_pairs
from wsss.errors import WsssError

if TYPE_CHECKING:
    from wsss.pipeline import Run

__all__ = [
    "DATA_OPTION",
    "Classes",
    "Data",
    "Depth",
    "DepthKind",
    "Methods",
    "PhotographDepth",
    "Profile",
    "Root",
    "RunOptions",
    "Seed",
    "Sources",
    "app",
    "methods_of",
    "names_of",
    "of_a_run",
    "open_run_of",
]

KINDS = ("metric", "inverse")
"""What the numbers of depth files are."""

DATA_SETS = ("tabletop", "nyuv2", "voc")
"""Those that come with the package; `wsss.data.registry` may know others."""


def _known_data(name: str | None) -> str | None:
    """`name`, if a data set is called so."""
    if name is not None and name not in DATA_SETS:
        from wsss.data.registry import dataset_names

        if name not in dataset_names():
            raise typer.BadParameter(f"{name!r} is not one of {', '.join(dataset_names())}.")
    return name


def _stated_kind(kinds: list[str] | None) -> list[str] | None:
    """`kinds`, if each is a kind of depth or `NAME=KIND`."""
    for text in kinds or ():
        if text.rpartition("=")[2] not in KINDS:
            raise typer.BadParameter(f"{text!r} is not one of metric, inverse, NAME=metric, NAME=inverse.")
    return kinds


DATA_OPTION = {"metavar": f"[{'|'.join(DATA_SETS)}]", "callback": _known_data, "autocompletion": lambda: DATA_SETS}
"""What every option has that names a data set."""

ProfileName = Literal["smoke", "default", "reference", "full"]
Profile = Annotated[
    ProfileName, typer.Option(help="smoke is tiny and no result; full is of paper scale.", envvar="WSSS_PROFILE")
]
Data = Annotated[str, typer.Option(help="The data set; or one that an installed package offers.", **DATA_OPTION)]
Root = Annotated[Path | None, typer.Option(help="Folder of the data; tabletop has a default place.")]
Classes = Annotated[
    str | None,
    typer.Option(
        help="Comma-separated class names, one with a comma in quotes: 'dog,\"cat, black\"'; default: all that occur "
        "in the data (what is left out is printed)."
    ),
]
Depth = Annotated[
    str | None,
    typer.Option(
        help="sensor; files:DIR (relative to the working folder or to --root) or files:DIR/{id}_depth.npy; hf:MODEL; "
        "learned (trained here on the depth of the train split) or learned:FILE; constant, shuffled, inverted, "
        "noisy:SEVERITY, also as shuffled+files:DIR."
    ),
]
PhotographDepth = Annotated[
    str | None,
    typer.Option(
        help="none (regions of colour); files:DIR (relative to the working folder) or files:DIR/{id}_depth.npy; "
        "hf:MODEL; learned:FILE. Default: hf:depth-anything/Depth-Anything-V2-Small-hf."
    ),
]
DepthKind = Annotated[
    list[str] | None,
    typer.Option(
        help="Of files: metric (larger = farther) or inverse (larger = nearer); NAME=metric or NAME=inverse for a "
        "declared source; repeatable.",
        metavar="[metric|inverse]",
        callback=_stated_kind,
        autocompletion=lambda: KINDS,
    ),
]
Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        help="NAME=files:DIR (or hf:MODEL, learned:FILE): a depth source with a name of its own, for --depth NAME or "
        "depth@NAME; repeatable.",
    ),
]
Seed = Annotated[int, typer.Option(help="Of training; data and splits do not depend on it.")]
Methods = Annotated[
    str | None,
    typer.Option(
        help="Comma-separated: cam, zoom, grid, random, cam-box, layers, rgb-region, rgb-crop, rgb, crop-only, "
        "depth-region, region-only, depth, code-as-published, oracle-box; those with depth also as depth@SOURCE or "
        "depth@NAME (see --source)."
    ),
]


def _absolute(depth: str | None) -> str | None:
    """A source, or the declaration of one, as seen from the working folder; see `place_from`."""
    return depth if depth is None else place_from(depth, Path())


@dataclass(frozen=True)
class RunOptions:
    """What is said of a run on the command line, by `--set` and in a `--config` file; None where nothing is said.

    Attributes:
        typed: the options of the command that somebody typed, as `--classes`.
    """

    profile: str = "default"
    data: str = "tabletop"
    root: Path | None = None
    classes: Sequence[str] | None = None
    depth: str | None = None
    depth_kind: str | Sequence[str] | None = None
    sources: Sequence[str] | None = None
    seed: int | None = None
    typed: tuple[str, ...] = ()

    def settings(self) -> dict[str, Any]:
        """By the names of `Config`.

        Raises:
            WsssError: there is no such folder of data.
        """
        if self.root is not None and not self.root.is_dir():
            option = "photographs' folder with --images" if self.data == "photographs" else "data's folder with --root"
            raise WsssError(f"no folder {self.root}; give the {option}")
        kind = self.depth_kind
        return {
            "root": str(self.root.resolve()) if self.root else None,
            "classes": tuple(self.classes) if self.classes else None,
            "depth": self.depth,
            "depth_kind": list(kind) if kind and not isinstance(kind, str) else kind,
            "seed": self.seed,
            "sources": tuple(self.sources) if self.sources else None,
        }

    def open(self, **more: Any) -> "Run":
        """The run; `more` are further settings."""
        return open_run_of(self.profile, self.data, self.settings() | more)

    def methods(self, text: str | None) -> tuple[str, ...] | None:
        """The methods of `--methods`; see `methods_of`."""
        return methods_of(text, self.root)


_OF_A_RUN: dict[str, tuple[Any, Any]] = {
    "profile": (Profile, "default"),
    "data": (Data, "tabletop"),
    "root": (Root, None),
    "classes": (Classes, None),
    "depth": (Depth, None),
    "depth_kind": (DepthKind, None),
    "source": (Sources, None),
    "seed": (Seed, 0),
}
"""Annotation and default of the options that are fields of `RunOptions`."""

_FROM_ELSEWHERE: dict[str, tuple[Any, Any]] = {
    "config": (
        Annotated[
            Path | None,
            typer.Option(
                metavar="FILE.toml", help="Settings of the run, with the names and sections of `wsss.config.Config`."
            ),
        ],
        None,
    ),
    "pairs": (
        Annotated[
            list[str] | None,
            typer.Option(
                "--set",
                metavar="NAME=VALUE",
                help="A setting of the run, such as classifier.backbone=resnet50; repeatable. An option overrides "
                "--set, --set overrides --config, that overrides the environment (WSSS_PROFILE, WSSS_SETTINGS), and "
                "that the profile.",
            ),
        ],
        None,
    ),
}


def of_a_run(*without: str, opens: bool = True, depth: Any = Depth) -> Callable[[Command], Command]:
    """Give a command the options that say which run it is about; it takes them as `options`, a `RunOptions`.

    Where a command has the options of training as well, these stand below, so that they go before `--set`::

        @app.command()
        @of_a_run()
        @trains()
        def crops(options: RunOptions) -> Made: ...

    Args:
        without: options that the command does not have.
        opens: whether the command opens the run, which may then have any setting of `Config`, by `--set` and
            `--config`.
        depth: annotation of its option `--depth`.
    """
    added = {name: option for name, option in (_OF_A_RUN | {"depth": (depth, None)}).items() if name not in without}
    own: dict[str, tuple[Any, Any]] = dict(added, context=(typer.Context, None))
    if opens:
        own |= _FROM_ELSEWHERE

    def handle(command: Command, chosen: dict[str, Any], given: dict[str, Any]) -> Made | None:
        context, file, pairs = chosen.pop("context"), chosen.pop("config", None), chosen.pop("pairs", None)
        said = layered(settings_of_file(file) if file else {}, settings_of_pairs(pairs or ()))
        _require_choice(command.__name__.replace("_", "-"), said, added)
        said = layered(said, _as_settings(_typed(chosen, context)))
        options = {one.name: said[one.name] for one in fields(RunOptions) if one.name in said}
        before = settings_of_environment()
        rest = {name: value for name, value in layered(before, said).items() if name not in options}
        if options.get("root"):
            options["root"] = Path(options["root"])
        by_default: dict[str, Any] = {name: chosen[name] for name in ("profile", "data") if name in chosen}
        with environment(WSSS_SETTINGS=None if rest == before else json.dumps(rest)):
            return command(options=RunOptions(**by_default | options, typed=_all_typed(context)), **given)

    return adds(own, handle, first=True, handed="options")


def _require_choice(command: str, said: Mapping[str, Any], options: Collection[str]) -> None:
    """Raise a `WsssError` where a profile or data set is named for a command that leaves no choice of it."""
    for name in ("profile", "data"):
        if name in said and name not in options and said[name] != _OF_A_RUN[name][1]:
            raise WsssError(f"{command} takes no other {name}: leave out {name} = {said[name]!r}")


def _typed(chosen: dict[str, Any], context: typer.Context | None) -> dict[str, Any]:
    """The options that somebody typed; without a command line those that differ from their defaults."""
    if context is None:
        return {name: value for name, value in chosen.items() if value != _OF_A_RUN[name][1]}
    return {name: value for name, value in chosen.items() if _is_typed(context, name)}


def _is_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _all_typed(context: typer.Context | None) -> tuple[str, ...]:
    """The options, as `--classes`, that somebody typed."""
    params = context.command.params if context else ()
    return tuple(one.opts[0] for one in params if context and _is_typed(context, one.name or ""))


def _as_settings(typed: dict[str, Any]) -> dict[str, Any]:
    """Options of the command line by the names of `Config`, and of its types."""
    found = {name: value for name, value in typed.items() if name != "source"}
    if "classes" in typed:
        found["classes"] = classes_of(typed["classes"])
    if "depth" in typed:
        found["depth"] = _absolute(typed["depth"])
    if typed.get("depth_kind"):
        found["depth_kind"] = typed["depth_kind"][0] if len(typed["depth_kind"]) == 1 else typed["depth_kind"]
    if typed.get("source"):
        found["sources"] = tuple(str(_absolute(each)) for each in typed["source"])
    return found


def open_run_of(profile: str, data: str, settings: dict[str, Any]) -> "Run":
    """A run with the settings of the command line."""
    from wsss.pipeline import open_run

    return open_run(profile, data, **settings)
