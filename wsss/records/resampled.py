"""A method's scores with what the bootstrap needs of them, made once for all the methods that it is compared with."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wsss.analysis.bootstrap import mean_of_iou, resampled_iou
from wsss.analysis.score import Score
from wsss.analysis.strata import MEASURES, ClassMeans, Strata, object_means, strata_of

__all__ = ["Resampled", "mean_objects"]


class Resampled:
    """Scores of one method with several training seeds on the same images, and their numbers in every resample.

    All methods of the same images see the same resamples, so that differences are paired.

    Args:
        scores: one for each seed.
        scenes: `(N,)` number of the scene of each image; None makes each image one of its own.
    """

    def __init__(self, scores: Sequence[Score], scenes: Sequence[int] | None = None) -> None:
        self.scores = tuple(scores)
        self.scenes = None if scenes is None else np.asarray(scenes, np.int64)

    @property
    def num_scenes(self) -> int:
        """How many scenes the images show."""
        return len(self.scores[0].ids) if self.scenes is None else len(np.unique(self.scenes))

    @cached_property
    def per_seed(self) -> NDArray[np.float64]:
        """mIoU of each seed in percent `(S,)`."""
        return np.array([score.miou for score in self.scores])

    @cached_property
    def class_iou(self) -> NDArray[np.float32]:
        """IoU of each label in each resample, mean over seeds: `(resamples, C+1)`, NaN where a seed has none."""
        return self._iou[1]

    @cached_property
    def miou(self) -> NDArray[np.float64]:
        """mIoU of each resample in percent, mean over seeds: `(resamples,)`."""
        return self._iou[0]

    @cached_property
    def _iou(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        iou = resampled_iou([score.confusions for score in self.scores], scenes=self.scenes)
        return mean_of_iou(iou), iou.mean(axis=1).astype(np.float32)

    @cached_property
    def objects(self) -> pd.DataFrame:
        """`mean_objects` of the scores, with the scene of each."""
        return mean_objects(self.scores, self.scenes)

    @cached_property
    def strata(self) -> Strata:
        """The objects by size and occlusion."""
        return strata_of(self.objects)

    @cached_property
    def strata_absolute(self) -> Strata:
        """The objects by COCO's absolute sizes."""
        return strata_of(self.objects, absolute=True)

    @cached_property
    def object_iou(self) -> ClassMeans:
        """The mean over classes of the IoU of their objects."""
        return object_means(self.objects)


def mean_objects(scores: Sequence[Score], scenes: NDArray[np.int64] | None = None) -> pd.DataFrame:
    """The objects with their numbers averaged over seeds; all seeds list the same objects in the same order.

    Args:
        scenes: `(N,)` number of the scene of each image, for a column `scene`.
    """
    frame = scores[0].instances.copy()
    for column in (*MEASURES, "activation"):
        frame[column] = np.mean([score.instances[column].to_numpy(dtype=np.float64) for score in scores], axis=0)
    if scenes is not None:
        frame["scene"] = frame["image_id"].map(dict(zip(scores[0].ids, scenes.tolist(), strict=True)))
    return frame
