import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.data.transforms import (
    colour_jitter,
    normalise_batch,
    random_scale_crop_flip,
    resize_long_side,
    to_tensor,
)

MEAN, STD = (0.5, 0.4, 0.3), (0.5, 0.25, 0.2)
SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40))


def random_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), [(5, 7), (1, 9), (1, 1)])
def test_to_tensor_is_the_formula(height: int, width: int) -> None:
    image = random_image(height, width)
    tensor = to_tensor(image, MEAN, STD)
    expected = ((image / 255 - MEAN) / STD).transpose(2, 0, 1)
    assert tensor.dtype == torch.float32
    np.testing.assert_allclose(tensor.numpy(), expected, atol=1e-5)


def test_to_tensor_takes_a_mirrored_view() -> None:
    image = random_image(4, 6)
    torch.testing.assert_close(to_tensor(image[:, ::-1], MEAN, STD), to_tensor(image, MEAN, STD).flip(-1))


def test_normalise_batch_is_channels_last_and_leaves_its_input() -> None:
    images = torch.from_numpy(np.stack([random_image(5, 7, seed) for seed in range(2)])).permute(0, 3, 1, 2)
    before = images.clone()
    batch = normalise_batch(images, MEAN, STD)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, before)
    for image, tensor in zip(images, batch, strict=True):
        torch.testing.assert_close(tensor, to_tensor(image.permute(1, 2, 0).numpy(), MEAN, STD))


@given(SHAPES, st.integers(1, 50))
@settings(max_examples=30, deadline=None)
def test_resize_long_side_keeps_the_aspect_ratio(shape: tuple[int, int], side: int) -> None:
    height, width = resize_long_side(random_image(*shape), side).shape[:2]
    assert max(height, width) == side
    assert abs(min(height, width) - min(shape) * side / max(shape)) <= 1


def test_resize_to_the_same_size_changes_nothing() -> None:
    image = random_image(13, 29)
    np.testing.assert_array_equal(resize_long_side(image, 29), image)


@given(SHAPES, st.integers(1, 24), st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_crop_without_scaling_is_a_window_of_the_image(shape: tuple[int, int], size: int, seed: int) -> None:
    """Every pixel carries its own coordinates, so that the crop shows where it was taken."""
    rows, columns = np.indices(shape)
    image = np.stack([rows, columns, np.zeros(shape)], axis=2).astype(np.uint8)
    mask = (rows * 4 + columns % 4).astype(np.uint8) % 200
    crop, labels = random_scale_crop_flip(image, mask, size, (1.0, 1.0), np.random.default_rng(seed))
    assert labels is not None
    assert crop.shape == (size, size, 3)
    assert labels.shape == (size, size)
    inside = labels != 255
    assert inside.sum() == min(size, shape[0]) * min(size, shape[1])
    np.testing.assert_array_equal(labels[inside], mask[crop[inside][:, 0], crop[inside][:, 1]])
    if not inside.all():
        mean = image.reshape(-1, 3).mean(axis=0).round()
        assert (crop[~inside] == mean).all()


def test_scaled_mask_follows_the_image_and_has_no_new_labels() -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 15:40] = 9
    image = np.repeat(mask[:, :, None] * 20, 3, axis=2)
    for seed in range(10):
        crop, labels = random_scale_crop_flip(image, mask, 32, (0.5, 2.0), np.random.default_rng(seed))
        assert labels is not None
        assert set(np.unique(labels)) <= {0, 9, 255}
        inside = labels != 255
        agree = (crop[inside][:, 0] > 90) == (labels[inside] == 9)
        assert agree.mean() > 0.95  # edges are blurred in the image, not in the mask


def test_both_directions_occur_and_a_mask_is_optional() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, :4] = 200
    lefts = []
    for seed in range(20):
        crop, mask = random_scale_crop_flip(image, None, 8, (1.0, 1.0), np.random.default_rng(seed))
        assert mask is None
        lefts.append(bool(crop[0, 0, 0]))
    assert set(lefts) == {False, True}


def test_same_generator_state_gives_the_same_bytes() -> None:
    image = random_image(30, 20)

    def run(seed: int) -> bytes:
        generator = np.random.default_rng(seed)
        crop, _ = random_scale_crop_flip(image, None, 16, (0.5, 2.0), generator)
        return colour_jitter(crop, generator).tobytes()

    assert run(3) == run(3)
    assert run(3) != run(4)


@given(SHAPES, st.integers(0, 999))
@settings(max_examples=20, deadline=None)
def test_colour_jitter_keeps_shape_and_grey_stays_grey(shape: tuple[int, int], seed: int) -> None:
    image = np.repeat(random_image(*shape)[:, :, :1], 3, axis=2)
    jittered = colour_jitter(image, np.random.default_rng(seed))
    assert jittered.shape == image.shape
    assert jittered.dtype == np.uint8
    assert np.ptp(jittered.astype(int), axis=2).max() <= 1
