"""The stage of seeds: fusion parameters and thresholds chosen on the tune split, and the scores of the methods' label
maps."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from wsss.analysis.score import Score, load_score, save_score
from wsss.cam.classifier import save_classifier
from wsss.config import ALGORITHM_VERSION, SCORING_VERSION
from wsss.io import content_hash, read_array, read_json, write_array, write_json
from wsss.methods.choice import Choice
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.names import MethodName
from wsss.methods.parameters import FusionParameters
from wsss.methods.presets import Preset
from wsss.methods.registry import PROPOSALS, method
from wsss.methods.scoring import choose_parameters, score_seeds
from wsss.networks.lean import lean_copy
from wsss.pipeline.classifier import ClassifierStage
from wsss.pipeline.crop_file import GIVEN_METHOD, CropSettings

__all__ = ["SeedStage", "read_choice", "write_choice"]


class SeedStage:
    """Seeds of a run's methods.

    Args:
        given: fusion and threshold that a file gives for method `depth`, in place of choosing them; None chooses
            everything.
    """

    def __init__(self, classifier: ClassifierStage, given: CropSettings | None) -> None:
        self.classifier, self.data = classifier, classifier.data
        self.config, self.cache = self.data.config, self.data.cache
        self._settings = given

    @cached_property
    def depth_cam(self) -> DepthCAM:
        """The classifier with this run's settings of regions and crops."""
        model, info = self.classifier.trained
        classes, config = self.data.split("tune").classes, self.config
        looks = config.regions, config.crops
        return DepthCAM(lean_copy(model), info, classes, *looks, self.data.device, colour=config.colour)

    def key(self, name: str, split: str) -> str:
        """Hash of everything that the label maps of a method on a split depend on."""
        plan = method(name)
        parts: dict[str, Any] = {
            "version": ALGORITHM_VERSION["cam"],
            "classifier": self.classifier.key,
            "method": asdict(plan),
            "tune": self.data.key("tune"),
            "data": self.data.key(split),
        }
        if plan.proposal:
            config = self.config
            parts |= {"regions": asdict(config.regions), "crops": asdict(config.crops), "colour": asdict(config.colour)}
        if plan.proposal == "cam":
            parts["boxes"] = "of the classes that are looked for"
        if plan.proposal in PROPOSALS:
            parts["proposal"] = PROPOSALS[plan.proposal].version
        if plan.uses_depth:
            parts |= self.data.depth_identity(MethodName.of_seeds(name).source)
        if self._settings and name in self.given:
            parts["given"] = self._settings.given
        elif self.data.preset:
            parts["preset"] = self.data.preset.identity
        return content_hash(parts)

    @property
    def given(self) -> Mapping[str, tuple[FusionParameters, float]]:
        """Fusion parameters and threshold that are not chosen, by method."""
        settings = self._settings
        if settings is None or settings.fusion is None or settings.threshold is None:
            return {}
        return {GIVEN_METHOD: (settings.fusion, settings.threshold)}

    def choose(self, names: Sequence[str]) -> dict[str, Choice]:
        """Fusion parameters and threshold of each method, chosen on the tune split (see `choose_parameters`).

        Where that has no masks, they are those of a file or a preset.
        """
        keys = {name: self.key(name, "tune") for name in names}
        paths = {name: self.cache.path("choice", key, ".json") for name, key in keys.items()}
        blocks = self.cache.blocks("choice", keys, write_array, read_array)

        def chosen(missing: list[str]) -> Mapping[str, Choice]:
            if self.data.preset:
                return {name: self._unscored(name, self.data.preset) for name in missing}
            depths, tune = self.data.depths_of(missing, "tune"), self.data.split("tune")
            return choose_parameters(
                self.depth_cam, missing, tune, depths, given=self.given, blocks=blocks, progress=self.data.progress
            )

        return self.cache.get(paths, chosen, write_choice, read_choice, blocks)

    def _unscored(self, name: str, preset: Preset) -> Choice:
        """What is given for a method, and not scored on the tune split."""
        if name in self.given:
            parameters, threshold = self.given[name]
            return Choice(parameters, threshold, None, 1, "file")
        return preset.choice(name)

    def scores(self, names: Sequence[str], split: str) -> dict[str, Score]:
        """Scores of the methods' seeds on a split, with given image labels and with those that the classifier
        predicts."""
        keys = {name: content_hash([SCORING_VERSION, self.key(name, split)]) for name in names}
        blocks = self.cache.blocks("seeds", keys, save_score, load_score)

        def scored(missing: list[str]) -> Mapping[str, Score]:
            depths = self.data.depths_of(missing, split)  # first: a bad source is told before hours of training
            choices = self.choose(missing)
            return score_seeds(
                self.depth_cam,
                choices,
                self.data.split(split),
                depths,
                predicted=self.classifier.predicted_labels(split),
                blocks=blocks,
                progress=self.data.progress,
            )

        paths = {name: self.cache.path("seeds", key) for name, key in keys.items()}
        return self.cache.get(paths, scored, save_score, load_score, blocks)

    def export(self, path: Path, methods: Sequence[str]) -> None:
        """Write the classifier with the settings of its crops and what was chosen for `methods`."""
        model, info = self.classifier.trained
        settings = {name: asdict(getattr(self.config, name)) for name in ("regions", "crops", "colour")}
        chosen = {name: choice.plain() for name, choice in self.choose(methods).items()}
        save_classifier(path, model, replace(info, chosen=chosen, looks=settings))


def write_choice(path: Path, choice: Choice) -> None:
    """Write a choice as JSON."""
    write_json(path, choice.plain())


def read_choice(path: Path) -> Choice:
    """Read what `write_choice` wrote."""
    return Choice.of_plain(read_json(path))
