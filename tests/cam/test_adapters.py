"""Class maps of other libraries' classifiers, against the formulas computed from hooks of the test's own."""

import copy
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
import transformers
from torch import Tensor, nn

from wsss.cam import passes
from wsss.cam.adapters import AdaptedClassifier
from wsss.cam.sites import Site
from wsss.errors import WsssError

SIDE = 64
CLASSES = 7


class Case(NamedTuple):
    """A classifier, and what its authors say of it: the layers around its pooling, or the target of gradient maps."""

    build: Callable[[], nn.Module]
    features: str
    head: str | None
    layout: str = "maps"
    prefixes: int = 0


def vision(name: str, **more: Any) -> Callable[[], nn.Module]:
    return lambda: torchvision.models.get_model(name, weights=None, num_classes=CLASSES, **more)


def of_timm(name: str, **more: Any) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, num_classes=CLASSES, **more)


def hugging(name: str, **more: Any) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        config = transformers.AutoConfig.for_model(name, num_labels=CLASSES, **more)
        model: nn.Module = transformers.AutoModelForImageClassification.from_config(config)
        return model

    return build


SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
WIDTHS = {"hidden_sizes": [16, 32, 32, 48], "depths": [1, 1, 1, 1]}
SWIN = {"embed_dim": 24, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 3, 4], "image_size": SIDE, "window_size": 2}

CASES = {
    "torchvision resnet18": Case(vision("resnet18"), "layer4", "fc"),
    "torchvision regnet_y_400mf": Case(vision("regnet_y_400mf"), "trunk_output", "fc"),
    "torchvision efficientnet_b0": Case(vision("efficientnet_b0"), "features", "classifier.1"),
    "torchvision mobilenet_v2": Case(vision("mobilenet_v2"), "features", "classifier.1"),
    "torchvision densenet121": Case(vision("densenet121"), "features.norm5", "classifier"),
    "torchvision swin_t": Case(vision("swin_t"), "permute", "head"),
    "torchvision mobilenet_v3_small": Case(vision("mobilenet_v3_small"), "features", None),
    "timm tf_efficientnet_lite0": Case(of_timm("tf_efficientnet_lite0"), "bn2", "classifier"),
    "timm regnety_002": Case(of_timm("regnety_002"), "final_conv", "head.fc"),
    "timm convnext_atto": Case(of_timm("convnext_atto"), "stages", None),
    "timm vit_tiny_patch16_224": Case(
        of_timm("vit_tiny_patch16_224", img_size=SIDE), "blocks.11.norm1", None, "tokens", 1
    ),
    "hf resnet": Case(hugging("resnet", embedding_size=16, **WIDTHS), "resnet.encoder", "classifier.1"),
    "hf swin": Case(hugging("swin", **SWIN), "swin.layernorm", "classifier", "tokens"),
    "hf vit": Case(hugging("vit", image_size=SIDE, **SMALL), "vit.layers.2.layernorm_before", None, "tokens", 1),
    "hf convnext": Case(hugging("convnext", **WIDTHS), "convnext.encoder", None),
}
EXACT = [name for name, case in CASES.items() if case.head]
BY_GRADIENT = [name for name, case in CASES.items() if not case.head]


@cache
def built(name: str) -> nn.Module:
    torch.manual_seed(0)
    return CASES[name].build()


def model_of(name: str) -> nn.Module:
    """A copy: drawing the weights takes longer."""
    return copy.deepcopy(built(name))


@pytest.fixture(params=CASES)
def named(request: pytest.FixtureRequest) -> tuple[str, Case, nn.Module]:
    return request.param, CASES[request.param], model_of(request.param)


def logits_of(model: nn.Module, images: Tensor) -> Tensor:
    output: Any = model(images)
    return output if isinstance(output, Tensor) else output.logits


def tensor_of(output: Any) -> Tensor:
    return output if isinstance(output, Tensor) else output.last_hidden_state


def cells_of(output: Tensor, case: Case, images: Tensor) -> Tensor:
    if case.layout == "maps":
        return output
    tokens = output[:, case.prefixes :]
    side = round(tokens.shape[1] ** 0.5)
    assert images.shape[2] == images.shape[3]
    return tokens.reshape(len(tokens), side, side, -1).permute(0, 3, 1, 2)


def reference(case: Case, model: nn.Module, images: Tensor, present: list[int]) -> Tensor:
    """The maps as the papers have them, by hooks and a backward pass of the test's own."""
    found: list[Tensor] = []
    model.eval()
    hook = model.get_submodule(case.features).register_forward_hook(lambda _m, _i, out: found.append(tensor_of(out)))
    logits = logits_of(model, images)
    hook.remove()
    features = found[-1]
    if case.head:
        head: Any = model.get_submodule(case.head)
        cells = cells_of(features, case, images)
        return torch.einsum("ndhw,kd->nkhw", cells, head.weight[present]) + head.bias[present][:, None, None]
    maps = []
    for output in present:
        (gradient,) = torch.autograd.grad(logits[:, output].sum(), features, retain_graph=True)
        maps.append(cells_of(gradient.relu() * features, case, images).sum(dim=1))
    stacked = torch.stack(maps, dim=1).relu()
    return stacked * stacked[0, 0].numel()


def test_maps_are_those_of_the_papers(named: tuple[str, Case, nn.Module]) -> None:
    name, case, model = named
    adapted = AdaptedClassifier(model, SIDE)
    images = torch.randn(2, 3, SIDE, SIDE)
    maps, logits = adapted.present_maps(images, [4, 1])
    expected = reference(case, model, images, [4, 1]).detach()
    assert adapted.exact == (name in EXACT)
    scale = float(expected.abs().amax())
    torch.testing.assert_close(maps, expected, rtol=1e-4, atol=1e-4 * scale)
    torch.testing.assert_close(logits, logits_of(model.eval(), images).detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", EXACT)
def test_the_mean_of_the_maps_is_the_logit(name: str) -> None:
    model = model_of(name)
    adapted = AdaptedClassifier(model, SIDE)
    images = torch.randn(2, 3, SIDE, SIDE) if adapted.fixed else torch.randn(2, 3, 96, 128)
    maps = adapted(images)
    logits = logits_of(model.eval(), images)
    assert maps.shape[1] == CLASSES
    torch.testing.assert_close(maps.mean(dim=(2, 3)), logits, rtol=1e-4, atol=1e-4 * float(logits.detach().abs().max()))
    assert maps.shape[2:] == ((2, 2) if adapted.fixed else (3, 4))


def test_the_network_is_left_as_it_was(named: tuple[str, Case, nn.Module]) -> None:
    model = named[2]
    model.train()
    part = next(iter(model.children())).eval()
    modes = [module.training for module in model.modules()]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    chance = torch.random.get_rng_state()
    adapted = AdaptedClassifier(model, SIDE)
    adapted.present_maps(torch.zeros(1, 3, SIDE, SIDE), [0, 1], flip=True)
    assert [module.training for module in model.modules()] == modes
    assert not part.training
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.modules())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), chance)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("name", [EXACT[0], BY_GRADIENT[0]])
def test_a_pass_that_fails_leaves_nothing_behind(name: str) -> None:
    model = model_of(name).train()
    adapted = AdaptedClassifier(model, SIDE)
    with pytest.raises(RuntimeError):
        adapted.present_maps(torch.zeros(1, 5, SIDE, SIDE), [0])
    assert model.training
    assert all(not module._forward_hooks for module in model.modules())
    assert torch.is_grad_enabled()


def test_one_forward_pass_makes_the_maps(named: tuple[str, Case, nn.Module]) -> None:
    adapted = AdaptedClassifier(named[2], SIDE)
    batches: list[int] = []
    named[2].register_forward_pre_hook(lambda _m, inputs: batches.append(len(inputs[0])))
    adapted.present_maps(torch.zeros(3, 3, SIDE, SIDE), [0, 1, 2])
    adapted.present_maps(torch.zeros(1, 3, SIDE, SIDE), [5], flip=True)
    assert batches == [3, 2]


def test_flip_is_the_mean_with_the_mirror_image(named: tuple[str, Case, nn.Module]) -> None:
    adapted = AdaptedClassifier(named[2], SIDE)
    image = torch.randn(1, 3, SIDE, SIDE)
    maps, logits = adapted.present_maps(image, [2], flip=True)
    one, first = adapted.present_maps(image, [2])
    other, second = adapted.present_maps(image.flip(3), [2])
    torch.testing.assert_close(maps, (one + other.flip(3)) / 2, rtol=1e-3, atol=1e-4 * float(one.abs().max()))
    torch.testing.assert_close(logits, (first + second) / 2, rtol=1e-3, atol=1e-5)


def test_sizes_that_a_network_takes() -> None:
    fixed = {name: AdaptedClassifier(model_of(name), SIDE).fixed for name in CASES}
    assert {name for name, one in fixed.items() if one} == {"timm vit_tiny_patch16_224", "hf swin"}
    vit = AdaptedClassifier(model_of("hf vit"), SIDE)
    assert vit.options == {"interpolate_pos_encoding": True}
    assert vit.present_maps(torch.randn(1, 3, 64, 96), [0])[0].shape == (1, 1, 4, 6)
    swin = AdaptedClassifier(model_of("hf swin"), SIDE)
    assert swin.present_maps(torch.randn(1, 3, 192, 128), [0])[0].shape == (1, 1, 2, 2)
    assert AdaptedClassifier(model_of("torchvision resnet18"), SIDE).step == 32


class Functional(nn.Module):
    """Pooling and rectifier without modules of their own, as many write them."""

    def __init__(self, then: Callable[[Tensor], Tensor] = F.relu) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 8, stride=8)
        self.fc = nn.Linear(8, 3)
        self.then = then

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.then(self.conv(images)).mean((2, 3)))


def whole(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), *layers)


def pooled(*layers: nn.Module) -> nn.Module:
    return whole(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), *layers)


OWN: dict[str, tuple[Callable[[], nn.Module], Site]] = {
    "functional relu": (Functional, Site("conv", "maps", then="relu", head="fc")),
    "functional gelu": (lambda: Functional(F.gelu), Site("conv", "maps", then="gelu", head="fc")),
    "no bias": (lambda: pooled(nn.Linear(8, 3, bias=False)), Site("1", "maps", head="4")),
    "a 1×1 convolution after pooling": (
        lambda: whole(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 3, 1), nn.Flatten()),
        Site("1", "maps", head="3"),
    ),
    "class maps that are pooled": (
        lambda: whole(nn.ReLU(), nn.Conv2d(8, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        Site("2", "maps"),
    ),
    "class maps": (lambda: whole(nn.ReLU(), nn.Conv2d(8, 3, 1)), Site("", "maps")),
    "a hidden layer": (lambda: pooled(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)), Site("1", "maps", exact=False)),
    "a norm after pooling": (lambda: pooled(nn.LayerNorm(8), nn.Linear(8, 3)), Site("1", "maps", exact=False)),
    "flattened": (lambda: whole(nn.ReLU(), nn.Flatten(), nn.Linear(8 * 64, 3)), Site("1", "maps", exact=False)),
}


@pytest.mark.parametrize("name", OWN)
def test_own_networks(name: str) -> None:
    torch.manual_seed(0)
    build, site = OWN[name]
    model = build()
    adapted = AdaptedClassifier(model, SIDE)
    images = torch.randn(2, 3, SIDE, SIDE)
    maps, logits = adapted.present_maps(images, [0, 1, 2])
    assert adapted.site == site
    assert maps.shape == (2, 3, 8, 8)
    if site.exact:
        torch.testing.assert_close(maps.mean((2, 3)), logits, rtol=1e-4, atol=1e-5)
        output = model(images)
        torch.testing.assert_close(logits, output if output.dim() == 2 else output.mean((2, 3)))
    else:
        assert (maps >= 0).all()
        assert maps.any()
    assert adapted.fixed == (name == "flattened")


def test_weights_are_read_at_each_pass() -> None:
    model = Functional()
    adapted = AdaptedClassifier(model, SIDE)
    images = torch.randn(1, 3, SIDE, SIDE)
    before = adapted(images)
    with torch.no_grad():
        model.fc.weight.mul_(2)
        model.fc.bias.mul_(2)
    torch.testing.assert_close(adapted(images), 2 * before)


def test_gradients_are_there_under_inference_mode_and_with_frozen_weights() -> None:
    model = model_of(BY_GRADIENT[0]).requires_grad_(False)
    adapted = AdaptedClassifier(model, SIDE)
    images = torch.randn(1, 3, SIDE, SIDE)
    expected = adapted.present_maps(images, [0, 1, 2])[0]
    with torch.inference_mode():
        found = adapted.present_maps(images * 1, [0, 1, 2])[0]
    assert expected.any()
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_it_computes_in_the_format_of_the_weights(kind: torch.dtype) -> None:
    torch.manual_seed(0)
    model = Functional()
    images = torch.randn(1, 3, SIDE, SIDE)
    expected = AdaptedClassifier(model, SIDE).present_maps(images, [0])[0]
    adapted = AdaptedClassifier(model.to(kind), SIDE)
    maps, logits = adapted.present_maps(images, [0])
    assert adapted.exact
    assert maps.dtype == logits.dtype == torch.float32
    torch.testing.assert_close(maps, expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("device", ["cuda", "mps"])
@pytest.mark.parametrize("name", [EXACT[0], BY_GRADIENT[0]])
def test_other_devices_give_the_same(name: str, device: str) -> None:
    if not getattr(torch, device).is_available():
        pytest.skip(f"no {device} here")
    torch.manual_seed(0)
    model = model_of(name)
    images = torch.randn(1, 3, SIDE, SIDE)
    expected = AdaptedClassifier(model, SIDE).present_maps(images, [0])[0]
    found = AdaptedClassifier(model.to(device), SIDE).present_maps(images, [0])[0]
    assert found.device.type == device
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-2, atol=1e-2 * float(expected.abs().max()))


class Blind(nn.Module):
    """Logits that hang on no place in the image."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(images.mean((2, 3)))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Blind(), "Blind has no feature maps that its logits depend on"),
        (nn.Sequential(nn.Flatten(), nn.Linear(5, 2)), r"Sequential fails on an image of 64×64 pixels: .* size="),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(0, 2)), r"must give logits \(N, classes\)"),
        (nn.Sequential(nn.Flatten()), "has no weights"),
    ],
)
def test_what_has_no_maps_is_refused(model: nn.Module, message: str) -> None:
    with pytest.raises(WsssError, match=message) as caught:
        AdaptedClassifier(model, SIDE)
    assert "\n" not in str(caught.value)


def test_a_head_of_zeros_is_refused() -> None:
    model = Functional()
    nn.init.zeros_(model.fc.weight)
    nn.init.zeros_(model.fc.bias)
    with pytest.raises(WsssError, match="give a trained classifier"):
        AdaptedClassifier(model, SIDE)


class Preprocessed(nn.Module):
    """Something that does more than hold a network."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> Tensor:
        return self.module(2 * images - 1)


def test_wrappers_are_looked_through() -> None:
    model = Functional()
    assert passes.unwrapped(nn.DataParallel(model)) is model
    preprocessed = Preprocessed(model)
    assert passes.unwrapped(preprocessed) is preprocessed
    assert passes.unwrapped(torch.compile(model)) is model  # type: ignore[arg-type]


class Resizing(nn.Module):
    """Tokens that do not follow the image, which is resized within."""

    def __init__(self, size: tuple[int, int] = (SIDE, SIDE)) -> None:
        super().__init__()
        self.size = size
        self.net = timm.create_model("vit_tiny_patch16_224", img_size=size, num_classes=CLASSES, depth=2)

    def forward(self, images: Tensor) -> Tensor:
        return self.net(F.interpolate(images, self.size))


@pytest.mark.parametrize("build", [Resizing, of_timm("crossvit_tiny_240")])
def test_tokens_that_do_not_follow_the_image_are_those_of_one_size(build: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    model = build()
    adapted = AdaptedClassifier(model, 240)
    height, width = adapted.present_maps(torch.randn(1, 3, 96, 128), [0])[0].shape[2:]
    assert adapted.fixed
    assert height == width > 1


def test_tokens_that_do_not_cover_the_image_are_refused_when_they_come() -> None:
    site = Site("norm", "tokens", 1, exact=False)
    assert site.cells(torch.zeros(1, 17, 5), (64, 64)).shape == (1, 5, 4, 4)
    with pytest.raises(WsssError, match="norm gives 16 tokens, which do not cover an image of 48×80 pixels evenly"):
        site.cells(torch.zeros(1, 17, 5), (48, 80))


class Ending(Functional):
    """A classifier whose logits go through something at the end."""

    def __init__(self, end: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.end = end

    def forward(self, images: Tensor) -> Any:
        return self.end(super().forward(images))


@pytest.mark.parametrize(
    "end", [torch.sigmoid, lambda x: x.softmax(1), lambda x: x.exp() / x.exp().sum(1, keepdim=True), F.hardsigmoid,
            lambda x: x[:, :1].sigmoid().flatten(1)],
)  # fmt: skip
def test_probabilities_are_refused(end: Callable[[Tensor], Any]) -> None:
    with pytest.raises(
        WsssError, match=r"Ending gives probabilities, .*: leave its last softmax or sigmoid out"
    ) as one:
        AdaptedClassifier(Ending(end), SIDE)
    assert "\n" not in str(one.value)


def test_what_may_be_probabilities_is_warned_of_and_logits_are_not() -> None:
    with pytest.warns(UserWarning, match=r"all outputs of Ending .* lie in \[0, 1\]"):
        AdaptedClassifier(Ending(lambda x: 1 / (1 + (-x).exp())), SIDE)
    model = Functional()
    nn.init.zeros_(model.fc.weight)
    nn.init.constant_(model.fc.bias, 0.3)  # all in [0, 1], but of a linear layer
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AdaptedClassifier(model, SIDE)


@pytest.mark.parametrize("end", [lambda x: {"logits": x}, lambda x: (x, None), lambda x: x[..., None, None]])
def test_logits_in_another_form_are_found(end: Callable[[Tensor], Any]) -> None:
    model = Ending(end)
    images = torch.randn(2, 3, SIDE, SIDE)
    torch.testing.assert_close(
        AdaptedClassifier(model, SIDE).present_maps(images, [0])[1], Functional.forward(model, images)
    )


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (lambda x: {"out": x}, r"must give logits \(N, classes\) of images \(N,3,H,W\), not dict"),
        (lambda x: (), "not tuple"),
        (lambda x: x * torch.nan, "gives NaN for an image of noise: look for NaN among its weights"),
        (lambda x: x.detach() ** 3, r"whose forward has no torch\.no_grad\(\) or detach\(\)"),
    ],
)
def test_what_gives_no_logits_is_named(end: Callable[[Tensor], Any], message: str) -> None:
    with pytest.raises(WsssError, match=message) as caught:
        AdaptedClassifier(Ending(end), SIDE)
    assert "\n" not in str(caught.value)


class Keeping(Functional):
    """It counts, remembers the last size, and holds what cannot be copied; outputs of its parts are whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.lock = 0, threading.Lock()
        self.part = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        self.input_size = images.shape[-2:]
        self.activations = self.conv(images)
        self.part(self.part(images > 0).long())
        return super().forward(images)


def test_what_a_network_keeps_does_not_make_it_one_of_one_size() -> None:
    model = Keeping()
    model(torch.randn(1, 3, SIDE, SIDE))
    adapted = AdaptedClassifier(model, SIDE)
    assert not adapted.fixed
    assert adapted.present_maps(torch.randn(1, 3, 96, 128), [0])[0].shape == (1, 1, 12, 16)


class Remembering(Functional):
    """Once it saw a small image, it goes on otherwise."""

    factor = 1.0

    def forward(self, images: Tensor) -> Tensor:
        self.factor = 2.0 if images.shape[2] < SIDE else self.factor
        return self.factor * super().forward(images)


class Uncopied(Functional):
    def __deepcopy__(self, memo: object) -> nn.Module:
        raise TypeError("not this one")


@pytest.mark.parametrize("build", [Remembering, Uncopied])
def test_one_that_remembers_sizes_or_cannot_be_tried_is_of_one_size(build: Callable[[], nn.Module]) -> None:
    assert AdaptedClassifier(build(), SIDE).fixed


def test_images_are_in_a_number_format_that_the_network_takes() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))
            self.net = Functional().double()

        def forward(self, images: Tensor) -> Tensor:
            return self.net(images)

    model = Mixed()
    adapted = AdaptedClassifier(model, SIDE)
    images = torch.randn(1, 3, SIDE, SIDE)
    torch.testing.assert_close(adapted.present_maps(images, [0])[1], model(images.double()).float())


def test_adapters_of_one_network_take_turns() -> None:
    """Each of several threads gets the maps that it asked for."""
    model = Functional()
    several = [AdaptedClassifier(model, SIDE) for _ in range(4)]
    assert len({id(passes.turn_of(one.model)) for one in several}) == 1
    images = [torch.randn(1, 3, SIDE, SIDE) for _ in several]
    expected = [one.present_maps(image, [0])[0] for one, image in zip(several, images, strict=True)]

    def ask(number: int) -> bool:
        found = (several[number].present_maps(images[number], [0])[0] for _ in range(20))
        return all(torch.equal(one, expected[number]) for one in found)

    with ThreadPoolExecutor(len(several)) as pool:
        assert all(pool.map(ask, range(len(several))))


def test_networks_of_images_that_are_not_square_are_named() -> None:
    model = timm.create_model("vit_tiny_patch16_224", img_size=(64, 96), num_classes=CLASSES, depth=1)
    with pytest.raises(WsssError, match="It is made for images of 64×96 pixels: give a network for square ones"):
        AdaptedClassifier(model, SIDE)
