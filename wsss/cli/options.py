"""What the commands share: the application, and the options that several of them have."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wsss.cli.adding import Command, adds
from wsss.errors import WsssError

if TYPE_CHECKING:
    from wsss.pipeline import Run

__all__ = [
    "Classes",
    "Data",
    "Depth",
    "DepthKind",
    "Methods",
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
    "settings_of",
]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Weakly-supervised semantic segmentation via depth-guided class activation maps.",
)

Profile = Annotated[
    str, typer.Option(help="smoke (tiny, not a result), default, or full (paper scale).", envvar="WSSS_PROFILE")
]
Data = Annotated[str, typer.Option(help="tabletop, nyuv2 or voc.")]
Root = Annotated[Path | None, typer.Option(help="Folder of the data; tabletop has a default place.")]
Classes = Annotated[
    str | None,
    typer.Option(
        help="Comma-separated class names; default: all that occur in the data (what is left out is printed)."
    ),
]
Depth = Annotated[
    str | None,
    typer.Option(
        help="sensor; files:DIR (relative to the working folder or to --root); hf:MODEL; learned (trained here on the "
        "depth of the train split) or learned:FILE; constant, shuffled, inverted, noisy:SEVERITY, also as "
        "shuffled+files:DIR."
    ),
]
DepthKind = Annotated[
    list[str] | None,
    typer.Option(
        help="Of files: metric (larger = farther) or inverse (larger = nearer); NAME=metric or NAME=inverse for a "
        "declared source."
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
        help="Comma-separated: cam, zoom, grid, random, cam-box, rgb-region, crop-only, region-only, depth, "
        "oracle-box; crop-only, region-only and depth also as depth@SOURCE or depth@NAME (see --source)."
    ),
]


def names_of(text: str | None) -> tuple[str, ...] | None:
    """The comma-separated names of an option; None where it was not given."""
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else None


def methods_of(text: str | None, root: Path | None = None) -> tuple[str, ...] | None:
    """The methods of `--methods`; None where it was not given.

    Args:
        root: folder of the data, in which depth folders may lie.

    Raises:
        WsssError: a depth folder among them has a comma, or a space at its end, in its name, which would part or
            shorten it.
    """
    parts = text.split(",") if text else []
    for at, part in enumerate(parts):
        place = re.search(r"@(?:.*[+])?(?:files|hf|learned):(.*)", part, re.DOTALL)
        if not place:
            continue
        rest = parts[at + 1 :]
        longer = [",".join([place[1], *rest[:count]]) for count in range(len(rest) + 1)]
        meant = [name for name in longer if name != place[1].strip() and _exists(name, root)]
        if meant or (rest and not _is_method(rest[0])):
            raise WsssError(
                f"--methods {text}: methods are parted at commas, and spaces around them left out, so a folder with "
                f"such a name needs another: --source NAME=files:DIR --methods {part.partition('@')[0].strip()}@NAME"
            )
    return names_of(text)


def _exists(place: str, root: Path | None) -> bool:
    """Whether there is such a file or folder, from here or in the data's folder."""
    try:
        return os.path.exists(os.path.expanduser(place)) or (root is not None and (root / place).exists())
    except (OSError, ValueError):
        return False


def _is_method(text: str) -> bool:
    """Whether a part of `--methods` begins with a method's name."""
    from wsss.methods.registry import METHODS

    return re.split("[@+]", text.strip(), maxsplit=1)[0] in METHODS


def _absolute(depth: str | None) -> str | None:
    """A source, the folder of `files:` made absolute where it exists from here; else it is left for the data's folder.

    Also of a declaration `NAME=files:DIR`.
    """
    from wsss.depth.specs import innermost, typed_path, with_innermost

    plain = innermost(depth or "")
    head, files, folder = plain.partition("files:")
    if depth is None or not files or (head and not re.fullmatch(r"[\w.-]+=", head)):
        return depth
    place = typed_path(folder)  # leaves the name of nobody's home as it is
    return with_innermost(depth, f"{head}files:{place.resolve()}") if place.is_dir() else depth


def settings_of(
    root: Path | None,
    classes: str | None,
    depth: str | None,
    kind: Sequence[str] | None,
    seed: int,
    sources: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Options that are settings of a run, by the names of `Config`."""
    if root is not None and not root.is_dir():
        raise WsssError(f"no folder {root}; give the data's folder with --root")
    return {
        "root": str(root.resolve()) if root else None,
        "classes": names_of(classes),
        "depth": _absolute(depth),
        "depth_kind": (kind[0] if len(kind) == 1 else list(kind)) if kind else None,
        "seed": seed,
        "sources": tuple(str(_absolute(source)) for source in sources) if sources else None,
    }


@dataclass(frozen=True)
class RunOptions:
    """What the command line says of a run; see the options of these names."""

    profile: str = "default"
    data: str = "tabletop"
    root: Path | None = None
    classes: str | None = None
    depth: str | None = None
    depth_kind: Sequence[str] | None = None
    source: Sequence[str] | None = None
    seed: int = 0

    def settings(self) -> dict[str, Any]:
        """By the names of `Config`."""
        return settings_of(self.root, self.classes, self.depth, self.depth_kind, self.seed, self.source)

    def open(self, **more: Any) -> "Run":
        """The run; `more` are further settings."""
        return open_run_of(self.profile, self.data, self.settings(), **more)

    def methods(self, text: str | None) -> tuple[str, ...] | None:
        """The methods of `--methods`; see `methods_of`."""
        return methods_of(text, self.root)


_OF_A_RUN = {
    "profile": Profile,
    "data": Data,
    "root": Root,
    "classes": Classes,
    "depth": Depth,
    "depth_kind": DepthKind,
    "source": Sources,
    "seed": Seed,
}
"""The options of `RunOptions`, by its fields."""


def of_a_run(*without: str) -> Callable[[Command], Command]:
    """Give a command the options that say which run it is about; it takes them as `options`, a `RunOptions`.

    Args:
        without: options that the command does not have.
    """
    defaults = {field.name: field.default for field in fields(RunOptions)}
    added = {name: (kind, defaults[name]) for name, kind in _OF_A_RUN.items() if name not in without}

    def handle(command: Command, chosen: dict[str, Any], given: dict[str, Any]) -> None:
        command(options=RunOptions(**chosen), **given)

    return adds(added, handle, first=True, handed="options")


def open_run_of(profile: str, data: str, settings: dict[str, Any], **more: Any) -> "Run":
    """A run with the settings of the command line."""
    from wsss.pipeline import open_run

    return open_run(profile, data, **settings, **more)
