"""Multi-scale class maps."""

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.cam.maps import class_maps, normalise_maps, pyramid_maps, resize_maps
from wsss.data.transforms import scaled_size, to_tensor

CPU = torch.device("cpu")
CLASSES = ("a", "b", "c")


@pytest.fixture(autouse=True)
def full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """float32 on every CPU, so that tolerances can be tight."""
    monkeypatch.setattr("wsss.cam.maps.autocast", lambda _: nullcontext())


@pytest.fixture
def network(tiny_classifier):
    return tiny_classifier(CLASSES)


def image_of(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 900), st.integers(1, 900), st.sampled_from([64, 96, 256]), st.sampled_from([0.5, 1.0, 1.5, 3.1]))
def test_scaled_sizes_are_multiples_of_16(height: int, width: int, base: int, scale: float) -> None:
    rows, columns = scaled_size(height, width, base, scale)
    assert rows % 16 == columns % 16 == 0
    assert min(rows, columns) >= 32
    wanted = scale * base
    assert abs(max(rows, columns) - wanted) <= 8 or max(rows, columns) == 32
    exact = wanted * min(height, width) / max(height, width)
    assert abs(min(rows, columns) - exact) <= 8 or min(rows, columns) == 32


@pytest.mark.parametrize("step", [14, 16, 24, 32])
def test_any_step_divides_the_sides(step: int) -> None:
    rows, columns = scaled_size(100, 400, 224, 0.5, step)
    assert rows % step == columns % step == 0
    assert min(rows, columns) >= 32


def test_an_image_that_shrinks_in_one_direction_is_smoothed(network) -> None:
    """A row of stripes finer than the scaled image's pixels: without antialiasing every second pixel decides."""
    image = np.zeros((20, 600, 3), np.uint8)
    image[:, ::2] = 255
    seen: list[torch.Tensor] = []
    network[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model, info = network
    pyramid_maps(model, info, image, [0], scales=(1.0,), flip=False, device=torch.device("cpu"))
    assert seen[0].shape[2] > 20
    assert seen[0].std(dim=3).max() < 0.2 * to_tensor(image, info.mean, info.std).std(dim=2).max()


def test_probabilities_are_the_squashed_means_of_the_maps(network) -> None:
    maps, probabilities = class_maps(network[0], torch.randn(4, 3, 48, 64), flip=True)
    assert maps.shape == (4, 3, 3, 4)
    torch.testing.assert_close(probabilities, maps.mean(dim=(2, 3)).sigmoid())


def test_flip_is_the_mean_with_the_mirror_image(network) -> None:
    batch = torch.randn(2, 3, 32, 48)
    plain, mirrored = network[0](batch), network[0](batch.flip(3)).flip(3)
    maps, _ = class_maps(network[0], batch, flip=True)
    torch.testing.assert_close(maps, (plain + mirrored) / 2)
    torch.testing.assert_close(class_maps(network[0], batch, flip=False)[0], plain)


def test_the_batch_does_not_matter(network) -> None:
    batch = torch.randn(5, 3, 32, 48)
    together = class_maps(network[0], batch, flip=True)
    for index in range(5):
        alone = class_maps(network[0], batch[index : index + 1], flip=True)
        for one, all_ in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], all_[index], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(64, 64), (50, 70), (70, 50), (41, 200)])
def test_a_mirrored_image_has_mirrored_maps(network, size: tuple[int, int]) -> None:
    model, info = network
    image = image_of(*size)
    scales: dict[str, Any] = {"scales": (0.5, 1.0, 1.5), "flip": True, "device": CPU}
    maps = pyramid_maps(model, info, image, (0, 2), **scales).maps
    mirrored = pyramid_maps(model, info, image[:, ::-1], (0, 2), **scales).maps
    torch.testing.assert_close(mirrored.flip(3), maps, atol=1e-4, rtol=1e-4)


def test_a_level_is_the_resized_map_of_the_resized_image(network) -> None:
    model, info = network
    image = image_of(48, 64)
    found = pyramid_maps(model, info, image, (1,), scales=(1.0,), flip=False, device=CPU)
    assert found.maps.shape == (1, 1, 48, 64)
    direct = model(to_tensor(image, info.mean, info.std)[None])[:, 1:2]
    expected = F.interpolate(direct, size=(48, 64), mode="bilinear", align_corners=False)
    torch.testing.assert_close(found.maps, expected, atol=1e-4, rtol=1e-4)
    assert found.megapixels == pytest.approx(48 * 64 / 1e6)


def test_cost_counts_flips_and_scales(network) -> None:
    model, info = network
    costs = {
        flip: pyramid_maps(model, info, image_of(64, 64), (0,), scales=(1.0, 2.0), flip=flip, device=CPU).megapixels
        for flip in (False, True)
    }
    assert costs[False] == pytest.approx(5 * 64 * 64 / 1e6)
    assert costs[True] == pytest.approx(2 * costs[False])


def test_maps_point_at_what_the_class_is(network) -> None:
    """A model whose class is brightness must light up where the picture is bright."""
    _, info = network
    sum_of_channels = torch.nn.Conv2d(3, 3, 1, bias=False)
    torch.nn.init.constant_(sum_of_channels.weight, 1.0)
    bright: Any = torch.nn.Sequential(torch.nn.AvgPool2d(16), sum_of_channels)
    image = np.zeros((64, 96, 3), np.uint8)
    image[8:24, 60:80] = 255
    maps = pyramid_maps(bright, info, image, (0,), scales=(1.0, 2.0), flip=True, device=CPU).maps.mean(dim=0)[0]
    row, column = divmod(int(maps.argmax()), 96)
    assert 8 <= row < 24
    assert 60 <= column < 80


@pytest.mark.parametrize("size", [(1, 90), (90, 1), (1, 1), (3, 2)])
def test_odd_images_keep_their_size(network, size: tuple[int, int]) -> None:
    model, info = network
    found = pyramid_maps(model, info, image_of(*size), (0, 1, 2), scales=(0.5, 1.0), flip=True, device=CPU)
    assert found.maps.shape == (2, 3, *size)
    assert found.maps.isfinite().all()


def test_no_class(network) -> None:
    model, info = network
    found = pyramid_maps(model, info, image_of(32, 40), (), scales=(1.0,), flip=True, device=CPU)
    assert found.maps.shape == (1, 0, 32, 40)
    assert resize_maps(torch.zeros(0, 2, 2), (5, 6)).shape == (0, 5, 6)
    assert normalise_maps(torch.zeros(0, 5, 6)).shape == (0, 5, 6)


def test_normalised_maps_peak_at_one_and_nothing_stays_nothing() -> None:
    maps = torch.rand(3, 2, 7, 9) * 40
    maps[1, 0] = 0
    normalised = normalise_maps(maps)
    peaks = normalised.amax(dim=(2, 3))
    assert peaks[1, 0] == 0
    peaks[1, 0] = 1
    torch.testing.assert_close(peaks, torch.ones(3, 2))
    torch.testing.assert_close(normalised[0] * maps[0].amax(dim=(1, 2))[:, None, None], maps[0])
