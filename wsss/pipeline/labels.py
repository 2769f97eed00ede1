"""The stage of pseudo-labels: seeds of the train split, refined and parted by two thresholds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wsss.analysis.score import Score, load_score, save_score
from wsss.checks import settings_from
from wsss.config import ALGORITHM_VERSION, SCORING_VERSION
from wsss.errors import WsssError
from wsss.io import content_hash, read_array, read_json, write_array, write_json
from wsss.machine.processes import is_main
from wsss.methods.names import MethodName
from wsss.methods.presets import Preset
from wsss.pipeline.seeds import SeedStage
from wsss.pseudo.labelling import LabelChoice, Labeller, choose_labels, write_labels
from wsss.pseudo.refinement import REFINEMENTS, RefinementParameters, require_libraries

__all__ = ["LabelStage"]


class LabelStage:
    """Pseudo-labels of a run. A label method is a method with or without `+refinement`, such as `depth+par-depth`."""

    def __init__(self, seeds: SeedStage) -> None:
        self.seeds, self.data, self.config, self.cache = seeds, seeds.data, seeds.config, seeds.cache

    def key(self, name: str) -> str:
        """Hash of everything that the pseudo-labels of a label method depend on."""
        parsed = MethodName.parse(name)
        parts: dict[str, Any] = {
            "version": ALGORITHM_VERSION["pseudo"],
            "seeds": self.seeds.key(parsed.seeds, "train"),
            "refinement": parsed.refinement,
        }
        if parsed.refinement:
            refinement = REFINEMENTS[parsed.refinement]
            parts["trials"] = [asdict(trial) for trial in refinement.trials]
            parts["refinement_version"] = refinement.version
            if refinement.uses_depth:
                parts |= {**self.data.depth_identity(parsed.source), "jump": self.config.regions.jump}
        return content_hash(parts)

    def choose(self, names: Sequence[str]) -> dict[str, LabelChoice]:
        """Refinement and thresholds of each label method, chosen on the tune split (see `choose_labels`)."""
        keys = {name: self.key(name) for name in names}
        paths = {name: self.cache.path("label-choice", key, ".json") for name, key in keys.items()}
        blocks = self.cache.blocks("label-choice", keys, write_array, read_array)

        def chosen(missing: list[str]) -> Mapping[str, LabelChoice]:
            require_libraries(missing)
            given = [name for name in missing if name in self.seeds.given]
            found = {name: LabelChoice.given(choice) for name, choice in self.seeds.choose(given).items()}
            if self.data.preset:
                found |= {name: self._preset(name, self.data.preset) for name in missing if name not in given}
            rest = [name for name in missing if name not in found]
            if rest:
                labeller, tune = self._labeller(rest, "tune"), self.data.split("tune")
                found |= choose_labels(labeller, rest, tune, blocks=blocks, progress=self.data.progress)
            return found

        return self.cache.get(paths, chosen, _write, _read, blocks)

    def _preset(self, name: str, preset: Preset) -> LabelChoice:
        """Refinement and thresholds that were chosen on other data; unrefined labels go by the threshold of seeds."""
        seeds = self.seeds.choose([MethodName.parse(name).seeds])[MethodName.parse(name).seeds]
        if MethodName.parse(name).refinement is None:
            return LabelChoice.given(seeds)
        held = preset.label(name)
        refinement = settings_from(RefinementParameters, held["refinement"], partial=True)
        thresholds = {key: held[key] for key in ("low", "high", "threshold")}
        return LabelChoice(refinement, **thresholds, miou=None, trials=0, facts={"chosen_on": "preset"})

    def scores(self, names: Sequence[str]) -> dict[str, Score]:
        """Scores of the label methods' pseudo-labels, which are written at the same time (see `folder`)."""
        keys = {name: content_hash([SCORING_VERSION, self.key(name)]) for name in names}
        paths = {name: self.cache.path("labels", key) for name, key in keys.items()}
        blocks = self.cache.blocks("labels", keys, save_score, load_score)
        for name in names:
            if is_main() and not self._folder(name).is_dir():  # somebody made room: scores without labels are no result
                paths[name].unlink(missing_ok=True)
                blocks.clear([name])

        def labelled(missing: list[str]) -> Mapping[str, Score]:
            require_libraries(missing)
            folders = {name: self._folder(name) for name in missing}
            labeller, choices = self._labeller(missing, "train"), self.choose(missing)
            train, regions = self.data.split("train"), self.config.data == "photographs"
            shown = self.data.progress
            return write_labels(labeller, choices, train, folders, blocks=blocks, progress=shown, regions=regions)

        return self.cache.get(paths, labelled, save_score, load_score, blocks)

    def _labeller(self, names: Sequence[str], split: str) -> Labeller:
        parts = [MethodName.parse(name) for name in names]
        bases = list(dict.fromkeys(each.seeds for each in parts))
        depths = self.data.depths_of(bases, split)
        if any(each.refinement and REFINEMENTS[each.refinement].uses_depth for each in parts):
            depths = {None: self.data.depth_of(split), **depths}
        return Labeller(self.seeds.depth_cam, self.seeds.choose(bases), depths)

    def labeller(self, name: str) -> Labeller:
        """What makes the scores of which the pseudo-labels of the train split are made; see `Labeller.scores_of`."""
        return self._labeller([name], "train")

    def _folder(self, name: str) -> Path:
        return self.cache.path("pseudo", self.key(name), "")

    def folder(self, name: str) -> Path:
        """Folder of the pseudo-labels of the train split, VOC-palette PNGs named by sample id, made if missing."""
        self.scores([name])
        return self._folder(name)

    def method_of(self, base: str) -> str:
        """The configured label method that starts from the seeds of method `base`, whatever its refinement.

        Raises:
            WsssError: there is none.
        """
        for name in self.config.label_methods:
            if MethodName.parse(name).base == base:
                return name
        raise WsssError(f"no network learns from labels of {base!r}; label methods are {self.config.label_methods}")


def _write(path: Path, choice: LabelChoice) -> None:
    write_json(path, choice.plain())


def _read(path: Path) -> LabelChoice:
    return LabelChoice.of_plain(read_json(path))
