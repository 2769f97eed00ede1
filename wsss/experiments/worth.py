"""What plain maps, zoom, colour and depth are worth on one's own photographs, by the few masks that there are.

Each mask is scored with the parameters and the threshold that were chosen on all others, so that no choice has seen
what it is scored on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from wsss.analysis import bootstrap_miou, mean_iou, paired_bootstrap
from wsss.analysis.thresholds import choose_threshold, threshold_place
from wsss.errors import WsssError
from wsss.machine.parallel import each_image
from wsss.methods.depth_cam import Depths
from wsss.methods.presets import Preset
from wsss.methods.registry import method, uses_depth
from wsss.methods.scoring import best_trial, image_counts, trial_sweeps
from wsss.pipeline.run import Run

__all__ = ["COMPARED", "Worth", "advice", "compare_methods", "plain_worth", "worth_of"]

COMPARED = ("cam", "zoom", "rgb-region", "depth")
"""Plain maps, zoom, regions of colour, and depth."""

FEWEST = 5
"""Masks from which on there is anything to compare."""

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Worth:
    """A method on the masks that there are; mIoU in percent, differences in points, with 95 % intervals.

    Attributes:
        miou, interval: with what was chosen on the other masks.
        preset: mIoU with the parameters of a preset, and its threshold.
        against: method → (difference of this one from it, (low, high)).
    """

    method: str
    miou: float
    interval: tuple[float, float]
    preset: float
    against: Mapping[str, tuple[float, tuple[float, float]]] = field(default_factory=dict)


def compare_methods(run: Run, preset: Preset, names: Sequence[str] = COMPARED) -> list[Worth]:
    """Score methods on the masks of `tune`.

    Raises:
        WsssError: there are fewer than `FEWEST` masks.
    """
    data = run.data("tune")
    if run.not_scored("tune") or len(data) < FEWEST:
        raise WsssError(
            f"{FEWEST} masks are needed at least to compare methods; twenty are better. Give --tune-masks DIR."
        )
    depths: Depths = {None: run.depth_of("tune")} if any(map(uses_depth, names)) else {}
    cam = run.depth_cam
    sweeps = trial_sweeps(cam, names, depths)

    def counted(index: int) -> dict[str, Packed]:
        return {name: Packed.of(one) for name, one in image_counts(cam, data, sweeps, index).items()}

    found = list(each_image(counted, range(len(data)), "compare", device=cam.device, progress=run.progress))
    return worth_of({name: [one[name] for one in found] for name in names}, preset)


@dataclass(frozen=True)
class Packed:
    """Counts of one image, of which nearly all are 0, in little memory.

    >>> counts = np.zeros((2, 47, 3, 4), np.int64)
    >>> bool((Packed.of(counts).whole() == counts).all())
    True
    """

    shape: tuple[int, ...]
    held: csr_array

    @classmethod
    def of(cls, counts: Counts) -> "Packed":
        """Of `(T,47,C+1,C+2)` counts, see `image_counts`."""
        return cls(counts.shape, csr_array(counts.reshape(len(counts), -1)))

    def whole(self) -> Counts:
        """The counts again."""
        return np.asarray(self.held.toarray().reshape(self.shape))


def worth_of(counts: Mapping[str, Sequence[Packed]], preset: Preset) -> list[Worth]:
    """The methods' worth from their counts.

    Args:
        counts: method → of each image T trials at every threshold.
    """
    chosen = {name: _chosen_on_others(each) for name, each in counts.items()}
    return [
        Worth(
            name,
            float(mean_iou(own.sum(axis=0))),
            bootstrap_miou(own),
            float(mean_iou(_of_preset(name, counts[name], preset).sum(axis=0))),
            {other: paired_bootstrap(own, theirs) for other, theirs in chosen.items() if other != name},
        )
        for name, own in chosen.items()
    ]


def _chosen_on_others(counts: Sequence[Packed]) -> Counts:
    """Confusions `(N,C+1,C+2)` of each image, with what was chosen on the others."""
    total, own = reduce(np.add, (one.whole() for one in counts)), []
    for each in (one.whole() for one in counts):
        trial, (threshold, _) = best_trial(total - each, choose_threshold)
        own.append(each[trial, threshold_place(threshold)])
    return np.stack(own)


def _of_preset(name: str, counts: Sequence[Packed], preset: Preset) -> Counts:
    choice = preset.choice(name)
    place = method(name).trials.index(choice.parameters), threshold_place(choice.threshold)
    return np.stack([one.whole()[place] for one in counts])


def advice(found: Sequence[Worth]) -> str:
    """Which method to use, and how sure that is.

    Depth has to be measured or predicted, so it is advised only where it is surely better than all that needs none.
    """
    free = max((one for one in found if not uses_depth(one.method)), key=lambda one: one.miou)
    depth = next((one for one in found if uses_depth(one.method)), None)
    if depth is not None:
        difference, (low, high) = depth.against[free.method]
        text = f"depth against {free.method} is {difference:+.1f} points [{low:.1f}, {high:.1f}]"
        if low > 0:
            return f"use depth: {text}"
        if high >= 0 and difference > 0:
            return f"use {free.method}: {text}, which these masks cannot tell from nothing; more masks may"
        return f"use {free.method}: {text}"
    rest = [one.method for one in found if one is not free]
    sure = all(free.against[name][1][0] > 0 for name in rest)
    return f"use {free.method}" + ("" if sure else ", though these masks cannot tell it from all the others")


def plain_worth(found: Sequence[Worth]) -> list[dict[str, Any]]:
    """For JSON."""
    return [
        {
            "method": one.method,
            "miou": round(one.miou, 2),
            "interval": [round(value, 2) for value in one.interval],
            "preset_miou": round(one.preset, 2),
            "against": {
                name: {"difference": round(value, 2), "ci": [round(edge, 2) for edge in edges]}
                for name, (value, edges) in one.against.items()
            },
        }
        for one in found
    ]
