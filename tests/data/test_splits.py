"""Split files and the cut of `tune`."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.data.splits import check_split, cut_scenes, cut_tune, read_split, without
from wsss.errors import WsssError


def names(count: int) -> list[str]:
    return [f"{number:04d}" for number in range(count)]


def runs(positions: list[int]) -> list[int]:
    """Lengths of the maximal runs of consecutive numbers."""
    lengths = [1]
    for before, after in pairwise(positions):
        if after == before + 1:
            lengths[-1] += 1
        else:
            lengths.append(1)
    return lengths


def test_read_split_keeps_order_and_skips_empty_lines(tmp_path: Path) -> None:
    file = tmp_path / "train.txt"
    file.write_bytes(b"\xef\xbb\xbf2007_2\r\n\r\n  2007_1  \r\n2007_3")
    assert read_split(file) == ("2007_2", "2007_1", "2007_3")


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "empty"), ("\n \n", "empty"), ("a\nb\na\n", "more than once"), ("../a\n", "path"), ("..\n", "path")],
)
def test_read_split_refuses(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "train.txt"
    file.write_text(content)
    with pytest.raises(WsssError, match=message) as caught:
        read_split(file)
    assert str(file) in str(caught.value)


def test_read_split_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match=r"nothing\.txt"):
        read_split(tmp_path / "nothing.txt")


def test_cut_tune_takes_even_blocks_of_a_long_list() -> None:
    ids = names(795)
    tune = cut_tune(ids, blocks=4, block_size=20)
    positions = [ids.index(name) for name in tune]
    assert runs(positions) == [20, 20, 20, 20]
    starts = positions[::20]
    assert all(abs(after - before - 795 / 4) <= 1 for before, after in pairwise(starts))


@pytest.mark.parametrize(("count", "expected"), [(2, 1), (6, 1), (10, 2), (399, 75), (400, 100), (437, 100)])
def test_cut_tune_takes_a_fifth_of_a_short_list(count: int, expected: int) -> None:
    assert len(cut_tune(names(count), blocks=5, block_size=20)) == expected


@pytest.mark.parametrize("count", [0, 1])
def test_cut_tune_leaves_something_to_train_on(count: int) -> None:
    with pytest.raises(WsssError, match="fewer than two"):
        cut_tune(names(count), blocks=4, block_size=20)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 1000), st.integers(1, 6), st.integers(1, 30))
def test_cut_tune_and_the_rest_make_up_the_list(count: int, blocks: int, block_size: int) -> None:
    ids = names(count)
    tune = cut_tune(ids, blocks, block_size)
    rest = without(ids, tune)
    assert sorted([*tune, *rest]) == ids
    assert list(tune) == sorted(set(tune))
    assert 1 <= len(tune) <= count // 4 + 1
    assert rest


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=60), st.integers(1, 80))
def test_cut_scenes_never_cuts_a_scene(sizes: list[int], images: int) -> None:
    scenes = {f"{number:03d}": scene for number, scene in enumerate(np.repeat(range(len(sizes)), sizes).tolist())}
    ids = list(scenes)
    tune = cut_scenes(ids, scenes, images)
    rest = without(ids, tune)
    assert sorted([*tune, *rest]) == ids
    assert list(tune) == sorted(tune)
    assert tune
    assert rest
    assert not {scenes[name] for name in tune} & {scenes[name] for name in rest}
    wanted = min(images, max(1, len(ids) // 5))
    assert abs(len(tune) - wanted) <= max(sizes)


def test_cut_scenes_spreads_over_the_list_and_takes_about_as_many() -> None:
    sizes = np.random.default_rng(0).integers(1, 7, 249)
    scenes = {f"{number:04d}": scene for number, scene in enumerate(np.repeat(np.arange(249), sizes).tolist())}
    tune = cut_scenes(list(scenes), scenes, 80)
    chosen = sorted({scenes[name] for name in tune})
    assert abs(len(tune) - 80) <= 2
    assert len(chosen) > 18
    assert max(after - before for before, after in pairwise(chosen)) <= 2 * 249 // len(chosen)


def test_cut_scenes_knows_ids_without_a_scene_and_needs_two_scenes() -> None:
    assert cut_scenes(names(10), {}, 80) == ("0002", "0007")
    assert cut_scenes(names(4), {"0001": "0000"}, 1) == ("0002",)  # a name of a scene is no id
    with pytest.raises(WsssError, match="fewer than two scenes"):
        cut_scenes(names(3), dict.fromkeys(names(3), 0), 1)


def test_check_split_lists_the_valid_names() -> None:
    check_split("val", ("train", "val"), "voc")
    with pytest.raises(WsssError, match="train, val"):
        check_split("valid", ("train", "val"), "voc")


def test_a_repeated_line_in_a_long_list_is_found_at_once(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("\n".join([*(f"{n:06d}" for n in range(100_000)), "000007"]))
    with pytest.raises(WsssError, match="000007 more than once"):  # by comparing each with each it took an hour
        read_split(path)
