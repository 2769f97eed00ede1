"""The crop explorer on one's own photograph: the same maps as `DepthCAM`, no truth, and Python to take away."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from wsss.errors import WsssError
from wsss.methods.depth_cam import DepthCAM
from wsss.widgets import crop_explorer
from wsss.widgets.choices import OptionList
from wsss.widgets.controls import Slider
from wsss.widgets.explorer import Explorer, ExplorerView
from wsss.widgets.explorer_figure import numbers_of, render
from wsss.widgets.explorer_panel import PHOTOGRAPH_SOURCES, ExplorerPanel
from wsss.widgets.parameters import SLIDERS, ExplorerParameters, chosen_parameters, static_grid
from wsss.widgets.scenes import OnePhotograph
from wsss.widgets.taking_away import OfPhotograph

CLASSES = tuple(f"class {number}" for number in range(300))  # more than a label map has numbers for


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 16, 8, stride=8), nn.ReLU())
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 300)).eval()


@pytest.fixture(scope="module")
def cam(model: nn.Module) -> DepthCAM:
    return DepthCAM(model, classes=CLASSES, activation="softmax", mean=(0.5,) * 3, std=(0.5,) * 3, size=96)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """A box before a wall, 60×90 (H×W)."""
    pixels = np.random.default_rng(0).integers(0, 80, (60, 90, 3), dtype=np.uint8)
    pixels[20:45, 30:60] += 150
    return pixels


@pytest.fixture(scope="module")
def depth() -> np.ndarray:
    metres = np.full((60, 90), 3.0)
    metres[20:45, 30:60] = 1.0
    return metres


@pytest.fixture(scope="module")
def photograph(image: np.ndarray, cam: DepthCAM, depth: np.ndarray) -> OnePhotograph:
    return OnePhotograph(image, cam, depth, "metric", ["class 7", 290])


@pytest.fixture(scope="module")
def explorer(photograph: OnePhotograph) -> Explorer:
    return Explorer(photograph)


@pytest.fixture
def start(photograph: OnePhotograph) -> ExplorerParameters:
    return chosen_parameters(photograph, 0)


@pytest.fixture
def view(explorer: Explorer, start: ExplorerParameters) -> ExplorerView:
    return explorer.view(start)


def test_the_start_is_what_the_three_lines_give(
    cam: DepthCAM, image: np.ndarray, depth: np.ndarray, view: ExplorerView
) -> None:
    result = cam(image, ["class 7", 290], depth=depth, kind="metric")
    assert view.names == result.names == ("class 7", "class 290")
    np.testing.assert_allclose(view.scores, result.scores, atol=1e-5)
    np.testing.assert_array_equal(view.label, result.label())
    assert result.depth is not None
    np.testing.assert_array_equal(view.depth, result.depth)
    assert view.control is not None
    np.testing.assert_allclose(view.control.scores, cam(image, ["class 7", 290], method="rgb-region").scores, atol=1e-5)


def test_no_number_needs_a_truth(view: ExplorerView, start: ExplorerParameters, explorer: Explorer) -> None:
    assert not view.has_truth
    text = numbers_of(explorer.view(replace(start, shown="class 7")))
    assert "IoU" not in text
    assert text.startswith(f"area of the label: {100 * (view.before.label > 0).mean():.1f} % before")
    figure = render(start, explorer)
    titles = [text.get_text() for text in figure.axes[0].texts]
    assert titles[-1] == "control: regions of colour"
    assert titles[2:4] == ["CAM before: strongest class", "CAM after: strongest class"]


def test_sliders_and_wrong_depth_change_the_maps(
    view: ExplorerView, start: ExplorerParameters, explorer: Explorer
) -> None:
    assert not np.array_equal(view.scores, explorer.view(replace(start, vote=0.0)).scores)
    assert len(explorer.view(replace(start, count=5)).evidence.plan) == 5
    for source in PHOTOGRAPH_SOURCES:
        assert not np.array_equal(view.depth, explorer.view(replace(start, source=source)).depth)
    np.testing.assert_allclose(explorer.view(replace(start, source="inverted")).depth, 1 - view.depth, atol=1e-6)


def test_headless_it_is_a_fixed_grid(
    image: np.ndarray,
    cam: DepthCAM,
    depth: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    start: ExplorerParameters,
) -> None:
    monkeypatch.setenv("WSSS_HEADLESS", "1")
    figure = crop_explorer(image=Image.fromarray(image), model=cam, depth=depth, kind="metric", classes=["class 7"])
    assert isinstance(figure, Figure)
    assert len(figure.axes[0].images) == 6 * len(static_grid(start))
    assert "CAM after: class 7" in [text.get_text() for text in figure.axes[0].texts]
    assert "make lab" not in capsys.readouterr().out  # an installed wheel has no Makefile


def test_a_person_gets_sliders(
    image: np.ndarray, cam: DepthCAM, depth: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WSSS_HEADLESS", raising=False)
    found: list[Any] = [crop_explorer(image=image, model=cam, depth=depth, kind="metric")]
    for one in found:
        found.extend(getattr(one, "children", ()))
    assert {one.label for one in found if isinstance(one, Slider)} == {spec.label for spec in SLIDERS}
    lists = {one.description: one for one in found if isinstance(one, OptionList)}
    assert [text for text, _ in lists["depth"].options] == ["given", *PHOTOGRAPH_SOURCES]
    assert lists["class"].label == cam(image).names[0]  # without classes the likeliest


def test_what_is_copied_is_python_that_gives_the_same(
    explorer: Explorer, start: ExplorerParameters, photograph: OnePhotograph, cam: DepthCAM, model: nn.Module
) -> None:
    panel = ExplorerPanel(explorer, start, (0,), PHOTOGRAPH_SOURCES, OfPhotograph(photograph))
    panel.sliders["vote"].value, panel.sliders["threshold"].value, panel.sliders["jump"].value = 0.6, 0.3, 0.05
    panel.sliders["crop_weight"].value = 2.0
    panel.copy.clicks += 1
    said, code = panel.exported.children
    assert "Python code that gives the same is here" in said.value
    assert code.value == panel.copy.text
    named = {"classes": CLASSES, "mean": (0.5,) * 3, "std": (0.5,) * 3, "size": 96}
    written = code.value.replace("model,", "model, **named,")
    found: dict[str, Any] = {"model": model, "named": named}
    exec(written, found)
    sample = photograph.data("report")[0]
    result = found["cam"](sample.image, ["class 7", 290], depth=sample.depth, kind="inverse")
    seen = explorer.view(panel.parameters)
    np.testing.assert_allclose(result.scores, seen.scores, atol=2e-3)  # its depth is normalised twice
    assert (result.label() == seen.label).mean() > 0.99


def test_crops_cannot_count_where_probabilities_are_not_known(
    image: np.ndarray, model: nn.Module, depth: np.ndarray
) -> None:
    unknown = DepthCAM(model, classes=CLASSES, mean=(0.5,) * 3, std=(0.5,) * 3, size=96)
    photograph = OnePhotograph(image, unknown, depth, "metric", [3])
    explorer, start = Explorer(photograph), chosen_parameters(photograph, 0)
    assert explorer.view(start).scores.max() == 1
    with pytest.raises(WsssError, match="activation='softmax'"):
        explorer.view(replace(start, crop_weight=1.0))


def test_what_is_missing_is_named(image: np.ndarray, cam: DepthCAM, depth: np.ndarray) -> None:
    both: list[dict[str, Any]] = [{}, {"image": image}, {"model": cam}, {"run": object(), "image": image, "model": cam}]
    for given in both:
        with pytest.raises(WsssError, match=r"a run, as in crop_explorer\(run\), or a photograph"):
            crop_explorer(**given)
    with pytest.raises(WsssError, match="give depth= and kind="):
        crop_explorer(image=image, model=cam)
    with pytest.raises(WsssError, match="kind must be metric"):
        crop_explorer(image=image, model=cam, depth=depth)
    with pytest.raises(WsssError, match="does not know class 'moped'"):
        crop_explorer(image=image, model=cam, depth=depth, kind="metric", classes=["moped"])
    bare = replace(cam, choices={})
    with pytest.raises(WsssError, match="nothing was chosen for method depth"):
        crop_explorer(image=image, model=bare, depth=depth, kind="metric", classes=["class 7"])
