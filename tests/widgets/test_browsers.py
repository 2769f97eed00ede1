"""The browsers of thresholds and failures: their numbers against the scores, their figures, their static stand-ins."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ipywidgets import BoundedIntText
from matplotlib.figure import Figure

from wsss.analysis.confusion import iou_per_class
from wsss.analysis.strata import OCCLUSION_BINS, SIZE_BINS
from wsss.analysis.thresholds import THRESHOLDS, miou_curve
from wsss.cam.classifier import Classifier, info_for
from wsss.config import Config
from wsss.data.tabletop import TabletopDataset
from wsss.errors import WsssError
from wsss.methods.choice import Choice
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.parameters import FusionParameters
from wsss.methods.scoring import score_seeds
from wsss.widgets import failure_browser, threshold_browser
from wsss.widgets.choices import OptionList
from wsss.widgets.controls import Slider
from wsss.widgets.failures import FailureData, FailureParameters, render_failure
from wsss.widgets.thresholds import ThresholdData, ThresholdParameters, render_threshold, render_thresholds

CHOSEN = Choice(FusionParameters(), threshold=0.5, miou=10.0, trials=1)


@pytest.fixture(scope="module")
def run(tabletop_root: Path) -> Any:
    """What the browsers ask a run for, with scores of a random classifier on rendered scenes."""
    torch.manual_seed(0)
    data = {"report": TabletopDataset(tabletop_root, "test"), "tune": TabletopDataset(tabletop_root, "tune")}
    classes, config, name = data["report"].classes, Config(), "test_efficientnet"
    model = Classifier(name, len(classes)).eval().to(memory_format=torch.channels_last)
    depth_cam = DepthCAM(
        model, info_for(name, classes, 16, 64), classes, config.regions, config.crops, torch.device("cpu")
    )
    scores = {split: score_seeds(depth_cam, {"cam": CHOSEN}, part, {}, progress=False) for split, part in data.items()}
    return SimpleNamespace(
        config=config,
        depth_cam=depth_cam,
        data=lambda split: data[split],
        choose=lambda names: dict.fromkeys(names, CHOSEN),
        seeds=lambda names, split="report": scores[split],
    )


@pytest.fixture(params=["1", ""])
def live(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setenv("WSSS_HEADLESS", request.param)
    return not request.param


def picture(figure: Figure, place: int) -> np.ndarray:
    return np.asarray(figure.axes[place].images[0].get_array())


def widgets_of(box: Any, kind: type) -> list[Any]:
    found = [box]
    for one in found:
        found.extend(getattr(one, "children", ()))
    return [one for one in found if isinstance(one, kind)]


# ---- thresholds ---------------------------------------------------------------------------------------------------


def test_numbers_at_a_threshold_are_those_of_the_curve(run: Any) -> None:
    data, place = ThresholdData(run), 30
    curve = run.seeds(["cam"], "tune")["cam"].curve
    text = data.numbers(ThresholdParameters(0, float(THRESHOLDS[place])))
    assert f"mIoU on tune {miou_curve(curve)[place]:.1f} %" in text
    assert "chosen on tune: 0.50" in text
    name = data.names[2]
    text = data.numbers(ThresholdParameters(0, float(THRESHOLDS[place]), name))
    assert f"IoU of {name.replace('_', ' ')} on tune {iou_per_class(curve)[place, 3]:.1f} %" in text


@pytest.mark.parametrize("value", [0.0, 0.95, float("nan")])
def test_a_threshold_beside_the_grid_is_refused(value: float) -> None:
    with pytest.raises(WsssError, match="threshold must lie between"):
        ThresholdParameters(0, value)


def test_threshold_figure_follows_the_threshold(run: Any) -> None:
    data = ThresholdData(run)
    plain = data.view(0)
    height, width = plain.sample.required_mask.shape
    ramp = np.broadcast_to(np.linspace(0, 1, width, dtype=np.float32), (len(plain.classes), height, width))
    data.view = lambda index: replace(plain, scores=ramp)  # type: ignore[assignment]
    low, high = (render_threshold(ThresholdParameters(0, value), data) for value in (0.02, 0.94))
    assert len(low.axes) == 4
    assert not np.array_equal(picture(low, 2), picture(high, 2))
    np.testing.assert_array_equal(picture(low, 3), picture(high, 3))
    grid = [ThresholdParameters(0, value) for value in (0.02, 0.94)]
    assert [ax.get_title().split("\n")[0] for ax in render_thresholds(grid, data).axes] == [
        "threshold 0.02",
        "threshold 0.94",
        "truth",
    ]


def test_threshold_browser(run: Any, live: bool, capsys: pytest.CaptureFixture[str]) -> None:
    shown = threshold_browser(run, indices=(1, 0))
    if not live:
        assert isinstance(shown, Figure)
        assert "make lab" in capsys.readouterr().out
        return
    (slider,), (scene, _) = widgets_of(shown, Slider), widgets_of(shown, OptionList)
    assert (slider.value, scene.value) == (0.5, 1)
    picture, numbers = shown.children[2:]
    before = picture.value, numbers.value
    slider.value = 0.3
    assert "threshold 0.30" in numbers.value
    assert picture.value != before[0]
    assert numbers.value != before[1]


# ---- failures -----------------------------------------------------------------------------------------------------


def test_objects_are_found_by_size_occlusion_and_class(run: Any) -> None:
    data = FailureData(run)
    everything = data.found(FailureParameters())
    assert len(everything) == len(data.objects) > 0
    assert everything["recall"].is_monotonic_increasing
    one = data.objects.iloc[0]
    p = FailureParameters(one["size"], one["occlusion"], data.classes[one["class_id"] - 1])
    found = data.found(p)
    same = (data.objects["size"] == one["size"]) & (data.objects["occlusion"] == one["occlusion"])
    assert len(found) == (same & (data.objects["class_id"] == one["class_id"])).sum()
    second = data.one(FailureParameters(rank=2))
    assert (second["image_id"], second["area"]) == tuple(everything.iloc[1][["image_id", "area"]])


def test_objects_that_are_not_there_are_refused(run: Any) -> None:
    data = FailureData(run)
    with pytest.raises(WsssError, match=f"there are {len(data.objects)} such objects"):
        data.one(FailureParameters(rank=len(data.objects) + 1))
    missing = next(size for size in (*SIZE_BINS, "no bin") if not (data.objects["size"] == size).any())
    with pytest.raises(WsssError, match="no such object"):
        render_failure([FailureParameters(missing)], data)
    with pytest.raises(WsssError, match="rank 1"):
        FailureParameters(rank=0)


def test_failure_figure_shows_the_object(run: Any) -> None:
    data = FailureData(run)
    figure = render_failure([FailureParameters()], data)
    one = data.one(FailureParameters())
    np.testing.assert_array_equal(
        figure.axes[0].images[0].get_array(), run.data("report")[data.ids.index(one["image_id"])].image
    )
    assert f"recall {one['recall']:.0%}" in figure.axes[0].get_ylabel()
    assert all(len(axes.patches) == 1 for axes in figure.axes[:4])  # the frame


def test_failure_browser(run: Any, live: bool, capsys: pytest.CaptureFixture[str]) -> None:
    shown = failure_browser(run)
    if not live:
        assert isinstance(shown, Figure)
        assert "make lab" in capsys.readouterr().out
        return
    (rank,), (size, occlusion, kind) = widgets_of(shown, BoundedIntText), widgets_of(shown, OptionList)
    picture, numbers = shown.children[1:]
    before = picture.value
    assert [each.label for each in (size, occlusion, kind)] == ["any", "any", "any"]
    assert rank.max == len(run.seeds(["cam"])["cam"].instances)
    rank.value = 2
    assert "number 2 of" in numbers.value
    assert picture.value != before
    size.value = run.seeds(["cam"])["cam"].instances["size"].iloc[0]
    assert rank.value == 1
    assert "number 1 of" in numbers.value
    # The number that is shown is that of the object: it cannot go beyond the last.
    assert rank.max == (run.seeds(["cam"])["cam"].instances["size"] == size.value).sum()
    rank.value = 10_000
    assert f"number {rank.max} of {rank.max}" in numbers.value
    objects = run.seeds(["cam"])["cam"].instances
    size.value, occlusion.value, kind.value = next(
        each
        for each in product(SIZE_BINS, OCCLUSION_BINS, run.data("report").classes)
        if not ((objects["size"] == each[0]) & (objects["occlusion"] == each[1])).any()
    )
    assert "no such object" in numbers.value
