"""Cost per image of the paper-scale profile's networks on this machine, and what VOC 2012 train_aug would take.

python benchmarks/paper_scale.py

Weights are random, for time does not depend on them. A step is forward and backward of one image of a batch in float32; a look
is a forward pass in the number format that inference uses here. Times are medians.
"""

import resource
import time
from collections.abc import Callable

import numpy as np
import timm
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

from wsss.cam.classifier import Classifier
from wsss.machine.runtime import autocast, keep_freed_memory
from wsss.segmentation.network import build_network

IMAGES = 10_582  # VOC 2012 train_aug
SIDE, CROP, BATCH, REPEATS = 512, 448, 2, 3
EPOCHS, ITERATIONS, NETWORK_BATCH = 12, 20_000, 16
PASSES = 0.25 + 1 + 2.25 + 4  # megapixels of scales ½, 1, 1½, 2 in units of scale 1


def seconds(run: Callable[[], object]) -> float:
    """Median time of `REPEATS` runs after a first one."""
    run()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def gigaflops(model: nn.Module, images: Tensor) -> float:
    """Multiply-adds times two of a forward pass, per image."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(images)
    return counter.get_total_flops() / 1e9 / len(images)


def step(model: nn.Module, images: Tensor) -> None:
    """Forward and backward."""
    model(images).float().mean().backward()


@torch.inference_mode()
def look(model: nn.Module, images: Tensor) -> object:
    """Forward as in inference."""
    with autocast(torch.device("cpu")):
        return model(images)


def row(name: str, model: nn.Module, side: int, train: bool) -> tuple[float, float]:
    """Print a line; seconds of a step and of a look, per image."""
    images = torch.randn(BATCH, 3, side, side).contiguous(memory_format=torch.channels_last)
    model = model.to(memory_format=torch.channels_last)
    learnt = seconds(lambda: step(model.train(), images)) / BATCH if train else float("nan")
    looked = seconds(lambda: look(model.eval(), images)) / BATCH
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    flops = gigaflops(model, images)
    print(
        f"{name:28s} {side:4d} px {flops:7.1f} GFLOP {learnt:7.2f} s/step {looked:7.2f} s/look {memory:5.1f} GB peak so far"
    )
    return learnt, looked


def depth_anything_small() -> nn.Module:
    """Depth Anything V2 Small with random weights, as the hub's configuration has it."""
    encoder = Dinov2Config(  # type: ignore[call-arg]
        hidden_size=384, num_attention_heads=6, image_size=518, patch_size=14, reshape_hidden_states=False,
        out_features=["stage3", "stage6", "stage9", "stage12"], apply_layernorm=True,
    )  # fmt: skip
    settings = DepthAnythingConfig(
        backbone_config=encoder, reassemble_hidden_size=384, neck_hidden_sizes=[48, 96, 192, 384], fusion_hidden_size=64
    )  # fmt: skip

    class Depth(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = DepthAnythingForDepthEstimation(settings)

        def forward(self, images: Tensor) -> Tensor:
            depth: Tensor = self.inner(images).predicted_depth
            return depth

    return Depth()


def main() -> None:
    """Print costs per image and the sum over VOC 2012 train_aug."""
    keep_freed_memory()
    torch.manual_seed(0)
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, timm {timm.__version__}")
    for backbone in ("resnet50", "vit_small_patch16_224"):
        learnt, _ = row(f"classifier {backbone}", Classifier(backbone, 20), CROP, True)
        _, looked = row(f"CAM {backbone}", Classifier(backbone, 20), SIDE, False)
        hours = [EPOCHS * IMAGES * learnt / 3600, 2 * PASSES * IMAGES * looked / 3600]
        print(
            f"  train_aug: training {hours[0]:.0f} h ({EPOCHS} epochs), CAM at four scales with flip {hours[1]:.0f} h"
        )
    learnt, _ = row("DeepLabV3+ resnet50", build_network(20, encoder="resnet50"), CROP, True)
    print(f"  {ITERATIONS} iterations of {NETWORK_BATCH} crops: {ITERATIONS * NETWORK_BATCH * learnt / 3600:.0f} h")
    _, looked = row("Depth Anything V2 Small", depth_anything_small(), 518, False)
    print(f"  train_aug: {IMAGES * looked / 3600:.1f} h")


if __name__ == "__main__":
    main()
