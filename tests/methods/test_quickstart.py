"""The first chapter's photograph, its depth and its outline; the reader's own in their place."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from wsss.errors import WsssError
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.image_result import ImageResult
from wsss.methods.quickstart import LONGEST, Shot, against_outline, likeliest, looked_at, open_photograph
from wsss.networks.backbones import imagenet_classifier


@pytest.fixture(scope="module")
def cam() -> DepthCAM:
    return DepthCAM(imagenet_classifier(), activation="softmax")


@pytest.fixture(scope="module")
def shot() -> Shot:
    return open_photograph()


@pytest.fixture(scope="module")
def results(cam: DepthCAM, shot: Shot) -> dict[str, ImageResult]:
    return looked_at(cam, shot)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photograph of 60×90 (H×W)."""
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)).save(tmp_path / "mine.png")
    return tmp_path / "mine.png"


def test_without_parameters_it_is_the_motorcycle(shot: Shot) -> None:
    image, _, disparity = skimage.data.stereo_motorcycle()
    np.testing.assert_array_equal(shot.image, image)
    np.testing.assert_array_equal(shot.depth, disparity)
    assert (shot.name, shot.kind, shot.classes) == ("motorcycle", "inverse", ("moped",))
    assert shot.near is not None
    assert shot.truth is not None
    # What is outlined stands in front of the wall above it, and engine and wheels are in it.
    assert shot.near[shot.truth == 1].mean() > shot.near[:100].mean() + 0.3
    assert shot.truth[330, 400] == shot.truth[340, 190] == shot.truth[370, 620] == 1
    assert not shot.truth[:20].any()
    assert not shot.truth[:, :90].any()
    assert not shot.truth[460:].any()


def test_the_classifier_says_what_the_photograph_shows(cam: DepthCAM, shot: Shot) -> None:
    tags = likeliest(cam, shot.image, 3)
    assert list(tags)[:2] == ["moped", "motor scooter, scooter"]
    assert tags["moped"] > 0.5
    assert list(tags.values()) == sorted(tags.values(), reverse=True)
    with pytest.raises(WsssError, match=r"probabilities are asked for.*activation='softmax'"):
        likeliest(DepthCAM(imagenet_classifier()), shot.image)


def test_depth_has_more_of_the_outline_than_colour_and_colour_more_than_the_plain_map(
    results: dict[str, ImageResult], shot: Shot
) -> None:
    assert shot.truth is not None
    table = against_outline(results, shot.truth)
    assert list(table.index) == ["plain CAM", "cam", "rgb-region", "depth"]
    best = table["IoU there (%)"]
    assert best["depth"] > best["rgb-region"] + 5 > best["plain CAM"] + 10
    assert table["IoU (%)"].idxmax() == "depth"
    assert (table["IoU (%)"] <= best).all()
    # Counted by hand.
    inside, label = shot.truth == 1, results["depth"].scores[0] > results["depth"].threshold
    expected = 100 * (inside & label).sum() / (inside | label).sum()
    assert table.loc["depth", "IoU (%)"] == pytest.approx(expected)


def test_the_same_as_the_three_lines_of_the_readme(results: dict[str, ImageResult]) -> None:
    image, _, disparity = skimage.data.stereo_motorcycle()
    result = DepthCAM(imagenet_classifier())(image, classes=["moped"], depth=disparity, kind="inverse")
    np.testing.assert_array_equal(result.scores, results["depth"].scores)


def test_a_photograph_of_ones_own(photo: Path, tmp_path: Path) -> None:
    alone = open_photograph(photo)
    assert (alone.name, alone.depth, alone.near, alone.kind, alone.classes, alone.truth) == ("mine", *[None] * 5)
    np.save(tmp_path / "metres.npy", np.linspace(4, 1, 30 * 45).reshape(30, 45))
    deep = open_photograph(str(photo), tmp_path / "metres.npy", "metric", ["cat", "dog"])
    assert (deep.kind, deep.classes) == ("metric", ("cat", "dog"))
    assert deep.near is not None
    assert deep.near.shape == (60, 90)
    assert deep.near[0, 0] < 0.1 < 0.9 < deep.near[-1, -1]  # far above, near below
    assert open_photograph(photo, "none").depth is None
    assert open_photograph(photo, classes="cat, motor scooter").classes == ("cat", "motor scooter")


def test_the_motorcycle_with_other_depth_and_classes(tmp_path: Path) -> None:
    assert open_photograph(depth="none").depth is None
    np.save(tmp_path / "flat.npy", np.ones((50, 74)))
    other = open_photograph(None, str(tmp_path / "flat.npy"), "metric", "crash helmet")
    assert (other.kind, other.classes, other.truth) == ("metric", ("crash helmet",), None)


def test_a_large_photograph_is_made_smaller(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((1200, 900, 3), np.uint8)).save(tmp_path / "large.png")
    assert open_photograph(tmp_path / "large.png").image.shape == (LONGEST, 600, 3)


def test_a_turned_photograph_is_turned_where_its_depth_is_its_own(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "turned.jpg", exif=exif)
    assert open_photograph(tmp_path / "turned.jpg").image.shape == (30, 20, 3)
    np.save(tmp_path / "depth.npy", np.ones((20, 30)))
    with pytest.raises(WsssError, match=r"turned\.jpg"):
        open_photograph(tmp_path / "turned.jpg", tmp_path / "depth.npy", "metric")


def test_what_is_wrong_is_said_with_a_remedy(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "metres.npy", np.ones((60, 90)))
    for kind in (None, "metres"):
        with pytest.raises(WsssError, match=r"depth_kind must say what the numbers in .*metres\.npy are: metric"):
            open_photograph(photo, tmp_path / "metres.npy", kind)
    with pytest.raises(WsssError, match=r"no depth file some/model: give one, a model of the hub as hf:MODEL, or none"):
        open_photograph(photo, "some/model")
    with pytest.raises(WsssError, match=r"gone\.png"):
        open_photograph(tmp_path / "gone.png")

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", refuse)
    with pytest.raises(
        WsssError, match=r"cannot get depth model some/model from the hub: no route.*none for regions of colour"
    ):
        open_photograph(photo, "hf:some/model")


def test_depth_of_a_network(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsss.methods.quickstart.require_hub_model", lambda _: None)
    seen = {}

    def open_depth(spec: str, dataset: object, kind: str | None) -> object:
        seen["given"] = spec, kind, dataset[0].image  # type: ignore[index]
        return lambda index: np.full((60, 90), 0.5, np.float32)

    monkeypatch.setattr("wsss.methods.quickstart.open_depth", open_depth)
    shot = open_photograph(photo, "hf:some/model")
    assert seen["given"][:2] == ("hf:some/model", None)
    np.testing.assert_array_equal(seen["given"][2], shot.image)
    assert shot.kind == "inverse"
    assert shot.depth is not None
    assert (shot.depth == 0.5).all()
