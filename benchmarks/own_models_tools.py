"""Ten classifiers of other libraries, and the code that one writes for their plain CAM with each of three tools.

`python -m benchmarks.own_models_tools MODEL TOOL` prints the peak memory in bytes of a process that does only this.
"""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wsss.machine.memory import own_peak

__all__ = [
    "MODELS",
    "PAGE",
    "TOOLS",
    "Given",
    "Model",
    "Written",
    "bare_pass",
    "given",
    "motorcycle",
    "photo",
    "square",
    "written",
]

PAGE = Path(__file__).with_name("own_models.md")
TOOLS = ("wsss", "grad-cam", "torch-cam")
SIDE, CLASSES = 224, 1000
IMAGES = 5
"""That a process whose memory is measured makes maps of."""

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


@dataclass(frozen=True)
class Model:
    """A classifier: `library name`, its last feature maps and linear layer (None: maps of gradients), and the blocks of
    `PAGE` that are written for it with pytorch-grad-cam and torch-cam."""

    name: str
    layer: str
    head: str | None = None
    block: str = "maps"
    torch_cam: str = ""

    @property
    def library(self) -> str:
        """torchvision, timm or transformers."""
        return self.name.split()[0]

    def heading(self, tool: str) -> str:
        """Of the block that is written for it."""
        block = {"wsss": self.library, "grad-cam": self.block, "torch-cam": self.torch_cam or self.block}[tool]
        return f"{tool}: {block}"


MODELS = {
    model.name: model
    for model in (
        Model("torchvision resnet18", "layer4", "fc"),
        Model("torchvision regnet_y_400mf", "trunk_output", "fc"),
        Model("torchvision efficientnet_b0", "features", "classifier.1"),
        Model("torchvision mobilenet_v2", "features", "classifier.1"),
        Model("torchvision densenet121", "features", "classifier"),
        Model("timm tf_efficientnet_lite0", "bn2", "classifier"),
        Model("timm mobilenetv3_small_050", "blocks", block="gradients of maps"),
        Model("timm swin_tiny_patch4_window7_224", "norm", "head.fc", "cells"),
        Model(
            "transformers resnet", "resnet.encoder.stages.3", "classifier.1", "maps of transformers", torch_cam="maps"
        ),
        Model(
            "transformers vit",
            "vit.layers.11.layernorm_before",
            block="gradients of tokens of transformers",
        ),
    )
}
"""Those of `tests/methods/test_own_model.py`, in full size. The layers are those that `DepthCAM` finds."""


@dataclass(frozen=True)
class Given:
    """What the code of each tool is given: names and values, `output` among them, the likeliest class of the photograph."""

    names: Mapping[str, Any]

    @property
    def model(self) -> nn.Module:
        """The classifier, in evaluation mode."""
        found: nn.Module = self.names["model"]
        return found

    def tensor(self) -> Tensor:
        """The photograph `(1,3,H,W)`, normalised."""
        from torchvision.transforms.functional import normalize, to_tensor

        return normalize(to_tensor(self.names["image"]), self.names["mean"], self.names["std"])[None]


@dataclass(frozen=True)
class Written:
    """What one writes for one model with one tool: code that is run once, and code for each image."""

    once: CodeType
    each: CodeType
    lines: int

    def set_up(self, given: Given) -> dict[str, Any]:
        """Names and values after the code that is run once."""
        names = dict(given.names)
        exec(self.once, names)
        return names

    def plain(self, names: dict[str, Any]) -> Any:
        """The map of an image."""
        exec(self.each, names)
        return names["plain"]


def written(model: Model, tool: str) -> Written:
    """The block of `PAGE` for a model and a tool."""
    blocks = dict(
        re.findall(r"^## ([^\n]*)\n\n```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
    heading = model.heading(tool)
    code = blocks[heading].replace("LAYER", model.layer).replace("HEAD", model.head or "")
    once, each = code.split("# each image\n")
    lines = [line for line in (once + each).splitlines() if line.strip()]
    return Written(compile(once, heading, "exec"), compile(each, heading, "exec"), len(lines))


@cache
def motorcycle() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The photograph `H×W×3` with its measured disparity: *Motorcycle* (Scharstein et al., GCPR 2014)."""
    import skimage.data

    image, _, disparity = skimage.data.stereo_motorcycle()
    return image, disparity


@cache
def photo() -> NDArray[np.uint8]:
    """The middle of the photograph, a square of the side that the models take: nobody has to resize it."""
    from wsss.data.transforms import resize_long_side

    return resize_long_side(square(motorcycle()[0]), SIDE)


def square(array: NDArray[Any]) -> NDArray[Any]:
    """The square in the middle of an array `H×W…` that is wider than high."""
    height, width = array.shape[:2]
    left = (width - height) // 2
    return array[:, left : left + height]


def given(model: Model) -> Given:
    """A model with what its code is given. Weights are random, but those that are installed (see `_trained`)."""
    torch.manual_seed(0)
    network, more = _BUILT[model.library](model.name.split()[1])
    names = {"model": network.eval(), "image": photo(), **more}
    if model.name not in _TRAINED:
        _settle(network, Given(names).tensor())
    with torch.inference_mode():
        logits = logits_of(network(Given(names).tensor()))
    return Given({**names, "output": int(logits.argmax())})


def logits_of(output: Any) -> Tensor:
    """The logits `(N,C)` of what a network returns."""
    logits: Tensor = output if isinstance(output, Tensor) else output.logits
    return logits


def bare_pass(given: Given) -> Callable[[], object]:
    """One forward pass of a tensor that is ready for it: the least that a class map can cost."""
    tensor, model = given.tensor(), given.model

    def run() -> object:
        with torch.inference_mode():
            return model(tensor)

    return run


def _settle(network: nn.Module, tensor: Tensor) -> None:
    """Give batch norms with random weights around them the statistics of the photograph, its mirror image and noise.

    As they are made they let activations fade, to differences that are none of a trained network's.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    noise = torch.randn(2, *tensor.shape[1:], generator=torch.Generator().manual_seed(0))
    for norm in norms:
        norm.momentum, norm.training = None, True  # the mean of all passes, this one
    with torch.no_grad():
        network(torch.cat([tensor, tensor.flip(3), noise]))
    for norm in norms:
        norm.momentum, norm.training = 0.1, False


def _of_torchvision(name: str) -> tuple[nn.Module, dict[str, Any]]:
    from torchvision.models import get_model, get_model_weights

    return get_model(name, weights=None), {"weights": get_model_weights(name).DEFAULT, **IMAGENET}


def _of_timm(name: str) -> tuple[nn.Module, dict[str, Any]]:
    import timm

    model = timm.create_model(name)
    if f"timm {name}" in _TRAINED:
        from wsss.networks.backbones import backbone_state

        model.load_state_dict(backbone_state(name))
    config = timm.data.resolve_model_data_config(model)
    return model, {"mean": config["mean"], "std": config["std"]}


def _of_transformers(name: str) -> tuple[nn.Module, dict[str, Any]]:
    import transformers

    config = transformers.AutoConfig.for_model(name, num_labels=CLASSES)
    size = {"height": SIDE, "width": SIDE}
    colours = HALF if name == "vit" else IMAGENET
    processor = transformers.ViTImageProcessor(size=size, image_mean=colours["mean"], image_std=colours["std"])
    return transformers.AutoModelForImageClassification.from_config(config), {"processor": processor, **colours}


_BUILT: dict[str, Callable[[str], tuple[nn.Module, dict[str, Any]]]] = {
    "torchvision": _of_torchvision,
    "timm": _of_timm,
    "transformers": _of_transformers,
}

_TRAINED = ("timm tf_efficientnet_lite0",)
"""Those whose weights, of ImageNet, are installed with this package."""


def _run(name: str, tool: str) -> None:
    model = MODELS[name]
    own = given(model)
    if tool == "bare":
        one = bare_pass(own)
    else:
        code = written(model, tool)
        names = code.set_up(own)

        def one() -> object:
            return code.plain(names)

    for _ in range(IMAGES):
        one()


if __name__ == "__main__":
    _run(sys.argv[1], sys.argv[2])
    print(own_peak())
