"""What the commands share: the application, and the options that several of them have."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    "Seed",
    "app",
    "names_of",
    "open_run_of",
    "settings_of",
]

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Weakly-supervised semantic segmentation via depth-guided class activation maps.",
)  # fmt: skip

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
        help="sensor; files:DIR (relative to the working folder or to --root); hf:MODEL; learned (trained here on the depth "
        "of the train split) or learned:FILE; constant, shuffled, inverted, noisy:SEVERITY, also as shuffled+files:DIR."
    ),
]
DepthKind = Annotated[
    str | None, typer.Option(help="Of files: metric (larger = farther) or inverse (larger = nearer).")
]
Seed = Annotated[int, typer.Option(help="Of training; data and splits do not depend on it.")]
Methods = Annotated[
    str | None,
    typer.Option(
        help="Comma-separated: cam, zoom, grid, random, cam-box, rgb-region, crop-only, region-only, depth, oracle-box; "
        "crop-only, region-only and depth also as depth@SOURCE."
    ),
]


def names_of(text: str | None) -> tuple[str, ...] | None:
    """The comma-separated names of an option; None where it was not given."""
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else None


def _absolute(depth: str | None) -> str | None:
    """`files:DIR` with DIR made absolute where it exists from here; otherwise left for the data's folder."""
    head, files, folder = (depth or "").partition("files:")
    place = Path(os.path.expanduser(folder))  # leaves the name of nobody's home as it is
    return f"{head}files:{place.resolve()}" if files and place.is_dir() else depth


def settings_of(
    root: Path | None, classes: str | None, depth: str | None, kind: str | None, seed: int
) -> dict[str, Any]:
    """Options that are settings of a run, by the names of `Config`."""
    if root is not None and not root.is_dir():
        raise WsssError(f"no folder {root}; give the data's folder with --root")
    return {
        "root": str(root.resolve()) if root else None,
        "classes": names_of(classes),
        "depth": _absolute(depth),
        "depth_kind": kind,
        "seed": seed,
    }


def open_run_of(profile: str, data: str, settings: dict[str, Any], **more: Any) -> "Run":
    """A run with the settings of the command line."""
    from wsss.pipeline import open_run

    return open_run(profile, data, **settings, **more)
