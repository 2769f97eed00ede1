"""What the README says was found: words and numbers agree with the records."""

from typing import Any

import pytest

from tests.report.test_tables import record
from wsss.errors import WsssError
from wsss.report.found import found_block, found_sentences
from wsss.report.found_tables import found_table, network_table, object_table

CELLS = [
    {"size": "<1 %", "occlusion": "all", "n": 3, "iou": 5.0, "iou_ci": [4, 6], "recall": -1.0, "recall_ci": [-2, 0]},
    {"size": "all", "occlusion": ">40 %", "n": 2, "iou": 1.0, "iou_ci": [-1, 3], "recall": 2.0, "recall_ci": [1, 3]},
]


def pair(against: str, difference: float, seeds: list[float], strata: Any = ()) -> Any:
    return {
        "against": against,
        "difference": difference,
        "ci": [difference - 1, difference + 1],
        "per_seed": seeds,
        "strata": strata,
    }


def compared(method: str, miou: float, *pairs: Any, **changes: Any) -> Any:
    return record(method, miou, paired=list(pairs), **changes)


RECORDS = [
    record("cam", 30.0),
    record("zoom", 40.0),
    record("rgb-region", 45.0),
    compared("depth@sensor", 70.0, pair("rgb-region", 25.0, [24.0, 26.0], CELLS)),
    compared("crop-only@sensor", 40.5, pair("zoom", 0.5, [0.4, 0.6], CELLS), pair("rgb-region", -4.5, [-4.4, -4.6])),
]


def network(name: str, miou: float, *pairs: Any, **changes: Any) -> Any:
    return compared(name, miou, *pairs, stage="segmentation", image_labels="none", **changes)


def test_each_method_is_compared_with_its_best_control() -> None:
    """The whole method with all controls, crops alone with those that have no regions."""
    rendered, objects = found_sentences(RECORDS)
    assert rendered == (
        "**Rendered scenes.** On `tabletop`, `depth` is ahead of `rgb-region` (+25.0 [24.0, 26.0]); "
        "`crop-only` is not certainly different from `zoom` (+0.5 [−0.5, 1.5]), and −4.5 [−5.5, −3.5] against "
        "`rgb-region`."
    )
    assert objects == (
        "**Small and hidden objects.** `depth` against the best control. Small objects: more IoU on `tabletop`. Hidden "
        "objects: more recall on `tabletop`."
    )
    table = object_table(RECORDS)
    assert list(table.index) == [("tabletop", "<1 % of the image"), ("tabletop", ">40 % hidden")]
    assert table.iloc[0].tolist() == ["+5.0 [4.0, 6.0]", "−1.0 [−2.0, 0.0]"] * 2


def listed(method: str, against: str, verdict: str, measure: str = "mIoU") -> Any:
    return {
        "data": "tabletop",
        "method": method,
        "against": against,
        "measure": measure,
        "kind": "gain",
        "verdict": verdict,
    }


def test_a_verdict_goes_before_the_interval() -> None:
    """Of a comparison that was listed: after the correction a difference may not be shown, though its interval says so."""
    rows = [listed("depth@sensor", "rgb-region", "not shown"), listed("depth@sensor", "rgb-region", "gain", "recall")]
    rendered, _ = found_sentences(RECORDS, {"rows": rows})  # type: ignore[arg-type]
    assert "`depth` is not shown to be ahead of `rgb-region` (+25.0 [24.0, 26.0])" in rendered
    rendered, _ = found_sentences(RECORDS, {"rows": [listed("crop-only@sensor", "zoom", "gain")]})  # type: ignore[arg-type]
    assert "`depth` is ahead of `rgb-region`" in rendered
    assert "`crop-only` is ahead of `zoom` (+0.5" in rendered


def test_regions_alone_stand_beside_the_whole_method() -> None:
    regions = compared("region-only@sensor", 60.0, pair("rgb-region", 15.0, [14.0, 16.0]))
    rendered, _ = found_sentences([*RECORDS, regions])
    assert "(+25.0 [24.0, 26.0]); `region-only` +15.0 [14.0, 16.0]; `crop-only` is" in rendered


def test_other_depth_has_its_own_sentence() -> None:
    other = [compared(f"depth@{name}", 50.0, pair("rgb-region", gain, [gain, gain])) for name, gain in
             (("kinect", 9.0), ("learned", -1.0), ("shuffled", -3.0))]  # fmt: skip
    rendered, _ = found_sentences([*RECORDS, *other])
    assert rendered.endswith(
        " With other depth, against `rgb-region`: `depth@kinect` +9.0 [8.0, 10.0]; `depth@learned` −1.0 [−2.0, 0.0]."
    )


@pytest.mark.parametrize(
    ("iou", "recall", "words"),
    [
        ([1, 3], [0.1, 2], "more IoU and recall"),
        ([-3, -1], [-2, -0.1], "less IoU and recall"),
        ([1, 3], [-2, -0.1], "more IoU and less recall"),
        ([-1, 3], [-2, -0.1], "less recall"),
        ([-1, 3], [0, 2], "no certain difference"),
        (None, None, "no certain difference"),
    ],
)
def test_objects_have_words_where_an_interval_leaves_no_doubt(iou: Any, recall: Any, words: str) -> None:
    border = [CELLS[1] | {"occlusion": "border >30 %", "iou_ci": iou, "recall_ci": recall}]
    depth = compared("depth@sensor", 70.0, pair("rgb-region", 25.0, [24.0], border), data="nyuv2")
    records = [*(one | {"data": "nyuv2"} for one in RECORDS[:3]), depth]
    (_, objects) = found_sentences(records)
    assert objects.endswith(f" Hidden objects: {words} on `nyuv2`¹.")
    assert object_table(records).index.tolist() == [("nyuv2", "border >30 % hidden")]


@pytest.mark.parametrize(
    ("difference", "seeds", "words"),
    [
        (5.0, [4.0, 6.0], "is ahead of `rgb-region` (+5.0 [4.0, 6.0])"),
        (-5.0, [-4.0, -6.0], "is behind `rgb-region` (−5.0 [−6.0, −4.0])"),
        (5.0, [-1.0, 11.0], "is not certainly different from `rgb-region` (+5.0 [4.0, 6.0])"),
        (5.0, [5.0], "is ahead of `rgb-region` (+5.0 [4.0, 6.0]¹)"),
    ],
)
def test_training_runs_that_disagree_are_no_certain_difference(
    difference: float, seeds: list[float], words: str
) -> None:
    records = [*RECORDS[:3], compared("depth@sensor", 50.0, pair("rgb-region", difference, seeds))]
    (sentence,) = found_sentences(records)
    assert sentence.endswith(f"{words}.")


def test_networks_are_compared_with_refined_labels_where_there_are_any() -> None:
    pairs = pair("cam+par", 5.0, [5.0, 5.0]), pair("cam", 20.0, [20.0]), pair("rgb-region+crf", -2.0, [-2.0])
    depth = network("depth@sensor", 60.0, *pairs, refinement="par")
    labels = [network("cam", 40.0), network("cam", 55.0, refinement="par"), network("full-supervision", 68.0)]
    (*_, found) = found_sentences([*RECORDS, depth, *labels])
    assert found == (
        "**Networks.** Trained on labels of `depth`, not on the control's, they have 5.0 mIoU more on `tabletop`."
    )
    (*_, found) = found_sentences([*RECORDS, depth, labels[0]])
    assert "20.0 mIoU more on `tabletop`¹." in found
    (*_, found) = found_sentences([*RECORDS, depth, *labels, network("rgb-region", 62.0, refinement="crf")])
    assert found.endswith("2.0 mIoU less on `tabletop`¹.")
    table = network_table([depth, *labels, network("rgb-region", 62.0, refinement="crf")])
    assert table.loc["tabletop"].tolist() == [
        *(f"{miou} ± 0.5" for miou in ("55.0", "62.0", "60.0", "68.0")),
        "−2.0 [−3.0, −1.0]¹",
    ]


def test_several_data_sets_are_a_list() -> None:
    (_, photographs, objects) = found_sentences([*RECORDS, *(one | {"data": name} for one in RECORDS for name in "ab")])
    assert photographs.startswith("**Photographs.**\n  - On `a`, `depth` is")
    assert "Small objects: more IoU on `tabletop`, more IoU on `a`, more IoU on `b`." in objects


def test_the_table_has_a_row_for_each_data_set() -> None:
    table = found_table([*RECORDS, record("cam", 20.0, data="nyuv2"), record("depth@meter", 22.0, data="nyuv2")])
    assert list(table.index) == ["tabletop", "nyuv2"]
    assert len(table.columns) == 5
    assert table.loc["tabletop", "best control"] == "45.0 ± 0.5 (`rgb-region`)"
    assert table.loc["nyuv2"].tolist() == ["20.0 ± 0.5", "–", "–", "–", "22.0 ± 0.5"]
    assert found_block(RECORDS).count("\n|") == 3 + 4
    assert "¹" not in found_block(RECORDS)
    once = [*RECORDS[:3], compared("depth@sensor", 70.0, pair("rgb-region", 25.0, [24.0])), *RECORDS[4:]]
    assert found_block(once).endswith("not over training runs. ¹ One training run.*\n")
    with pytest.raises(WsssError, match="no record"):
        found_table([])
