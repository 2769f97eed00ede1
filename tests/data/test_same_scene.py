"""Scenes are found in a row of photographs that are windows of a few wide pictures; what is done with them later."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from wsss.data.base import scene_numbers
from wsss.data.classes import DatasetView, keep_ids
from wsss.data.nyuv2 import read_scenes
from wsss.data.own import OwnDataset
from wsss.data.same_scene import NYUV2_SCENES, boundary_features, compared, find_cuts, looked_at, scene_lines
from wsss.data.splits import read_split


def room(seed: int) -> NDArray[np.uint8]:
    """A wide picture with a colour of its own and many corners."""
    rng = np.random.default_rng(seed)
    texture = gaussian_filter(rng.normal(size=(96, 320)), 1.5)
    colours = rng.uniform(60, 190, 3) + 80 * (texture / np.abs(texture).max())[..., None]
    return np.asarray(np.clip(colours, 0, 255), np.uint8)


SIZES = (3, 1, 4, 2, 3, 2)
LOOKS = [
    looked_at(room(seed)[:, 60 * frame : 60 * frame + 128]) for seed, size in enumerate(SIZES) for frame in range(size)
]
ENDS = np.isin(np.arange(1, sum(SIZES)), np.cumsum(SIZES))


def test_the_row_is_cut_where_one_scene_ends() -> None:
    parted = ENDS & (np.arange(len(ENDS)) < 8)  # of the last boundaries it is not known
    cuts = find_cuts(boundary_features(LOOKS), parted, len(SIZES))
    assert cuts.tolist() == ENDS.tolist()
    lines = scene_lines([f"{index}" for index in range(sum(SIZES))], cuts)
    assert [len(line.split()) for line in lines] == list(SIZES)
    assert " ".join(lines).split() == [f"{index}" for index in range(sum(SIZES))]


def test_boundaries_that_are_known_are_cut_whatever_they_look_like() -> None:
    parted = np.zeros(len(ENDS), bool)
    parted[0] = parted[-1] = True  # within scenes
    assert find_cuts(boundary_features(LOOKS), parted, 3).tolist() == parted.tolist()


def test_a_photograph_is_like_itself_and_unlike_another() -> None:
    colours, corners = compared(LOOKS[0], LOOKS[0])
    assert colours == pytest.approx(1)
    assert corners == pytest.approx(np.log1p(len(LOOKS[0].corners)), abs=0.3)
    assert compared(LOOKS[0], LOOKS[1]) > compared(LOOKS[0], LOOKS[3])
    flat = looked_at(np.full((64, 64, 3), 90, np.uint8))  # which has no corner
    assert compared(flat, flat) == (pytest.approx(1), 0)


def dataset(ids: tuple[str, ...], **more: Any) -> Any:
    whole = {"name": "film", "classes": ("a",), "split": "train", "ids": ids, "has_depth": False, **more}
    return type("Film", (SimpleNamespace,), {"__len__": lambda self: len(self.ids), "__getitem__": lambda *_: None})(
        **whole
    )


def test_a_data_set_says_which_images_are_of_one_scene() -> None:
    data = dataset(("a1", "b1", "a2", "c", "b2", "d"), scenes={"a1": "x", "a2": "x", "b1": "c", "b2": "c"})
    assert scene_numbers(data).tolist() == [0, 1, 0, 2, 1, 3]
    assert scene_numbers(dataset(("p", "q"))).tolist() == [0, 1]
    wrapped = keep_ids(DatasetView(OwnDataset(data), depth=False), ("a1", "a2", "b2"))
    assert scene_numbers(wrapped).tolist() == [0, 0, 1]


def test_the_scenes_of_nyuv2_are_runs_of_ids_on_one_side_of_the_split(shared_data: Path) -> None:
    scenes = read_scenes()
    assert list(scenes) == [f"{number:04d}" for number in range(1, 1450)]
    assert list(scenes.values()) == sorted(scenes.values())
    assert len(set(scenes.values())) == NYUV2_SCENES
    sides = [
        {scenes[name] for name in read_split(shared_data / "nyuv2" / f"{split}.txt")} for split in ("train", "test")
    ]
    assert not sides[0] & sides[1]
