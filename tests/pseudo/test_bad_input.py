"""Label maps that are something else are named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss.errors import WsssError
from wsss.pseudo.labels import load_pseudo_label, save_pseudo_label

BAD: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "empty": lambda path: path.write_bytes(b""),
    "no image": lambda path: path.write_text("label"),
    "colours": lambda path: Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(path),
    "alpha": lambda path: Image.fromarray(np.zeros((4, 5, 2), np.uint8)).save(path),
    "16 bits": lambda path: Image.fromarray(np.zeros((4, 5), np.uint16)).save(path),
    "one bit": lambda path: Image.fromarray(np.zeros((4, 5), bool)).save(path),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_label_map_is_named(tmp_path: Path, case: str) -> None:
    path = tmp_path / "2007_000001.png"
    BAD[case](path)
    with pytest.raises(WsssError, match=r"2007_000001\.png.*(Delete it|Replace the file)"):
        load_pseudo_label(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_torn_label_map_is_named(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.png"
    save_pseudo_label(path, np.random.default_rng(0).integers(0, 9, (40, 50), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(WsssError, match=r"a\.png"):
        load_pseudo_label(path)


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1)])
def test_maps_of_any_size_keep_every_id(tmp_path: Path, size: tuple[int, int]) -> None:
    label = np.resize(np.arange(256, dtype=np.uint8), size)
    save_pseudo_label(tmp_path / "a.png", label)
    np.testing.assert_array_equal(load_pseudo_label(tmp_path / "a.png"), label)
