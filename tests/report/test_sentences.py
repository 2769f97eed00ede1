from typing import Any

import pytest

from wsss.errors import WsssError
from wsss.report.colophon import agreement_sentence, beside_committed, colophon
from wsss.report.sentences import class_sentence


def record(method: str = "cam", mean: float = 40.0, **changes: Any) -> Any:
    """As much of a record as these functions read."""
    versions = {"torch": "2.14.1", "embreex": None}
    source = {
        "commit": "c" * 40,
        "dirty": False,
        "config_sha256": "a" * 64,
        "data_sha256": "b" * 64,
        "versions": versions,
        "algorithm_version": 1,
        "device": "cpu",
        "threads": 2,
        "wall_s": 12.34,
        "utc": "2026-01-01T00:00:00+00:00",
    }
    plain = {
        "data": "tabletop",
        "stage": "cam",
        "split": "test",
        "method": method,
        "refinement": None,
        "num_images": 200,
        "seeds": [0],
        "miou": {"mean": mean, "std": None, "per_seed": [mean]},
        "classes": ["mug", "duck"],
        "paired": [],
        "iou": {"background": 90.0, "mug": mean, "duck": 20.0},
        "provenance": source,
    }
    return plain | changes


def test_class_sentence_counts_classes_and_leaves_out_background_and_unknown():
    text = class_sentence(record("depth@sensor", 60.0), record())
    assert text == "depth@sensor is ahead of cam in 1 of 2 classes; from +0.0 (duck) to +20.0 (mug) points of IoU."
    unknown = record(iou={"background": 90.0, "mug": None, "duck": 25.0})
    assert class_sentence(record(), unknown) == (
        "cam is ahead of cam in 0 of 1 classes; from −5.0 (duck) to −5.0 (duck) points of IoU."
    )
    assert "No class" in class_sentence(record(), record(iou={"mug": None, "duck": None}))


def test_beside_committed_pairs_records_by_place_and_method():
    own = [record("zoom", 44.0, stage="segmentation"), record("cam", 40.0), record("zoom", 45.0)]
    committed = [
        record("cam", 42.5, miou={"mean": 42.5, "std": 1.25, "per_seed": [41.0, 40.2, 43.8]}, seeds=[1, 0, 2]),
        record("zoom", 45.0, provenance=record()["provenance"] | {"data_sha256": "d" * 64}),
        record("cam", 99.0, data="nyuv2"),
    ]
    table = beside_committed(own, committed)
    assert table.index.tolist() == [("seeds (test)", "cam"), ("seeds (test)", "zoom"), ("network (test)", "zoom")]
    assert table.iloc[0].tolist() == ["40.0", "40.2", "−0.2", "42.5 ± 1.2", "1, 0, 2", "yes"]
    assert table.iloc[1].tolist() == ["45.0", "45.0", "+0.0", "45.0", "0", "no"]
    assert table.iloc[2].tolist() == ["44.0", "–", "–", "–", "–", "–"]
    assert agreement_sentence(own, committed, 0.1) == (
        "1 of 2 methods are within 0.1 points of the committed value for this seed; the largest difference is 0.2."
    )
    made = record()["provenance"]
    here = {"profile": "default", "tabletop_scenes": (2, 1), "methods": ["cam"], "classifier": {"epochs": 3}}
    there = here | {"tabletop_scenes": [4, 1], "methods": ["zoom"], "classifier": {"epochs": 10}}
    assert agreement_sentence(
        [record("cam", 40.0, provenance=made | {"settings": here})],
        [record("cam", 40.0, provenance=made | {"settings": there, "algorithm_version": 9})],
    ).endswith(
        "What differs: tabletop_scenes (2/1, committed 4/1), classifier.epochs (3, committed 10), algorithm version "
        f"({made['algorithm_version']}, committed 9)."
    )
    other = [record("cam", 40.0, seeds=[5])]
    assert beside_committed(other, committed).iloc[0].tolist()[1:3] == ["–", "–"]
    assert "no committed value" in agreement_sentence(other, committed)


def test_beside_committed_without_records_is_an_error():
    with pytest.raises(WsssError, match="Run the stages first"):
        beside_committed([], [record()])


def test_colophon_has_a_column_for_each_stage_and_what_its_records_share():
    dirty = record()["provenance"] | {"commit": "e" * 40, "dirty": True, "wall_s": 20.0}
    unknown = record()["provenance"] | {"commit": None, "dirty": None}
    records = [record("cam", stage="segmentation", provenance=unknown), record("cam"), record("zoom", provenance=dirty)]
    table = colophon(records)
    assert table.columns.tolist() == ["cam (test)", "segmentation (test)"]
    assert table["cam (test)"].to_dict() == {
        "records": "2",
        "images": "200",
        "seeds": "0",
        "commit": "cccccccccccc; eeeeeeeeeeee with uncommitted changes",
        "settings": "aaaaaaaaaaaa",
        "data": "bbbbbbbbbbbb",
        "algorithm version": "1",
        "device, threads": "cpu, 2",
        "made or loaded in": "20.0 s",
        "at (UTC)": "2026-01-01T00:00:00+00:00",
        "torch version": "2.14.1",
        "embreex version": "–",
    }
    assert table["segmentation (test)"]["commit"] == "unknown"
