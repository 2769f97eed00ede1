"""One image in three lines, against the parts that it is made of."""

import doctest
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from wsss import DepthCAM
from wsss.analysis.thresholds import pseudo_label
from wsss.cam.classifier import Classifier, info_for, load_classifier, save_classifier
from wsss.cam.maps import resize_maps
from wsss.data.inverse_depth import inverse_depth, normalise_inverse_depth
from wsss.data.transforms import resize_image, to_tensor
from wsss.depth.files import resized
from wsss.errors import WsssError
from wsss.methods import depth_cam
from wsss.methods.choice import Choice
from wsss.methods.evidence import Look, gather
from wsss.methods.fusion import fuse
from wsss.methods.parameters import CropParameters, FusionParameters, RegionParameters
from wsss.methods.registry import METHODS

CLASSES = ("cat", "dog", "mug")
CHOSEN = {
    "cam": Choice(FusionParameters(), 0.3, 10.0, 1),
    "depth": Choice(FusionParameters(crop_weight=0.5, vote=0.75), 0.4, 20.0, 12),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a checkpoint of random weights, a photograph and a depth map, which the current folder is."""
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    info = info_for("test_efficientnet", CLASSES, 16, 64)
    looks = {"regions": vars(RegionParameters()), "crops": vars(CropParameters(count=3))}
    chosen = {name: choice.plain() for name, choice in CHOSEN.items()}
    save_classifier(
        tmp_path / "classifier.safetensors",
        Classifier("test_efficientnet", len(CLASSES)),
        replace(info, chosen=chosen, looks=looks),
    )
    Image.fromarray(generator.integers(0, 256, (48, 70, 3), dtype=np.uint8)).save(tmp_path / "photo.png")
    np.save(tmp_path / "photo.npy", np.linspace(1.0, 4.0, 24 * 35, dtype=np.float32).reshape(24, 35))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cam(place: Path) -> DepthCAM:
    return DepthCAM.from_checkpoint("classifier.safetensors")


def test_the_example_runs(place: Path) -> None:
    finder = doctest.DocTestFinder(recurse=False)
    torch.manual_seed(0)
    own = timm.create_model("test_efficientnet", num_classes=2)
    given = {"DepthCAM": DepthCAM, "model": own, "disparity": np.linspace(9, 1, 24 * 35).reshape(24, 35)}
    (example,) = finder.find(DepthCAM, "DepthCAM", globs=given)
    assert len(example.examples) >= 3
    assert doctest.DocTestRunner().run(example).failed == 0


@pytest.mark.parametrize("how", ["file", "text", "PIL", "array"])
def test_depth_guides_as_the_method_does(cam: DepthCAM, place: Path, how: str) -> None:
    pixels = np.asarray(Image.open("photo.png"))
    image: Any = {"file": place / "photo.png", "text": "photo.png", "PIL": Image.open("photo.png"), "array": pixels}[
        how
    ]
    found = cam(image, ["mug", "cat"], depth="photo.npy", kind="metric")
    near = resized(normalise_inverse_depth(inverse_depth(np.load("photo.npy"), "metric")), (48, 70))
    look = Look(cam.model, cam.info, pixels, [2, 0], cam.device)
    by_hand = gather(METHODS["depth"], look, regions=RegionParameters(), crops=CropParameters(count=3), depth=near)
    scores = fuse(by_hand, CHOSEN["depth"].parameters).numpy()
    np.testing.assert_array_equal(found.scores, scores)
    assert found.names == ("mug", "cat")
    np.testing.assert_array_equal(found.classes, [3, 1])
    np.testing.assert_array_equal(found.label(), pseudo_label(scores, np.array([3, 1]), 0.4))
    np.testing.assert_array_equal(found.label(0.7), pseudo_label(scores, np.array([3, 1]), 0.7))
    assert len(found.evidence.plan) == 3


def test_without_depth_it_is_the_plain_cam(cam: DepthCAM) -> None:
    found = cam("photo.png", ["dog"])
    same = cam("photo.png", ["dog"], method="cam")
    np.testing.assert_array_equal(found.scores, same.scores)
    assert found.threshold == 0.3
    assert found.evidence.crops is None


def test_classes_that_are_not_named_are_predicted(cam: DepthCAM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depth_cam, "predict_probabilities", lambda *_: np.array([[0.2, 0.9, 0.51]], np.float32))
    assert cam("photo.png").names == ("dog", "mug")
    monkeypatch.setattr(depth_cam, "predict_probabilities", lambda *_: np.zeros((1, 3), np.float32))
    assert not cam("photo.png").label().any()


def test_a_method_without_a_choice_has_scores_but_no_label(cam: DepthCAM) -> None:
    with pytest.warns(UserWarning, match="nothing was chosen for method 'grid'"):
        found = cam("photo.png", ["dog"], method="grid")
    assert found.scores.shape == (1, 48, 70)
    with pytest.raises(WsssError, match=r"no threshold was chosen .* result\.label\(0\.4\)"):
        found.label()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ["moped"]}, r"does not know class 'moped'; it knows cat, dog, mug"),
        ({"classes": ["cat"], "depth": "photo.npy"}, r"kind must be metric .* or inverse"),
        ({"classes": ["cat"], "depth": np.zeros((4, 4, 2)), "kind": "metric"}, r"depth must be an array H×W"),
        ({"classes": ["cat"], "depth": np.array([["a"]]), "kind": "metric"}, r"depth must be an array H×W"),
        ({"classes": ["cat"], "depth": "gone.npy", "kind": "metric"}, r"gone\.npy"),
        ({"classes": ["cat"], "method": "magic"}, r"unknown method 'magic'"),
        ({"classes": ["cat"], "method": "depth"}, r"need depth"),
    ],
)
def test_wrong_arguments_are_named(cam: DepthCAM, options: dict[str, object], message: str) -> None:
    with pytest.raises(WsssError, match=message):
        cam("photo.png", **options)  # type: ignore[arg-type]


def test_a_checkpoint_without_settings_is_named(place: Path) -> None:
    info = info_for("test_efficientnet", CLASSES, 16, 64)
    save_classifier(place / "bare.safetensors", Classifier("test_efficientnet", 3), info)
    with pytest.raises(WsssError, match=r"bare\.safetensors does not say how its crops were made"):
        DepthCAM.from_checkpoint("bare.safetensors")


def test_the_plain_map_is_that_of_the_weights_without_their_bias(cam: DepthCAM, place: Path) -> None:
    """Of the classifier as it was saved, whose head a lean copy wraps."""
    model, info = load_classifier(place / "classifier.safetensors")
    found = cam("photo.png", ["mug", "cat"], depth="photo.npy", kind="metric")
    batch = resize_image(to_tensor(found.image, info.mean, info.std)[None], (48, 64))
    with torch.inference_mode():
        features = model.features(batch)[-1][0]
        maps = torch.einsum("dhw,kd->khw", features, model.head.weight[[2, 0], :, 0, 0]).relu()
    maps = resize_maps(maps, (48, 70))
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    np.testing.assert_allclose(
        found.plain, ((maps - low) / (high - low)).numpy(), atol=0.05
    )  # bfloat16, where the CPU has it
    assert found.uses_crops


def test_a_result_of_a_checkpoint_is_drawn_and_saved(cam: DepthCAM, tmp_path: Path) -> None:
    found = cam("photo.png", ["dog"])
    assert len(found.plot().axes) == 4
    assert (found.save(tmp_path / "out") / "result.json").exists()
    with pytest.warns(UserWarning, match="nothing was chosen"):
        unchosen = cam("photo.png", ["dog"], method="grid")
    with pytest.raises(WsssError, match=r"no threshold was chosen .* result\.label\(0\.4\)"):
        unchosen.save(tmp_path / "other")
    assert not (tmp_path / "other").exists()
