"""`Score`: everything that a record needs of one method on one split with one seed, small enough to keep on disk."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wsss.analysis.confusion import mean_iou
from wsss.analysis.objects import InstanceScore
from wsss.errors import WsssError
from wsss.io import atomic_path, require_undamaged

__all__ = ["Score", "joined_scores", "load_score", "save_score"]

MEASURED = (*(field.name for field in fields(InstanceScore) if field.type is float), "hit")

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Score:
    """Counts of one method on one split; C classes, N images, T thresholds.

    Attributes:
        classes: names of classes 1…C.
        ids: of the N images.
        confusions: `(N, C+1, C+2)` per image, at the chosen threshold; see `wsss.analysis.confusion`.
        curve: `(T, C+1, C+2)` over the split, one per threshold of `THRESHOLDS`; T = 0 for networks.
        predicted: like `confusions`, with the classes that the classifier predicts in place of the given image labels;
            N = 0 where that was not asked for.
        instances: one row per instance (`wsss.analysis.strata.scores_frame`).
        facts: JSON-able: `threshold`, `parameters`, `megapixels`, `seconds` (per image), `trials`, `history`, ….
    """

    classes: tuple[str, ...]
    ids: tuple[str, ...]
    confusions: Counts
    curve: Counts
    predicted: Counts
    instances: pd.DataFrame
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def miou(self) -> float:
        """Dataset-level mIoU in percent, background included."""
        return float(mean_iou(self.confusions.sum(axis=0)))


def joined_scores(parts: Sequence[Score], facts: dict[str, Any]) -> Score:
    """One score of the parts of a split, each of them of images of its own, in their order.

    Args:
        facts: of the whole.
    """
    frames = [part.instances for part in parts if len(part.instances)]
    return Score(
        parts[0].classes,
        tuple(name for part in parts for name in part.ids),
        np.concatenate([part.confusions for part in parts]),
        np.sum([part.curve for part in parts], axis=0),
        np.concatenate([part.predicted for part in parts]),
        pd.concat(frames, ignore_index=True) if frames else parts[0].instances,
        facts,
    )


def save_score(path: Path, score: Score) -> None:
    """Write as one npz file, atomically and without pickle."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            confusions=score.confusions,
            curve=score.curve,
            predicted=score.predicted,
            text=np.array(
                json.dumps(
                    {
                        "classes": score.classes,
                        "ids": score.ids,
                        "facts": score.facts,
                        "instances": score.instances.to_json(orient="split", double_precision=15),
                    }
                )
            ),
        )


def load_score(path: Path) -> Score:
    """Read what `save_score` wrote.

    Raises:
        WsssError: the file is broken; the message says to delete it.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            require_undamaged(file)
            arrays = {name: file[name] for name in ("confusions", "curve", "predicted")}
            text = json.loads(str(file["text"]))
        instances = pd.read_json(io.StringIO(text["instances"]), orient="split", dtype={"image_id": str})
        instances = instances.astype(dict.fromkeys(MEASURED, np.float64))  # JSON has integers where none has a fraction
        score = Score(tuple(text["classes"]), tuple(text["ids"]), instances=instances, facts=text["facts"], **arrays)
        _require_shapes(score)
    except Exception as error:  # NumPy, zip, zlib and pandas raise a dozen types on a broken file
        raise WsssError(f"cannot read {path}: {error}. Delete it and run the stage again.") from error
    return score


def _require_shapes(score: Score) -> None:
    """Raise a `ValueError` unless the counts are of as many images and classes as are named."""
    one = len(score.classes) + 1, len(score.classes) + 2
    if score.confusions.shape != (len(score.ids), *one) or any(
        counts.shape[1:] != one or not np.issubdtype(counts.dtype, np.integer)
        for counts in (score.confusions, score.curve, score.predicted)
    ):
        raise ValueError("its counts do not fit the images and classes that it names")
