"""Which photographs in a row are of one scene, found from the photographs alone.

    python -m wsss.data.same_scene ROOT            # of nyuv2: writes wsss/data/nyuv2_scenes.txt anew (10 minutes)
    python -m wsss.data.same_scene ROOT SHEET.png  # and thumbnails of the first 480 with the cuts, to be looked at

Frames of one scene follow each other, have the same colours, and where they overlap the same corners. Two neighbours
are compared by a histogram of colours in CIELAB and by matched ORB keypoints (Rublee et al. 2011), and so are the
pairs around them, at most three ids apart. What a difference is worth is learnt from neighbours that are known to be of
two scenes: no scene of `nyuv2` is on both sides of the official split. The row is then cut where scenes are least
alike, into as many as Silberman et al. (2012) say that there are. Labels, depth and scores are not looked at.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from skimage.color import rgb2gray, rgb2lab
from skimage.feature import ORB, match_descriptors
from sklearn.linear_model import LogisticRegression

from wsss.data.nyuv2 import SCENES_FILE
from wsss.data.picture_files import PictureFolder
from wsss.data.pictures import read_image
from wsss.data.splits import read_split
from wsss.io import atomic_path

__all__ = ["Look", "boundary_features", "compared", "find_cuts", "looked_at", "scene_lines"]

NYUV2_SCENES = 464
"""Of the 1,449 labelled photographs; 249 in the train split and 215 in the test split."""

APART = 3
"""How far apart two photographs in a row are compared."""

BINS = ((10, 0, 100), (20, -40, 40), (20, -40, 40))
"""Number, low and high end of the bins of L, a and b; what lies outside counts in the outermost."""

KEYPOINTS = 400


@dataclass(frozen=True)
class Look:
    """What is compared of a photograph: a histogram `(4000,)` of length 1, and descriptors `(K,256) bool`."""

    colours: NDArray[np.float32]
    corners: NDArray[np.bool_]


def looked_at(image: NDArray[np.uint8]) -> Look:
    """The colours and corners of a photograph `H×W×3`."""
    small = Image.fromarray(image).resize((image.shape[1] // 4, image.shape[0] // 4), Image.Resampling.BOX)
    lab, edges = rgb2lab(np.asarray(small)).reshape(-1, 3), [np.linspace(low, high, n + 1) for n, low, high in BINS]
    inside = np.clip(lab, [each[0] for each in edges], [each[-1] for each in edges])
    counts = np.histogramdd(inside, bins=edges)[0].ravel()
    orb = ORB(n_keypoints=KEYPOINTS, fast_threshold=0.05)
    try:
        orb.detect_and_extract(rgb2gray(image))
        corners = np.asarray(orb.descriptors, bool)
    except RuntimeError:  # raised where there is no corner at all
        corners = np.zeros((0, 256), bool)
    return Look(np.sqrt(counts / counts.sum()).astype(np.float32), corners)


def compared(one: Look, other: Look) -> tuple[float, float]:
    """Bhattacharyya coefficient of the colours in [0, 1], and log(1 + matched corners)."""
    matches = 0
    if len(one.corners) > 1 and len(other.corners) > 1:
        matches = len(match_descriptors(one.corners, other.corners, max_ratio=0.8, max_distance=0.25))
    return float(one.colours @ other.colours), float(np.log1p(matches))


def boundary_features(looks: Sequence[Look]) -> NDArray[np.float64]:
    """How alike the photographs before and after each boundary of a row are: `(N-1, 4)`.

    Colours and corners of the two neighbours, and the largest of all pairs across the boundary that are at most `APART`
    apart.
    """
    count = len(looks)
    pairs = {
        (one, one + apart): compared(looks[one], looks[one + apart])
        for apart in range(1, APART + 1)
        for one in range(count - apart)
    }
    rows = []
    for last in range(count - 1):
        across = [
            pairs[one, other]
            for one in range(max(0, last - APART + 1), last + 1)
            for other in range(last + 1, min(count, one + APART + 1))
        ]
        colours, corners = zip(*across, strict=True)
        rows.append([*pairs[last, last + 1], max(colours), max(corners)])
    return np.array(rows)


def find_cuts(features: NDArray[np.float64], parted: NDArray[np.bool_], scenes: int) -> NDArray[np.bool_]:
    """Between which neighbours one scene ends and another begins: `(N-1,)`.

    Args:
        features: from `boundary_features`.
        parted: `(N-1,)`, boundaries that are known to be between scenes.
        scenes: how many scenes there are.
    """
    scaled = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-9)
    alike = LogisticRegression(C=10).fit(scaled, ~parted).decision_function(scaled)
    alike[parted] = -np.inf
    cuts = np.zeros(len(parted), bool)
    cuts[np.argsort(alike, kind="stable")[: scenes - 1]] = True
    return cuts


def scene_lines(ids: Sequence[str], cuts: NDArray[np.bool_]) -> list[str]:
    """A line with the ids of each scene."""
    lines = [[ids[0]]]
    for name, cut in zip(ids[1:], cuts, strict=True):
        if cut:
            lines.append([])
        lines[-1].append(name)
    return [" ".join(line) for line in lines]


def main(root: Path, sheet: Path | None = None) -> None:
    """Find the scenes of `nyuv2`, write their file, and draw a sheet of thumbnails where one is asked for."""
    test = set(read_split(root / "test.txt"))
    ids = sorted({*read_split(root / "train.txt"), *test})
    pictures = PictureFolder(root / "rgb")
    features = boundary_features([looked_at(read_image(pictures.path(name))) for name in ids])
    parted = np.array([(one in test) != (other in test) for one, other in pairwise(ids)])
    cuts = find_cuts(features, parted, NYUV2_SCENES)
    with atomic_path(SCENES_FILE) as temporary:
        temporary.write_text("\n".join(scene_lines(ids, cuts)) + "\n", encoding="utf-8")
    first = np.array([True, *cuts])
    tested = np.array([name in test for name in ids])
    print(f"{(first & ~tested).sum()} scenes in train, {(first & tested).sum()} in test")
    if sheet:
        _draw(sheet, [pictures.path(name) for name in ids[:480]], cuts)


def _draw(sheet: Path, files: Sequence[Path], cuts: NDArray[np.bool_], across: int = 20) -> None:
    """Thumbnails in rows, with a yellow bar after the last of each scene."""
    page = Image.new("RGB", (across * 86, -(-len(files) // across) * 62))
    drawing = ImageDraw.Draw(page)
    for place, file in enumerate(files):
        left, top = place % across * 86, place // across * 62
        page.paste(Image.open(file).resize((80, 60)), (left, top))
        drawing.text((left + 2, top + 2), file.stem)
        if place < len(cuts) and cuts[place]:
            drawing.rectangle((left + 80, top, left + 85, top + 60), fill="yellow")
    with atomic_path(sheet) as temporary:
        page.save(temporary, format="PNG")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
