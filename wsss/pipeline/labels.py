"""The stage of pseudo-labels: seeds of the train split, refined and parted by two thresholds, with its cache."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wsss.analysis.score import Score, load_score, save_score
from wsss.config import ALGORITHM_VERSION, SCORING_VERSION
from wsss.errors import WsssError
from wsss.io import content_hash, read_json, write_json
from wsss.machine.processes import is_main
from wsss.methods.names import MethodName
from wsss.pipeline.seeds import SeedStages, frees_locks
from wsss.pseudo.labelling import Labeller, choose_labels, write_labels
from wsss.pseudo.refinement import REFINEMENTS

__all__ = ["LabelStages"]


class LabelStages(SeedStages):
    """The stages up to pseudo-labels. A label method is a method with or without `+refinement`, such as `depth+par-depth`."""

    def label_key(self, name: str) -> str:
        """Hash of everything that the pseudo-labels of a label method depend on."""
        parsed = MethodName.parse(name)
        refinement = parsed.refinement
        parts: dict[str, Any] = {
            "version": ALGORITHM_VERSION["pseudo"],
            "seeds": self.seed_key(parsed.seeds, "train"),
            "refinement": refinement,
        }
        if refinement:
            parts["trials"] = [asdict(trial) for trial in REFINEMENTS[refinement].trials]
            parts["refinement_version"] = REFINEMENTS[refinement].version
            if REFINEMENTS[refinement].uses_depth:
                parts |= {**self._depth_parts(parsed.source), "jump": self.config.regions.jump}
        return content_hash(parts)

    @frees_locks
    def choose_labels(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Refinement and thresholds of each label method, chosen on the tune split (see `wsss.pseudo.labelling.choose_labels`)."""
        paths = {name: self._path("label-choice", self.label_key(name), ".json") for name in names}
        missing = self._missing(paths)
        if missing:
            chosen = {name: self._given_choice(name) for name in missing if name in self._given()}
            rest = [name for name in missing if name not in chosen]
            if rest:
                labeller = self._labeller(rest, "tune")
                chosen |= choose_labels(labeller, rest, self.data("tune"), progress=self.progress)
            self._keep(write_json, paths, chosen)
        return {name: read_json(path) for name, path in paths.items()}

    def _given_choice(self, name: str) -> dict[str, Any]:
        """The threshold of a file of crop parameters, which parts unrefined labels too: nothing is chosen and nothing ignored."""
        seed = self.choose([name])[name]
        threshold = seed["threshold"]
        return {**seed, "refinement": {}, "low": threshold, "high": threshold}

    @frees_locks
    def labels(self, names: Sequence[str]) -> dict[str, Score]:
        """Scores of the label methods' pseudo-labels, which are written at the same time (see `pseudo_folder`)."""
        paths = {name: self._label_path(name) for name in names}
        for name in names:
            if is_main() and not self._pseudo(name).is_dir():  # somebody made room: scores without labels are no result
                paths[name].unlink(missing_ok=True)
        missing = self._missing(paths)
        if missing:
            folders = {name: self._pseudo(name) for name in missing}
            scores = write_labels(
                self._labeller(missing, "train"),
                self.choose_labels(missing),
                self.data("train"),
                folders,
                progress=self.progress,
            )
            self._keep(save_score, paths, scores)
        return {name: load_score(path) for name, path in paths.items()}

    def _label_path(self, name: str) -> Path:
        return self._path("labels", content_hash([SCORING_VERSION, self.label_key(name)]))

    def _labeller(self, names: Sequence[str], split: str) -> Labeller:
        bases = list(dict.fromkeys(MethodName.parse(name).seeds for name in names))
        depths = self._depths(bases, split)
        refinements = [MethodName.parse(name).refinement for name in names]
        if any(each and REFINEMENTS[each].uses_depth for each in refinements):
            depths = {None: self.depth_of(split), **depths}
        return Labeller(self.looker, self.choose(bases), depths)

    def _pseudo(self, name: str) -> Path:
        return self._path("pseudo", self.label_key(name), "")

    def pseudo_folder(self, name: str) -> Path:
        """Folder of the pseudo-labels of the train split, VOC-palette PNGs named by sample id, made if missing."""
        self.labels([name])
        return self._pseudo(name)

    def label_method(self, base: str) -> str:
        """The configured label method that starts from the seeds of method `base`, whatever its refinement.

        Raises:
            WsssError: there is none.
        """
        for name in self.config.label_methods:
            if MethodName.parse(name).base == base:
                return name
        raise WsssError(f"no network learns from labels of {base!r}; label methods are {self.config.label_methods}")
