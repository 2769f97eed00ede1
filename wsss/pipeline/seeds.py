"""The stages up to seeds: data → classifier → chosen parameters → seeds, each with its cache."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property, partial, wraps
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from wsss.analysis.score import Score, load_score, save_score
from wsss.cam.classifier import Classifier, ClassifierInfo, build_classifier, info_for, load_classifier, save_classifier
from wsss.cam.features import check_class_maps, features_version
from wsss.cam.training import mean_average_precision, predict_probabilities, train_classifier
from wsss.checks import require_apart, require_images
from wsss.config import ALGORITHM_VERSION, SCORING_VERSION, Config, config_hash, hashed_splits
from wsss.data.base import Dataset, data_key, subset
from wsss.data.classes import keep_ids
from wsss.data.registry import open_dataset
from wsss.data.tabletop import TabletopDataset, default_root
from wsss.data.tabletop_rendering import render_series, render_tabletop
from wsss.data.transforms import resize_long_side
from wsss.data.voc import VocDataset
from wsss.data.vocabulary import VOC_CLASSES, ClassChoice, choose_classes
from wsss.depth.estimators import FOLDS, fold_path
from wsss.depth.sources import DepthSource, open_depth
from wsss.depth.specs import innermost, source_identity, with_innermost
from wsss.depth.training import train_with_folds
from wsss.errors import WsssError
from wsss.io import content_hash, read_json, write_json
from wsss.machine.parallel import image_bar
from wsss.machine.processes import agreed, gathered, is_main, made_by_main, num_processes, share, tell, wait
from wsss.machine.runtime import keep_freed_memory, pick_device, seed_everything
from wsss.methods.evidence import Depths, Looker
from wsss.methods.names import MethodName
from wsss.methods.parameters import FusionParameters
from wsss.methods.registry import method
from wsss.methods.scoring import choose_parameters, score_seeds
from wsss.networks.backbones import weights_identity
from wsss.networks.lean import lean_copy
from wsss.paths import runs_folder
from wsss.pipeline.crop_file import GIVEN_METHOD, CropSettings
from wsss.pipeline.locks import Locks
from wsss.pseudo.refinement import REFINEMENTS, require_one_reading

__all__ = ["SeedStages", "frees_locks"]


PREDICTED_THRESHOLD = 0.5
"""Probability above which the classifier's own prediction stands in for a given image label."""


Stage = TypeVar("Stage", bound=Callable[..., Any])


def frees_locks(stage: Stage) -> Stage:
    """`stage`, a method that makes what is missing, which gives back its locks when it fails: nobody then waits for them."""

    @wraps(stage)
    def attempted(self: "SeedStages", *arguments: Any, **options: Any) -> Any:
        try:
            return stage(self, *arguments, **options)
        except BaseException:
            self._locks.release()
            raise

    return attempted  # type: ignore[return-value]


class SeedStages:
    """One configuration, its data and its stages. Every method returns the stage's result, from the cache if it is there.

    Args:
        config: what to run.
        cache: folder of the cache; None is `cache/` in `runs_folder()`.
        progress: show progress bars.
        crop_settings: fusion and threshold that a file gives for method `depth`, in place of choosing them; its regions and crops
            are in `config` already. None chooses everything on the tune split.
    """

    def __init__(
        self,
        config: Config,
        cache: Path | None = None,
        *,
        progress: bool = True,
        crop_settings: CropSettings | None = None,
    ) -> None:
        keep_freed_memory()
        self.config = config
        self.crop_settings = crop_settings
        self.cache = cache or runs_folder() / "cache"
        self.progress = progress and is_main()
        self.device = pick_device()
        self._locks = Locks(self.cache / "locks")
        self._said = False  # what is left out
        self._chosen_on = config.train_split  # the split whose classes are chosen
        self.depths = config.depths
        if taken := next((name for name in self.depths.declared if name in REFINEMENTS), None):
            raise WsssError(f"--source {taken}: that is the name of a refinement. Choose another name.")
        for what, batch_size in (
            ("the classifier", config.classifier.batch_size),
            ("the segmentation network", config.segmentation.batch_size),
        ):
            require_images(num_processes(), batch_size, what)
        for name in (*config.methods, *config.pseudo_methods, *config.label_methods):
            require_one_reading(name, config.root)
            base = MethodName.parse(name).seeds
            if method(base).uses_depth:  # an unknown name is an error now, not hours later
                self.depths.check(MethodName.of_seeds(base).source)
        check_class_maps(config.classifier.backbone, config.classifier.output_stride)

    @property
    def folder(self) -> Path:
        """Where this run leaves records, figures and executed notebooks: `runs/{profile}`, or `runs/{profile}-{file of crops}`."""
        more = f"-{self.crop_settings.name}" if self.crop_settings else ""
        return runs_folder() / f"{self.config.profile}{more}"

    def require_apart(
        self, out: Path | Sequence[Path], *more: str | None, inputs: Sequence[Path] = (), remedy: str | None = None
    ) -> None:
        """Raise a `WsssError` if files or folders to be written are among what this run reads (see `wsss.checks.require_apart`).

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

    # ---- data -----------------------------------------------------------------------------------------------------

    @cached_property
    def root(self) -> Path | None:
        """Folder of the data; `tabletop` is rendered first if it is not there."""
        config = self.config
        if config.data != "tabletop":
            return Path(config.root) if config.root else None
        spec = config.tabletop_spec
        root = Path(config.root) if config.root else default_root(spec)

        def rendered() -> Path:
            complete = all((root / split / "index.json").exists() for split, _ in spec.splits)
            return root if complete else render_tabletop(root, spec, progress=self.progress)

        return made_by_main(rendered)

    def series(self, name: str) -> TabletopDataset:
        """A controlled series of `tabletop` (see `wsss.data.series`), rendered first if it is not there.

        Raises:
            WsssError: the data is another.
        """
        if self.config.data != "tabletop":
            raise WsssError(f"controlled series are rendered, and {self.config.data} is not: use tabletop")
        assert self.root is not None  # `tabletop` always has a folder
        root, groups = self.root, self.config.series_groups
        made_by_main(lambda: render_series(root, groups=groups, progress=self.progress))
        return TabletopDataset(root, name)

    def data(self, split: str) -> Dataset:
        """A split: `train`, `tune` and `report` are the configured ones, any other name is the data set's own."""
        if split not in self._datasets:
            config = self.config
            name = {"train": config.train_split, "report": config.report_split}.get(split, split)
            limits = {"train": config.train_limit, "tune": config.tune_limit, "report": config.report_limit}
            data = open_dataset(config.data, name, root=self.root, classes=self.classes)
            kept = subset(data.ids, limits.get(split))
            if len(kept) < len(data):
                self._cut[split] = [len(kept), len(data)]
                data = keep_ids(data, kept)
            self._datasets[split] = data
        return self._datasets[split]

    @cached_property
    def _cut(self) -> dict[str, list[int]]:
        """Of the splits that a limit shortens, how many images are used, of how many."""
        return {}

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

    def say_left_out(self) -> None:
        """Print what of the data is not used, once a run: before hours of training, or with the first result from the cache."""
        if self._said:
            return
        self._said = True
        images, choice = self.left_out().get("images", {}), self._class_choice
        for split, (used, listed) in images.items():
            tell(f"{self.data_name}, {self.data(split).split}: {used:,} of {listed:,} images, evenly spaced")
        if choice is not None and (sentence := choice.sentence(self._chosen_on)):
            tell(f"{self.data_name}, {sentence}")

    def left_out(self) -> dict[str, Any]:
        """What of the data is not used though it is there, for the records: `images` by split, [used, of], and `classes`."""
        for split in ("train", "tune", "report"):
            self.data(split)
        choice = self._class_choice
        classes = {} if choice is None else {"absent": list(choice.absent), "rare": list(choice.rare)}
        parts = {
            "images": dict(sorted(self._cut.items())),
            "classes": {kind: some for kind, some in classes.items() if some},
        }
        return {kind: part for kind, part in parts.items() if part}

    @cached_property
    def _datasets(self) -> dict[str, Dataset]:
        return {}

    @cached_property
    def data_name(self) -> str:
        """The `{data}` of the records."""
        return self.data("tune").name

    @property
    def config_hash(self) -> str:
        """Hash of the settings that a record depends on."""
        return config_hash(self.config, self.crop_settings.given if self.crop_settings else None)

    def data_hash(self, stage: str) -> str:
        """Hash of the images that a record of a stage depends on: those that are learnt from, chosen on and scored."""
        return content_hash([self.data(split).fingerprint() for split in hashed_splits(stage)])

    def depth_of(self, split: str, source: str | None = None) -> DepthSource:
        """The depth source of a split, index → `H×W` inverse depth; the configured one, or that of a method `…@source`."""
        if split == "train" and innermost(self.depths.written(source)) == "learned":
            self.depth_network(folds=True)  # cross-fitted: no network predicts the depth that it was trained on
        kind = self.depths.kind(source)
        return open_depth(self.depth_spec(source), self.data(split), kind, cache=self.cache / "depth")

    def depth_spec(self, source: str | None = None) -> str:
        """What `open_depth` is told for a method's `@source`.

        A control is made from the configured depth, `learned` is the network that `depth_network` trains, a declared name is what
        it stands for, and a folder may lie in the data's.
        """
        spec = self.depths.spec(source)
        return with_innermost(spec, f"learned:{self.depth_network()}") if innermost(spec) == "learned" else spec

    @frees_locks
    def depth_network(self, folds: bool = False) -> Path:
        """Checkpoint of the monocular network trained on the depth of the train split; with `folds` those of its folds too."""
        settings, data, backbone = self.config.depth_training, self.data("train"), self.config.classifier.backbone
        side = self.config.classifier.base_side
        identity = self.config.classifier.identity()
        parts = [ALGORITHM_VERSION["depth"], asdict(settings), backbone, side, data_key(data)]
        parts += [{"weights": identity["weights"]} if identity["weights"] else weights_identity(backbone)]
        path = self._path("depth", content_hash(parts), ".safetensors")
        wanted = [path, *(fold_path(path, fold) for fold in range(FOLDS if folds else 0))]
        weights = self.config.classifier.weights
        train = partial(train_with_folds, test_side=side, device=self.device, progress=self.progress, weights=weights)

        def make() -> None:
            self._absent(wanted)
            train(data, path, backbone, folds=folds, **asdict(settings))
            self._locks.release_made()

        made_by_main(make)
        return path

    # ---- classifier -----------------------------------------------------------------------------------------------

    @cached_property
    def classifier_key(self) -> str:
        settings = self.config.classifier
        return content_hash(
            {
                "version": ALGORITHM_VERSION["classifier"],
                "settings": settings.identity(),
                "seed": self.config.seed,
                "data": data_key(self.data("train")),
                **features_version(settings.backbone, settings.output_stride),
                **({} if settings.weights else weights_identity(settings.backbone)),
            }
        )

    @cached_property
    @frees_locks
    def classifier(self) -> tuple[Classifier, ClassifierInfo]:
        """The trained classifier, in evaluation mode, and what it says of itself."""
        path = self.cache / "classifier" / f"{self.classifier_key[:16]}.safetensors"
        if self._missing({"classifier": path}):
            self._train_classifier(path)
        model, info = load_classifier(path)
        return model.to(self.device, memory_format=torch.channels_last), info  # type: ignore[call-overload]

    def _train_classifier(self, path: Path) -> None:
        self.say_left_out()
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
            device=self.device, progress=self.progress, checkpoint=path.with_suffix(".state"),
        )  # fmt: skip
        if is_main():
            write_json(path.with_suffix(".json"), {"history": history, "seconds": time.perf_counter() - start})
            save_classifier(path, model, info)  # last: where the weights are, the report is too
            path.with_suffix(".state").unlink(missing_ok=True)
            self._locks.release_made()
        wait()

    def classifier_report(self) -> dict[str, Any]:
        """`{"history": [{"epoch", "loss"}], "map": {"tune", "report"} in percent, "seconds"}` of the training."""
        _ = self.classifier
        report: dict[str, Any] = read_json(self.cache / "classifier" / f"{self.classifier_key[:16]}.json")
        return {**report, "map": self.average_precision()}

    @frees_locks
    def average_precision(self) -> dict[str, float]:
        """mAP in percent of the classifier's image labels on `tune` and `report`; NaN where a split shows none of the classes."""
        splits = ("tune", "report")
        key = content_hash([self.classifier_key, *(data_key(self.data(split)) for split in splits)])
        path = self._path("average-precision", key, ".json")
        if self._missing({"mAP": path}):
            found = {split: mean_average_precision(*self._labels_and_probabilities(split)) for split in splits}
            known = {split: value if np.isfinite(value) else None for split, value in found.items()}
            self._keep(write_json, {"mAP": path}, {"mAP": known})
        return {split: float("nan") if value is None else value for split, value in read_json(path).items()}

    def _images_and_labels(self, split: str) -> tuple[list[NDArray[np.uint8]], NDArray[np.bool_]]:
        images, labels = [], []
        for sample in image_bar(self.data(split), f"read {split}", self.progress):
            images.append(resize_long_side(sample.image, self.config.classifier.base_side))
            labels.append(sample.labels)
        return images, np.stack(labels)

    # ---- seeds ----------------------------------------------------------------------------------------------------

    @cached_property
    def looker(self) -> Looker:
        """The classifier with this run's crop settings."""
        model, info = self.classifier
        return Looker(
            lean_copy(model),
            info,
            self.data("tune").classes,
            self.config.regions,
            self.config.crops,
            self.device,
        )

    def seed_key(self, name: str, split: str) -> str:
        """Hash of everything that the label maps of a method on a split depend on."""
        plan = method(name)
        parts: dict[str, Any] = {
            "version": ALGORITHM_VERSION["cam"],
            "classifier": self.classifier_key,
            "method": asdict(plan),
            "tune": data_key(self.data("tune")),
            "data": data_key(self.data(split)),
        }
        if plan.proposal:
            parts |= {"regions": asdict(self.config.regions), "crops": asdict(self.config.crops)}
        if plan.proposal == "cam":
            parts["boxes"] = "of the classes that are looked for"
        if plan.uses_depth:
            parts |= self._depth_parts(MethodName.of_seeds(name).source)
        if name in self._given():
            parts["given"] = self.crop_settings.given  # type: ignore[union-attr]
        return content_hash(parts)

    def _given(self) -> dict[str, tuple[FusionParameters, float]]:
        """Fusion parameters and threshold that are not chosen, by method."""
        given = self.crop_settings
        if given is None or given.fusion is None or given.threshold is None:
            return {}
        return {GIVEN_METHOD: (given.fusion, given.threshold)}

    def _depth_parts(self, source: str | None) -> dict[str, Any]:
        """What of a depth source enters a cache key."""
        return {"depth": source_identity(self.depth_spec(source)), "kind": self.depths.kind(source)}

    def _path(self, stage: str, key: str, suffix: str = ".npz") -> Path:
        return self.cache / stage / f"{key[:16]}{suffix}"

    def _depths(self, names: Sequence[str], split: str) -> Depths:
        sources = {MethodName.of_seeds(name).source for name in names if method(name).uses_depth}
        return {source: self.depth_of(split, source) for source in sources}

    @frees_locks
    def choose(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Fusion parameters and threshold of each method, chosen on the tune split (see `choose_parameters`)."""
        paths = {name: self._path("choice", self.seed_key(name, "tune"), ".json") for name in names}
        missing = self._missing(paths)
        if missing:
            depths = self._depths(missing, "tune")
            chosen = choose_parameters(
                self.looker, missing, self.data("tune"), depths, given=self._given(), progress=self.progress
            )
            self._keep(write_json, paths, chosen)
        return {name: read_json(path) for name, path in paths.items()}

    @frees_locks
    def seeds(self, names: Sequence[str], split: str = "report") -> dict[str, Score]:
        """Scores of the methods' seeds on a split, with the parameters chosen on the tune split.

        They are also scored with the image labels that the classifier predicts.
        """
        keys = {name: content_hash([SCORING_VERSION, self.seed_key(name, split)]) for name in names}
        paths = {name: self._path("seeds", key) for name, key in keys.items()}
        missing = self._missing(paths)
        if missing:
            depths = self._depths(missing, split)  # first: a bad source is told before hours of training
            scores = score_seeds(
                self.looker, self.choose(missing), self.data(split), depths,
                predicted=self.predicted_labels(split), progress=self.progress,
            )  # fmt: skip
            self._keep(save_score, paths, scores)
        return {name: load_score(path) for name, path in paths.items()}

    def _missing(self, paths: Mapping[str, Path]) -> list[str]:
        """The names whose file is not there, the same in all processes; other runs now wait for them until they are made."""
        absent = self._absent(list(paths.values())) if is_main() else []
        return agreed([name for name, path in paths.items() if path in absent])

    def _absent(self, paths: Sequence[Path]) -> list[Path]:
        """Those of the files that this run has to make, under their locks."""
        self._locks.acquire(path for path in paths if not path.exists())
        self._locks.release_made()  # what another run made while this one waited
        return [path for path in paths if not path.exists()]

    def _keep(self, write: Callable[[Path, Any], None], paths: Mapping[str, Path], results: Mapping[str, Any]) -> None:
        """Let the main process write the results that all of them made, for which other runs may then stop waiting."""
        if is_main():
            for name, result in results.items():
                write(paths[name], result)
            self._locks.release_made()
        wait()

    def predicted_labels(self, split: str) -> NDArray[np.bool_]:
        """Image labels `(N,C) bool` that the classifier predicts."""
        return self._labels_and_probabilities(split)[1] > PREDICTED_THRESHOLD

    def _labels_and_probabilities(self, split: str) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Image labels `(N,C)` of a split and the classifier's probabilities of them, predicted once a run."""
        if split not in self._predicted:
            model, info = self.classifier
            images, labels = self._images_and_labels(split)
            own = share(len(images))
            found = predict_probabilities(model, info, [images[index] for index in own], self.device)
            probabilities = np.zeros(labels.shape, np.float32)
            for index, row in gathered(list(zip(own, found, strict=True))):
                probabilities[index] = row
            self._predicted[split] = labels, probabilities
        return self._predicted[split]

    @cached_property
    def _predicted(self) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.float32]]]:
        return {}

    def export_classifier(self, path: Path, methods: Sequence[str]) -> None:
        """Write the classifier with the settings of its crops and what was chosen for `methods`, for `python -m wsss evaluate`."""
        self.require_apart(path, *(MethodName.of_seeds(name).source for name in methods))
        self.require_runs_apart()
        model, info = self.classifier
        settings = {"regions": asdict(self.config.regions), "crops": asdict(self.config.crops)}
        save_classifier(path, model, replace(info, chosen=self.choose(methods), looks=settings))
        self.say_left_out()
