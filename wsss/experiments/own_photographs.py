"""Labels of one's own photographs, in a folder of one's own: what `wsss label` writes."""

import math
import shutil
from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import Any

from wsss.cam.training import steps_of_epoch
from wsss.checks import require_folder
from wsss.config import ClassifierConfig
from wsss.data.base import Dataset
from wsss.data.labelled import FACTS
from wsss.data.masks import read_class_mask
from wsss.data.photographs import TaggedPhotographs
from wsss.data.tags import counted
from wsss.depth.estimators import require_hub_model
from wsss.depth.monocular import load_depth_network
from wsss.depth.names import NO_DEPTH
from wsss.errors import WsssError
from wsss.io import atomic_path, file_hash, read_json, write_json
from wsss.machine.contents import file_hashes
from wsss.machine.progress import progress_bar
from wsss.methods.names import MethodName
from wsss.methods.registry import method
from wsss.paths import runs_folder, short_path
from wsss.pipeline.run import Run
from wsss.pseudo.refinement import REFINEMENTS

__all__ = [
    "FACTS",
    "NETWORK",
    "default_method",
    "enough_epochs",
    "learned_in_place_of_hub",
    "require_label_folder",
    "require_usable_depth",
    "require_usable_files",
    "write_label_folder",
    "write_network",
]

_VERSION = 1  # of `labels.json`

NETWORK = "network.safetensors"
"""The network that learnt from the maps of a folder, beside them."""

STEPS = 300
"""Training steps of the classifier that a small folder of photographs has, too: as many epochs as that takes."""

MOST_EPOCHS = 100
"""More than so many are not made of a few photographs unless they are asked for."""


def enough_epochs(images: int, settings: ClassifierConfig) -> int:
    """Epochs of the classifier that make `STEPS` steps of so many images, at most `MOST_EPOCHS`; those of the settings
    where they are more.

    >>> [enough_epochs(images, ClassifierConfig(epochs=6)) for images in (16, 100, 300, 1000)]
    [100, 50, 17, 6]
    """
    steps = steps_of_epoch(images, settings.batch_size, settings.accumulate)
    return max(settings.epochs, min(MOST_EPOCHS, math.ceil(STEPS / steps)))


def default_method(depth: str | None) -> str:
    """The method where nobody names one: `depth`, and regions of colour where it is said that there is none.

    By a preset of other data measured depth is ahead of colour, and rough predicted depth behind it; see the records of
    `wsss presets --measure`.

    Args:
        depth: the source that was named, if any.
    """
    return "rgb-region" if depth == NO_DEPTH else "depth"


def looks_at_depth(name: str) -> bool:
    """Whether a label method, or its refinement, looks at depth."""
    parts = MethodName.parse(name)
    refinement = REFINEMENTS.get(parts.refinement or "")
    return method(parts.seeds).uses_depth or bool(refinement and refinement.uses_depth)


def learned_in_place_of_hub(run: Run, names: Sequence[str]) -> Path | None:
    """The depth network that takes the place of the hub's model where that cannot be had; None where none is needed.

    It is the newest of `wsss train-depth`, in the place where that leaves them (`runs/PROFILE/DATA/depth.safetensors`),
    that was trained on none of these photographs. Those of the profile `smoke` are none.

    Args:
        run: whose depth nobody has chosen.
        names: of the label methods.
    """
    kind, _, model = run.config.depth.partition(":")
    if kind != "hf" or not any(looks_at_depth(name) and not MethodName.parse(name).source for name in names):
        return None
    try:
        require_hub_model(model)
    except WsssError:
        made = [path for path in runs_folder().glob("*/*/depth.safetensors") if path.parts[-3] != "smoke"]
        ids = set(run.data("train").ids)
        newest = sorted(made, key=lambda path: path.stat().st_mtime, reverse=True)
        return next((path for path in newest if _is_strange_to(path, ids)), None)
    return None


def _is_strange_to(path: Path, ids: Set[str]) -> bool:
    """Whether a file holds a depth network that has learnt from none of these photographs."""
    try:
        return ids.isdisjoint(load_depth_network(path).trained_on)
    except WsssError:  # broken, or of another kind
        return False


def require_usable_depth(run: Run, name: str) -> None:
    """Raise a `WsssError` where a label method needs depth that cannot be had: before hours of training.

    A model of the hub is asked for, and the depth of the first photograph is made or read.
    """
    if not looks_at_depth(name):
        return
    parts = MethodName.parse(name)
    spec = run.depth_spec(parts.source) if run.config.depth != "learned" else "learned"
    if spec == "learned":
        raise WsssError(
            "photographs have no depth to learn from: train a network on data that have (`wsss train-depth`) "
            "and give --depth learned:FILE, or give --depth none for regions of colour."
        )
    if spec.startswith("hf:"):
        try:
            require_hub_model(spec.removeprefix("hf:"))
        except WsssError as error:
            raise WsssError(
                f"{error}. Without it give --depth none (regions of colour), --depth files:DIR --depth-kind "
                "metric|inverse (maps of your own), or a network that `wsss train-depth --data nyuv2 --root DIR` makes "
                "of data with depth: --depth learned:FILE, and without --depth the newest one is taken."
            ) from error
    run.depth_of("train", parts.source)(0)


def require_usable_files(run: Run, name: str) -> None:
    """Raise a `WsssError` where a depth map or a mask does not fit its photograph: all are read, before hours of
    training.

    It names the first, and says how many more there are.
    """
    wrong: list[str] = []

    def tried(read: Callable[[int], object], count: int, text: str) -> None:
        for index in progress_bar(range(count), text, shown=run.progress):
            try:
                read(index)
            except WsssError as error:
                wrong.append(str(error))

    source = MethodName.parse(name).source
    if looks_at_depth(name) and run.depth_spec(source).startswith("files:"):
        tried(run.depth_of("train", source), len(run.data("train")), "check depth")
    if not run.preset:
        masks = run.data("tune")
        tried(lambda index: masks[index].mask, len(masks), "check masks")
    if wrong:
        more = f" There are {len(wrong) - 1} more such files." if len(wrong) > 1 else ""
        raise WsssError(f"{wrong[0]}{more}")


def require_label_folder(run: Run, name: str, out: Path) -> None:
    """Raise a `WsssError` unless a folder is free for the labels of method `name`, or holds just these."""
    require_folder(out)
    remedy = f"Give another folder with --out, or delete {out}."
    if (out / FACTS).exists():
        held = read_json(out / FACTS)
        if not isinstance(held, dict) or held.get("key") != run.label_key(name):
            if kept := _changed_maps(held, out):
                remedy = (
                    f"Give another folder with --out. Corrected by hand in {out}: {counted(sorted(kept), 'map')}. If "
                    "both folders have the same classes.txt, copy them over the new maps and give the command again."
                )
            raise WsssError(f"{out} holds other label maps, of other photographs, tags or settings ({FACTS}). {remedy}")
    elif found := next((path for path in sorted(out.rglob("*.png")) if path.name[0] != "."), None):
        raise WsssError(
            f"{out} holds {found.relative_to(out)} already, and does not say ({FACTS}) what it is. {remedy}"
        )


def write_label_folder(run: Run, name: str, out: Path, instead_of: str | None = None) -> dict[str, Any]:
    """Write the pseudo-labels of method `name` as `out/ID.png`, with `classes.txt` and `labels.json`.

    A label map there that someone has corrected since stays as it is.

    Args:
        instead_of: the depth source that could not be had.

    Returns:
        What `labels.json` says.

    Raises:
        WsssError: a corrected map does not fit its photograph, or has an id that is no class.
    """
    require_label_folder(run, name, out)
    corrected = _corrected(run, out)
    score = run.labels([name])[name]
    folder = run.pseudo_folder(name)
    made = {each: file_hash(folder / f"{each}.png") for each in score.ids}
    facts = _facts(run, name, score.facts, instead_of) | {"corrected": corrected, "maps_sha256": made}
    write_json(out / FACTS, facts)
    with atomic_path(out / "classes.txt") as path:
        path.write_text("".join(f"{each}\n" for each in score.classes), encoding="utf-8")
    for each in (name for name in score.ids if name not in corrected):
        with atomic_path(out / f"{each}.png") as path:  # byte by byte: by its hash it is known as not corrected
            shutil.copyfile(folder / f"{each}.png", path)
    return facts


def _corrected(run: Run, out: Path) -> list[str]:
    """Ids of the label maps in a folder that are no longer as they were made."""
    if not (out / FACTS).exists():
        return []
    data = run.data("train")
    places = {each: place for place, each in enumerate(data.ids)}
    changed = [each for each in _changed_maps(read_json(out / FACTS), out) if each in places]
    for each in changed:
        size = data[places[each]].own_size
        read_class_mask(out / f"{each}.png", size, len(data.classes))
    return changed


def _changed_maps(facts: object, out: Path) -> list[str]:
    """Ids of the label maps of a folder that hold something else than `labels.json` says."""
    made = facts.get("maps_sha256") if isinstance(facts, dict) else None
    there = {each: out / f"{each}.png" for each in made} if isinstance(made, dict) else {}
    return [each for each, path in there.items() if path.is_file() and made and file_hash(path) != made[each]]


def write_network(run: Run, name: str, out: Path, corrected: bool = False) -> Path:
    """Write the segmentation network that learns from the labels of method `name` as the file `NETWORK` of `out`.

    Args:
        corrected: whether it learns from the maps in `out`, some of which someone has corrected, not from those made.
    """
    target = out / NETWORK
    trained = run.network_path(name, out if corrected else None)
    with atomic_path(target) as path:
        shutil.copyfile(trained, path)
    return target


def _depth_of(run: Run, name: str) -> str:
    """The depth source of a label method, with its place as seen from the working folder."""
    spec = run.depth_spec(MethodName.parse(name).source)
    kind, _, place = spec.partition(":")
    return f"{kind}:{short_path(place)}" if kind in ("files", "learned") else spec


def _hashes(data: Dataset) -> dict[str, str]:
    """Of the file of each photograph, by id; of data that are no such folder nothing."""
    files = data.photographs() if isinstance(data, TaggedPhotographs) else {}
    return dict(zip(files, file_hashes(files.values()), strict=True))


def _facts(run: Run, name: str, known: dict[str, Any], instead_of: str | None) -> dict[str, Any]:
    data, preset, config = run.data("train"), run.preset, run.config
    return {
        "version": _VERSION,
        "what": "pseudo-labels from image tags: guesses of a network, not truth",
        "scores": run.not_scored("train"),
        "classes": list(data.classes),
        "method": run.full_name(name),
        "depth": {"source": _depth_of(run, name), "instead_of": instead_of} if looks_at_depth(name) else None,
        "chosen_on": known.get("chosen_on") or "tune",
        "preset": {"name": preset.name, "chosen_on": list(preset.made_from)} if preset else None,
        "tune_images": None if preset else len(run.data("tune")),
        "parameters": known["parameters"],
        "refinement": known["refinement"] if MethodName.parse(name).refinement else None,
        "thresholds": {key: known[key] for key in ("low", "high")},
        "backbone": config.classifier.backbone,
        "epochs": config.classifier.epochs,
        "classifier_doubt": run.classifier_doubt(),
        "seed": config.seed,
        "images": len(data),
        "photograph_side": config.photograph_side,
        "left_out": run.left_out(),
        "data_sha256": data.fingerprint(),
        "photographs_sha256": _hashes(data),
        "config_sha256": run.config_hash,
        "key": run.label_key(name),
    }
