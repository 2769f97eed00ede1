"""A fixed input has a stored output: whoever changes what a stage computes must say so.

If a test here fails because the output was changed on purpose, raise that stage's `ALGORITHM_VERSION` in `wsss/pipeline/seeds.py`
(records and cache entries that were made before are then stale) and store the new numbers. If not on purpose, it is a bug.
"""

import hashlib
from typing import Any

import numpy as np
import pytest
import torch

from wsss.analysis.thresholds import pseudo_label
from wsss.cam.maps import pyramid_maps
from wsss.config import ALGORITHM_VERSION
from wsss.methods.evidence import Look, gather
from wsss.methods.fusion import Evidence, fuse
from wsss.methods.guide import guided_filter
from wsss.methods.parameters import ColourParameters, CropParameters, FusionParameters, RegionParameters
from wsss.methods.regions import Regions
from wsss.methods.registry import Method
from wsss.methods.trust import border_alignment, edge_ranks

HINT = (
    "the output of stage {!r} has changed: if that is meant, raise its ALGORITHM_VERSION in wsss/pipeline/seeds.py "
    "and store the new numbers here"
)
CLASSES = ("red", "green", "blue")
FUSIONS = {
    "crop-only": FusionParameters(crop_weight=1.0, gate=1.0),
    "region-only": FusionParameters(vote=0.5),
    "depth": FusionParameters(crop_weight=1.0, gate=1.0, vote=0.5, colour=0.5, reach=0.9),
}

GOLDEN: dict[str, Any] = {
    "levels": [0.6319, -0.0559, 0.2184, -0.1683, -0.3217, 0.1128, -0.1304, -0.0958],
    "areas": [0, 249, 109, 69, 1579, 1066],
    "planes": [0, 0, 0, 1, 1],
    "boxes": [[1, -3, 35, 31], [19, 29, 41, 51], [7, 39, 25, 57], [2, 0, 66, 64], [-22, 0, 42, 64]],
    "regions": [1, 2, 3, 4, 5],
    "guided": [0.3642, 0.2324, 0.3804, 0.4415],
    "colour": [0, 1204, 924, 668, 276],
    "alignment": 0.321,
    "trust": 1.0,
    "crop-only": [0.4212, 0.0161, 0.134, 0.0008, 0.0011, 0.1595, 0.0082, 0.0154],
    "region-only": [0.7127, 0.1096, 0.2566, 0.0362, 0.0663, 0.6104, 0.0482, 0.1189],
    "depth": [0.465, 0.0833, 0.1719, 0.0155, 0.0268, 0.1978, 0.0123, 0.0288],
    "label": "4286531ef90fd85f",
}


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Image 48×64×3 and inverse depth: three coloured things with curved fronts on a floor and before a wall."""
    rows, columns = np.mgrid[:48, :64]
    depth = np.where(rows < 20, 0.15 + 0.05 * columns / 63, 0.15 + 0.35 * (rows - 20) / 27)
    image = np.random.default_rng(0).integers(90, 140, (48, 64, 3))
    for channel, (row, column, radius, near) in enumerate([(18, 14, 9, 0.9), (30, 40, 6, 0.95), (16, 48, 5, 0.7)]):
        distance = (rows - row) ** 2 + (columns - column) ** 2
        disc = distance < radius**2
        depth[disc] = (near - 0.0055 * distance / radius)[disc]
        image[disc, channel] += 100
    return image.clip(0, 255).astype(np.uint8), depth.astype(np.float32)


class Fixed(torch.nn.Module):
    """Class maps that no library initialises: mean of a channel less the others over cells of 16×16 pixels."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        cells = torch.nn.functional.avg_pool2d(images.float(), 16)
        return 4 * (1.5 * cells - cells.sum(dim=1, keepdim=True) / 2)


@pytest.fixture(scope="module")
def evidence(tiny_classifier) -> Evidence:
    image, depth = scene()
    _, info = tiny_classifier(CLASSES)
    return gather(
        Method(proposal="depth"), Look(Fixed(), info, image, (0, 2), torch.device("cpu")), depth=depth,
        regions=RegionParameters(guides=(0, 4)), crops=CropParameters(scales=(0.5, 1.0), count=5, min_side=16),
        colour=ColourParameters(scale=60.0, min_area=0.06),
    )  # fmt: skip


def digest(array: np.ndarray) -> str:
    """Hash of a label map. Scores are compared by `coarse` instead, since their last bits differ between CPUs."""
    return hashlib.sha256(np.ascontiguousarray(array.astype("<i8")).tobytes()).hexdigest()[:16]


def areas(regions: Regions) -> list[int]:
    """Pixels of no region, and of each."""
    return np.bincount(regions.labels.ravel(), minlength=len(regions) + 1).tolist()


def coarse(maps: torch.Tensor) -> list[float]:
    """A few numbers of `(K,H,W)`: means over quarters, which do not feel the last bits."""
    quarters = torch.nn.functional.adaptive_avg_pool2d(maps, 2)
    return [round(float(value), 4) for value in quarters.flatten()]


def test_the_cam(tiny_classifier) -> None:
    image, _ = scene()
    _, info = tiny_classifier(CLASSES)
    levels = pyramid_maps(Fixed(), info, image, (0, 2), scales=(0.5, 1.0), flip=True, device=torch.device("cpu"))
    found = coarse(levels.maps.mean(dim=0))
    assert found == pytest.approx(GOLDEN["levels"], abs=2e-3), HINT.format("cam")


def test_regions_and_crops(evidence: Evidence) -> None:
    first, guided = evidence.partitions
    assert evidence.regions is first
    assert (guided.labels != first.labels).any()
    assert evidence.joint is not None
    found = {
        "planes": first.is_plane.astype(int).tolist(),
        "boxes": [list(one.box) for one in evidence.plan],
        "regions": [one.region for one in evidence.plan],
    }
    assert areas(first) == pytest.approx(GOLDEN["areas"], abs=4), HINT.format("cam")
    assert areas(evidence.joint) == pytest.approx(GOLDEN["colour"], abs=4), HINT.format("cam")
    assert evidence.trust == GOLDEN["trust"], HINT.format("cam")
    assert found == {name: GOLDEN[name] for name in found}, HINT.format("cam")


def test_alignment_with_the_image(evidence: Evidence) -> None:
    image, depth = scene()
    assert coarse(torch.from_numpy(guided_filter(depth, image, 4))[None]) == pytest.approx(
        GOLDEN["guided"], abs=2e-3
    ), HINT.format("cam")
    alignment = border_alignment(edge_ranks(image), evidence.partitions[0].labels)
    assert alignment == pytest.approx(GOLDEN["alignment"], abs=0.01), HINT.format("cam")


@pytest.mark.parametrize("name", FUSIONS)
def test_fused_scores(evidence: Evidence, name: str) -> None:
    parameters = FUSIONS[name]
    assert coarse(fuse(evidence, parameters)) == pytest.approx(GOLDEN[name], abs=2e-3), HINT.format("cam")


def test_pseudo_labels() -> None:
    # Scores with gaps around the thresholds, so that no rounding decides.
    scores = np.random.default_rng(1).integers(0, 10, (3, 24, 32)).astype(np.float32) / 10 + 0.05
    label = pseudo_label(scores, np.array([4, 1, 9]), 0.6, 0.8)
    assert digest(label) == GOLDEN["label"], HINT.format("pseudo")


def test_every_stage_has_a_version() -> None:
    assert set(ALGORITHM_VERSION) == {"classifier", "depth", "cam", "pseudo", "segmentation"}
    assert all(version >= 1 for version in ALGORITHM_VERSION.values())
