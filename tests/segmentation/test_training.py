from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassJaccardIndex

import wsss.segmentation.training as training
from wsss.errors import WsssError
from wsss.segmentation.inference import predict
from wsss.segmentation.network import build_network
from wsss.segmentation.training import train_segmentation

CPU = torch.device("cpu")
NORMALISATION: dict[str, Any] = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


def squares(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Grey noise with a red square (class 1) and a blue one (class 2), and a row of ignored pixels."""
    rng = np.random.default_rng(0)
    samples = []
    for _ in range(count):
        image = rng.integers(90, 130, (48, 48, 3), dtype=np.uint8)
        mask = np.zeros((48, 48), np.uint8)
        for label, colour in ((1, (220, 30, 30)), (2, (30, 30, 220))):
            top, left = rng.integers(0, 32), rng.integers(0, 8) + 24 * (label - 1)
            image[top : top + 16, left : left + 16] = colour
            mask[top : top + 16, left : left + 16] = label
        mask[0] = 255
        samples.append((image, mask))
    return samples


def train(iterations: int, seed: int = 0, **options: Any) -> tuple[torch.nn.Module, list[dict[str, float]]]:
    torch.manual_seed(0)
    network = build_network(2, "Unet", "tu-mobilenetv3_small_050")
    settings = {"batch_size": 4, "crop_size": 64, "learning_rate": 5e-3, "progress": False, "frozen_stages": None}
    history = train_segmentation(
        network, squares(8), iterations=iterations, seed=seed, device=CPU, **NORMALISATION, **(settings | options)
    )
    return network, history


def weights(network: torch.nn.Module) -> bytes:
    return b"".join(tensor.numpy().tobytes() for tensor in network.state_dict().values())


def test_two_squares_are_learnt() -> None:
    network, history = train(60)
    assert not network.training
    assert 40 <= len(history) <= 60
    assert history[-1]["iteration"] == 60
    first, last = (np.mean([point["loss"] for point in part]) for part in (history[:5], history[-5:]))
    assert last < first / 3
    metric = MulticlassJaccardIndex(3, ignore_index=255)
    for image, mask in squares(8):
        label = predict(network, image, device=CPU, **NORMALISATION)
        metric.update(torch.from_numpy(label)[None], torch.from_numpy(mask)[None])
    assert metric.compute() > 0.8


def test_same_seed_gives_the_same_bytes() -> None:
    (first, history), (again, history_again), (other, _) = train(3), train(3), train(3, seed=1)
    assert weights(first) == weights(again)
    assert history == history_again
    assert weights(first) != weights(other)


def test_frozen_stages_keep_weights_and_statistics() -> None:
    torch.manual_seed(0)
    before = build_network(2, "Unet", "tu-mobilenetv3_small_050").state_dict()
    after = train(2, frozen_stages=1)[0].state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "encoder.model.conv_stem.weight" not in changed
    assert not any(name.startswith("encoder.model.blocks.0.") for name in changed)
    assert not any("running" in name for name in changed if name.startswith("encoder."))
    assert any(name.startswith("encoder.model.blocks.4.") for name in changed)
    assert any("running" in name for name in changed if name.startswith("decoder."))


def test_ignored_pixels_teach_nothing() -> None:
    torch.manual_seed(0)
    network = build_network(2, "Unet", "tu-mobilenetv3_small_050")
    ignored = [(image, np.full_like(mask, 255)) for image, mask in squares(2)]
    history = train_segmentation(
        network,
        ignored,
        iterations=2,
        batch_size=2,
        crop_size=64,
        learning_rate=1e-3,
        seed=0,
        device=CPU,
        progress=False,
        **NORMALISATION,
    )
    assert [point["loss"] for point in history] == [0.0, 0.0]
    assert all(torch.isfinite(parameter).all() for parameter in network.parameters())


@pytest.mark.parametrize("options", [{"batch_size": 1}, {"iterations": 0}])
def test_impossible_settings_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="batch of 2"):
        train(**({"iterations": 1} | options))


@pytest.mark.parametrize("moments", [(1,), (4,), (3, 2)])
def test_an_interrupted_training_ends_with_the_same_bytes(
    tmp_path: Path, interrupt: Any, moments: tuple[int, ...]
) -> None:
    options: dict[str, Any] = {"iterations": 5, "checkpoint": tmp_path / "a.state", "checkpoint_every": 2}
    for count in moments:
        interrupt(count, lambda: train(**options))
    resumed, history = train(**options)
    undisturbed, expected = train(iterations=5)
    assert weights(resumed) == weights(undisturbed)
    assert history == expected


def test_a_broken_checkpoint_is_named(tmp_path: Path, interrupt: Any) -> None:
    path = tmp_path / "a.state"
    interrupt(3, lambda: train(iterations=4, checkpoint=path, checkpoint_every=2))
    content = path.read_bytes()
    for broken in (b"", content[: len(content) // 2], b"no checkpoint"):
        path.write_bytes(broken)
        with pytest.raises(WsssError, match=r"a\.state.*Delete it"):
            train(iterations=4, checkpoint=path)


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    path, mark = tmp_path / "a.state", tmp_path / "mark"

    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (mark,)

    torch.save({"losses": [], "network": Hostile()}, path)
    with pytest.raises(WsssError, match=r"a\.state"):
        train(iterations=2, checkpoint=path)
    assert not mark.exists()


def test_a_training_that_diverges_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_loss", lambda logits, _: logits.sum() * float("nan"))
    with pytest.raises(WsssError, match=r"segmentation network has diverged .*learning_rate is .*lower it"):
        train(iterations=1)
