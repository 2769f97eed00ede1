"""What chapters say of their numbers, and their short tables."""

from typing import Any

import pandas as pd
import pytest

from wsss.errors import WsssError
from wsss.report import brief, learnt

BINS = ("0–10 %", "10–40 %", ">40 %")


def cell(size: str, occlusion: str, value: float | None, **changes: Any) -> dict[str, Any]:
    ci = None if value is None else [value - 1, value + 1]
    return {
        "size": size,
        "occlusion": occlusion,
        "n": 5,
        "iou": value,
        "iou_ci": ci,
        "recall": value,
        "recall_ci": ci,
    } | changes


def strata(hidden: float | None, known: bool = True) -> list[dict[str, Any]]:
    sizes = [cell("<1 %", "all", 10.0), cell("1–5 %", "all", 20.0), cell(">5 %", "all", 30.0)]
    inside = [cell("<1 %", name, 1.0) for name in BINS]
    margin = [cell("all", name, hidden if name == BINS[-1] else 40.0) for name in BINS]
    return [*sizes, *(inside + margin if known else []), cell("all", "all", 25.0)]


def record(method: str, miou: float = 40.0, **changes: Any) -> Any:
    pair = {"against": "zoom", "difference": 5.0, "ci": [3.0, 7.0], "per_seed": [5.0], "strata": strata(-2.0)}
    return {
        "data": "tabletop",
        "stage": "cam",
        "split": "test",
        "method": method,
        "refinement": None,
        "seeds": [0],
        "miou": {"mean": miou, "std": None, "per_seed": [miou]},
        "interval": [miou - 3, miou + 3],
        "tune_miou": miou,
        "strata": strata(12.0),
        "paired": [pair],
        "threshold": {"value": 0.7, "fixed": {"value": 0.3, "miou": 20.0}, "oracle": {"value": 0.6, "miou": miou + 1}},
    } | changes


def test_a_difference_is_said_with_its_interval_and_without_a_verdict() -> None:
    text = learnt.short_difference(record("crop-only@sensor"), "zoom")
    assert text == "`crop-only@sensor` has 40.0 mIoU, +5.0 points [3.0, 7.0] against `zoom`"
    with pytest.raises(WsssError, match="not been compared with 'grid'"):
        learnt.short_difference(record("depth@sensor"), "grid")
    assert learnt.short_difference({"not_trained": "no masks"}, "cam") == "no masks"  # type: ignore[typeddict-item]


def test_hidden_objects_have_a_sentence_or_it_says_why_not() -> None:
    one = record("crop-only@sensor")
    assert learnt.objects_compared(one, "zoom") == (
        "Hidden objects (occlusion >40 %): `crop-only@sensor` adds −2.0 [−3.0, −1.0] points of IoU and "
        "−2.0 [−3.0, −1.0] of recall to `zoom`"
    )
    unknown = record("depth", paired=[one["paired"][0] | {"strata": strata(None, known=False)}])
    assert "not known" in learnt.objects_compared(unknown, "zoom")
    assert learnt.hidden_text(unknown, "zoom") == "`depth` adds what is not known to `zoom`"
    assert learnt.objects_found(one, "size", ("iou",)) == (
        "at size <1 % and >5 %, IoU 10.0 % [9.0, 11.0] and 30.0 % [29.0, 31.0]"
    )
    assert learnt.objects_found(one, "occlusion").startswith("at occlusion >40 % and 0–10 %, IoU 12.0 % [11.0, 13.0]")
    assert "not known" in learnt.objects_found(record("cam", strata=strata(None, known=False)), "occlusion")


def test_each_chapter_has_three_sentences() -> None:
    cam, crops, depth = (record(name) for name in ("cam", "crop-only@sensor", "depth@sensor"))
    shares = {"found": 60.0, "missed: called background": 30.0, "missed: ignored": 10.0}
    row = {"method": "cam", "image_logit": 2.0, "crop_logit": 3.0}
    series: Any = [
        {"series": name, "rows": [row, row | {"image_logit": -1.0, "crop_logit": end}]}
        for name, end in (("shrinking", 2.0), ("outshone", 0.0), ("covering", -2.0))
    ]
    scored = pd.DataFrame({"IoU (%)": [40.0, 50.0], "IoU there (%)": [60.0, 55.0]}, index=["cam", "depth"])
    chapters = [
        learnt.quickstart_sentences(scored),
        learnt.baseline_sentences(cam, 66.5),
        learnt.failure_sentences(cam, series, shares),
        learnt.failure_sentences(cam, [], shares),
        learnt.method_sentences(crops, depth, "zoom", "zoom"),
        learnt.stage_sentences(depth, "zoom", "Second."),
    ]
    assert all(len(sentences) == 3 for sentences in chapters)
    assert all("idden objects" in " ".join(sentences) for sentences in chapters)
    assert "41.0 points below" not in chapters[1][1]
    assert "1.0 points below the best one, the fixed 0.3 is 21.0 points below it." in chapters[1][1]
    assert chapters[2][2] == (
        "As an object shrinks, the image's logit goes from 2.0 to −1.0 and that of a crop from 3.0 to 2.0; as it is "
        "covered, the image's logit goes from 2.0 to −1.0 and that of a crop from 3.0 to −2.0."
    )
    assert chapters[3][2].startswith("60.0 % of the object pixels are found; most others are missed: called background")
    text = learnt.in_bold(chapters[1], "smoke", "A note.")
    assert text.splitlines()[0] == "NOT A RESULT (smoke profile)"
    assert text.count("**") == 6
    assert text.endswith("A note.")


def test_charts_tell_four_methods_apart() -> None:
    names = ("cam", "zoom", "rgb-region", "crop-only@sensor", "region-only@sensor", "depth@sensor", "depth@learned")
    records = [record(name, 30.0 + len(name)) for name in names]
    assert brief.told_apart(records) == ["cam", "rgb-region", "crop-only@sensor", "depth@sensor"]
    networks = [
        record("cam", stage="segmentation", refinement="par"),
        record("depth@sensor", stage="segmentation", refinement="par-depth"),
        record("full-supervision", stage="segmentation"),
    ]
    assert brief.told_apart(networks) == ["cam+par", "depth@sensor+par-depth", "full-supervision"]
    assert brief.told_apart([record("grid")]) == ["grid"]


def test_objects_have_a_row_for_each_bin_and_six_columns_at_most() -> None:
    names = ("cam", "zoom", "crop-only@sensor", "depth@sensor")
    table = brief.object_table([record(name) for name in names])
    assert list(table.index) == [
        "size <1 %", "size 1–5 %", "size >5 %", *(f"occlusion {name}" for name in BINS), "all",
    ]  # fmt: skip
    assert list(table.columns) == ["n", *names]
    assert table.loc["occlusion >40 %", "cam"] == "12.0 [11.0, 13.0]"


def test_measures_of_one_method_stand_side_by_side() -> None:
    table = brief.object_measures(record("cam"), ("recall", "iou"))
    assert list(table.columns) == ["n", "recall (%)", "IoU (%)"]
    assert table.loc["size <1 %", "IoU (%)"] == "10.0 [9.0, 11.0]"


def test_claims_of_other_data_are_left_out() -> None:
    row = {
        "data": "tabletop", "stage": "cam", "method": "depth@sensor", "against": "zoom", "kind": "gain", "bound": 0.0,
        "measure": "mIoU", "aim": 25, "difference": 20.0, "ci": [18.0, 22.0], "per_seed": [20.0], "num_scenes": 200,
        "p": 0.0, "p_holm": 0.001, "verdict": "gain",
    }  # fmt: skip
    made: Any = {"size": 17, "alpha": 0.05, "resamples": 20_000, "rows": [row, row | {"data": "nyuv2"}]}
    table = brief.claims_of(made, "tabletop")
    assert table is not None
    assert list(table["verdict"]) == ["gain"]
    assert 1 + len(table.columns) <= 6
    assert brief.claims_of(made, "voc-animals") is None
    assert brief.claims_of(None, "tabletop") is None
