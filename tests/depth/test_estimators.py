"""Predicted depth: hub models from a local folder, the cache, and networks that have not seen an image."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr

from tests.depth.test_sources import Memory
from wsss.data.base import Sample
from wsss.data.inverse_depth import normalise_inverse_depth
from wsss.depth import estimators
from wsss.depth.estimators import FOLDS, cached, fold_path, learned_depth, model_kind
from wsss.depth.monocular import DepthNetwork, predict_inverse_depth, save_depth_network
from wsss.depth.sources import open_depth
from wsss.errors import WsssError

SIZE = (40, 64)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks a hub: what is not in a folder is not there."""
    import huggingface_hub.constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


class Squares(Memory):
    """Coloured squares."""

    def __init__(self, count: int = 3, size: tuple[int, int] = SIZE) -> None:
        super().__init__(count, has_depth=False, size=size)
        self.ids = tuple(f"image-{number}" for number in range(count))

    def __getitem__(self, index: int) -> Sample:
        height, width = self.size
        image = np.random.default_rng(index).integers(0, 90, (height, width, 3), dtype=np.uint8)
        image[height // 4 : height // 2, width // 3 : width // 3 + 1 + width // 4] += 150
        return Sample(self.ids[index], image, np.array([False]), np.zeros(self.size, np.uint8))


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`relative` or `metric` → folder of a Depth Anything on a DINOv2 of two layers, with random weights."""
    from transformers import (
        DepthAnythingConfig,
        DepthAnythingForDepthEstimation,
        Dinov2Config,
        DPTImageProcessor,
    )

    def build(kind: str) -> Path:
        folder = tmp_path_factory.getbasetemp() / f"tiny-depth-{kind}"
        if folder.exists():
            return folder
        torch.manual_seed(0)
        backbone = Dinov2Config(  # type: ignore[call-arg]
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            mlp_ratio=2,
            image_size=56,
            patch_size=14,
            out_features=["stage1", "stage2"],
            reshape_hidden_states=False,
        )
        model = DepthAnythingForDepthEstimation(
            DepthAnythingConfig(
                backbone_config=backbone,
                reassemble_hidden_size=16,
                reassemble_factors=[2, 1],
                neck_hidden_sizes=[8, 8],
                fusion_hidden_size=8,
                head_in_index=-1,
                head_hidden_size=8,
                patch_size=14,
                depth_estimation_type=kind,
                max_depth=10,
            )
        )
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=1 / parameter[0].numel() ** 0.5)
        assert model.head.conv3.bias is not None
        torch.nn.init.constant_(model.head.conv3.bias, 2.0)  # well above the last rectifier
        model.save_pretrained(folder)
        size = {"height": 56, "width": 56}
        DPTImageProcessor(size=size, keep_aspect_ratio=True, ensure_multiple_of=14).save_pretrained(folder)
        return folder

    return build


def tiny_dinov2(**more: Any) -> Any:
    from transformers import Dinov2Config

    return Dinov2Config(  # type: ignore[call-arg]
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=56,
        patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
        **more,
    )


def tiny_of_type(name: str) -> tuple[Any, Any]:
    """Model with random weights and processor of a type of transformers."""
    import transformers as hf

    if name == "zoedepth":
        backbone = hf.BeitConfig(  # type: ignore[call-arg]
            image_size=32,
            patch_size=16,
            hidden_size=16,
            num_hidden_layers=4,
            num_attention_heads=2,
            intermediate_size=16,
            out_features=["stage1", "stage2", "stage3", "stage4"],
            reshape_hidden_states=False,
            use_relative_position_bias=True,
        )
        zoe = hf.ZoeDepthConfig(
            backbone_config=backbone,
            neck_hidden_sizes=[16, 16, 16, 16],
            fusion_hidden_size=16,
            bottleneck_features=16,
            num_relative_features=8,
            bin_embedding_dim=16,
            num_attractors=[4, 2, 1, 1],
            bin_configurations=[{"n_bins": 8, "min_depth": 0.1, "max_depth": 10.0, "name": "nyu"}],
        )
        size = {"height": 64, "width": 64}
        return hf.ZoeDepthForDepthEstimation(zoe), hf.ZoeDepthImageProcessor(size=size, ensure_multiple_of=32)
    if name == "dpt":
        dpt = hf.DPTConfig(
            hidden_size=16,
            num_hidden_layers=4,
            num_attention_heads=2,
            intermediate_size=16,
            image_size=32,
            patch_size=16,
            backbone_out_indices=[0, 1, 2, 3],
            neck_hidden_sizes=[8, 8, 8, 8],
            fusion_hidden_size=8,
            is_hybrid=False,
        )
        return hf.DPTForDepthEstimation(dpt), hf.DPTImageProcessor(size={"height": 32, "width": 32})
    if name == "glpn":
        glpn = hf.GLPNConfig(
            hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 1, 1], decoder_hidden_size=8
        )
        return hf.GLPNForDepthEstimation(glpn), hf.GLPNImageProcessor()
    if name == "prompt_depth_anything":
        prompt = hf.PromptDepthAnythingConfig(
            backbone_config=tiny_dinov2(),
            reassemble_hidden_size=16,
            neck_hidden_sizes=[8, 8, 8, 8],
            fusion_hidden_size=8,
            head_hidden_size=8,
            patch_size=14,
            depth_estimation_type="metric",
            max_depth=10,
        )
        size = {"height": 56, "width": 56}
        return hf.PromptDepthAnythingForDepthEstimation(prompt), hf.PromptDepthAnythingImageProcessor(size=size)
    assert name == "depth_pro"
    part = {
        "model_type": "dinov2",
        "num_hidden_layers": 4,
        "hidden_size": 16,
        "num_attention_heads": 2,
        "patch_size": 8,
        "image_size": 32,
        "mlp_ratio": 2,
        "use_mask_token": False,
    }
    pro = hf.DepthProConfig(
        patch_size=32,
        fusion_hidden_size=16,
        intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[10, 8],
        scaled_images_ratios=[0.5, 1.0],
        scaled_images_overlap_ratios=[0.0, 0.2],
        scaled_images_feature_dims=[12, 12],
        image_model_config=part,
        patch_model_config=part,
        fov_model_config=part,
        use_fov_model=True,
    )
    return hf.DepthProForDepthEstimation(pro), hf.DepthProImageProcessor(size={"height": 64, "width": 64})


TYPES = ("zoedepth", "dpt", "glpn", "prompt_depth_anything", "depth_pro")


@pytest.fixture(scope="module")
def of_type(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Type of model → folder of a tiny one with random weights."""

    def build(name: str) -> Path:
        folder = tmp_path_factory.getbasetemp() / f"tiny-{name}"
        if not folder.exists():
            torch.manual_seed(0)
            model, processor = tiny_of_type(name)
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    torch.nn.init.normal_(parameter, std=1 / parameter[0].numel() ** 0.5)
            model.save_pretrained(folder)
            processor.save_pretrained(folder)
        return folder

    return build


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("size", [SIZE, (64, 40), (57, 131)])
def test_every_type_of_depth_model_gives_a_map_of_the_size_of_the_image(
    of_type, name: str, size: tuple[int, int]
) -> None:
    depth = open_depth(f"hf:{of_type(name)}", Squares(size=size))(0)
    assert depth.shape == size
    assert depth.dtype == np.float32
    assert depth.min() == 0
    assert depth.max() in (0, 1)  # random weights may see nothing
    assert np.isfinite(depth).all()


@pytest.mark.parametrize("name", ["zoedepth", "glpn", "depth_pro"])
def test_metric_models_of_every_type_are_turned_over(of_type, name: str) -> None:
    near, far = (open_depth(f"hf:{of_type(name)}", Squares(), kind)(0) for kind in ("inverse", "metric"))
    assert spearmanr(near.ravel(), far.ravel()).statistic < -0.99
    np.testing.assert_array_equal(open_depth(f"hf:{of_type(name)}", Squares())(0), far)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3, 40), (3, 3), (2, 700)])
def test_tiny_and_flat_images_get_a_map_or_are_named(of_type, name: str, size: tuple[int, int]) -> None:
    folder, said = of_type(name), None
    depth: Any = None
    try:
        depth = open_depth(f"hf:{folder}", Squares(size=size))(1)
    except WsssError as error:
        said = str(error)
    if said is None:
        assert depth.shape == size
        assert np.isfinite(depth).all()
        return
    height, width = size
    assert f"depth model {folder} fails on image image-1 of {width}×{height} pixels: " in said
    assert said.endswith("or use files:DIR or learned.")
    assert "\n" not in said


def test_a_side_of_three_pixels_is_not_taken_for_channels(of_type) -> None:
    """Three rows are seen as a picture that is wide, and change from column to column."""
    data = Squares(size=(3, 40))
    depth = open_depth(f"hf:{of_type('dpt')}", data)(0)
    assert depth.shape == (3, 40)
    assert len(np.unique(depth)) > 20


@pytest.mark.parametrize("where", ["processor", "model", "post_process"])
def test_what_a_library_raises_names_image_and_model(of_type, where: str, monkeypatch) -> None:
    import transformers

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of luck.\nA second line")

    target = {
        "processor": (transformers.DPTImageProcessor, "__call__"),
        "model": (transformers.DPTForDepthEstimation, "forward"),
        "post_process": (transformers.DPTImageProcessor, "post_process_depth_estimation"),
    }[where]
    folder = of_type("dpt")
    depth = open_depth(f"hf:{folder}", Squares())
    monkeypatch.setattr(*target, fail)
    with pytest.raises(WsssError, match=rf"{folder} fails on image image-2 of 64×40 pixels: out of luck\. Leave"):
        depth(2)


@pytest.mark.parametrize("kind", ["relative", "metric"])
@pytest.mark.parametrize("size", [SIZE, (64, 40), (57, 57), (30, 90)])
def test_hub_models_give_a_map_of_the_size_of_the_image(tiny_model, kind: str, size: tuple[int, int]) -> None:
    depth = open_depth(f"hf:{tiny_model(kind)}", Squares(size=size))(0)
    assert depth.shape == size
    assert depth.dtype == np.float32
    assert (depth.min(), depth.max()) == (0, 1)
    assert len(np.unique(depth)) > 100
    assert not np.array_equal(depth, open_depth(f"hf:{tiny_model(kind)}", Squares(size=size))(1))


def test_relative_and_metric_output_are_opposite_in_order(tiny_model) -> None:
    near, far = (open_depth(f"hf:{tiny_model('relative')}", Squares(), kind)(0) for kind in ("inverse", "metric"))
    assert spearmanr(near.ravel(), far.ravel()).statistic < -0.99
    unstated = open_depth(f"hf:{tiny_model('relative')}", Squares())(0)
    np.testing.assert_array_equal(unstated, near)


def test_a_metric_model_says_so_itself(tiny_model) -> None:
    stated, unstated = (open_depth(f"hf:{tiny_model('metric')}", Squares(), kind)(0) for kind in ("metric", None))
    np.testing.assert_array_equal(stated, unstated)


def test_hub_models_see_the_image_as_it_is(tiny_model) -> None:
    """The map is what the model says of the image, resized, and nothing else."""
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    folder, data = tiny_model("relative"), Squares()
    inputs = AutoImageProcessor.from_pretrained(folder)(images=data[2].image, return_tensors="pt")
    with torch.inference_mode():
        raw = AutoModelForDepthEstimation.from_pretrained(folder)(**inputs).predicted_depth[None]
    resized = torch.nn.functional.interpolate(raw, size=SIZE, mode="bilinear")[0, 0].numpy()
    found = open_depth(f"hf:{folder}", data)(2)
    assert np.corrcoef(found.ravel(), resized.ravel())[0, 1] > 0.97


def test_a_model_is_loaded_when_it_is_first_needed_and_once(tiny_model, monkeypatch) -> None:
    from transformers import AutoModelForDepthEstimation

    folder, load, calls = tiny_model("relative"), AutoModelForDepthEstimation.from_pretrained, list[Any]()

    def remember(*given: Any, **more: Any) -> Any:
        calls.append(given)
        return load(*given, **more)

    monkeypatch.setattr(AutoModelForDepthEstimation, "from_pretrained", remember)
    depth = open_depth(f"hf:{folder}", Squares())
    assert not calls
    for index in (0, 1, 0):
        depth(index)
    assert calls == [(str(folder),)]


def test_threads_that_come_first_together_load_one_model(tiny_model, monkeypatch) -> None:
    from transformers import AutoModelForDepthEstimation

    folder, load, calls = tiny_model("relative"), AutoModelForDepthEstimation.from_pretrained, list[Any]()

    def slowly(*given: Any, **more: Any) -> Any:
        calls.append(given)
        time.sleep(0.2)
        return load(*given, **more)

    monkeypatch.setattr(AutoModelForDepthEstimation, "from_pretrained", slowly)
    depth = open_depth(f"hf:{folder}", Squares())
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(depth, (0, 1)))
    assert len(calls) == 1


@pytest.mark.parametrize("model", ["nobody/no-such-depth-model", "{folder}/gone", "{folder}"])
def test_models_that_are_not_there_are_named(tmp_path: Path, model: str) -> None:
    model = model.format(folder=tmp_path)
    with pytest.raises(WsssError, match=rf"cannot load depth model {re.escape(model)}: .*hf:DIR.*files:DIR") as caught:
        open_depth(f"hf:{model}", Squares())(0)
    assert "\n" not in str(caught.value)


def test_a_folder_of_another_kind_of_model_is_named(tmp_path: Path) -> None:
    from transformers import BertConfig, DPTImageProcessor

    BertConfig().save_pretrained(tmp_path)
    DPTImageProcessor().save_pretrained(tmp_path)
    with pytest.raises(WsssError, match=f"cannot load depth model {re.escape(str(tmp_path))}"):
        open_depth(f"hf:{tmp_path}", Squares())(0)


@pytest.mark.parametrize(
    ("model_type", "more", "kind"),
    [
        ("depth_anything", {"depth_estimation_type": "relative"}, "inverse"),
        ("depth_anything", {"depth_estimation_type": "metric"}, "metric"),
        ("depth_anything", {}, "inverse"),
        ("zoedepth", {}, "metric"),
        ("depth_pro", {}, "metric"),
        ("glpn", {}, "metric"),
        ("prompt_depth_anything", {}, "metric"),
        ("tipsv2_dpt", {}, "metric"),
        ("dpt", {}, "inverse"),
        ("dpt", {"backbone_config": None}, "inverse"),
        ("dpt", {"backbone_config": SimpleNamespace(model_type="bit")}, "inverse"),
        ("dpt", {"backbone_config": SimpleNamespace(model_type="dinov2")}, "metric"),
    ],
)
def test_what_is_known_of_models(model_type: str, more: dict[str, Any], kind: str) -> None:
    assert model_kind(SimpleNamespace(model_type=model_type, **more)) == kind


@pytest.mark.parametrize(
    ("name", "settings", "kind"),
    [
        ("DepthAnythingConfig", {}, "inverse"),
        ("DepthAnythingConfig", {"depth_estimation_type": "metric"}, "metric"),
        ("ZoeDepthConfig", {}, "metric"),
        ("DepthProConfig", {}, "metric"),
        ("GLPNConfig", {}, "metric"),
        ("DPTConfig", {}, "inverse"),
        ("DPTConfig", {"is_hybrid": True}, "inverse"),
        ("DPTConfig", {"backbone_config": {"model_type": "dinov2"}}, "metric"),
    ],
)
def test_the_library_names_its_models_so(name: str, settings: dict[str, Any], kind: str) -> None:
    import transformers

    assert model_kind(getattr(transformers, name)(**settings)) == kind


def test_the_kind_of_unknown_models_is_stated_never_guessed() -> None:
    with pytest.raises(WsssError, match=r"whether magic predicts distance.*--depth-kind metric\|inverse"):
        model_kind(SimpleNamespace(model_type="magic"))


def test_predictions_are_kept_as_16_bit_pictures(tmp_path: Path) -> None:
    data, calls = Squares(), list[int]()

    def estimate(index: int) -> np.ndarray:
        calls.append(index)
        return np.random.default_rng(index).uniform(0, 1, SIZE).astype(np.float32)

    depth = cached(estimate, data, tmp_path / "maps")
    first = [depth(index) for index in (0, 2)]
    assert calls == [0, 2]
    assert {path.name for path in (tmp_path / "maps").iterdir()} == {"image-0.png", "image-2.png"}
    with Image.open(tmp_path / "maps" / "image-0.png") as picture:
        assert picture.mode.startswith("I;16")
        assert picture.size == SIZE[::-1]
    again = [cached(estimate, data, tmp_path / "maps")(index) for index in (0, 2)]
    assert calls == [0, 2]
    for one, other, index in zip(first, again, (0, 2), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, estimate(index), atol=1 / 65535)
        assert 0 <= one.min() < one.max() <= 1


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    calls: list[int] = []

    def estimate(index: int) -> np.ndarray:
        calls.append(index)
        return np.zeros(SIZE, np.float32)

    depth = cached(estimate, Squares(), None)
    depth(1)
    depth(1)
    assert calls == [1, 1]
    assert not list(tmp_path.iterdir())


def test_models_and_kinds_have_a_folder_each(tiny_model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    specs = [(kind, stated) for kind in ("relative", "metric") for stated in ("inverse", "metric")]
    plain = [open_depth(f"hf:{tiny_model(kind)}", Squares(), stated)(0) for kind, stated in specs]
    opened = [open_depth(f"hf:{tiny_model(kind)}", Squares(), stated, cache=tmp_path) for kind, stated in specs]
    for depth, wanted in zip(opened, plain, strict=True):
        np.testing.assert_allclose(depth(0), wanted, atol=1 / 65535)
    assert len(list(tmp_path.iterdir())) == len(specs)
    assert len(list(tmp_path.glob("*/image-0.png"))) == len(specs)
    monkeypatch.setattr(estimators, "normalise_inverse_depth", lambda *_: pytest.fail("predicted again"))
    for (kind, stated), wanted in zip(specs, plain, strict=True):
        again = open_depth(f"hf:{tiny_model(kind)}", Squares(), stated, cache=tmp_path)(0)
        np.testing.assert_allclose(again, wanted, atol=1 / 65535)


def network(seed: int, trained_on: tuple[str, ...]) -> DepthNetwork:
    torch.manual_seed(seed)
    half = (0.5, 0.5, 0.5)
    return DepthNetwork.build("test_efficientnet", half, half, 64, trained_on)


@pytest.fixture
def checkpoint(tmp_path: Path) -> tuple[Path, dict[str, DepthNetwork]]:
    """Networks that have seen images 0 and 1 (`all`), 1 (`fold 0`) and 0 (`fold 1`)."""
    path = tmp_path / "depth.safetensors"
    paths = {"all": path, **{f"fold {number}": fold_path(path, number) for number in range(FOLDS)}}
    seen = {"all": ("image-0", "image-1"), "fold 0": ("image-1",), "fold 1": ("image-0",)}
    networks = {name: network(seed, seen[name]) for seed, name in enumerate(paths)}
    for name, each in networks.items():
        save_depth_network(paths[name], each)
    return path, networks


def test_folds_lie_beside_their_checkpoint() -> None:
    paths = [fold_path(Path("/x/depth.safetensors"), number) for number in range(FOLDS)]
    assert paths == [Path("/x/depth.fold0.safetensors"), Path("/x/depth.fold1.safetensors")]


@pytest.mark.parametrize(("index", "who"), [(0, "fold 0"), (1, "fold 1"), (2, "all")])
def test_depth_is_predicted_by_a_network_that_has_not_seen_it(checkpoint, index: int, who: str) -> None:
    path, networks = checkpoint
    data = Squares()
    wanted = {
        name: normalise_inverse_depth(predict_inverse_depth(each, data[index].image)) for name, each in networks.items()
    }
    for estimate in (learned_depth(path, data), open_depth(f"learned:{path}", data)):
        found = estimate(index)
        assert [name for name, each in wanted.items() if np.array_equal(each, found)] == [who]
        assert found.shape == SIZE


def test_depth_that_every_network_has_seen_is_refused(checkpoint) -> None:
    path, _ = checkpoint
    fold_path(path, 0).unlink()
    depth = learned_depth(path, Squares())
    depth(1)
    with pytest.raises(WsssError, match=r"depth\.safetensors was trained on an image image-0.*train-depth --folds"):
        depth(0)


def test_a_missing_network_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone.safetensors"
    with pytest.raises(WsssError, match=r"gone\.safetensors.*train-depth"):
        learned_depth(path, Squares())(0)
    with pytest.raises(WsssError, match=r"gone\.safetensors"):
        open_depth(f"learned:{path}", Squares(), cache=tmp_path)(0)


def test_predictions_of_other_weights_are_kept_apart(checkpoint, tmp_path: Path) -> None:
    path, networks = checkpoint
    first = open_depth(f"learned:{path}", Squares(), cache=tmp_path / "cache")(2)
    save_depth_network(path, networks["fold 0"])
    second = open_depth(f"learned:{path}", Squares(), cache=tmp_path / "cache")(2)
    assert not np.array_equal(first, second)
    assert len(list((tmp_path / "cache").glob("*/image-2.png"))) == 2
