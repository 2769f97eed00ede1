"""Renders the scenes of `tabletop` and of its controlled series into a folder, several processes at once.

A split's index is written last: a split without one is unfinished, and rendering goes on with the scenes that are
missing.
"""

import shutil
import warnings
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from wsss.data.croissant import FILE as CARD
from wsss.data.croissant import tabletop_croissant
from wsss.data.depth_camera import as_measured
from wsss.data.inverse_depth import inverse_depth, normalise_inverse_depth
from wsss.data.pictures import write_png
from wsss.data.scenes import draw_scene, scene_kind
from wsss.data.series import SERIES, draw_series_scene, series_identity, series_length, series_place
from wsss.data.tabletop import FROZEN, TabletopDataset, TabletopSpec, default_root
from wsss.errors import WsssError
from wsss.io import read_json, write_json
from wsss.machine.processes import end_with_parent, usable_cores
from wsss.machine.progress import progress_bar

if TYPE_CHECKING:
    from wsss.data.renderer import Rendered

__all__ = ["FROZEN_RENDERER", "render_series", "render_tabletop"]

FROZEN_RENDERER = "4.4.0.post1"
"""Embreex's version that rendered the frozen data; a folder's identity, and so its fingerprints, name any other."""

_SPLIT_CODE = {"train": 0, "tune": 1, "test": 5}
"""What tells the random numbers of splits apart. 2 was a test split that was scored while the method was developed."""
_MIN_VISIBLE = 80 / 256**2  # share of the picture: a person cannot name less
_SMALL = 0.01  # of the picture
_HIDDEN, _MAX_OCCLUSION = 0.4, 0.9  # of an object
_ATTEMPTS = 60
_LEVEL = 1  # of compression: files are a little larger than at 6, and written several times faster


def render_tabletop(
    root: Path | None = None, spec: TabletopSpec | None = None, *, processes: int | None = None, progress: bool = True
) -> Path:
    """Render every split that is not complete yet and return the folder.

    Args:
        root: folder to fill; by default `default_root(spec)`.
        processes: how many render at once (default: one for each core that may be used). The pictures do not depend on
            it.

    Raises:
        WsssError: embreex is missing, or the folder holds another specification.
    """
    spec = spec or TabletopSpec()
    root = Path(root) if root else default_root(spec)
    _check_identity(root, spec)
    for split, count in spec.splits:
        if not (root / split / "index.json").exists():
            write_json(root / CARD, tabletop_croissant(spec))
            _render_split(root, spec, split, count, processes, progress)
            _warn_if_thawed(root, split, spec)
    return root


def render_series(
    root: Path | None = None,
    spec: TabletopSpec | None = None,
    *,
    rooms: int = 40,
    processes: int | None = None,
    progress: bool = True,
) -> Path:
    """Render the controlled series of `wsss.data.series` as further splits of a folder; what is there is kept.

    Args:
        spec: None takes that of the folder.
        rooms: of each series, at least; a folder that has more keeps them.
        root, processes, progress: as for `render_tabletop`, which raises the same.
    """
    root = Path(root) if root else default_root(spec)
    spec = spec or _spec_of(root)
    _check_identity(root, spec)
    for name in SERIES:
        mark, identity = root / name / "series.json", series_identity(name)
        if mark.exists() and read_json(mark) != identity:
            shutil.rmtree(root / name)  # pictures of other steps, or of another version
        index, count = root / name / "index.json", series_length(name, rooms)
        if not index.exists() or len(read_json(index)["scenes"]) < count:
            write_json(mark, identity)
            _render_split(root, spec, name, count, processes, progress)
    return root


def _spec_of(root: Path) -> TabletopSpec:
    """The specification of a rendered folder; the default one where there is none yet."""
    path = root / "identity.json"
    if not path.exists():
        return TabletopSpec()
    identity = read_json(path)
    try:
        return TabletopSpec(identity["seed"], identity["side"], tuple(identity["splits"].items()))
    except (KeyError, TypeError, AttributeError, WsssError) as error:
        raise WsssError(
            f"{path} does not say what {root} holds ({error!r}). Delete the folder and render it again."
        ) from error


def _renderer() -> str | None:
    """Embreex's version on this machine; None where there is none, which can read what others have rendered."""
    try:
        return version("embreex")
    except PackageNotFoundError:
        return None


def _identity_here(spec: TabletopSpec) -> dict[str, Any]:
    """Identity of a folder that is rendered on this machine."""
    renderer = _renderer() or FROZEN_RENDERER
    return spec.identity() | ({} if renderer == FROZEN_RENDERER else {"embreex": renderer})


def _render_split(
    root: Path, spec: TabletopSpec, split: str, count: int, processes: int | None, progress: bool
) -> None:
    """Render the scenes 0…count − 1 that are missing, then write the index."""
    missing = [i for i in range(count) if not (root / split / "scenes" / f"{i:04d}.json").exists()]
    if missing:
        _check_renderer(root, spec)
    chunks = [missing[start : start + 8] for start in range(0, len(missing), 8)]
    bar = progress_bar(None, f"render {split}", len(missing), unit="scene", shown=progress)
    workers = processes or usable_cores()
    with ProcessPoolExecutor(workers, get_context("spawn"), end_with_parent) as pool, bar:
        tasks = zip(*((root, spec, split, chunk) for chunk in chunks), strict=True)
        for done in pool.map(_render_chunk, *tasks) if chunks else ():
            bar.update(done)
    scenes = [read_json(root / split / "scenes" / f"{i:04d}.json") for i in range(count)]
    identity = read_json(root / "identity.json") | ({"series": series_identity(split)} if split in SERIES else {})
    write_json(root / split / "index.json", {"identity": identity, "scenes": scenes})


def _warn_if_thawed(root: Path, split: str, spec: TabletopSpec) -> None:
    """Say so when the default data came out otherwise than frozen: another CPU or renderer may round otherwise."""
    if spec == TabletopSpec() and TabletopDataset(root, split).fingerprint() != FROZEN[split]:
        warnings.warn(
            f"{root / split} differs from the frozen data: numbers will differ a little from those committed",
            stacklevel=3,
        )


def _check_identity(root: Path, spec: TabletopSpec) -> None:
    """Raise a `WsssError` if a folder holds another specification; a folder without any is given this one."""
    path = root / "identity.json"
    if not path.exists():
        if root.is_dir() and (other := next((one for one in sorted(root.iterdir()) if one.name[0] != "."), None)):
            raise WsssError(f"{root} holds {other.name}, and no rendered scenes: choose an empty folder with --root")
        write_json(path, _identity_here(spec))
        return
    found = read_json(path)
    if not isinstance(found, dict) or spec.identity() != {k: v for k, v in found.items() if k != "embreex"}:
        raise WsssError(f"{root} holds another tabletop ({found}); choose another --root or delete the folder")


def _check_renderer(root: Path, spec: TabletopSpec) -> None:
    """Raise a `WsssError` if this embreex would render further scenes beside those of another version."""
    path = root / "identity.json"
    found, here = read_json(path), _identity_here(spec)
    if _renderer() is None or found == here:
        return
    if any(root.glob("*/scenes/[!.]*.json")):
        theirs, ours = (identity.get("embreex", FROZEN_RENDERER) for identity in (found, here))
        raise WsssError(
            f"{root} was begun with embreex {theirs}, and this is {ours}, whose pictures may differ. Install "
            f"embreex=={theirs}, choose another --root or delete the folder"
        )
    write_json(path, here)  # nothing is rendered yet


def _sizes_fit(areas: np.ndarray, kind: str, *, empty: bool) -> bool:
    """The quotas of sizes: all objects can be named; `small` scenes have one below 1 % of the picture."""
    if empty or not len(areas):
        return empty
    return bool(areas.min() >= _MIN_VISIBLE and (kind != "small" or areas.min() < _SMALL))


def _acceptable(areas: np.ndarray, occlusion: np.ndarray, kind: str, *, empty: bool) -> bool:
    """All quotas: no object is hidden by more than 90 %; `occluded` scenes have one that is by 40 % or more."""
    if not _sizes_fit(areas, kind, empty=empty):
        return False
    return empty or bool(occlusion.max() <= _MAX_OCCLUSION and (kind != "occluded" or occlusion.max() >= _HIDDEN))


def _render_one(root: Path, spec: TabletopSpec, split: str, index: int) -> None:
    from wsss.data.rays import glance
    from wsss.data.renderer import finish, render_scene
    from wsss.data.world import build_world

    if split in SERIES:
        scene, rng = draw_series_scene(split, index, spec.seed)
        group, step = series_place(split, index)
        return _write_scene(
            root, split, index, render_scene(scene, rng, spec.side), rng, {"group": group, "step": step}
        )
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng([spec.seed, _SPLIT_CODE[split], index, attempt])
        scene = draw_scene(rng, scene_kind(index))
        seen = glance(build_world(scene, rng), scene, spec.side)
        areas, empty = seen.areas(), not any(p.class_id for p in scene.placements)
        if _sizes_fit(areas, scene.kind, empty=empty) and _acceptable(areas, seen.occlusion, scene.kind, empty=empty):
            return _write_scene(root, split, index, finish(seen.shot(), rng), rng, {"kind": scene.kind})
    raise WsssError(f"tabletop {split} scene {index}: no acceptable scene in {_ATTEMPTS} attempts; use another seed")


def _write_scene(
    root: Path, split: str, index: int, rendered: "Rendered", rng: np.random.Generator, more: dict[str, Any]
) -> None:
    folder, name = root / split, f"{index:04d}"
    inverse = normalise_inverse_depth(inverse_depth(rendered.depth_metres, "metric"))
    write_png(folder / "rgb" / f"{name}.png", rendered.image, level=_LEVEL)
    write_png(folder / "masks" / f"{name}.png", rendered.mask, level=_LEVEL)
    write_png(folder / "instances" / f"{name}.png", rendered.instances, level=_LEVEL)
    write_png(folder / "depth" / f"{name}.png", (inverse * 65535).round().astype(np.uint16), level=_LEVEL)
    measured = as_measured(rendered.depth_metres, rendered.returned, rendered.reached, rng)
    write_png(root / "kinect" / f"{split}-{name}.png", measured, level=_LEVEL)
    facts = {
        "id": f"{split}-{name}",
        **more,
        "classes": rendered.instance_classes.tolist(),
        "occlusion": np.round(rendered.occlusion.astype(float), 4).tolist(),
    }
    write_json(folder / "scenes" / f"{name}.json", facts)


def _render_chunk(root: Path, spec: TabletopSpec, split: str, indices: list[int]) -> int:
    with threadpool_limits(1):  # a process for each core: threads of its own would wait for one another
        for index in indices:
            _render_one(root, spec, split, index)
    return len(indices)
