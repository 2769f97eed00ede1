"""The record of a depth source's quality."""

from pathlib import Path
from typing import Any

import pytest

from wsss.errors import WsssError
from wsss.experiments.depth_quality import depth_quality
from wsss.io import read_json
from wsss.pipeline import Run
from wsss.pipeline.profiles import profile


@pytest.fixture
def run(tabletop_root: Path, tmp_path: Path) -> Run:
    scenes: dict[str, Any] = {"tabletop_side": 64, "tabletop_scenes": (4, 2, 2)}
    return Run(profile("smoke", root=str(tabletop_root), **scenes), tmp_path / "cache", progress=False)


def test_right_depth_is_right_and_wrong_depth_is_not(run: Run, tmp_path: Path) -> None:
    right, upside_down, noisy = (
        depth_quality(run, source, "test", tmp_path) for source in ("sensor", "inverted", "noisy-06")
    )
    assert right["spearman"] == right["spearman_objects"] == 1
    assert upside_down["spearman"] == -1
    assert 0 < noisy["spearman_objects"] < 1
    assert right["abs_rel"] is None  # rendered depth is kept without its scale
    assert read_json(tmp_path / "tabletop" / "depth" / "test" / "noisy-06.json") == noisy


def test_kinect_depth_has_metres(shared_data: Path, tmp_path: Path) -> None:
    config = profile("smoke", "nyuv2", root=str(shared_data / "nyuv2"), report_limit=2)
    found = depth_quality(Run(config, tmp_path / "cache", progress=False), "sensor", "report", tmp_path)
    assert found["spearman"] == 1
    assert found["abs_rel"] < 0.2  # normalised depth is cut at its first and last percentile
    assert found["delta"] > 0.9


def test_data_without_a_sensor_has_nothing_to_compare_with(tiny_voc: Path, tmp_path: Path) -> None:
    run = Run(profile("smoke", "voc", root=str(tiny_voc)), tmp_path / "cache", progress=False)
    with pytest.raises(WsssError, match="comes without: use --data tabletop or nyuv2"):
        depth_quality(run, "constant", "val", tmp_path)
