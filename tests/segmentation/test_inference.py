from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from wsss.segmentation import inference
from wsss.segmentation.inference import predict, predict_batches
from wsss.segmentation.network import build_network

CPU = torch.device("cpu")
NORMALISATION: dict[str, Any] = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
COLOURS = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)


class NearestColour(nn.Module):
    """A 1×1 convolution that names the pixel's colour; it insists on the sizes that real encoders insist on."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 1)
        colours = torch.from_numpy(COLOURS / 127.5 - 1).float()
        with torch.no_grad():
            self.convolution.weight.copy_(8 * colours[:, :, None, None])
            assert self.convolution.bias is not None
            self.convolution.bias.copy_(-4 * colours.square().sum(dim=1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.shape[-1] % 32 == 0
        assert images.shape[-2] % 32 == 0
        assert not self.training
        return self.convolution(images)


def random_labels(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, (height, width), dtype=np.uint8)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (1, 13), (37, 1), (32, 64), (33, 50)])
def test_pixelwise_network_gives_the_exact_label_map(shape: tuple[int, int], flip: bool) -> None:
    truth = random_labels(*shape)
    label = predict(NearestColour().train(), COLOURS[truth], flip=flip, device=CPU, **NORMALISATION)
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, truth)


@pytest.mark.parametrize("options", [{"scales": (0.5, 1.0, 2.0)}, {"long_side": 40}, {"long_side": 200}])
def test_other_scales_come_back_at_native_resolution(options: dict[str, Any]) -> None:
    truth = np.kron(random_labels(3, 5), np.ones((20, 20), np.uint8))
    label = predict(NearestColour(), COLOURS[truth], device=CPU, **options, **NORMALISATION)
    assert label.shape == truth.shape
    assert (label == truth).mean() > 0.9  # only edges may move


def test_flip_makes_a_real_network_equivariant() -> None:
    torch.manual_seed(0)
    network = build_network(3, "Unet", "tu-mobilenetv3_small_050")
    image = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    straight, mirrored = (predict(network, view, device=CPU, **NORMALISATION) for view in (image, image[:, ::-1]))
    assert len(np.unique(straight)) > 1
    np.testing.assert_array_equal(straight, mirrored[:, ::-1])


def test_batches_of_mixed_shapes_come_in_order() -> None:
    shapes = [(5, 7), (5, 7), (5, 7), (7, 5), (5, 7), (1, 40)]
    truths = [random_labels(*shape, seed) for seed, shape in enumerate(shapes)]
    images = (COLOURS[truth] for truth in truths)  # an iterator will do
    labels = list(predict_batches(NearestColour(), images, device=CPU, batch_size=2, **NORMALISATION))
    assert len(labels) == len(truths)
    for label, truth in zip(labels, truths, strict=True):
        np.testing.assert_array_equal(label, truth)
    assert list(predict_batches(NearestColour(), [], device=CPU, **NORMALISATION)) == []


def sized_network(classes: int) -> nn.Module:
    torch.manual_seed(0)
    return build_network(classes, "Unet", "tu-mobilenetv3_small_050")


@pytest.mark.parametrize("classes", [2, 7, 20])
@pytest.mark.parametrize("options", [{}, {"scales": (0.5, 1.0, 1.5)}, {"long_side": 64, "flip": False}])
def test_labels_of_large_images_are_those_of_small_ones_made_at_once(
    classes: int, options: dict[str, Any], monkeypatch
) -> None:
    network = sized_network(classes)
    images = list(np.random.default_rng(0).integers(0, 256, (5, 45, 70, 3), dtype=np.uint8))
    given = {"device": CPU, **NORMALISATION, **options}
    at_once = list(predict_batches(network, images, **given))
    assert len(np.unique(at_once)) > 1
    monkeypatch.setattr(inference, "AT_ONCE_BYTES", 1)  # each image alone, four classes at a time
    for label, wanted in zip(predict_batches(network, images, **given), at_once, strict=True):
        np.testing.assert_array_equal(label, wanted)


def test_fewer_images_are_seen_at_a_time_where_memory_is_short(monkeypatch) -> None:
    images = list(np.random.default_rng(0).integers(0, 256, (7, 32, 64, 3), dtype=np.uint8))
    network, seen = sized_network(20), list[int]()
    wanted = list(predict_batches(network, images, device=CPU, **NORMALISATION))
    each, once = inference.needed_memory((32, 64), 21, scales=(1.0,), long_side=None)
    monkeypatch.setattr(inference, "UNNOTICED", 0)
    monkeypatch.setattr(inference, "free_memory", lambda _: (3.5 * each + once) / inference.MOST_OF_MEMORY)
    network.register_forward_pre_hook(lambda _, given: seen.append(len(given[0]) // 2))
    found = list(predict_batches(network, images, device=CPU, **NORMALISATION))
    assert seen == [3, 3, 1]
    assert np.mean(np.stack(found) == np.stack(wanted)) > 0.999  # of other batches the last bits may differ


def test_memory_that_is_refused_halves_the_batch() -> None:
    images = list(np.random.default_rng(0).integers(0, 256, (6, 32, 64, 3), dtype=np.uint8))
    network, most = sized_network(3), 4
    wanted = list(predict_batches(network, images, device=CPU, **NORMALISATION))

    def refuse(_: nn.Module, given: tuple[torch.Tensor]) -> None:
        if len(given[0]) > most:  # twice the images, for the mirror
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory")

    network.register_forward_pre_hook(refuse)
    found = list(predict_batches(network, images, device=CPU, **NORMALISATION))
    assert np.mean(np.stack(found) == np.stack(wanted)) > 0.999
    most = 1
    with pytest.raises(inference.NoMemory, match=r"image of 64×32 pixels needs about .* GB of memory, and .* smaller"):
        list(predict_batches(network, images, device=CPU, **NORMALISATION))


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    network = sized_network(3)

    def fail(*_: object) -> None:
        raise RuntimeError("shapes differ")

    network.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="shapes differ"):
        list(predict_batches(network, [np.zeros((32, 32, 3), np.uint8)] * 2, device=CPU, **NORMALISATION))
