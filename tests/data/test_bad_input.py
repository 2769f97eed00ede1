"""The catalogue of bad data: what can be wrong with a folder of images, and what is said of it, if it matters."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss.data.download import Archive, extract
from wsss.data.pictures import read_image
from wsss.data.splits import read_split
from wsss.data.tabletop import TabletopDataset
from wsss.data.tabletop_rendering import render_series
from wsss.data.voc import VocDataset, read_class_names
from wsss.data.vocabulary import choose_classes
from wsss.errors import WsssError
from wsss.io import read_json

FIRST = "2012_000008"  # of val: a cat and a dog
SIZE = (40, 48)
Damage = Callable[[Path], object]


def image_of(root: Path) -> Path:
    return root / "JPEGImages" / f"{FIRST}.jpg"


def mask_of(root: Path) -> Path:
    return root / "SegmentationClass" / f"{FIRST}.png"


def saved(array: np.ndarray, place: Callable[[Path], Path], form: str = "PNG", **options: object) -> Damage:
    return lambda root: Image.fromarray(array).save(place(root), form, **options)


def cut(place: Callable[[Path], Path], share: float) -> Damage:
    return lambda root: place(root).write_bytes(place(root).read_bytes()[: int(share * place(root).stat().st_size)])


def written(place: Callable[[Path], Path], content: bytes) -> Damage:
    return lambda root: place(root).write_bytes(content)


def listed(content: bytes) -> Damage:
    return written(lambda root: root / "ImageSets" / "Segmentation" / "val.txt", content)


def turned(tag: int) -> Damage:
    exif = Image.Exif()
    exif[0x0112] = tag
    return lambda root: Image.open(image_of(root)).copy().save(image_of(root), "JPEG", exif=exif)


GREY = np.random.default_rng(0).integers(0, 256, SIZE, dtype=np.uint8)
IDS = np.zeros(SIZE, np.uint8)

REFUSED: dict[str, tuple[Damage, str]] = {
    "truncated JPEG": (cut(image_of, 0.5), rf"{FIRST}\.jpg.*Replace the file or take its id out"),
    "zero bytes": (cut(image_of, 0), rf"{FIRST}\.jpg.*Replace the file"),
    "no image": (written(image_of, b"<html>404</html>"), rf"{FIRST}\.jpg.*Replace the file"),
    "PostScript": (
        written(image_of, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        rf"{FIRST}\.jpg.*Replace the file",
    ),
    "32 bits": (saved(GREY.astype(np.int32), image_of, "TIFF"), rf"{FIRST}\.jpg has 32 bits a channel.*8 bits"),
    "floats": (saved(GREY.astype(np.float32), image_of, "TIFF"), rf"{FIRST}\.jpg has 32 bits a channel.*8 bits"),
    "EXIF on its side": (turned(6), rf"{FIRST}\.jpg is stored turned.*auto-orient"),
    "EXIF upside down": (turned(3), rf"{FIRST}\.jpg is stored turned.*auto-orient"),
    "no image file": (lambda root: image_of(root).unlink(), rf"{FIRST}\.jpg.*take its id out"),
    "no mask": (lambda root: mask_of(root).unlink(), rf"{FIRST}\.png is neither in.*take {FIRST} out of the val list"),
    "mask of another size": (
        saved(IDS[:, :-1], mask_of),
        rf"{FIRST}\.png is \(40, 47\).*image \(40, 48\).*make it again",
    ),
    "mask on its side": (saved(IDS.T, mask_of), rf"{FIRST}\.png is \(48, 40\).*image \(40, 48\)"),
    "mask with unknown ids": (saved(IDS + 21, mask_of), rf"{FIRST}\.png holds the value 21.*classes\.txt"),
    "mask of colours": (saved(np.zeros((*SIZE, 3), np.uint8), mask_of), rf"{FIRST}\.png must be.*one number a pixel"),
    "mask with alpha": (saved(np.zeros((*SIZE, 2), np.uint8), mask_of), rf"{FIRST}\.png must be.*one number a pixel"),
    "mask of 16 bits": (saved(IDS.astype(np.uint16), mask_of), rf"{FIRST}\.png must be.*16 bits"),
    "mask of one bit": (saved(IDS > 0, mask_of), rf"{FIRST}\.png must be.*bool"),
    "mask truncated": (cut(mask_of, 0.6), rf"{FIRST}\.png.*Replace the file"),
    "unknown id": (listed(b"2012_000008x\n"), r"2012_000008x\.jpg.*take its id out"),
    "id with suffix": (listed(b"2012_000008.jpg\n"), r"2012_000008\.jpg\.jpg.*take its id out"),
    "repeated id": (listed(b"2012_000008\n2012_000008\n"), r"val\.txt lists 2012_000008 more than once.*Remove"),
    "path": (listed(b"../../etc/passwd\n"), r"val\.txt: id '\.\./\.\./etc/passwd' contains a path"),
    "absolute path": (listed(b"/etc/passwd\n"), r"val\.txt: id '/etc/passwd' contains a path"),
    "backslashes": (listed(b"..\\secret\n"), r"val\.txt: id .* contains a path"),
    "long id": (listed(b"x" * 400), r"val\.txt: id 'x{40}' is no file name"),
    "UTF-16": (listed("2012_000008\n".encode("utf-16")), r"cannot read split file .*val\.txt"),
    "UTF-16 without mark": (listed("2012_000008\n".encode("utf-16-le")), r"val\.txt: id .* is no file name.*UTF-8"),
    "no ids": (listed(b"\n\n"), r"val\.txt is empty"),
    "binary list": (listed(bytes(range(128, 256))), r"cannot read split file .*val\.txt"),
}


def first_sample(root: Path) -> np.ndarray:
    return VocDataset(root, "val")[0].image


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_names_file_and_remedy(tiny_voc: Path, case: str) -> None:
    damage, message = REFUSED[case]
    damage(tiny_voc)
    with pytest.raises(WsssError, match=message):
        first_sample(tiny_voc)


def cmyk(root: Path) -> None:
    Image.open(image_of(root)).convert("CMYK").save(image_of(root), "JPEG", quality=95)


RIGHT: dict[str, tuple[Damage, Callable[[np.ndarray, np.ndarray], bool]]] = {
    "grey": (saved(GREY, image_of), lambda found, _: bool((found == GREY[..., None]).all())),
    "16 bits": (
        saved(GREY.astype(np.uint16) * 256 + 77, image_of),
        lambda found, _: bool((found == GREY[..., None]).all()),
    ),
    "alpha": (
        saved(np.dstack([GREY, GREY // 2, GREY // 3, GREY * 0]), image_of),
        lambda found, _: bool((found == np.dstack([GREY, GREY // 2, GREY // 3])).all()),
    ),
    "grey with alpha": (
        saved(np.dstack([GREY, GREY]), image_of),
        lambda found, _: bool((found == GREY[..., None]).all()),
    ),
    "CMYK": (cmyk, lambda found, true: float(np.abs(found.astype(int) - true).mean()) < 12),
    "PNG that is called JPEG": (
        lambda root: Image.open(image_of(root)).copy().save(image_of(root), "PNG"),
        lambda found, true: bool((found == true).all()),
    ),
    "EXIF as stored": (turned(1), lambda found, true: float(np.abs(found.astype(int) - true).mean()) < 12),
    "EXIF nonsense": (turned(77), lambda found, true: float(np.abs(found.astype(int) - true).mean()) < 12),
    "CRLF and mark": (
        listed(b"\xef\xbb\xbf2012_000008\r\n\r\n 2012_000009 \r\n"),
        lambda found, true: bool((found == true).all()),
    ),
}


@pytest.mark.parametrize("case", RIGHT)
def test_what_is_unusual_is_read_right(tiny_voc: Path, case: str) -> None:
    true = first_sample(tiny_voc)
    damage, is_right = RIGHT[case]
    damage(tiny_voc)
    found = first_sample(tiny_voc)
    assert found.shape == (*SIZE, 3)
    assert found.dtype == np.uint8
    assert is_right(found, true)


def test_sixteen_bit_colours_lose_their_lower_half(tmp_path: Path) -> None:
    """PNG with 16 bits in three channels, which Pillow cannot write: made of its chunks."""
    import struct
    import zlib

    rows = b"".join(b"\0" + struct.pack(">6H", *(256 * (60 * row + k) + 200 for k in range(6))) for row in range(3))
    parts = [(b"IHDR", struct.pack(">2I5B", 2, 3, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    np.testing.assert_array_equal(
        read_image(tmp_path / "deep.png"),
        [[[60 * row + 3 * c + k for k in range(3)] for c in range(2)] for row in range(3)],
    )


def test_ids_with_spaces_are_names(tiny_voc: Path) -> None:
    for file in (image_of(tiny_voc), mask_of(tiny_voc)):
        file.rename(file.with_stem("my cat, at home (2)"))
    listed(b"my cat, at home (2)\n")(tiny_voc)
    sample = VocDataset(tiny_voc, "val")[0]
    assert sample.id == "my cat, at home (2)"
    assert sample.labels.sum() == 2


def test_a_mask_without_image_is_nobodys(tiny_voc: Path) -> None:
    shutil.copy(mask_of(tiny_voc), mask_of(tiny_voc).with_stem("stray"))
    assert "stray" not in VocDataset(tiny_voc, "val").ids


def test_nothing_to_see_and_nothing_known(tiny_voc: Path) -> None:
    saved(IDS, mask_of)(tiny_voc)
    assert not VocDataset(tiny_voc, "val")[0].labels.any()
    saved(IDS + 255, mask_of)(tiny_voc)
    assert not VocDataset(tiny_voc, "val")[0].labels.any()


@pytest.mark.parametrize("count", [1, 200, 254])
def test_vocabularies_of_any_size(tiny_voc: Path, count: int) -> None:
    (tiny_voc / "classes.txt").write_bytes("\r\n".join(f"kind {number}" for number in range(1, count + 1)).encode())
    for file in (tiny_voc / "SegmentationClass").iterdir():
        mask = np.array(Image.open(file))
        Image.fromarray(np.where((mask > 0) & (mask < 255), count, mask).astype(np.uint8)).save(file)
    data = VocDataset(tiny_voc, "val")
    assert len(data.classes) == count
    assert np.flatnonzero(data[0].labels).tolist() == [count - 1]
    assert choose_classes(data.labels(), data.classes, "").used == (f"kind {count}",)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"", b"cat\nBackground\n", b"cat\ncat\n", b"\n".join(b"c%d" % n for n in range(255))]
)
def test_bad_vocabularies_are_named(tiny_voc: Path, content: bytes) -> None:
    (tiny_voc / "classes.txt").write_bytes(content)
    with pytest.raises(WsssError, match=r"classes\.txt.*must name"):
        read_class_names(tiny_voc)


@pytest.mark.parametrize("name", ["my data (1)", ".hidden", "a;b"])
def test_folders_whose_name_no_record_may_have_are_refused_at_once(tiny_voc: Path, name: str) -> None:
    with pytest.raises(WsssError, match=r"folder's name.*Rename it"):
        VocDataset(tiny_voc.rename(tiny_voc.parent / name), "val")


ANNOTATIONS = {
    "torn": "<annotation><object>",
    "unknown encoding": "<?xml version='1.0' encoding='klingon'?><annotation/>",
    "bomb": "<!DOCTYPE a [<!ENTITY a 'ha'>"
    + "".join(f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 40}'>" for n in range(9))
    + "]><annotation><object><name>&j;</name></object></annotation>",
    "outside": f"<!DOCTYPE a [<!ENTITY x SYSTEM '{Path('/etc/hostname').as_uri()}'>]>"
    "<annotation><object><name>&x;</name>"
    "</object></annotation>",
    "unknown class": "<annotation><object><name>unicorn</name></object></annotation>",
    "no name": "<annotation><object><name/></object></annotation>",
}


@pytest.mark.parametrize("case", ANNOTATIONS)
def test_bad_annotations_are_named(tiny_voc: Path, case: str) -> None:
    (tiny_voc / "SegmentationClass" / "2012_000001.png").unlink()
    (tiny_voc / "Annotations").mkdir()
    (tiny_voc / "Annotations" / "2012_000001.xml").write_text(ANNOTATIONS[case])
    data = VocDataset(tiny_voc, "train")
    with pytest.raises(WsssError, match=r"2012_000001\.xml.*(Replace it|Correct it)"):
        data[data.ids.index("2012_000001")]


@pytest.mark.parametrize(
    "box", [("1", "1", "nan", "20"), ("30", "1", "20", "20"), ("1", "1", "inf", "20"), ("1", "1", "x", "20")]
)
def test_bad_boxes_are_named(tiny_voc: Path, box: tuple[str, ...]) -> None:
    sides = "".join(
        f"<{name}>{value}</{name}>" for name, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    for folder in ("SegmentationObject", "Annotations"):
        (tiny_voc / folder).mkdir()
    shutil.copy(mask_of(tiny_voc), tiny_voc / "SegmentationObject" / f"{FIRST}.png")
    text = f"<annotation><object><name>cat</name><bndbox>{sides}</bndbox></object></annotation>"
    (tiny_voc / "Annotations" / f"{FIRST}.xml").write_text(text)
    with pytest.raises(WsssError, match=rf"{FIRST}\.xml.*bndbox.*remove the object"):
        first_sample(tiny_voc)


# ---- rendered folders ---------------------------------------------------------------------------------------------


@pytest.fixture
def rendered(tabletop_root: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tabletop_root, tmp_path / "rendered"))


def with_facts(**facts: object) -> Callable[[dict], dict]:
    """An index whose first scene has one object, and `facts` that are wrong."""

    def change(index: dict) -> dict:
        first, *others = index["scenes"]
        return {**index, "scenes": [{**first, "classes": [1], "occlusion": [0.0], **facts}, *others]}

    return change


INDEX: dict[str, Callable[[dict], object]] = {
    "no table": lambda index: [],
    "no scenes": lambda index: {"identity": index["identity"]},
    "id that leads out": with_facts(id="test-../../../etc/0000"),
    "id of another split": with_facts(id="train-0000"),
    "number for an id": with_facts(id=7),
    "unknown class": with_facts(classes=[99]),
    "number for classes": with_facts(classes=7),
    "classes without occlusion": with_facts(occlusion=[]),
    "occlusion above 1": with_facts(occlusion=[7.5]),
    "text for occlusion": with_facts(occlusion=["much"]),
}


@pytest.mark.parametrize("case", INDEX)
def test_a_bad_index_is_named(rendered: Path, case: str) -> None:
    path = rendered / "test" / "index.json"
    path.write_text(json.dumps(INDEX[case](read_json(path))))
    with pytest.raises(WsssError, match=r"test/index\.json is no index.*Delete .*render"):
        TabletopDataset(rendered, "test")


@pytest.mark.parametrize("kind", ["masks", "instances", "depth"])
@pytest.mark.parametrize("damage", ["size", "values", "torn", "missing"])
def test_bad_maps_are_named(rendered: Path, kind: str, damage: str) -> None:
    path = rendered / "test" / kind / "0000.png"
    if damage == "values" and kind == "depth":
        pytest.skip("every value of 16 bits is a depth")
    if damage == "size":
        Image.fromarray(np.zeros((64, 63), np.uint8)).save(path)
    elif damage == "values":
        Image.fromarray(np.full((64, 64), 99, np.uint8)).save(path)
    elif damage == "torn":
        path.write_bytes(path.read_bytes()[:60])
    else:
        path.unlink()
    with pytest.raises(WsssError, match=rf"{kind}/0000\.png.*(Delete|Replace)"):
        TabletopDataset(rendered, "test")[0]


@pytest.mark.parametrize("text", ["[1]", '{"seed": 0, "side": 64, "splits": {"holiday": 3}}'])
def test_an_identity_without_meaning_is_named(rendered: Path, text: str) -> None:
    (rendered / "identity.json").write_text(text)
    with pytest.raises(WsssError, match=r"identity\.json does not say"):
        render_series(rendered, progress=False)


# ---- JSON and archives --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a": NaN}', '{"a": -Infinity}', "9" * 5000, "\ud800".encode("utf-8", "surrogatepass")]
)
def test_json_that_no_program_of_ours_wrote(tmp_path: Path, text: str | bytes) -> None:
    path = tmp_path / "odd.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(WsssError, match=r"odd\.json.*Delete it"):
        read_json(path)


def tar_with(path: Path, kind: bytes, name: str, target: str = "") -> Path:
    import io
    import tarfile

    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("data/good.txt")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"good"))
        evil = tarfile.TarInfo(name)
        evil.type, evil.linkname = kind, target
        tar.addfile(evil)
    return path


@pytest.mark.parametrize(
    ("kind", "name", "target"),
    [
        (b"0", "../evil.txt", ""),
        (b"0", "data/../../evil.txt", ""),
        (b"2", "data/link", "/etc"),
        (b"2", "data/link", "../../.."),
        (b"2", "data/link", "good.txt"),
        (b"1", "data/hard", "/etc/passwd"),
        (b"1", "data/hard", "data/good.txt"),
        (b"3", "data/device", ""),
        (b"6", "data/pipe", ""),
    ],
)
def test_hostile_archives_leave_nothing(tmp_path: Path, kind: bytes, name: str, target: str) -> None:
    archive = tar_with(tmp_path / "evil.tar", kind, name, target)
    with pytest.raises(WsssError, match=r"cannot extract .*evil\.tar.*Delete it"):
        extract(archive, "data", tmp_path / "in" / "out")
    assert not (tmp_path / "in" / "out").exists()
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["evil.tar", "in"]


def test_an_absolute_member_stays_inside(tmp_path: Path) -> None:
    place = tmp_path / "elsewhere" / "evil.txt"
    extract(tar_with(tmp_path / "evil.tar", b"0", str(place)), "data", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.txt"]
    assert not place.exists()


def test_archives_come_by_https_with_a_long_checksum() -> None:
    from wsss.data import download

    for archive in (one for one in vars(download).values() if isinstance(one, Archive)):
        assert all(url.startswith("https://") for url in archive.urls)
        assert len(archive.sha256) == 64


# ---- sizes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (6000, 8000)])
def test_images_of_any_size_are_read(tiny_voc: Path, size: tuple[int, int]) -> None:
    if size == (6000, 8000) and sys.platform != "linux":
        pytest.skip("a large file")
    Image.new("RGB", size[::-1], (9, 80, 200)).save(image_of(tiny_voc), "JPEG")
    Image.new("L", size[::-1], 8).save(mask_of(tiny_voc))
    sample = VocDataset(tiny_voc, "val", classes=("cat",))[0]
    assert sample.image.shape == (*size, 3)
    assert sample.labels.tolist() == [True]


@pytest.mark.parametrize("limit", [0, -1])
def test_no_images_are_refused(tiny_voc: Path, limit: int) -> None:
    from wsss.data import open_dataset

    with pytest.raises(WsssError, match="limit must be at least 1"):
        open_dataset("voc", "val", root=tiny_voc, limit=limit)


def test_split_files_that_are_folders(tmp_path: Path) -> None:
    (tmp_path / "val.txt").mkdir()
    with pytest.raises(WsssError, match=r"cannot read split file .*val\.txt"):
        read_split(tmp_path / "val.txt")
