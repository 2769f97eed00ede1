"""The compared methods: equal cost, and what `gather` hands on."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.cam.maps import class_maps, normalise_maps, pyramid_maps
from wsss.data.transforms import to_tensor
from wsss.depth.sources import open_depth
from wsss.errors import WsssError
from wsss.experiments.constants import AXES, with_settings
from wsss.experiments.plan import RESULT_METHODS
from wsss.methods import evidence as methods
from wsss.methods.colour import colour_regions
from wsss.methods.crops import crop, uncrop
from wsss.methods.evidence import Look, gather
from wsss.methods.fusion import Evidence, fuse
from wsss.methods.magnification import crop_side
from wsss.methods.names import MethodName
from wsss.methods.parameters import ColourParameters, CropParameters, FusionParameters, RegionParameters
from wsss.methods.registry import METHODS, Method, method
from wsss.methods.trust import edge_ranks
from wsss.pipeline.profiles import profile

CPU = torch.device("cpu")
DATA = ("tabletop", "nyuv2", "voc")


@pytest.fixture(scope="module")
def a_look(tiny_classifier):
    """`(image, present, base_side, classes) → Look`."""

    def make(image, present=(0, 1), base_side=64, classes=("a", "b", "c")):
        model, info = tiny_classifier(classes, base_side)
        return Look(model, info, image, present, CPU)

    return make


@pytest.fixture(scope="module")
def look(a_look):
    """`(name or plan, image, depth, present) → Evidence`, with default crops."""

    def run(name, image, depth, present=(0, 1), base_side=64, crops=None, regions=None, boxes=()):
        plan = name if isinstance(name, Method) else method(name)
        return gather(
            plan, a_look(image, present, base_side), regions=regions or RegionParameters(),
            crops=crops or CropParameters(), depth=depth, boxes=boxes,
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


CASES = [
    *((None, size) for size in ((256, 256), (256, 192), (192, 256))),
    *((data, (256, 256)) for data in DATA),
    *((data, (312, 416)) for data in ("nyuv2", "voc")),
]


@pytest.mark.parametrize(("data", "size"), CASES)
def test_methods_cost_the_same_megapixels(a_look, data, size) -> None:
    image, depth = picture(*size)
    crops = CropParameters() if data is None else profile("default", data).crops
    colour = ColourParameters() if data is None else profile("default", data).colour
    one = a_look(image, base_side=256)
    found = []
    for each, boxes in ((depth, [(20, 30, 90, 70), (0, 0, 9, 9)]), (np.zeros_like(depth), [])):
        cost = {
            name: gather(
                plan, one, regions=RegionParameters(), crops=crops, colour=colour, depth=each, boxes=boxes
            ).megapixels
            for name, plan in METHODS.items()
        }
        assert max(cost.values()) <= 1.06 * min(cost.values()), cost
        found.append({name: value for name, value in cost.items() if name != "code-as-published"})
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("methods", "passes"),
    [(("rgb-region", "region-only"), each) for axis in AXES["rgb-region"] for each in axis if "colour.scales" in each]
    + [(("depth", "crop-only", "rgb-crop"), each) for each in AXES["depth"][0]],
)
@pytest.mark.parametrize("size", [(256, 256), (312, 416)])
def test_passes_that_are_searched_cost_the_same_megapixels(a_look, methods, passes, size) -> None:
    config = with_settings(profile("reference", "nyuv2"), passes)
    image, depth = picture(*size)
    one = a_look(image, base_side=256)
    given: dict[str, Any] = {"regions": RegionParameters(), "depth": depth}
    costs = [
        gather(METHODS[name], one, colour=config.colour, crops=config.crops, **given).megapixels
        for name in (*methods, "cam", "zoom")
    ]
    assert max(costs) <= 1.05 * min(costs)


@pytest.mark.parametrize("name", list(METHODS))
def test_every_image_costs_the_same_whatever_its_depth(look, name) -> None:
    image, depth = picture(64, 64)
    noise = np.random.default_rng(0).uniform(0, 1, depth.shape).astype(np.float32)
    dark = np.zeros_like(image)
    looks = [(image, depth, [(1, 2, 9, 9)]), (image, np.zeros_like(depth), []), (image, noise, []), (dark, depth, [])]
    found = [look(name, *each[:2], boxes=each[2]) for each in looks]
    if name == "code-as-published":  # whose last pass over the whole image costs what its crops leave, in steps
        costs = [each.megapixels for each in found]
        assert max(costs) <= 1.1 * min(costs)  # of 16 pixels, which are many in so small an image
    else:
        assert len({each.megapixels for each in found}) == 1
    count = CropParameters().count if METHODS[name].proposal and METHODS[name].crops else 0
    assert {len(each.plan) for each in found} == {count}


FIXED = ("cam", "code-as-published")
"""Methods with nothing to choose."""


def test_every_method_but_the_baselines_has_as_many_trials() -> None:
    assert {name: len(set(plan.trials)) for name, plan in METHODS.items()} == {
        name: 1 if name in FIXED else 26 for name in METHODS
    }


def test_every_grid_holds_the_method_without_its_parts() -> None:
    """Weights and shares of 0 are among what is tried, so that a part which does not help is left out."""
    for name, plan in METHODS.items():
        if plan.proposal and plan.proposal != "layers":
            assert FusionParameters() in plan.trials, name
        elif name not in FIXED:
            levels = len(plan.trials[0].level_weights)
            alone = {tuple(int(place == number) for place in range(levels)) for number in range(levels)}
            assert alone <= {trial.level_weights for trial in plan.trials}, name


def test_what_is_the_same_for_every_method_is_made_once(a_look, monkeypatch) -> None:
    calls: list[tuple[str, Any]] = []

    def counted(function):
        def wrapped(*arguments, **settings):
            calls.append((function.__name__, settings.get("scales")))
            return function(*arguments, **settings)

        return wrapped

    for function in (pyramid_maps, colour_regions, edge_ranks):
        monkeypatch.setattr(f"wsss.methods.evidence.{function.__name__}", counted(function))
    image, depth = picture(48, 64)
    one = a_look(image)
    for plan in METHODS.values():
        gather(plan, one, regions=RegionParameters(), crops=CropParameters(), depth=depth)
    passes = [scales for name, scales in calls if name == "pyramid_maps"]
    assert len(passes) == len(set(passes))
    assert (0.5, 1.0, 1.5, 2.0) in passes
    assert [name for name, _ in calls].count("edge_ranks") == 1
    assert [name for name, _ in calls].count("colour_regions") == 2  # regions that vote, and larger ones to crop


def test_methods_of_equal_passes_have_the_same_evidence(look) -> None:
    image, depth = picture(48, 64)
    found: dict[object, Evidence] = {}
    for name, plan in METHODS.items():
        evidence = look(name, image, depth, boxes=[(3, 4, 30, 40)])
        same = found.setdefault(plan.passes, evidence)
        assert evidence.plan == same.plan
        assert torch.equal(evidence.levels, same.levels)
        for mine, other in ((evidence.crops, same.crops), (evidence.crop_probabilities, same.crop_probabilities)):
            torch.testing.assert_close(mine, other, atol=0, rtol=0)
        assert len(evidence.partitions) == len(same.partitions)
    # crop-only and depth share theirs, depth-region and region-only, rgb-crop and rgb
    assert len(found) == len(METHODS) - 3


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
    assert all(trial.vote > 0 for trial in METHODS["depth"].trials[1:])


@pytest.mark.parametrize("name", ["depth", "grid", "random", "cam-box", "rgb-crop", "oracle-box"])
def test_crops_are_what_the_classifier_says_of_them(look, tiny_classifier, monkeypatch, name) -> None:
    monkeypatch.setattr("wsss.cam.maps.autocast", lambda _: torch.autocast("cpu", enabled=False))
    image, depth = picture(48, 64)
    crops = CropParameters(exclude="box", min_side=16)
    found = look(name, image, depth, present=(2, 0), crops=crops, boxes=[(5, 6, 30, 20), (40, 50, 48, 64)])
    assert len(found.plan) == len(found.crops) == crops.count
    model, info = tiny_classifier(("a", "b", "c"))
    tensor = to_tensor(image, info.mean, info.std)
    side = crop_side(48, 64, 64)
    for number, one in enumerate(found.plan):
        maps, probabilities = class_maps(model, crop(tensor, one.box, side, torch.zeros(3))[None], flip=False)
        torch.testing.assert_close(
            found.crops[number], uncrop([maps[0, [2, 0]]], [one.box], (48, 64))[0], atol=1e-4, rtol=1e-4
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


def test_all_other_colours_are_painted_over(look) -> None:
    """The twin of depth's crops: of a region of colour nothing else is seen, since colour knows of no planes."""
    image = np.full((64, 64, 3), 120, np.uint8)
    image[8:40, 8:40] = (200, 30, 30)
    other = image.copy()
    image[20:30, 44:60], other[20:30, 44:60] = (20, 180, 40), (30, 40, 220)
    crops = CropParameters(count=2, context=0.5)
    seen = [look("rgb-crop", each, None, crops=crops) for each in (image, other)]
    number = next(place for place, one in enumerate(seen[0].plan) if one.region == 2)
    assert torch.equal(seen[0].crops[number], seen[1].crops[number])
    boxes = [look("rgb-crop", each, None, crops=replace(crops, exclude="box")) for each in (image, other)]
    assert not torch.allclose(boxes[0].crops[number], boxes[1].crops[number])


def test_controls_without_regions_leave_nothing_out(look) -> None:
    """What their crops see does not depend on exclusion."""
    image, depth = picture(48, 64)
    for name in ("grid", "random", "cam-box", "oracle-box"):
        seen = [look(name, image, depth, crops=CropParameters(exclude=e)).crops for e in ("box", "fill")]
        assert torch.equal(*seen)


def test_only_methods_of_depth_look_at_depth(look) -> None:
    image, depth = picture(48, 64)
    other = depth[::-1, ::-1].copy()
    for name, plan in METHODS.items():
        if not plan.uses_depth:
            first, second = (look(name, image, each) for each in (depth, other))
            assert torch.equal(first.levels, second.levels)
            assert first.plan == second.plan
            look(name, image, None)
    assert [name for name, plan in METHODS.items() if plan.uses_depth] == [
        "crop-only", "depth-region", "region-only", "depth", "code-as-published",
    ]  # fmt: skip


def test_only_the_oracle_looks_at_true_boxes(look) -> None:
    image, depth = picture(48, 64)
    for name in METHODS:
        plans = [look(name, image, depth, boxes=boxes).plan for boxes in ([], [(3, 4, 30, 40)])]
        assert (plans[0] == plans[1]) == (name != "oracle-box")


def test_without_crops_it_is_the_pyramid(look, tiny_classifier) -> None:
    image, _ = picture(40, 56)
    model, info = tiny_classifier(("a", "b", "c"))
    for name in ("cam", "zoom"):
        found, plan = look(name, image, None), METHODS[name]
        levels = pyramid_maps(model, info, image, (0, 1), scales=plan.scales, flip=plan.flip, device=CPU)
        assert torch.equal(found.levels, levels.maps)
        assert found.crops is None
        assert found.regions is None


SAFE = [trial for trial in METHODS["depth"].trials if trial.crop_weight == 0 and trial.colour == 0]


@settings(max_examples=25, deadline=None)
@given(
    st.floats(0, 1, width=32), st.integers(3, 70), st.integers(3, 70), st.integers(0, 99),
    st.sampled_from([(0,), (4,), (0, 4)]), st.sampled_from([0.0, 2.0]),
)  # fmt: skip
def test_depth_that_says_nothing_leaves_the_cam(a_look, value, height, width, seed, guides, smooth) -> None:
    """Safety: flat depth has no borders, hence no trust. What is left is the plain levels' map, and votes of colour alone."""
    one = a_look(picture(height, width, seed)[0])
    crops = CropParameters(count=2)
    flat = np.full((height, width), value, np.float32)
    regions = RegionParameters(guides=guides, smooth=smooth)
    found = gather(METHODS["depth"], one, regions=regions, crops=crops, depth=flat)
    assert [len(each) for each in found.partitions] == [1] * len(guides)
    assert found.trust == 0
    plain = gather(Method(crops=False, scales=crops.scales, flip=False), one, regions=regions, crops=crops)
    expected = fuse(plain, FusionParameters())
    torch.testing.assert_close(expected, normalise_maps(plain.levels.relu().mean(dim=0)))
    assert len(SAFE) == 4
    for trial in SAFE:
        torch.testing.assert_close(fuse(found, trial), expected, atol=1e-6, rtol=0)
        assert torch.equal(fuse(found, replace(trial, vote=1.0)), expected)
    colour = ColourParameters(scales=crops.scales)  # the passes of `depth`, whose maps are averaged over its regions
    control = gather(METHODS["rgb-region"], one, regions=regions, crops=crops, colour=colour)
    alone = FusionParameters(vote=0.75, reach=0.9)
    torch.testing.assert_close(fuse(found, replace(alone, colour=1.0)), fuse(control, alone), atol=1e-5, rtol=0)


@settings(max_examples=15, deadline=None)
@given(st.integers(20, 70), st.integers(20, 70), st.integers(0, 99), st.sampled_from([(0.5, 0.002), (0.1, 0.01)]))
def test_flat_depth_equals_the_control_of_colour(a_look, height, width, seed, constants) -> None:
    """`depth@constant` is the colour control by construction: at equal passes and constants the same scores to the bit.

    They differ in nothing but the passes over the whole image, which `rgb-region` has of its own (`ColourParameters`),
    and in that `depth` may mix in the plain maps as its first opinion.
    """
    one = a_look(picture(height, width, seed)[0])
    plan = METHODS["region-only"]
    scale, min_area = constants
    colour = ColourParameters(scale, min_area, scales=plan.scales, flip=plan.flip)
    given: dict[str, Any] = {
        "regions": RegionParameters(guides=(0, 4)),
        "crops": CropParameters(count=2),
        "colour": colour,
    }
    flat = gather(plan, one, depth=np.full((height, width), 0.4, np.float32), **given)
    control = gather(METHODS["rgb-region"], one, **given)
    assert flat.trust == 0
    assert torch.equal(flat.levels, control.levels)
    assert flat.joint is not None
    np.testing.assert_array_equal(flat.joint.labels, control.partitions[0].labels)
    for trial in METHODS["rgb-region"].trials:
        expected = fuse(control, trial)
        assert torch.equal(fuse(flat, replace(trial, colour=1.0)), expected)


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
    for name in ("depth", "crop-only", "region-only"):
        with pytest.raises(WsssError, match="--depth"):
            look(name, picture(32, 32)[0], None)
    with pytest.raises(WsssError, match=r"unknown method 'magic'.*crop-only"):
        method("magic")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("depth", ("depth", None)),
        ("depth@shuffled", ("depth", "shuffled")),
        ("region-only@files:/x/depth_meter", ("region-only", "files:/x/depth_meter")),
        ("crop-only@noisy:0.05+files:/x/y@z", ("crop-only", "noisy:0.05+files:/x/y@z")),
    ],
)
def test_a_method_may_name_its_source(name, parts) -> None:
    parsed = MethodName.of_seeds(name)
    assert (parsed.base, parsed.source) == parts
    assert method(name) is METHODS[parts[0]]


@pytest.mark.parametrize("name", [name for name, plan in METHODS.items() if not plan.uses_depth])
def test_a_source_needs_a_method_that_looks_at_depth(name) -> None:
    with pytest.raises(
        WsssError, match=rf"{name} looks at no depth.*crop-only, depth-region, region-only, depth, code-as-published"
    ):
        method(f"{name}@shuffled")
    with pytest.raises(WsssError, match="unknown method 'magic'"):
        method("magic@shuffled")


@pytest.mark.parametrize("data", DATA)
def test_all_of_a_data_sets_methods_are_there(data) -> None:
    for name in (*RESULT_METHODS[data], *profile("default", data).methods):
        assert method(name) in METHODS.values()


def test_shuffled_depth_of_another_size_fits(look, tiny_voc) -> None:
    from wsss.data.registry import open_dataset

    data = open_dataset("voc", "val", root=tiny_voc, classes=("cat", "dog"))
    depth = open_depth(f"shuffled+files:{tiny_voc / 'DepthMETER'}", data, "metric")
    sample = data[0]
    found = look("depth", sample.image, depth(0))
    assert found.levels.shape[-2:] == sample.image.shape[:2]


def test_a_depth_map_is_cut_into_regions_once_and_costs_every_method_that_time(a_look, monkeypatch) -> None:
    made = []
    original = methods.by_depth

    def slow(image, depth, *more):
        made.append(depth)
        time.sleep(0.05)
        return original(image, depth, *more)

    monkeypatch.setattr(methods, "by_depth", slow)
    image, depth = picture(64, 64)
    one = a_look(image)
    regions, crops = RegionParameters(), CropParameters(count=2)
    first, second = (
        gather(method(name), one, regions=regions, crops=crops, depth=depth.copy()) for name in ("depth", "region-only")
    )
    assert len(made) == 1
    assert first.partitions == second.partitions
    assert min(first.seconds, second.seconds) >= 0.05
    gather(method("depth"), one, regions=regions, crops=crops, depth=1 - depth)
    gather(method("depth"), one, regions=replace(regions, jump=0.03), crops=crops, depth=depth)
    assert len(made) == 3


def refused(look, message: str, image=None, depth=None, present=(0, 1), name="depth") -> None:
    true_image, true_depth = picture(48, 64)
    with pytest.raises(WsssError, match=message):
        look(name, true_image if image is None else image, true_depth if depth is None else depth, present)


@pytest.mark.parametrize("name", ["cam", "zoom", "depth"])
def test_images_that_are_no_bytes_are_refused(look, name) -> None:
    image, _ = picture(48, 64)
    for wrong in (
        image / 255,
        image.astype(np.float32),
        image.astype(np.int64),
        image[..., 0],
        np.dstack([image, image]),
    ):
        refused(look, r"the image must be an array H×W×3 uint8, RGB.*255 \* image", image=wrong, name=name)


def test_depth_that_is_no_inverse_depth_is_refused(look) -> None:
    _, depth = picture(48, 64)
    remedy = r".*normalise_inverse_depth\(inverse_depth\(values, kind\)\)"
    hole = depth.copy()
    hole[3, 3] = np.nan
    for wrong in (1 + 4 * depth, hole, depth - 0.5, np.full_like(depth, np.inf), np.full_like(depth, np.nan)):
        refused(look, r"depth must be inverse depth in \[0, 1\]" + remedy, depth=wrong)
    for wrong in ((255 * depth).astype(np.uint8), (1000 * depth).astype(np.uint16), depth > 0.5, depth.tolist()):
        refused(look, "depth must be an array H×W of floats" + remedy, depth=wrong)
    for wrong in (depth.T, depth[None], depth[::2, ::2], depth[:, :-1]):
        refused(look, r"depth is \(.*\) \(H, W\), but the image \(48, 64\): resize it", depth=wrong)


def test_depth_of_64_bits_is_the_same_depth(look) -> None:
    image, depth = picture(48, 64)
    one, other = (look("depth", image, values).partitions for values in (depth, depth.astype(np.float64)))
    assert len(one) == len(other) > 0
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours.labels, theirs.labels)


@pytest.mark.parametrize("present", [(3,), (-1,), (0, 7)])
def test_classes_that_the_classifier_does_not_have_are_refused(look, present) -> None:
    refused(look, "present must hold indices from 0 to 2 of a, b, c, not", present=present)


def test_a_softmax_model_is_refused(a_look) -> None:
    image, _ = picture(48, 64)
    plain = a_look(image)
    plain.info = replace(plain.info, activation="softmax")
    with pytest.raises(WsssError, match="activation is 'softmax', but crops are weighted by sigmoid probabilities"):
        gather(method("cam"), plain, regions=RegionParameters(), crops=CropParameters())


def test_labels_in_place_of_indices_are_refused(look) -> None:
    refused(look, r"present must hold indices .*numpy\.flatnonzero", present=np.array([True, False, True]))
