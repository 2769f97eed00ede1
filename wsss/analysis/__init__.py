"""Scoring: confusion matrices, thresholds, bootstrap intervals, objects by size and occlusion.

Knows label maps and score maps, not how they were made.
"""

from wsss.analysis.bootstrap import bootstrap_miou, bootstrap_ratios, paired_bootstrap
from wsss.analysis.boundary import boundary_counts, boundary_scores
from wsss.analysis.confusion import (
    confusion_matrix,
    coverage,
    foreground_scores,
    intersection_and_union,
    iou_per_class,
    mean_iou,
    threshold_confusions,
)
from wsss.analysis.effects import EFFECTS, hit_effects
from wsss.analysis.instances import Instances, border_occlusion, depth_ranks, instances_of, neighbour_counts
from wsss.analysis.objects import InstanceScore, instance_scores
from wsss.analysis.strata import (
    BORDER_BINS,
    COCO_BINS,
    MARK_BINS,
    MEASURES,
    OCCLUSION_BINS,
    SIZE_BINS,
    object_miou,
    occlusion_bin,
    scores_frame,
    size_bin,
    strata_table,
)
from wsss.analysis.thresholds import (
    FIXED_THRESHOLD,
    THRESHOLDS,
    choose_threshold,
    choose_two_thresholds,
    miou_curve,
    with_ignored,
)

__all__ = [
    "BORDER_BINS",
    "COCO_BINS",
    "EFFECTS",
    "FIXED_THRESHOLD",
    "MARK_BINS",
    "MEASURES",
    "OCCLUSION_BINS",
    "SIZE_BINS",
    "THRESHOLDS",
    "InstanceScore",
    "Instances",
    "bootstrap_miou",
    "bootstrap_ratios",
    "border_occlusion",
    "boundary_counts",
    "boundary_scores",
    "choose_threshold",
    "choose_two_thresholds",
    "confusion_matrix",
    "coverage",
    "depth_ranks",
    "foreground_scores",
    "hit_effects",
    "instance_scores",
    "instances_of",
    "intersection_and_union",
    "iou_per_class",
    "mean_iou",
    "miou_curve",
    "neighbour_counts",
    "object_miou",
    "occlusion_bin",
    "paired_bootstrap",
    "scores_frame",
    "size_bin",
    "strata_table",
    "threshold_confusions",
    "with_ignored",
]
