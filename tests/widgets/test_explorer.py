"""The explorer: ranges, the pure drawing, its caches, the static stand-in and the panel, with a random classifier."""

import shlex
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ipywidgets import Accordion
from matplotlib.figure import Figure

from wsss.cam.classifier import Classifier, info_for
from wsss.config import Config
from wsss.data.base import Sample
from wsss.errors import WsssError
from wsss.methods.choice import Choice
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.fusion import fuse
from wsss.methods.parameters import FusionParameters
from wsss.pipeline.crop_file import read_crop_settings
from wsss.widgets import crop_explorer, headless
from wsss.widgets.choices import OptionList
from wsss.widgets.controls import Slider
from wsss.widgets.explorer import Explorer
from wsss.widgets.explorer_figure import numbers_of, render
from wsss.widgets.explorer_panel import ExplorerPanel
from wsss.widgets.parameters import SLIDERS, ExplorerParameters, chosen_parameters, static_grid
from wsss.widgets.taking_away import OfRun

CLASSES = ("box", "ball")
RANGES = {spec.name: (spec.low, spec.high) for spec in SLIDERS}


class Scenes(list):
    """A split with non-square scenes: a box in front of a tilted floor."""

    name, split, classes, ids, has_depth = "toy", "test", CLASSES, ("first", "second"), True


def scene(number: int) -> Sample:
    rng = np.random.default_rng(number)
    rows, columns = np.mgrid[:40, :56]
    box = (abs(rows - 20) < 7) & (abs(columns - 30) < 8)
    depth = np.where(box, 0.9, 0.1 + 0.6 * rows / 39).astype(np.float32)
    image = rng.integers(0, 256, (40, 56, 3), dtype=np.uint8)
    return Sample(Scenes.ids[number], image, np.array([True, number == 1]), box.astype(np.uint8), depth=depth)


@pytest.fixture
def run(tmp_path: Path) -> Any:
    torch.manual_seed(0)
    config, data, name = Config(), Scenes([scene(0), scene(1)]), "test_efficientnet"
    model = Classifier(name, len(CLASSES)).eval().to(memory_format=torch.channels_last)
    depth_cam = DepthCAM(
        model, info_for(name, CLASSES, 16, 64), CLASSES, config.regions, config.crops, torch.device("cpu")
    )
    fusion = FusionParameters(crop_weight=1.0, gate=1.0, vote=0.5, colour=0.5, reach=0.9)
    choice = Choice(fusion, threshold=0.4, miou=50.0, trials=1)
    return SimpleNamespace(
        config=config,
        depth_cam=depth_cam,
        data_name="toy",
        folder=tmp_path / "runs",
        data=lambda split: data,
        depth_of=lambda split, source=None: lambda index: (1 if source is None else 0) * data[index].depth,
        choose=lambda names: dict.fromkeys(names, choice),
    )


@pytest.fixture
def explorer(run: Any) -> Explorer:
    return Explorer(run)


@pytest.fixture
def start(run: Any) -> ExplorerParameters:
    return chosen_parameters(run, 0)


def picture(figure: Figure, place: int) -> np.ndarray:
    return np.asarray(figure.axes[0].images[place].get_array())


def changed(start: ExplorerParameters, name: str, value: Any) -> ExplorerParameters:
    return replace(start, **{name: value})


def test_every_slider_moves_a_parameter() -> None:
    names = [field.name for field in fields(ExplorerParameters)]
    assert ["scene", "shown", "source", *RANGES] == names
    assert all(spec.help.endswith(".") and spec.unit for spec in SLIDERS)


def test_start_is_what_was_chosen_on_tune(run: Any, start: ExplorerParameters) -> None:
    assert (start.vote, start.threshold, start.crop_weight) == (0.5, 0.4, 1.0)
    assert (start.jump, start.count) == (run.config.regions.jump, run.config.crops.count)


@pytest.mark.parametrize("name", RANGES)
def test_values_outside_their_range_are_refused(start: ExplorerParameters, name: str) -> None:
    low, high = RANGES[name]
    for value in (low, high):
        assert getattr(changed(start, name, value), name) == value
    for value in (low - 0.001, high + 0.001, float("nan")):
        with pytest.raises(WsssError, match=name):
            changed(start, name, value)


def test_scene_or_class_that_is_not_there_is_refused(explorer: Explorer, start: ExplorerParameters) -> None:
    with pytest.raises(WsssError, match="scene"):
        replace(start, scene=-1)
    with pytest.raises(WsssError, match="no scene 2"):
        explorer.view(replace(start, scene=2))
    with pytest.raises(WsssError, match="no ball in first"):
        explorer.view(replace(start, shown="ball"))


def test_parameters_reach_regions_crops_and_label(explorer: Explorer, start: ExplorerParameters) -> None:
    plain = explorer.view(start)
    assert plain.label.shape == (40, 56)
    assert set(np.unique(plain.label)) <= {0, 1}
    # Regions below the minimal area join others, so a larger minimum never gives more of them.
    large = explorer.view(replace(start, min_area=RANGES["min_area"][1]))
    assert large.evidence.regions is not None
    assert plain.evidence.regions is not None
    assert len(large.evidence.regions) <= len(plain.evidence.regions)
    assert len(explorer.view(replace(start, max_regions=1)).evidence.regions or ()) == 1
    assert explorer.view(replace(start, count=3)).passes == (2, 3)
    wide = explorer.view(replace(start, context=1.0)).evidence.plan[0].box
    narrow = explorer.view(replace(start, context=0.0)).evidence.plan[0].box
    assert wide[2] - wide[0] > narrow[2] - narrow[0]
    strict, lax = (explorer.view(replace(start, threshold=t)).label for t in (0.94, 0.02))
    assert (strict > 0).sum() <= (lax > 0).sum()
    assert explorer.view(replace(start, source="constant")).depth.max() == 0


@pytest.mark.parametrize("name", ["gate", "crop_weight", "vote", "colour", "reach"])
def test_fusion_is_that_of_the_method(run: Any, explorer: Explorer, start: ExplorerParameters, name: str) -> None:
    moved = changed(start, name, 0.75 * RANGES[name][1])
    view = explorer.view(moved)
    expected = replace(run.choose(["depth"])["depth"].parameters, **{name: getattr(moved, name)})
    # From evidence without anything kept, so that a stale part would show.
    np.testing.assert_array_equal(view.scores, fuse(replace(view.evidence), expected).numpy())
    if name != "reach":  # there is but one region of colour and depth in so small an image
        assert not np.array_equal(view.scores, explorer.view(start).scores)


def test_the_same_evidence_as_the_method(run: Any, explorer: Explorer, start: ExplorerParameters) -> None:
    sample = run.data("report")[0]
    look = run.depth_cam.look(sample.id, sample.image, [0])
    plain = run.depth_cam.evidence("depth", look, sample, {None: run.depth_of("report")}, 0)
    explorer.view(replace(start, count=2))  # some crops are known already, so the rest go through in another batch
    view = explorer.view(start)
    assert view.evidence.plan == plain.plan
    torch.testing.assert_close(view.evidence.crops, plain.crops, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(
        view.before.scores,
        fuse(
            run.depth_cam.evidence("cam", look, sample, {}, 0),
            run.choose(["cam"])["cam"].parameters,
        ).numpy(),
    )


def test_known_crops_are_not_looked_at_again(explorer: Explorer, start: ExplorerParameters) -> None:
    first = explorer.view(start)
    assert first.new_passes > 0
    assert explorer.view(replace(start, vote=1.0, threshold=0.2)).new_passes == 0
    assert explorer.view(replace(start, count=start.count - 1)).new_passes == 0
    assert explorer.view(replace(start, context=0.9)).new_passes > 0
    again = explorer.view(start)
    assert again.new_passes == 0
    np.testing.assert_array_equal(first.scores, again.scores)


def test_what_is_kept_does_not_grow(explorer: Explorer, start: ExplorerParameters) -> None:
    for number in range(40):
        view = explorer.view(replace(start, crop_weight=0.2 * number))
    assert len(view.evidence.parts) < 20
    for number in range(1, 12):
        explorer.view(replace(start, count=number))
    assert len(explorer._evidence) <= 4


def test_numbers(explorer: Explorer, start: ExplorerParameters) -> None:
    view = explorer.view(replace(start, shown="box"))
    truth = view.sample.mask
    inside, either = ((view.label == 1) & (truth == 1)).sum(), ((view.label == 1) | (truth == 1)).sum()
    assert view.iou(view.label, "box") == pytest.approx(100 * inside / either)
    text = numbers_of(view)
    assert f"IoU of box: {view.iou(view.before.label, 'box'):.1f} % before, {view.iou(view.label, 'box'):.1f} %" in text
    assert "15 forward passes (2 of the whole image, 13 crops;" in text
    assert "IoU of box" not in numbers_of(explorer.view(start))


def test_render_is_pure(run: Any, explorer: Explorer, start: ExplorerParameters) -> None:
    before = (run.depth_cam, run.config)
    figure, again, fresh = render(start, explorer), render(start, explorer), render(start, Explorer(run))
    assert len(figure.axes[0].images) == 6
    for place in range(6):
        np.testing.assert_array_equal(picture(figure, place), picture(again, place))
        np.testing.assert_array_equal(picture(figure, place), picture(fresh, place))
    assert (run.depth_cam, run.config) == before
    higher = render(replace(start, threshold=0.94), explorer)
    assert not np.array_equal(picture(figure, 4), picture(higher, 4))


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("0", False), ("", False)])
def test_headless_is_said_by_the_environment(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("WSSS_HEADLESS", value)
    assert headless() is expected


def test_headless_shows_a_fixed_grid(
    run: Any, start: ExplorerParameters, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WSSS_HEADLESS", "1")
    figure = crop_explorer(run)
    assert isinstance(figure, Figure)
    assert len(figure.axes[0].images) == 6 * len(static_grid(start))
    assert "make lab" in capsys.readouterr().out


# ---- the panel ----------------------------------------------------------------------------------------------------


@pytest.fixture
def panel(run: Any, explorer: Explorer, start: ExplorerParameters) -> ExplorerPanel:
    return ExplorerPanel(explorer, start, (0, 1), ("constant",), OfRun(run, "report"))


def test_a_person_gets_a_slider_for_each_parameter(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSSS_HEADLESS", raising=False)
    box = crop_explorer(run, indices=(0, 1))
    found: list[Any] = [box]
    for one in found:
        found.extend(getattr(one, "children", ()))
    sliders = {one.label: one for one in found if isinstance(one, Slider)}
    assert set(sliders) == {spec.label for spec in SLIDERS}
    for spec in SLIDERS:
        slider = sliders[spec.label]
        assert (slider.low, slider.high, slider.help) == (spec.low, spec.high, spec.help)
        assert slider.continuous is not spec.looks
    assert [one.description for one in found if isinstance(one, OptionList)] == ["scene", "class", "depth"]
    (folded,) = [one for one in found if isinstance(one, Accordion)]
    assert folded.selected_index is None
    (inside,) = folded.children
    hidden = {one.label for one in inside.children if isinstance(one, Slider)}
    assert {spec.label for spec in SLIDERS if spec.label not in hidden} == {
        "depth jump", "crops", "region average", "background threshold",
    }  # fmt: skip


def test_a_slider_changes_picture_numbers_and_toml(panel: ExplorerPanel) -> None:
    picture, numbers, toml = panel.live.picture.value, panel.live.numbers.value, panel.copy.text
    assert 'alt="mIoU of this image' in picture
    panel.sliders["count"].value = 4.0
    assert panel.live.picture.value != picture
    assert panel.live.numbers.value != numbers
    assert "6 forward passes" in panel.live.numbers.value
    assert "count = 4\n" in panel.copy.text
    assert panel.copy.text != toml


def test_another_scene_has_other_classes_and_is_drawn_once(
    panel: ExplorerPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [text for text, _ in panel.shown.options] == ["strongest of all", "box"]
    panel.shown.value = "box"
    drawn = []
    monkeypatch.setattr(panel.live, "update", lambda: drawn.append(panel.parameters))
    panel.scene.value = 1
    assert [text for text, _ in panel.shown.options] == ["strongest of all", "box", "ball"]
    assert panel.shown.label == "strongest of all"
    assert [(p.scene, p.shown) for p in drawn] == [(1, None)]


def test_reset(panel: ExplorerPanel, start: ExplorerParameters) -> None:
    first = panel.copy.text
    panel.sliders["vote"].value, panel.sliders["jump"].value, panel.source.value = 1.0, 0.05, "constant"
    assert panel.copy.text != first
    assert panel.source.label == "constant"
    panel.reset.click()
    assert panel.parameters == start
    assert panel.copy.text == first
    assert (panel.source.label, panel.source.index, panel.source.chosen) == ("sensor (this run's)", 0, None)
    assert (panel.shown.label, panel.shown.index, panel.shown.chosen) == ("strongest of all", 0, None)


def test_an_error_is_shown_in_place_of_the_numbers(panel: ExplorerPanel, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(parameters: ExplorerParameters) -> Any:
        raise WsssError("no depth <here>")

    monkeypatch.setattr(panel.explorer, "view", refuse)
    panel.sliders["vote"].value = 0.9
    assert panel.live.numbers.value == '<p role="alert">no depth &lt;here&gt;</p>'


def test_copied_parameters_are_those_of_the_panel(run: Any, panel: ExplorerPanel) -> None:
    panel.sliders["gate"].value, panel.sliders["min_area"].value = 2.5, 0.00123
    panel.name.value = "mine.toml"
    panel.copy.clicks += 1
    path = run.folder / "crops" / "mine.toml"
    given = read_crop_settings(path)
    p = panel.parameters
    assert given.applied(run.config).regions == p.regions(run.config.regions)
    assert given.applied(run.config).crops == p.crops(run.config.crops)
    assert given.fusion == FusionParameters(
        crop_weight=p.crop_weight, gate=2.5, vote=p.vote, colour=p.colour, reach=p.reach
    )
    assert given.threshold == p.threshold
    command = panel.exported.children[1].value
    assert command.startswith("wsss run --profile default --data tabletop --seed 0 --depth sensor --crops ")
    assert str(path) in shlex.split(command)  # whatever signs its name has
    assert panel.exported.children[2].value == f"crops = {str(path)!r}"
    assert path.read_text() == panel.exported.children[3].value


def test_a_name_that_leads_elsewhere_is_refused(run: Any, panel: ExplorerPanel) -> None:
    panel.name.value = "../mine"
    panel.copy.clicks += 1
    assert "role=" in panel.exported.children[0].value
    assert not run.folder.exists()
