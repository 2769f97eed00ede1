"""Other libraries' maps on the same classifier: a record, and a table of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wsss.errors import WsssError
from wsss.experiments import other_tools
from wsss.experiments.other_tools import OWN, TOOLS, compare_tools
from wsss.io import read_json
from wsss.pipeline import Run
from wsss.pipeline.profiles import profile
from wsss.records.experiments import load_tools
from wsss.records.store import tools_path
from wsss.report.tool_table import tool_table

gradcam = pytest.importorskip("pytorch_grad_cam")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("tools")
    config = replace(profile("smoke", "tabletop", root=str(place / "data")), methods=("cam",))
    return Run(config, place / "cache", progress=False)


def test_every_tool_has_a_row_at_its_own_threshold(run: Run, tmp_path: Path) -> None:
    record = compare_tools([run], tmp_path, "tune")
    assert read_json(tools_path(tmp_path, "tabletop", "tune"))["rows"] == record["rows"]
    assert [row["method"] for row in record["rows"]] == [OWN, *TOOLS]
    for row in record["rows"]:
        assert 0 < row["miou"] < 100
        low, high = row["interval"]
        assert low <= row["miou"] + 5
        assert high >= row["miou"] - 5
        assert row["seconds_per_image"] > 0
        assert 0 < row["thresholds"][0] < 1
    assert load_tools(tmp_path) == [record]
    table = tool_table(record)
    assert list(table.index) == [OWN, *TOOLS]
    assert list(table) == ["mIoU", "95 %", "threshold (tune)", "s/image"]


def test_gradcam_of_the_last_layer_is_this_packages_plain_cam(run: Run) -> None:
    """With global average pooling the weights of GradCAM are those of the last layer (Selvaraju et al., ICCV 2017)."""
    sample = next(sample for sample in run.data("tune") if sample.labels.any())
    present = np.flatnonzero(sample.labels)
    found = other_tools._maps_of("GradCAM", *run.classifier)(sample, present)
    own = other_tools._own_maps(run)(sample, present)
    assert found.shape == own.shape
    assert torch.corrcoef(torch.stack([found.flatten(), own.flatten()]))[0, 1] > 0.98


def test_a_tool_that_is_not_there_is_said(run: Run) -> None:
    with pytest.raises(WsssError, match="pytorch-grad-cam has no MagicCAM"):
        other_tools._maps_of("MagicCAM", *run.classifier)
