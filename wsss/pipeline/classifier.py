"""The stage of the classifier: its training, and the image labels that it predicts."""

import time
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wsss.cam.classifier import Classifier, ClassifierInfo, build_classifier, info_for, load_classifier, save_classifier
from wsss.cam.features import features_version
from wsss.cam.training import (
    PREDICTED_THRESHOLD,
    hardly_learnt,
    loss_of_shares,
    mean_average_precision,
    predict_probabilities,
    train_classifier,
)
from wsss.config import ALGORITHM_VERSION
from wsss.data.base import Sample
from wsss.data.transforms import resize_long_side
from wsss.errors import WsssError
from wsss.io import content_hash, read_json, write_json
from wsss.machine.parallel import image_bar
from wsss.machine.processes import gathered, share
from wsss.machine.runtime import give_back_memory, seed_everything
from wsss.networks.backbones import weights_identity
from wsss.networks.batches import PRELOAD_BYTES, Mapped, Samples
from wsss.pipeline.data import RunData

__all__ = ["ClassifierStage"]

Trained = tuple[Classifier, ClassifierInfo, dict[str, Any]]
"""A classifier, what it says of itself, and the report of its training."""


class ClassifierStage:
    """The classifier of a run, trained if it is not in the cache."""

    def __init__(self, data: RunData) -> None:
        self.data, self.config, self.cache = data, data.config, data.cache
        self._predicted: dict[str, tuple[NDArray[np.bool_], NDArray[np.float32]]] = {}

    @cached_property
    def key(self) -> str:
        """Hash of everything that the classifier depends on."""
        settings = self.config.classifier
        return content_hash(
            {
                "version": ALGORITHM_VERSION["classifier"],
                "settings": settings.identity(),
                "seed": self.config.seed,
                "data": self.data.key("train"),
                **features_version(settings.backbone, settings.output_stride),
                **({} if settings.weights else weights_identity(settings.backbone)),
            }
        )

    @property
    def path(self) -> Path:
        """The checkpoint's file, which need not be there yet."""
        return self.cache.path("classifier", self.key, ".safetensors")

    @cached_property
    def trained(self) -> tuple[Classifier, ClassifierInfo]:
        """The trained classifier, in evaluation mode, and what it says of itself."""
        found = self.cache.get({"classifier": self.path}, self._train, _save, load_classifier)
        model, info = found["classifier"]
        return model.to(self.data.device, memory_format=torch.channels_last), info  # type: ignore[call-overload]

    def _train(self, _: list[str]) -> Mapping[str, Trained]:
        self.data.say_left_out()
        settings, data = self.config.classifier, self.data.split("train")
        start = time.perf_counter()
        info = info_for(settings.backbone, data.classes, settings.output_stride, settings.base_side)
        seed_everything(self.config.seed)
        weights = Path(settings.weights) if settings.weights else None
        model = build_classifier(settings.backbone, len(data.classes), settings.output_stride, weights)
        images, labels = self.images_and_labels("train")
        if not np.any(labels):
            raise WsssError(
                f"no image of {data.name}, {data.split} shows {', '.join(data.classes)}: there is nothing to learn. "
                "Name other classes with --classes."
            )
        history = train_classifier(
            model,
            info,
            images,
            labels,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            crop_side=settings.crop_side,
            frozen_stages=settings.frozen_stages,
            accumulate=settings.accumulate,
            seed=self.config.seed,
            device=self.data.device,
            progress=self.data.progress,
            checkpoint=self.path.with_suffix(".state"),
        )
        give_back_memory()
        report = {"history": history, "loss_of_shares": loss_of_shares(labels), "seconds": time.perf_counter() - start}
        return {"classifier": (model, info, report)}

    def report(self) -> dict[str, Any]:
        """`{"history": [{"epoch", "loss"}], "map": {"tune", "report"} in percent, "seconds"}` of the training."""
        return {**self._kept_report(), "map": self.average_precision()}

    def _kept_report(self) -> dict[str, Any]:
        """What was written of the training, which is made if it is not there."""
        _ = self.trained
        kept: dict[str, Any] = read_json(self.path.with_suffix(".json"))
        return kept

    def doubt(self) -> str | None:
        """That the classifier has hardly learnt, in one line; None where it has, or where its training did not say."""
        kept = self._kept_report()
        loss, shares = kept["history"][-1]["loss"], kept.get("loss_of_shares", 0.0)
        if not hardly_learnt(loss, shares):
            return None
        more = 4 * self.config.classifier.epochs
        return (
            f"the classifier has hardly learnt: its loss is {loss:.2f}, and that of the classes' shares alone "
            f"{shares:.2f}. Its maps are worth little. Give more epochs (--epochs {more}), more images or another "
            "--seed."
        )

    def average_precision(self) -> dict[str, float]:
        """mAP in percent of the classifier's image labels on `tune` and `report`; NaN where a split shows none of the
        classes."""
        splits = ("tune", "report")
        key = content_hash([self.key, *map(self.data.key, splits)])

        def measured(_: list[str]) -> Mapping[str, dict[str, float | None]]:
            found = {split: mean_average_precision(*self.labels_and_probabilities(split)) for split in splits}
            return {"mAP": {split: value if np.isfinite(value) else None for split, value in found.items()}}

        path = self.cache.path("average-precision", key, ".json")
        known = self.cache.get({"mAP": path}, measured, write_json, read_json)["mAP"]
        return {split: float("nan") if value is None else value for split, value in known.items()}

    def images_and_labels(self, split: str) -> tuple[Samples[NDArray[np.uint8]], NDArray[np.bool_]]:
        """The images of a split at scale 1, in memory up to a limit (`wsss.networks.batches`), and their labels
        `(N,C) bool`."""
        data, side = self.data.split(split), self.config.classifier.base_side
        images: list[NDArray[np.uint8]] = []
        labels, size = [], 0
        for sample in image_bar(data, f"read {split}", self.data.progress):
            labels.append(sample.labels)
            if size <= PRELOAD_BYTES:
                images.append(resize_long_side(sample.image, side))
                size += images[-1].nbytes
        held = size <= PRELOAD_BYTES
        return images if held else Mapped(data, partial(_scaled, side=side)), np.stack(labels)

    def predicted_labels(self, split: str) -> NDArray[np.bool_]:
        """Image labels `(N,C) bool` that the classifier predicts."""
        return self.labels_and_probabilities(split)[1] > PREDICTED_THRESHOLD

    def labels_and_probabilities(self, split: str) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Image labels `(N,C)` of a split and the classifier's probabilities of them, predicted once a run."""
        if split not in self._predicted:
            model, info = self.trained
            images, labels = self.images_and_labels(split)
            own = share(len(images))
            own_images = Mapped(images, lambda image: image, own)
            found = predict_probabilities(model, info, own_images, self.data.device)
            probabilities = np.zeros(labels.shape, np.float32)
            for index, row in gathered(list(zip(own, found, strict=True))):
                probabilities[index] = row
            self._predicted[split] = labels, probabilities
        return self._predicted[split]


def _scaled(sample: Sample, side: int) -> NDArray[np.uint8]:
    return resize_long_side(sample.image, side)


def _save(path: Path, trained: Trained) -> None:
    model, info, report = trained
    write_json(path.with_suffix(".json"), report)
    save_classifier(path, model, info)  # last: where the weights are, the report is too
    path.with_suffix(".state").unlink(missing_ok=True)
