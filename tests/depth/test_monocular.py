"""The monocular depth network: what is written is what is read, and every image gets a map of its own size."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.depth.monocular import DepthNetwork, load_depth_network, predict_inverse_depth, save_depth_network
from wsss.errors import WsssError

BACKBONE = "test_efficientnet"
MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.5, 0.2)


@pytest.fixture(scope="module")
def network() -> DepthNetwork:
    torch.manual_seed(0)
    network = DepthNetwork.build(BACKBONE, MEAN, STD, 64, ("a", "b"))
    network.module.eval()
    return network


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_what_was_saved_predicts_the_same(network: DepthNetwork, tmp_path: Path) -> None:
    save_depth_network(tmp_path / "depth.safetensors", network)
    loaded = load_depth_network(tmp_path / "depth.safetensors")
    for name in ("backbone", "mean", "std", "side"):
        assert getattr(loaded, name) == pytest.approx(getattr(network, name))
    assert tuple(loaded.trained_on) == network.trained_on
    assert not loaded.module.training
    theirs = loaded.module.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in network.module.state_dict().items())
    image = picture(40, 56)
    np.testing.assert_array_equal(predict_inverse_depth(loaded, image), predict_inverse_depth(network, image))


def test_saving_is_atomic_and_gives_the_same_bytes(network: DepthNetwork, tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        save_depth_network(tmp_path / f"{name}.safetensors", network)
        contents.append((tmp_path / f"{name}.safetensors").read_bytes())
    assert contents[0] == contents[1]
    assert {path.name for path in tmp_path.iterdir()} == {"one.safetensors", "two.safetensors"}


def missing(path: Path) -> None:
    assert not path.exists()


def empty(path: Path) -> None:
    path.touch()


def torn(path: Path) -> None:
    path.write_bytes(path.with_name("whole.safetensors").read_bytes()[:5000])


def foreign(path: Path) -> None:
    safetensors.torch.save_file({"x": torch.zeros(2)}, path)


def incomplete(path: Path) -> None:
    facts = '{"backbone": "test_efficientnet", "mean": [0,0,0], "std": [1,1,1], "side": 64, "trained_on": []}'
    safetensors.torch.save_file({"x": torch.zeros(2)}, path, {"wsss_depth": facts})


def garbled(path: Path) -> None:
    safetensors.torch.save_file({"x": torch.zeros(2)}, path, {"wsss_depth": "{"})


def unknown(path: Path) -> None:
    facts = '{"backbone": "no_such_net", "mean": [0,0,0], "std": [1,1,1], "side": 64, "trained_on": []}'
    safetensors.torch.save_file({"x": torch.zeros(2)}, path, {"wsss_depth": facts})


@pytest.mark.parametrize("spoil", [missing, empty, torn, foreign, incomplete, garbled, unknown])
def test_files_that_are_no_network_are_named(network: DepthNetwork, tmp_path: Path, spoil) -> None:
    save_depth_network(tmp_path / "whole.safetensors", network)
    path = tmp_path / "broken.safetensors"
    spoil(path)
    with pytest.raises(WsssError, match=r"broken\.safetensors(.|\n)*wsss train-depth"):
        load_depth_network(path)


@pytest.mark.parametrize("size", [(1, 70), (70, 1), (1, 1), (40, 56), (56, 40), (33, 200), (300, 90)])
def test_maps_have_the_size_of_the_image(network: DepthNetwork, size: tuple[int, int]) -> None:
    depth = predict_inverse_depth(network, picture(*size))
    assert depth.shape == size
    assert depth.dtype == np.float32
    assert np.isfinite(depth).all()


@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90))
def test_maps_of_any_size(network: DepthNetwork, height: int, width: int) -> None:
    assert predict_inverse_depth(network, picture(height, width)).shape == (height, width)


def test_the_mirrored_image_has_the_mirrored_map(network: DepthNetwork) -> None:
    image = picture(64, 64)
    depth = predict_inverse_depth(network, image)
    mirrored = predict_inverse_depth(network, np.ascontiguousarray(image[:, ::-1]))
    np.testing.assert_allclose(mirrored[:, ::-1], depth, atol=2e-2 * np.abs(depth).max())
    assert not np.allclose(depth, depth[:, ::-1], atol=2e-2 * np.abs(depth).max())


def test_images_are_normalised_as_the_network_says() -> None:
    """The mean over a pass and its mirror, at a long side of `side`, of the image less the mean, by the deviation."""
    seen: list[torch.Tensor] = []

    class Eye(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images)
            return images[:, :1]

    eye = DepthNetwork(Eye(), "eye", MEAN, STD, 64, ())
    image = picture(32, 64)
    depth = predict_inverse_depth(eye, image)
    assert [tuple(images.shape) for images in seen] == [(2, 3, 32, 64)]
    wanted = (image[..., 0] / 255 - MEAN[0]) / STD[0]
    np.testing.assert_allclose(depth, wanted, atol=1e-5)
    torch.testing.assert_close(seen[0][1], seen[0][0].flip(2))
    predict_inverse_depth(eye, picture(128, 256))
    assert seen[1].shape[2:] == (32, 64)


@pytest.mark.parametrize("name", ["test_vit", "swin_tiny_patch4_window7_224"])
def test_backbones_that_make_no_encoder_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(WsssError, match=rf"depth network cannot have the backbone {name}: .*resnet50") as caught:
        DepthNetwork.build(name, (0.5,) * 3, (0.5,) * 3, 64)
    assert "\n" not in str(caught.value)
