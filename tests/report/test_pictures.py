"""Pictures show arrays; saved figures say where they come from; the style stays inside."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image
from skimage.color import deltaE_ciede2000

from wsss.data.palette import _appearances, class_colours, label_to_rgb, overlay
from wsss.report.pictures import (
    METHOD_TITLES,
    PAGE_INCHES,
    MethodPanels,
    draw_boxes,
    image_grid,
    label_on_image,
    method_figure,
    score_map_on_image,
    truth_on_image,
)
from wsss.report.style import METHOD_COLOURS, method_colour, save_figure, use_style


def test_saved_figures_carry_their_origin(tmp_path: Path) -> None:
    png, svg = save_figure(Figure((1, 1)), tmp_path / "v1.2-chart", {"records": "tabletop/cam/test", "commit": "abc"})
    assert (png.name, svg.name) == ("v1.2-chart.png", "v1.2-chart.svg")
    with Image.open(png) as image:
        assert image.info["Source"] == "records: tabletop/cam/test; commit: abc"
    assert "records: tabletop/cam/test; commit: abc" in svg.read_text()
    assert "<dc:date>" not in svg.read_text()


def test_the_style_does_not_leak() -> None:
    before = Figure().subplots().spines["top"].get_visible()
    with use_style():
        assert not Figure().subplots().spines["top"].get_visible()
    assert Figure().subplots().spines["top"].get_visible() == before


def test_wrong_depth_is_paler_than_true_depth() -> None:
    assert method_colour("depth@sensor+crf") == to_rgb(METHOD_COLOURS["depth"])
    assert min(method_colour("depth@noisy-08")) > min(to_rgb(METHOD_COLOURS["depth"]))
    assert len(set(METHOD_COLOURS.values())) == len(METHOD_COLOURS)


@pytest.mark.parametrize("count", [0, 1, 8, 20])
def test_class_colours_are_distinct_and_stable(count: int) -> None:
    colours = class_colours([f"class {number}" for number in range(count)])
    assert colours.shape == (count + 1, 3)
    assert colours[0].tolist() == [0, 0, 0]
    assert len(np.unique(colours, axis=0)) == count + 1
    assert np.array_equal(class_colours([""] * 21)[: count + 1], colours)


def test_ten_classes_are_told_apart_with_any_vision() -> None:
    seen = _appearances(class_colours([""] * 10)[1:] / 255)
    for vision, least in zip(seen, (20, 11, 11), strict=True):
        distances = deltaE_ciede2000(vision[:, None], vision[None])
        assert distances[~np.eye(10, dtype=bool)].min() > least


@pytest.mark.parametrize("shape", [(1, 7), (5, 3), (1, 1)])
def test_overlays_leave_the_background_alone(shape: tuple[int, int]) -> None:
    colours = class_colours(["a", "b"])
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    label = np.zeros(shape, np.uint8)
    label.flat[-1] = 2
    for alpha, expected in ((1.0, colours[2]), (0.0, image[-1, -1])):
        result = overlay(image, label, colours, alpha)
        assert result[-1, -1].tolist() == expected.tolist()
        assert np.array_equal(result[label == 0], image[label == 0])
    with pytest.raises(ValueError, match="label map"):
        overlay(image, np.zeros((9, 9), np.uint8), colours)


def test_labels_without_a_colour_are_refused() -> None:
    colours = class_colours(["a"])
    assert label_to_rgb(np.array([[0, 1, 255]], np.uint8), colours)[0].tolist() == [
        [0, 0, 0],
        colours[1].tolist(),
        [255] * 3,
    ]
    with pytest.raises(ValueError, match="2"):
        label_to_rgb(np.array([[2]], np.uint8), colours)


def test_grids_place_panels_titles_and_gaps() -> None:
    picture, depth = np.zeros((4, 9, 3), np.uint8), np.ones((4, 9), np.float32)
    figure = image_grid([[picture, depth], [None, picture]], ["image", "depth"], ["one", "two"])
    assert [len(ax.images) for ax in figure.axes] == [1, 1, 0, 1]
    assert [ax.get_title() for ax in figure.axes] == ["image", "depth", "", ""]
    assert [ax.get_ylabel() for ax in figure.axes] == ["one", "", "two", ""]
    with pytest.raises(ValueError, match="equal length"):
        image_grid([[picture], []])
    with pytest.raises(ValueError, match="titles"):
        image_grid([[picture]], ["one", "two"])


def test_boxes_and_score_maps_keep_rows_and_columns_apart() -> None:
    ax = Figure().subplots()
    image = np.zeros((4, 9, 3), np.uint8)
    score_map_on_image(ax, image, np.full((4, 9), np.nan))
    assert np.all(np.asarray(ax.images[1].get_alpha()) == 0)
    draw_boxes(ax, [(1, 2, 4, 9)])
    (box,) = ax.patches
    assert box.get_bbox().bounds == (1.5, 0.5, 7, 3)  # type: ignore[attr-defined]


def test_a_mask_of_its_background_s_colour_has_a_border() -> None:
    colours = class_colours(["a"])
    image = np.tile(colours[1], (9, 9, 1))
    label = np.zeros((9, 9), np.uint8)
    label[3:6, 3:6] = 1
    shown = label_on_image(image, label, colours)
    assert shown[2, 3].tolist() == [0, 0, 0]
    assert shown[4, 4].tolist() == shown[3, 3].tolist() == shown[0, 0].tolist() == colours[1].tolist()
    assert np.array_equal(truth_on_image(image, np.full((9, 9), 255, np.uint8), colours), image)


def test_no_grid_is_wider_than_a_page() -> None:
    assert image_grid([[np.zeros((4, 4, 3), np.uint8)] * 20]).get_size_inches()[0] <= PAGE_INCHES + 0.01


def test_the_method_figure_has_seven_panels_for_each_image() -> None:
    label = np.array([[0, 1, 255]] * 2, np.uint8)
    flat = np.zeros((2, 3), np.float32)
    panels = MethodPanels(
        np.zeros((2, 3, 3), np.uint8), flat, [(0, 0, 2, 2)], (0, 1, 2, 3), flat, flat, label, label, label, "scene"
    )
    figure = method_figure([panels, panels], class_colours(["a"]))
    assert len(figure.axes) == 14
    assert [ax.get_title() for ax in figure.axes[:7]] == list(METHOD_TITLES)
    assert METHOD_TITLES[-1] == "truth"
    with pytest.raises(ValueError, match="at least one image"):
        method_figure([], class_colours(["a"]))
