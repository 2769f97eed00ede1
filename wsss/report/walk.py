"""The way of one image through depth-guided cropping, drawn step by step."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from wsss.cam.classifier import ClassifierInfo
from wsss.cam.maps import normalise_maps
from wsss.data.base import Sample
from wsss.data.transforms import scaled_size, to_tensor
from wsss.methods.crops import Crop, layered_crop
from wsss.methods.fusion import Evidence, crop_evidence, fuse
from wsss.methods.magnification import crop_side
from wsss.methods.parameters import CropParameters, FusionParameters
from wsss.methods.regions import Regions
from wsss.pipeline.view import SeedView
from wsss.report.pictures import draw_boxes, image_grid, score_map_on_image

__all__ = [
    "crop_views",
    "crops_figure",
    "fusion_figure",
    "region_picture",
    "regions_figure",
    "scales_figure",
    "things_first",
    "window_around",
]

CROPS_ACROSS = 7  # more would be too small to be made out on a page
WINDOW = 72
"""Least side in pixels of the part of a picture that is shown around an object."""

GOLDEN = 0.618034  # of the circle of hues: consecutive regions lie far apart


def things_first(evidence: Evidence) -> list[int]:
    """Numbers of the crops: those of things, then those of planes, each in their own order."""
    planes = evidence.regions.is_plane if evidence.regions is not None else np.zeros(0, bool)
    of_plane = [bool(one.region) and bool(planes[one.region - 1]) for one in evidence.plan]
    return sorted(range(len(of_plane)), key=of_plane.__getitem__)


def window_around(box: tuple[int, int, int, int], size: Sequence[int]) -> tuple[slice, slice]:
    """Rows and columns of a square around a box, thrice as long where there is room, inside the picture."""
    side = min(max(WINDOW, 3 * max(box[2] - box[0], box[3] - box[1])), *size[:2])
    starts = [int(np.clip((box[n] + box[n + 2] - side) // 2, 0, size[n] - side)) for n in (0, 1)]
    return slice(starts[0], starts[0] + side), slice(starts[1], starts[1] + side)


def scales_figure(sample: Sample, maps: torch.Tensor, scales: Sequence[float], base_side: int) -> Figure:
    """One class's map at each scale and their mean, rectified and each divided by its own maximum.

    Args:
        maps: `(S,H,W)` class maps in logits.
        scales: multiples of `base_side`.
    """
    height, width = sample.image.shape[:2]
    sizes = [scaled_size(height, width, base_side, scale) for scale in scales]
    titles = [
        "image",
        *[f"× {s:g}\n{rows}×{columns} px" for s, (rows, columns) in zip(scales, sizes, strict=True)],
        "mean",
    ]
    figure = image_grid([[sample.image] * (len(scales) + 2)], titles)
    rectified = maps.relu()
    shown = normalise_maps(torch.cat([rectified, rectified.mean(0, keepdim=True)]))
    for ax, score in zip(figure.axes[1:], shown, strict=True):
        score_map_on_image(ax, sample.image, score.numpy())
    return figure


def region_picture(regions: Regions) -> NDArray[np.uint8]:
    """Regions as `H×W×3 uint8`: things in colours, parts of planes in greys, no region black."""
    number = np.arange(len(regions))
    # Lightness changes from one to the next as hue does, so that they differ without colour vision too.
    hues = np.stack([number * GOLDEN % 1, np.full(len(regions), 0.6), 1 - 0.2 * (number % 3)], axis=-1)
    greys = np.linspace(0.35, 0.7, len(regions))[:, None].repeat(3, axis=1)
    colours = np.where(regions.is_plane[:, None], greys, hsv_to_rgb(hues))
    return np.round(255 * np.concatenate([np.zeros((1, 3)), colours])).astype(np.uint8)[regions.labels]


def regions_figure(sample: Sample, depth: NDArray[np.float32], regions: Regions, plan: Sequence[Crop]) -> Figure:
    """Image, inverse depth, support planes alone, all regions, and the boxes of the crops."""
    planes = Regions(np.where(np.append(False, regions.is_plane)[regions.labels], regions.labels, 0), regions.is_plane)
    panels = [sample.image, depth, region_picture(planes), region_picture(regions), sample.image]
    figure = image_grid([panels], ("image", "inverse depth", "parts of planes", "regions", "crops"))
    draw_boxes(figure.axes[-1], sorted({one.box for one in plan}))
    return figure


def crop_views(
    image: NDArray[np.uint8], regions: Regions, plan: Sequence[Crop], parameters: CropParameters, info: ClassifierInfo
) -> list[NDArray[np.uint8]]:
    """The crops as the classifier sees them, N pictures `side×side×3 uint8`.

    They are resized; what is left out, and what lies outside the image, has the mean colour.
    """
    mean, std = (torch.tensor(values)[:, None, None] for values in (info.mean, info.std))
    tensor = to_tensor(image, info.mean, info.std)
    side = crop_side(image.shape[0], image.shape[1], info.base_side)
    views = []
    for one in plan:
        view = layered_crop(tensor, one, side, regions, parameters) * std + mean
        views.append((255 * view.clamp(0, 1)).round().byte().permute(1, 2, 0).numpy())
    return views


def crops_figure(views: Sequence[NDArray[np.uint8]], view: SeedView, classes: Sequence[str]) -> Figure:
    """Crops in rows, things first, each above its class map put back into the image; titled with the likeliest class.

    Args:
        views: from `crop_views`.
        view: of a method that uses crops, with at least one class.
    """
    evidence = view.evidence
    assert evidence.crops is not None
    assert evidence.crop_probabilities is not None
    best = evidence.crop_probabilities.argmax(dim=1)
    crops = evidence.crops.relu()
    largest = crops.amax().clamp_min(1e-6)
    across, order = min(len(views), CROPS_ACROSS), things_first(evidence)
    planes = evidence.regions.is_plane if evidence.regions is not None else np.zeros(0, bool)
    rows: list[list[NDArray[Any] | None]] = []
    for start in range(0, len(views), across):
        part = [views[number] for number in order[start : start + across]]
        blank: list[NDArray[Any] | None] = [None] * (across - len(part))
        rows += [[*part, *blank], [*[view.sample.image] * len(part), *blank]]
    figure = image_grid(rows, row_titles=("crop", "its map") * (len(rows) // 2))
    for place, number in enumerate(order):
        klass, region = int(best[number]), evidence.plan[number].region
        name = classes[int(view.classes[klass]) - 1].replace("_", " ")
        seen = 2 * (place // across) * across + place % across
        kind = "plane: " if region and planes[region - 1] else ""
        figure.axes[seen].set_title(f"{kind}{name} {evidence.crop_probabilities[number, klass]:.2f}", fontsize="small")
        ax = figure.axes[seen + across]
        score_map_on_image(ax, view.sample.image, (crops[number, klass] / largest).numpy())
        draw_boxes(ax, [evidence.plan[number].box])
    return figure


def fusion_figure(
    view: SeedView,
    parameters: FusionParameters,
    classes: Sequence[str],
    step: Literal["crops", "regions"],
    most: int = 2,
) -> Figure:
    """The maps of at most `most` classes before, during and after a step of fusion.

    Args:
        view: of a method with crops.
        step: `crops`: whole image, strongest gated crop, both; `regions`: both, averaged by region, all together.
    """
    evidence = view.evidence
    assert evidence.crops is not None
    assert evidence.crop_probabilities is not None
    both = fuse(evidence, replace(parameters, vote=0.0))
    if step == "crops":
        whole = fuse(Evidence(evidence.levels, 0.0, 0.0), replace(parameters, vote=0.0))
        crops = normalise_maps(crop_evidence(evidence.crops, evidence.crop_probabilities, parameters.gate))
        shown = {"whole image": whole, "crops, gated": crops, f"together, w {parameters.crop_weight:g}": both}
    else:
        averaged = fuse(evidence, replace(parameters, vote=1.0))
        together = f"together, v {parameters.vote:g}"
        shown = {"with crops": both, "averaged by region": averaged, together: fuse(evidence, parameters)}
    names = [classes[int(label) - 1].replace("_", " ") for label in view.classes[:most]]
    figure = image_grid([[view.sample.image] * len(shown)] * len(names), tuple(shown), names)
    for row in range(len(names)):
        for column, maps in enumerate(shown.values()):
            score_map_on_image(figure.axes[row * len(shown) + column], view.sample.image, maps[row].numpy())
    return figure
