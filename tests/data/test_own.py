"""Data sets of a user's own: what they may lack, what is checked, and what their hash is of."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from wsss.data import open_dataset, register_dataset
from wsss.data.base import Sample
from wsss.data.classes import keep_ids
from wsss.data.own import OwnDataset
from wsss.data.registry import _OPENERS
from wsss.errors import WsssError


class Tiles:
    """As little as there may be: no split, no depth, no fingerprint."""

    name, classes = "tiles", ("red", "blue")

    def __init__(self, count: int = 4) -> None:
        self.ids = tuple(f"t{number}" for number in range(count))
        self.shade = 200
        self.changes: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        kind = index % 2
        image = np.full((6, 8, 3), index, np.uint8)
        image[2:4, 2:5, 2 * kind] = self.shade
        mask = np.zeros((6, 8), np.uint8)
        mask[2:4, 2:5] = kind + 1
        return replace(Sample(self.ids[index], image, np.arange(2) == kind, mask), **self.changes)


def test_what_is_missing_is_filled_in() -> None:
    data = OwnDataset(Tiles(), split="tune")
    assert (data.name, data.split, data.has_depth, len(data)) == ("tiles", "tune", False, 4)
    assert [sample.id for sample in data] == ["t0", "t1", "t2", "t3"]


def test_ids_that_are_kept_lead_to_their_samples() -> None:
    data = OwnDataset(Tiles())
    kept = keep_ids(data, ["t1", "t3"])
    assert [sample.id for sample in kept] == ["t1", "t3"]
    assert kept[1].image[0, 0, 0] == 3
    assert len(data) == 4
    assert kept.fingerprint() != data.fingerprint()


def test_the_hash_is_of_version_and_contents() -> None:
    def fingerprint(version: int = 1, count: int = 4, shade: int = 200) -> str:
        tiles = Tiles(count)
        tiles.shade = shade
        return OwnDataset(tiles, version).fingerprint()

    assert fingerprint() == fingerprint()
    assert len({fingerprint(), fingerprint(version=2), fingerprint(count=3), fingerprint(shade=201)}) == 4


def test_a_fingerprint_of_its_own_is_asked_and_no_sample_read() -> None:
    class Told(Tiles):
        def fingerprint(self) -> str:
            return "told"

        def __getitem__(self, index: int) -> Sample:
            raise AssertionError("read")

    assert OwnDataset(Told()).fingerprint() != OwnDataset(Told(), 2).fingerprint()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"image": np.zeros((6, 8, 3), np.float32), "mask": np.zeros((6, 8), np.uint8)},
            "image t0 must be H×W×3 uint8",
        ),
        ({"id": "t9"}, "image t0 has the id t9"),
        ({"labels": np.ones(3, bool)}, r"labels must be \(2,\) bool"),
        ({"labels": np.ones(2, int)}, r"labels must be \(2,\) bool"),
        ({"mask": np.full((6, 8), 3, np.uint8)}, r"its mask holds 3, but class ids are 0…2 and 255"),
        ({"mask": np.zeros((6, 8), np.int64)}, r"its mask must be \(6, 8\) uint8"),
        ({"depth": np.full((6, 8), 2, np.float32)}, r"inverse depth in \[0, 1\]"),
        ({"depth": np.full((6, 8), np.nan, np.float32)}, r"inverse depth in \[0, 1\]"),
        ({"instances": np.zeros((6, 8), np.float32)}, r"its instances must be integers \(6, 8\)"),
        ({"instances": np.zeros((6, 8), np.uint16)}, "its instance_classes must be class ids 1…2"),
        (
            {"instances": np.zeros((6, 8), np.uint16), "instance_classes": np.array([3], np.uint8)},
            "its instance_classes must be class ids 1…2",
        ),
        (
            {"instances": np.full((6, 8), 3, np.uint16), "instance_classes": np.array([1, 2], np.uint8)},
            "its instances hold 3 to 3, but there are 2 instance_classes",
        ),
        (
            {
                "instances": np.ones((6, 8), np.uint16),
                "instance_classes": np.array([1], np.uint8),
                "occlusion": np.zeros(2, np.float32),
            },
            "its occlusion has 2 entries, but there are 1 instance_classes",
        ),
    ],
)
def test_a_sample_that_is_not_as_it_must_be_is_named(changes: dict[str, Any], message: str) -> None:
    tiles = Tiles()
    tiles.changes = changes
    with pytest.raises(WsssError, match=message) as caught:
        OwnDataset(tiles)[0]
    assert "data set tiles" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ids", [("a", "a"), ("", "b"), ("../a", "b"), ("/a", "b"), ("a\n", "b"), (1, 2)])
def test_ids_are_unique_names_of_files(ids: tuple[Any, ...]) -> None:
    tiles = Tiles(2)
    tiles.ids = ids
    with pytest.raises(WsssError, match="data set tiles"):
        OwnDataset(tiles)


def test_what_is_no_data_set_is_refused() -> None:
    with pytest.raises(WsssError, match="list has no name"):
        OwnDataset([])
    for name in ("../tiles", "", "a/b", ".hidden", "a\n"):
        tiles = Tiles()
        tiles.name = name
        with pytest.raises(WsssError, match="a name must be of letters"):
            OwnDataset(tiles)
    tiles = Tiles()
    tiles.classes = ("red", "red")
    with pytest.raises(WsssError, match="1 to 254 classes, each once"):
        OwnDataset(tiles)


def test_a_registered_one_is_opened_by_name() -> None:
    try:
        register_dataset("tiles", version=3)(lambda root, split, classes, limit: Tiles())  # type: ignore[arg-type, return-value]
        data = open_dataset("tiles", "tune", limit=2, classes=["blue"])
        assert data.ids == ("t0", "t3")
        assert data.classes == ("blue",)
        assert data.split == "tune"
        assert [sample.labels.tolist() for sample in data] == [[False], [True]]
        register_dataset("tiles-too")(lambda root, split, classes, limit: Tiles())  # type: ignore[arg-type, return-value]
        with pytest.raises(WsssError, match="data set 'tiles-too' calls itself tiles, which is another one's name"):
            open_dataset("tiles-too", "train")
        with pytest.raises(WsssError, match="tabletop, nyuv2, voc, tiles"):
            open_dataset("coco", "train")
        with pytest.raises(WsssError, match=r"data set 'voc' of .*has that name already"):
            register_dataset("voc")(lambda root, split, classes, limit: Tiles())  # type: ignore[arg-type, return-value]
    finally:
        for name in ("tiles", "tiles-too"):
            _OPENERS.pop(name, None)
