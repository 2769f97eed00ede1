"""Tables and the README's marked parts."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from wsss.analysis.strata import MEASURES
from wsss.errors import WsssError
from wsss.methods.names import WITHOUT_REGIONS
from wsss.report.captions import settings_caption
from wsss.report.claims_table import claims_table
from wsss.report.comparisons import baseline, best_control, common_seeds, one_each, rivals
from wsss.report.headline import headline_table, own_depth
from wsss.report.order import in_order
from wsss.report.pages import TABLES, Others, is_current, write_tables
from wsss.report.tables import (
    label_quality_table,
    object_differences,
    per_class_table,
    stage_table,
    strata_grid,
)
from wsss.report.text import to_markdown


def record(method: str, miou: float, **changes: Any) -> Any:
    """A record as `build_record` makes it, with made-up numbers."""
    statistics = {"mean": miou, "std": 0.5, "per_seed": [miou - 0.5, miou + 0.5]}
    cells = [
        {"size": size, "occlusion": "all", "n": n}
        | {key: iou for key in MEASURES}
        | {f"{key}_ci": ci for key in MEASURES}
        for size, n, iou, ci in (("<1 %", 0, None, None), ("all", 7, 33.3, [30.0, 36.6]))
    ]
    pair = {
        "against": "cam",
        "difference": miou - 30,
        "ci": [miou - 31, miou - 29],
        "per_seed": [miou - 30],
        "strata": cells,
        "classes": {
            "background": {"difference": 1.0, "ci": [-0.5, 2.5]},
            "duck": {"difference": None, "ci": [None, None]},
        },
    }
    source = method.partition("@")[2] or None
    return {
        "data": "tabletop",
        "split": "test",
        "profile": "default",
        "stage": "cam",
        "method": method,
        "depth_source": source,
        "refinement": None,
        "backbone": "tiny",
        "image_labels": "given",
        "seeds": [0, 1],
        "num_images": 9,
        "classes": ["duck"],
        "miou": statistics,
        "interval": [miou - 2, miou + 2],
        "iou": {"background": 90.0, "duck": None},
        "coverage": 99.0,
        "foreground": {"precision": 81.0, "recall": 62.0},
        "boundary": None,
        "predicted_labels": None,
        "subset": None,
        "curve": None,
        "history": None,
        "strata": cells,
        "hit_effects": None,
        "object_miou": {"mean": miou + 3, "ci": [miou, miou + 6], "per_seed": [miou + 3]},
        "mAP": None,
        "threshold": {
            "value": 0.3,
            "fixed": {"value": 0.3, "miou": miou - 1},
            "oracle": {"value": 0.4, "miou": miou + 1},
        },
        "parameters": [],
        "scales": [0.5, 1.0],
        "flip": True,
        "megapixels_per_image": 0.625,
        "seconds_per_image": 0.2,
        "tuning_trials": 12,
        "tune_miou": miou,
        "paired": [] if method == "cam" else [pair],
        "provenance": {"commit": None},
        **changes,
    }


RECORDS = [
    record("depth@shuffled", 20.0),
    record("depth@sensor", 70.0, subset={"rest": {"n": 5, "miou": 68.0}}, predicted_labels={"miou": 61.0}),
    record("zoom", 40.0),
    record("grid", 35.0),
    record("cam", 30.0),
]


CLAIMS: Any = {
    "size": 17,
    "alpha": 0.05,
    "resamples": 20_000,
    "rows": [
        {
            "data": "tabletop", "stage": "cam", "method": "depth@sensor", "against": "zoom", "measure": "mIoU", "kind": "gain",
            "aim": 25, "bound": 0, "difference": 21.04, "ci": [19.0, 23.0], "per_seed": [20.0, 21.0, 22.1], "num_scenes": 9,
            "p": 0.0001, "p_holm": 0.0017, "verdict": "gain",
        },
        {
            "data": "tabletop", "stage": "segmentation", "method": "depth@sensor+par", "against": "full-supervision",
            "measure": "share of mIoU", "kind": "share", "aim": 90, "bound": 90, "difference": 94.84, "ci": [92.0, 97.0],
            "per_seed": [94.0, 95.0, 95.5], "num_scenes": 9, "p": 0.012, "p_holm": 0.1, "verdict": "at equal iterations",
        },
        {
            "data": "nyuv2", "stage": "cam", "method": "depth@shuffled", "against": "zoom", "measure": "mIoU",
            "kind": "no loss", "aim": None, "bound": -1, "difference": -0.2, "ci": [-0.6, 0.2], "per_seed": [-0.2] * 3,
            "num_scenes": 215, "p": None, "p_holm": None, "verdict": "not shown",
        },
    ],
}  # fmt: skip


def test_the_table_of_claims_says_what_was_compared_and_decided() -> None:
    table = claims_table(CLAIMS)
    assert table.iloc[0].to_dict() == {
        "of": "mIoU",
        "aim": "+25",
        "difference, 95 %": "+21.0 [19.0, 23.0]",
        "each training run": "+20.0, +21.0, +22.1",
        "scenes": "9",
        "p": "< 0.001",
        "p (Holm)": "0.002",
        "verdict": "gain",
    }
    share = table.loc[("tabletop", "network: depth@sensor+par, share of full-supervision")]
    assert (share["aim"], share["difference, 95 %"], share["p"]) == ("90", "94.8 [92.0, 97.0] %", "0.012")
    bound = table.loc[("nyuv2", "seeds: depth@shuffled − zoom")]
    assert (bound["aim"], bound["p"]) == ("≥ −1 (lower bound)", "–")


def test_rows_are_controls_then_depth_then_upper_bounds() -> None:
    extra = [record("full-supervision", 80), record("depth@learned", 60), record("depth@sensor", 71, refinement="crf")]
    names = [one["method"] + (one["refinement"] or "") for one in in_order([*extra, *RECORDS])]
    assert names == [
        "cam",
        "zoom",
        "grid",
        "depth@sensor",
        "depth@sensorcrf",
        "depth@learned",
        "depth@shuffled",
        "full-supervision",
    ]


def test_the_main_table_says_what_the_records_say() -> None:
    table = stage_table(RECORDS, "tabletop", "cam", "test")
    assert list(table.index) == ["cam", "zoom", "grid", "depth@sensor", "depth@shuffled"]
    row = table.loc["depth@sensor"]
    assert row["mIoU"] == "70.0 ± 0.5"
    assert row["95 %"] == "[68.0, 72.0]"
    assert (row["threshold (tune)"], row["fixed"], row["oracle threshold"]) == ("0.30", "69.0", "71.0")
    assert row["Δ cam"] == "+40.0 [39.0, 41.0]"
    assert table.loc["depth@shuffled", "Δ cam"] == "−10.0 [−11.0, −9.0]"
    assert table.loc["cam", "Δ cam"] == "–"
    assert (row["MP/image"], row["s/image"], row["trials"], row["training seeds"]) == ("0.62", "0.20", "12", "2")


def test_the_main_table_says_what_was_chosen() -> None:
    silent = {"level_weights": [], "crop_weight": 0, "gate": 1.0, "vote": 0.75, "colour": 0, "reach": 0.9}
    loud = {"level_weights": [], "crop_weight": 0.3, "gate": 2.0, "vote": 0.0, "colour": 0, "reach": 0.0}
    plain = {**silent, "vote": 0.0, "reach": 0.0}
    rows = [
        record("cam", 30.0, parameters=[plain, plain]),
        record("zoom", 30.0, parameters=[{**plain, "level_weights": [1, 0, 2]}] * 2),
        record("rgb-region", 30.0, parameters=[silent, loud]),
    ]
    table = stage_table(rows, "tabletop", "cam", "test")
    assert list(table["chosen on tune"]) == ["–", "scales 1 : 0 : 2", "regions 0.75, sharing 0.9 / crops 0.3, gate 2"]


def test_the_best_control_is_chosen_on_tune_not_on_the_reported_split() -> None:
    zoom_is_best_on_test = [record("zoom", 40.0, tune_miou=10.0), record("grid", 35.0, tune_miou=20.0)]
    table = stage_table([record("cam", 30.0), *zoom_is_best_on_test], "tabletop", "cam", "test")
    assert [name for name in table.columns if name.startswith("Δ")] == ["Δ cam", "Δ grid"]


def seeded(method: str, values: dict[int, float], tune: dict[int, float] | None = None, **changes: Any) -> Any:
    """A record with a training seed for each value; `tune` gives what it has on tune with each."""
    per_seed, mean = list(values.values()), sum(values.values()) / len(values)
    known = {"tune_per_seed": list(tune.values()), "tune_miou": sum(tune.values()) / len(tune)} if tune else {}
    miou = {"mean": mean, "std": None if len(values) == 1 else 1.0, "per_seed": per_seed}
    return record(method, mean, seeds=list(values), **known, **changes) | {"miou": miou}


def test_the_best_control_is_chosen_over_seeds_that_all_have() -> None:
    """With seed 0 zoom is better, and over all three the mean of zoom is lower: an unlucky seed 2 does not count."""
    zoom = seeded("zoom", dict.fromkeys((0, 1, 2), 40.0), {0: 50.0, 1: 50.0, 2: 5.0})
    grid = seeded("grid", {0: 40.0}, {0: 45.0})
    assert best_control([grid, zoom]) == "zoom"
    assert best_control([grid, zoom | {"tune_per_seed": [40.0, 50.0, 50.0]}]) == "grid"
    without: Any = {name: value for name, value in zoom.items() if name != "tune_per_seed"}
    assert best_control([grid, without]) == "zoom"  # of older records: those with the most seeds are compared
    assert best_control([grid, seeded("random", {0: 40.0}, {0: 46.0})]) == "random"
    assert common_seeds([zoom, grid]) == [0]


def test_a_control_whose_crops_have_a_source_is_one_too() -> None:
    published = record("code-as-published@sensor", 40.0)
    found = [published, record("zoom", 30.0), record("depth@sensor", 90.0)]
    assert best_control(found) == "code-as-published@sensor"
    assert best_control(found, WITHOUT_REGIONS) == "zoom"  # it looks at depth, so it is no closer look without depth


def test_tables_mark_fewer_seeds_and_compare_over_those_that_all_have() -> None:
    rows = [
        seeded("cam", {0: 30.0, 1: 32.0, 2: 34.0}),
        seeded("zoom", {0: 40.0}),
        seeded("grid", {0: 41.0, 2: 45.0}),
    ]
    for table in (
        stage_table(rows, "tabletop", "cam", "test"),
        label_quality_table([r | {"threshold": None} for r in rows]),
    ):
        assert table["mIoU"].tolist() == ["32.0 ± 1.0", "40.0 (1 of 3 runs)", "43.0 ± 1.0 (2 of 3 runs)"]
        assert table["mIoU, seed 0"].tolist() == ["30.0", "40.0", "41.0"]
    alike = stage_table([rows[0], seeded("zoom", dict.fromkeys((0, 1, 2), 1.0))], "tabletop", "cam", "test")
    assert not [name for name in alike if name.startswith("mIoU,")]
    cells = headline_table(rows).loc[("tabletop", "seeds (test)")]
    assert cells["zoom"] == "40.0 (1 of 3 runs)"


def test_networks_have_their_share_of_full_supervision() -> None:
    share = {"value": 94.81, "ci": [92.0, 97.04], "per_seed": [94.0, 95.6]}
    pair = {**record("depth@sensor", 60.0)["paired"][0], "against": "full-supervision", "share": share}
    rows = [record("depth@sensor", 60.0, paired=[pair]), record("full-supervision", 63.3, paired=[])]
    table = stage_table(rows, "tabletop", "cam", "test")
    assert table["of full supervision"].tolist() == ["94.8 % [92.0, 97.0]", "–"]
    assert "of full supervision" not in stage_table(RECORDS, "tabletop", "cam", "test")


def cell(size: str, occlusion: str, iou: float, recall: float) -> dict[str, Any]:
    values = {"iou": iou, "recall": recall}
    return {"size": size, "occlusion": occlusion, "n": 5, **values} | {
        f"{name}_ci": [value - 1, value + 1] for name, value in values.items()
    }


def test_objects_are_compared_with_the_best_control_in_every_data_set() -> None:
    strata = [
        cell("<1 %", ">40 %", 9.0, 9.0),
        cell("<1 %", "all", 8.4, -9.2),
        cell("all", ">40 %", 1.9, -8.8),
        cell("all", "all", 3.0, 1.0),
    ]

    def compared(method: str, control: str, **changes: Any) -> Any:
        return record(method, 60.0, paired=[{"against": control, "strata": strata}], **changes)

    nyu = {"data": "nyuv2", "split": "val"}
    rows = [
        record("zoom", 40.0), record("grid", 30.0), compared("crop-only@sensor", "zoom"), compared("depth@sensor", "zoom"),
        compared("depth@learned", "zoom"), record("rgb-region", 40.0, **nyu), compared("depth@meter", "rgb-region", **nyu),
        record("grid", 40.0, data="voc-animals"),
    ]  # fmt: skip
    table = object_differences(rows)
    assert list(table.index) == [
        ("tabletop, against zoom", "size <1 %"),
        ("tabletop, against zoom", "occlusion >40 %"),
        ("nyuv2, against rgb-region", "size <1 %"),
        ("nyuv2, against rgb-region", "occlusion >40 %"),
    ]
    row = table.loc[("tabletop, against zoom", "size <1 %")]
    assert row["crop-only IoU"] == "+8.4 [7.4, 9.4]"
    assert row["depth recall"] == "−9.2 [−10.2, −8.2]"
    assert table.loc[("nyuv2, against rgb-region", "size <1 %"), "crop-only IoU"] == "–"
    assert object_differences([record("cam", 1.0)]).empty


def test_one_seed_shows_no_spread() -> None:
    single = record("cam", 30.0, threshold=None) | {"miou": {"mean": 30.0, "std": None, "per_seed": [30.0]}}
    table = stage_table([single], "tabletop", "cam", "test")
    assert table.loc["cam", "mIoU"] == "30.0"
    assert "fixed" not in table


def test_missing_records_are_named() -> None:
    with pytest.raises(WsssError, match=r"data nyuv2.*wsss"):
        stage_table(RECORDS, "nyuv2", "cam", "test")
    with pytest.raises(WsssError, match="random"):
        strata_grid(RECORDS, "tabletop", "cam", "test", methods=["random"])
    with pytest.raises(WsssError, match="no record"):
        headline_table([])


def test_classes_and_strata_keep_gaps_visible() -> None:
    classes = per_class_table(RECORDS, "tabletop", "cam", "test")
    assert list(classes["zoom"]) == ["90.0", "–", "40.0"]
    strata = strata_grid(RECORDS, "tabletop", "cam", "test", methods=["cam"])
    assert list(strata.columns) == ["n", "cam IoU", "cam recall"]
    assert strata.loc[("<1 %", "all"), "cam IoU"] == "–"
    assert list(strata.loc[("all", "all")]) == ["7", "33.3 [30.0, 36.6]", "33.3 [30.0, 36.6]"]


def test_the_headline_keeps_stages_and_unseen_images_apart() -> None:
    networks = [record("depth@sensor", 72.0, stage="segmentation"), record("cam", 28.0, data="nyuv2")]
    table = headline_table([*networks, *RECORDS])
    assert list(table.index) == [
        ("tabletop", "seeds (test)"),
        ("tabletop", "seeds, predicted labels (test)"),
        ("tabletop", "seeds (test, 5 not in early tries)"),
        ("tabletop", "network (test)"),
        ("nyuv2", "seeds (test)"),
    ]
    assert table.loc[("tabletop", "network (test)"), "depth@sensor"] == "72.0 ± 0.5"
    assert table.loc[("tabletop", "network (test)"), "cam"] == "–"


def test_depth_that_comes_with_the_data_shares_a_column() -> None:
    rows = [
        record("depth@sensor", 70.0),
        record("depth@learned", 50.0),
        record("crop-only@sensor", 45.0),
        record("depth@meter", 60.0, data="photographs"),
        record("depth@shuffled", 40.0, data="photographs"),
    ]
    assert own_depth(rows) == {"tabletop": "sensor", "photographs": "meter"}
    table = headline_table(rows)
    assert list(table.columns) == ["crop-only", "depth", "depth@learned"]
    assert table.loc[("tabletop", "seeds (test)"), "depth"] == "70.0 ± 0.5"
    assert table.loc[("photographs", "seeds (test)")].to_dict() == {
        "crop-only": "–",
        "depth": "60.0 ± 0.5",
        "depth@learned": "–",
    }
    assert "depth@sensor" in headline_table(rows[:3]).columns


def test_the_caption_states_the_settings() -> None:
    caption = settings_caption(record("depth@learned", 50.0))
    for part in (
        "tiny",
        "learned (extra supervision",
        "refinement none",
        "0.5, 1 with flip",
        "0.62 MP and 0.20 s",
        "given",
    ):
        assert part in caption
    both = settings_caption(RECORDS[4], record("zoom", 40.0, flip=False, profile="smoke"))
    assert "with flip (cam), scales 0.5, 1 without flip (zoom)" in both
    assert both.startswith("NOT A RESULT")


def label_record(method: str, miou: float, refinement: str | None, tune: float) -> Any:
    threshold = {"value": 0.4, "low": [0.3, 0.4], "high": [0.5, 0.5], "fixed": None, "oracle": None}
    border = {"precision": 50.0, "recall": 40.0, "f": 44.4}
    return record(
        method,
        miou,
        stage="pseudo",
        split="train",
        refinement=refinement,
        tune_miou=tune,
        threshold=threshold,
        boundary=border,
    )


LABELS = [
    label_record("depth@sensor", 85.0, "par-depth", 84.0),
    label_record("cam", 40.0, None, 38.0),
    label_record("cam", 43.0, "par", 41.0),
    label_record("depth@sensor", 84.0, None, 83.0),
    label_record("cam", 44.0, "crf", 40.0),
]


def test_label_quality_has_a_row_for_each_refinement() -> None:
    table = label_quality_table(LABELS)
    assert list(table.index) == ["cam", "cam+crf", "cam+par", "depth@sensor", "depth@sensor+par-depth"]
    assert table.loc["cam+par"].to_dict() == {
        "mIoU": "43.0 ± 0.5",
        "mIoU on tune": "41.0",
        "precision": "81.0",
        "recall": "62.0",
        "border precision": "50.0",
        "border recall": "40.0",
        "border F": "44.4",
        "ignored": "1.0",
        "thresholds": "0.35, 0.50",
        "s/image": "0.20",
        "training seeds": "2",
    }


def test_charts_show_the_refinement_that_tune_prefers() -> None:
    assert [(one["method"], one["refinement"]) for one in one_each(LABELS)] == [
        ("cam", "par"),
        ("depth@sensor", "par-depth"),
    ]
    assert baseline(LABELS) == "cam"
    assert baseline([LABELS[2]]) == "cam+par"
    assert best_control(LABELS) is None


def test_networks_share_a_row_whatever_their_labels_refinement() -> None:
    networks = [
        record("cam", 40.0, stage="segmentation", refinement="par"),
        record("depth@sensor", 60.0, stage="segmentation", refinement="par-depth"),
    ]
    table = headline_table([*networks, *LABELS])
    assert table.loc[("tabletop", "network, refined labels (test)")].to_dict() == {
        "cam": "40.0 ± 0.5",
        "depth@sensor": "60.0 ± 0.5",
    }
    assert table.loc[("tabletop", "pseudo-labels +par (train)")].to_dict() == {"cam": "43.0 ± 0.5", "depth@sensor": "–"}
    pair = {**record("depth@sensor", 60.0)["paired"][0], "against": "cam+par"}
    rows = stage_table([networks[0], networks[1] | {"paired": [pair]}], "tabletop", "segmentation", "test")
    assert "Δ cam+par" in rows.columns


def test_markdown_has_the_index_first_and_escapes_bars() -> None:
    table = per_class_table([record("cam", 30.0, iou={"a|b": 1.0})], "tabletop", "cam", "test")
    text = pd.DataFrame({"said": ["word " * 8], "n": ["1.0 [0.5, 1.5]"]}, index=["a"])
    assert to_markdown(text).splitlines()[1] == "| :-- | :-- | --: |"
    assert to_markdown(table) == "| class | cam |\n| :-- | --: |\n| a\\|b | 1.0 |\n| mean | 30.0 |\n"


def test_readme_tables_are_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    records = [
        *RECORDS,
        record("cam", 28.0, data="nyuv2"),
        record("cam", 33.0, stage="segmentation", image_labels="none"),
        *LABELS,
    ]
    parts = [f"before {name}\n<!-- table:{name} -->\nstale text\n<!-- /table:{name} -->\n" for name in TABLES]
    readme.write_text("# Title\n" + "".join(parts) + "the end\n", encoding="utf-8")
    others = Others(claims=CLAIMS)
    assert not is_current(readme, records, others)
    write_tables(readme, records, others)
    text = readme.read_text(encoding="utf-8")
    assert is_current(readme, records, others)
    assert "stale text" not in text
    assert text.startswith("# Title\nbefore headline\n<!-- table:headline -->\n")
    assert text.endswith("<!-- /table:networks -->\nthe end\n")
    assert "| depth@sensor | 70.0 ± 0.5 |" in text
    assert "**nyuv2**, test split, 9 images" in text
    assert not is_current(readme, [*records, record("random", 25.0)], others)
    (page := tmp_path / "claims.md").write_text("<!-- table:claims -->\n<!-- /table:claims -->\n", encoding="utf-8")
    with pytest.raises(WsssError, match=r"no record of the confirmatory comparisons.*wsss results"):
        write_tables(page, records)
    write_tables(page, records, others)
    assert "| tabletop | seeds: depth@sensor − zoom | mIoU | +25 |" in page.read_text(encoding="utf-8")
    assert not is_current(page, records, Others(claims=CLAIMS | {"size": 99}))


def test_tables_of_experiments_are_of_their_records(tmp_path: Path) -> None:
    shared: Any = {"data": "nyuv2", "profile": "reference", "num_images": 9, "provenance": {}}
    row = {"miou": 20.0, "interval": [19.0, 21.0], "difference": 1.5, "ci": [0.5, 2.5], "megapixels": 1.0, "scale": 1.2}
    budget = {"split": "tune", "seed": 0, "rows": [{**row, "line": one, "times": 1.0} for one in ("passes", "depth")]}
    tool = {**row, "method": "GradCAM", "thresholds": [0.4], "seconds_per_image": 0.25}
    search = shared | {
        "method": "rgb-region", "chosen": {"colour.scale": 0.06}, "miou": 23.9, "tried": [{}, {}],
        "at_end": ["colour.scale 0.06 is the lowest that was tried"],
    }  # fmt: skip
    others = Others(
        constants=[search],
        budgets=[shared | budget],
        tools=[shared | {"split": "test", "seeds": [0], "tool": {}, "rows": [tool]}],
    )
    for name, expected, missing in (
        ("budgets", "| 1 × | 1.00 | 1.2 | 20.0 | – | +1.5 [0.5, 2.5] |", "no record of mIoU over megapixels"),
        ("constants", "| nyuv2 | `rgb-region` | 2 | 23.9 | `scale` |", "no record of searched settings"),
        ("tools", "| GradCAM | 20.0 | [19.0, 21.0] | 0.40 | 0.25 |", "no record of other libraries"),
    ):
        (page := tmp_path / f"{name}.md").write_text(
            f"<!-- table:{name} -->\n<!-- /table:{name} -->\n", encoding="utf-8"
        )
        with pytest.raises(WsssError, match=missing):
            write_tables(page, [])
        write_tables(page, [], others)
        assert expected in page.read_text(encoding="utf-8")


def test_choices_at_an_end_of_their_grid_are_on_a_page(tmp_path: Path) -> None:
    fusion = {"level_weights": [], "crop_weight": 0, "gate": 1, "vote": 0.75, "colour": 0}
    seeds = record("rgb-region", 40.0, seeds=[0], parameters=[{**fusion, "reach": 0.997}])
    refined = {"iterations": 20, "colour": 0.4, "jump": 0.0}
    labels = seeds | {"stage": "pseudo", "refinement": "par", "refinement_parameters": [refined]}
    (page := tmp_path / "ends.md").write_text("<!-- table:ends -->\n<!-- /table:ends -->\n", encoding="utf-8")
    write_tables(page, [record("zoom", 30.0)])
    assert "No choice lies at an end of its grid." in page.read_text(encoding="utf-8")
    write_tables(page, [seeds, labels])
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if "grid |" in line]
    assert rows == [
        "| data | method | at an end of its grid |",
        "| tabletop | `rgb-region` | reach 0.997 is the highest of its grid |",
        "| tabletop | `rgb-region+par` | iterations 20 is the highest of its grid |",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- table:surprise -->\n<!-- /table:surprise -->", "unknown table 'surprise'"),
        ("<!-- table:headline -->\n", "Close the marker"),
        ("<!-- table:headline -->\n<!-- /table:networks -->", "Close the marker"),
        ("<!-- /table:headline -->\n<!-- table:headline -->", "Close the marker"),
        ("<!-- table:networks -->\n<!-- /table:networks -->", "no record with stage segmentation"),
    ],
)
def test_wrong_markers_leave_the_readme_alone(text: str, message: str, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(WsssError, match=message):
        write_tables(readme, RECORDS)
    assert readme.read_text() == text


def test_smoke_records_never_reach_the_readme(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing to draw")
    with pytest.raises(WsssError, match="smoke"):
        write_tables(readme, [record("cam", 1.0, profile="smoke")])
    with pytest.raises(WsssError, match=r"cannot read .*gone\.md"):
        is_current(tmp_path / "gone.md", RECORDS)


def test_the_control_without_regions_and_the_refined_cam_are_rivals() -> None:
    tuned = {"zoom": 20.0, "random": 10.0, "rgb-region": 30.0}
    seeds = [record("cam", 30.0), *(record(name, 40.0, tune_miou=tune) for name, tune in tuned.items())]
    assert rivals(seeds) == ["cam", "zoom", "rgb-region"]
    networks = [record("cam", 30.0), record("cam", 40.0, refinement="par"), record("depth@sensor", 50.0)]
    assert rivals([one | {"stage": "segmentation"} for one in networks]) == ["cam", "cam+par"]


def test_columns_without_content_are_left_out() -> None:
    plain = record("cam", 30.0)
    network = plain | {"stage": "segmentation", "threshold": None, "megapixels_per_image": None}
    full = stage_table([plain], "tabletop", "cam", "test").columns
    short = stage_table([network], "tabletop", "segmentation", "test").columns
    assert {"threshold (tune)", "fixed", "oracle threshold", "MP/image"} <= set(full) - set(short)
