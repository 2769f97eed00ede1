"""What a method gathers of an image: maps of the whole image and of crops, regions, and trust in depth (`gather`).

Methods that ask for the same passes, crops or regions share them (`Look`).
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wsss.cam.adapters import AdaptedClassifier
from wsss.cam.classifier import ClassifierInfo
from wsss.cam.maps import LevelMaps, bias_of, present_maps, pyramid_maps, resize_maps
from wsss.data.transforms import to_tensor
from wsss.errors import WsssError
from wsss.machine.runtime import to_device
from wsss.methods.colour import cielab, colour_regions
from wsss.methods.crops import Box, crop, crop_plan, inside_regions, layered_crop, uncrop
from wsss.methods.fusion import Evidence
from wsss.methods.layers import layered_maps
from wsss.methods.magnification import crop_side
from wsss.methods.names import MethodName
from wsss.methods.parameters import ColourParameters, CropParameters, RegionParameters
from wsss.methods.proposals import Proposal, by_boxes, by_cam, by_colour, by_depth, by_grid, by_own, by_random
from wsss.methods.published import fused_by_maximum
from wsss.methods.regions import Regions
from wsss.methods.registry import Method, method
from wsss.methods.trust import edge_ranks

__all__ = ["Look", "evidence_key", "gather"]


@dataclass(eq=False)
class Look:
    """One image under one classifier: passes over the whole image are made once, whichever methods ask for them.

    Attributes:
        image: `H×W×3 uint8`.
        present: indices 0…C − 1 of the classes that the image labels name.
        closer: False leaves out the pass of crops, for a fusion in which they have no weight: its scores are the same.
        gathered: evidence by `Method.passes` and depth source, kept by whoever asks for several methods.
    """

    model: nn.Module
    info: ClassifierInfo
    image: NDArray[np.uint8]
    present: Sequence[int]
    device: torch.device
    closer: bool = True
    gathered: dict[object, Evidence] = field(default_factory=dict)
    _levels: dict[tuple[tuple[float, ...], bool], LevelMaps] = field(default_factory=dict)
    _by_depth: dict[tuple[bytes, str], tuple[Proposal, float]] = field(default_factory=dict)
    _colour: dict[tuple[float, float], Regions] = field(default_factory=dict)

    def forget(self, name: str, later: Iterable[str]) -> None:
        """Let go of the evidence of a method, or of labels made from it, that none of the `later` ones asks for: that
        of all methods together takes gigabytes."""
        if evidence_key(name) not in map(evidence_key, later):
            self.gathered.pop(evidence_key(name), None)

    def levels(self, scales: tuple[float, ...], flip: bool) -> LevelMaps:
        """Class maps of the whole image at `scales`."""
        key = scales, flip
        if key not in self._levels:
            self._levels[key] = pyramid_maps(
                self.model, self.info, self.image, self.present, scales=scales, flip=flip, device=self.device
            )
        return self._levels[key]

    def see(self, views: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Class maps `(N,K,h,w)` and probabilities `(N,K)` of crops `(3,side,side)`, in one batch, for the present
        classes."""
        batch = to_device(torch.stack(list(views)), self.device)
        maps, probabilities = present_maps(self.model, self.info, batch, self.present, flip=False)
        return maps.cpu(), probabilities.cpu()

    def plain(self) -> Tensor:
        """The plain CAM `(K,H,W)` in [0, 1], of one pass at scale 1 without flip, which is made unless it was.

        The last feature maps, weighted by the last layer without its bias (Zhou et al., CVPR 2016: torch-cam's `CAM`),
        rectified, resized and stretched to [0, 1], as pytorch-grad-cam does. Of networks whose maps come from gradients
        it is that map.
        """
        known = [
            levels.cells[scales.index(1)] for (scales, flip), levels in self._levels.items() if not flip and 1 in scales
        ]
        cells = known[0] if known else self.levels((1.0,), False).cells[0]
        maps = (cells - bias_of(self.model, self.present)[:, None, None]).relu()
        maps = resize_maps(maps, (self.image.shape[0], self.image.shape[1]))
        low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
        return (maps - low) / (high - low).clamp_min(1e-7)

    @cached_property
    def lab(self) -> NDArray[np.float32]:
        """The image in CIELAB, `H×W×3`."""
        return cielab(self.image)

    def colour(self, parameters: ColourParameters) -> Regions:
        """The image's regions of colour."""
        key = parameters.scale, parameters.min_area
        if key not in self._colour:
            self._colour[key] = colour_regions(self.image, lab=self.lab, parameters=parameters)
        return self._colour[key]

    def by_depth(
        self, depth: NDArray[np.float32], regions: RegionParameters, colour: ColourParameters
    ) -> tuple[Proposal, float]:
        """The proposal from a depth map, and the seconds that it took when it was made."""
        key = depth.tobytes(), repr((regions, colour))
        if key not in self._by_depth:
            start = time.perf_counter()
            proposal = by_depth(self.image, depth, regions, self.ranks, self.lab, colour)
            self._by_depth[key] = proposal, time.perf_counter() - start
        return self._by_depth[key]

    @cached_property
    def ranks(self) -> NDArray[np.float32]:
        """The image's edge ranks `H×W`."""
        return edge_ranks(self.image)


def evidence_key(name: str) -> tuple[object, str | None]:
    """What decides the evidence of a method, or of labels made from it: its passes and its depth source."""
    seeds = MethodName.parse(name).seeds
    return method(seeds).passes, MethodName.of_seeds(seeds).source


def gather(
    plan: Method,
    look: Look,
    *,
    regions: RegionParameters,
    crops: CropParameters,
    colour: ColourParameters | None = None,
    depth: NDArray[np.float32] | None = None,
    boxes: Sequence[Box] = (),
) -> Evidence:
    """Run a method's forward passes on one image.

    Args:
        colour: of regions of colour; None takes the default ones.
        depth: `H×W float32` inverse depth in [0, 1]; only methods that use depth look at it.
        boxes: of the true instances; only `oracle-box` looks at them.

    Raises:
        WsssError: the method needs depth and there is none; or the classifier, the image, the classes or the depth are
            not what `Look` and these arguments say.
    """
    _check_look(look)
    if plan.uses_depth and depth is not None:
        depth = _checked_depth(depth, look.image.shape[:2])
    colour = colour or ColourParameters()
    if plan.proposal == "layers":
        levels = layered_maps(look, plan.scales)
        return Evidence(levels.maps, levels.megapixels, levels.seconds)
    levels = look.levels(*plan.whole(crops, colour))
    if plan.proposal is None:
        return Evidence(levels.maps, levels.megapixels, levels.seconds)
    if plan.uses_depth and depth is None:
        raise WsssError("depth-guided crops need depth: give --depth sensor (if the data has it) or --depth files:DIR")
    if plan.proposal == "colour" and plan.crops:
        colour = colour.of_crops
    if plan.proposal == "published":
        assert depth is not None
        fused = fused_by_maximum(look, levels, depth)
        return Evidence(fused.maps, fused.megapixels, fused.seconds)
    proposal, seconds = _proposal(plan.proposal, look, levels, regions, crops, colour, depth, boxes)
    evidence = Evidence(
        levels.maps,
        levels.megapixels,
        levels.seconds + seconds,
        partitions=proposal.partitions,
        joint=proposal.joint,
        trust=proposal.trust,
    )
    return _with_crops(evidence, look, proposal, crops) if plan.crops and look.closer else evidence


def _check_look(look: Look) -> None:
    """Raise a `WsssError` unless the image is `H×W×3 uint8`, the classes exist and the scores of a classifier of this
    package are of sigmoids."""
    image, classes = look.image, look.info.classes
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise WsssError(
            f"the image must be an array H×W×3 uint8, RGB from 0 to 255, not {_described(image)}; of floats in [0, 1] "
            "give (255 * image).round().astype(numpy.uint8)"
        )
    if wrong := [
        index for index in look.present if isinstance(index, bool | np.bool_) or not 0 <= index < len(classes)
    ]:
        raise WsssError(
            f"present must hold indices from 0 to {len(classes) - 1} of {', '.join(classes)}, not {wrong[0]}; of "
            "labels (C,) bool give numpy.flatnonzero(labels)"
        )
    if not isinstance(look.model, AdaptedClassifier):
        look.info.check_activation()


def _checked_depth(depth: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
    """The depth as `H×W float32`; a `WsssError` unless it is inverse depth in [0, 1] of the image's size."""
    remedy = "make it with wsss.data.inverse_depth: normalise_inverse_depth(inverse_depth(values, kind))"
    if not isinstance(depth, np.ndarray) or not np.issubdtype(depth.dtype, np.floating):
        raise WsssError(
            f"depth must be an array H×W of floats, inverse depth in [0, 1], not {_described(depth)}: {remedy}"
        )
    if depth.shape != size:
        raise WsssError(f"depth is {depth.shape} (H, W), but the image {size}: resize it with wsss.depth.files.resized")
    low, high = float(depth.min()), float(depth.max())
    if not (low >= 0 and high <= 1):  # nor where one is NaN
        raise WsssError(f"depth must be inverse depth in [0, 1], larger = nearer, not {low:g} to {high:g}: {remedy}")
    return depth.astype(np.float32, copy=False)


def _described(value: object) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def _proposal(
    kind: str,
    look: Look,
    levels: LevelMaps,
    regions: RegionParameters,
    crops: CropParameters,
    colour: ColourParameters,
    depth: NDArray[np.float32] | None,
    boxes: Sequence[Box],
) -> tuple[Proposal, float]:
    """The proposal of a kind that `Method.proposal` names, and the seconds that it takes to make it."""
    if kind == "depth":
        assert depth is not None
        return look.by_depth(depth, regions, colour)
    size = look.image.shape[0], look.image.shape[1]
    makers: dict[str, Callable[[], Proposal]] = {
        "colour": lambda: by_colour(look.colour(colour), look.image, look.lab),
        "grid": lambda: by_grid(size, crops.count),
        "random": lambda: by_random(look.image, crops.count),
        "cam": lambda: by_cam(levels.maps.relu().mean(dim=0)),
        "oracle": lambda: by_boxes(boxes),
    }
    start = time.perf_counter()
    proposal = makers[kind]() if kind in makers else by_own(kind, look.image, depth)
    return proposal, time.perf_counter() - start


def _with_crops(evidence: Evidence, look: Look, proposal: Proposal, parameters: CropParameters) -> Evidence:
    """The evidence with that of a proposal's crops, all seen in one batch."""
    start = time.perf_counter()
    height, width = look.image.shape[:2]
    context = parameters.context if proposal.margin is None else proposal.margin
    chosen = crop_plan(proposal.tight, (height, width), parameters, context)
    side = crop_side(height, width, look.info.base_side)
    tensor, grey = to_tensor(look.image, look.info.mean, look.info.std), torch.zeros(3)  # the mean colour, normalised
    layered = proposal.partitions[0] if proposal.layered else None
    if layered is None:
        views = [crop(tensor, one.box, side, grey) for one in chosen]
    else:
        views = [layered_crop(tensor, one, side, layered, parameters) for one in chosen]
    maps, probabilities = look.see(views)
    pasted = uncrop(maps.unbind(), [one.box for one in chosen], (height, width))
    if layered is not None and parameters.within is not None:
        pasted = inside_regions(pasted, chosen, layered, parameters.within, evidence.trust)
    return replace(
        evidence,
        megapixels=evidence.megapixels + len(chosen) * side * side / 1e6,
        seconds=evidence.seconds + time.perf_counter() - start,
        crops=pasted,
        crop_probabilities=probabilities,
        plan=tuple(chosen),
    )
