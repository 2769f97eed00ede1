"""The data of a run: its splits, its classes, and its depth."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from wsss.checks import plain_settings
from wsss.config import ALGORITHM_VERSION, Config
from wsss.data.base import IGNORE, Dataset, data_key, subset
from wsss.data.classes import keep_ids
from wsss.data.photographs import TaggedPhotographs
from wsss.data.registry import open_dataset, viewed
from wsss.data.tabletop import TabletopDataset, default_root
from wsss.data.tabletop_rendering import render_series, render_tabletop
from wsss.data.voc import VocDataset
from wsss.data.vocabulary import VOC_CLASSES, ClassChoice, choose_classes
from wsss.depth.estimators import FOLDS, fold_path
from wsss.depth.sources import DepthSource, open_depth
from wsss.depth.specs import innermost, source_identity, with_innermost
from wsss.depth.training import train_with_folds
from wsss.errors import WsssError
from wsss.io import content_hash, read_json, write_json
from wsss.machine.processes import made_by_main, tell
from wsss.methods.depth_cam import Depths
from wsss.methods.names import MethodName
from wsss.methods.presets import PHOTOGRAPHS, Preset, preset_for, read_preset
from wsss.methods.registry import method
from wsss.networks.backbones import weights_identity
from wsss.pipeline.cache import StageCache

__all__ = ["RunData"]


class RunData:
    """The data sets and depth sources of one configuration, and what every stage needs besides: cache, device,
    progress.

    Args:
        progress: show progress bars.
        given: the splits `train`, `tune` and `report`, where they are not opened by name.
    """

    def __init__(
        self,
        config: Config,
        cache: StageCache,
        device: torch.device,
        progress: bool,
        given: Mapping[str, Dataset] | None = None,
    ) -> None:
        self.config, self.cache, self.device, self.progress = config, cache, device, progress
        self._given = given
        self.depths = config.depths
        self._datasets: dict[str, Dataset] = {}
        self._cut: dict[str, list[int]] = {}  # of splits that a limit shortens: how many images are used, of how many
        self._said = False  # what is left out
        self._chosen_on = config.train_split  # the split whose classes are chosen

    @cached_property
    def root(self) -> Path | None:
        """Folder of the data; `tabletop` is rendered first if it is not there."""
        config = self.config
        if config.data != "tabletop":
            return Path(config.root) if config.root else None
        root = Path(config.root) if config.root else default_root(config.tabletop_spec)

        def rendered() -> Path:
            return root if self.is_there else render_tabletop(root, config.tabletop_spec, progress=self.progress)

        return made_by_main(rendered)

    @property
    def is_there(self) -> bool:
        """Whether the data can be read without rendering them first."""
        if self._given is not None or self.config.data != "tabletop":
            return True
        spec = self.config.tabletop_spec
        root = Path(self.config.root) if self.config.root else default_root(spec)
        return all((root / split / "index.json").exists() for split, _ in spec.splits)

    def series(self, name: str) -> TabletopDataset:
        """A controlled series of `tabletop` (see `wsss.data.series`), rendered first if it is not there.

        Raises:
            WsssError: the data is another.
        """
        if self.config.data != "tabletop":
            raise WsssError(f"controlled series are rendered, and {self.config.data} is not: use tabletop")
        assert self.root is not None  # `tabletop` always has a folder
        root, rooms = self.root, self.config.series_rooms
        made_by_main(lambda: render_series(root, rooms=rooms, progress=self.progress))
        return TabletopDataset(root, name)

    def split(self, split: str) -> Dataset:
        """A split: `train`, `tune` and `report` are the configured ones, any other name is the data set's own."""
        if split not in self._datasets:
            config = self.config
            name = {"train": config.train_split, "report": config.report_split}.get(split, split)
            limits = {"train": config.train_limit, "tune": config.tune_limit, "report": config.report_limit}
            data = self._opened(split, name)
            kept = subset(data.ids, limits.get(split))
            if len(kept) < len(data):
                self._cut[split] = [len(kept), len(data)]
                data = keep_ids(data, kept)
            self._datasets[split] = data
        return self._datasets[split]

    def _opened(self, split: str, name: str) -> Dataset:
        config = self.config
        if self._given is not None:
            if split not in self._given:
                raise WsssError(f"{config.data} was given as {', '.join(self._given)}, without a split {split!r}")
            return viewed(self._given[split], self.classes)
        if config.data != "photographs":
            return open_dataset(config.data, name, root=self.root, classes=self.classes)
        if not config.root or not config.tags:
            raise WsssError("photographs need a folder and tags: `wsss label --images DIR --tags FILE --out DIR`")
        masks = Path(config.tune_masks) if config.tune_masks else None
        root, side = Path(config.root), config.photograph_side
        return TaggedPhotographs(root, name, config.tags, masks, self.classes, side=side)

    def has_masks(self, split: str) -> bool:
        """Whether any pixel of a split has a label: images may come with their classes alone."""
        if not self.is_there:  # scenes that are still to be rendered will have them
            return True
        data = self.split(split)
        if isinstance(data, TaggedPhotographs):
            return data.has_masks
        path = self.cache.path("has-masks", self.key(split), ".json")

        def looked(_: list[str]) -> Mapping[str, bool]:
            return {"masks": bool(any((sample.truth != IGNORE).any() for sample in data))}

        return bool(self.cache.get({"masks": path}, looked, write_json, read_json)["masks"])

    def not_scored(self, split: str) -> str | None:
        """Why nothing is scored on a split, in one line; None where masks are there."""
        return None if self.has_masks(split) else f"not scored: no pixel of {self.split(split).split} has a label"

    @cached_property
    def preset(self) -> Preset | None:
        """What takes the place of a choice on the tune split, where that has no masks; None where it has."""
        if self.has_masks("tune"):
            return None
        if self.config.data == "photographs":  # whose regions and crops are of it, too
            return read_preset(self.config.preset or PHOTOGRAPHS)
        return read_preset(self.config.preset) if self.config.preset else preset_for(self.name)

    def key(self, split: str) -> str:
        """Hash of what is read of a split."""
        return data_key(self.split(split))

    @cached_property
    def classes(self) -> tuple[str, ...] | None:
        """The configured classes; for `voc` without any, those that the folder is about (see `choose_classes`)."""
        choice = self._class_choice
        return self.config.classes if choice is None else choice.used

    @cached_property
    def _class_choice(self) -> ClassChoice | None:
        config = self.config
        if config.classes or config.data != "voc":
            return None
        data = open_dataset("voc", "train", root=self.root)
        if data.classes != VOC_CLASSES:  # all that occur in what is learnt from
            data = open_dataset("voc", config.train_split, root=self.root)
        assert isinstance(data, VocDataset)
        self._chosen_on = data.split
        return choose_classes(data.labels(), data.classes, f"{data.split} of {data.root}")

    @property
    def name(self) -> str:
        """The `{data}` of the records."""
        return self.split("tune").name

    def say_left_out(self) -> None:
        """Print what of the data is not used, once a run: before hours of training, or with the first result from the
        cache."""
        if self._said:
            return
        self._said = True
        images, choice = self.left_out().get("images", {}), self._class_choice
        for sentence in self.left_out().get("photographs", ()):
            tell(f"{self.name}, left out: {sentence}")
        for sentence in getattr(self.split("train"), "doubts", ()):
            tell(f"{self.name}: {sentence}")
        for split, (used, listed) in images.items():
            tell(f"{self.name}, {self.split(split).split}: {used:,} of {listed:,} images, evenly spaced")
        if self.preset:
            tell(
                f"{self.name}: tune has no masks, so parameters and thresholds are of the preset {self.preset.name}, "
                f"chosen on {', '.join(self.preset.made_from)}"
            )
        if choice is not None and (sentence := choice.sentence(self._chosen_on)):
            tell(f"{self.name}, {sentence}")

    def left_out(self) -> dict[str, Any]:
        """What of the data is not used though it is there, for the records: `images` by split, [used, of], `classes`,
        and of tagged `photographs` sentences."""
        for split in ("train", "tune", "report"):
            self.split(split)
        choice = self._class_choice
        classes = {} if choice is None else {"absent": list(choice.absent), "rare": list(choice.rare)}
        sentences = [getattr(self.split(split), "left_out", ()) for split in ("train", "tune")]
        parts: dict[str, Any] = {
            "photographs": list(dict.fromkeys(each for split in sentences for each in split)),
            "images": dict(sorted(self._cut.items())),
            "classes": {kind: some for kind, some in classes.items() if some},
        }
        return {kind: part for kind, part in parts.items() if part}

    def depth_of(self, split: str, source: str | None = None) -> DepthSource:
        """The depth source of a split, index → `H×W` inverse depth; the configured one, or that of a method
        `…@source`."""
        if split == "train" and innermost(self.depths.written(source)) == "learned":
            self.depth_network(folds=True)  # cross-fitted: no network predicts the depth that it was trained on
        kind = self.depths.kind(source)
        return open_depth(self.depth_spec(source), self.split(split), kind, cache=self.cache.folder / "depth")

    def depths_of(self, names: Iterable[str], split: str) -> Depths:
        """The depth sources of a split that the methods in question use."""
        sources = {MethodName.of_seeds(name).source for name in names if method(name).uses_depth}
        return {source: self.depth_of(split, source) for source in sources}

    def depth_spec(self, source: str | None = None) -> str:
        """What `open_depth` is told for a method's `@source`.

        A control is made from the configured depth, `learned` is the network that `depth_network` trains, a declared
        name is what it stands for, and a folder may lie in the data's.
        """
        spec = self.depths.spec(source)
        return with_innermost(spec, f"learned:{self.depth_network()}") if innermost(spec) == "learned" else spec

    def depth_identity(self, source: str | None) -> dict[str, Any]:
        """What of a depth source enters a cache key."""
        return {"depth": source_identity(self.depth_spec(source)), "kind": self.depths.kind(source)}

    def depth_network(self, folds: bool = False) -> Path:
        """Checkpoint of the monocular network trained on the depth of the train split; with `folds` those of its folds
        too."""
        settings, data, backbone = self.config.depth_training, self.split("train"), self.config.classifier.backbone
        side = self.config.classifier.base_side
        identity = self.config.classifier.identity()
        parts = [ALGORITHM_VERSION["depth"], plain_settings(settings), backbone, side, data_key(data)]
        parts += [{"weights": identity["weights"]} if identity["weights"] else weights_identity(backbone)]
        path = self.cache.path("depth", content_hash(parts), ".safetensors")

        def make() -> None:
            train_with_folds(
                data,
                path,
                backbone,
                folds=folds,
                test_side=side,
                device=self.device,
                progress=self.progress,
                weights=self.config.classifier.weights,
                **asdict(settings),
            )

        self.cache.written_by(make, [path, *(fold_path(path, fold) for fold in range(FOLDS if folds else 0))])
        return path
