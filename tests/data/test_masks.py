"""What masks' numbers mean is compared with the whole split and with their palettes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss.data.masks import check_masks, moved_colours
from wsss.data.palette import voc_palette
from wsss.data.voc import VocDataset
from wsss.errors import WsssError

FIRST = "2012_000008"
ONLY_255 = r"its masks hold 0 and 255 only.*write the object's class id"


def replace_classes(root: Path, label: int, split: str = "val") -> None:
    """Every class of the masks becomes `label`."""
    for name in (root / "ImageSets" / "Segmentation" / f"{split}.txt").read_text().split():
        file = next(path for path in root.glob(f"SegmentationClass*/{name}.png"))
        mask = np.array(Image.open(file))
        mask[(mask > 0) & (mask < 255)] = label
        Image.fromarray(mask).save(file)


@pytest.mark.parametrize(("listed", "split"), [("val", "val"), ("train_aug", "train"), ("train_aug", "tune")])
def test_masks_of_0_and_255_alone_are_refused(tiny_voc: Path, listed: str, split: str) -> None:
    replace_classes(tiny_voc, 255, listed)
    with pytest.raises(WsssError, match=f"{split} of .*tiny-voc: {ONLY_255}"):
        VocDataset(tiny_voc, split)
    with pytest.raises(WsssError, match=ONLY_255):
        VocDataset(tiny_voc, split, limit=1)


@pytest.mark.parametrize("value", [0, 255])
def test_one_image_without_a_class_is_legal(tiny_voc: Path, value: int) -> None:
    mask = np.zeros((40, 48), np.uint8)
    mask[:10] = value
    Image.fromarray(mask).save(tiny_voc / "SegmentationClass" / f"{FIRST}.png")
    np.testing.assert_array_equal(VocDataset(tiny_voc, "val")[0].mask, mask)
    assert not VocDataset(tiny_voc, "val", limit=1)[0].labels.any()


def test_a_tune_split_of_one_image_without_a_class_is_legal(tiny_voc: Path) -> None:
    (name,) = VocDataset(tiny_voc, "tune").ids
    mask = np.zeros((40, 48), np.uint8)
    mask[0] = 255
    Image.fromarray(mask).save(tiny_voc / "SegmentationClass" / f"{name}.png")
    assert len(VocDataset(tiny_voc, "tune")) == 1


def test_annotations_in_place_of_masks_are_legal(tiny_voc: Path) -> None:
    (tiny_voc / "Annotations").mkdir()
    text = "<annotation><object><name>cat</name></object></annotation>"
    for file in tiny_voc.glob("SegmentationClass*/*.png"):
        if file.stem not in VocDataset(tiny_voc, "val").ids:
            file.unlink()
            (tiny_voc / "Annotations" / f"{file.stem}.xml").write_text(text)
    data = VocDataset(tiny_voc, "train_aug")
    assert all((sample.required_mask == 255).all() and sample.labels.sum() == 1 for sample in data)
    assert data.labels().sum() == len(data)


def test_the_search_ends_at_the_first_class() -> None:
    def masks() -> Iterator[np.ndarray]:
        yield np.isin(np.arange(256), (0, 255))
        yield np.arange(256) == 7
        raise AssertionError("read on")

    check_masks(masks(), "val")


def test_masks_of_background_alone_are_legal(tiny_voc: Path) -> None:
    for file in (tiny_voc / "SegmentationClass").iterdir():
        Image.fromarray(np.zeros((40, 48), np.uint8)).save(file)
    assert not VocDataset(tiny_voc, "val").labels().any()


def save_with(file: Path, mask: np.ndarray, palette: np.ndarray) -> None:
    image = Image.fromarray(mask)
    image.putpalette(palette.astype(np.uint8).ravel().tolist())
    image.save(file)


@pytest.mark.parametrize("colours", [[0, 8, 12, 255], [12, 8, 0, 255], [255, 12, 8, 0]], ids=str)
def test_a_palette_that_a_program_has_sorted_or_shortened_is_refused(tiny_voc: Path, colours: list[int]) -> None:
    file = tiny_voc / "SegmentationClass" / f"{FIRST}.png"
    true = np.array(Image.open(file))
    save_with(file, np.select([true == label for label in colours], range(4)).astype(np.uint8), voc_palette()[colours])
    with pytest.raises(WsssError, match=rf"{FIRST}\.png: its palette has the colour of class id \d+ at \d.*greyscale"):
        VocDataset(tiny_voc, "val")[0]
    with pytest.raises(WsssError, match="has changed the ids"):
        VocDataset(tiny_voc, "val").labels()


@pytest.mark.parametrize("kind", ["VOC's", "VOC's with white void", "grey", "own", "short"])
def test_palettes_that_say_nothing_else_are_legal(tiny_voc: Path, kind: str) -> None:
    file = tiny_voc / "SegmentationClass" / f"{FIRST}.png"
    true = np.array(Image.open(file))
    white = voc_palette().copy()
    white[255] = 255
    palette = {
        "VOC's": voc_palette(),
        "VOC's with white void": white,
        "grey": np.repeat(np.arange(256)[:, None], 3, axis=1),
        "own": np.random.default_rng(0).integers(0, 256, (256, 3)),
        "short": voc_palette()[:21],
    }[kind]
    save_with(file, true, palette)
    np.testing.assert_array_equal(VocDataset(tiny_voc, "val")[0].mask, true)


def test_moved_colours() -> None:
    palette = voc_palette()
    assert moved_colours(palette, np.arange(21), 20) is None
    assert moved_colours(palette[[0, 2, 1]], np.array([0, 1]), 2) == (1, 2)
    assert moved_colours(palette[[0, 2, 1]], np.array([0]), 2) is None  # what no pixel has says nothing
    assert moved_colours(np.array([[0, 0, 0], [255, 255, 255]]), np.array([0, 1]), 1) is None
    assert moved_colours(np.array([[0, 0, 0], [128, 0, 0], [255, 255, 255]]), np.array([0, 1, 2]), 2) == (2, 255)
    assert moved_colours(np.vstack([palette[[0, 2]], [[9, 9, 9]]]), np.array([0, 1, 2]), 2) is None


def test_a_colour_that_moves_from_mask_to_mask_is_refused(tiny_voc: Path) -> None:
    own = np.random.default_rng(0).integers(0, 256, (256, 3))
    own[0] = 0
    first, second, *_ = VocDataset(tiny_voc, "val").ids
    mask = np.zeros((40, 48), np.uint8)
    mask[:9], mask[9:12] = 8, 12
    shortened = np.searchsorted([0, 12], np.where(mask == 8, 0, mask)).astype(np.uint8)
    for name, ids, palette in ((first, mask, own), (second, shortened, own[[0, 12]])):
        save_with(tiny_voc / "SegmentationClass" / f"{name}.png", ids, palette)
    moved = (
        rf"{second}\.png: its palette has the colour .* at 1, and that of .*{first}\.png has it at 12, .*one palette"
    )
    with pytest.raises(WsssError, match=moved):
        VocDataset(tiny_voc, "val").labels()
    with pytest.raises(WsssError, match=moved):
        list(VocDataset(tiny_voc, "val"))
    save_with(tiny_voc / "SegmentationClass" / f"{second}.png", np.where(mask == 8, 0, mask).astype(np.uint8), own)
    assert VocDataset(tiny_voc, "val").labels()[1].sum() == 1


def test_greys_that_are_stretched_from_mask_to_mask_say_nothing(tiny_voc: Path) -> None:
    names = VocDataset(tiny_voc, "val").ids[:2]
    for label, name in enumerate(names, start=1):
        mask = np.zeros((40, 48), np.uint8)
        mask[:9] = label
        save_with(
            tiny_voc / "SegmentationClass" / f"{name}.png",
            mask,
            np.linspace(0, 255, label + 1)[:, None].repeat(3, axis=1),
        )
    assert VocDataset(tiny_voc, "val").labels()[:2].argmax(axis=1).tolist() == [0, 1]
