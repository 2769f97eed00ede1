"""Photographs with tags alone: everything is trained on, masks are for the tune split only."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss.data.base import data_key
from wsss.data.photographs import TaggedPhotographs
from wsss.errors import WsssError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate("abcd"):
        Image.fromarray(np.full((6, 8, 3), 50 * number, np.uint8)).save(folder / f"{name}.png")
    (tmp_path / "tags.csv").write_text("a.png,cat;dog\nb.png,cow\nc.png,\n")
    masks = tmp_path / "masks"
    masks.mkdir()
    (masks / "classes.txt").write_text("dog\ncow\ncat\n")
    mask = np.zeros((6, 8), np.uint8)
    mask[1], mask[2], mask[3], mask[4] = 1, 2, 3, 255
    Image.fromarray(mask).save(masks / "a.png")
    return folder


def opened(photos: Path, split: str = "train", **more) -> TaggedPhotographs:
    return TaggedPhotographs(photos, split, photos.parent / "tags.csv", **more)


def test_train_is_every_tagged_photograph_without_a_mask(photos: Path) -> None:
    data = opened(photos, masks=photos.parent / "masks")
    assert (data.name, data.ids, data.classes, data.has_masks) == (
        "photos",
        ("a", "b", "c"),
        ("cat", "cow", "dog"),
        False,
    )
    assert [sample.mask for sample in data] == [None] * 3
    assert [sample.labels.tolist() for sample in data] == [[True, False, True], [False, True, False], [False] * 3]
    assert data.left_out == ("1 photograph (d.png) there but not named in tags.csv",)
    assert (data[1].truth == 255).all()
    with pytest.raises(WsssError, match="image b has its image labels alone"):
        _ = data[1].required_mask


def test_larger_ones_and_their_masks_are_reduced_to_a_side(photos: Path) -> None:
    """Masks are compared with the photograph itself, and the fingerprint knows the side where it matters."""
    tune = opened(photos, "tune", masks=photos.parent / "masks", side=4)
    assert (tune[0].image.shape, tune[0].own_size, tune.larger) == ((3, 4, 3), (6, 8), ("a",))
    assert set(np.unique(tune[0].required_mask)) <= {0, 1, 2, 3, 255}
    whole, large, small = opened(photos), opened(photos, side=8), opened(photos, side=4)
    assert (large.larger, small.larger) == ((), ("a", "b", "c"))
    assert whole.fingerprint() == large.fingerprint() != small.fingerprint()
    assert small.at_own_size().fingerprint() == whole.fingerprint()
    assert [sample.image.shape for sample in small.at_own_size()] == [(6, 8, 3)] * 3
    assert [sample.image.shape for sample in small] == [(3, 4, 3)] * 3


def test_tune_is_those_with_masks_in_the_ids_of_the_masks_own_list(photos: Path) -> None:
    data = opened(photos, "tune", masks=photos.parent / "masks", classes=("dog", "cat"))
    assert (data.ids, data.has_masks) == (("a",), True)
    mask = data[0].required_mask
    assert mask[1:5, 0].tolist() == [1, 0, 2, 255]  # dog, cow as background, cat, unknown
    assert data[0].labels.tolist() == [True, True]
    assert not opened(photos, "tune").has_masks
    assert opened(photos, "tune").ids == ("a", "b", "c")


def test_masks_that_cannot_be_meant_are_refused(photos: Path) -> None:
    masks = photos.parent / "masks"
    (masks / "a.png").rename(masks / "z.png")
    with pytest.raises(WsssError, match=r"has no mask of a photograph with tags: masks are called a\.png"):
        opened(photos, "tune", masks=masks)
    (masks / "classes.txt").write_text("dog\ncat\n")
    with pytest.raises(WsssError, match=r"classes\.txt does not name cow"):
        opened(photos, "tune", masks=masks)
    (masks / "classes.txt").unlink()
    with pytest.raises(WsssError, match=r"there is no .*classes\.txt, which says what the numbers of the masks mean"):
        opened(photos, "tune", masks=masks)


def test_keys_are_of_contents(photos: Path, tmp_path: Path) -> None:
    masks = photos.parent / "masks"

    def keys(folder: Path = photos) -> tuple[str, str]:
        found = (opened(folder, split, masks=folder.parent / "masks") for split in ("train", "tune"))
        train, tune = (data_key(data) for data in found)
        return train, tune

    before = keys()
    other = tmp_path / "other" / "photos"
    shutil.copytree(photos, other)
    shutil.copytree(masks, other.parent / "masks")
    (other.parent / "tags.csv").write_text("file,cat,cow,dog\na,1,0,1\nb,0,1,0\nc,0,0,0\n")  # the same, said otherwise
    assert keys(other) == before
    (masks / "classes.txt").write_text("cat\ncow\ndog\n")
    named = keys()
    assert named[0] == before[0]
    assert named[1] != before[1]
    (photos.parent / "tags.csv").write_text("a.png,cat\nb.png,cow\nc.png,\n")
    assert keys()[0] != before[0]
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(photos / "b.png")
    changed = keys()
    assert changed[0] != named[0]
    assert len({before, named, changed}) == 3


def test_classes_that_no_photograph_shows_are_left_out_unless_named(photos: Path) -> None:
    names = [f"n{number}" for number in range(300)]
    (photos.parent / "tags.csv").write_text(f"file,{','.join(names)}\n" + f"a,0,1{',0' * 298}\nb,1,0{',0' * 298}\n")
    data = opened(photos)
    assert data.classes == ("n0", "n1")
    assert [sample.labels.tolist() for sample in data] == [[False, True], [True, False]]
    assert data.left_out[-1] == "298 classes (n2, n3, n4, …) that no photograph shows"
    chosen = opened(photos, classes=("n299", "n1"))
    assert [sample.labels.tolist() for sample in chosen] == [[False, True], [False, False]]
    assert not [sentence for sentence in chosen.left_out if "classes" in sentence]


def test_tags_that_may_not_be_meant_are_said(photos: Path) -> None:
    def doubts(text: str, **more) -> tuple[str, ...]:
        (photos.parent / "tags.csv").write_text(text)
        return opened(photos, **more).doubts

    assert doubts("a,cat\nb,dog\n") == ()
    assert doubts("a,Cat\nb,cat\nc,dog\nd,DOG\n") == (
        "classes that differ in capitals alone are not the same: Cat, cat; DOG, dog",
    )
    assert doubts("a,Cat\nb,cat\nc,dog\n", classes=["cat"]) == (
        "classes that differ in capitals alone are not the same: Cat, cat",
    )
    assert doubts("a,Cat\nb,cat\nc,dog\n", classes=["dog"]) == ()
    (alone,) = doubts("a,cat\nb,cat;dog\n", classes=["cat"])
    assert alone.startswith("every photograph shows cat, the only class")
    assert doubts("a,cat\nb,\n") == ()


def test_accents_in_classes_may_be_written_in_two_ways(photos: Path) -> None:
    composed, apart = "caf\u00e9", "cafe\u0301"
    (photos.parent / "tags.csv").write_text(f"a,{apart}\nb,dog\n", encoding="utf-8")
    masks = photos.parent / "masks"
    for written in (composed, apart):
        (masks / "classes.txt").write_text(f"dog\ncow\n{written}\n", encoding="utf-8")
        assert opened(photos, "tune", masks=masks)[0].required_mask[1:5, 0].tolist() == [2, 0, 1, 255]
        assert opened(photos, classes=[written]).classes == (composed,)
    (masks / "classes.txt").write_text(f"dog\n{apart}\n{composed}\n", encoding="utf-8")
    with pytest.raises(WsssError, match=r"classes\.txt names .* twice, with accents written in two ways"):
        opened(photos, "tune", masks=masks)
