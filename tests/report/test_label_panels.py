import numpy as np
import pytest

from wsss.data.base import Sample
from wsss.report.label_panels import label_figure

CLASSES = ("mug", "night_stand", "duck")


def sample(height: int, width: int, mask: int = 0) -> Sample:
    image = np.full((height, width, 3), 120, np.uint8)
    return Sample("one", image, np.zeros(3, bool), np.full((height, width), mask, np.uint8))


def label(height: int, width: int, value: int) -> np.ndarray:
    return np.full((height, width), value, np.uint8)


@pytest.mark.parametrize("shape", [(6, 9), (1, 5), (1, 1)])
def test_a_row_for_each_sample_with_truth_labels_and_the_legend_of_what_occurs(shape: tuple[int, int]):
    samples = [sample(*shape), sample(*shape, mask=1)]
    labels = {"cam": [label(*shape, 0), label(*shape, 255)], "depth@sensor": [label(*shape, 3), label(*shape, 1)]}
    figure = label_figure(samples, labels, CLASSES, ["first", "second"])
    assert len(figure.axes) == 2 * 4
    assert [ax.get_title() for ax in figure.axes[:4]] == ["image", "cam", "depth@sensor", "truth"]
    assert [ax.get_ylabel() for ax in figure.axes[::4]] == ["first", "second"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["mug", "duck", "ignored"]
    figure.draw_without_rendering()


def test_images_without_objects_need_no_legend():
    assert not label_figure([sample(4, 4)], {"cam": [label(4, 4, 0)]}, CLASSES).legends


def test_a_column_without_any_label_map_is_left_out():
    figure = label_figure([sample(4, 4)], {"cam": [label(4, 4, 1)], "not trained": []}, CLASSES)
    assert [axes.get_title() for axes in figure.axes] == ["image", "cam", "truth"]


def test_missing_or_misshapen_labels_are_errors():
    with pytest.raises(ValueError, match="zip"):
        label_figure([sample(4, 4), sample(4, 4)], {"cam": [label(4, 4, 0)]}, CLASSES)
    with pytest.raises(ValueError, match="label map"):
        label_figure([sample(4, 4)], {"cam": [label(4, 5, 0)]}, CLASSES)
    with pytest.raises(ValueError, match="panel"):
        label_figure([], {}, CLASSES)
