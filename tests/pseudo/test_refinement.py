"""Refinements by name: parsing, trials, what each needs."""

import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch.nn import functional as F

from wsss.errors import WsssError
from wsss.methods.names import REFINEMENT_NAMES, MethodName
from wsss.pseudo.adaptive import adaptive_kernel, colour_differences, depth_differences, spread
from wsss.pseudo.crf import dense_crf
from wsss.pseudo.refinement import REFINEMENTS, RefinementParameters, Scene, refine


def noisy_square() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A bright square on dark ground, a blob of score in its middle that spills over one side, and its true mask."""
    rng = np.random.default_rng(0)
    truth = np.zeros((40, 48), bool)
    truth[10:30, 12:36] = True
    image = np.where(truth[..., None], 200, 50) + rng.integers(-8, 9, (40, 48, 3))
    scores = np.zeros((1, 40, 48), np.float32)
    scores[0, 14:26, 8:30] = 0.8
    return image.astype(np.uint8), scores, truth


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("cam", ("cam", None)),
        ("cam+par", ("cam", "par")),
        ("depth@learned+par-depth", ("depth@learned", "par-depth")),
        ("depth@shuffled+files:maps", ("depth@shuffled+files:maps", None)),
        ("depth@shuffled+files:maps+crf", ("depth@shuffled+files:maps", "crf")),
    ],
)
def test_names_are_split(name: str, parts: tuple[str, str | None]) -> None:
    parsed = MethodName.parse(name)
    assert (parsed.seeds, parsed.refinement) == parts
    assert str(parsed) == name


def test_every_refinement_has_a_name() -> None:
    assert tuple(REFINEMENTS) == REFINEMENT_NAMES


def test_an_unknown_refinement_is_named() -> None:
    with pytest.raises(WsssError, match=r"unknown refinement 'paar'.*par-depth"):
        MethodName.parse("cam+paar")


def test_every_refinement_has_as_many_trials() -> None:
    assert {len(refinement.trials) for refinement in REFINEMENTS.values()} == {13}
    for refinement in REFINEMENTS.values():
        assert len(set(refinement.trials)) == 13


@pytest.mark.parametrize("name", ["par", "par-depth"])
def test_trials_together_are_the_trials_alone(name: str) -> None:
    image, scores, truth = noisy_square()
    scene = Scene(image, 0.3, truth.astype(np.float32), 0.1)
    trials = REFINEMENTS[name].trials
    together = refine(name, scene, scores, trials)
    for trial, found in zip(trials[::2], together[::2], strict=True):
        np.testing.assert_array_equal(refine(name, scene, scores, [trial])[0], found)
        step = slice(None, None, trial.down)
        pixels = F.avg_pool2d(torch.from_numpy(image).permute(2, 0, 1)[None].float(), trial.down)
        depth = torch.from_numpy(truth[step, step].astype(np.float32))[None, None] if trial.jump else None
        jumps = None if depth is None else depth_differences(depth)
        kernel = adaptive_kernel(
            colour_differences(pixels), trial.colour, jumps, trial.jump * 0.1 if trial.jump else 1.0
        )
        spread_out = spread(F.avg_pool2d(torch.from_numpy(scores)[None], trial.down), kernel, trial.iterations)
        expected = F.interpolate(spread_out, scores.shape[1:], mode="bilinear")[0]
        np.testing.assert_allclose(expected, found, atol=1e-6)


def test_adaptive_refinement_fills_the_object() -> None:
    image, scores, truth = noisy_square()

    def iou(maps: np.ndarray) -> float:
        label = maps[0] > 0.3
        return (label & truth).sum() / (label | truth).sum()

    (refined,) = refine("par", Scene(image, 0.3), scores, [RefinementParameters(15, 0.2)])
    assert iou(refined) > iou(scores) + 0.1


def test_without_a_refinement_or_a_class_scores_stay() -> None:
    image, scores, _ = noisy_square()
    assert refine(None, Scene(image, 0.3), scores, [RefinementParameters()])[0] is scores
    assert refine("crf", Scene(image, 0.3), scores[:0], REFINEMENTS["crf"].trials)[0].shape == (0, 40, 48)


def test_depth_is_asked_for_where_it_is_needed() -> None:
    image, scores, _ = noisy_square()
    with pytest.raises(WsssError, match="needs depth"):
        refine("par-depth", Scene(image, 0.3), scores, REFINEMENTS["par-depth"].trials[1:2])


def test_a_missing_crf_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    image, scores, _ = noisy_square()
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    with pytest.raises(WsssError, match=r"pip install .*\[crf\]'.*take par"):
        dense_crf(image, scores, 0.3)
    with pytest.raises(ValueError, match="but the image"):
        dense_crf(image, scores[:, :5], 0.3)


def mean_field(image: np.ndarray, scores: np.ndarray, threshold: float, weight: float) -> np.ndarray:
    """Probabilities `(K,H,W)` of a dense CRF by its formulas, every pixel with every other."""
    height, width = image.shape[:2]
    odds = np.concatenate([np.full((1, height, width), threshold), scores])
    unary = -np.log(np.clip(odds / odds.sum(axis=0), 1e-4, 1)).reshape(len(odds), -1)
    place = np.indices((height, width)).reshape(2, -1).T
    colour = image.reshape(-1, 3).astype(float)
    near, alike = (((one[:, None] - one[None]) ** 2).sum(axis=-1) for one in (place, colour))
    pairs: Any = 0
    for kernel, strength in ((np.exp(-near / 2 / 3**2), 3), (np.exp(-near / 2 / 50**2 - alike / 2 / 13**2), weight)):
        scale = 1 / np.sqrt(kernel.sum(axis=1))
        pairs = pairs + strength * scale[:, None] * kernel * scale
    shares = softmax(-unary, axis=0)
    for _ in range(10):
        shares = softmax(shares @ pairs - unary, axis=0)
    return np.asarray(shares.reshape(-1, height, width)[1:])


@pytest.mark.skipif(find_spec("pydensecrf") is None, reason="pydensecrf2 is not installed (extra crf)")
class TestCrf:
    def test_it_fills_the_object_and_gives_probabilities(self) -> None:
        image, scores, truth = noisy_square()
        scores[0] = np.where(scores[0] > 0, scores[0], np.where(truth, 0.25, 0.1))  # a score of 0 would be sure
        found = dense_crf(image, scores, 0.3)
        assert found.shape == scores.shape
        assert found.dtype == np.float32
        assert 0 <= found.min() <= found.max() <= 1
        label = found[0] > 0.5
        assert (label & truth).sum() / (label | truth).sum() > 0.9

    @pytest.mark.parametrize("weight", [1.0, 4.0])
    def test_it_is_near_mean_field_inference_with_whole_kernels(self, weight: float) -> None:
        """The library filters on a lattice, which is an approximation."""
        image, scores, truth = noisy_square()
        scores = np.stack([scores[0] + 0.1, 0.3 * truth + 0.1]).astype(np.float32)
        found, exact = dense_crf(image, scores, 0.3, weight=weight), mean_field(image, scores, 0.3, weight)
        assert np.abs(found - exact).mean() < 0.05
        assert (found.argmax(axis=0) == exact.argmax(axis=0)).mean() > 0.95

    def test_without_pairs_the_threshold_decides(self) -> None:
        image, _, _ = noisy_square()
        scores = np.random.default_rng(1).random((2, 40, 48)).astype(np.float32)
        # Where scores are constant, neighbours add nothing that could turn a decision.
        scores[:] = np.array([0.5, 0.1], np.float32)[:, None, None]
        for threshold, kept in ((0.3, True), (0.7, False)):
            found = dense_crf(image, scores, threshold)
            assert (found[0] > 0.5).all() == kept
            assert (found[1] < 0.5).all()

    def test_pixels_without_a_score_have_probabilities_at_a_threshold_of_0(self) -> None:
        image, scores, _ = noisy_square()
        scores[:, :, :20] = 0
        found = dense_crf(image, scores, 0.0)
        assert np.isfinite(found).all()

    def test_sizes_are_not_mixed_up(self) -> None:
        image, scores, _ = noisy_square()
        turned = dense_crf(image.transpose(1, 0, 2), scores.transpose(0, 2, 1).copy(), 0.3)
        np.testing.assert_allclose(turned.transpose(0, 2, 1), dense_crf(image, scores, 0.3), atol=2e-2)


@pytest.mark.parametrize("size", [(40, 48), (41, 47), (1, 9), (2, 3)])
def test_at_half_the_size_scores_come_back_at_their_own(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    image, scores = rng.integers(0, 256, (*size, 3), dtype=np.uint8), rng.random((2, *size), dtype=np.float32)
    (refined,) = refine("par", Scene(image, 0.3), scores, [RefinementParameters(2, 0.4, down=2)])
    assert refined.shape == scores.shape
    assert refined.dtype == np.float32
    assert scores.min() <= refined.min() <= refined.max() <= scores.max()


def test_a_size_smaller_by_one_is_its_own() -> None:
    """As the kernel itself gives it, to the bit."""
    rng = np.random.default_rng(1)
    image, scores = rng.integers(0, 256, (17, 23, 3), dtype=np.uint8), rng.random((2, 17, 23), dtype=np.float32)
    (refined,) = refine("par", Scene(image, 0.3), scores, [RefinementParameters(3, 0.4)])
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    kernel = adaptive_kernel(colour_differences(tensor), 0.4)
    np.testing.assert_array_equal(refined, spread(torch.from_numpy(scores)[None], kernel, 3)[0].numpy())


def test_at_half_the_size_nothing_changes_where_the_picture_has_none_of_its_own() -> None:
    """A picture of blocks of two pixels: the refined scores are those of the small picture, enlarged."""
    rng = np.random.default_rng(2)
    image, scores = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8), rng.random((1, 12, 16), dtype=np.float32)
    large, twice = image.repeat(2, 0).repeat(2, 1), scores.repeat(2, 1).repeat(2, 2)
    (small,) = refine("par", Scene(image, 0.3), scores, [RefinementParameters(2, 0.4)])
    (refined,) = refine("par", Scene(large, 0.3), twice, [RefinementParameters(2, 0.4, down=2)])
    expected = torch.nn.functional.interpolate(torch.from_numpy(small)[None], (24, 32), mode="bilinear")[0].numpy()
    np.testing.assert_allclose(refined, expected, atol=1e-6)
