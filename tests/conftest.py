"""Fixtures for every room: the shared photographs, and a tiny folder in VOC layout."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

VOC_IDS = {"cat": 8, "dog": 12}
COLOURS = {"cat": (220, 60, 40), "dog": (40, 90, 220)}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photographs (`$WSSS_SHARED_DATA` or `../shared/data`); skips the test where it is missing."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("WSSS_SHARED_DATA", default))
    if not (folder / "nyuv2").is_dir():
        pytest.skip(f"no shared data at {folder}; set WSSS_SHARED_DATA")
    return folder


def write_palette_png(path: Path, mask: np.ndarray) -> None:
    """Write an `H×W uint8` map as a palette PNG, as VOC does."""
    image = Image.fromarray(mask)
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def _paint(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image 40×48×3, VOC mask and depth in mm of one scene: a square cat, a round dog, or both, on a grey floor."""
    rng = np.random.default_rng(index)
    rows, columns = np.mgrid[:40, :48]
    image = np.full((40, 48, 3), 120) + rng.integers(-15, 16, (40, 48, 3))
    mask = np.zeros((40, 48), dtype=np.uint8)
    depth = np.broadcast_to(4000 - 50 * rows, (40, 48)).astype(np.uint16).copy()
    shapes = {
        "cat": (abs(rows - 14 - index % 4) < 8) & (abs(columns - 13) < 8),
        "dog": (rows - 24) ** 2 + (columns - 34 + index % 3) ** 2 < 81,
    }
    for kind, name in enumerate(shapes):
        if index % 3 in (kind, 2):
            image[shapes[name]] += np.array(COLOURS[name]) - 120
            mask[shapes[name]] = VOC_IDS[name]
            depth[shapes[name]] = 1500 + 200 * kind
    return np.clip(image, 0, 255).astype(np.uint8), mask, depth


@pytest.fixture
def tiny_voc(tmp_path: Path) -> Path:
    """A VOC-layout folder of 12 images, 40×48 (H×W), with cats (id 8), dogs (12) or both.

    train 6 ids (1 of them tune), train_aug 8, val 4. Masks of train and val are in `SegmentationClass` with a void row
    at the top, the two others in `SegmentationClassAug`. `DepthMETER` has 16-bit millimetres, 20×24, larger = farther.
    """
    root = tmp_path / "tiny-voc"
    ids = [f"2012_{number:06d}" for number in range(12)]
    splits = {"train": ids[:6], "train_aug": ids[:8], "val": ids[8:]}
    for folder in ("JPEGImages", "DepthMETER", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for index, name in enumerate(ids):
        image, mask, depth = _paint(index)
        Image.fromarray(image).save(root / "JPEGImages" / f"{name}.jpg", quality=95)
        Image.fromarray(depth[::2, ::2]).save(root / "DepthMETER" / f"{name}.png")
        augmented = index in (6, 7)
        if not augmented:
            mask[0] = 255
        write_palette_png(root / ("SegmentationClassAug" if augmented else "SegmentationClass") / f"{name}.png", mask)
    for split, names in splits.items():
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names) + "\n")
    return root
