"""The files of a release that come from runs: weights in 16 bit with their cards, label maps, the rendered scenes.

What is released of a data set is what the run of its first part has (`wsss results tabletop-0`): the classifier, the
network of its last label method, and the label maps of all. Nothing is trained here. `.ci/release.py` adds the package
and the site.
"""

import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save

from wsss.analysis.confusion import confusion_matrix, mean_iou
from wsss.data.croissant import FILE as CROISSANT
from wsss.data.croissant import tabletop_croissant
from wsss.data.tabletop import GENERATOR_VERSION
from wsss.errors import WsssError
from wsss.experiments.evaluate import evaluate_folder
from wsss.io import atomic_path, write_json
from wsss.pipeline import Run
from wsss.pipeline.cache import StageCache
from wsss.pipeline.cards import current_record, trained_on, training_settings
from wsss.segmentation.predictor import load_predictor
from wsss.segmentation.pretrained import save_pretrained

__all__ = ["CHANGE", "Held", "Weights", "held_by", "in_16_bit", "label_files", "scene_files", "weights_of", "write_zip"]

CHANGE = 0.1
"""Points of mIoU by which weights in 16 bit may change a score."""

LICENCE = "apache-2.0"
"""Of the weights that the backbone began with."""

_DAY_ONE = (1980, 1, 1, 0, 0, 0)  # of the files in an archive, so that the same files have the same bytes

TERMS = "The photographs are under the terms of those who took them, and are not part of it."


@dataclass(frozen=True)
class Held:
    """What of a run lies in the cache.

    Attributes:
        classifier: whether it is trained.
        network: checkpoint of the last label method's, None where it is not trained.
        labels: folders of label maps, by label method; those that are not made are left out.
        missing: what is not there, by name.
    """

    classifier: bool
    network: Path | None
    labels: Mapping[str, Path]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Weights:
    """A folder of `save_pretrained`, and by how much 16 bit change its score.

    Attributes:
        miou: in percent, with all bits and with 16.
        images: that were scored.
    """

    folder: Path
    miou: tuple[float, float]
    images: int


def held_by(run: Run) -> Held:
    """What a run has of a release; nothing is made."""
    if not run.data_is_there:
        return Held(False, None, {}, ("data",))
    cache, names = StageCache(run.cache), run.config.label_methods
    classifier = cache.path("classifier", run.classifier_key, ".safetensors").is_file()
    network: Path | None = cache.path("network", run.network_key(names[-1]), ".safetensors")
    folders = {name: cache.path("pseudo", run.label_key(name), "") for name in names}
    network = network if network and network.is_file() else None
    labels = {name: folder for name, folder in folders.items() if folder.is_dir()}
    missing = [*([] if classifier else ["classifier"]), *([] if network else [f"network of {names[-1]}"])]
    missing += [f"labels of {name}" for name in names if name not in labels]
    return Held(classifier, network, labels, tuple(missing))


def in_16_bit(source: Path, target: Path) -> Path:
    """Write a checkpoint with its weights in 16 bit (float16); it is read as the other is.

    Vectors (biases, normalisation), a small share of the numbers, keep 32 bits: variances near 0 have no 16 bits.

    Raises:
        WsssError: a weight is too large for 16 bits, or a file cannot be read or written.
    """
    try:
        with safe_open(source, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except Exception as error:  # of the library, on a file of anything
        raise WsssError(f"cannot read {source}: {error}. Make it again.") from error
    small = {name: _halved(tensor) for name, tensor in tensors.items()}
    large = [name for name, tensor in small.items() if not tensor.float().isfinite().all()]
    if large:
        raise WsssError(f"{source}: its tensor {large[0]} does not fit into 16 bits")
    with atomic_path(target) as temporary:
        temporary.write_bytes(save(small, metadata))
    return target


def _halved(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half().contiguous() if tensor.dtype == torch.float32 and tensor.ndim > 1 else tensor


def weights_of(run: Run, held: Held, name: str, out: Path, records: Path) -> list[Weights]:
    """Write the classifier and the network of a run into folders `NAME-classifier` and `NAME-network`, with cards.

    Args:
        name: of the data set, in the names of the folders.
        out: where they are made.
        records: root of a record tree; the cards have the scores of records that are of these settings and data.

    Raises:
        WsssError: 16 bit change a score by more than `CHANGE`.
    """
    made = []
    with tempfile.TemporaryDirectory(prefix="wsss-release-") as folder:
        if held.classifier:
            whole, small = Path(folder, "classifier.safetensors"), Path(folder, "classifier-16.safetensors")
            run.export_classifier(whole, _chosen_of(run))
            found = _evaluated(run, whole, in_16_bit(whole, small), Path(folder))
            record = current_record(run, records, "cam", "cam")
            made.append(_handed_over(run, small, out / f"{name}-classifier", "classifier", record, found))
        if held.network is not None:
            small = in_16_bit(held.network, Path(folder, "network-16.safetensors"))
            record = current_record(run, records, "segmentation", run.config.label_methods[-1])
            found = _predicted(run, held.network, small)
            made.append(_handed_over(run, small, out / f"{name}-network", "segmentation network", record, found))
    return made


def _chosen_of(run: Run) -> list[str]:
    """Methods whose parameters go with a classifier: those that look at no other depth than the run's."""
    return [name for name in run.config.methods if "@" not in name and name != "oracle-box"]


def _handed_over(
    run: Run, small: Path, folder: Path, kind: str, record: Path | None, found: tuple[float, float, int]
) -> Weights:
    change = abs(found[0] - found[1])
    if not change <= CHANGE:  # NaN, too
        raise WsssError(f"{folder.name}: 16 bit change its mIoU from {found[0]:.3f} to {found[1]:.3f}, not ≤ {CHANGE}")
    learnt_from = trained_on(run, kind) + ("" if run.config.data == "tabletop" else f" {TERMS}")
    settings = {
        **training_settings(run, kind),
        "bits of the weights": "16 (vectors 32)",
        "mIoU with 32 and 16 bits, seed of these weights": f"{found[0]:.2f}, {found[1]:.2f}",
    }
    save_pretrained(small, folder, license=LICENCE, trained_on=learnt_from, record=record, training=settings)
    return Weights(folder, found[:2], found[2])


def _evaluated(run: Run, whole: Path, small: Path, folder: Path) -> tuple[float, float, int]:
    """mIoU of the plain CAM on the reported split, of two checkpoints."""
    config, found = run.config, []
    for path in (whole, small):
        records = evaluate_folder(
            path, folder / path.stem, data=config.data, root=str(run.root) if run.root else None,
            split=run.data("report").split, classes=run.data("report").classes, methods=["cam"],
            limit=config.report_limit, progress=run.progress,
        )  # fmt: skip
        found.append(records[0])
    return float(found[0]["miou"]["mean"]), float(found[1]["miou"]["mean"]), int(found[0]["num_images"])


def _predicted(run: Run, whole: Path, small: Path) -> tuple[float, float, int]:
    """mIoU on the reported split, of two networks."""
    data, scores = run.data("report"), []
    for path in (whole, small):
        predictor = load_predictor(path)
        labels = predictor((data[index].image for index in range(len(data))), run.device)
        total: Any = sum(
            confusion_matrix(data[index].truth, label, len(data.classes)) for index, label in enumerate(labels)
        )
        scores.append(float(mean_iou(total)))
    return scores[0], scores[1], len(data)


def label_files(run: Run, held: Held, name: str) -> dict[str, Path]:
    """The label maps of a run, by their place in an archive: `NAME/METHOD/ID.png`."""
    ids = run.data("train").ids
    return {
        f"{name}/{run.full_name(method)}/{each}.png": folder / f"{each}.png"
        for method, folder in held.labels.items()
        for each in ids
    }


def scene_files(run: Run, folder: Path) -> dict[str, Path]:
    """The scenes of `tabletop`, by their place in an archive, with their data card for programs.

    Args:
        folder: where the card is made.
    """
    root = run.root
    assert root is not None  # `tabletop` always has a folder
    splits = [name for name, _ in run.config.tabletop_spec.splits]
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.name[0] != "."]
    inside = f"tabletop-{GENERATOR_VERSION}"
    kept = {
        f"{inside}/{path.relative_to(root)}": path
        for path in files
        if (place := path.relative_to(root).parts)[0] in splits
        or (place[0] == "kinect" and place[-1].split("-")[0] in splits)
        or len(place) == 1
    }
    write_json(folder / CROISSANT, tabletop_croissant(run.config.tabletop_spec))
    return kept | {f"{inside}/{CROISSANT}": folder / CROISSANT}


def write_zip(target: Path, files: Mapping[str, Path]) -> Path:
    """Write an archive, atomically; the same files give the same bytes.

    What is packed already (pictures, weights) is stored as it is.

    Args:
        files: by their place inside.

    Raises:
        WsssError: a file is missing, or the archive cannot be written.
    """
    gone = next((path for path in files.values() if not path.is_file()), None)
    if gone is not None:
        raise WsssError(f"{gone} is missing: {target} would lack it. Make it again.")
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, _DAY_ONE)
            packed = files[name].suffix in (".png", ".safetensors", ".jpg")
            member.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            with archive.open(member, "w", force_zip64=True) as file, files[name].open("rb") as source:
                while block := source.read(1 << 20):
                    file.write(block)
    return target
