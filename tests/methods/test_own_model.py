"""`DepthCAM(model)` with classifiers of other libraries: what it gives, what it costs, what it refuses."""

import copy
import importlib
import json
import pickle
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
import transformers
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from wsss import DepthCAM
from wsss.data.palette import voc_palette
from wsss.errors import WsssError
from wsss.methods.choice import Choice
from wsss.methods.evidence import Look
from wsss.methods.fusion import fuse
from wsss.methods.parameters import CropParameters, FusionParameters
from wsss.methods.presets import MEASURED_DEPTH, read_preset
from wsss.methods.registry import METHODS

SIDE, HEIGHT, WIDTH = 64, 80, 120
NAMES = ("bicycle", "car", "moped", "tram", "bus", "boat", "horse")
HALF = (0.5, 0.5, 0.5)
PRESET = read_preset(MEASURED_DEPTH)
CROPS = Choice(FusionParameters(crop_weight=1.0), 0.3, None, 0)


class Case(NamedTuple):
    """A classifier, what it is told, its last feature maps and linear layer (None: maps of gradients), and whether it
    takes images of one size alone."""

    model: nn.Module
    told: dict[str, Any]
    features: str
    head: str | None
    tokens: bool = False
    fixed: bool = False


def made(name: str) -> Case:
    library, _, kind = name.partition(" ")
    classes, told = len(NAMES), {"mean": HALF, "std": HALF, "size": SIDE}
    if library == "torchvision":
        layers = {
            "resnet18": ("layer4", "fc"),
            "regnet_y_400mf": ("trunk_output", "fc"),
            "efficientnet_b0": ("features", "classifier.1"),
            "mobilenet_v2": ("features", "classifier.1"),
            "densenet121": ("features.norm5", "classifier"),
        }
        return Case(torchvision.models.get_model(kind, weights=None, num_classes=classes), told, *layers[kind])
    if library == "timm":
        its: dict[str, tuple[str, str | None]] = {
            "tf_efficientnet_lite0": ("bn2", "classifier"),
            "mobilenetv3_small_050": ("blocks", None),
            "swin_tiny_patch4_window7_224": ("norm", "head.fc"),
        }
        swin = kind.startswith("swin")
        more: dict[str, Any] = {"img_size": SIDE, "window_size": 2, "depths": (1, 1, 1, 1)} if swin else {}
        return Case(timm.create_model(kind, num_classes=classes, **more), {"size": SIDE}, *its[kind], swin, swin)
    widths: dict[str, Any] = {"embedding_size": 16, "hidden_sizes": [16, 32, 32, 48], "depths": [1, 1, 1, 1]}
    small: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": SIDE}
    config = transformers.AutoConfig.for_model(kind, num_labels=classes, **(widths if kind == "resnet" else small))
    model = transformers.AutoModelForImageClassification.from_config(config)
    if kind == "resnet":
        return Case(model, told, "resnet.encoder.stages.3", "classifier.1")
    return Case(model, told, "vit.layers.2.layernorm_before", None, True)


TEN = (
    "torchvision resnet18",
    "torchvision regnet_y_400mf",
    "torchvision efficientnet_b0",
    "torchvision mobilenet_v2",
    "torchvision densenet121",
    "timm tf_efficientnet_lite0",
    "timm mobilenetv3_small_050",
    "timm swin_tiny_patch4_window7_224",
    "transformers resnet",
    "transformers vit",
)


BY_GRADIENTS = ("timm mobilenetv3_small_050", "transformers vit")
"""Those whose maps come from gradients: their mean is not the logit."""


@pytest.fixture(scope="module", params=TEN)
def case(request: pytest.FixtureRequest) -> Case:
    torch.manual_seed(0)
    one = made(request.param)
    norms = [module for module in one.model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the statistics of one batch: as they are made, they let activations fade to nothing
    with torch.no_grad():
        logits_of(one.model.train(), torch.randn(4, 3, SIDE, SIDE))
    return one


@pytest.fixture(scope="module")
def image() -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).integers(0, 60, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    noise[20:60, 40:90] += np.array([150, 90, 20], np.uint8)
    return noise


@pytest.fixture(scope="module")
def disparity() -> NDArray[np.float32]:
    rows = np.linspace(5, 20, HEIGHT, dtype=np.float32)[:, None].repeat(WIDTH, axis=1)
    rows[20:60, 40:90] = 50
    rows[:3, :3] = np.inf  # as skimage's measured disparity has it, where nothing was measured
    return rows


@pytest.fixture
def resnet() -> nn.Module:
    torch.manual_seed(0)
    return torchvision.models.resnet18(weights=None, num_classes=len(NAMES))


@pytest.fixture
def cam(resnet: nn.Module) -> DepthCAM:
    return DepthCAM(resnet, classes=NAMES, mean=HALF, std=HALF, size=SIDE)


class Passes:
    """The batches that a model is given, while it is asked."""

    def __init__(self, model: nn.Module) -> None:
        self.batches: list[Tensor] = []
        self._hook = model.register_forward_pre_hook(lambda _m, inputs: self.batches.append(inputs[0].detach().clone()))

    def __enter__(self) -> "Passes":
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()


def test_three_lines(case: Case, image: NDArray[np.uint8], disparity: NDArray[np.float32], tmp_path: Path) -> None:
    """Scores, plain map, label, figure and files; and no more passes than those of the preset and a plain one."""
    cam = DepthCAM(case.model, classes=NAMES, **case.told)
    with Passes(case.model) as passes:
        result = cam(image, classes=["moped", "car"], depth=disparity, kind="inverse")
        plain = result.plain
    scales = (1.0,) if case.fixed else PRESET.crops.scales
    assert PRESET.choice("depth").parameters.crop_weight == 0  # so there is no pass of crops
    assert [len(batch) for batch in passes.batches] == [1] * len({*scales, 1.0})
    assert result.scores.shape == plain.shape == (2, HEIGHT, WIDTH)
    assert result.scores.dtype == plain.dtype == np.float32
    assert float(result.scores.min()) >= 0
    assert float(result.scores.max()) <= 1
    assert (result.names, result.classes.tolist()) == (("moped", "car"), [3, 2])
    assert set(np.unique(result.label(0.4))) <= {0, 2, 3}
    assert result.threshold == PRESET.choice("depth").threshold
    assert isinstance(result.plot(), Figure)
    assert sorted(path.name for path in result.save(tmp_path / "out").iterdir()) == [
        "figure.png",
        "label.png",
        "result.json",
        "scores.npz",
    ]


def test_those_by_gradients_are_known() -> None:
    assert tuple(name for name in TEN if made(name).head is None) == BY_GRADIENTS


@pytest.mark.parametrize("case", [name for name in TEN if name not in BY_GRADIENTS], indirect=True)
def test_the_mean_of_the_maps_is_the_logit(case: Case, image: NDArray[np.uint8]) -> None:
    cam = DepthCAM(case.model, classes=NAMES, **case.told)
    with Passes(case.model) as passes:
        cells = cam.look("image", image, [2, 1]).levels((1.0,), False).cells[0]
    (batch,) = passes.batches
    with torch.no_grad():
        logits = logits_of(case.model.eval(), batch)[0]
    torch.testing.assert_close(cells.mean((1, 2)), logits[[2, 1]], rtol=1e-4, atol=1e-4 * float(logits.abs().max()))


def logits_of(model: nn.Module, batch: Tensor) -> Tensor:
    output: Any = model(batch, interpolate_pos_encoding=True) if "ViT" in type(model).__name__ else model(batch)
    return output if isinstance(output, Tensor) else output.logits


def plain_cam(case: Case, batch: Tensor, output: int) -> Tensor:
    """Features × weights of the linear layer, or LayerCAM, rectified, resized, stretched to [0, 1]: by hooks."""
    found: list[Tensor] = []
    model = case.model.eval()
    with torch.enable_grad():
        hook = model.get_submodule(case.features).register_forward_hook(lambda _m, _i, out: found.append(out))
        score = logits_of(model, batch)[0, output]
        hook.remove()
        features = found[-1]
        if case.head:
            head: Any = model.get_submodule(case.head)
            cells = features.permute(0, 3, 1, 2) if case.tokens else features
            weighted = (cells * head.weight[output][:, None, None]).sum(dim=1)
        else:
            (gradient,) = torch.autograd.grad(score, features)
            weighted = gradient.relu() * features
            if case.tokens:
                height, width = batch.shape[2] // 16, batch.shape[3] // 16
                weighted = weighted[:, 1:].reshape(1, height, width, -1).permute(0, 3, 1, 2)
            weighted = weighted.sum(dim=1)
    one = weighted.relu().detach()
    return stretched(F.interpolate(one[None], size=(HEIGHT, WIDTH), mode="bilinear", align_corners=False)[0, 0])


def stretched(one: Tensor) -> Tensor:
    return (one - one.min()) / (one.max() - one.min()).clamp_min(1e-7)


def test_the_plain_map_is_the_plain_cam(case: Case, image: NDArray[np.uint8]) -> None:
    cam = DepthCAM(case.model, classes=NAMES, **case.told)
    result = cam(image, [5, 0])
    with Passes(case.model) as passes:
        plain = result.plain
    (batch,) = passes.batches  # of the mirrored passes of `cam` none is plain
    for row, output in zip(plain, (5, 0), strict=True):
        np.testing.assert_allclose(row, plain_cam(case, batch, output).numpy(), atol=2e-4)


@pytest.mark.parametrize("package", ["pytorch_grad_cam", "torchcam.methods"])
def test_the_plain_map_is_that_of_the_packages(package: str, case: Case, image: NDArray[np.uint8]) -> None:
    library = pytest.importorskip(package, exc_type=ImportError)
    if (package, type(case.model).__name__) == ("pytorch_grad_cam", "DenseNet"):
        pytest.skip("its GradCAM averages gradients over cells that a rectifier follows: it is no plain CAM there")
    square = image[:SIDE, :SIDE]  # of the size of its pass: nobody resizes a map twice
    cam = DepthCAM(case.model, classes=NAMES, **case.told)
    with Passes(case.model) as passes, torch.no_grad():
        plain = cam.plain(square, [4])
    (batch,) = passes.batches
    assert batch.shape[2:] == (SIDE, SIDE)
    wrapped, named = Logits(case.model.eval()), f"model.{case.features}"
    more = {"reshape_transform": partial(cells_of, case)} if case.tokens or not case.head else {}
    if package == "pytorch_grad_cam":  # the gradient of a pooled and weighted map is the weight: both are the same
        targets = importlib.import_module("pytorch_grad_cam.utils.model_targets")
        method = library.GradCAM if case.head else library.LayerCAM
        with method(wrapped, [wrapped.get_submodule(named)], **more) as theirs:
            found = torch.from_numpy(theirs(input_tensor=batch, targets=[targets.ClassifierOutputTarget(4)]))
    elif case.head:
        with library.CAM(wrapped, named, f"model.{case.head}", **more) as theirs:
            wrapped(batch)
            found = theirs(4, normalized=False)[0].relu()
    else:
        with library.LayerCAM(wrapped, named, **more) as theirs:
            found = theirs(4, wrapped(batch), normalized=False)[0]
    expected = F.interpolate(found[None], size=(SIDE, SIDE), mode="bilinear", align_corners=False)[0, 0]
    np.testing.assert_allclose(plain[0], stretched(expected).numpy(), atol=1e-3)


LAYERS = {
    "torchvision resnet18": "layer2",
    "torchvision densenet121": "features.transition2",
    "timm mobilenetv3_small_050": "blocks.2.0",
    "timm swin_tiny_patch4_window7_224": "layers.1",
    "transformers resnet": "resnet.encoder.stages.1",
    "transformers vit": "vit.layers.1",
}
"""Layers that somebody might name."""


@pytest.mark.parametrize("name", LAYERS)
def test_maps_of_a_layer_that_is_named_are_layercam(name: str, image: NDArray[np.uint8]) -> None:
    torch.manual_seed(0)
    case = made(name)._replace(features=LAYERS[name], head=None)
    logits_of(case.model.train(), torch.randn(4, 3, SIDE, SIDE))
    library = pytest.importorskip("pytorch_grad_cam")
    targets = importlib.import_module("pytorch_grad_cam.utils.model_targets")
    square = image[:SIDE, :SIDE]
    cam = DepthCAM(case.model, classes=NAMES, layer=LAYERS[name], **case.told)
    with Passes(case.model) as passes, torch.no_grad():
        plain = cam.plain(square, [4])
    wrapped, more = Logits(case.model.eval()), {"reshape_transform": partial(cells_of, case)}
    with library.LayerCAM(wrapped, [wrapped.get_submodule(f"model.{LAYERS[name]}")], **more) as theirs:
        found = theirs(input_tensor=passes.batches[0], targets=[targets.ClassifierOutputTarget(4)])
    expected = F.interpolate(torch.from_numpy(found)[None], size=(SIDE, SIDE), mode="bilinear")[0, 0]
    np.testing.assert_allclose(plain[0], stretched(expected).numpy(), atol=1e-3)
    result = cam(image, [4, 0], method="zoom")
    assert result.facts["model"]["maps"] == f"LayerCAM of {LAYERS[name]}"
    assert result.scores.shape == (2, HEIGHT, WIDTH)


def test_every_method_of_the_preset_takes_a_network_of_one_size(image: NDArray[np.uint8]) -> None:
    torch.manual_seed(0)
    case = made("timm swin_tiny_patch4_window7_224")
    cam = DepthCAM(case.model, classes=NAMES, activation="softmax", **case.told)
    depth = np.linspace(1, 2, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    for name in PRESET.choices:
        more: dict[str, Any] = {"depth": depth, "kind": "metric"} if METHODS[name].uses_depth else {}
        assert cam(image, [4], method=name, **more).scores.shape == (1, HEIGHT, WIDTH)


def test_a_layer_without_maps_is_refused(resnet: nn.Module) -> None:
    told: dict[str, Any] = {"classes": NAMES, "mean": HALF, "std": HALF, "size": SIDE}
    with pytest.raises(WsssError, match=r"ResNet has no layer 'layer5' that gives a tensor: name .* such as layer\d"):
        DepthCAM(resnet, layer="layer5", **told)
    with pytest.raises(WsssError, match="ResNet has no layer '' that"):
        DepthCAM(resnet, layer="", **told)
    for layer in ("avgpool", "fc"):
        with pytest.raises(WsssError, match=f"the outputs of {layer} are no maps of cells"):
            DepthCAM(resnet, layer=layer, **told)


class Logits(nn.Module):
    """A classifier of transformers returns an object, which the packages do not take."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Tensor) -> Tensor:
        return logits_of(self.model, batch)


def cells_of(case: Case, output: Tensor) -> Tensor:
    """Feature maps `(N,D,h,w)` of an image of `SIDE`."""
    if output.dim() == 3:
        side = SIDE // 16
        return output[:, 1:].transpose(1, 2).unflatten(2, (side, side))
    return output.permute(0, 3, 1, 2) if case.tokens else output


def test_the_plain_map_alone_takes_one_pass(resnet: nn.Module, cam: DepthCAM, image: NDArray[np.uint8]) -> None:
    with Passes(resnet) as passes:
        plain = cam.plain(Image.fromarray(image), ["tram", "car"])
    assert [len(batch) for batch in passes.batches] == [1]
    assert plain.dtype == np.float32
    np.testing.assert_array_equal(plain, cam(image, ["tram", "car"]).plain)
    with pytest.raises(WsssError, match=r"classes are None, .* activation='softmax'"):
        cam.plain(image)


@pytest.mark.parametrize(
    ("method", "scales", "images", "more"),
    [
        ("cam", (0.5, 1.0, 1.5, 2.0), 2, []),
        ("rgb-region", PRESET.colour.scales, 1, []),
        ("grid", PRESET.crops.scales, 1, [PRESET.crops.count]),
    ],
)
def test_passes_of_other_methods(
    cam: DepthCAM, resnet: nn.Module, image: NDArray[np.uint8], method: str, scales: Sequence[float], images: int,
    more: list[int],
) -> None:  # fmt: skip
    cam = replace(cam, info=replace(cam.info, activation="sigmoid"), choices={"grid": CROPS})
    with Passes(resnet) as passes:
        result = cam(image, ["tram"], method=method)
        batches = [images] * len(scales) + more
        assert [len(batch) for batch in passes.batches] == batches
        _ = result.plain, result.plain
    plain = [] if 1.0 in scales and images == 1 else [1]
    assert [len(batch) for batch in passes.batches] == batches + plain


@pytest.mark.parametrize("method", [name for name, one in METHODS.items() if one.crops and name != "oracle-box"])
def test_crops_without_a_weight_are_not_looked_at(
    cam: DepthCAM, image: NDArray[np.uint8], disparity: NDArray[np.float32], method: str
) -> None:
    """And the scores are those that they would have been."""
    unweighted = Choice(FusionParameters(vote=0.75, colour=0.5, reach=0.9), 0.3, None, 0)
    found = replace(cam, choices={method: unweighted})(image, ["tram"], depth=disparity, kind="inverse", method=method)
    assert found.look is not None
    look = Look(cam.model, cam.info, image, found.look.present, cam.device)
    whole = cam.gathered(method, look, found.depth)
    assert (found.evidence.plan, len(whole.plan)) == ((), cam.crops.count)
    assert found.evidence.megapixels < whole.megapixels
    np.testing.assert_array_equal(found.scores, fuse(whole, unweighted.parameters).numpy())


def test_every_form_of_an_image_gives_the_same(cam: DepthCAM, image: NDArray[np.uint8], tmp_path: Path) -> None:
    Image.fromarray(image).save(tmp_path / "photo.png")
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    forms: list[Any] = [tensor, tensor / 255, Image.fromarray(image), tmp_path / "photo.png"]
    expected = cam(image, ["tram"], method="rgb-region").scores
    for form in forms:
        np.testing.assert_array_equal(cam(form, ["tram"], method="rgb-region").scores, expected)


def test_several_images(cam: DepthCAM, image: NDArray[np.uint8], disparity: NDArray[np.float32]) -> None:
    batch = torch.from_numpy(np.stack([image, image[:, ::-1].copy()])).permute(0, 3, 1, 2)
    results = list(cam.each(batch, ["car"], depth=[disparity, disparity[:, ::-1]], kind="inverse"))
    np.testing.assert_array_equal(results[0].scores, cam(image, ["car"], depth=disparity, kind="inverse").scores)
    assert len(results) == 2
    with pytest.raises(WsssError, match="depth has 1 maps, and there are more images"):
        list(cam.each(batch, ["car"], depth=[disparity], kind="inverse"))
    with pytest.raises(WsssError, match="depth has more maps than there are images"):
        list(cam.each(batch[:1], ["car"], depth=[disparity] * 2, kind="inverse"))


def test_crops_count_as_much_as_the_activation_says(
    resnet: nn.Module, image: NDArray[np.uint8], disparity: NDArray[np.float32]
) -> None:
    told: dict[str, Any] = {"classes": NAMES, "mean": HALF, "std": HALF, "size": SIDE}
    found = {}
    for activation in ("softmax", "sigmoid"):
        cam = DepthCAM(resnet, activation=activation, **told)
        with Passes(resnet) as passes:
            found[activation] = cam(image, ["moped", "car"], depth=disparity, kind="inverse", method="crop-only")
        with torch.no_grad():
            logits = resnet.eval()(passes.batches[-1])
        expected = logits.softmax(1) if activation == "softmax" else logits.sigmoid()
        probabilities = found[activation].evidence.crop_probabilities
        assert probabilities is not None
        torch.testing.assert_close(probabilities, expected[:, [2, 1]], rtol=1e-4, atol=1e-5)
    assert not np.allclose(found["softmax"].scores, found["sigmoid"].scores, atol=1e-3)
    unsaid = DepthCAM(resnet, **told)
    with pytest.raises(WsssError, match=r"crops count as much .* activation='softmax'"):
        unsaid(image, ["moped"], depth=disparity, kind="inverse", method="crop-only")
    assert unsaid(image, ["moped"], depth=disparity, kind="inverse").scores.any()  # its crops have no weight


def test_classes_that_are_not_named_are_the_likely_ones(resnet: nn.Module, image: NDArray[np.uint8]) -> None:
    told: dict[str, Any] = {"classes": NAMES, "mean": HALF, "std": HALF, "size": SIDE}
    softmax, sigmoid = (DepthCAM(resnet, activation=name, **told) for name in ("softmax", "sigmoid"))
    with Passes(resnet) as passes:
        names = softmax(image).names
    with torch.no_grad():
        logits = resnet.eval()(passes.batches[0]).mean(dim=0)  # the image and its mirror image
    assert names == (NAMES[int(logits.argmax())],)
    assert set(sigmoid(image).names) == {NAMES[index] for index in np.flatnonzero(logits.numpy() > 0)}
    with pytest.raises(WsssError, match=r"classes are None, .* activation='softmax'"):
        DepthCAM(resnet, **told)(image)


def test_more_likely_classes_than_labels_are_to_be_chosen_from(image: NDArray[np.uint8]) -> None:
    torch.manual_seed(0)
    with pytest.raises(WsssError, match="classes are likely, more than 254: say which by classes="):
        DepthCAM(timm.create_model("test_efficientnet"), activation="sigmoid")(image)


def test_of_more_classes_than_labels_those_that_are_asked_for_are_counted(image: NDArray[np.uint8]) -> None:
    torch.manual_seed(0)
    cam = DepthCAM(timm.create_model("test_efficientnet"))
    found = cam(image, ["moped", 3])
    assert len(cam.classes) == 1000
    assert found.names == ("moped", cam.classes[3])
    assert found.classes.tolist() == [1, 2]
    with pytest.raises(WsssError, match=r"does not know class 'motor'; of its 1000 classes these are like it: .*motor"):
        cam(image, ["motor"])


def test_own_settings_are_used(resnet: nn.Module, image: NDArray[np.uint8], disparity: NDArray[np.float32]) -> None:
    choice = Choice(FusionParameters(crop_weight=0.5, vote=0.25), 0.7, 0.0, 1, "file")
    cam = DepthCAM(
        resnet, classes=NAMES, mean=HALF, std=HALF, size=SIDE, activation="sigmoid", crops=CropParameters(count=5),
        choices={"depth": choice},
    )  # fmt: skip
    found = cam(image, ["car"], depth=disparity, kind="inverse")
    assert (found.threshold, len(found.evidence.plan)) == (0.7, 5)
    assert cam(image, ["car"]).threshold is None


def test_the_model_is_left_as_it_was(resnet: nn.Module, image: NDArray[np.uint8]) -> None:
    resnet.train()
    resnet.get_submodule("bn1").eval()
    modes = [module.training for module in resnet.modules()]
    before = {name: value.clone() for name, value in resnet.state_dict().items()}
    DepthCAM(resnet, classes=NAMES, mean=HALF, std=HALF, size=SIDE)(image, ["car"])
    assert [module.training for module in resnet.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in resnet.state_dict().items())
    assert not any(module._forward_hooks for module in resnet.modules())


def test_weights_of_torchvision_say_the_rest() -> None:
    weights = torchvision.models.ResNet18_Weights.DEFAULT
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cam = DepthCAM(torchvision.models.resnet18(weights=None), weights=weights)
    assert (cam.info.base_side, cam.info.activation, cam.classes[665]) == (224, "softmax", "moped")
    assert cam.info.mean == (0.485, 0.456, 0.406)


def test_three_lines_work_as_they_stand_for_a_model_that_says_nothing(
    image: NDArray[np.uint8], disparity: NDArray[np.float32]
) -> None:
    with pytest.warns(UserWarning, match="ResNet does not say how its images are normalised and sized") as caught:
        cam = DepthCAM(torchvision.models.resnet18(weights=None))
    assert caught[0].filename == __file__
    assert (cam.info.base_side, cam.info.mean[0], cam.info.activation) == (224, 0.485, "")
    result = cam(image, classes=[665], depth=disparity, kind="inverse")
    assert result.names == ("665",)
    assert result.label(0.4).shape == (HEIGHT, WIDTH)


def test_files_of_a_result(
    cam: DepthCAM, image: NDArray[np.uint8], disparity: NDArray[np.float32], tmp_path: Path
) -> None:
    Image.fromarray(image).save(tmp_path / "photo.png")
    np.save(tmp_path / "depth.npy", disparity)
    result = cam(tmp_path / "photo.png", ["tram", "car"], depth=tmp_path / "depth.npy", kind="inverse")
    result.save(tmp_path / "out", 0.3)
    with np.load(tmp_path / "out" / "scores.npz") as arrays:
        np.testing.assert_array_equal(arrays["scores"], result.scores)
        np.testing.assert_array_equal(arrays["plain"], result.plain)
        assert (arrays["classes"].tolist(), arrays["names"].tolist()) == ([4, 2], ["tram", "car"])
    with Image.open(tmp_path / "out" / "label.png") as label:
        np.testing.assert_array_equal(np.array(label), result.label(0.3))
        assert label.getpalette() == voc_palette().ravel().tolist()
    with Image.open(tmp_path / "out" / "figure.png") as figure:
        assert figure.width == pytest.approx(7.2 * 150, abs=2)
    facts = json.loads((tmp_path / "out" / "result.json").read_text())
    assert facts["labels"] == {"0": "background", "4": "tram", "2": "car"}
    assert facts["files"] == [str(tmp_path / "photo.png"), str(tmp_path / "depth.npy")]
    assert (facts["threshold"], facts["chosen"]["chosen_on"], facts["method"], facts["kind"]) == (
        0.3,
        "preset",
        "depth",
        "inverse",
    )
    assert facts["model"]["fixed"] is False
    assert (facts["model"]["name"], facts["model"]["maps"], facts["model"]["activation"]) == ("ResNet", "exact", None)


def test_saving_replaces_no_input_and_leaves_nothing_half(
    cam: DepthCAM, image: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(image).save(tmp_path / "label.png")
    result = cam(tmp_path / "label.png", ["car"])
    with pytest.raises(WsssError, match=r"label\.png, which is read: .* Give another folder"):
        result.save(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(WsssError, match="file is a file"):
        result.save(tmp_path / "file")
    with pytest.raises(WsssError, match="threshold must be a number from 0 to 1, not 3"):
        result.save(tmp_path / "out", 3)
    result.save(tmp_path / "out")
    monkeypatch.setattr(
        "wsss.methods.image_result.write_png", lambda *_: (_ for _ in ()).throw(WsssError("disk is full"))
    )
    with pytest.raises(WsssError, match="disk is full"):
        result.save(tmp_path / "out")
    assert not (tmp_path / "out" / "result.json").exists()
    assert not list((tmp_path / "out").glob(".*"))


def titles(figure: Figure) -> list[str]:
    return [ax.get_title() for ax in figure.axes if ax.get_title()]


def test_panels_of_the_figure(cam: DepthCAM, image: NDArray[np.uint8], disparity: NDArray[np.float32]) -> None:
    found = cam(image, ["tram", "car"], depth=disparity, kind="inverse")
    assert titles(found.plot()) == [
        "image", "plain CAM", "depth (bright is near)", "scores, depth", f"label, threshold {found.threshold:.2f}",
    ]  # fmt: skip
    weighted = replace(cam, info=replace(cam.info, activation="sigmoid"), choices={"depth": CROPS})
    assert titles(weighted(image, ["tram"], depth=disparity, kind="inverse").plot())[3] == f"{cam.crops.count} crops"
    assert [text.get_text() for text in found.plot().legends[0].get_texts()] == ["tram", "car"]
    assert titles(cam(image, ["tram"]).plot("tram", 0.2)) == [
        "image",
        "plain CAM",
        "scores, cam",
        "label, threshold 0.20",
    ]
    shown = found.plot("car").axes[1].images[1].get_array()
    np.testing.assert_array_equal(np.asarray(shown), found.plain[1])
    with pytest.raises(WsssError, match="does not know class 'bus'; it knows tram, car"):
        found.plot("bus")
    with pytest.raises(WsssError, match=r"a figure is of a class by its name, one of tram, car, not 0"):
        found.plot(0)  # type: ignore[arg-type]
    plain = DepthCAM(cam.model, cam.info, choices={})
    with pytest.warns(UserWarning, match="nothing was chosen for method 'grid'") as caught:
        result = plain(image, ["tram"], method="grid")
    assert caught[0].filename == __file__
    assert titles(result.plot())[-1] == "scores, grid"


def test_results_and_cams_are_copied_pickled_and_compared_as_things(
    image: NDArray[np.uint8], disparity: NDArray[np.float32]
) -> None:
    torch.manual_seed(0)
    cam = DepthCAM(nn.Conv2d(3, len(NAMES), 8, stride=8), classes=NAMES, mean=HALF, std=HALF, size=SIDE)
    result = cam(image, ["tram"], depth=disparity, kind="inverse")
    other = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(other.scores, result.scores)
    np.testing.assert_array_equal(other.plain, result.plain)
    again = copy.deepcopy(cam)(image, ["tram"], depth=disparity, kind="inverse")
    np.testing.assert_array_equal(again.scores, result.scores)
    assert result == result
    assert result != other
    assert len({result, other, result.evidence, result.look, cam}) == 5


def test_a_result_keeps_its_own_pixels(cam: DepthCAM, image: NDArray[np.uint8]) -> None:
    given = image.copy()
    result, expected = cam(given, ["tram"]), cam(image, ["tram"]).plain
    given[:] = 0
    np.testing.assert_array_equal(result.image, image)
    np.testing.assert_array_equal(result.plain, expected)
    np.testing.assert_array_equal(result.label(np.float32(0.5)), result.label(0.5))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "depth@shuffled"}, r"'depth@shuffled' names a source of depth, .* give method='depth' and depth="),
        ({"method": "oracle-box"}, "'oracle-box' needs the true boxes"),
        ({"method": 5}, "method must be the name of one, .* not 5"),
        ({"method": ""}, "unknown method ''"),
        ({"depth": None, "kind": "rubbish"}, "kind must be metric .* not 'rubbish'"),
        ({"depth": np.zeros((120, 90))}, "not the aspect ratio of the image"),
        ({"classes": 3}, r"classes must be a list, as in classes=\[3\]"),
    ],
)
def test_calls_that_cannot_be_what_they_say_are_refused(
    cam: DepthCAM, image: NDArray[np.uint8], disparity: NDArray[np.float32], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(WsssError, match=message) as caught:
        cam(image, **{"classes": ["car"], "depth": disparity, "kind": "inverse", **options})
    assert "\n" not in str(caught.value)


def test_arguments_whose_meaning_is_clear_are_taken(resnet: nn.Module, image: NDArray[np.uint8]) -> None:
    told: dict[str, Any] = {"mean": HALF, "std": HALF, "size": SIDE}
    cam = DepthCAM(resnet, classes=(name for name in NAMES), device="cpu", **told)
    assert (cam.classes, cam.device) == (NAMES, torch.device("cpu"))
    assert [one.names for one in cam.each([image] * 2, iter(["car"]))] == [("car",)] * 2
    with pytest.raises(WsssError, match=r"info must be .* not tuple: give names of classes as .*classes="):
        DepthCAM(resnet, NAMES, **told)  # type: ignore[arg-type]
    with pytest.raises(WsssError, match="device must be one of torch, such as 'cpu' or 'cuda', not 'gpu'"):
        DepthCAM(resnet, device="gpu", **told)


@pytest.mark.parametrize(
    ("model", "told", "message"),
    [
        ("resnet50", {}, r"model must be a torch\.nn\.Module, .* not str; .*from_checkpoint"),
        (
            nn.Conv2d(3, 2, 8),
            {"classes": ["a"], "mean": HALF, "std": HALF, "size": 64},
            "1 names, but the model 2 outputs",
        ),
        (
            nn.Conv2d(3, 1, 8),
            {"activation": "softmax", "mean": HALF, "std": HALF, "size": 64},
            "always 1: give .*sigmoid",
        ),
    ],
)
def test_what_is_no_classifier_is_named(model: Any, told: dict[str, Any], message: str) -> None:
    with pytest.raises(WsssError, match=message):
        DepthCAM(model, **told)
