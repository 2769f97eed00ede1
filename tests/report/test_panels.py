"""Panels of the notebooks: what is where in the figures, and the bytes that notebooks keep."""

import io
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.figure import Figure
from PIL import Image

from wsss.analysis.instances import instances_of
from wsss.analysis.thresholds import THRESHOLDS
from wsss.cam.classifier import ClassifierInfo
from wsss.data.base import Sample
from wsss.methods.crops import Crop
from wsss.methods.fusion import Evidence
from wsss.methods.parameters import CropParameters, FusionParameters
from wsss.methods.regions import Regions
from wsss.pipeline.view import SeedView
from wsss.report import panels, walk

CLASSES = ("box", "night_stand")


@pytest.fixture
def sample() -> Sample:
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    mask = np.zeros((24, 32), np.uint8)
    mask[4:10, 6:14], mask[20:], mask[12:18, 20:30] = 1, 255, 2
    return Sample("one", image, np.array([True, True]), mask)


@pytest.fixture
def view(sample) -> SeedView:
    scores = np.zeros((2, 24, 32), np.float32)
    scores[0, 4:10, 6:14], scores[1, 0, 0] = 1.0, 0.5
    labels = np.zeros((24, 32), np.int32)
    labels[4:10, 6:14], labels[12:] = 1, 2
    regions = Regions(labels, np.array([False, True]))
    crops = torch.zeros(1, 2, 24, 32)
    crops[0, 0, 2:12, 5:15] = 2.0
    evidence = Evidence(
        torch.ones(2, 2, 24, 32), 0.1, 0.1, crops, torch.tensor([[0.9, 0.1]]), (Crop((2, 5, 12, 15), 1),), (regions,)
    )
    return SeedView("depth", sample, np.array([1, 2]), evidence, scores, (scores[0] > 0).astype(np.uint8))


def legend_of(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_label_sheet_names_what_the_classifier_is_told(sample):
    figure = panels.label_sheet([sample] * 3, CLASSES, columns=2)
    assert len(figure.axes) == 2 * 2 * 2
    assert figure.axes[0].get_title() == "box, night stand"
    assert legend_of(figure) == ["box", "night stand"]


def test_strongest_score_of_an_image_without_classes_is_zero(sample):
    none = SeedView(
        "cam",
        sample,
        np.zeros(0, int),
        Evidence(torch.zeros(1, 0, 24, 32), 0, 0),
        np.zeros((0, 24, 32), np.float32),
        sample.mask,
    )
    assert none.strongest.shape == (24, 32)
    assert not none.strongest.any()


def test_comparison_shows_each_method_beside_the_truth(view):
    figure = panels.comparison([[view, view]], CLASSES)
    assert [ax.get_title() for ax in figure.axes] == ["image", *["depth: score", "depth: label"] * 2, "truth"]
    without = panels.comparison([[view]], CLASSES, maps=False)
    assert [ax.get_title() for ax in without.axes] == ["image", "depth", "truth"]
    truth = np.asarray(without.axes[-1].images[0].get_array())
    np.testing.assert_array_equal(truth[20:], view.sample.image[20:])  # unknown truth shows the image


def test_object_is_framed_where_it_is(sample, view):
    area = int(instances_of(sample).area[0])
    assert panels.object_box(sample, 1, area, margin=0) == (4, 6, 10, 14)
    with pytest.raises(ValueError, match="no object"):
        panels.object_box(sample, 1, area + 1)
    figure = panels.object_sheet([view], [{"class_id": 1, "area": area}], CLASSES, ["a box"])
    assert all(len(ax.patches) == 1 for ax in figure.axes)


def test_threshold_choice_draws_a_line_a_split():
    curve = np.tile(np.array([[5, 0, 0], [1, 4, 0]]), (len(THRESHOLDS), 1, 1))
    ax = panels.threshold_choice({"tune": curve, "test": curve}, 0.3).axes[0]
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["tune", "test", "chosen: 0.30"]


def test_training_curve_of_one_epoch_has_one_tick():
    ax = panels.training_curve([{"epoch": 1, "loss": 0.5}]).axes[0]
    assert all(float(tick).is_integer() for tick in ax.get_xticks())


@pytest.mark.parametrize("column", ["border_occlusion", None])
def test_scatter_has_a_dot_for_each_object(column):
    frame = pd.DataFrame({"relative_area": [0.002, 0.1], "recall": [0.0, 0.5], "border_occlusion": [0.1, 0.4]})
    dots = np.asarray(panels.object_scatter(frame, column, "border").axes[0].collections[0].get_offsets())
    heights = np.array([0, 50] if column is None else [10, 40])
    np.testing.assert_allclose(dots, np.stack([np.array([0.2, 10]), heights], axis=1))


def test_notebook_figures_have_few_levels_and_true_colours(view):
    data = panels.figure_png(panels.comparison([[view]], CLASSES), levels=24)
    pixels = np.asarray(Image.open(io.BytesIO(data)))
    assert len(np.unique(pixels)) <= 24
    assert (pixels[0, 0] == 255).all()


def test_notebook_shows_figures_small_by_itself():
    shell = InteractiveShell()
    with patch.object(panels, "get_ipython", return_value=shell):
        panels.show_figures()
    assert shell.display_formatter is not None
    data, _ = shell.display_formatter.format(panels.training_curve([{"epoch": 1, "loss": 0.5}]), include={"image/png"})
    assert len(np.unique(np.asarray(Image.open(io.BytesIO(data["image/png"]))))) <= 24


def test_outside_a_notebook_figures_stay_as_they_are():
    with patch.object(panels, "get_ipython", return_value=None):
        panels.show_figures()
    assert not hasattr(Figure, "_repr_png_")


def test_region_picture_tells_planes_from_things(view):
    picture = walk.region_picture(view.evidence.regions)
    plane = picture[13, 0]
    assert plane[0] == plane[1] == plane[2] > 0
    assert len(set(picture[5, 7].tolist())) > 1
    assert not picture[0, 0].any()


def test_crop_views_hide_other_things(view):
    labels = view.evidence.regions.labels.copy()
    labels[4:10, 14:20] = 3  # a second thing, right beside the first
    regions = Regions(labels, np.array([False, True, False]))
    info = ClassifierInfo("x", CLASSES, 16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), 64, {})
    crop = Crop((4, 8, 10, 20), 1)
    (shown,) = walk.crop_views(view.sample.image, regions, [crop], CropParameters(), info)
    assert shown.dtype == np.uint8
    assert shown.shape[0] == shown.shape[1]
    middle = shown[shown.shape[0] // 4, -1]
    np.testing.assert_allclose(middle, 127.5, atol=1)
    assert shown[:, : shown.shape[1] // 4].std() > 5


def test_walk_figures_have_their_panels(view):
    one = np.zeros((24, 32), np.float32)
    assert len(walk.regions_figure(view.sample, one, view.evidence.regions, view.evidence.plan).axes) == 5
    figure = walk.crops_figure([view.sample.image], view, CLASSES)
    assert figure.axes[0].get_title() == "box 0.90"
    several = replace(
        view.evidence,
        crops=view.evidence.crops.repeat(9, 1, 1, 1),
        plan=view.evidence.plan * 9,
        crop_probabilities=view.evidence.crop_probabilities.repeat(9, 1),
    )
    figure = walk.crops_figure([view.sample.image] * 9, replace(view, evidence=several), CLASSES)
    titled = [number for number, ax in enumerate(figure.axes) if ax.get_title()]
    assert titled == [*range(7), 14, 15]  # two rows of crops, and below each its evidence
    assert [len(ax.patches) for ax in figure.axes[21:]] == [1, 1, 0, 0, 0, 0, 0]
    figure = walk.fusion_figure(view, FusionParameters(vote=0.5), CLASSES, "crops", most=1)
    assert [ax.get_title() for ax in figure.axes] == ["whole image", "crops, gated", "together, w 0"]
    figure = walk.fusion_figure(view, FusionParameters(vote=0.5), CLASSES, "regions", most=1)
    assert [ax.get_title() for ax in figure.axes] == ["with crops", "averaged by region", "together, v 0.5"]
    scales = walk.scales_figure(view.sample, view.evidence.levels[:, 0], (0.5, 1.0), 64)
    assert [ax.get_title().split("\n")[0] for ax in scales.axes] == ["image", "× 0.5", "× 1", "mean"]
