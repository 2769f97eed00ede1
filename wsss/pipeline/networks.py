"""The stage of segmentation networks: they learn from pseudo-labels or, as the upper bound, from true masks."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import tee
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from wsss.analysis.score import Score, load_score, save_score
from wsss.analysis.tally import Tally
from wsss.checks import plain_settings
from wsss.config import ALGORITHM_VERSION, SCORING_VERSION
from wsss.data.base import Sample
from wsss.data.reduced import resized_label
from wsss.data.transforms import resize_long_side
from wsss.errors import WsssError
from wsss.io import content_hash, read_json, write_json
from wsss.machine.contents import file_hashes
from wsss.machine.parallel import image_bar
from wsss.machine.processes import share
from wsss.machine.runtime import give_back_memory, seed_everything
from wsss.networks.backbones import backbone_state, load_encoder, normalisation, weights_identity
from wsss.networks.batches import Mapped, Samples
from wsss.pipeline.classifier import ClassifierStage
from wsss.pipeline.labels import LabelStage
from wsss.pseudo.labels import load_pseudo_label
from wsss.records.store import FULL_SUPERVISION, NO_FULL_SUPERVISION
from wsss.segmentation.network import build_network, save_network
from wsss.segmentation.predictor import load_predictor
from wsss.segmentation.registry import NETWORKS
from wsss.segmentation.training import train_segmentation

__all__ = ["NetworkStage"]

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""An image `H×W×3` and its label map `H×W`."""

Trained = tuple[nn.Module, dict[str, str], dict[str, Any]]
"""A network, what its checkpoint says of it, and the report of its training."""


class NetworkStage:
    """Networks of a run, by the labels that they learn from: a label method, or `full-supervision` for true masks."""

    def __init__(self, classifier: ClassifierStage, labels: LabelStage) -> None:
        self.classifier, self.labels = classifier, labels
        self.data, self.config, self.cache = labels.data, labels.config, labels.cache

    def key(self, labels: str, maps: Path | None = None) -> str:
        """Hash of everything that a network trained on `labels` depends on.

        Args:
            maps: see `path`.
        """
        source: Any = self.data.key("train") if labels == FULL_SUPERVISION else self.labels.key(labels)
        if maps:
            source = [source, *file_hashes(maps / f"{each}.png" for each in self.data.split("train").ids)]
        encoder = self.config.segmentation.encoder.removeprefix("tu-")
        own = NETWORKS.get(self.config.segmentation.architecture)
        return content_hash(
            {
                "version": ALGORITHM_VERSION["segmentation"],
                "settings": plain_settings(self.config.segmentation),
                **({} if own or encoder == self.config.classifier.backbone else weights_identity(encoder)),
                **({"network": [own.version, own.mean, own.std]} if own else {}),
                "base_side": self.config.classifier.base_side,
                "classifier": self.classifier.key,
                "seed": self.config.seed,
                "labels": source,
            }
        )

    def path(self, labels: str, maps: Path | None = None) -> Path:
        """Checkpoint of the network trained on `labels`, trained if it is not there.

        Args:
            maps: folder of label maps `ID.png` that it learns from in place of those that were made, such as these with
                corrections.

        Raises:
            WsssError: it would learn from true masks, and there are none.
        """
        if labels == FULL_SUPERVISION and not self.has_masks:
            raise WsssError(f"{NO_FULL_SUPERVISION}. Add masks to SegmentationClass/, or name other labels.")
        path = self.cache.path("network", self.key(labels, maps), ".safetensors")
        self.cache.get({labels: path}, partial(self._train, path, maps), _save, lambda _: None)
        return path

    @cached_property
    def all_labels(self) -> tuple[str, ...]:
        """What networks learn from: the label methods, and true masks where there are any."""
        return (*self.config.label_methods, *([FULL_SUPERVISION] if self.has_masks else []))

    @cached_property
    def has_masks(self) -> bool:
        """Whether any pixel of the train split has a label: images may come with their classes alone, in XML files."""
        return self.data.has_masks("train")

    def report(self, labels: str) -> dict[str, Any]:
        """`{"history": [{"iteration", "loss"}], "seconds"}` of a network's training; no history of one that is
        skipped."""
        if labels == FULL_SUPERVISION and not self.has_masks:
            return {"history": [], "seconds": float("nan")}
        report: dict[str, Any] = read_json(self.path(labels).with_suffix(".json"))
        return report

    def _train(self, path: Path, maps: Path | None, missing: list[str]) -> Mapping[str, Trained]:
        (labels,), settings, start = missing, self.config.segmentation, time.perf_counter()
        pairs = self._training_pairs(labels, maps)
        seed_everything(self.config.seed)
        classes = self.data.split("train").classes
        network = build_network(len(classes), settings.architecture, settings.encoder)
        if own := NETWORKS.get(settings.architecture):
            mean, std = own.mean, own.std
        else:
            backbone = settings.encoder.removeprefix("tu-")
            load_encoder(network, self._encoder_state(backbone))
            mean, std = normalisation(backbone)
        history = train_segmentation(
            network,
            pairs,
            iterations=settings.iterations,
            batch_size=settings.batch_size,
            crop_size=settings.crop_size,
            learning_rate=settings.learning_rate,
            seed=self.config.seed,
            mean=mean,
            std=std,
            device=self.data.device,
            progress=self.data.progress,
            frozen_stages=None if own else settings.frozen_stages,
            accumulate=settings.accumulate,
            checkpoint=path.with_suffix(".state"),
        )
        facts = {
            "classes": classes,
            "labels": labels,
            "mean": mean,
            "std": std,
            "long_side": self.config.classifier.base_side,
            "scales": settings.test_scales,
        }
        give_back_memory()
        meta = {key: json.dumps(value) for key, value in facts.items()}
        return {labels: (network, meta, {"history": history, "seconds": time.perf_counter() - start})}

    def _encoder_state(self, backbone: str) -> dict[str, torch.Tensor]:
        """The classifier's own weights where it has the same backbone: it has seen the classes; else pretrained
        ones."""
        if backbone != self.config.classifier.backbone:
            return backbone_state(backbone)
        return {name: tensor.cpu() for name, tensor in self.classifier.trained[0].features.state_dict().items()}

    def _training_pairs(self, labels: str, maps: Path | None = None) -> Samples[Pair]:
        """The images of the train split at scale 1, with true or pseudo-labels, as they are read."""
        folder = None if labels == FULL_SUPERVISION else maps or self.labels.folder(labels)
        side = self.config.classifier.base_side
        return Mapped(self.data.split("train"), partial(_labelled, folder=folder, side=side))

    def scores(self, labels: Sequence[str], split: str) -> dict[str, Score]:
        """Scores on a split of the networks trained on `labels`; no image labels are used."""
        out: dict[str, Score] = {}
        for name in labels:  # one after the other: each may have to be trained
            key = content_hash([SCORING_VERSION, self.key(name), self.data.key(split)])
            path = self.cache.path("networks", key)
            out |= self.cache.get({name: path}, partial(self._score, split), save_score, load_score)
        return out

    def predictions(self, labels: str, samples: Iterable[Sample]) -> Iterator[NDArray[np.uint8]]:
        """Label maps `H×W uint8` of a trained network, for each of `samples`; none of one that is skipped."""
        if labels == FULL_SUPERVISION and not self.has_masks:
            return iter(())
        predictor = load_predictor(self.path(labels))
        return predictor((sample.image for sample in samples), self.data.device)

    def _score(self, split: str, missing: list[str]) -> Mapping[str, Score]:
        (labels,), data = missing, self.data.split(split)
        tally, report = Tally(data, thresholds=0), self.report(labels)
        start = time.perf_counter()
        own = share(len(data))
        samples, looked_at = tee(data[index] for index in own)
        labelled = zip(own, samples, self.predictions(labels, looked_at), strict=True)
        for _ in image_bar(own, f"predict {labels}", self.data.progress):
            tally.add(*next(labelled))
        seconds = (time.perf_counter() - start) / max(1, len(own))
        facts: dict[str, Any] = {
            "threshold": None,
            "parameters": {},
            "trials": 0,
            "megapixels": None,
            "seconds": seconds,
            "scales": list(self.config.segmentation.test_scales),
            "flip": True,
            "history": report["history"],
        }
        return {labels: tally.merged(facts)}


def _save(path: Path, trained: Trained) -> None:
    network, meta, report = trained
    write_json(path.with_suffix(".json"), report)
    save_network(path, network, meta)
    path.with_suffix(".state").unlink(missing_ok=True)


def _labelled(sample: Sample, folder: Path | None, side: int) -> Pair:
    """An image with a long side of `side`, and its label map from `folder`; None takes the true one."""
    mask = sample.required_mask if folder is None else load_pseudo_label(folder / f"{sample.id}.png")
    image = resize_long_side(sample.image, side)
    return image, resized_label(mask, image.shape[:2])
