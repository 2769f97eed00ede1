from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from wsss.analysis.thresholds import pseudo_label
from wsss.data.palette import voc_palette
from wsss.errors import WsssError
from wsss.pseudo.labels import load_pseudo_label, save_pseudo_label

UNIT = st.floats(0, 1, width=32)


@st.composite
def scores_and_classes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    shape = draw(st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(1, 4)))
    # Few distinct values: ties and scores exactly at a threshold then happen often.
    scores = draw(hnp.arrays(np.float32, shape, elements=st.sampled_from([0.0, 0.25, 0.375, 0.5, 0.625, 1.0])))
    classes = draw(st.lists(st.integers(1, 254), min_size=shape[0], max_size=shape[0], unique=True))
    return scores, np.array(classes, dtype=int)


def brute_force(column: list[float], classes: list[int], threshold: float, band: float) -> int:
    """The label of one pixel, by the definition."""
    best, winner = 0.0, 0
    for score, name in zip(column, classes, strict=True):
        if score > best:
            best, winner = score, name
    if not column or best <= threshold - band:
        return 0
    if best <= threshold + band:
        return 255
    return winner


@given(scores_and_classes(), st.sampled_from([0.25, 0.5]), st.sampled_from([0.0, 0.125, 0.25]))
@settings(max_examples=80, deadline=None)
def test_pseudo_label_agrees_with_brute_force(
    maps: tuple[np.ndarray, np.ndarray], threshold: float, band: float
) -> None:
    scores, classes = maps
    label = pseudo_label(scores, classes, threshold - band, threshold + band)
    assert label.dtype == np.uint8
    assert label.shape == scores.shape[1:]
    for row, column in np.ndindex(label.shape):
        expected = brute_force(scores[:, row, column].tolist(), classes.tolist(), threshold, band)
        assert label[row, column] == expected


@given(hnp.arrays(np.float32, (2, 3, 5), elements=UNIT), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_without_a_band_it_is_the_plain_threshold(scores: np.ndarray, threshold: float) -> None:
    label = pseudo_label(scores, np.array([7, 3]), threshold)
    np.testing.assert_array_equal(label > 0, scores.max(axis=0) > threshold)
    assert not (label == 255).any()


def test_image_without_classes_is_background() -> None:
    label = pseudo_label(np.zeros((0, 1, 5), np.float32), np.array([], dtype=int), 0.2, 0.4)
    np.testing.assert_array_equal(label, np.zeros((1, 5), np.uint8))


def test_nan_is_background() -> None:
    label = pseudo_label(np.array([[[np.nan, 0.9]]], np.float32), np.array([4]), 0.2, 0.4)
    assert label.tolist() == [[0, 4]]


@pytest.mark.parametrize(
    ("shape", "classes", "high", "message"),
    [
        ((2, 3, 4), [1], 0.6, "expected scores"),
        ((3, 4), [1, 2, 3], 0.6, "expected scores"),
        ((1, 3, 4), [0], 0.6, "1…254"),
        ((1, 3, 4), [255], 0.6, "1…254"),
        ((1, 3, 4), [1], 0.4, "lies below"),
    ],
)
def test_wrong_arguments_are_refused(shape: tuple[int, ...], classes: list[int], high: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pseudo_label(np.zeros(shape, np.float32), np.array(classes), 0.5, high)


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)))
@settings(max_examples=20, deadline=None)
def test_png_round_trip(tmp_path_factory: pytest.TempPathFactory, label: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("labels") / "a.png"
    save_pseudo_label(path, label)
    np.testing.assert_array_equal(load_pseudo_label(path), label)
    with Image.open(path) as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.array(image.convert("RGB")), voc_palette()[label])


def test_saving_wants_a_label_map(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="H×W uint8"):
        save_pseudo_label(tmp_path / "a.png", np.zeros((2, 2), np.int64))


@pytest.mark.parametrize("array", [np.zeros((4, 3, 3), np.uint8), np.zeros((4, 3), np.uint16)])
def test_colour_and_16_bit_images_are_no_label_maps(tmp_path: Path, array: np.ndarray) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(array).save(path)
    with pytest.raises(WsssError, match=r"photo\.png is no label map"):
        load_pseudo_label(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match=r"missing\.png"):
        load_pseudo_label(tmp_path / "missing.png")
