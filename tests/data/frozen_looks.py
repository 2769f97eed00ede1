"""How the first scene of each split of `tabletop` looks: what `frozen_looks.json` keeps.

After a change of the generator that is meant, its next version has other looks. To keep those:

    python -m tests.data.frozen_looks
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from wsss.data.tabletop import TabletopSpec
from wsss.data.tabletop_rendering import _render_chunk

LOOKS = Path(__file__).with_name("frozen_looks.json")
SPLITS = ("train", "tune", "test")


def look(split: str, folder: Path) -> dict[str, list[float]]:
    """Render scene 0 of a split into an empty folder; means of 4×4 blocks of its image and of both of its depth maps."""
    (folder / "identity.json").write_text(json.dumps(TabletopSpec().identity()))
    _render_chunk(folder, TabletopSpec(), split, [0])
    files = {"image": f"{split}/rgb/0000", "depth": f"{split}/depth/0000", "kinect": f"kinect/{split}-0000"}
    return {name: _block_means(folder / f"{file}.png") for name, file in files.items()}


def _block_means(file: Path) -> list[float]:
    pixels = np.asarray(Image.open(file), float)
    rows, columns = (side // 4 for side in pixels.shape[:2])
    return pixels.reshape(4, rows, 4, columns, -1).mean((1, 3)).ravel().round(1).tolist()


if __name__ == "__main__":
    looks = {}
    for name in SPLITS:
        with TemporaryDirectory() as folder:
            looks[name] = look(name, Path(folder))
    LOOKS.write_text(json.dumps(looks) + "\n")
