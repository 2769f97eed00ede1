"""The compared methods: equal cost, and what `gather` hands on."""

import numpy as np
import pytest
import torch

from wsss.cam.cam import class_maps, pyramid_maps
from wsss.data.transforms import to_tensor
from wsss.depth.crops import CropParameters, crop, uncrop
from wsss.depth.fusion import FusionParameters, fuse
from wsss.depth.methods import METHODS, Method, crop_side, gather, method
from wsss.depth.regions import RegionParameters
from wsss.depth.sources import open_depth
from wsss.errors import WsssError

CPU = torch.device("cpu")


@pytest.fixture
def look(tiny_classifier):
    """`(name or plan, image, depth, present) → Evidence`, with default crops."""

    def run(name, image, depth, present=(0, 1), base_side=64, crops=None, classes=("a", "b", "c")):
        model, info = tiny_classifier(classes, base_side)
        plan = name if isinstance(name, Method) else method(name)
        return gather(
            plan, model, info, image, present, depth,
            regions=RegionParameters(), crops=crops or CropParameters(), device=CPU,
        )  # fmt: skip

    return run


def picture(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A noisy image with a bright square, and inverse depth with that square in front of a floor."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 120, (height, width, 3), dtype=np.uint8)
    depth = np.tile(np.linspace(0.1, 0.5, height, dtype=np.float32)[:, None], (1, width))
    square = np.s_[height // 4 : height // 2, width // 4 : width // 2]
    image[square] += 100
    depth[square] = 0.9
    return image, depth


@pytest.mark.parametrize("size", [(256, 256), (256, 192), (192, 256)])
@pytest.mark.parametrize("boxes", [True, False])
def test_methods_cost_the_same_megapixels(look, size, boxes) -> None:
    image, depth = picture(*size)
    if not boxes:
        depth[:] = 0
    cost = {name: look(name, image, depth, base_side=256).megapixels for name in METHODS}
    assert max(cost.values()) <= 1.05 * min(cost[name] for name in METHODS if name != "cam")
    compared = [cost[name] for name in ("zoom", "crop-only", "depth")]
    assert max(compared) <= 1.05 * min(compared)
    assert cost["cam"] <= 1.05 * min(compared)


def test_every_image_costs_the_same_whatever_its_depth(look) -> None:
    image, depth = picture(64, 64)
    noise = np.random.default_rng(0).uniform(0, 1, depth.shape).astype(np.float32)
    costs = {look("depth", image, each).megapixels for each in (depth, np.zeros_like(depth), noise)}
    assert len(costs) == 1


@pytest.mark.parametrize("size", [(256, 256), (200, 100), (33, 257), (1, 500)])
def test_crop_side(size: tuple[int, int]) -> None:
    side = crop_side(*size, 256)
    area = size[0] * size[1] * (256 / max(size)) ** 2
    assert side % 16 == 0
    assert side >= 32
    assert side == 32 or abs(side - 0.875 * area**0.5) <= 8


def test_crop_only_and_depth_share_their_passes(look) -> None:
    image, depth = picture(48, 64)
    first, second = look("crop-only", image, depth), look("depth", image, depth)
    for name in ("levels", "crops", "crop_probabilities"):
        assert torch.equal(getattr(first, name), getattr(second, name))
    assert all(trial.vote == 0 for trial in METHODS["crop-only"].trials)
    assert all(trial.vote > 0 for trial in METHODS["depth"].trials)


def test_crops_are_what_the_classifier_says_of_them(look, tiny_classifier, monkeypatch) -> None:
    monkeypatch.setattr("wsss.cam.cam.autocast", lambda _: torch.autocast("cpu", enabled=False))
    image, depth = picture(48, 64)
    found = look("depth", image, depth, present=(2, 0), crops=CropParameters(exclude="box", min_side=16))
    model, info = tiny_classifier(("a", "b", "c"))
    tensor = to_tensor(image, info.mean, info.std)
    side = crop_side(48, 64, 64)
    for number, one in enumerate(found.plan):
        maps, probabilities = class_maps(model, crop(tensor, one.box, side, torch.zeros(3))[None], flip=True)
        torch.testing.assert_close(
            found.crops[number], uncrop(maps[0, [2, 0]], one.box, (48, 64)), atol=1e-4, rtol=1e-4
        )
        torch.testing.assert_close(found.crop_probabilities[number], probabilities[0, [2, 0]])
        left_out = torch.ones(48, 64, dtype=torch.bool)
        left_out[max(0, one.box[0]) : one.box[2], max(0, one.box[1]) : one.box[3]] = False
        assert not found.crops[number][:, left_out].any()


def test_other_things_are_painted_over(look) -> None:
    """What an excluded object looks like must not matter to the crop of its neighbour."""
    image, depth = picture(64, 64)
    depth[16:32, 16:32] = 0.8 + 0.1 * np.cos(np.linspace(-1, 1, 16))  # curved, so that it is no plane
    neighbour = np.s_[20:28, 34:44]
    depth[neighbour] = 0.7
    other = image.copy()
    other[neighbour] = 255
    crops = CropParameters(count=1, context=1.0)
    looks = [look("depth", each, depth, crops=crops) for each in (image, other)]
    assert looks[0].plan[0].region == 1
    assert torch.equal(looks[0].crops, looks[1].crops)
    boxes_only = CropParameters(count=1, context=1.0, exclude="box")
    seen = [look("depth", each, depth, crops=boxes_only).crops for each in (image, other)]
    assert not torch.allclose(seen[0], seen[1])


def test_without_crops_it_is_the_pyramid(look, tiny_classifier) -> None:
    image, _ = picture(40, 56)
    model, info = tiny_classifier(("a", "b", "c"))
    found = look("cam", image, None)
    levels = pyramid_maps(model, info, image, (0, 1), scales=METHODS["cam"].scales, flip=True, device=CPU)
    assert torch.equal(found.levels, levels.maps)
    assert found.crops is None
    assert found.regions is None


def test_depth_that_says_nothing_and_crops_without_weight_leave_the_cam(look) -> None:
    image, _ = picture(64, 64)
    found = look("depth", image, np.zeros((64, 64), np.float32))
    assert len(found.regions) == 1
    plain = look(Method((0.5, 1.0), True, False), image, None)
    torch.testing.assert_close(fuse(found, FusionParameters(crop_weight=0.0)), fuse(plain, FusionParameters()))


@pytest.mark.parametrize("size", [(1, 70), (70, 1), (1, 1)])
def test_odd_images(look, size) -> None:
    image, _ = picture(*size)
    for name in METHODS:
        found = look(name, image, np.zeros(size, np.float32))
        for trial in METHODS[name].trials:
            assert fuse(found, trial).isfinite().all()


def test_an_image_without_classes(look) -> None:
    image, depth = picture(32, 48)
    for name in METHODS:
        found = look(name, image, depth, present=())
        assert fuse(found, METHODS[name].trials[-1]).shape == (0, 32, 48)


def test_missing_depth_and_unknown_method(look) -> None:
    with pytest.raises(WsssError, match="--depth"):
        look("depth", picture(32, 32)[0], None)
    with pytest.raises(WsssError, match=r"unknown method 'magic'.*crop-only"):
        method("magic")


def test_shuffled_depth_of_another_size_fits(look, tiny_voc) -> None:
    from wsss.data.registry import open_dataset

    data = open_dataset("voc", "val", root=tiny_voc, classes=("cat", "dog"))
    depth = open_depth(f"shuffled+files:{tiny_voc / 'DepthMETER'}", data, "metric")
    sample = data[0]
    found = look("depth", sample.image, depth(0))
    assert found.levels.shape[-2:] == sample.image.shape[:2]
