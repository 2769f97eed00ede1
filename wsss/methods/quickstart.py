"""The photograph of the first chapter: one that comes with scikit-image and its measured disparity, or the reader's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skimage.data
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from wsss.analysis.confusion import confusion_matrix, iou_per_class
from wsss.analysis.thresholds import THRESHOLDS, pseudo_label
from wsss.cam.model_facts import require_activation
from wsss.cam.training import predict_probabilities
from wsss.data.adapters import as_dataset
from wsss.data.transforms import resize_long_side
from wsss.depth.estimators import require_hub_model
from wsss.depth.files import read_depth_file
from wsss.depth.names import KINDS, SOURCES
from wsss.depth.sources import open_depth
from wsss.errors import WsssError
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.given import class_number, nearness, pixels_of
from wsss.methods.image_result import ImageResult

__all__ = ["Shot", "against_outline", "likeliest", "looked_at", "open_photograph"]

LONGEST = 800
"""Pixels of the longer side of a photograph; a larger one is made smaller, for lengths of the method are in pixels."""

NO_DEPTH = "none"
"""What the first chapter's parameter `depth` is where the motorcycle's disparity is not to be used."""

NETWORKS = ("hf", "learned")
"""Before a colon: a model of the hub, and a network of `wsss train-depth`."""

MOTORCYCLE = (
    (91, 197), (96, 193), (122, 192), (130, 198), (147, 205), (140, 180), (143, 155), (150, 145), (162, 146),
    (167, 156), (178, 163), (205, 168), (250, 164), (262, 178), (285, 194), (350, 187), (359, 192), (375, 180),
    (390, 172), (372, 176), (356, 172), (362, 163), (392, 143), (410, 128), (425, 122), (437, 136), (456, 147),
    (468, 130), (478, 120), (500, 115), (497, 95), (497, 78), (508, 72), (505, 60), (503, 42), (513, 22), (517, 24),
    (512, 50), (515, 80), (530, 92), (545, 99), (540, 103), (533, 104), (536, 120), (545, 123), (558, 130), (563, 122),
    (572, 117), (581, 122), (580, 136), (572, 142), (562, 144), (562, 165), (552, 183), (545, 192), (553, 205),
    (566, 235), (577, 262), (600, 268), (625, 283), (643, 298), (640, 312), (632, 314), (655, 345), (672, 375),
    (682, 400), (681, 425), (668, 443), (645, 452), (620, 448), (590, 435), (560, 408), (535, 375), (519, 345),
    (512, 325), (506, 328), (506, 318), (512, 300), (523, 284), (527, 275), (512, 255), (500, 225), (494, 205),
    (488, 196), (480, 230), (478, 260), (477, 280), (479, 305), (470, 335), (450, 365), (430, 378), (400, 382),
    (340, 372), (347, 400), (352, 415), (349, 430), (340, 437), (322, 434), (322, 430), (336, 426), (330, 405),
    (322, 375), (275, 360), (262, 378), (235, 394), (205, 401), (175, 394), (150, 375), (132, 345), (122, 310),
    (124, 280), (138, 255), (147, 242), (118, 246), (110, 244), (120, 225), (103, 222), (101, 215), (92, 207),
)  # fmt: skip
"""Outline of the motorcycle, `(x, y)` in pixels, drawn by hand on the photograph alone; wheels count as filled."""


@dataclass(frozen=True)
class Shot:
    """A photograph with what is known of it.

    Attributes:
        name: of the file, without suffix.
        image: `H×W×3 uint8`.
        depth: `h×w`, numbers of `kind`; None without.
        kind: of depth, `metric` (larger = farther) or `inverse` (larger = nearer); None without depth.
        classes: names of what it shows; None where the classifier is to say.
        truth: `H×W uint8`, 1 in an outline that was drawn by hand; None but for the moped of the first chapter.
    """

    name: str
    image: NDArray[np.uint8]
    depth: NDArray[Any] | None
    kind: str | None
    classes: tuple[str, ...] | None
    truth: NDArray[np.uint8] | None = None

    @property
    def near(self) -> NDArray[np.float32] | None:
        """Inverse depth `H×W` in [0, 1], larger = nearer; None without depth."""
        height, width = self.image.shape[:2]
        return None if self.depth is None else nearness(self.depth, self.kind, (height, width))


def open_photograph(
    photo: str | Path | None = None,
    depth: str | Path | None = None,
    depth_kind: str | None = None,
    classes: str | Sequence[str] | None = None,
) -> Shot:
    """What the parameters of the first chapter say.

    Args:
        photo: a file; None takes *Motorcycle* of the Middlebury stereo data (Scharstein et al., GCPR 2014), which
            scikit-image carries, with its measured disparity.
        depth: a file (PNG, TIFF, npy, npz); a network that predicts it from the photograph (`hf:MODEL` of the hub or of
            a folder, `learned:FILE`, or a name that `register_depth_source` entered); None or `none` without.
        depth_kind: of a file, and of a model of which it is not known: `metric` (larger = farther) or `inverse`.
        classes: names, also in one text with commas between them.

    Raises:
        WsssError: a file cannot be read, the kind of a depth file is not stated, or the hub does not have the model.

    >>> shot = open_photograph()
    >>> shot.image.shape, shot.classes
    ((500, 741, 3), ('moped',))
    """
    names = tuple(name.strip() for name in classes.split(",")) if isinstance(classes, str) else classes
    names = tuple(names) if names else None
    given = None if depth is None or str(depth) == NO_DEPTH else str(depth)
    if photo is None:
        image, _, disparity = skimage.data.stereo_motorcycle()
        outline = polygon2mask(image.shape[:2], [(y, x) for x, y in MOTORCYCLE]).astype(np.uint8)
        own = (disparity, "inverse") if depth is None else (None, None)
        near, kind = _depth_of(image, given, depth_kind) if given else own
        return Shot("motorcycle", image, near, kind, names or ("moped",), None if names else outline)
    image = pixels_of(Path(photo), turn=given is None or _predicts(given))
    if max(image.shape) > LONGEST:
        image = resize_long_side(image, LONGEST)
    near, kind = _depth_of(image, given, depth_kind) if given else (None, None)
    return Shot(Path(photo).stem, image, near, kind, names)


def _predicts(depth: str) -> bool:
    """Whether depth comes from the photograph alone, not from a file."""
    return depth.partition(":")[0] in NETWORKS or depth in SOURCES


def _depth_of(image: NDArray[np.uint8], depth: str, kind: str | None) -> tuple[NDArray[Any], str]:
    """Depth of an image from a file or a network, and its kind."""
    if not _predicts(depth):
        if not Path(depth).is_file():
            raise WsssError(
                f"there is no depth file {depth}: give one, a model of the hub as hf:MODEL, or none for regions of "
                "colour"
            )
        if kind not in KINDS:
            raise WsssError(
                f"depth_kind must say what the numbers in {depth} are: metric (larger = farther) or inverse (larger = "
                "nearer)"
            )
        return read_depth_file(Path(depth)), kind
    try:
        if depth.startswith("hf:"):
            require_hub_model(depth.removeprefix("hf:"))
        one = as_dataset([(image, 0)], name="photograph", classes=("any",))
        return open_depth(depth, one, kind)(0), "inverse"
    except WsssError as error:
        raise WsssError(f"{str(error).rstrip('.')}. Or give a depth file, or none for regions of colour.") from error


def looked_at(cam: DepthCAM, shot: Shot) -> dict[str, ImageResult]:
    """Results of the plain methods on a photograph: `cam`, the control `rgb-region` and, where there is depth, `depth`.

    Without classes each looks for those that the classifier finds likely.
    """
    found = {method: cam(shot.image, shot.classes, method=method) for method in ("cam", "rgb-region")}
    if shot.depth is not None:
        found["depth"] = cam(shot.image, shot.classes, depth=shot.depth, kind=shot.kind)
    return found


def likeliest(cam: DepthCAM, image: NDArray[np.uint8], count: int = 5) -> dict[str, float]:
    """The classes that the classifier finds most probable in an image, with their probabilities, most probable first.

    Raises:
        WsssError: the classifier does not say whether its outputs are of a softmax or of sigmoids.
    """
    require_activation(cam.info.activation, "probabilities are asked for")
    probabilities = predict_probabilities(cam.model, cam.info, [image], cam.device)[0]
    own = np.array([probabilities[class_number(cam.info.classes, name)] for name in cam.classes])
    return {cam.classes[index]: float(own[index]) for index in np.argsort(-own, kind="stable")[:count]}


def against_outline(results: Mapping[str, ImageResult], truth: NDArray[np.uint8]) -> pd.DataFrame:
    """IoU in percent of each method's label map with an outline, at the method's threshold and at the best of all.

    The first row is the plain CAM, at the threshold of the first method.

    Args:
        results: by method, each of one class.
        truth: `H×W uint8`, 1 inside.
    """
    first = next(iter(results.values()))
    maps = {"plain CAM": (first.plain, first.threshold)}
    maps |= {name: (result.scores, result.threshold) for name, result in results.items()}

    def iou(scores: NDArray[np.float32], threshold: float) -> float:
        label = pseudo_label(scores, np.array([1]), threshold)
        return float(iou_per_class(confusion_matrix(truth, label, 1))[1])

    rows = {}
    for name, (scores, threshold) in maps.items():
        curve = [iou(scores, float(each)) for each in THRESHOLDS]
        own = {} if threshold is None else {"threshold": threshold, "IoU (%)": iou(scores, threshold)}
        rows[name] = own | {"best threshold": THRESHOLDS[int(np.argmax(curve))], "IoU there (%)": max(curve)}
    return pd.DataFrame.from_dict(rows, orient="index")
