"""Files are whole or absent, and errors name them."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from wsss.data.palette import voc_palette
from wsss.data.pictures import read_image, read_palette, write_png
from wsss.errors import WsssError
from wsss.io import atomic_path, content_hash, read_json, temporary_stem, write_json
from wsss.paths import short_path


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "result.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as path:
        path.write_text(f"half of the ne{1 // 0}")
    assert target.read_text() == "old"
    with pytest.raises(TypeError), atomic_path(target) as path:
        path.write_bytes("no bytes")  # type: ignore[arg-type]  # fails when the file is open and empty
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_new_file_replaces_the_old_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "er" / "result.txt"
    for text in ("first", "second"):
        with atomic_path(target) as path:
            path.write_text(text)
            assert path.parent == target.parent
            assert path.suffix == ".txt"
            assert text == "first" or target.read_text() == "first"
        assert target.read_text() == text
    assert list(target.parent.iterdir()) == [target]
    (other := target.with_name("other")).write_text("")
    assert target.stat().st_mode == other.stat().st_mode  # as whoever runs it has them made


@pytest.mark.parametrize("sign", ["x", "\u00e9", "\u65e5"])
@pytest.mark.parametrize("suffix", [".png", ".json", ".safetensors", ""])
def test_names_of_every_length_that_a_file_may_have_can_be_written(tmp_path: Path, sign: str, suffix: str) -> None:
    """The temporary name is no longer than a name may be, ends as the file does, and is no other file's."""
    width = len(sign.encode())
    for count in sorted({*range(225 // width, 256 // width)}):
        stem = f"{sign * count}"[: (255 - len(suffix)) // width]
        target = tmp_path / f"{stem}{suffix}"
        with atomic_path(target) as path:
            assert len(path.name.encode()) <= 255
            assert path.name.startswith(f".{temporary_stem(target)}.")
            assert path.name.endswith(f".part{suffix}")
            path.write_text("here")
        assert target.read_text() == "here"
    alike = {temporary_stem(tmp_path / f"{'x' * 240}{number}{suffix}") for number in range(9)}
    assert len(alike) == 9
    assert temporary_stem(tmp_path / f"{'x' * 200}{suffix}") == "x" * 200


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(WsssError, match=r"cannot write .*file/result\.txt"),
        atomic_path(tmp_path / "file" / "result.txt"),
    ):
        pass


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(WsssError, match=r"result\.txt.*No space left.*free space"),
        atomic_path(tmp_path / "result.txt"),
    ):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_json_round_trip_and_refused_numbers(tmp_path: Path) -> None:
    content = {"a": [1, 2.5, None], "Ä": {"b": True}}
    write_json(tmp_path / "x.json", content)
    assert read_json(tmp_path / "x.json") == content
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert read_json(tmp_path / "x.json") == content


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe\x00"])
def test_broken_json_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "torn.json").write_bytes(content)
    with pytest.raises(WsssError, match=r"torn\.json"):
        read_json(tmp_path / "torn.json")
    with pytest.raises(WsssError, match=r"gone\.json"):
        read_json(tmp_path / "gone.json")


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([np.uint8, np.uint16, "rgb", "palette"]), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99)
)
def test_png_round_trip(tmp_path_factory: pytest.TempPathFactory, kind, height: int, width: int, seed: int) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.png"
    rng = np.random.default_rng(seed)
    shape = (height, width, 3) if kind == "rgb" else (height, width)
    dtype = kind if isinstance(kind, type) else np.uint8
    array = rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    write_png(path, array, voc_palette() if kind == "palette" else None)
    found = read_image(path, mode=None)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == dtype
    if kind == "palette":
        np.testing.assert_array_equal(read_image(path), voc_palette()[array])


def test_compression_changes_the_file_and_no_pixel(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 20, (50, 60), dtype=np.uint16)
    sizes = []
    for level in (0, 1, 6):
        write_png(path := tmp_path / f"{level}.png", array, level=level)
        np.testing.assert_array_equal(read_image(path, mode=None), array)
        sizes.append(path.stat().st_size)
    assert sizes[0] > sizes[1] > sizes[2]
    write_png(tmp_path / "default.png", array)
    assert (tmp_path / "default.png").read_bytes() == path.read_bytes()


def test_grey_and_transparent_images_become_rgb(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 5), 7, np.uint8)).save(tmp_path / "grey.png")
    Image.fromarray(np.full((4, 5, 4), 9, np.uint8)).save(tmp_path / "alpha.png")
    assert read_image(tmp_path / "grey.png").shape == (4, 5, 3)
    assert read_image(tmp_path / "alpha.png").shape == (4, 5, 3)


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
def test_truncated_images_are_named(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WsssError, match=rf"cannot read image .*{name}"):
        read_image(path)


def test_missing_images_are_named(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match=r"gone\.jpg"):
        read_image(tmp_path / "gone.jpg")


def test_content_hash_is_that_of_the_meaning() -> None:
    assert content_hash({"a": 1, "b": [2, 3]}) == content_hash(json.loads('{"b": [2, 3], "a": 1}'))
    assert content_hash((1, 2)) == content_hash([1, 2])
    different: list[Any] = [{"a": 1}, {"a": 2}, {"b": 1}, {"a": "1"}, {"a": 1.5}, []]
    assert len({content_hash(each) for each in different}) == len(different)
    assert len(content_hash({})) == 64
    with pytest.raises(ValueError, match="JSON"):
        content_hash([float("inf")])


def test_short_path_is_relative_below_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert short_path(tmp_path / "runs" / "a.png") == str(Path("runs") / "a.png")
    assert short_path("/elsewhere/a.png") == "/elsewhere/a.png"


def sixteen_bits(path: Path, array: np.ndarray) -> None:
    """PNG of `H×W×C uint16`, C = 1…4, which Pillow cannot write where C > 1: made of its chunks."""
    height, width, channels = array.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    head = struct.pack(">2I5B", width, height, 16, kind, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_fewer_bits_in_16_are_refused_and_never_read_as_black(tmp_path: Path, channels: int, bits: int) -> None:
    array = np.random.default_rng(0).integers(0, 2**bits, (20, 30, channels))
    sixteen_bits(tmp_path / "dark.png", array)
    with pytest.raises(WsssError, match=r"dark\.png has 16 bits a channel, but no value above.*Save it with 8 bits"):
        read_image(tmp_path / "dark.png")
    sixteen_bits(tmp_path / "full.png", array << (16 - bits))
    found = read_image(tmp_path / "full.png")
    grey = array[..., :1] if channels < 3 else array[..., :3]
    np.testing.assert_array_equal(found, np.broadcast_to((grey << (16 - bits)) >> 8, (20, 30, 3)))


def test_fewer_bits_in_16_are_refused_in_tiff_and_kept_in_maps(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 4096, (20, 30), dtype=np.uint16)
    Image.fromarray(array).save(tmp_path / "dark.tif")
    with pytest.raises(WsssError, match=r"dark\.tif has 16 bits a channel"):
        read_image(tmp_path / "dark.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "dark.tif", mode=None), array)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_where_that_is_asked_for(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    found = read_image(tmp_path / "a.png", turn=True)
    np.testing.assert_array_equal(found, np.array(ImageOps.exif_transpose(Image.open(tmp_path / "a.png"))))
    quarter = {6: -1, 8: 1, 3: 2, 1: 0}
    if orientation in quarter:
        np.testing.assert_array_equal(found, np.rot90(stored, quarter[orientation]))


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_palettes_are_read(tmp_path: Path, form: str) -> None:
    image = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    image.putpalette(voc_palette().ravel().tolist())
    image.save(tmp_path / "mask", form)
    np.testing.assert_array_equal(read_palette(tmp_path / "mask"), voc_palette())
    Image.new("L", (3, 3)).save(tmp_path / "grey", form)
    assert read_palette(tmp_path / "grey") is None
    assert read_palette(tmp_path / "gone") is None


def test_a_jpeg_is_no_label_map_whatever_its_name(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "mask.png", format="JPEG")
    with pytest.raises(WsssError, match=r"mask\.png: it is a JPEG.*changes numbers"):
        read_image(tmp_path / "mask.png", mode=None)
    assert read_image(tmp_path / "mask.png").shape == (8, 8, 3)
