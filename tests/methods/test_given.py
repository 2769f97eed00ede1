"""What users hand over: every form that is taken gives the same pixels, and every other one is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from wsss.data.inverse_depth import inverse_depth, normalise_inverse_depth
from wsss.errors import WsssError
from wsss.methods.given import class_number, class_numbers, nearness, pixels_of

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
CLASSES = ("cat", "motor scooter, scooter", "crane (2)", "crane (3)", "scooter board")


@pytest.mark.parametrize(
    "form", ["array", "float", "float64", "tensor", "float tensor", "bfloat16", "PIL", "file", "text"]
)
def test_every_form_gives_the_same_pixels(form: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(PIXELS).save(path)
    whole = torch.from_numpy(PIXELS).permute(2, 0, 1)
    image: Any = {
        "array": PIXELS,
        "float": (PIXELS / 255).astype(np.float32),
        "float64": PIXELS / 255,
        "tensor": whole,
        "float tensor": whole / 255,
        "bfloat16": (whole / 255).bfloat16(),
        "PIL": Image.open(path),
        "file": path,
        "text": str(path),
    }[form]
    found = pixels_of(image)
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found.astype(int), PIXELS.astype(int), atol=1 if form == "bfloat16" else 0)


def test_a_photograph_that_is_to_be_turned_is_turned_where_no_depth_goes_with_it(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(pixels_of(tmp_path / "turned.png", turn=True), np.rot90(PIXELS, -1))
    with pytest.raises(WsssError, match="stored turned"):
        pixels_of(tmp_path / "turned.png")
    with Image.open(tmp_path / "turned.png") as picture:
        np.testing.assert_array_equal(pixels_of(picture, turn=True), np.rot90(PIXELS, -1))
        with pytest.raises(WsssError, match=r"stored turned .* give PIL\.ImageOps\.exif_transpose\(image\)"):
            pixels_of(picture)
        np.testing.assert_array_equal(pixels_of(ImageOps.exif_transpose(picture)), np.rot90(PIXELS, -1))


def test_pixels_are_a_copy() -> None:
    for given in (PIXELS.copy(), torch.from_numpy(PIXELS.copy()).permute(2, 0, 1)):
        found = pixels_of(given)
        given[:] = 0
        np.testing.assert_array_equal(found, PIXELS)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (PIXELS[..., 0], r"array H×W×3 of RGB, .* not uint8 \(6, 8\)"),
        (PIXELS.transpose(2, 0, 1), r"not uint8 \(3, 6, 8\)"),
        (np.dstack([PIXELS, PIXELS[..., :1]]), r"not uint8 \(6, 8, 4\)"),
        (PIXELS[:0], r"not uint8 \(0, 8, 3\)"),
        (PIXELS.astype(np.int64), "not int64"),
        (PIXELS.astype(np.float32), r"floats must lie in \[0, 1\], not 0 to 2.*: .* before it is normalised"),
        (torch.zeros(3, 4, 4) - 1, r"must lie in \[0, 1\], not -1 to -1"),
        (torch.full((3, 4, 4), torch.nan), r"must lie in \[0, 1\], not nan"),
        (torch.zeros(1, 3, 4, 4), r"tensor \(3,H,W\) of one photograph, not \(1, 3, 4, 4\); of several .*each"),
        (torch.zeros(4, 4, 3), r"tensor \(3,H,W\)"),
        (Image.new("F", (4, 4)), "mode F"),
        (Image.new("I;16", (4, 4)), "mode I;16"),
        (None, "not NoneType"),
        ("gone.jpg", r"gone\.jpg"),
    ],
)
def test_other_images_are_named(image: Any, message: str) -> None:
    with pytest.raises(WsssError, match=message) as caught:
        pixels_of(image)
    assert "\n" not in str(caught.value)


def test_depth_of_every_form_is_the_same(tmp_path: Path) -> None:
    metres = np.linspace(1, 4, 48, dtype=np.float32).reshape(6, 8)
    expected = normalise_inverse_depth(inverse_depth(metres, "metric"))
    np.save(tmp_path / "metres.npy", metres)
    forms: list[Any] = [metres, torch.from_numpy(metres), tmp_path / "metres.npy", str(tmp_path / "metres.npy")]
    for form in forms:
        np.testing.assert_array_equal(nearness(form, "metric", (6, 8)), expected)
    np.testing.assert_array_equal(nearness(-metres, "inverse", (6, 8)), normalise_inverse_depth(-metres))
    assert nearness(metres, "metric", (12, 16)).shape == (12, 16)
    halves = torch.from_numpy(metres).bfloat16()
    np.testing.assert_array_equal(nearness(halves, "metric", (6, 8)), nearness(halves.float(), "metric", (6, 8)))


def test_depth_of_64_bits_keeps_them_until_it_is_normalised() -> None:
    far = 1e6 + np.linspace(0, 1e-2, 48).reshape(6, 8)  # in float32 all one number
    np.testing.assert_array_equal(nearness(far * 1000, "inverse", (6, 8)), normalise_inverse_depth(far * 1000))
    np.testing.assert_array_equal(
        nearness(far.astype(np.float32), "inverse", (6, 8)), normalise_inverse_depth(far.astype(np.float32))
    )


@pytest.mark.parametrize(
    ("depth", "kind", "message"),
    [
        (np.zeros((6, 8)), None, "kind must be metric"),
        (np.zeros((6, 8)), "disparity", "not 'disparity'"),
        (np.zeros((6, 8, 1)), "metric", "depth must be an array H×W"),
        (np.zeros((6, 8), bool), "metric", "real numbers, not bool"),
        (np.zeros((12, 12)), "metric", r"depth is \(12, 12\) \(H, W\), .* not the aspect ratio of the image, \(6, 8\)"),
        (np.zeros((8, 6)), "metric", r"depth is \(8, 6\) \(H, W\), but the image \(6, 8\): turn it"),
    ],
)
def test_other_depth_is_named(depth: Any, kind: Any, message: str) -> None:
    with pytest.raises(WsssError, match=message):
        nearness(depth, kind, (6, 8))


def test_classes_by_name_synonym_and_index() -> None:
    assert class_numbers(CLASSES, ["scooter", 0, "crane (3)", np.int64(4)]) == [1, 0, 3, 4]  # type: ignore[list-item]
    assert class_numbers(CLASSES, torch.tensor([1, 2])) == [1, 2]
    assert class_numbers(CLASSES, iter(np.array(["cat"]))) == [0]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["dog"], "does not know class 'dog'; it knows cat, "),
        ([5], "no class 5: its 5 classes are 0 to 4"),
        ([-1], "no class -1"),
        ([True], "does not know class True"),
        (["cat", 0], "names 'cat' twice"),
        ([np.True_], "does not know class True"),
        (3, r"must be a list, as in classes=\[3\]"),
        (torch.tensor(3), r"must be a list, as in classes=\[3\]"),
        ("cat", r"must be a list, as in classes=\['cat'\]"),
    ],
)
def test_other_classes_are_named(wanted: Any, message: str) -> None:
    with pytest.raises(WsssError, match=message):
        class_numbers(CLASSES, wanted)


def test_of_many_classes_those_alike_are_named() -> None:
    many = (*CLASSES, *(f"thing {number}" for number in range(30)))
    with pytest.raises(WsssError, match=r"of its 35 classes these are like it: crane \(2\); crane \(3\)"):
        class_number(many, "crane")
    with pytest.raises(WsssError, match=r"of its 35 classes none is like it"):
        class_number(many, "zzz")
