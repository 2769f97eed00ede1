"""Work that is done in blocks goes on where it stopped, and gives what it gives at once."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wsss.errors import WsssError
from wsss.io import read_array, write_array
from wsss.machine import blocks
from wsss.machine.blocks import KeptBlocks, at_once


def kept(folder: Path, names: str) -> KeptBlocks[NDArray[np.int64]]:
    return KeptBlocks({name: folder / name for name in names}, write_array, read_array)


@given(count=st.integers(0, 20), size=st.integers(1, 7), fails_at=st.integers(0, 20))
@settings(max_examples=60, deadline=None)
def test_a_broken_run_makes_no_block_twice(tmp_path_factory, count: int, size: int, fails_at: int) -> None:
    folder = tmp_path_factory.mktemp("blocks")
    seen: list[int] = []

    def make(names: list[str], block: range) -> dict[str, NDArray[np.int64]]:
        if fails_at in block and not broken:
            broken.append(True)
            raise KeyboardInterrupt
        seen.extend(block)
        return {name: np.array(block) * (2 if name == "b" else 1) for name in names}

    broken: list[bool] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", size)
        own = kept(folder, "ab")
        if fails_at < count:
            with pytest.raises(KeyboardInterrupt):
                own("ab", count, make)
        found = kept(folder, "ab")("ab", count, make)
    assert seen == list(range(count))
    assert [len(parts) for parts in found.values()] == [-(-count // size)] * 2
    if count:
        whole = at_once("ab", count, make)
        for name in "ab":
            np.testing.assert_array_equal(np.concatenate(found[name]), whole[name][0])
    own.clear("ab")
    assert not list(folder.iterdir())


def test_only_names_that_are_missing_are_made(tmp_path: Path) -> None:
    asked = []

    def make(names: list[str], block: range) -> dict[str, NDArray[np.int64]]:
        asked.append(names)
        return {name: np.array(block) for name in names}

    kept(tmp_path, "a")(["a"], 3, make)
    kept(tmp_path, "abc")(["a", "b", "c"], 3, make)
    assert asked == [["a"], ["b", "c"]]


def test_a_broken_block_is_named(tmp_path: Path) -> None:
    make = lambda names, block: {name: np.array(block) for name in names}  # noqa: E731
    kept(tmp_path, "a")(["a"], 3, make)
    (file,) = (tmp_path / "a").iterdir()
    file.write_bytes(b"half")
    with pytest.raises(WsssError, match=rf"cannot read {file}.*Delete it"):
        kept(tmp_path, "a")(["a"], 3, make)
