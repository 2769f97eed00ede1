"""Labels of one's own photographs, in a folder of one's own: what `wsss label` writes."""

import shutil
from pathlib import Path
from typing import Any

from wsss.checks import require_folder
from wsss.depth.estimators import require_hub_model
from wsss.errors import WsssError
from wsss.io import atomic_path, read_json, write_json
from wsss.methods.names import MethodName
from wsss.methods.registry import method
from wsss.pipeline.run import Run
from wsss.pseudo.labels import load_pseudo_label, save_pseudo_label
from wsss.pseudo.refinement import REFINEMENTS

__all__ = ["FACTS", "require_label_folder", "require_usable_depth", "write_label_folder", "write_network"]

FACTS = "labels.json"
"""File that says what a folder's label maps are made of. It is written before the first of them."""

_VERSION = 1  # of that file


def require_usable_depth(run: Run, name: str) -> None:
    """Raise a `WsssError` where a label method needs depth that cannot be had: before hours of training.

    A model of the hub is asked for, and the depth of the first photograph is made or read.
    """
    parts = MethodName.parse(name)
    refinement = REFINEMENTS.get(parts.refinement or "")
    if not (method(parts.seeds).uses_depth or (refinement and refinement.uses_depth)):
        return
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
                "metric|inverse (maps of your own) or --depth learned:FILE."
            ) from error
    run.depth_of("train", parts.source)(0)


def require_label_folder(run: Run, name: str, out: Path) -> None:
    """Raise a `WsssError` unless a folder is free for the labels of method `name`, or holds just these."""
    require_folder(out)
    remedy = f"Give another folder with --out, or delete {out}."
    if (out / FACTS).exists():
        held = read_json(out / FACTS)
        if not isinstance(held, dict) or held.get("key") != run.label_key(name):
            raise WsssError(f"{out} holds other label maps, of other photographs, tags or settings ({FACTS}). {remedy}")
    elif found := next((path for path in sorted(out.rglob("*.png")) if path.name[0] != "."), None):
        raise WsssError(
            f"{out} holds {found.relative_to(out)} already, and does not say ({FACTS}) what it is. {remedy}"
        )


def write_label_folder(run: Run, name: str, out: Path) -> dict[str, Any]:
    """Write the pseudo-labels of method `name` as `out/ID.png`, with `classes.txt` and `labels.json`.

    Returns:
        What `labels.json` says.
    """
    require_label_folder(run, name, out)
    score = run.labels([name])[name]
    facts = _facts(run, name, score.facts)
    write_json(out / FACTS, facts)
    with atomic_path(out / "classes.txt") as path:
        path.write_text("".join(f"{each}\n" for each in score.classes), encoding="utf-8")
    folder = run.pseudo_folder(name)
    for each in score.ids:
        save_pseudo_label(out / f"{each}.png", load_pseudo_label(folder / f"{each}.png"))
    return facts


def write_network(run: Run, name: str, out: Path) -> Path:
    """Write the segmentation network that learns from the labels of method `name` as `out/network.safetensors`."""
    target = out / "network.safetensors"
    trained = run.network_path(name)
    with atomic_path(target) as path:
        shutil.copyfile(trained, path)
    return target


def _facts(run: Run, name: str, known: dict[str, Any]) -> dict[str, Any]:
    data, preset, config = run.data("train"), run.preset, run.config
    return {
        "version": _VERSION,
        "what": "pseudo-labels from image-level tags: guesses of a network, not truth",
        "scores": run.not_scored("train"),
        "classes": list(data.classes),
        "method": run.full_name(name),
        "chosen_on": known.get("chosen_on") or "tune",
        "preset": {"name": preset.name, "chosen_on": list(preset.made_from)} if preset else None,
        "tune_images": None if preset else len(run.data("tune")),
        "parameters": known["parameters"],
        "refinement": known["refinement"] if MethodName.parse(name).refinement else None,
        "thresholds": {key: known[key] for key in ("low", "high")},
        "backbone": config.classifier.backbone,
        "seed": config.seed,
        "images": len(data),
        "left_out": run.left_out(),
        "data_sha256": data.fingerprint(),
        "config_sha256": run.config_hash,
        "key": run.label_key(name),
    }
