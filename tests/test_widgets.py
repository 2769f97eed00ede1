"""The explorer: ranges, the pure drawing, and the static stand-in, on a random tiny classifier."""

from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from wsss.cam.classifier import Classifier, info_for
from wsss.config import Config
from wsss.data.base import Sample
from wsss.depth.fusion import FusionParameters, fuse
from wsss.errors import WsssError
from wsss.report.panels import SeedView
from wsss.scoring import Looker
from wsss.widgets import RANGES, ExplorerParameters, chosen_parameters, crop_explorer, explore, headless, render

CLASSES = ("box", "ball")


class OneScene(list):
    """A split with one non-square scene: a box in front of a tilted floor."""

    name, split, classes, ids, has_depth = "toy", "test", CLASSES, ("scene",), True


def scene() -> Sample:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:40, :56]
    box = (abs(rows - 20) < 7) & (abs(columns - 30) < 8)
    depth = np.where(box, 0.9, 0.1 + 0.6 * rows / 39).astype(np.float32)
    image = rng.integers(0, 256, (40, 56, 3), dtype=np.uint8)
    return Sample("scene", image, np.array([True, False]), box.astype(np.uint8), depth=depth)


@pytest.fixture(scope="module")
def run():
    torch.manual_seed(0)
    config, data, name = Config(), OneScene([scene()]), "test_efficientnet"
    model = Classifier(name, len(CLASSES)).eval().to(memory_format=torch.channels_last)
    looker = Looker(model, info_for(name, CLASSES, 16, 64), CLASSES, config.regions, config.crops, torch.device("cpu"))
    choice: dict[str, Any] = {
        "parameters": {"crop_weight": 1.0, "gate": 1.0, "vote": 0.5, "colour": 0.5, "reach": 0.9, "level_weights": []},
        "threshold": 0.4,
    }
    assert set(choice["parameters"]) == {field.name for field in fields(FusionParameters)}
    return SimpleNamespace(
        config=config,
        looker=looker,
        data=lambda split: data,
        depth_of=lambda split: lambda index: data[index].depth,
        choose=lambda names: dict.fromkeys(names, choice),
    )


def test_every_slider_has_a_range():
    assert ["scene", *RANGES] == [field.name for field in fields(ExplorerParameters)]


def test_start_is_what_was_chosen_on_tune(run):
    start = chosen_parameters(run, 0)
    assert (start.vote, start.threshold, start.crop_weight) == (0.5, 0.4, 1.0)
    assert start.jump == run.config.regions.jump


def changed(start: ExplorerParameters, name: str, value: Any) -> ExplorerParameters:
    return replace(start, **{name: value})


def number_of_regions(view: SeedView) -> int:
    assert view.evidence.regions is not None
    return len(view.evidence.regions)


@pytest.mark.parametrize("name", RANGES)
def test_values_outside_their_range_are_refused(run, name):
    low, high = RANGES[name]
    start = chosen_parameters(run, 0)
    for value in (low, high):
        assert getattr(changed(start, name, value), name) == value
    for value in (low - 0.001, high + 0.001, float("nan")):
        with pytest.raises(WsssError, match=name):
            changed(start, name, value)


def test_scene_that_is_not_there_is_refused(run):
    start = chosen_parameters(run, 0)
    with pytest.raises(WsssError, match="scene"):
        replace(start, scene=-1)
    with pytest.raises(WsssError, match="no scene 1"):
        explore(replace(start, scene=1), run)


def test_parameters_reach_regions_crops_and_label(run):
    start = chosen_parameters(run, 0)
    plain = explore(start, run)
    assert plain.label.shape == (40, 56)
    assert set(np.unique(plain.label)) <= {0, 1}
    # Regions below the minimal area join others, so a larger minimum never gives more of them.
    large = explore(replace(start, min_area=RANGES["min_area"][1]), run)
    assert number_of_regions(large) <= number_of_regions(plain)
    wide = explore(replace(start, context=1.0), run).evidence.plan[0].box
    narrow = explore(replace(start, context=0.0), run).evidence.plan[0].box
    assert wide[2] - wide[0] > narrow[2] - narrow[0]
    strict, lax = (explore(replace(start, threshold=t), run).label for t in (0.94, 0.02))
    assert (strict > 0).sum() <= (lax > 0).sum()


def test_what_has_no_slider_is_as_chosen_on_tune(run):
    start = chosen_parameters(run, 0)
    view = explore(start, run)
    choice = run.choose(["depth"])["depth"]["parameters"]
    np.testing.assert_array_equal(view.scores, fuse(view.evidence, FusionParameters(**choice)).numpy())
    without = fuse(view.evidence, FusionParameters(**{**choice, "colour": 0.0})).numpy()
    assert not np.allclose(view.scores, without)


def test_guides_of_the_run_stay(run):
    start = chosen_parameters(run, 0)
    regions = replace(run.config.regions, guides=(0, 4))
    other: Any = SimpleNamespace(**{**vars(run), "config": replace(run.config, regions=regions)})
    assert len(explore(start, run).evidence.partitions) == 1
    assert len(explore(start, other).evidence.partitions) == 2


def test_render_is_pure(run):
    start = chosen_parameters(run, 0)
    before = (run.looker, run.config)
    figure, again = render(start, run), render(start, run)
    assert len(figure.axes) == 5
    for one, other in zip(figure.axes, again.axes, strict=True):
        for first, second in zip(one.images, other.images, strict=True):
            np.testing.assert_array_equal(first.get_array(), second.get_array())
    assert (run.looker, run.config) == before


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("0", False), ("", False)])
def test_headless_is_said_by_the_environment(monkeypatch, value, expected):
    monkeypatch.setenv("WSSS_HEADLESS", value)
    assert headless() is expected


def test_headless_shows_a_fixed_grid(run, monkeypatch, capsys):
    monkeypatch.setenv("WSSS_HEADLESS", "1")
    figure = crop_explorer(run)
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 5 * 3
    assert "JupyterLab" in capsys.readouterr().out


def test_a_person_gets_a_slider_for_each_parameter(run, monkeypatch):
    widgets = pytest.importorskip("ipywidgets")
    monkeypatch.delenv("WSSS_HEADLESS", raising=False)
    panel = crop_explorer(run)
    sliders = [child for child in panel.children if isinstance(child, widgets.FloatSlider)]
    assert [slider.description for slider in sliders] == [name.replace("_", " ") for name in RANGES]
    assert all(low == s.min and high == s.max for s, (low, high) in zip(sliders, RANGES.values(), strict=True))
