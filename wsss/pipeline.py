"""The stages and their cache: data → classifier → chosen parameters → seeds → pseudo-labels → networks.

`Run(config)` hands out the result of any stage and makes what is missing. Results lie in the cache under the hash of what they
depend on, so a second run takes seconds, a notebook that is run alone makes what it lacks, and an interrupted run goes on.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2.functional import resize
from tqdm.auto import tqdm

from wsss.analysis.score import Score, load_score, save_score
from wsss.cam.backbones import backbone_state, normalisation
from wsss.cam.classifier import Classifier, ClassifierInfo, build_classifier, info_for, load_classifier, save_classifier
from wsss.cam.folding import fold_batch_norms
from wsss.cam.training import mean_average_precision, predict_probabilities, train_classifier
from wsss.config import Config
from wsss.config import profile as configuration
from wsss.data.base import Dataset, Sample
from wsss.data.registry import open_dataset
from wsss.data.tabletop import TabletopSpec, default_root, render_tabletop
from wsss.data.transforms import resize_long_side
from wsss.data.voc import usual_classes
from wsss.depth.methods import METHODS, method
from wsss.depth.sources import DepthSource, open_depth, source_identity
from wsss.io import content_hash, read_json, write_json
from wsss.pseudo.labels import load_pseudo_label
from wsss.runtime import keep_freed_memory, pick_device, seed_everything
from wsss.scoring import Looker, Tally, choose_parameters, same_passes, score_seeds
from wsss.segmentation.inference import predict_batches
from wsss.segmentation.network import build_network, load_encoder, load_network, save_network
from wsss.segmentation.training import train_segmentation

__all__ = ["ALGORITHM_VERSION", "Run", "open_run", "runs_folder"]

ALGORITHM_VERSION = {"classifier": 1, "cam": 1, "pseudo": 1, "segmentation": 2}
"""Raised whenever a stage's output changes for the same settings; part of every cache key and record."""

PREDICTED_THRESHOLD = 0.5
"""Probability above which the classifier's own prediction stands in for a given image label."""


def runs_folder() -> Path:
    """`$WSSS_RUNS`, or `runs/` of the checkout that this package lies in, wherever a notebook's kernel was started."""
    return Path(os.environ.get("WSSS_RUNS", Path(__file__).resolve().parent.parent / "runs"))


def open_run(profile: str = "default", data: str = "tabletop", *, progress: bool = True, **settings: Any) -> "Run":
    """The `Run` of a profile on a data set: the first call of every notebook.

    Args:
        settings: fields of `Config` that differ from the profile (`root`, `depth`, `depth_kind`, `seed`, …); None keeps the
            profile's.
        progress: show progress bars; never in notebooks that papermill executes, where each would leave a line behind.
    """
    return Run(configuration(profile, data, **settings), progress=progress and not os.environ.get("WSSS_HEADLESS"))


class Run:
    """One configuration, its data and its stages. Every method returns the stage's result, from the cache if it is there.

    Args:
        config: what to run.
        cache: folder of the cache; None is `cache/` in `runs_folder()`.
        progress: show progress bars.
    """

    def __init__(self, config: Config, cache: Path | None = None, *, progress: bool = True) -> None:
        keep_freed_memory()
        self.config = config
        self.cache = cache or runs_folder() / "cache"
        self.progress = progress
        self.device = pick_device()
        for name in (*config.methods, *config.label_methods):
            method(name)  # an unknown name is an error now, not hours later

    @property
    def folder(self) -> Path:
        """Where this run leaves records, figures and executed notebooks: `runs/{profile}`."""
        return runs_folder() / self.config.profile

    # ---- data -----------------------------------------------------------------------------------------------------

    @cached_property
    def root(self) -> Path | None:
        """Folder of the data; `tabletop` is rendered first if it is not there."""
        config = self.config
        if config.data != "tabletop":
            return Path(config.root) if config.root else None
        splits = tuple(zip(("train", "tune", "test"), config.tabletop_scenes, strict=True))
        spec = TabletopSpec(side=config.tabletop_side, splits=splits)
        root = Path(config.root) if config.root else default_root(spec)
        complete = all((root / split / "index.json").exists() for split, _ in splits)
        return root if complete else render_tabletop(root, spec, progress=self.progress)

    def data(self, split: str) -> Dataset:
        """A split: `train`, `tune` and `report` are the configured ones, any other name is the data set's own."""
        if split not in self._datasets:
            config = self.config
            name = {"train": config.train_split, "report": config.report_split}.get(split, split)
            limits = {"train": config.train_limit, "tune": config.tune_limit, "report": config.report_limit}
            self._datasets[split] = open_dataset(
                config.data, name, root=self.root, classes=self.classes, limit=limits.get(split)
            )
        return self._datasets[split]

    @cached_property
    def classes(self) -> tuple[str, ...] | None:
        """The configured classes; for `voc` without any, those that the folder is about (see `usual_classes`)."""
        config = self.config
        if config.classes or config.data != "voc":
            return config.classes
        return usual_classes(open_dataset("voc", "train", root=self.root))

    @cached_property
    def _datasets(self) -> dict[str, Dataset]:
        return {}

    @cached_property
    def data_name(self) -> str:
        """The `{data}` of the records."""
        return self.data("tune").name

    def depth_of(self, split: str) -> DepthSource:
        """The depth source of a split, index → `H×W` inverse depth."""
        return open_depth(self.config.depth, self.data(split), self.config.depth_kind, self.config.seed)

    def _progress(self, items: Any, text: str, total: int | None = None) -> Any:
        return tqdm(items, desc=text, total=total, unit="image", leave=False, disable=not self.progress)

    # ---- classifier -----------------------------------------------------------------------------------------------

    @cached_property
    def classifier_key(self) -> str:
        return content_hash(
            {
                "version": ALGORITHM_VERSION["classifier"],
                "settings": asdict(self.config.classifier),
                "seed": self.config.seed,
                "data": self.data("train").fingerprint(),
            }
        )

    @cached_property
    def classifier(self) -> tuple[Classifier, ClassifierInfo]:
        """The trained classifier, in evaluation mode, and what it says of itself."""
        path = self.cache / "classifier" / f"{self.classifier_key[:16]}.safetensors"
        if not path.exists():
            self._train_classifier(path)
        model, info = load_classifier(path)
        return model.to(self.device, memory_format=torch.channels_last), info  # type: ignore[call-overload]

    def _train_classifier(self, path: Path) -> None:
        settings, data = self.config.classifier, self.data("train")
        start = time.perf_counter()
        info = info_for(settings.backbone, data.classes, settings.output_stride, settings.base_side)
        seed_everything(self.config.seed)
        weights = Path(settings.weights) if settings.weights else None
        model = build_classifier(settings.backbone, len(data.classes), settings.output_stride, weights)
        images, labels = self._images_and_labels("train")
        history = train_classifier(
            model, info, images, labels,
            epochs=settings.epochs, batch_size=settings.batch_size, learning_rate=settings.learning_rate,
            crop_side=settings.crop_side, frozen_stages=settings.frozen_stages, seed=self.config.seed,
            device=self.device, progress=self.progress,
        )  # fmt: skip
        scores = {}
        for split in ("tune", "report"):
            images, labels = self._images_and_labels(split)
            scores[split] = mean_average_precision(labels, predict_probabilities(model, info, images, self.device))
        seconds = time.perf_counter() - start
        write_json(path.with_suffix(".json"), {"history": history, "map": scores, "seconds": seconds})
        save_classifier(path, model, info)  # last: where the weights are, the report is too

    def classifier_report(self) -> dict[str, Any]:
        """`{"history": [{"epoch", "loss"}], "map": {"tune", "report"} in percent, "seconds"}` of the training."""
        _ = self.classifier
        return read_json(self.cache / "classifier" / f"{self.classifier_key[:16]}.json")

    def _images_and_labels(self, split: str) -> tuple[list[NDArray[np.uint8]], NDArray[np.bool_]]:
        images, labels = [], []
        for sample in self._progress(self.data(split), f"read {split}"):
            images.append(resize_long_side(sample.image, self.config.classifier.base_side))
            labels.append(sample.labels)
        return images, np.stack(labels)

    # ---- seeds ----------------------------------------------------------------------------------------------------

    @cached_property
    def looker(self) -> Looker:
        """The classifier with this run's crop settings."""
        model, info = self.classifier
        return Looker(
            fold_batch_norms(model),
            info,
            self.data("tune").classes,
            self.config.regions,
            self.config.crops,
            self.device,
        )

    def seed_key(self, name: str, split: str) -> str:
        """Hash of everything that the scores of a method on a split depend on."""
        plan = method(name)
        parts: dict[str, Any] = {
            "version": ALGORITHM_VERSION["cam"],
            "classifier": self.classifier_key,
            "method": asdict(plan),
            "tune": self.data("tune").fingerprint(),
            "data": self.data(split).fingerprint(),
            "band": self._band(split),
        }
        if plan.uses_crops:
            parts |= {"depth": source_identity(self.config.depth), "kind": self.config.depth_kind}
            parts |= {"regions": asdict(self.config.regions), "crops": asdict(self.config.crops)}
        return content_hash(parts)

    def _band(self, split: str) -> float:
        return self.config.ignore_band if split == "train" else 0.0

    def _path(self, stage: str, key: str, suffix: str = ".npz") -> Path:
        return self.cache / stage / f"{key[:16]}{suffix}"

    def _depth_for(self, name: str, split: str) -> DepthSource | None:
        return self.depth_of(split) if METHODS[name].uses_crops else None

    def choose(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Fusion parameters and threshold of each method, chosen on the tune split (see `choose_parameters`)."""
        paths = {name: self._path("choice", self.seed_key(name, "tune"), ".json") for name in names}
        for group in same_passes([name for name in names if not paths[name].exists()]):
            depth = self._depth_for(group[0], "tune")
            chosen = choose_parameters(self.looker, group, self.data("tune"), depth, progress=self.progress)
            for name, choice in chosen.items():
                write_json(paths[name], choice)
        return {name: read_json(path) for name, path in paths.items()}

    def seeds(self, names: Sequence[str], split: str = "report") -> dict[str, Score]:
        """Scores of the methods' seeds on a split, with the parameters chosen on the tune split.

        On `train` the seeds are written as pseudo-labels at the same time (see `pseudo_folder`); elsewhere they are also scored
        with the image labels that the classifier predicts.
        """
        paths = {name: self._path("seeds", self.seed_key(name, split)) for name in names}
        missing = [name for name in names if not paths[name].exists()]
        choices = self.choose(missing)
        train = split == "train"
        for group in same_passes(missing):
            scores = score_seeds(
                self.looker, {name: choices[name] for name in group}, self.data(split), self._depth_for(group[0], split),
                band=self._band(split), folders={name: self._pseudo(name) for name in group} if train else None,
                predicted=None if train else self.predicted_labels(split), progress=self.progress,
            )  # fmt: skip
            for name, score in scores.items():
                save_score(paths[name], score)
        return {name: load_score(path) for name, path in paths.items()}

    def predicted_labels(self, split: str) -> NDArray[np.bool_]:
        """Image labels `(N,C) bool` that the classifier predicts."""
        model, info = self.classifier
        images, _ = self._images_and_labels(split)
        return predict_probabilities(model, info, images, self.device) > PREDICTED_THRESHOLD

    def _pseudo(self, name: str) -> Path:
        return self._path("pseudo", self.seed_key(name, "train"), "")

    def pseudo_folder(self, name: str) -> Path:
        """Folder of the pseudo-labels of the train split, VOC-palette PNGs named by sample id, made if missing."""
        self.seeds([name], "train")
        return self._pseudo(name)

    def export_classifier(self, path: Path, methods: Sequence[str]) -> None:
        """Write the classifier with the parameters chosen for `methods` inside, for `python -m wsss evaluate`."""
        model, info = self.classifier
        save_classifier(path, model, replace(info, chosen=self.choose(methods)))

    # ---- networks -------------------------------------------------------------------------------------------------

    def network_key(self, labels: str) -> str:
        """Hash of everything that a network trained on `labels` (a method, or `full-supervision`) depends on."""
        source = self.data("train").fingerprint() if labels == "full-supervision" else self.seed_key(labels, "train")
        return content_hash(
            {
                "version": [ALGORITHM_VERSION["segmentation"], ALGORITHM_VERSION["pseudo"]],
                "settings": asdict(self.config.segmentation),
                "base_side": self.config.classifier.base_side,
                "classifier": self.classifier_key,
                "seed": self.config.seed,
                "labels": source,
            }
        )

    def network(self, labels: str) -> nn.Module:
        """The network trained on the pseudo-labels of method `labels`, or on true masks for `full-supervision`."""
        path = self._path("network", self.network_key(labels), ".safetensors")
        if not path.exists():
            self._train_network(labels, path)
        return load_network(path)[0].to(self.device)

    def network_report(self, labels: str) -> dict[str, Any]:
        """`{"history": [{"iteration", "loss"}], "seconds"}` of a network's training."""
        self.network(labels)
        return read_json(self._path("network", self.network_key(labels), ".json"))

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
            progress=self.progress, frozen_stages=settings.frozen_stages,
        )  # fmt: skip
        write_json(path.with_suffix(".json"), {"history": history, "seconds": time.perf_counter() - start})
        side = self.config.classifier.base_side
        facts = {
            "classes": self.data("train").classes,
            "mean": mean,
            "std": std,
            "long_side": round(side * settings.test_scale),
        }
        save_network(path, network, {key: json.dumps(value) for key, value in facts.items()})

    def _encoder_state(self, backbone: str) -> dict[str, torch.Tensor]:
        """The classifier's own weights where it has the same backbone: it has seen the classes; else pretrained ones."""
        if backbone != self.config.classifier.backbone:
            return backbone_state(backbone)
        return {name: tensor.cpu() for name, tensor in self.classifier[0].features.state_dict().items()}

    def _training_pairs(self, labels: str) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        folder = None if labels == "full-supervision" else self.pseudo_folder(labels)
        side, pairs = self.config.classifier.base_side, []
        for sample in self._progress(self.data("train"), f"read {labels} labels"):
            mask = sample.mask if folder is None else load_pseudo_label(folder / f"{sample.id}.png")
            image = resize_long_side(sample.image, side)
            pairs.append((image, _nearest(mask, image.shape[:2])))
        return pairs

    def networks(self, labels: Sequence[str]) -> dict[str, Score]:
        """Scores on the reported split of the networks trained on `labels`; no image labels are used."""
        out = {}
        for name in labels:
            path = self._path("networks", content_hash([self.network_key(name), self.data("report").fingerprint()]))
            if not path.exists():
                save_score(path, self._score_network(name))
            out[name] = load_score(path)
        return out

    def predictions(self, labels: str, samples: Sequence[Sample]) -> Iterator[NDArray[np.uint8]]:
        """Label maps `H×W uint8` of a trained network, for each of `samples`."""
        network = self.network(labels)
        mean, std = normalisation(self.config.segmentation.encoder.removeprefix("tu-"))
        yield from predict_batches(
            network, (sample.image for sample in samples), mean=mean, std=std,
            long_side=round(self.config.classifier.base_side * self.config.segmentation.test_scale), device=self.device,
        )  # fmt: skip

    def _score_network(self, labels: str) -> Score:
        data = self.data("report")
        tally = Tally(data, thresholds=0)
        report = self.network_report(labels)
        start = time.perf_counter()
        bar = self._progress(data, f"predict {labels}", len(data))
        for sample, label in zip(bar, self.predictions(labels, data), strict=True):  # type: ignore[arg-type]
            tally.add(sample, label)
        seconds = (time.perf_counter() - start) / max(1, len(data))
        facts: dict[str, Any] = {
            "threshold": None,
            "parameters": {},
            "trials": 0,
            "megapixels": None,
            "seconds": seconds,
        }
        return tally.score(
            facts | {"scales": [self.config.segmentation.test_scale], "flip": True, "history": report["history"]}
        )


def _nearest(mask: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
    if mask.shape == size:
        return mask
    return resize(torch.from_numpy(mask)[None], list(size), InterpolationMode.NEAREST_EXACT)[0].numpy()
