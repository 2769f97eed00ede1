"""CAMs of all present classes at four scales with flip: beside pytorch-grad-cam, torch-cam, and the bare forward passes."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.cam_peers import GradCam, Peer, TorchCam
from benchmarks.material import classifier, depth_cam, labelled, side_by_side
from benchmarks.measure import (
    Effort,
    Figure,
    Measured,
    at_least,
    at_most,
    float32,
    ratio,
    shown,
    timed_in_turns,
    versions_of,
)
from wsss.cam.maps import LevelMaps, class_maps, pyramid_maps
from wsss.data.base import Sample
from wsss.data.transforms import resize_image, scaled_size, to_tensor
from wsss.machine.runtime import autocast

__all__ = ["measure"]

SCALES = (0.5, 1.0, 1.5, 2.0)

Way = Callable[[], object]


def measure(effort: Effort) -> Measured:
    """Seconds for all images of each way to make the maps, and how far the maps are apart."""
    versions = versions_of("grad-cam", "torchcam")
    samples = labelled(effort.images)
    ours, bare = side_by_side(_maps, samples), side_by_side(_passes, [_batches(sample) for sample in samples])
    own = timed_in_turns(
        {"wsss": ours, "forwards": bare, "wsss float32": _plain(ours), "forwards float32": _plain(bare)},
        2 * effort.rounds,
    )
    few = samples[:4]  # a GradCAM of all classes takes seconds an image
    with GradCam() as gradcam, TorchCam() as torchcam:
        apart = _differences(few, gradcam, torchcam)
        peers = timed_in_turns(
            {
                "wsss as used": side_by_side(_maps, few),
                "wsss float32": _plain(_one_by_one(few)),
                "grad-cam as used": _theirs(gradcam, few, together=False),
                "grad-cam same batch": _theirs(gradcam, few, together=True),
                "torch-cam as used": _theirs(torchcam, few, together=False),
                "torch-cam same batch": _theirs(torchcam, few, together=True),
            },
            (effort.rounds + 1) // 2,
        )
    figures = (
        at_least("grad-cam / wsss, both as used", ratio(peers, "grad-cam as used", "wsss as used"), 12),
        at_least("grad-cam / wsss, both float32 and in one batch", ratio(peers, "grad-cam same batch", "wsss float32"), 4),
        at_least("torch-cam / wsss, both as used", ratio(peers, "torch-cam as used", "wsss as used"), 4),
        at_least("torch-cam / wsss, both float32 and in one batch", ratio(peers, "torch-cam same batch", "wsss float32"), 1.5),
        at_most("wsss / bare forward passes", ratio(own, "wsss", "forwards"), 1.08),
        at_most("wsss / bare forward passes, float32", ratio(own, "wsss float32", "forwards float32"), 1.08),
        *apart,
        shown("images a second", len(samples) / float(np.median(own["wsss"])), "1/s", "at least"),
        shown("classes an image, beside other libraries", float(np.mean([sample.labels.sum() for sample in few])), "", "at least"),
    )  # fmt: skip
    return Measured(figures, peers | {f"alone: {name}": runs for name, runs in own.items()}, versions)


def _plain(way: Way) -> Way:
    """The same in float32."""

    def run() -> None:
        with float32():
            way()

    return run


def _one_by_one(samples: list[Sample]) -> Way:
    """One image after the other, with all threads for each, as other libraries do it."""

    def run() -> None:
        for sample in samples:
            _maps(sample)

    return run


def _maps(sample: Sample) -> LevelMaps:
    view, present = depth_cam(), _present(sample)
    return pyramid_maps(view.model, view.info, sample.image, present, scales=SCALES, flip=True, device=view.device)


def _batches(sample: Sample) -> list[Tensor]:
    """What the forward passes of an image are made on."""
    device = depth_cam().device
    return [torch.cat([x, x.flip(3)]).to(device, memory_format=torch.channels_last) for x in _levels(sample)]


@torch.inference_mode()
def _passes(batches: list[Tensor]) -> None:
    """The forward passes alone, on tensors that are ready for them."""
    view = depth_cam()
    for batch in batches:
        with autocast(view.device):
            view.model(batch)


def _theirs(peer: Peer, samples: list[Sample], together: bool) -> Way:
    def run() -> None:
        for sample in samples:
            peer.pyramid(list(_levels(sample)), _present(sample), sample.image.shape[:2], together)

    return run


def _present(sample: Sample) -> list[int]:
    return np.flatnonzero(sample.labels).tolist()


def _levels(sample: Sample) -> Iterator[Tensor]:
    """The image `(1,3,h,w)` at each scale, as `pyramid_maps` sees it."""
    info, (height, width) = depth_cam().info, sample.image.shape[:2]
    tensor = to_tensor(sample.image, info.mean, info.std)[None]
    for scale in SCALES:
        size = scaled_size(height, width, info.base_side, scale)
        yield resize_image(tensor, size)


def _differences(samples: list[Sample], gradcam: Peer, torchcam: Peer) -> tuple[Figure, Figure]:
    """Largest difference of any map in float32, as a share of the map's maximum: theirs are the same maps."""
    model, bias = depth_cam().model, classifier()[0].head.bias
    assert bias is not None
    apart: dict[str, float] = {"grad-cam": 0.0, "torch-cam": 0.0}
    for sample in samples:
        present = _present(sample)
        for level in _levels(sample):
            with float32():
                maps = (
                    class_maps(model, level.to(depth_cam().device), flip=False)[0][0].cpu()
                    - bias.detach().cpu()[:, None, None]
                )
            own = maps[present]
            theirs = torchcam.maps(level, present)[:, 0]
            apart["torch-cam"] = max(apart["torch-cam"], _apart(own, theirs))
            scaled = F.interpolate(own.relu()[None], size=level.shape[2:], mode="bilinear", align_corners=False)[0]
            apart["grad-cam"] = max(apart["grad-cam"], _apart(_stretched(scaled), gradcam.maps(level, present)[:, 0]))
    first, second = (at_most(f"difference of maps to {name}", value, 1e-3, "") for name, value in apart.items())
    return first, second


def _stretched(maps: Tensor) -> Tensor:
    """Each of `maps (K,H,W)` stretched to [0, 1], as pytorch-grad-cam shows them; an all-zero one stays."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp_min(1e-7)


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().amax() / one.abs().amax().clamp_min(1e-6))
