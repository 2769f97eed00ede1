"""NYU Depth v2: the label mapping, the splits, sensor depth."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss.data import Dataset, open_dataset
from wsss.data.nyuv2 import NYU40_IDS, NyuV2Dataset, nyu40_to_things, read_scenes
from wsss.errors import WsssError

THINGS = [
    "bed",
    "chair",
    "sofa",
    "table",
    "bookshelf",
    "picture",
    "desk",
    "pillow",
    "television",
    "toilet",
    "sink",
    "lamp",
    "bathtub",
    "refrigerator",
    "night_stand",
    "dresser",
]


@pytest.fixture
def tiny_nyu(tmp_path: Path) -> Path:
    """Ten training and two test images, 6×8: a bed (4) and a lamp (35) on the floor (2), one column unlabelled."""
    for folder in ("rgb", "depth", "labels"):
        (tmp_path / folder).mkdir()
    labels = np.full((6, 8), 2, dtype=np.uint8)
    labels[2:4, 1:4], labels[0, 5], labels[:, 7], labels[5, 0] = 4, 35, 0, 40
    depth = np.tile(np.linspace(25, 255, 8).astype(np.uint8), (6, 1))
    depth[0, 0] = 0
    for number in range(1, 13):
        image = np.full((6, 8, 3), 10 * number, dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / "rgb" / f"{number:04d}.jpg")
        Image.fromarray(labels).save(tmp_path / "labels" / f"{number:04d}.png")
        Image.fromarray(depth).save(tmp_path / "depth" / f"{number:04d}.png")
    (tmp_path / "train.txt").write_text("".join(f"{number:04d}\n" for number in range(1, 11)))
    (tmp_path / "test.txt").write_text("0011\n0012\n")
    return tmp_path


def test_all_nyu40_ids_are_mapped() -> None:
    mapped = nyu40_to_things(np.arange(41, dtype=np.uint8).reshape(1, 41))[0]
    assert mapped[[0, 40]].tolist() == [255, 255]
    order = [4, 5, 6, 7, 10, 11, 14, 18, 25, 33, 34, 35, 36, 24, 32, 17]
    things = {number: label for label, number in enumerate(order, start=1)}
    assert [mapped[number] for number in range(1, 40)] == [things.get(number, 0) for number in range(1, 40)]
    assert mapped.dtype == np.uint8
    assert list(NYU40_IDS) == THINGS


def test_ids_above_40_are_refused() -> None:
    with pytest.raises(ValueError, match="41"):
        nyu40_to_things(np.array([[41]], dtype=np.uint8))


def test_splits_are_disjoint_and_complete(tiny_nyu: Path) -> None:
    ids = {split: NyuV2Dataset(tiny_nyu, split).ids for split in ("train", "tune", "test")}
    assert len(ids["tune"]) == 2
    assert sorted(ids["train"] + ids["tune"]) == [f"{number:04d}" for number in range(1, 11)]
    assert ids["test"] == ("0011", "0012")


def test_sample(tiny_nyu: Path) -> None:
    dataset = NyuV2Dataset(tiny_nyu, "test")
    assert isinstance(dataset, Dataset)
    sample = dataset[1]
    assert sample.id == "0012"
    assert sample.image.shape == (6, 8, 3)
    assert [name for name, there in zip(dataset.classes, sample.labels, strict=True) if there] == ["bed", "lamp"]
    assert sample.required_mask[3, 2] == 1
    assert sample.required_mask[0, 5] == 12
    assert sample.required_mask[1, 1] == 0
    assert (sample.required_mask[:, 7] == 255).all()
    assert sample.required_mask[5, 0] == 255
    assert sample.instances is None


def test_depth_is_inverse_normalised_and_filled(tiny_nyu: Path) -> None:
    sample = NyuV2Dataset(tiny_nyu, "test")[0]
    assert sample.depth is not None
    assert sample.depth.dtype == np.float32
    metres = np.linspace(25, 255, 8).astype(np.uint8) / 25.5
    expected = (1 / metres - 1 / metres[-1]) / (1 / metres[0] - 1 / metres[-1])
    np.testing.assert_allclose(sample.depth[3], expected, atol=1e-6)
    assert sample.depth[0, 0] in (sample.depth[0, 1], sample.depth[1, 0])


def test_limit_spreads_over_the_split(tiny_nyu: Path) -> None:
    whole, few = NyuV2Dataset(tiny_nyu, "train"), NyuV2Dataset(tiny_nyu, "train", limit=3)
    assert few.ids == (whole.ids[0], *few.ids[1:2], whole.ids[-1])
    assert len(few) == len(list(few)) == 3


def test_fingerprint_follows_ids_and_files(tiny_nyu: Path) -> None:
    before = NyuV2Dataset(tiny_nyu, "test").fingerprint()
    assert before == NyuV2Dataset(tiny_nyu, "test").fingerprint()
    assert before != NyuV2Dataset(tiny_nyu, "test", limit=1).fingerprint()
    Image.fromarray(np.eye(6, 8, dtype=np.uint8)).save(tiny_nyu / "labels" / "0011.png")
    assert before != NyuV2Dataset(tiny_nyu, "test").fingerprint()
    (tiny_nyu / "depth" / "0011.png").unlink()
    with pytest.raises(WsssError, match=r"depth/0011\.png"):
        NyuV2Dataset(tiny_nyu, "test").fingerprint()


@pytest.mark.parametrize("folder", ["depth", "labels"])
@pytest.mark.parametrize("damage", ["missing", "size", "colour", "bits", "truncated"])
def test_a_bad_file_is_named(tiny_nyu: Path, folder: str, damage: str) -> None:
    file = tiny_nyu / folder / "0011.png"
    if damage == "missing":
        file.unlink()
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[:40])
    else:
        shape = {"size": (8, 6), "colour": (6, 8, 3), "bits": (6, 8)}[damage]
        Image.fromarray(np.ones(shape, dtype=np.uint16 if damage == "bits" else np.uint8)).save(file)
    with pytest.raises(WsssError, match=rf"{folder}/0011\.png"):
        NyuV2Dataset(tiny_nyu, "test")[0]


def test_a_foreign_label_map_is_named(tiny_nyu: Path) -> None:
    Image.fromarray(np.full((6, 8), 77, dtype=np.uint8)).save(tiny_nyu / "labels" / "0011.png")
    with pytest.raises(WsssError, match=r"labels/0011\.png.*77"):
        NyuV2Dataset(tiny_nyu, "test")[0]


def test_unknown_split_and_folder(tiny_nyu: Path) -> None:
    with pytest.raises(WsssError, match="train, tune, test"):
        NyuV2Dataset(tiny_nyu, "val")
    with pytest.raises(WsssError, match=r"rgb/, depth/, labels/"):
        NyuV2Dataset(tiny_nyu / "nowhere", "test")


def test_the_shared_photographs(shared_data: Path) -> None:
    ids = {split: open_dataset("nyuv2", split, root=shared_data / "nyuv2").ids for split in ("train", "tune", "test")}
    assert [len(ids[split]) for split in ("train", "tune", "test")] == [716, 79, 654]
    assert len(set().union(*ids.values())) == 1449
    scenes = {split: {read_scenes()[name] for name in each} for split, each in ids.items()}
    assert [len(each) for each in scenes.values()] == [220, 22, 222]
    assert len(set().union(*scenes.values())) == 464  # none is in two splits
    for sample in open_dataset("nyuv2", "tune", root=shared_data / "nyuv2", limit=3):
        assert sample.image.shape == (312, 416, 3)
        assert sample.depth is not None
        assert sample.depth.min() == 0
        assert sample.depth.max() == 1
        assert sample.labels.any()


@pytest.mark.parametrize("suffix", [".jpeg", ".JPG", ".png", ".webp"])
def test_photographs_may_have_other_suffixes(tiny_nyu: Path, suffix: str) -> None:
    files = sorted((tiny_nyu / "rgb").glob("*.jpg"))
    for file in files:
        Image.open(file).convert("RGB").save(file.with_suffix(suffix), lossless=True)
        if file.with_suffix(suffix) != file:
            file.unlink()
    data = NyuV2Dataset(tiny_nyu, "test")
    assert data[0].image.shape[2] == 3
    assert data.fingerprint()
