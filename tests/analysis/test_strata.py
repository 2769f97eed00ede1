"""The size × occlusion table: bins at their edges, margins, intervals over scenes."""

import json

import numpy as np
import pandas as pd
import pytest

from wsss.analysis import (
    BORDER_BINS,
    COCO_BINS,
    MARK_BINS,
    MEASURES,
    OCCLUSION_BINS,
    SIZE_BINS,
    InstanceScore,
    bootstrap_ratios,
    object_miou,
    occlusion_bin,
    scores_frame,
    size_bin,
    strata_table,
)
from wsss.analysis.strata import scene_groups, strata_of, strata_rows


def make_score(image_id="a", relative_area=0.02, occlusion=0.0, border=np.nan, recall=0.5, iou=0.25, **known):
    return InstanceScore(
        image_id=image_id,
        relative_area=relative_area,
        occlusion_ratio=occlusion,
        border_occlusion=border,
        recall=recall,
        iou=iou,
        **{"class_id": 1, "area": round(relative_area * 10_000), **known},
    )


def cell(table, size="all", occlusion="all"):
    (row,) = [row for row in table if (row["size"], row["occlusion"]) == (size, occlusion)]
    return row


def test_size_bins_at_their_edges():
    areas = np.array([1e-6, 0.00999, 0.01, 0.03, 0.05, 0.0501, 1.0])
    assert size_bin(areas).tolist() == [SIZE_BINS[index] for index in (0, 0, 1, 1, 1, 2, 2)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_occlusion_bins_at_their_edges(dtype):
    ratios = np.array([0, 0.1, 0.101, 0.4, 0.401, 1], dtype=dtype)
    unknown = np.full(6, np.nan)
    assert occlusion_bin(ratios, unknown, unknown).tolist() == [OCCLUSION_BINS[index] for index in (0, 0, 1, 1, 2, 2)]
    borders = np.array([0, 0.1, 0.101, 0.3, 0.301, 1], dtype=dtype)
    assert occlusion_bin(unknown, borders, unknown).tolist() == [BORDER_BINS[index] for index in (0, 0, 1, 1, 2, 2)]


def test_amodal_occlusion_goes_before_marks_and_marks_before_border_occlusion():
    ratios, borders = np.array([0.5, np.nan, np.nan, np.nan, np.nan]), np.array([0.0, 0.0, np.nan, 0.0, np.nan])
    marks = np.array([0.0, np.nan, np.nan, 1.0, 0.0])
    assert occlusion_bin(ratios, borders, marks).tolist() == [
        OCCLUSION_BINS[2],
        BORDER_BINS[0],
        None,
        MARK_BINS[1],
        MARK_BINS[0],
    ]


def test_table_has_every_cell_with_means_over_objects():
    scores = [
        make_score("a", 0.005, 0.05, recall=0.2, iou=0.1),
        make_score("a", 0.005, 0.05, recall=0.4, iou=0.3),
        make_score("b", 0.02, 0.2, recall=1.0, iou=0.8),
    ]
    table = strata_table(scores_frame(scores), resamples=200)
    assert [(row["size"], row["occlusion"]) for row in table] == [
        (size, occlusion) for size in (*SIZE_BINS, "all") for occlusion in (*OCCLUSION_BINS, "all")
    ]
    small = cell(table, "<1 %", "0–10 %")
    assert (small["n"], small["recall"], small["iou"]) == (2, pytest.approx(30), pytest.approx(20))
    # Both objects are in one image, which is all that a resample can draw for this cell.
    assert small["recall_ci"] == pytest.approx([30, 30])
    assert cell(table, "<1 %")["n"] == cell(table, occlusion="0–10 %")["n"] == 2
    assert cell(table)["n"] == 3
    assert cell(table)["recall"] == pytest.approx(160 / 3)
    assert cell(table)["recall_ci"] == pytest.approx([30, 100])
    assert cell(table)["hit"] == pytest.approx(100 / 3)
    empty = {"n": 0} | {name: None for measure in MEASURES for name in (measure, f"{measure}_ci")}
    assert cell(table, ">5 %", ">40 %") == {"size": ">5 %", "occlusion": ">40 %", **empty}
    assert json.loads(json.dumps(table, allow_nan=False)) == table


def test_intervals_are_over_images_not_objects():
    generator = np.random.default_rng(0)
    recalls = generator.random(15)  # objects of an image are alike: 20 of them say no more than one
    scores = [make_score(f"{index}", recall=recall) for index, recall in enumerate(recalls) for _ in range(20)]
    row = cell(strata_table(scores_frame(scores), seed=7))
    expected = [float(each[0]) for each in bootstrap_ratios(100 * recalls[:, None], np.ones((15, 1)), seed=7)]
    assert (row["recall"], *row["recall_ci"]) == pytest.approx(expected, abs=1e-4)


def test_border_bins_appear_where_border_occlusion_is_what_is_known():
    table = strata_table(scores_frame([make_score(occlusion=np.nan, border=0.2)]), resamples=20)
    assert {row["occlusion"] for row in table} == {*BORDER_BINS, "all"}
    assert cell(table, "1–5 %", BORDER_BINS[1])["n"] == 1


def test_unknown_occlusion_counts_in_the_margin_only():
    unknown = make_score(occlusion=np.nan)
    alone = strata_table(scores_frame([unknown]), resamples=20)
    assert [(row["size"], row["n"]) for row in alone] == [("<1 %", 0), ("1–5 %", 1), (">5 %", 0), ("all", 1)]
    mixed = strata_table(scores_frame([unknown, make_score()]), resamples=20)
    assert cell(mixed)["n"] == 2
    assert sum(cell(mixed, "all", name)["n"] for name in OCCLUSION_BINS) == 1


def test_no_object_at_all():
    table = strata_table(scores_frame([]))
    assert [row["size"] for row in table] == [*SIZE_BINS, "all"]
    assert all(row["n"] == 0 and row["recall"] is None for row in table)


def test_frame_may_come_back_from_disk(tmp_path):
    frame = scores_frame([make_score("a"), make_score("b", occlusion=np.nan)])
    frame.to_csv(tmp_path / "scores.csv", index=False)
    again = pd.read_csv(tmp_path / "scores.csv")
    assert strata_table(again, resamples=50) == strata_table(frame, resamples=50)


def test_a_measure_that_is_unknown_for_some_objects_is_the_mean_of_the_others():
    scores = [make_score("a", pointing=1.0), make_score("b", pointing=0.0), make_score("c")]
    row = cell(strata_table(scores_frame(scores), resamples=50))
    assert (row["n"], row["pointing"]) == (3, 50)
    assert row["pointing_ci"] == [0, 100]


def test_absolute_sizes_are_cocos():
    areas = (1, 32**2 - 1, 32**2, 96**2, 96**2 + 1)
    scores = [make_score(str(number), area=area) for number, area in enumerate(areas)]
    table = strata_table(scores_frame(scores), resamples=20, absolute=True)
    assert [(row["size"], row["occlusion"], row["n"]) for row in table] == [
        (COCO_BINS[0], "all", 2),
        (COCO_BINS[1], "all", 2),
        (COCO_BINS[2], "all", 1),
        ("all", "all", 5),
    ]


def test_object_miou_counts_objects_alike_and_classes_alike():
    scores = [
        make_score("a", 0.5, iou=1.0),
        make_score("a", 0.001, iou=0.0),
        make_score("b", 0.1, iou=0.5),
        make_score("b", 0.1, iou=0.2, class_id=2),
    ]
    value, low, high = object_miou(scores_frame(scores))
    assert value == pytest.approx(100 * np.mean([(1 + 0 + 0.5) / 3, 0.2]))
    # Image a alone has class 1 only, image b alone has both.
    assert (low, high) == pytest.approx((100 * (0.5 + 0.2) / 2, 50))
    assert np.isnan(object_miou(scores_frame([]))).all()


def test_all_or_nothing_has_the_width_that_the_images_allow():
    scores = [make_score(str(number), iou=0.1, recall=0.3) for number in range(8)]
    row = cell(strata_table(scores_frame(scores), resamples=50))
    assert row["recall_ci"] == pytest.approx([30, 30])
    assert row["hit"] == 0
    assert row["hit_ci"] == pytest.approx([0, 100 * (1 - 0.025 ** (1 / 8))])  # Clopper-Pearson of 0 of 8
    everything = cell(strata_table(scores_frame([make_score(iou=0.9)] * 3), resamples=50))
    assert everything["hit_ci"] == pytest.approx([2.5, 100])  # one image says next to nothing
    strata = strata_of(scores_frame(scores), resamples=50)
    assert cell(strata_rows(strata, minus=strata))["hit_ci"] == [0, 0]  # two methods that both miss all do not differ


def test_differences_are_paired_and_equal_those_of_the_objects():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 12, 60)
    ours, theirs = (
        scores_frame([make_score(str(image), recall=r) for image, r in zip(images, generator.random(60), strict=True)])
        for _ in range(2)
    )
    strata = [strata_of(frame, resamples=300) for frame in (ours, theirs)]
    row = cell(strata_rows(strata[0], minus=strata[1]))
    numbers, names = pd.factorize(ours["image_id"])
    sums = np.zeros((len(names), 1))
    np.add.at(sums[:, 0], numbers, 100 * (ours["recall"] - theirs["recall"]).to_numpy())
    counts = np.bincount(numbers).astype(float)[:, None]
    expected = [float(each[0]) for each in bootstrap_ratios(sums, counts, 300)]
    assert (row["recall"], *row["recall_ci"]) == pytest.approx(expected, abs=1e-4)
    back = cell(strata_rows(strata[1], minus=strata[0]))
    assert row["recall"] == -back["recall"]
    assert row["recall_ci"] == pytest.approx([-each for each in back["recall_ci"][::-1]], abs=1e-4)


def test_objects_are_resampled_by_scene_where_scenes_are_known():
    recalls = np.random.default_rng(0).random(24)
    frame = scores_frame([make_score(str(index), recall=recall) for index, recall in enumerate(recalls)])
    scenes = frame.assign(scene=np.arange(24) // 4)
    assert scene_groups(frame)[1] == 24
    row = cell(strata_table(scenes, resamples=400, seed=2))
    expected = bootstrap_ratios(100 * recalls.reshape(6, 4).sum(axis=1)[:, None], np.full((6, 1), 4.0), 400, seed=2)
    assert (row["recall"], *row["recall_ci"]) == pytest.approx([float(each[0]) for each in expected], abs=1e-4)
    assert cell(strata_table(frame.assign(iou=0.0, hit=0.0), resamples=20))["hit_ci"][1] == pytest.approx(
        100 * (1 - 0.025 ** (1 / 24))
    )
    assert cell(strata_table(scenes.assign(iou=0.0, hit=0.0), resamples=20))["hit_ci"][1] == pytest.approx(
        100 * (1 - 0.025 ** (1 / 6))
    )


def test_object_miou_equals_a_loop():
    generator = np.random.default_rng(4)
    images, classes, ious = generator.integers(0, 9, 40), generator.integers(1, 4, 40), generator.random(40)
    frame = scores_frame(
        [make_score(f"{i}", iou=iou, class_id=c) for i, c, iou in zip(images, classes, ious, strict=True)]
    )
    numbers, names = pd.factorize(frame["image_id"])
    draws = np.random.default_rng(3).multinomial(len(names), np.full(len(names), 1 / len(names)), size=200)
    looped = []
    for drawn in draws:
        weights = drawn[numbers]
        means = [np.average(ious[classes == c], weights=w) for c in (1, 2, 3) if (w := weights[classes == c]).any()]
        looped.append(100 * np.mean(means))
    value, low, high = object_miou(frame, resamples=200, seed=3)
    assert value == pytest.approx(100 * np.mean([ious[classes == c].mean() for c in (1, 2, 3)]))
    assert (low, high) == pytest.approx(tuple(np.quantile(looped, [0.025, 0.975])))
