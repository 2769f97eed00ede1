"""Parts of the records are made where they are missing, on any machine, and merge into what one run gives."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from wsss import cli
from wsss.config import ClassifierConfig, Config, SegmentationConfig
from wsss.errors import WsssError
from wsss.experiments import parts
from wsss.experiments.parts import PARTS, Part, bring_parts, make_part, merge_data, part_state, parts_named
from wsss.experiments.results import write_stage
from wsss.io import read_json
from wsss.pipeline import Run
from wsss.records.record import Record
from wsss.records.store import STAGES, load_records

BACKBONE = "test_efficientnet"
FIRST, SECOND = Part("tabletop", "seed", 0), Part("tabletop", "seed", 1)
TIMES = ("utc", "wall_s", "cpu_s", "commit", "dirty")

pytestmark = pytest.mark.usefixtures("tiny_weights")


@pytest.fixture
def opened(tabletop_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """A tiny run for each part, with a cache of its own unless one is named."""
    monkeypatch.setenv("WSSS_RUNS", str(tmp_path / "runs"))
    config = Config(
        profile="reference", root=str(tabletop_root), tabletop_side=64, tabletop_scenes=(4, 2, 2),
        methods=("cam", "depth"), pseudo_methods=("cam", "depth"), label_methods=("depth",),
        classifier=ClassifierConfig(backbone=BACKBONE, base_side=64, crop_side=64, epochs=1, batch_size=4),
        segmentation=SegmentationConfig(encoder=f"tu-{BACKBONE}", iterations=2, batch_size=2, crop_size=64, frozen_stages=0),
    )  # fmt: skip

    def run(part: Part, _: Path | None = None, cache: str = "cache", **changes: Any) -> Run:
        return Run(replace(config, seed=part.seed, **changes), tmp_path / cache, progress=False)

    monkeypatch.setattr(parts, "open_part", run)
    return run


def untimed(record: Record) -> Any:
    """A record without when, and by which commit, it was made."""
    text = json.dumps(record)
    plain = json.loads(text)
    for made in (plain["provenance"], *plain["provenance"]["parts"]):
        for name in TIMES:
            made.pop(name, None)
    return plain


def without_seconds(record: Any) -> Any:
    return {key: value for key, value in record.items() if key != "seconds_per_image"}


def test_two_parts_of_different_folders_merge_into_what_one_run_gives(
    opened: Callable[..., Run], tmp_path: Path
) -> None:
    make_part(FIRST, opened(FIRST, cache="one"), tmp_path / "one", print)
    make_part(SECOND, opened(SECOND, cache="two"), tmp_path / "two", print)
    bring_parts(tmp_path / "two", tmp_path / "one")
    paths = merge_data("tabletop", tmp_path / "one")
    runs = [opened(part, cache="both") for part in (FIRST, SECOND)]
    whole = {str(i): untimed(one) for i, one in enumerate(load_after(runs, tmp_path / "both"))}
    merged = {str(i): untimed(one) for i, one in enumerate(load_records(tmp_path / "one"))}
    assert len(paths) == len(merged) == len(whole) == 6
    assert {key: without_seconds(one) for key, one in merged.items()} == {
        key: without_seconds(one) for key, one in whole.items()
    }
    assert all(one["seeds"] == [0, 1] for one in merged.values())


def load_after(runs: list[Run], folder: Path) -> list[Record]:
    for stage in STAGES:
        write_stage(runs, stage, folder)
    return load_records(folder)


def test_what_is_there_is_not_made_again(opened: Callable[..., Run], tmp_path: Path) -> None:
    said: list[str] = []
    run = opened(FIRST)
    assert part_state(FIRST, run, tmp_path / "out") == dict.fromkeys(STAGES, "missing")
    make_part(FIRST, run, tmp_path / "out", said.append)
    assert [line.split(":")[0] for line in said if " records in " in line] == [
        f"tabletop-0 {stage}" for stage in STAGES
    ]
    assert part_state(FIRST, run, tmp_path / "out") == {}
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")}
    make_part(FIRST, opened(FIRST), tmp_path / "out", said.append)
    assert said[-1] == "tabletop-0: is there"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")} == files
    assert not list((tmp_path / "runs" / "parts").glob("*"))  # the clocks are done with


def test_nothing_is_rendered_to_say_what_is_there(
    opened: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_part(FIRST, opened(FIRST), tmp_path, print)
    monkeypatch.setattr("wsss.pipeline.data.render_tabletop", lambda *_, **__: pytest.fail("rendered"))
    elsewhere = opened(FIRST, root=str(tmp_path / "nothing"))
    assert not elsewhere.data_is_there
    assert part_state(FIRST, elsewhere, tmp_path) == {}


def test_what_is_of_other_settings_data_or_versions_is_made_again(
    opened: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_part(FIRST, opened(FIRST), tmp_path, print)
    shorter = opened(FIRST, segmentation=replace(opened(FIRST).config.segmentation, iterations=1))
    assert part_state(FIRST, shorter, tmp_path) == dict.fromkeys(STAGES, "of other config_sha256")
    assert part_state(FIRST, opened(FIRST, methods=("cam",)), tmp_path) == {"cam": "of other methods"}
    fewer = opened(FIRST, report_limit=1)
    assert part_state(FIRST, fewer, tmp_path)["cam"] == "of other config_sha256, data_sha256"
    monkeypatch.setitem(parts.algorithms_of.__globals__["ALGORITHM_VERSION"], "pseudo", 99)
    assert part_state(FIRST, opened(FIRST), tmp_path) == {
        "pseudo": "of other algorithms",
        "segmentation": "of other algorithms",
    }


def test_a_part_of_another_machine_does_not_replace_one(opened: Callable[..., Run], tmp_path: Path) -> None:
    make_part(FIRST, opened(FIRST), tmp_path / "here", print)
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    bring_parts(tmp_path / "there", tmp_path / "here")  # the same
    path = tmp_path / "there" / "tabletop" / "parts" / "seed-0" / "cam.json"
    path.write_text(path.read_text().replace('"threads": ', '"threads": 1'))
    with pytest.raises(WsssError, match="of one part but not equal"):
        bring_parts(tmp_path / "there", tmp_path / "here")
    with pytest.raises(WsssError, match="there are no parts of records below"):
        bring_parts(tmp_path / "nowhere", tmp_path / "here")


def test_experiments_are_parts_of_their_own(opened: Callable[..., Run], tmp_path: Path) -> None:
    part = Part("tabletop", "doubled")
    said: list[str] = []
    make_part(part, opened(part), tmp_path, said.append)
    record = read_json(tmp_path / "tabletop" / "doubled" / "tune" / "seed-0.json")
    assert [(row["labels"], row["iterations"]) for row in record["rows"]] == [
        ("depth@sensor", 2),
        ("full-supervision", 2),
    ]
    for row in record["rows"]:
        assert row["difference"] == pytest.approx(row["doubled"] - row["miou"], abs=2e-3)
        assert row["ci"][0] <= row["difference"] <= row["ci"][1]
    assert record["num_images"] == 2
    make_part(part, opened(part), tmp_path, said.append)
    assert said[-1] == "doubled-tabletop: is there"
    longer = opened(part, segmentation=replace(opened(part).config.segmentation, iterations=3))
    assert part_state(part, longer, tmp_path) == {"doubled": "of other config_sha256"}


def test_parts_have_names() -> None:
    assert [part.name for part in PARTS] == [
        "tabletop-0", "tabletop-1", "tabletop-2", "nyuv2-0", "nyuv2-1", "nyuv2-2", "voc-0", "voc-1", "voc-2",
        "series", "ablation", "doubled-tabletop", "doubled-nyuv2", "doubled-voc",
        "tools-tabletop", "tools-nyuv2", "tools-voc",
        "budget-tabletop", "budget-nyuv2", "budget-voc",
    ]  # fmt: skip
    assert parts_named([]) == list(PARTS)
    assert [part.name for part in parts_named(["nyuv2", "doubled-voc", "nyuv2-1"])] == [
        "nyuv2-0", "nyuv2-1", "nyuv2-2", "doubled-voc",
    ]  # fmt: skip
    assert [part.name for part in parts_named(["doubled"])] == ["doubled-tabletop", "doubled-nyuv2", "doubled-voc"]
    with pytest.raises(WsssError, match=r"no part 'nyuv2-7'; choose from tabletop-0, .*budget-voc"):
        parts_named(["nyuv2-7"])


def test_the_command_makes_lists_and_merges(opened: Callable[..., Run], tmp_path: Path) -> None:
    def results(*arguments: str) -> str:
        done = CliRunner().invoke(
            cli.app, ["results", *arguments, "--out", str(tmp_path / "out")], catch_exceptions=False
        )
        assert done.exit_code == 0
        return done.output

    assert "tabletop-0: cam: missing, pseudo: missing, segmentation: missing" in results("tabletop-0", "--list")
    assert "tabletop-0 cam: 2 records in" in results("tabletop-0")
    assert "tabletop-0: is there" in results("--list", "tabletop-0")
    assert {tuple(record["seeds"]) for record in load_records(tmp_path / "out")} == {(0,)}
    results("tabletop-1")
    assert {tuple(record["seeds"]) for record in load_records(tmp_path / "out")} == {(0, 1)}
    results("--from", str(tmp_path / "out"))  # of itself: nothing changes, nothing is computed
    assert "voc-0: skipped, no folder" in results("voc-0", "--voc", str(tmp_path / "gone"))


CODE = """
import sys
from pathlib import Path
import timm, torch
from wsss.config import ClassifierConfig, Config, SegmentationConfig
from wsss.experiments.parts import Part, make_part
from wsss.networks import backbones
from wsss.pipeline import Run
data, folder = Path(sys.argv[1]), Path(sys.argv[2])
torch.set_num_threads(1)
torch.manual_seed(0)
state = timm.create_model("test_efficientnet", pretrained=False).state_dict()
backbones._WEIGHTS["test_efficientnet"] = lambda: state
config = Config(
    profile="reference", root=str(data), tabletop_side=64, tabletop_scenes=(4, 2, 2),
    methods=("cam", "depth"), pseudo_methods=("depth",), label_methods=("depth",),
    classifier=ClassifierConfig(backbone="test_efficientnet", base_side=64, crop_side=64, epochs=3, batch_size=4),
    segmentation=SegmentationConfig(encoder="tu-test_efficientnet", iterations=4, batch_size=2, crop_size=64, frozen_stages=0),
)
make_part(Part("tabletop", "seed", 0), Run(config, folder / "cache", progress=False), folder / "out", print)
print("done", flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed")
def test_a_part_that_is_killed_again_and_again_ends_as_if_it_had_not_been(tabletop_root: Path, tmp_path: Path) -> None:
    def started(folder: Path) -> "subprocess.Popen[bytes]":
        places = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "WSSS_RUNS": str(folder / "runs")}
        command = [sys.executable, "-c", CODE, str(tabletop_root), str(folder)]
        return subprocess.Popen(command, env=os.environ | places, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    calm = started(tmp_path / "calm")
    assert b"done" in calm.communicate(timeout=300)[0]
    seen: set[str] = set()
    for wait in ("classifier", "choice", "cam.npz", "pseudo.json", "network"):
        process = started(tmp_path / "killed")
        end = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < end:
            if any(wait in str(path) for path in (tmp_path / "killed").rglob("*") if path.is_file()):
                seen.add(wait)
                process.kill()
                break
            time.sleep(0.005)
        process.communicate()
    assert seen == {"classifier", "choice", "cam.npz", "pseudo.json", "network"}
    assert b"done" in started(tmp_path / "killed").communicate(timeout=300)[0]
    one, two = (merge_data("tabletop", tmp_path / folder / "out") for folder in ("calm", "killed"))
    for left, right in zip(one, two, strict=True):
        assert without_seconds(untimed(read_json(left))) == without_seconds(untimed(read_json(right)))


def test_listing_renders_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WSSS_CACHE", str(tmp_path / "cache"))
    done = CliRunner().invoke(
        cli.app, ["results", "tabletop", "series", "--list", "--out", str(tmp_path)], catch_exceptions=False
    )
    assert "tabletop-2: cam: missing, pseudo: missing, segmentation: missing" in done.output
    assert "series: shrinking: missing" in done.output
    assert not (tmp_path / "cache").exists()


def test_a_missing_library_is_said_before_anything_is_computed(
    opened: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    run = opened(FIRST, pseudo_methods=("cam", "cam+crf"))
    for begin in (lambda: make_part(FIRST, run, tmp_path / "results", print), lambda: run.choose_labels(["cam+crf"])):
        with pytest.raises(WsssError, match=r"pip install .*\[crf\]"):
            begin()
    assert not list((tmp_path / "cache").glob("classifier/*"))
