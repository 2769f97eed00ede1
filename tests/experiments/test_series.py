"""Controlled series measured: rows against direct computation, logits against the classifier, records and their chart."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from wsss.cam.classifier import ClassifierInfo
from wsss.config import ClassifierConfig, Config
from wsss.data.base import Sample
from wsss.data.series import SERIES
from wsss.errors import WsssError
from wsss.experiments import series
from wsss.experiments.series import SERIES_MEASURES, measure_series, object_logits, series_rows
from wsss.io import write_json
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.parameters import CropParameters, RegionParameters
from wsss.pipeline import Run
from wsss.records.store import load_series, series_path
from wsss.report.drawing import draw_charts
from wsss.report.series_charts import series_changes, series_charts, series_figure, series_table

BACKBONE = "test_efficientnet"


def objects(name: str) -> pd.DataFrame:
    """Three groups of two steps; the second step is smaller, or more hidden."""
    frame = pd.DataFrame({"group": [0, 0, 1, 1, 2, 2], "step": [0, 1] * 3})
    frame["relative_area"] = np.where(frame["step"] == 0, 0.05, 0.01)
    frame["occlusion_ratio"] = np.where(frame["step"] == 0, 0.0, 0.6) if name == "covering" else 0.0
    for place, measure in enumerate(SERIES_MEASURES):
        frame[measure] = (frame["group"] + place) / 10 - frame["step"] / 5
    return frame


@pytest.mark.parametrize("name", SERIES)
def test_rows_are_means_over_the_objects_of_a_step(name: str) -> None:
    first, second = series_rows(objects(name), name)
    assert (first["n"], second["n"]) == (3, 3)
    assert (first["area"], second["area"]) == (5, 1)
    assert second["occlusion"] == (60 if name == "covering" else 0)
    assert first["recall"] == pytest.approx(10)
    assert first["recall_ci"] == pytest.approx([0, 20])  # of three groups with 0, 10 and 20 %
    assert second["recall"] == pytest.approx(-10)
    assert first["image_logit"] == pytest.approx(0.6)  # no share


def test_covering_is_sorted_by_what_is_hidden_not_by_step() -> None:
    frame = objects("covering")
    frame.loc[frame["group"] == 2, "occlusion_ratio"] = 0.7  # an edge belongs to the bin above it
    rows = series_rows(frame, "covering")
    assert [(row["n"], row["occlusion"]) for row in rows] == [(2, 0), (2, 60), (2, 70)]


class Given(torch.nn.Module):
    """Class maps that are the picture's own first channels, so that means are known."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch


def test_logits_are_means_of_the_class_map_over_image_and_object() -> None:
    class Looking:
        class depth_cam:
            model, device = Given(), torch.device("cpu")

            class info:
                mean, std, base_side = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 64

    image = np.zeros((64, 64, 3), dtype=np.uint8)
    image[16:32, 16:48, 2] = 255
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[16:32, 16:48] = 1
    sample = Sample("a", image, np.array([True, False]), mask, mask.astype(np.uint16), np.array([1], np.uint8))
    info = ClassifierInfo("given", ("other", "mug", "duck"), 1, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 64, {})
    # The data's classes are some of the classifier's, in another order.
    classes = ("duck", "other")
    depth_cam = DepthCAM(Given(), info, classes, RegionParameters(), CropParameters(), torch.device("cpu"))
    whole, own, near = object_logits(depth_cam, sample)
    assert whole == pytest.approx(1 / 8, rel=0.02)  # computed in bfloat16
    assert own == pytest.approx(1, rel=0.02)
    assert near == pytest.approx(16 * 32 / 48**2, rel=0.1)  # a square of one and a half times the longer side


@pytest.fixture(scope="module")
def made(tabletop_root: Path, tiny_weights: None, tmp_path_factory: pytest.TempPathFactory):
    """Paths of the records of two seeds, and the runs."""
    import shutil
    from concurrent.futures import ThreadPoolExecutor

    root = Path(shutil.copytree(tabletop_root, tmp_path_factory.mktemp("data") / "copy"))
    settings: dict[str, Any] = {
        "profile": "smoke", "root": str(root), "tabletop_side": 64, "tabletop_scenes": (4, 2, 2), "series_rooms": 10,
        "classifier": ClassifierConfig(backbone=BACKBONE, base_side=64, crop_side=64, epochs=1, batch_size=4),
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wsss.data.tabletop_rendering.ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
        for name in SERIES:
            patch.setitem(SERIES, name, SERIES[name][:2])
        cache = tmp_path_factory.mktemp("cache")
        runs = [Run(Config(seed=seed, **settings), cache, progress=False) for seed in (0, 1)]
        yield measure_series(runs, ["cam", "depth"], tmp_path_factory.mktemp("records")), runs


def test_records_hold_every_method_and_say_what_they_are_of(made) -> None:
    paths, runs = made
    folder = paths[0].parents[2]
    assert paths == [series_path(folder, name) for name in SERIES]
    record = load_series(paths[0])
    assert (record["seeds"], record["profile"], record["num_images"]) == ([0, 1], "smoke", 20)
    assert [row["method"] for row in record["rows"]] == ["cam"] * 2 + ["depth@sensor"] * 2
    frames = [run.seeds(["cam"], "shrinking")["cam"].instances for run in runs]
    first = [frame["image_id"].map(lambda name: runs[0].series("shrinking").place(name)[1]) == 0 for frame in frames]
    mean = np.mean([100 * frame["recall"][of_step].mean() for frame, of_step in zip(frames, first, strict=True)])
    assert record["rows"][0]["recall"] == pytest.approx(mean, abs=1e-3)


def test_changes_say_whether_the_ends_differ() -> None:
    def row(area: float, recall: float, spread: float) -> dict[str, Any]:
        return {"method": "cam", "area": area, "recall": recall, "recall_ci": [recall - spread, recall + spread]}

    record: Any = {"series": "shrinking", "rows": [row(8, 70, 5), row(2, 60, 5), row(0.3, 20, 5)]}
    unclear = record | {"rows": record["rows"][:2]}
    rising = series_changes([record | {"rows": record["rows"][::-1]}], ["recall"])
    assert rising["recall (%)"].tolist() == ["20.0 → 70.0, rises"]
    table = series_changes([record, unclear | {"series": "outshone"}], ["recall"])
    assert table["recall (%)"].tolist() == ["70.0 → 20.0, falls", "70.0 → 60.0, no clear change"]
    assert table.index.tolist() == ["shrinking", "outshone"]
    assert table["along"].tolist() == [
        "8.00 % of the image → 0.30 % of the image",
        "8.00 % of the image → 2.00 % of the image",
    ]


def test_chart_and_table(made, tmp_path: Path) -> None:
    paths, _ = made
    record = load_series(paths[2])
    recall, hit, logits = series_figure(record).axes
    assert [len(ax.lines) for ax in (recall, hit, logits)] == [2, 2, 4]
    np.testing.assert_allclose(
        np.asarray(recall.lines[0].get_ydata()), [r["recall"] for r in record["rows"] if r["method"] == "cam"]
    )
    table = series_table(record)
    assert list(table.columns) == ["hidden (%)", "pictures", "recall (%)", "IoU (%)", "hit (%)"]
    assert len(table) == sum(row["method"] == "cam" for row in record["rows"])
    written = draw_charts(series_charts(paths[0].parents[2], tmp_path))
    assert [path.name for path in written] == [
        f"tabletop-series-{name}.{suffix}"
        for name in ("covering", "outshone", "shrinking")
        for suffix in ("png", "svg")
    ]


def test_other_data_has_no_series_and_bad_records_are_named(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="nyuv2 is not"):
        Run(Config(data="nyuv2"), tmp_path).series("shrinking")
    with pytest.raises(WsssError, match="wsss series"):
        load_series(tmp_path / "gone.json")
    write_json(tmp_path / "other.json", {"rows": []})
    with pytest.raises(WsssError, match=r"other\.json"):
        load_series(tmp_path / "other.json")
    assert series.COVER_EDGES[0] == 0
