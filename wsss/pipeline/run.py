"""A run: the results of any stage of one configuration, made where they are missing.

Results lie in the cache under the hash of what they depend on, so a second run computes nothing anew, a notebook that
is run alone makes what it lacks, and an interrupted run goes on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.analysis.score import Score
from wsss.cam.classifier import Classifier, ClassifierInfo, require_classifier
from wsss.checks import require_apart
from wsss.config import Config, config_hash, hashed_splits
from wsss.data.base import Dataset, Sample
from wsss.data.tabletop import TabletopDataset
from wsss.depth.sources import DepthSource
from wsss.io import content_hash
from wsss.machine.processes import is_main
from wsss.machine.runtime import keep_freed_memory, pick_device
from wsss.methods.choice import Choice
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.names import MethodName
from wsss.methods.presets import Preset
from wsss.networks.batches import Samples
from wsss.paths import runs_folder
from wsss.pipeline.cache import StageCache
from wsss.pipeline.classifier import ClassifierStage
from wsss.pipeline.crop_file import CropSettings
from wsss.pipeline.data import RunData
from wsss.pipeline.labels import LabelStage
from wsss.pipeline.networks import NetworkStage
from wsss.pipeline.preflight import check_before
from wsss.pipeline.seeds import SeedStage
from wsss.pseudo.labelling import LabelChoice, Labeller

__all__ = ["Run"]


class Run:
    """One configuration and its stages: data → classifier → chosen parameters → seeds → pseudo-labels → networks.

    Every method returns a stage's result, from the cache if it is there.

    Args:
        config: what to run.
        cache: folder of the cache; None is `cache/` in `runs_folder()`.
        progress: show progress bars.
        crop_settings: fusion and threshold that a file gives for method `depth`, in place of choosing them; its regions
            and crops are in `config` already. None chooses everything on the tune split.
        data: the splits `train`, `tune` and `report`; None opens those that `config` names.

    Raises:
        WsssError: the configuration cannot be run; before anything is computed.
    """

    def __init__(
        self,
        config: Config,
        cache: Path | None = None,
        *,
        progress: bool = True,
        crop_settings: CropSettings | None = None,
        data: Mapping[str, Dataset] | None = None,
    ) -> None:
        keep_freed_memory()
        self.config, self.crop_settings, self.depths = config, crop_settings, config.depths
        self.cache = cache or runs_folder() / "cache"
        self.progress = progress and is_main()
        self.device = pick_device()
        check_before(config)
        self._data = RunData(config, StageCache(self.cache), self.device, self.progress, data)
        self._classifier = ClassifierStage(self._data)
        self._seeds = SeedStage(self._classifier, crop_settings)
        self._labels = LabelStage(self._seeds)
        self._networks = NetworkStage(self._classifier, self._labels)

    @property
    def folder(self) -> Path:
        """Where records, figures and executed notebooks go: `runs/{profile}`, and the name of a file of crops."""
        more = f"-{self.crop_settings.name}" if self.crop_settings else ""
        return runs_folder() / f"{self.config.profile}{more}"

    def require_apart(
        self, out: Path | Sequence[Path], *more: str | None, inputs: Sequence[Path] = (), remedy: str | None = None
    ) -> None:
        """Raise a `WsssError` if what will be written is among what this run reads (see `wsss.checks.require_apart`).

        Args:
            more: sources that the run's methods do not name.
            inputs: further files and folders that are read.
            remedy: what to do about it; None says to give another place with `--out`.
        """
        require_apart(out, *self.config.inputs(*more), *inputs, **({"remedy": remedy} if remedy else {}))

    def require_runs_apart(self, *, inputs: Sequence[Path] = ()) -> None:
        """`require_apart` for the places that a run fills unasked: records, figures, notebooks, crops and the cache."""
        places = [self.folder / name for name in ("results", "figures", "notebooks", "crops")]
        places += [self.cache / name for name in ("classifier", "choice", "seeds", "pseudo", "network")]
        remedy = "Name another folder for runs in the environment variable WSSS_RUNS."
        self.require_apart(places, inputs=inputs, remedy=remedy)

    @property
    def root(self) -> Path | None:
        """Folder of the data; `tabletop` is rendered first if it is not there."""
        return self._data.root

    @property
    def data_is_there(self) -> bool:
        """Whether the data can be read without rendering them first."""
        return self._data.is_there

    def data(self, split: str) -> Dataset:
        """A split: `train`, `tune` and `report` are the configured ones, any other name is the data set's own."""
        return self._data.split(split)

    def series(self, name: str) -> TabletopDataset:
        """A controlled series of `tabletop` (see `wsss.data.series`); a `WsssError` if the data is another."""
        return self._data.series(name)

    @property
    def data_name(self) -> str:
        """The `{data}` of the records."""
        return self._data.name

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The configured classes; for `voc` without any, those that the folder is about (see `choose_classes`)."""
        return self._data.classes

    def say_left_out(self) -> None:
        """Print what of the data is not used, once a run."""
        self._data.say_left_out()

    def left_out(self) -> dict[str, Any]:
        """What of the data is not used, for the records: `images` by split, [used, of], and `classes`."""
        return self._data.left_out()

    def full_name(self, name: str) -> str:
        """A method's name in records and tables: `depth@sensor` where it uses depth, with its `+refinement`."""
        return self.config.full_name(name)

    @property
    def config_hash(self) -> str:
        """Hash of the settings that a record depends on."""
        return config_hash(self.config, self.crop_settings.given if self.crop_settings else None)

    def data_hash(self, stage: str) -> str:
        """Hash of the images that a record of a stage depends on: those that are learnt from, chosen on and scored."""
        return content_hash([self.data(split).fingerprint() for split in hashed_splits(stage)])

    def depth_of(self, split: str, source: str | None = None) -> DepthSource:
        """The depth source of a split, index → `H×W` inverse depth; the run's own, or that of a method `…@source`."""
        return self._data.depth_of(split, source)

    def depth_spec(self, source: str | None = None) -> str:
        """What `open_depth` is told for a method's `@source`, with the networks and places that names stand for."""
        return self._data.depth_spec(source)

    def depth_network(self, folds: bool = False) -> Path:
        """Checkpoint of the depth network trained on the train split; with `folds` those of its folds are made too."""
        return self._data.depth_network(folds)

    @property
    def classifier_key(self) -> str:
        """Hash of everything that the classifier depends on."""
        return self._classifier.key

    @property
    def classifier(self) -> tuple[Classifier, ClassifierInfo]:
        """The trained classifier, in evaluation mode, and what it says of itself."""
        return self._classifier.trained

    def classifier_report(self) -> dict[str, Any]:
        """`{"history": [{"epoch", "loss"}], "map": {"tune", "report"} in percent, "seconds"}` of the training."""
        return self._classifier.report()

    def classifier_doubt(self) -> str | None:
        """See `ClassifierStage.doubt`."""
        return self._classifier.doubt()

    def average_precision(self) -> dict[str, float]:
        """mAP in percent of the classifier on `tune` and `report`; NaN where a split shows none of the classes."""
        return self._classifier.average_precision()

    def images_and_labels(self, split: str) -> tuple[Samples[NDArray[np.uint8]], NDArray[np.bool_]]:
        """The images of a split at scale 1, by index, and their labels `(N,C) bool`."""
        return self._classifier.images_and_labels(split)

    def probabilities(self, split: str) -> NDArray[np.float32]:
        """The classifier's probabilities `(N,C)` of the classes."""
        return self._classifier.labels_and_probabilities(split)[1]

    @property
    def depth_cam(self) -> DepthCAM:
        """The classifier with this run's settings of regions and crops."""
        return self._seeds.depth_cam

    def seed_key(self, name: str, split: str) -> str:
        """Hash of everything that the label maps of a method on a split depend on."""
        return self._seeds.key(name, split)

    def choose(self, names: Sequence[str]) -> dict[str, Choice]:
        """Fusion parameters and threshold of each method, chosen on the tune split."""
        return self._seeds.choose(names)

    def seeds(self, names: Sequence[str], split: str = "report") -> dict[str, Score]:
        """Scores of the methods' seeds on a split, with the parameters chosen on the tune split.

        They are also scored with the image labels that the classifier predicts.
        """
        return self._seeds.scores(names, split)

    def export_classifier(self, path: Path, methods: Sequence[str]) -> None:
        """Write the classifier with its settings and what was chosen for `methods`, for `wsss evaluate`.

        Raises:
            WsssError: `path` is among what is read, or is there and is no classifier: only an earlier one is replaced.
        """
        self.require_apart(path, *(MethodName.of_seeds(name).source for name in methods))
        require_classifier(path)
        self.require_runs_apart()
        self._seeds.export(path, methods)
        self.say_left_out()

    def label_key(self, name: str) -> str:
        """Hash of everything that the pseudo-labels of a label method depend on."""
        return self._labels.key(name)

    def choose_labels(self, names: Sequence[str]) -> dict[str, LabelChoice]:
        """Refinement and thresholds of each label method, chosen on the tune split."""
        return self._labels.choose(names)

    def labels(self, names: Sequence[str]) -> dict[str, Score]:
        """Scores of the label methods' pseudo-labels, which are written at the same time (see `pseudo_folder`)."""
        return self._labels.scores(names)

    def pseudo_folder(self, name: str) -> Path:
        """Folder of the pseudo-labels of the train split, VOC-palette PNGs named by sample id, made if missing."""
        return self._labels.folder(name)

    def labeller(self, name: str) -> Labeller:
        """What makes the scores of which the pseudo-labels of the train split are made; see `Labeller.scores_of`."""
        return self._labels.labeller(name)

    def label_method(self, base: str) -> str:
        """The configured label method of the seeds of method `base`; a `WsssError` where there is none."""
        return self._labels.method_of(base)

    def network_key(self, labels: str) -> str:
        """Hash of everything that a network trained on `labels` (a method, or `full-supervision`) depends on."""
        return self._networks.key(labels)

    def network_path(self, labels: str, maps: Path | None = None) -> Path:
        """Checkpoint of the network trained on labels of a method, or on true masks for `full-supervision`.

        It is trained if it is not there; a `WsssError` where it would learn from true masks, and there are none.

        Args:
            maps: folder of label maps `ID.png` in place of those that were made, such as these with corrections.
        """
        return self._networks.path(labels, maps)

    @property
    def network_labels(self) -> tuple[str, ...]:
        """What networks learn from: the label methods, and true masks where there are any."""
        return self._networks.all_labels

    @property
    def has_masks(self) -> bool:
        """Whether any pixel of the train split has a label: images may come with their classes alone, in XML files."""
        return self._networks.has_masks

    def not_scored(self, split: str) -> str | None:
        """Why nothing is scored on a split, in one line; None where masks are there."""
        return self._data.not_scored(split)

    @property
    def preset(self) -> Preset | None:
        """What gives parameters and thresholds where the tune split has no masks; None where they are chosen on it."""
        return self._data.preset

    def network_report(self, labels: str) -> dict[str, Any]:
        """`{"history": [{"iteration", "loss"}], "seconds"}` of a training; no history of one that is skipped."""
        return self._networks.report(labels)

    def networks(self, labels: Sequence[str], split: str = "report") -> dict[str, Score]:
        """Scores on a split of the networks trained on `labels`; no image labels are used."""
        return self._networks.scores(labels, split)

    def predictions(self, labels: str, samples: Iterable[Sample]) -> Iterator[NDArray[np.uint8]]:
        """Label maps `H×W uint8` of a trained network, for each of `samples`; none of one that is skipped."""
        return self._networks.predictions(labels, samples)
