"""The stages and their cache, on a tiny rendered folder with a tiny backbone."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from wsss.analysis.confusion import confusion_matrix
from wsss.analysis.tally import Tally
from wsss.cam.classifier import load_classifier
from wsss.config import ALGORITHM_VERSION, SCORING_VERSION, ClassifierConfig, Config, DepthTraining, SegmentationConfig
from wsss.data.base import data_key
from wsss.data.tabletop import CLASSES
from wsss.depth.monocular import load_depth_network
from wsss.errors import WsssError
from wsss.experiments.results import write_stage
from wsss.io import content_hash
from wsss.methods.choice import Choice
from wsss.methods.depth_cam import DepthCAM
from wsss.paths import runs_folder
from wsss.pipeline import Run, open_run
from wsss.pipeline.data import RunData
from wsss.pseudo.labels import load_pseudo_label
from wsss.records.store import FULL_SUPERVISION

BACKBONE = "test_efficientnet"
METHODS = Config().methods


pytestmark = pytest.mark.usefixtures("tiny_weights")


@pytest.fixture(scope="module")
def config(tabletop_root: Path, tiny_weights: None) -> Config:
    return Config(
        profile="smoke", root=str(tabletop_root), tabletop_side=64, tabletop_scenes=(4, 2, 2),
        classifier=ClassifierConfig(backbone=BACKBONE, base_side=64, crop_side=64, epochs=1, batch_size=4),
        segmentation=SegmentationConfig(encoder=f"tu-{BACKBONE}", iterations=2, batch_size=2, crop_size=64, frozen_stages=0),
    )  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def finished(config: Config, cache: Path) -> Run:
    """A run whose stages are all in the cache."""
    run = Run(config, cache, progress=False)
    run.seeds(METHODS)
    run.labels(config.pseudo_methods)
    run.networks([*config.label_methods, FULL_SUPERVISION])
    return run


def refuse(*_: Any, **__: Any) -> Any:
    raise AssertionError("computed again")


@pytest.fixture
def no_computing(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (
        "networks.train_segmentation",
        "classifier.train_classifier",
        "seeds.choose_parameters",
        "seeds.score_seeds",
        "labels.choose_labels",
        "labels.write_labels",
    ):
        monkeypatch.setattr(f"wsss.pipeline.{place}", refuse)


def score_file(run: Run, name: str) -> str:
    return f"{content_hash([SCORING_VERSION, run.seed_key(name, 'report')])[:16]}.npz"


def files(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_every_stage_leaves_its_files(finished: Run, cache: Path) -> None:
    stages = ("classifier", "choice", "seeds", "label-choice", "labels", "pseudo", "network", "networks")
    count = {stage: len(list((cache / stage).glob("*"))) for stage in stages}
    assert count == {
        "classifier": 2, "choice": 7, "seeds": 7, "label-choice": 4, "labels": 4, "pseudo": 4, "network": 8, "networks": 4,
    }  # fmt: skip
    report = finished.classifier_report()
    assert len(report["history"]) == 1
    assert set(report["map"]) == {"tune", "report"}
    assert len(finished.network_report("cam+par")["history"]) == 2
    assert not [name for name in files(cache) if ".part" in name]


def test_scores_are_of_the_reported_split(finished: Run) -> None:
    for name, score in finished.seeds(METHODS).items():
        assert score.ids == finished.data("report").ids == ("test-0000", "test-0001")
        assert score.classes == CLASSES
        assert 0 <= score.miou <= 100
        assert score.predicted.shape == score.confusions.shape
        assert Choice.of_plain(score.facts) == finished.choose([name])[name]
    for score in finished.networks(["cam+par"]).values():
        assert score.facts["megapixels"] is None
        assert len(score.curve) == 0


def test_pseudo_labels_are_those_that_are_scored(finished: Run) -> None:
    for name in finished.config.pseudo_methods:
        folder = finished.pseudo_folder(name)
        data = finished.data("train")
        assert {path.name for path in folder.iterdir()} == {f"{id_}.png" for id_ in data.ids}
        score = finished.labels([name])[name]
        for sample, confusion in zip(data, score.confusions, strict=True):
            label = load_pseudo_label(folder / f"{sample.id}.png")
            np.testing.assert_array_equal(confusion_matrix(sample.required_mask, label, len(CLASSES)), confusion)
            allowed = {0, 255, *(np.flatnonzero(sample.labels) + 1)}
            assert set(np.unique(label)) <= allowed


def test_networks_are_scored_by_their_predictions(finished: Run) -> None:
    data = finished.data("report")
    tally = Tally(data, thresholds=0)
    for index, label in enumerate(finished.predictions("cam+par", data)):
        assert label.shape == data[index].required_mask.shape
        tally.add(index, data[index], label)
    scored = finished.networks(["cam+par"])["cam+par"]
    np.testing.assert_array_equal(tally.merged({}).confusions, scored.confusions)


@pytest.mark.usefixtures("no_computing")
def test_a_second_run_computes_nothing(finished: Run, config: Config, cache: Path) -> None:
    before = files(cache)
    again = Run(config, cache, progress=False)
    scores = again.seeds(METHODS)
    for name, score in finished.seeds(METHODS).items():
        np.testing.assert_array_equal(scores[name].confusions, score.confusions)
    assert again.pseudo_folder("depth+par-depth") == finished.pseudo_folder("depth+par-depth")
    assert again.networks([FULL_SUPERVISION])[FULL_SUPERVISION].miou >= 0
    assert files(cache) == before


def test_the_same_seed_gives_the_same_everything(finished: Run, config: Config, tmp_path: Path) -> None:
    again = Run(config, tmp_path, progress=False)
    theirs, ours = finished.classifier[0].state_dict(), again.classifier[0].state_dict()
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)
    np.testing.assert_array_equal(again.seeds(["depth"])["depth"].curve, finished.seeds(["depth"])["depth"].curve)


def keys(run: Run) -> dict[str, str]:
    return {
        "classifier": run.classifier_key,
        "cam": run.seed_key("cam", "report"),
        "depth": run.seed_key("depth", "report"),
        "shuffled": run.seed_key("depth@shuffled", "report"),
        "constant": run.seed_key("depth@constant", "report"),
        "colour": run.seed_key("rgb-region", "report"),
        "labels": run.label_key("depth"),
        "refined": run.label_key("depth+par"),
        "cam refined with depth": run.label_key("cam+par-depth"),
        "network": run.network_key("depth+par"),
        "full": run.network_key(FULL_SUPERVISION),
    }


def test_keys_change_with_what_they_depend_on(config: Config, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(**settings: Any) -> set[str]:
        other = keys(Run(replace(config, **settings), cache, progress=False))
        return {name for name, key in keys(Run(config, cache, progress=False)).items() if other[name] != key}

    learnt = {"labels", "refined", "network"}  # from depth-guided seeds
    guided = {"depth", "shuffled", "constant", *learnt}
    seeds = {"cam", "colour", "depth", "shuffled", "constant"}
    labels = {"labels", "refined", "cam refined with depth"}
    everything = {"classifier", "network", "full", *seeds, *labels}
    assert changed() == set()
    assert changed(seed=1) == everything
    assert changed(train_limit=2) == everything
    assert changed(classifier=replace(config.classifier, epochs=2)) == everything  # networks start from its weights
    assert changed(depth="noisy-08") == {"depth", "shuffled", "cam refined with depth", *learnt}
    assert changed(regions=replace(config.regions, jump=0.1)) - {"colour"} == {*guided, "cam refined with depth"}
    assert changed(crops=replace(config.crops, count=3)) == {*guided, "colour"}
    assert changed(segmentation=replace(config.segmentation, iterations=3)) == {"network", "full"}
    assert changed(tune_limit=1) == {*seeds, *labels, "network"}
    assert changed(report_limit=1) == seeds
    assert changed(methods=("cam",), label_methods=("depth+crf",), pseudo_methods=("cam",)) == set()
    before = keys(Run(config, cache))
    for stage, expected in (("cam", {*seeds, *labels, "network"}), ("pseudo", {*labels, "network"})):
        with monkeypatch.context() as patch:
            patch.setitem(ALGORITHM_VERSION, stage, 99)
            after = keys(Run(config, cache))
        assert {name for name in before if before[name] != after[name]} == expected


def test_keys_hold_the_contents_of_a_file_of_weights(config: Config, cache: Path, tmp_path: Path) -> None:
    def with_weights(name: str, content: bytes | None) -> Run:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        settings = replace(config.classifier, weights=str(tmp_path / name))
        return Run(replace(config, classifier=settings), cache, progress=False)

    plain = Run(config, cache, progress=False)
    before = keys(with_weights("a.pth", b"one"))
    assert not set(before.values()) & set(keys(plain).values())
    assert keys(with_weights("b.pth", b"one")) == before  # its place does not matter
    after = with_weights("a.pth", b"two")
    assert not set(keys(after).values()) & set(before.values())
    assert len({run.config_hash for run in (plain, after, with_weights("b.pth", None))}) == 3
    with pytest.raises(WsssError, match=r"c\.pth"):
        _ = with_weights("c.pth", None).classifier_key


def test_keys_without_a_file_of_weights_are_those_of_the_settings(config: Config, cache: Path) -> None:
    run = Run(config, cache, progress=False)
    settings = asdict(config.classifier)
    assert settings.pop("accumulate") == 1  # which came later, and enters where it is set
    parts = {"version": 2, "settings": settings, "seed": 0, "data": data_key(run.data("train"))}
    assert run.classifier_key == content_hash(parts)


def test_keys_do_not_depend_on_the_place_of_the_data(config: Config, cache: Path, tmp_path: Path) -> None:
    assert config.root is not None
    link = tmp_path / "elsewhere"
    link.symlink_to(config.root)
    assert keys(Run(config, cache)) == keys(Run(replace(config, root=str(link)), cache))


def test_an_interrupted_stage_goes_on(
    finished: Run, config: Config, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = cache / "seeds" / score_file(finished, "zoom")
    before = finished.seeds(["zoom"])["zoom"]
    lost.unlink()
    for place in ("classifier.train_classifier", "seeds.choose_parameters"):
        monkeypatch.setattr(f"wsss.pipeline.{place}", refuse)
    again = Run(config, cache, progress=False).seeds(METHODS)["zoom"]
    assert lost.exists()
    np.testing.assert_array_equal(again.confusions, before.confusions)


def test_a_broken_cache_entry_is_named(finished: Run, config: Config, cache: Path) -> None:
    path = cache / "seeds" / score_file(finished, "cam")
    content = path.read_bytes()
    path.write_bytes(content[:100])
    try:
        with pytest.raises(WsssError, match=f"{path.name}.*Delete it"):
            Run(config, cache, progress=False).seeds(["cam"])
    finally:
        path.write_bytes(content)


def test_unknown_methods_are_refused_at_once(config: Config, cache: Path) -> None:
    with pytest.raises(WsssError, match="unknown method 'magic'"):
        Run(replace(config, methods=("cam", "magic")), cache)
    with pytest.raises(WsssError, match="unknown method 'none'"):
        Run(replace(config, label_methods=("none",)), cache)
    with pytest.raises(WsssError, match="unknown refinement 'polish'"):
        Run(replace(config, pseudo_methods=("cam+polish",)), cache)


def test_exported_checkpoints_carry_what_was_chosen(finished: Run, tmp_path: Path) -> None:
    finished.export_classifier(tmp_path / "model.safetensors", ["cam", "depth"])
    model, info = load_classifier(tmp_path / "model.safetensors")
    chosen = {name: Choice.of_plain(plain) for name, plain in info.chosen.items()}
    assert chosen == finished.choose(["cam", "depth"])
    assert info.classes == CLASSES
    settings = {name: asdict(getattr(finished.config, name)) for name in ("regions", "crops", "colour")}
    assert info.looks == json.loads(json.dumps(settings))
    theirs = finished.classifier[0].state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in model.state_dict().items())


@pytest.mark.usefixtures("no_computing")
def test_records_come_from_the_cache_and_are_stable(finished: Run, tmp_path: Path) -> None:
    written: list[Path] = []
    for stage in ("cam", "pseudo", "segmentation"):
        write_stage([finished], stage, tmp_path, written.append)
    names = sorted(str(path.relative_to(tmp_path)) for path in written)
    assert names == [
        "tabletop/cam/test/cam.json", "tabletop/cam/test/crop-only@sensor.json", "tabletop/cam/test/depth@sensor.json",
        "tabletop/cam/test/layers.json",
        "tabletop/cam/test/region-only@sensor.json", "tabletop/cam/test/rgb-region.json", "tabletop/cam/test/zoom.json",
        "tabletop/pseudo/train/cam+par.json", "tabletop/pseudo/train/cam.json",
        "tabletop/pseudo/train/depth@sensor+par-depth.json", "tabletop/pseudo/train/depth@sensor.json",
        "tabletop/segmentation/test/cam+par.json", "tabletop/segmentation/test/cam.json",
        "tabletop/segmentation/test/depth@sensor+par-depth.json",
        "tabletop/segmentation/test/full-supervision.json",
    ]  # fmt: skip
    assert finished.config_hash == Run(replace(finished.config, seed=9), finished.cache).config_hash


def test_runs_lie_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WSSS_RUNS", str(tmp_path))
    run = open_run("smoke", "nyuv2", root=str(tmp_path))
    assert runs_folder() == tmp_path
    assert run.folder == tmp_path / "smoke"
    assert run.cache == tmp_path / "cache"


def test_methods_name_other_depth(finished: Run) -> None:
    assert finished.depth_spec() == finished.depth_spec("sensor") == "sensor"
    assert finished.depth_spec("constant") == "constant"
    assert finished.depth_spec("shuffled") == "shuffled+sensor"
    assert finished.depth_spec("noisy-08") == "noisy-08+sensor"
    assert finished.depth_spec("inverted+files:maps") == f"inverted+files:{finished.config.root}/maps"
    files = Run(replace(finished.config, depth="files:/x/maps"), finished.cache)
    assert files.depth_spec("shuffled") == "shuffled+files:/x/maps"
    plain, other = (finished.depth_of("report", source)(0) for source in (None, "inverted"))
    np.testing.assert_allclose(plain, 1 - other, atol=1e-6)
    assert not finished.depth_of("report", "constant")(0).any()


def test_scores_of_another_depth_are_others(finished: Run) -> None:
    names = ("depth", "depth@sensor", "depth@constant", "depth@inverted")
    assert len({finished.seed_key(name, "report") for name in names}) == 3  # the sensor's is the run's own
    scores = finished.seeds(names)
    np.testing.assert_array_equal(scores["depth"].curve, scores["depth@sensor"].curve)
    assert scores["depth@constant"].facts["trust"] == 0
    assert 0 <= scores["depth"].facts["trust"] <= 1
    sample = finished.data("report")[0]
    depths = {source: finished.depth_of("report", source) for source in (None, "constant", "inverted")}
    look = finished.depth_cam.look(sample.id, sample.image, np.flatnonzero(sample.labels))
    regions = [finished.depth_cam.evidence(name, look, sample, depths, 0).regions for name in (names[0], *names[2:])]
    counts = [len(each) for each in regions if each is not None]
    assert counts[0] > counts[1] == 1
    assert counts[2] > 1


def test_depth_is_learnt_once_and_kept(finished: Run, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(replace(config, depth_training=DepthTraining(epochs=1, batch_size=2, side=64)), finished.cache)
    network = run.depth_network()
    assert load_depth_network(network).trained_on == run.data("train").ids
    assert run.depth_spec("learned") == f"learned:{network}"
    assert run.depth_spec("shuffled+learned") == f"shuffled+learned:{network}"
    score = run.seeds(["depth@learned"])["depth@learned"]
    assert score.ids == run.data("report").ids
    kept = {path.name for path in (finished.cache / "depth").glob("*/*.png")}
    assert kept == {f"{name}.png" for split in ("tune", "report") for name in run.data(split).ids}
    monkeypatch.setattr("wsss.depth.training.train_depth_network", refuse)
    monkeypatch.setattr("wsss.depth.estimators.predict_inverse_depth", refuse)
    again = Run(run.config, finished.cache, progress=False)
    before = again.depth_of("report", "learned")(0)
    assert before.shape == run.data("report")[0].image.shape[:2]
    np.testing.assert_array_equal(again.seeds(["depth@learned"])["depth@learned"].curve, score.curve)
    other = Run(replace(run.config, depth_training=DepthTraining(epochs=2)), finished.cache, progress=False)
    with pytest.raises(AssertionError, match="computed again"):
        other.depth_network()


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("cam", "cam"), ("rgb-region", "rgb-region"), ("oracle-box", "oracle-box"), (FULL_SUPERVISION, FULL_SUPERVISION),
        ("depth", "depth@meter"), ("region-only", "region-only@meter"), ("depth@sensor", "depth@sensor"),
        ("depth@learned", "depth@learned"), ("depth@shuffled", "depth@shuffled"), ("depth@noisy-08", "depth@noisy-08"),
        ("depth@constant", "depth@constant"), ("depth@files:depth_zoe", "depth@zoe"),
    ],
)  # fmt: skip
def test_names_in_records_say_which_depth(config: Config, cache: Path, method: str, name: str) -> None:
    run = Run(replace(config, depth="files:/x/DepthMETER", methods=("cam",)), cache)
    assert run.config.full_name(method) == name


def test_a_source_for_a_method_without_depth_is_refused_at_once(config: Config, cache: Path) -> None:
    with pytest.raises(WsssError, match=r"rgb-region looks at no depth.*crop-only, depth-region, region-only, depth"):
        Run(replace(config, methods=("cam", "rgb-region@sensor")), cache)


def test_the_classifiers_precision_is_that_of_the_splits_in_question(finished: Run, config: Config) -> None:
    assert finished.average_precision() == finished.classifier_report()["map"]
    fewer = Run(replace(config, report_limit=1), finished.cache, progress=False)
    assert fewer.classifier_key == finished.classifier_key
    assert set(fewer.average_precision()) == {"tune", "report"}
    assert len(list((finished.cache / "average-precision").glob("*.json"))) == 2


def test_a_split_without_a_class_has_no_precision(config: Config, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsss.pipeline.classifier.mean_average_precision", lambda *_: float("nan"))
    run = Run(replace(config, seed=1), cache, progress=False)
    assert np.isnan(list(run.average_precision().values())).all()
    assert np.isnan(list(run.average_precision().values())).all()  # from the cache


def test_labels_that_somebody_deleted_are_made_anew(finished: Run, config: Config, tmp_path: Path) -> None:
    shutil.copytree(finished.cache, tmp_path / "cache", ignore=shutil.ignore_patterns("pseudo"))
    again = Run(config, tmp_path / "cache", progress=False)
    for name in ("cam", "cam+par"):
        made = again.pseudo_folder(name)
        assert {path.name: path.read_bytes() for path in made.iterdir()} == {
            path.name: path.read_bytes() for path in finished.pseudo_folder(name).iterdir()
        }


def test_a_stage_that_fails_gives_its_locks_back(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("out of order")

    run = Run(config, tmp_path, progress=False)
    monkeypatch.setattr("wsss.pipeline.classifier.train_classifier", fail)
    with pytest.raises(RuntimeError, match="out of order"):
        run.seeds(["cam"])
    assert not list((tmp_path / "locks").glob("*.json"))


@pytest.mark.parametrize(
    ("depth", "source", "wanted"),
    [
        ("learned", "shuffled", True),
        ("sensor", "shuffled+learned", True),
        ("sensor", "learned", True),
        ("sensor", "shuffled", False),
    ],
)
def test_depth_of_the_train_split_is_cross_fitted(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depth: str, source: str, wanted: bool
) -> None:
    asked = []

    def network(_: RunData, folds: bool = False) -> Path:
        asked.append(folds)
        return tmp_path / "network.safetensors"

    monkeypatch.setattr(RunData, "depth_network", network)
    monkeypatch.setattr("wsss.pipeline.data.open_depth", lambda *_, **__: None)
    Run(replace(config, depth=depth), tmp_path, progress=False).depth_of("train", source)
    assert any(asked) == wanted


def test_the_kind_of_a_methods_own_depth_files_is_never_guessed(config: Config, cache: Path, tmp_path: Path) -> None:
    run = Run(replace(config, depth="constant"), cache, progress=False)
    with pytest.raises(WsssError, match="--depth-kind metric"):
        run.depth_of("tune", f"files:{tmp_path}")


@pytest.mark.parametrize("stage", ["choose", "seeds", "choose_labels", "labels"])
def test_a_sweep_that_broke_off_looks_at_no_image_twice(
    finished: Run, config: Config, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Blocks that are done are kept, and the whole is what it is at once."""
    monkeypatch.setattr("wsss.machine.blocks.BLOCK", 1)
    own = tmp_path / "cache"
    for part in (
        "classifier",
        *(["choice"] if stage != "choose" else []),
        *(["label-choice"] if stage == "labels" else []),
    ):
        shutil.copytree(cache / part, own / part)
    names = ["cam", "depth"] if stage in ("choose", "seeds") else ["cam", "cam+par"]
    looked: list[str] = []
    look = DepthCAM.look

    def breaks(self: DepthCAM, id_: str, *rest: Any) -> Any:
        if id_ not in looked and looked and not broken:
            broken.append(id_)
            raise KeyboardInterrupt
        looked.append(id_)
        return look(self, id_, *rest)

    broken: list[str] = []
    monkeypatch.setattr(DepthCAM, "look", breaks)
    with pytest.raises(KeyboardInterrupt):
        getattr(Run(config, own, progress=False), stage)(names)
    assert len(set(looked)) == 1
    again = getattr(Run(config, own, progress=False), stage)(names)
    assert broken
    assert len(looked) == len(set(looked)) > 1
    assert not list(own.glob("*-blocks/*"))
    for name, known in getattr(finished, stage)(names).items():
        if stage in ("choose", "choose_labels"):
            assert again[name] == known
        else:
            np.testing.assert_array_equal(again[name].confusions, known.confusions)
            np.testing.assert_array_equal(again[name].curve, known.curve)
            np.testing.assert_array_equal(again[name].predicted, known.predicted)
            pd.testing.assert_frame_equal(again[name].instances, known.instances)
            untimed = [
                {key: value for key, value in one.facts.items() if key != "seconds"} for one in (again[name], known)
            ]
            assert untimed[0] == untimed[1]
