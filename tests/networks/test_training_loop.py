"""The loop by itself, on a network of one layer: parts of a batch, chance, mixed precision, what it leaves behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from wsss.networks import training_loop
from wsss.networks.batches import Batches
from wsss.networks.training_loop import by_epoch, fit

CPU = torch.device("cpu")
IGNORED = 255


class Pixels(nn.Module):
    """Two classes for every pixel."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.drop, self.conv = nn.Dropout2d(dropout), nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.conv(self.drop(images))
        return scores


def samples(count: int = 9) -> list[tuple[np.ndarray, np.ndarray]]:
    """Noise, and of image number n the first n rows of pixels labelled: of the first none."""
    rng, out = np.random.default_rng(0), []
    for index in range(count):
        mask = np.full((8, 8), IGNORED, np.uint8)
        mask[:index] = rng.integers(0, 2, (min(index, 8), 8))
        out.append((rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), mask))
    return out


def as_it_is(sample: tuple[np.ndarray, np.ndarray], _: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return sample


def loss(network: nn.Module, images: Tensor, masks: Tensor) -> Tensor:
    scores = network(images.float() / 255).float()
    return nn.functional.cross_entropy(scores, masks.long(), ignore_index=IGNORED, reduction="sum")


def train(network: nn.Module, size: int = 6, accumulate: int = 1, **options: Any) -> list[float]:
    return fit(
        network.train(),
        Batches(samples(), as_it_is, size, steps=20, seed=0, accumulate=accumulate),
        loss,
        torch.optim.AdamW(network.parameters(), lr=1e-2),
        what="the network",
        device=CPU,
        counted=lambda masks: (masks != IGNORED).sum(),
        progress=False,
        **options,
    )


@pytest.mark.parametrize(("size", "accumulate"), [(3, 2), (2, 3), (1, 6)])
def test_accumulated_parts_learn_what_one_batch_does(size: int, accumulate: int) -> None:
    """Each labelled pixel counts alike, though a part may hold none and another many."""
    whole, parts = Pixels(), Pixels()
    losses = train(whole)
    assert train(parts, size, accumulate) == pytest.approx(losses, abs=1e-5)
    assert losses[-1] < losses[0]
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], tensor, atol=1e-5, rtol=0)


def test_the_loss_is_the_mean_over_what_is_counted() -> None:
    network = Pixels()
    start = Pixels()
    losses = train(network)
    [[[images, masks]], *_] = list(Batches(samples(), as_it_is, 6, steps=20, seed=0).parts(0, CPU))
    with torch.no_grad():
        mean = nn.functional.cross_entropy(start(images.float() / 255), masks.long(), ignore_index=IGNORED)
    assert losses[0] == pytest.approx(float(mean), abs=1e-6)
    assert not network.training


@pytest.mark.parametrize("steps", [1, 7, 13])
def test_chance_of_layers_does_not_depend_on_where_it_began(
    tmp_path: Path, interrupt: Callable[[int, Callable[[], object]], None], steps: int
) -> None:
    calm, resumed = Pixels(0.5), Pixels(0.5)
    expected = train(calm)
    options: dict[str, Any] = {"checkpoint": tmp_path / "a.state", "checkpoint_every": 3}
    interrupt(steps, lambda: train(Pixels(0.5), **options))
    torch.rand(7)
    assert train(resumed, **options) == expected
    assert all(torch.equal(tensor, resumed.state_dict()[name]) for name, tensor in calm.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sixteen_bit_where_the_device_has_it(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    """As on CUDA: float16 with a scaler, weights and their updates in float32."""
    seen = set()
    half, full = Pixels(), Pixels()
    half.conv.register_forward_hook(lambda *arguments: seen.add(arguments[2].dtype))
    expected = train(full)
    monkeypatch.setattr(training_loop, "training_dtype", lambda _: dtype)
    losses = train(half)
    assert seen == {dtype}
    assert losses == pytest.approx(expected, abs=0.02)
    assert losses != expected
    assert {tensor.dtype for tensor in half.state_dict().values()} == {torch.float32}


def test_means_by_epoch() -> None:
    assert by_epoch([1.0, 3.0, 5.0, 9.0], 2) == [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 7.0}]
