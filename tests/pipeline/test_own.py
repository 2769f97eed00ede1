"""What users enter, in a run: versions enter keys, names enter records, errors are one line."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.data.test_own import Tiles
from wsss.config import ClassifierConfig, SegmentationConfig
from wsss.data import as_dataset, register_dataset
from wsss.data.base import Sample
from wsss.data.registry import _OPENERS
from wsss.depth.names import SOURCES, register_depth_source
from wsss.depth.specs import source_identity
from wsss.errors import WsssError
from wsss.experiments.results import write_stage
from wsss.methods.names import _ENTERED, MethodName
from wsss.methods.registry import METHODS, PROPOSALS, register_proposal
from wsss.pipeline import Run, open_run
from wsss.pseudo.refinement import REFINEMENTS, RefinementParameters, register_refinement
from wsss.records.store import FULL_SUPERVISION
from wsss.segmentation.network import check_network
from wsss.segmentation.predictor import load_predictor
from wsss.segmentation.registry import NETWORKS, register_network

pytestmark = pytest.mark.usefixtures("tiny_weights", "nothing_stays")

BACKBONE = "test_efficientnet"
SETTINGS: dict[str, Any] = {
    "classifier": ClassifierConfig(backbone=BACKBONE, base_side=64, crop_side=64, epochs=1, batch_size=4),
    "segmentation": SegmentationConfig(encoder=f"tu-{BACKBONE}", iterations=2, batch_size=2, crop_size=64),
    "train_limit": 6,
}


@pytest.fixture
def nothing_stays() -> Iterator[None]:
    yield
    for registry in (_OPENERS, SOURCES, METHODS, REFINEMENTS, NETWORKS):
        for name in registry.loaded():
            if name.startswith("my-"):
                del registry[name]
    PROPOSALS.clear()
    _ENTERED.clear()
    check_network.cache_clear()


class Squares:
    """Red and blue squares on grey, with depth."""

    name, classes, has_depth = "my-squares", ("red", "blue"), True

    def __init__(self, split: str, count: int = 6, depth: bool = True) -> None:
        self.ids = tuple(f"{split}{number}" for number in range(count))
        self.has_depth = depth

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        generator = np.random.default_rng([ord(letter) for letter in self.ids[index]])
        image = generator.integers(90, 140, (48, 64, 3), np.uint8)
        inside = np.zeros((48, 64), bool)
        top, left = generator.integers(0, 20, 2)
        inside[top : top + 24, left : left + 24] = True
        image[inside] = [(220, 40, 40), (40, 60, 220)][index % 2]
        depth = np.where(inside, 0.9, 0.1).astype(np.float32) if self.has_depth else None
        return Sample(self.ids[index], image, np.arange(2) == index % 2, inside * np.uint8(index % 2 + 1), depth=depth)


def opened(cache: Path, data: Any = None, **settings: Any) -> Run:
    given = data or {split: Squares(split) for split in ("train", "tune", "report")}
    run = open_run("smoke", given, progress=False, **{**SETTINGS, **settings})
    return Run(run.config, cache, progress=False, data=run._data._given)


def test_data_sets_at_hand_go_through_all_stages(tmp_path: Path) -> None:
    run = opened(tmp_path / "cache")
    assert run.data_name == "my-squares"
    assert [run.data(split).split for split in ("train", "tune", "report")] == ["train", "tune", "test"]
    records = write_stage([run], "cam", tmp_path / "results")
    assert {record["data"] for record in records} == {"my-squares"}
    assert (tmp_path / "results/my-squares/cam/test/depth@sensor.json").exists()
    score = run.networks([FULL_SUPERVISION])[FULL_SUPERVISION]
    assert score.confusions.shape == (6, 3, 4)
    assert score.confusions.sum() == 6 * 48 * 64


def test_the_keys_of_data_at_hand_are_of_what_it_holds(tmp_path: Path) -> None:
    first, same = opened(tmp_path), opened(tmp_path)
    other = opened(tmp_path, {"train": Squares("train"), "tune": Squares("other"), "test": Squares("report")})
    assert first.seed_key("cam", "report") == same.seed_key("cam", "report")
    assert first.classifier_key == other.classifier_key
    assert first.seed_key("cam", "report") != other.seed_key("cam", "report")


def test_data_at_hand_cannot_be_called_as_what_is_known(tmp_path: Path) -> None:
    class Named(Squares):
        name = "nyuv2"

    data = {split: Named(split) for split in ("train", "tune", "report")}
    with pytest.raises(WsssError, match="data set 'nyuv2': another one has that name"):
        open_run("smoke", data)
    with pytest.raises(WsssError, match="was given as train, tune, report, without a split 'val'"):
        opened(tmp_path).data("val")


def test_a_tune_split_without_masks_takes_a_preset(tmp_path: Path) -> None:
    data = {}
    for split in ("train", "tune", "report"):
        rows = [(sample.image, int(sample.labels[1])) for sample in map(Squares(split).__getitem__, range(6))]
        data[split] = as_dataset(rows, name="my-tags", classes=["red", "blue"], split=split)
    run = opened(tmp_path, data)
    assert not run.has_masks
    assert run.choose(["cam"])["cam"].chosen_on == "preset"


def test_the_version_of_a_data_set_enters_keys(tmp_path: Path) -> None:
    def keys(version: int) -> tuple[str, str]:
        _OPENERS.pop("my-tiles", None)
        register_dataset("my-tiles", version=version)(lambda root, split, classes, limit: Tiles())  # type: ignore[arg-type, return-value]
        run = Run(open_run("smoke", "my-tiles", **SETTINGS).config, tmp_path, progress=False)
        return run.classifier_key, run.data_hash("cam")

    one, two = keys(1), keys(2)
    assert keys(1) == one
    assert one[0] != two[0]
    assert one[1] != two[1]


def test_the_version_of_a_depth_source_enters_keys(tmp_path: Path) -> None:
    def entered(version: int) -> Run:
        @register_depth_source("my-rows", kind="inverse", version=version)
        def rows(sample: Sample) -> Any:
            return np.indices(sample.image.shape[:2])[0]

        return opened(tmp_path, depth="my-rows")

    keys = [entered(version).seed_key("depth", "report") for version in (1, 2, 1)]
    assert keys[0] == keys[2] != keys[1]
    assert source_identity("shuffled+my-rows") == "shuffled+my-rows 1 inverse"
    run = entered(1)
    assert run.full_name("depth") == "depth@my-rows"
    assert run.full_name("depth@shuffled+my-rows") == "depth@shuffled-my-rows"
    depth = run.depth_of("tune")(0)
    assert depth.shape == (48, 64)
    assert (np.diff(depth, axis=0) >= 0).all()
    assert depth[0, 0] == 0
    assert depth[-1, 0] == 1
    assert run.depths.names(["my-rows", "files:/x/my-rows"])["files:/x/my-rows"] != "my-rows"


def test_a_metric_source_has_holes(tmp_path: Path) -> None:
    @register_depth_source("my-metres", kind="metric")
    def metres(sample: Sample) -> Any:
        values = np.where(sample.truth > 0, 1.0, 4.0)
        values[0, 0] = 0
        return values[::2, ::2]

    run = opened(tmp_path, depth="my-metres", depth_kind="inverse")  # the kind that is stated is that of files
    sample, depth = run.data("tune")[0], run.depth_of("tune")(0)
    assert depth[sample.truth > 0].mean() > 0.9
    assert depth[sample.truth == 0].mean() < 0.1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((4, 4, 3)), r"must give an array h×w of real numbers, and gives float64 \(4, 4, 3\) of image tune0"),
        (np.zeros((48, 64), complex), "real numbers"),
        (np.zeros((64, 48)), "has another aspect ratio"),
        (None, "real numbers"),
    ],
)
def test_a_depth_source_that_gives_no_map_is_one_line(tmp_path: Path, values: Any, message: str) -> None:
    register_depth_source("my-broken", kind="metric")(lambda sample: values)
    with pytest.raises(WsssError, match=message) as caught:
        opened(tmp_path, depth="my-broken").depth_of("tune")(0)
    assert "my-broken" in str(caught.value)


def test_a_depth_source_that_fails_is_one_line(tmp_path: Path) -> None:
    @register_depth_source("my-broken", kind="metric")
    def broken(sample: Sample) -> Any:
        raise RuntimeError("no\nmemory")

    with pytest.raises(WsssError, match=r"^depth source my-broken fails on image tune0: no$"):
        opened(tmp_path, depth="my-broken").depth_of("tune")(0)
    with pytest.raises(WsssError, match="kind must be metric"):
        register_depth_source("my-other", kind="far")
    for taken in ("sensor", "shuffled", "files", "noisy-08"):
        with pytest.raises(WsssError, match="has that name already"):
            register_depth_source(taken, kind="metric")(broken)


def boxes_of(image: Any, depth: Any) -> Any:
    assert depth is None
    return np.array([[2, 3, 30, 40], [0, 0, 48, 64]])


def test_a_proposal_is_a_method(tmp_path: Path) -> None:
    def entered(version: int) -> str:
        register_proposal("my-boxes", gives="boxes", version=version)(boxes_of)
        return opened(tmp_path).seed_key("my-boxes", "report")

    first = entered(1)
    assert first != entered(2)
    assert first == entered(1)
    run = opened(tmp_path)
    score = run.seeds(["my-boxes"])["my-boxes"]
    assert score.facts["trials"] == 26
    assert score.facts["megapixels"] == pytest.approx(run.seeds(["grid"])["grid"].facts["megapixels"], rel=0.05)
    look = run.depth_cam.look("one", run.data("tune")[0].image, [0])
    plan = run.depth_cam.gathered("my-boxes", look).plan
    assert [(one.box[0] + one.box[2]) // 2 for one in plan[:2]] == [16, 24]  # the centres of the two boxes
    assert [(one.box[1] + one.box[3]) // 2 for one in plan[:2]] == [21, 32]
    with pytest.raises(WsssError, match="my-boxes looks at no depth, so 'my-boxes@sensor' is no method"):
        opened(tmp_path, methods=["my-boxes@sensor"])


def test_masks_are_regions_the_smaller_above(tmp_path: Path) -> None:
    @register_proposal("my-masks", gives="masks", depth=True)
    def masks(image: Any, depth: Any) -> Any:
        assert depth.shape == (48, 64)
        found = np.zeros((3, 48, 64), bool)
        found[0, 10:20, 10:20] = True
        found[1, :30, :30] = True
        found[2, 12:14, 12:14] = True
        return found

    run = opened(tmp_path)
    sample = run.data("tune")[0]
    look = run.depth_cam.look("one", sample.image, [0])
    evidence = run.depth_cam.gathered("my-masks", look, sample.depth)
    (regions,) = evidence.partitions
    expected = np.full((48, 64), 4)  # what no mask covers
    expected[:30, :30] = 1
    expected[10:20, 10:20] = 2
    expected[12:14, 12:14] = 3
    sizes = [int((expected == number).sum()) for number in (1, 2, 3)]
    assert sizes == sorted(sizes, reverse=True)
    np.testing.assert_array_equal(regions.labels, expected)
    assert regions.is_plane.tolist() == [False, False, False, True]
    assert run.full_name("my-masks") == "my-masks@sensor"
    assert set(run.seeds(["my-masks", "my-masks@inverted"])) == {"my-masks", "my-masks@inverted"}
    with pytest.raises(WsssError, match="need depth"):
        run.depth_cam.gathered("my-masks", look)


@pytest.mark.parametrize(
    ("gives", "found", "message"),
    [
        ("boxes", np.zeros((2, 5), int), r"must give boxes \(N, 4\) of integers, and gives int64 \(2, 5\)"),
        ("boxes", np.ones((2, 4)), "of integers, and gives float64"),
        ("boxes", np.array([[0, 0, 49, 10]]), r"the box \(0, 0, 49, 10\), which is no \(top, left, bottom, right\)"),
        ("boxes", np.array([[5, 5, 5, 10]]), "which is no"),
        ("masks", np.ones((1, 64, 48), bool), r"must give masks \(N, 48, 64\) of bool"),
        ("masks", np.ones((1, 48, 64), np.uint8), r"of bool, and gives uint8"),
    ],
)
def test_a_proposal_that_gives_something_else_is_one_line(tmp_path: Path, gives: str, found: Any, message: str) -> None:
    register_proposal("my-broken", gives=gives)(lambda image, depth: found)
    run = opened(tmp_path)
    look = run.depth_cam.look("one", run.data("tune")[0].image, [0])
    with pytest.raises(WsssError, match=message) as caught:
        run.depth_cam.gathered("my-broken", look)
    assert "proposal my-broken" in str(caught.value)


@pytest.mark.parametrize(("gives", "found"), [("boxes", []), ("masks", [])])
def test_a_proposal_may_find_nothing(tmp_path: Path, gives: str, found: list[Any]) -> None:
    register_proposal("my-nothing", gives=gives)(lambda image, depth: np.array(found))
    assert opened(tmp_path).seeds(["my-nothing"])["my-nothing"].confusions.sum() == 6 * 48 * 64


def test_names_of_proposals() -> None:
    with pytest.raises(WsssError, match="gives must be boxes or masks, not 'points'"):
        register_proposal("my-points", gives="points")
    for taken in ("depth", "grid", "colour", "oracle", "full-supervision"):
        with pytest.raises(WsssError, match="has that name already"):
            register_proposal(taken, gives="boxes")(boxes_of)
        assert taken not in PROPOSALS


def half(scene: Any, scores: Any, parameters: RefinementParameters) -> Any:
    scores *= parameters.weight  # their own copy
    return scores


def test_a_refinement_follows_a_plus(tmp_path: Path) -> None:
    def entered(version: int) -> str:
        trials = [RefinementParameters(weight=weight) for weight in (1.0, 0.5)]
        register_refinement("my-half", trials=trials, version=version)(half)
        return opened(tmp_path).label_key("cam+my-half")

    first = entered(1)
    assert first != entered(2)
    assert first == entered(1)
    assert MethodName.parse("depth@shuffled+my-half") == MethodName("depth", "shuffled", "my-half")
    run = opened(tmp_path, pseudo_methods=["cam", "cam+my-half"])
    choices = run.choose_labels(["cam", "cam+my-half"])
    assert choices["cam+my-half"].trials == 2
    assert choices["cam+my-half"].miou == pytest.approx(choices["cam"].miou, abs=3)  # thresholds follow the scores
    assert run.full_name("cam+my-half") == "cam+my-half"
    assert list(run.pseudo_folder("cam+my-half").glob("*.png"))
    with pytest.raises(
        WsssError, match=r"unknown refinement 'his' in 'cam\+his'; choose from crf, par, par-depth, my-half"
    ):
        MethodName.parse("cam+his")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (np.zeros((1, 2, 3), np.float32), r"must give scores \(1, 48, 64\) of floats, and gives float32 \(1, 2, 3\)"),
        (np.full((1, 48, 64), 2.0), r"must give scores in \[0, 1\], not 2 to 2"),
        (np.full((1, 48, 64), np.nan), r"must give scores in \[0, 1\]"),
        (np.zeros((1, 48, 64), int), "of floats, and gives int64"),
    ],
)
def test_a_refinement_that_gives_no_scores_is_one_line(tmp_path: Path, found: Any, message: str) -> None:
    register_refinement("my-broken")(lambda scene, scores, parameters: found)
    with pytest.raises(WsssError, match=message) as caught:
        opened(tmp_path).choose_labels(["cam+my-broken"])
    assert "refinement my-broken" in str(caught.value)


def test_a_source_and_a_refinement_of_one_name_are_refused(tmp_path: Path) -> None:
    register_refinement("my-both")(half)
    register_depth_source("my-both", kind="metric")(lambda sample: sample.image[..., 0])
    with pytest.raises(WsssError, match="my-both is a depth source and a refinement"):
        opened(tmp_path)


def small(outputs: int) -> nn.Module:
    return nn.Conv2d(3, outputs, 3, padding=1)


def test_a_network_learns_and_is_loaded_again(tmp_path: Path) -> None:
    def entered(version: int) -> str:
        register_network("my-small", version=version)(small)
        return opened(tmp_path, segmentation=segmentation).network_key("cam")

    segmentation = replace(SETTINGS["segmentation"], architecture="my-small", learning_rate=0.1, iterations=20)
    first = entered(1)
    assert first != entered(2)
    assert first == entered(1)
    run = opened(tmp_path, segmentation=segmentation)
    path = run.network_path(FULL_SUPERVISION)
    losses = [point["loss"] for point in run.network_report(FULL_SUPERVISION)["history"]]
    assert losses[-1] < losses[0] / 2  # red, blue and grey are told apart by one convolution
    predictor = load_predictor(path)
    assert predictor.classes == ("red", "blue")
    assert predictor.mean == (0.485, 0.456, 0.406)
    sample = run.data("report")[0]
    (label,) = predictor([sample.image], torch.device("cpu"))
    assert (label == sample.mask).mean() > 0.9
    del NETWORKS["my-small"]
    with pytest.raises(WsssError, match="or import what registers my-small") as caught:
        load_predictor(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda outputs: nn.Conv2d(3, outputs, 3, stride=2),
            r"must answer images .* and answers with \(1, 2, 31, 31\)",
        ),
        (lambda outputs: nn.Conv2d(4, outputs, 3), "network my-broken fails on an image"),
        (lambda outputs: 3, r"network my-broken must be a torch\.nn\.Module, not int"),
        (lambda: None, "network my-broken cannot be built for 2 outputs"),
    ],
)
def test_a_network_that_cannot_learn_is_said_at_once(tmp_path: Path, build: Any, message: str) -> None:
    register_network("my-broken")(build)
    with pytest.raises(WsssError, match=message) as caught:
        opened(tmp_path, segmentation=replace(SETTINGS["segmentation"], architecture="my-broken"))
    assert "\n" not in str(caught.value)


PLUGIN = """
import numpy as np
from torch import nn
from tests.pipeline.test_own import Squares
from wsss import register_dataset, register_depth_source, register_network, register_proposal, register_refinement

register_dataset("my-data")(lambda root, split, classes, limit: Squares(split))
register_depth_source("my-depth", kind="inverse")(lambda sample: sample.image[..., 0])
register_proposal("my-proposal", gives="boxes")(lambda image, depth: np.array([[0, 0, *image.shape[:2]]]))
register_refinement("my-refinement")(lambda scene, scores, parameters: scores)
register_network("my-network")(lambda outputs: nn.Conv2d(3, outputs, 1))
"""


def test_another_package_has_all_of_them(install: Callable[..., None], tmp_path: Path) -> None:
    groups = {
        "wsss.datasets": "my-data", "wsss.depth_sources": "my-depth", "wsss.proposals": "my-proposal",
        "wsss.refinements": "my-refinement", "wsss.networks": "my-network",
    }  # fmt: skip
    for number, (group, name) in enumerate(groups.items()):
        install(f"plugin_{number}", "import plugin", group, **{name: "plugin"})
    install("plugin", PLUGIN, "wsss.none")
    settings = {**SETTINGS, "segmentation": replace(SETTINGS["segmentation"], architecture="my-network")}
    methods = ["cam", "my-proposal", "depth@shuffled+my-depth"]
    config = open_run("smoke", "my-data", depth="my-depth", methods=methods, **settings).config
    run = Run(config, tmp_path, progress=False)
    assert [run.full_name(name) for name in methods] == ["cam", "my-proposal", "depth@shuffled-my-depth"]
    assert set(run.seeds(methods)) == set(methods)
    assert set(run.networks(["cam+my-refinement"])) == {"cam+my-refinement"}


def test_a_package_that_is_broken_stops_only_those_who_name_it(install: Callable[..., None], tmp_path: Path) -> None:
    install("broken", "import nothing_of_that_name", "wsss.proposals", **{"my-broken": "broken"})
    assert opened(tmp_path).seed_key("cam", "report")
    for ask in (
        lambda: opened(tmp_path, methods=["my-broken"]),
        lambda: opened(tmp_path).seeds(["my-broken"]),
    ):
        with pytest.raises(
            WsssError, match=r"method 'my-broken' of package broken cannot be loaded \(broken\): No module"
        ):
            ask()
    with pytest.raises(WsssError, match=r"unknown method 'nobody'; choose from cam, .*, oracle-box, my-broken"):
        opened(tmp_path, methods=["nobody"])


def test_the_keys_of_what_is_there_know_nothing_of_versions(tmp_path: Path) -> None:
    run = opened(tmp_path)
    assert "version" not in asdict(METHODS["grid"])
    assert REFINEMENTS["crf"].version == 1
    assert run.seed_key("grid", "report") == opened(tmp_path).seed_key("grid", "report")
