"""The pixel-adaptive kernel: against a pixel-by-pixel reference, and what it must never do."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.pseudo.adaptive import OFFSETS, adaptive_kernel, colour_differences, depth_differences, spread


def scene(seed: int, height: int, width: int, batch: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Image in 0…255, scores of two classes, depth."""
    generator = torch.Generator().manual_seed(seed)
    image = 255 * torch.rand(batch, 3, height, width, generator=generator)
    scores = torch.rand(batch, 2, height, width, generator=generator)
    return image, scores, torch.rand(batch, 1, height, width, generator=generator)


def kernel_of(image: torch.Tensor, colour: float, depth: torch.Tensor | None = None, jump: float = 1.0) -> torch.Tensor:
    jumps = None if depth is None else depth_differences(depth)
    return adaptive_kernel(colour_differences(image), colour, jumps, jump)


def reference_kernel(
    image: np.ndarray, colour: float, depth: np.ndarray | None, jump: float, y: int, x: int
) -> np.ndarray:
    """The 49 weights of one pixel, by the definition."""
    height, width = image.shape[1:]
    places = [(min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)) for dy, dx in OFFSETS]
    around = np.array([image[:, i, j] for i, j in places], np.float64)
    deviation = around.std(axis=0, ddof=1) + 1e-4
    like = -(np.sqrt((((around - image[:, y, x]) / deviation) ** 2).mean(axis=1)) ** 2) / colour**2
    distance = np.hypot(*np.array(OFFSETS, np.float64).T)
    near = -((distance / distance.std(ddof=1) / colour) ** 2)
    if depth is not None:
        across = -((np.array([depth[i, j] for i, j in places]) - depth[y, x]) ** 2) / jump**2
        like, near = like + across, near + across
    soft = [np.exp(values - values.max()) / np.exp(values - values.max()).sum() for values in (like, near)]
    return 0.99 * soft[0] + 0.01 * soft[1]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 100), st.sampled_from([(1, 9), (7, 5), (30, 4)]), st.booleans())
def test_kernel_agrees_with_the_definition(seed: int, size: tuple[int, int], with_depth: bool) -> None:
    image, _, depth = scene(seed, *size)
    kernel = kernel_of(image, 0.4, depth if with_depth else None, 0.3)
    y, x = seed % size[0], seed % size[1]
    expected = reference_kernel(image[0].numpy(), 0.4, depth[0, 0].numpy() if with_depth else None, 0.3, y, x)
    np.testing.assert_allclose(kernel[0, :, y, x], expected, atol=2e-5)
    torch.testing.assert_close(kernel.sum(dim=1), torch.ones(1, *size))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 100), st.sampled_from([(1, 1), (1, 12), (13, 6)]))
def test_scores_stay_in_range_and_constants_stay(seed: int, size: tuple[int, int]) -> None:
    image, scores, depth = scene(seed, *size)
    kernel = kernel_of(image, 0.3, depth, 0.1)
    after = spread(scores, kernel, 3)
    assert after.shape == scores.shape
    assert (after.amax(dim=(2, 3)) <= scores.amax(dim=(2, 3)) + 1e-5).all()
    assert (after.amin(dim=(2, 3)) >= scores.amin(dim=(2, 3)) - 1e-5).all()
    constant = torch.full_like(scores, 0.37)
    torch.testing.assert_close(spread(constant, kernel, 5), constant)


def test_images_of_a_batch_do_not_mix() -> None:
    image, scores, depth = scene(0, 8, 11, batch=3)
    together = spread(scores, kernel_of(image, 0.3, depth, 0.1), 2)
    for number in range(3):
        one = slice(number, number + 1)
        alone = spread(scores[one], kernel_of(image[one], 0.3, depth[one], 0.1), 2)
        torch.testing.assert_close(together[one], alone)


def test_flipping_the_image_flips_the_result() -> None:
    image, scores, depth = scene(1, 9, 14)
    after = spread(scores, kernel_of(image, 0.3, depth, 0.1), 2)
    mirrored = spread(scores.flip(-1), kernel_of(image.flip(-1), 0.3, depth.flip(-1), 0.1), 2)
    torch.testing.assert_close(mirrored.flip(-1), after, atol=1e-5, rtol=1e-5)


def test_labels_spread_over_an_object_and_stop_at_its_edge() -> None:
    image = torch.full((1, 3, 40, 40), 40.0)
    image[..., 20:] = 200.0
    image += torch.rand(image.shape, generator=torch.Generator().manual_seed(0))
    scores = torch.zeros(1, 1, 40, 40)
    scores[..., 15:25, 22:26] = 1.0
    after = spread(scores, kernel_of(image, 0.3), 20)
    assert after[..., 20:].mean() > 10 * after[..., :20].mean()


def test_labels_do_not_cross_a_depth_jump_that_colour_does_not_show() -> None:
    image = 100 + torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    depth = torch.zeros(1, 1, 40, 40)
    depth[..., 20:] = 0.5
    scores = (depth > 0).float()
    blind, seeing = (spread(scores, kernel_of(image, 0.3, d, 0.03), 10) for d in (None, depth))
    torch.testing.assert_close(seeing, scores, atol=1e-4, rtol=0)
    assert blind[..., :20].max() > 0.2


def test_flat_or_missing_depth_changes_nothing() -> None:
    image, _, _ = scene(2, 12, 10)
    plain = kernel_of(image, 0.3)
    for flat in (torch.full((1, 1, 12, 10), 0.4), torch.full((1, 1, 12, 10), torch.nan)):
        torch.testing.assert_close(kernel_of(image, 0.3, flat, 0.01), plain)


def test_a_constant_image_gives_finite_weights() -> None:
    assert torch.isfinite(kernel_of(torch.zeros(1, 3, 5, 5), 0.3)).all()


def test_no_class_and_no_iteration() -> None:
    image, scores, _ = scene(3, 5, 6)
    kernel = kernel_of(image, 0.3)
    assert spread(scores[:, :0], kernel, 2).shape == (1, 0, 5, 6)
    assert spread(scores, kernel, 0) is scores


def test_wrong_arguments_are_refused() -> None:
    image, _, depth = scene(4, 5, 6)
    with pytest.raises(ValueError, match="positive"):
        kernel_of(image, 0.0)
    with pytest.raises(ValueError, match="positive"):
        kernel_of(image, 0.3, depth, 0.0)
    with pytest.raises(ValueError, match="depth is"):
        kernel_of(image, 0.3, depth[..., :3], 0.1)
