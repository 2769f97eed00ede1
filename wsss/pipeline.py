"""The stages and their cache: data → classifier → chosen parameters → seeds → pseudo-labels → networks.

`Run(config)` hands out the result of any stage and makes what is missing. Results lie in the cache under the hash of what they
depend on, so a second run computes nothing anew, a notebook that is run alone makes what it lacks, and an interrupted run goes on.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from itertools import tee
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wsss.analysis.score import Score, load_score, save_score
from wsss.cam.backbones import backbone_state, normalisation, weights_identity
from wsss.config import Config
from wsss.config import profile as configuration
from wsss.crop_settings import read_crop_settings
from wsss.data.base import IGNORE, Sample, data_key
from wsss.data.transforms import resize_long_side
from wsss.errors import WsssError
from wsss.io import content_hash, read_json, switched_on, write_json
from wsss.label_stages import LabelStages
from wsss.lazy import lazy
from wsss.parallel import image_bar
from wsss.processes import is_main, share, wait
from wsss.pseudo.labels import load_pseudo_label
from wsss.runtime import seed_everything
from wsss.scoring import Tally
from wsss.segmentation.network import build_network, check_network, load_encoder, save_network
from wsss.segmentation.predictor import load_predictor
from wsss.segmentation.training import train_segmentation
from wsss.settings import settings_of_environment
from wsss.stages import ALGORITHM_VERSION, SCORING_VERSION, frees_locks

__all__ = ["ALGORITHM_VERSION", "FULL_SUPERVISION", "NO_FULL_SUPERVISION", "SCORING_VERSION", "Run", "open_run"]

FULL_SUPERVISION = "full-supervision"
"""Name of the labels that are the true masks: of the network that is the upper bound."""

NO_FULL_SUPERVISION = f"{FULL_SUPERVISION.replace('-', ' ')} skipped: no pixel of train has a label"


def open_run(profile: str = "default", data: str = "tabletop", *, progress: bool = True, **settings: Any) -> "Run":
    """The `Run` of a profile on a data set: the first call of every notebook.

    Args:
        settings: fields of `Config` that differ from the profile (`root`, `depth`, `depth_kind`, `seed`, …); None keeps the
            profile's. `crops` may also be the path of a TOML file (see `wsss.crop_settings`), such as the crop explorer writes.
            Those of the environment variable `WSSS_SETTINGS` are added, a JSON object such as `{"classifier.epochs": 3}`.
        progress: show progress bars; never in notebooks that papermill executes, where each would leave a line behind.

    Raises:
        WsssError: unknown profile, data or setting, or a file of crop parameters that cannot be used.
    """
    shown, file = progress and not switched_on("WSSS_HEADLESS"), settings.get("crops")
    settings = settings_of_environment() | settings
    if not isinstance(file, str | Path):
        return Run(configuration(profile, data, **settings), progress=shown)
    given = read_crop_settings(file)
    config = given.applied(configuration(profile, data, **{**settings, "crops": None}))
    return Run(config, progress=shown, crop_settings=given)


class Run(LabelStages):
    """All stages of one configuration: those of `LabelStages`, and the networks that learn from pseudo-labels."""

    def __init__(self, config: Config, cache: Path | None = None, **options: Any) -> None:
        super().__init__(config, cache, **options)
        network = config.segmentation
        check_network(network.architecture, network.encoder, network.crop_size)

    def network_key(self, labels: str) -> str:
        """Hash of everything that a network trained on `labels` (a method, or `full-supervision`) depends on."""
        source = data_key(self.data("train")) if labels == FULL_SUPERVISION else self.label_key(labels)
        encoder = self.config.segmentation.encoder.removeprefix("tu-")
        return content_hash(
            {
                "version": ALGORITHM_VERSION["segmentation"],
                "settings": asdict(self.config.segmentation),
                **({} if encoder == self.config.classifier.backbone else weights_identity(encoder)),
                "base_side": self.config.classifier.base_side,
                "classifier": self.classifier_key,
                "seed": self.config.seed,
                "labels": source,
            }
        )

    @frees_locks
    def network_path(self, labels: str) -> Path:
        """Checkpoint of the network trained on pseudo-labels of method `labels`, or on true masks for `full-supervision`.

        It is trained if it is not there. `python -m wsss predict` uses it.

        Raises:
            WsssError: it would learn from true masks, and there are none.
        """
        if labels == FULL_SUPERVISION and not self.has_masks:
            raise WsssError(f"{NO_FULL_SUPERVISION}. Add masks to SegmentationClass/, or name other labels.")
        path = self._path("network", self.network_key(labels), ".safetensors")
        if self._missing({labels: path}):
            self._train_network(labels, path)
        return path

    @cached_property
    def network_labels(self) -> tuple[str, ...]:
        """What networks learn from: the label methods, and true masks where there are any."""
        return (*self.config.label_methods, *([FULL_SUPERVISION] if self.has_masks else []))

    @cached_property
    @frees_locks
    def has_masks(self) -> bool:
        """Whether any pixel of the train split has a label: images may come with their classes alone, in XML files."""
        path = self._path("has-masks", data_key(self.data("train")), ".json")
        if self._missing({"masks": path}):
            found = any((sample.mask != IGNORE).any() for sample in self.data("train"))
            self._keep(write_json, {"masks": path}, {"masks": bool(found)})
        return bool(read_json(path))

    def network_report(self, labels: str) -> dict[str, Any]:
        """`{"history": [{"iteration", "loss"}], "seconds"}` of a network's training; no history of one that is skipped."""
        if labels == FULL_SUPERVISION and not self.has_masks:
            return {"history": [], "seconds": float("nan")}
        report: dict[str, Any] = read_json(self.network_path(labels).with_suffix(".json"))
        return report

    def _train_network(self, labels: str, path: Path) -> None:
        settings, start = self.config.segmentation, time.perf_counter()
        pairs = self._training_pairs(labels)
        seed_everything(self.config.seed)
        network = build_network(len(self.data("train").classes), settings.architecture, settings.encoder)
        backbone = settings.encoder.removeprefix("tu-")
        load_encoder(network, self._encoder_state(backbone))
        mean, std = normalisation(backbone)
        history = train_segmentation(
            network, pairs, iterations=settings.iterations, batch_size=settings.batch_size, crop_size=settings.crop_size,
            learning_rate=settings.learning_rate, seed=self.config.seed, mean=mean, std=std, device=self.device,
            progress=self.progress, frozen_stages=settings.frozen_stages, checkpoint=path.with_suffix(".state"),
        )  # fmt: skip
        facts = {
            "classes": self.data("train").classes, "labels": labels, "mean": mean, "std": std,
            "long_side": self.config.classifier.base_side, "scales": settings.test_scales,
        }  # fmt: skip
        if is_main():
            write_json(path.with_suffix(".json"), {"history": history, "seconds": time.perf_counter() - start})
            save_network(path, network, {key: json.dumps(value) for key, value in facts.items()})
            path.with_suffix(".state").unlink(missing_ok=True)
            self._locks.release_made()
        wait()

    def _encoder_state(self, backbone: str) -> dict[str, torch.Tensor]:
        """The classifier's own weights where it has the same backbone: it has seen the classes; else pretrained ones."""
        if backbone != self.config.classifier.backbone:
            return backbone_state(backbone)
        return {name: tensor.cpu() for name, tensor in self.classifier[0].features.state_dict().items()}

    def _training_pairs(self, labels: str) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        folder = None if labels == FULL_SUPERVISION else self.pseudo_folder(labels)
        side, pairs = self.config.classifier.base_side, []
        for sample in image_bar(self.data("train"), f"read {labels} labels", self.progress):
            mask = sample.mask if folder is None else load_pseudo_label(folder / f"{sample.id}.png")
            image = resize_long_side(sample.image, side)
            pairs.append((image, _nearest(mask, image.shape[:2])))
        return pairs

    @frees_locks
    def networks(self, labels: Sequence[str]) -> dict[str, Score]:
        """Scores on the reported split of the networks trained on `labels`; no image labels are used."""
        out = {}
        for name in labels:
            key = content_hash([SCORING_VERSION, self.network_key(name), data_key(self.data("report"))])
            path = self._path("networks", key)
            if self._missing({name: path}):
                self._keep(save_score, {name: path}, {name: self._score_network(name)})
            out[name] = load_score(path)
        return out

    def predictions(self, labels: str, samples: Iterable[Sample]) -> Iterator[NDArray[np.uint8]]:
        """Label maps `H×W uint8` of a trained network, for each of `samples`; none of one that is skipped."""
        if labels == FULL_SUPERVISION and not self.has_masks:
            return iter(())
        predictor = load_predictor(self.network_path(labels))
        return predictor((sample.image for sample in samples), self.device)

    def _score_network(self, labels: str) -> Score:
        data = self.data("report")
        tally = Tally(data, thresholds=0)
        report = self.network_report(labels)
        start = time.perf_counter()
        own = share(len(data))
        samples, looked_at = tee(data[index] for index in own)
        labelled = zip(own, samples, self.predictions(labels, looked_at), strict=True)
        for _ in image_bar(own, f"predict {labels}", self.progress):
            tally.add(*next(labelled))
        seconds = (time.perf_counter() - start) / max(1, len(own))
        facts: dict[str, Any] = {
            "threshold": None,
            "parameters": {},
            "trials": 0,
            "megapixels": None,
            "seconds": seconds,
        }
        return tally.merged(
            facts | {"scales": list(self.config.segmentation.test_scales), "flip": True, "history": report["history"]}
        )


def _nearest(mask: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
    if mask.shape == size:
        return mask
    nearest = lazy("torchvision.transforms").InterpolationMode.NEAREST_EXACT
    resize = lazy("torchvision.transforms.v2.functional").resize
    resized: NDArray[np.uint8] = resize(torch.from_numpy(mask)[None], list(size), nearest)[0].numpy()
    return resized
