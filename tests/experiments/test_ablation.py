"""Ablations: each row is the method with one thing changed, on the tune split, and nothing is computed twice."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wsss.analysis import mean_iou
from wsss.config import ClassifierConfig, Config
from wsss.errors import WsssError
from wsss.experiments import plan
from wsss.experiments.ablation import ablate
from wsss.experiments.plan import VARIANTS, Variant
from wsss.io import read_json, write_json
from wsss.methods.parameters import CropParameters, RegionParameters
from wsss.methods.registry import method
from wsss.pipeline import Run
from wsss.pipeline.profiles import profile
from wsss.records.store import ablation_path, load_ablation
from wsss.report.ablation_charts import ablation_charts, ablation_figure, ablation_table
from wsss.report.drawing import draw_charts

BACKBONE = "test_efficientnet"
SOME = (
    Variant("steps", "the whole method"),
    Variant("steps", "no planes", regions={"planes": 0}),
    Variant("left out of crops", "other things", "crop-only"),
    Variant("left out of crops", "nothing", "crop-only", crops={"exclude": "box"}),
    Variant("depth", "right"),
    Variant("depth", "constant", "depth@constant"),
)


@pytest.fixture(scope="module")
def run(tabletop_root: Path, tiny_weights: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = Config(
        profile="smoke", root=str(tabletop_root), tabletop_side=64, tabletop_scenes=(4, 2, 2),
        classifier=ClassifierConfig(backbone=BACKBONE, base_side=64, crop_side=64, epochs=1, batch_size=4),
    )  # fmt: skip
    return Run(config, tmp_path_factory.mktemp("cache"), progress=False)


@pytest.fixture(scope="module")
def record(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return ablate(run, tmp_path_factory.mktemp("records"), SOME)


def test_rows_are_scores_of_the_changed_method(run: Run, record: Any) -> None:
    assert [(row["group"], row["variant"]) for row in record["rows"]] == [(each.group, each.name) for each in SOME]
    changed = replace(run.config, crops=replace(run.config.crops, exclude="box"))
    score = Run(changed, run.cache, progress=False).seeds(["crop-only"], "tune")["crop-only"]
    row = record["rows"][3]
    assert row["miou"] == pytest.approx(float(mean_iou(score.confusions.sum(axis=0))), abs=1e-3)
    assert row["difference"] == pytest.approx(row["miou"] - record["rows"][2]["miou"], abs=2e-3)
    assert row["threshold"] == score.facts["threshold"]
    assert row["method"] == "crop-only@sensor"
    assert record["split"] == "tune"


def test_the_first_of_a_group_is_not_changed(run: Run, record: Any) -> None:
    plain = run.seeds(["depth", "crop-only"], "tune")
    for place, name in ((0, "depth"), (2, "crop-only"), (4, "depth")):
        row = record["rows"][place]
        assert row["miou"] == pytest.approx(plain[name].miou, abs=1e-3)
        assert row["difference"] == 0
        assert row["ci"] == [0, 0]


def test_nothing_is_computed_twice(run: Run, record: Any, tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("computed again")

    for name in ("choose_parameters", "score_seeds"):
        monkeypatch.setattr(f"wsss.pipeline.seeds.{name}", refuse)
    again = ablate(Run(run.config, run.cache, progress=False), tmp_path, SOME)
    assert again["rows"] == record["rows"]
    assert read_json(ablation_path(tmp_path, "tabletop", 0)) == again


def test_every_variant_is_valid_and_its_group_starts_unchanged() -> None:
    config = profile("default", "tabletop")
    firsts = {}
    for variant in VARIANTS:
        method(variant.method)
        regions = replace(config.regions, **variant.regions)
        crops = replace(config.crops, **variant.crops)
        if variant.group not in firsts:
            firsts[variant.group] = variant
            assert (regions, crops) == (config.regions, config.crops), variant
        elif variant.method == firsts[variant.group].method:
            assert (regions, crops) != (config.regions, config.crops), variant
        assert isinstance(regions, RegionParameters)
        assert isinstance(crops, CropParameters)
    names = [(variant.group, variant.name) for variant in VARIANTS]
    assert len(set(names)) == len(names)


def test_table_and_figure_show_every_row(record: Any) -> None:
    table = ablation_table(record)
    assert list(table.index) == [(each.group, each.name) for each in SOME]
    assert table["difference"].tolist()[::2] == ["–"] * 3
    assert all(re.fullmatch(r"[+−]\d+\.\d \[[−\d.]+, [−\d.]+\]", cell) for cell in table["difference"].tolist()[1::2])
    figure = ablation_figure(record)
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "steps (depth)",
        "left out of crops (crop-only)",
        "where depth is from (depth)",
    ]
    for ax, (first, second) in zip(figure.axes, zip(SOME[::2], SOME[1::2], strict=True), strict=True):
        assert [label.get_text() for label in ax.get_yticklabels()] == [first.name, second.name]
    shown = np.array([bar.get_width() for ax in figure.axes for bar in ax.patches])  # type: ignore[attr-defined]
    np.testing.assert_allclose(shown, [row["miou"] for row in record["rows"]])


def test_a_missing_record_is_none_and_a_broken_one_is_named(tmp_path: Path) -> None:
    path = ablation_path(tmp_path, "tabletop", 0)
    assert load_ablation(path) is None
    write_json(path, {"miou": 3})
    with pytest.raises(WsssError, match=r"seed-0\.json"):
        load_ablation(path)


def test_trust_is_switched_off_for_any_alignment() -> None:
    from wsss.methods.trust import trust_in

    assert trust_in(-1.0, *plan._ALWAYS_TRUSTED["trust"]) == 1


def test_charts_are_drawn_from_records(record: Any, tmp_path: Path) -> None:
    write_json(ablation_path(tmp_path, "tabletop", 0), record)
    drawn = draw_charts(ablation_charts(tmp_path, tmp_path / "figures"))
    assert [path.name for path in drawn] == ["tabletop-ablation-seed-0.png", "tabletop-ablation-seed-0.svg"]
    assert all(path.stat().st_size > 1000 for path in drawn)
