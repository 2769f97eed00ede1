"""The catalogue of bad depth, and images of odd sizes: a message, or one layer and the CAM as it is; never NaN."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.depth.test_sources import SIZE, Memory
from wsss.data.inverse_depth import inverse_depth, normalise_inverse_depth
from wsss.depth.estimators import hub_depth
from wsss.depth.files import SIGN_SAMPLE, read_depth_file
from wsss.depth.monocular import DepthNetwork, load_depth_network, save_depth_network
from wsss.depth.sources import open_depth
from wsss.errors import WsssError
from wsss.methods.evidence import Look, gather
from wsss.methods.fusion import fuse
from wsss.methods.parameters import CropParameters, FusionParameters, RegionParameters
from wsss.methods.regions import depth_regions
from wsss.methods.registry import METHODS
from wsss.networks.backbones import check_backbone

RAMP = np.linspace(1, 4, 600, dtype=np.float32).reshape(SIZE)  # metres, farther downwards


def found(folder: Path, values: np.ndarray, kind: str) -> np.ndarray:
    """Inverse depth of the first image with the file `values`."""
    np.save(folder / "000.npy", values)
    depth = open_depth(f"files:{folder}", Memory(1), kind)(0)
    assert depth.shape == SIZE
    assert depth.dtype == np.float32
    assert np.isfinite(depth).all()
    assert depth.min() >= 0
    assert depth.max() <= 1
    return depth


def holed(value: float) -> np.ndarray:
    values = RAMP.copy()
    values[5:9, 3:20] = value
    return values


ONE_LAYER = {
    "all zero": RAMP * 0,
    "all NaN": RAMP * np.nan,
    "all inf": RAMP * np.inf,
    "all negative": -RAMP,
    "constant": RAMP * 0 + 2.5,
    "constant but for rounding": (RAMP * 0 + 1e6 + np.random.default_rng(0).normal(0, 0.05, SIZE)).astype(np.float32),
    "one pixel": np.array([[3.0]]),
    "denormal": RAMP * 0 + 1e-42,
}


@pytest.mark.filterwarnings("ignore:invalid value|overflow|divide by zero")
@pytest.mark.parametrize("case", ONE_LAYER)
def test_depth_that_says_nothing_is_one_layer(tmp_path: Path, case: str) -> None:
    depth = found(tmp_path, ONE_LAYER[case], "metric")
    assert not depth.any()
    assert len(depth_regions(depth)) == 1


HOLES = {"zero": 0.0, "negative": -1.0, "NaN": np.nan}


@pytest.mark.parametrize("case", HOLES)
def test_holes_take_their_neighbours_depth(tmp_path: Path, case: str) -> None:
    whole, depth = found(tmp_path, RAMP, "metric"), found(tmp_path, holed(HOLES[case]), "metric")
    known = ~(holed(0.0) == 0)
    assert np.abs(depth - whole)[known].max() < 0.05  # percentiles move a little
    assert np.abs(depth - whole).max() < 0.3


@pytest.mark.parametrize("value", [np.inf, 3e38, 1e300])
def test_what_is_infinitely_far_is_farthest(tmp_path: Path, value: float) -> None:
    depth = found(tmp_path, holed(1).astype(np.float64) * np.where(holed(0.0) == 0, value, 1.0), "metric")
    assert (depth[5:9, 3:20] == 0).all()
    assert depth[0, 0] > 0.9


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_inverse_depth_without_a_value_is_a_hole(tmp_path: Path, value: float) -> None:
    depth = found(tmp_path, holed(value), "inverse")
    assert depth[0].max() < 0.1
    assert depth[-1].min() > 0.9


WRONG: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "three channels": ("npy", lambda p: np.save(p, np.zeros((4, 5, 3))), "shape .*one channel"),
    "no rows": ("npy", lambda p: np.save(p, np.zeros((0, 5))), "shape .*one channel"),
    "a line": ("npy", lambda p: np.save(p, np.zeros(5)), "shape .*one channel"),
    "a number": ("npy", lambda p: np.save(p, np.float32(3)), "shape .*one channel"),
    "text": ("npy", lambda p: np.save(p, np.array([["near", "far"]])), "not real numbers.*Make the file again"),
    "complex": ("npy", lambda p: np.save(p, np.zeros((4, 5), complex)), "not real numbers"),
    "dates": ("npy", lambda p: np.save(p, np.zeros((4, 5), "M8[s]")), "not real numbers"),
    "fields": ("npy", lambda p: np.save(p, np.zeros((4, 5), [("z", float)])), "not real numbers"),
    "truth values": ("npy", lambda p: np.save(p, np.zeros((4, 5), bool)), "not real numbers"),
    "pickle": ("npy", lambda p: np.save(p, np.array([[None]]), allow_pickle=True), "Object arrays cannot be loaded"),
    "two arrays": ("npz", lambda p: np.savez(p, depth=RAMP, mask=RAMP), "holds 2 arrays .*depth, mask.*alone"),
    "no array": ("npz", lambda p: np.savez(p), "holds 0 arrays"),
    "colours": ("png", lambda p: Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(p), "shape .*one channel"),
    "palette": (
        "png",
        lambda p: Image.fromarray(np.zeros((4, 5), np.uint8)).convert("P").save(p),
        "palette.*no measurements",
    ),
    "one bit": ("png", lambda p: Image.fromarray(np.zeros((4, 5), bool)).save(p), "not real numbers"),
    "nothing": ("png", lambda p: p.write_bytes(b""), "cannot read"),
}


@pytest.mark.parametrize("case", WRONG)
def test_files_that_are_no_depth_are_named(tmp_path: Path, case: str) -> None:
    suffix, write, message = WRONG[case]
    path = tmp_path / f"000.{suffix}"
    write(path)
    with pytest.raises(WsssError, match=rf"000\.{suffix}.*{message}|{message}.*000\.{suffix}"):
        read_depth_file(path)


def test_a_header_that_claims_more_than_there_is(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 5)))
    content = (tmp_path / "a.npy").read_bytes()
    for shape in (b"(4000000000, 5), ", b"(-4, 5), ", b"(4, 5)*9999, "):
        (tmp_path / "a.npy").write_bytes(
            content.replace(b"(4, 5), ", shape).replace(b" " * (len(shape) - 8) + b"\n", b"\n")
        )
        with pytest.raises(WsssError, match=r"a\.npy"):
            read_depth_file(tmp_path / "a.npy")


@pytest.mark.parametrize(("declared", "warned"), [("metric", False), ("inverse", True)])
def test_a_wrong_sign_is_asked_about(tmp_path: Path, declared: str, warned: bool) -> None:
    """Maps of a floor, near at the bottom, in metres."""
    count = SIGN_SAMPLE // 2 + 1
    for number in range(count):
        np.save(tmp_path / f"{number:03d}.npy", RAMP[::-1] + number)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_depth(f"files:{tmp_path}", Memory(count), declared)
    messages = [str(one.message) for one in caught]
    assert (
        any(f"really --depth-kind {declared}" in message and str(tmp_path) in message for message in messages) == warned
    )


def test_few_flat_or_broken_maps_do_not_tell_the_sign(tmp_path: Path) -> None:
    for number in range(SIGN_SAMPLE):
        np.save(tmp_path / f"{number:03d}.npy", RAMP if number < 3 else RAMP * 0)
    (tmp_path / "004.npy").write_bytes(b"torn")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_depth(f"files:{tmp_path}", Memory(SIGN_SAMPLE), "metric")


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_orientation_of_the_smallest_maps(shape: tuple[int, int]) -> None:
    values = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    depth = normalise_inverse_depth(inverse_depth(values, "metric"))
    assert depth.shape == shape
    assert np.isfinite(depth).all()


# ---- images of odd sizes, adversarial depth ------------------------------------------------------------------------

ODD_SIZES = [(1, 1), (1, 2), (2, 1), (1, 500), (500, 1), (3, 3), (17, 2)]
DEPTHS: dict[str, Callable[[tuple[int, int]], np.ndarray]] = {
    "flat": lambda size: np.zeros(size, np.float32),
    "noise": lambda size: np.random.default_rng(0).random(size, np.float32),
    "checks": lambda size: (np.indices(size).sum(0) % 2).astype(np.float32),
}


def scores_of(
    name: str, image: np.ndarray, depth: np.ndarray, tiny_classifier: Callable[..., tuple[Any, Any]]
) -> torch.Tensor:
    model, info = tiny_classifier(("a", "b", "c"))
    plan = METHODS[name]
    look = Look(model, info, image, (0, 2), torch.device("cpu"))
    height, width = image.shape[:2]
    evidence = gather(
        plan,
        look,
        regions=RegionParameters(guides=(0, 4)),
        crops=CropParameters(scales=(1.0, 2.0), count=3),
        depth=depth,
        boxes=[(0, 0, height, width)],
    )
    return torch.stack([fuse(evidence, parameters) for parameters in plan.trials[:: max(1, len(plan.trials) // 3)]])


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
def test_images_of_odd_sizes(name: str, size: tuple[int, int], tiny_classifier: Callable[..., tuple[Any, Any]]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    for depth in DEPTHS.values():
        scores = scores_of(name, image, depth(size), tiny_classifier)
        assert scores.shape[1:] == (2, *size)
        assert scores.isfinite().all()
        assert scores.min() >= 0
        assert scores.max() <= 1


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("fill", [0, 255, "checks", "noise"])
def test_adversarial_images_and_depth(name: str, fill: Any, tiny_classifier: Callable[..., tuple[Any, Any]]) -> None:
    size = (40, 56)
    image = np.full((*size, 3), fill if isinstance(fill, int) else 0, np.uint8)
    if fill == "checks":
        image[np.indices(size).sum(0) % 2 == 0] = 255
    elif fill == "noise":
        image = np.random.default_rng(2).integers(0, 256, (*size, 3), dtype=np.uint8)
    for depth in DEPTHS.values():
        scores = scores_of(name, image, depth(size), tiny_classifier)
        assert scores.isfinite().all()
        assert ((scores >= 0) & (scores <= 1)).all()


# ---- settings -----------------------------------------------------------------------------------------------------

SETTINGS: list[tuple[type, dict[str, Any], str]] = [
    (RegionParameters, {"jump": -0.1}, "jump must be a number of at least 0, not -0.1"),
    (RegionParameters, {"min_area": 1.5}, "min_area must be a number from 0 to 1"),
    (RegionParameters, {"planes": 2.5}, "planes must be an integer"),
    (RegionParameters, {"max_regions": 0}, "max_regions"),
    (RegionParameters, {"guides": (-1,)}, "guides"),
    (RegionParameters, {"guides": "04"}, "guides must be a list"),
    (RegionParameters, {"trust": (0.5, 0.1)}, "two rising numbers"),
    (RegionParameters, {"smooth": float("nan")}, "smooth"),
    (CropParameters, {"count": 10**9}, "count must be an integer from 1 to 1000"),
    (CropParameters, {"count": True}, "count"),
    (CropParameters, {"scales": ()}, "scales must be a list of one or more numbers"),
    (CropParameters, {"scales": (0.0,)}, "scales"),
    (CropParameters, {"min_side": 0}, "min_side"),
    (CropParameters, {"exclude": "magic"}, "exclude must be one of others, nearer, fill, blur, box"),
    (FusionParameters, {"vote": 1.2}, "vote must be a number from 0 to 1, not 1.2"),
    (FusionParameters, {"crop_weight": float("inf")}, "crop_weight"),
    (FusionParameters, {"gate": "1"}, "gate"),
    (FusionParameters, {"level_weights": (0, 0)}, "not all be 0"),
    (FusionParameters, {"level_weights": (1, -1)}, "level_weights"),
]


@pytest.mark.parametrize(("kind", "settings", "message"), SETTINGS, ids=lambda value: str(value))
def test_settings_out_of_range_are_named(kind: type, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(WsssError, match=message):
        kind(**settings)


def test_weights_of_other_scales_are_refused(tiny_classifier: Callable[..., tuple[Any, Any]]) -> None:
    model, info = tiny_classifier(("a",))
    look = Look(model, info, np.zeros((32, 32, 3), np.uint8), (0,), torch.device("cpu"))
    evidence = gather(METHODS["cam"], look, regions=RegionParameters(), crops=CropParameters())
    with pytest.raises(WsssError, match="1 level_weights for 4 scales"):
        fuse(evidence, FusionParameters(level_weights=(1.0,)))


# ---- networks -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network() -> DepthNetwork:
    half = (0.5, 0.5, 0.5)
    return DepthNetwork.build("test_efficientnet", half, half, 64, ("a",))


FACTS: dict[str, dict[str, Any]] = {
    "hub": {"backbone": "hf-hub:somebody/something"},
    "folder": {"backbone": "local-dir:/tmp"},
    "unknown": {"backbone": "wunderkind"},
    "other backbone": {"backbone": "resnet18"},
    "huge side": {"side": 10**9},
    "text for a side": {"side": "64"},
    "mean": {"mean": ["a"]},
    "std": {"std": [0, 0, 0]},
    "unknown field": {"code": "import os"},
}


@pytest.mark.parametrize("case", FACTS)
def test_hostile_depth_networks_are_named(tmp_path: Path, network: DepthNetwork, case: str, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    facts = {name: getattr(network, name) for name in ("backbone", "mean", "std", "side", "trained_on")} | FACTS[case]
    path = tmp_path / "depth.safetensors"
    tensors = {name: tensor.contiguous() for name, tensor in network.module.state_dict().items()}
    save_file(tensors, path, {"wsss_depth": json.dumps(facts)})
    with pytest.raises(WsssError, match=r"depth network .*depth\.safetensors.*train-depth"):
        load_depth_network(path)


def test_depth_networks_with_nan_or_of_another_kind_are_named(tmp_path: Path, network: DepthNetwork) -> None:
    path = tmp_path / "depth.safetensors"
    save_file({"w": torch.zeros(2)}, path)
    with pytest.raises(WsssError, match=r"depth\.safetensors: it is no depth network"):
        load_depth_network(path)
    first = next(network.module.parameters())
    kept = first.detach().clone()
    with torch.no_grad():
        first[(0,) * first.ndim] = float("nan")
    save_depth_network(path, network)
    with torch.no_grad():
        first.copy_(kept)
    with pytest.raises(WsssError, match=r"depth\.safetensors: its tensor .* holds NaN"):
        load_depth_network(path)


@pytest.mark.parametrize("name", ["hf-hub:a/b", "hf_hub:a/b", "local-dir:/x", "../x", "", None, 7])
def test_only_timms_own_backbones(name: Any) -> None:
    with pytest.raises(WsssError, match="timm has no model"):
        check_backbone(name)


HOSTILE_MODELS: dict[str, dict[str, str]] = {
    "own code": {
        "config.json": json.dumps(
            {
                "model_type": "mine",
                "auto_map": {"AutoConfig": "evil.Config", "AutoModelForDepthEstimation": "evil.Model"},
            }
        ),
        "evil.py": "raise SystemExit('foreign code was run')",
        "preprocessor_config.json": json.dumps(
            {"image_processor_type": "Mine", "auto_map": {"AutoImageProcessor": "evil.Processor"}}
        ),
    },
    "torn": {"config.json": "{", "preprocessor_config.json": "{"},
    "empty": {},
}


@pytest.mark.parametrize("case", HOSTILE_MODELS)
def test_models_with_code_of_their_own_are_not_run(tmp_path: Path, case: str, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name, text in HOSTILE_MODELS[case].items():
        (tmp_path / name).write_text(text)
    with pytest.raises(WsssError, match="cannot load depth model"):
        hub_depth(str(tmp_path), Memory(1), "metric")(0)
