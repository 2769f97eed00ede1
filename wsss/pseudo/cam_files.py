"""Class maps for code that goes on from them: files as those of IRN (Ahn, Cho and Kwak, CVPR 2019).

`ID.npy` is a dictionary, as `np.load(path, allow_pickle=True).item()` gives it to `make_sem_seg_labels.py` and
`cam_to_ir_label.py` of https://github.com/jiwoon-ahn/irn and to what was built on them:

- `keys`: indices of the K classes that the image is known to show, from 0, a tensor of int64;
- `cam`: `(K,⌈H/4⌉,⌈W/4⌉)`, a tensor of float32;
- `high_res`: `(K,H,W)`, an array of float32; both in [0, 1] with a maximum of 1 in each map that is not 0 everywhere.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wsss.cam.maps import normalise_maps, resize_maps
from wsss.data.base import Dataset
from wsss.io import atomic_path
from wsss.machine.parallel import each_image
from wsss.pseudo.export import claim, write_lines
from wsss.pseudo.labelling import LabelChoice, Labeller

__all__ = ["cam_dictionary", "export_cams"]

STRIDE = 4
"""Pixels per cell of `cam`."""


def cam_dictionary(present: NDArray[np.int64], scores: NDArray[np.float32]) -> dict[str, Any]:
    """What a file holds.

    Args:
        present: `(K,)` indices of classes, from 0.
        scores: `(K,H,W)` in [0, 1].
    """
    height, width = scores.shape[1:]
    coarse = resize_maps(torch.from_numpy(scores), (-(-height // STRIDE), -(-width // STRIDE)))
    return {"keys": torch.from_numpy(present), "cam": normalise_maps(coarse), "high_res": scores}


def export_cams(
    labeller: Labeller,
    name: str,
    choice: LabelChoice,
    data: Dataset,
    out: Path,
    split: str,
    *,
    identity: str,
    progress: bool = True,
) -> Path:
    """Write the scores of label method `name`, after its refinement, as `ID.npy`, with `classes.txt` and `SPLIT.txt`.

    A pixel's pseudo-label is the class with the highest score where that is above `high`, background where it is not
    above `low`, and else 255: with these as IRN's `conf_fg_thres` and `conf_bg_thres` its rule gives the same labels.
    Both are in `export.json`. The list is written last. An interrupted export goes on with the files that are missing.

    Args:
        data: the split, of whose images the classes are known.
        identity: what tells the scores apart.

    Returns:
        The list.

    Raises:
        WsssError: see `wsss.pseudo.export.require_same_export`.
    """
    thresholds = {"low": choice.low, "high": choice.high}
    claim(data, out, split, identity, "cam-npy", {"method": name, "thresholds": thresholds})
    missing = [index for index, each in enumerate(data.ids) if not (out / f"{each}.npy").exists()]

    def written(index: int) -> None:
        sample = data[index]
        held = cam_dictionary(*labeller.scores_of(name, choice, sample, index))
        with atomic_path(out / f"{sample.id}.npy") as path, path.open("wb") as file:
            np.save(file, np.array(held, dtype=object), allow_pickle=True)

    for _ in each_image(written, missing, f"class maps of {name}", device=labeller.cam.device, progress=progress):
        pass
    return write_lines(out / f"{split}.txt", data.ids)
