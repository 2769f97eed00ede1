"""The benchmark's own arithmetic: turns, ratios, limits, records, and what counts as slower."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wsss import cli
from wsss.data.tags import read_tags
from wsss.errors import WsssError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import gpu, growth, run
from benchmarks.measure import (
    Effort,
    Figure,
    Measured,
    at_least,
    at_most,
    machine,
    ratio,
    shown,
    timed_in_turns,
    versions_of,
)
from benchmarks.own_models import plain_maps
from benchmarks.own_models_page import MARK, finding, own_models_table
from benchmarks.own_models_page import PAGE as OWN_PAGE
from benchmarks.own_models_tools import MODELS, TOOLS, bare_pass, given, logits_of, written
from benchmarks.record import COMMITTED, PAGE, add_part, load_record, slower, table, tables, write_table
from benchmarks.soak import draw_photographs, soak


def test_tasks_take_turns_and_each_begins_a_round() -> None:
    calls: list[str] = []
    seconds = timed_in_turns({name: lambda name=name: calls.append(name) for name in "abc"}, rounds=3)  # type: ignore[misc]
    assert "".join(calls) == "abc" + "abc" + "bca" + "cab"
    assert {name: len(runs) for name, runs in seconds.items()} == {"a": 3, "b": 3, "c": 3}
    assert all(each >= 0 for runs in seconds.values() for each in runs)


def test_a_ratio_is_the_median_of_rounds() -> None:
    # The second round was slow for both; the ratio of the medians would be 4.
    assert ratio({"slow": [2.0, 9.0, 8.0], "fast": [1.0, 3.0, 2.0]}, "slow", "fast") == 3.0


def test_limits_are_kept_on_the_right_side() -> None:
    assert at_least("a", 5.0, 5.0).reached is True
    assert at_least("a", 4.9, 5.0).reached is False
    assert at_most("a", 1.08, 1.08).reached is True
    assert at_most("a", 1.1, 1.08).reached is False
    assert shown("a", 1.0, "s").reached is None


def test_the_machine_is_named() -> None:
    facts = machine()
    assert facts["processor"]
    assert isinstance(facts["cores"], int)
    assert set(facts["versions"]) >= {"python", "torch", "numpy"}  # type: ignore[call-overload]


def test_a_missing_library_is_named_with_the_remedy() -> None:
    with pytest.raises(WsssError, match=r"no-such-library is not installed: pip install .*bench"):
        versions_of("torch", "no-such-library")


def part(*figures: Figure) -> Measured:
    return Measured(figures, {"task": [0.123456]})


def test_parts_are_added_to_a_record_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    assert load_record(path) == {"parts": {}}
    add_part(path, "one", part(at_least("speed", 2.0, 3.0)), 1.0, quick=False)
    add_part(path, "two", part(shown("time", 1.0, "s")), 1.0, quick=False)
    add_part(path, "one", part(at_least("speed", 4.0, 3.0)), 1.0, quick=False)
    found = load_record(path)["parts"]
    assert {name: each["figures"][0]["value"] for name, each in found.items()} == {"one": 4.0, "two": 1.0}
    assert found["one"]["seconds"] == {"task": [0.1235]}
    rows = table(load_record(path)).splitlines()
    assert rows[2:-1] == ["| one | speed | 4 × | ≥ 3 × | yes |", "| two | time | 1 s |  |  |", ""]
    [commit] = {each["commit"] for each in found.values()}
    changed = " with changes" if found["one"]["dirty"] else ""
    place = f"{machine()['processor']} at {commit[:7]}{changed}" if commit else f"{machine()['processor']} at no commit"
    assert rows[-1] == f"Measured on {place}: one, two."


def test_the_page_has_the_table_of_the_record(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("above\n<!-- bench -->\nold\n<!-- /bench -->\nbelow\n")
    add_part(tmp_path / "bench.json", "one", part(at_least("speed", 2.0, 3.0)), 1.0, quick=False)
    record = load_record(tmp_path / "bench.json")
    for _ in range(2):
        write_table(record, page)
        assert page.read_text() == f"above\n<!-- bench -->\n{table(record)}\n<!-- /bench -->\nbelow\n"
    page.write_text("no marks")
    with pytest.raises(WsssError, match="lacks the marks"):
        write_table(record, page)


def test_a_run_is_shown_chapter_by_chapter(tmp_path: Path) -> None:
    figures = (
        at_most("whole default reproduction", 10, 12, "min"),
        shown("chapter 00", 1, "min"),
        shown("chapter 01", 4, "min"),
    )
    add_part(tmp_path / "bench.json", "reproduce", part(*figures), 1.0, quick=False)
    rows = tables(load_record(tmp_path / "bench.json"))["bench reproduce"].splitlines()
    assert rows[2:5] == ["| 00 | 1.0 | 10 % |", "| 01 | 4.0 | 40 % |", "| **whole run** | **10.0** | |"]


def test_a_file_that_is_no_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_text("[]")
    with pytest.raises(WsssError, match="no record of a benchmark"):
        load_record(path)


def record(path: Path, *figures: Figure, quick: bool = False, **machine: Any) -> dict[str, Any]:
    add_part(path, "cam", part(*figures), 1.0, quick)
    found = load_record(path)
    found["parts"]["cam"]["machine"] |= machine
    return found


def test_what_became_slower_is_named(tmp_path: Path) -> None:
    before = record(
        tmp_path / "a.json", at_least("ratio", 10.0, 4.0), at_most("over limit", 1.0, 1.1), shown("t", 1, "s")
    )
    now = record(tmp_path / "b.json", at_least("ratio", 8.0, 4.0), at_most("over limit", 1.05, 1.1), shown("t", 2, "s"))
    assert slower(before, before) == {}
    assert slower(before, now) == {
        ("cam", "ratio"): "cam: ratio was 10 ×, is 8 ×",
        ("cam", "t"): "cam: t was 1 s, is 2 s",
    }


def test_seconds_of_another_machine_are_not_compared_but_ratios_are(tmp_path: Path) -> None:
    before = record(tmp_path / "a.json", at_least("ratio", 10.0, 4.0), shown("t", 1, "s"), processor="another")
    now = record(tmp_path / "b.json", at_least("ratio", 6.0, 4.0), shown("t", 2, "s"))
    assert slower(before, now) == {("cam", "ratio"): "cam: ratio was 10 ×, is 6 ×"}
    now = record(tmp_path / "c.json", at_least("ratio", 8.0, 4.0))  # other processors multiply otherwise
    assert slower(before, now) == {}


def test_quick_parts_are_never_called_slower(tmp_path: Path) -> None:
    before = record(tmp_path / "a.json", at_least("ratio", 10.0, 4.0))
    assert slower(before, record(tmp_path / "b.json", at_least("ratio", 1.0, 4.0), quick=True)) == {}


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(name: str, effort: Effort) -> Measured:
        if name == "broken":
            raise WsssError("no such peer")
        return part(at_least("ratio", 5.0 if name == "good" else 1.0, 4.0))

    monkeypatch.setattr(run, "PARTS", {"broken": "broken", "good": "good"})
    monkeypatch.setattr(run, "LONG_PARTS", {"long": "long"})
    monkeypatch.setattr(run, "_measure", measure)


@pytest.mark.usefixtures("parts")
def test_a_part_that_fails_leaves_the_others_their_turn(tmp_path: Path) -> None:
    said: list[str] = []
    assert run.run_bench(None, tmp_path / "bench.json", say=said.append) is False
    assert said[0] == "broken: not measured: no such peer"
    assert set(load_record(tmp_path / "bench.json")["parts"]) == {"good"}
    assert run.run_bench(["good"], tmp_path / "bench.json", say=said.append) is True


@pytest.mark.usefixtures("parts")
def test_a_gpu_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "pick_device", lambda: torch.device("cuda"))
    with pytest.raises(WsssError, match="measures the CPU: set WSSS_DEVICE=cpu"):
        run.run_bench(["good"], tmp_path / "bench.json")


@pytest.mark.usefixtures("parts")
def test_parts_are_chosen_by_name(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="unknown part 'fast'; choose from broken, good, long"):
        run.run_bench(["fast"], tmp_path / "bench.json")
    assert run.run_bench(["long"], tmp_path / "bench.json", say=lambda text: None) is True
    assert set(load_record(tmp_path / "bench.json")["parts"]) == {"long"}


@pytest.mark.usefixtures("parts")
def test_the_guard_fails_when_a_ratio_has_fallen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "COMMITTED", tmp_path / "committed.json")
    with pytest.raises(WsssError, match=r"no record .*committed\.json"):
        run.run_bench(["good"], tmp_path / "bench.json", compare=True)
    add_part(tmp_path / "committed.json", "good", part(at_least("ratio", 20.0, 4.0)), 1.0, quick=False)
    said: list[str] = []
    assert run.run_bench(["good"], tmp_path / "bench.json", compare=True, say=said.append) is False
    assert said[-1] == "slower: good: ratio was 20 ×, is 5 ×"
    assert "measured once more: good: ratio was 20 ×, is 5 ×" in said


@pytest.mark.usefixtures("parts")
def test_what_was_slow_for_a_moment_is_measured_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([1.0, 5.0, 1.0, 5.0])
    monkeypatch.setattr(run, "_measure", lambda name, effort: part(at_least("ratio", next(values), 4.0)))
    monkeypatch.setattr(run, "COMMITTED", tmp_path / "committed.json")
    add_part(run.COMMITTED, "good", part(at_least("ratio", 5.0, 4.0)), 1.0, quick=False)
    said: list[str] = []
    assert run.run_bench(["good"], tmp_path / "bench.json", compare=True, say=said.append) is True
    assert [line for line in said if "more" in line] == ["measured once more: good: ratio was 5 ×, is 1 ×"]
    assert run.run_bench(["good"], tmp_path / "bench.json", say=said.append) is True  # nothing to compare with: once
    assert next(values) == 5.0


def test_the_command_hands_on_what_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def fake(only: Any, out: Path, **options: Any) -> bool:
        given.update(only=only, out=out, quick=options["quick"], compare=options["compare"])
        return False

    monkeypatch.setattr(run, "run_bench", fake)
    arguments = ["wsss", "bench", "--only", "miou,startup", "--out", str(tmp_path / "bench.json"), "--quick"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert given == {"only": ("miou", "startup"), "out": tmp_path / "bench.json", "quick": True, "compare": False}


def test_quick_counting_of_maps_agrees_with_the_other_libraries(tmp_path: Path) -> None:
    said: list[str] = []
    assert run.run_bench(["miou"], tmp_path / "bench.json", quick=True, say=said.append) is True
    figures = {each["name"]: each["value"] for each in load_record(tmp_path / "bench.json")["parts"]["miou"]["figures"]}
    assert figures["pixels that torchmetrics counts otherwise"] == 0
    assert figures["pixels that numpy counts otherwise"] == 0


def test_the_committed_record_is_a_whole_one() -> None:
    if not COMMITTED.exists():
        pytest.skip("no benchmark has been recorded yet")
    committed = load_record(COMMITTED)["parts"]
    assert set(run.PARTS | run.LONG_PARTS) == set(committed)
    for name, text in tables({"parts": committed}).items():
        assert f"<!-- {name} -->\n{text}\n<!-- /{name} -->" in PAGE.read_text(encoding="utf-8")
    found = finding(committed["own-models"]["rows"])
    assert f"<!-- {MARK} -->\n{found}\n<!-- /{MARK} -->" in OWN_PAGE.read_text(encoding="utf-8")
    assert not any(each["quick"] for each in committed.values())


@pytest.mark.parametrize("tool", TOOLS)
def test_what_one_writes_for_own_models_is_there(tool: str) -> None:
    lines = {name: written(model, tool).lines for name, model in MODELS.items()}
    assert len(lines) == 10
    assert max(lines.values()) <= {"wsss": 3, "grad-cam": 16, "torch-cam": 12}[tool]
    assert min(lines.values()) >= {"wsss": 3, "grad-cam": 6, "torch-cam": 8}[tool]


@pytest.mark.parametrize("name", ["torchvision mobilenet_v2", "timm mobilenetv3_small_050"])
def test_plain_maps_of_the_three_tools_are_the_same(name: str) -> None:
    for package in ("pytorch_grad_cam", "torchcam"):
        pytest.importorskip(package, exc_type=ImportError)
    model = MODELS[name]
    own = given(model)
    names = written(model, "wsss").set_up(own)
    assert names["cam"].model.site.name == model.layer
    assert names["cam"].model.site.head == model.head
    assert int(logits_of(bare_pass(own)()).argmax()) == own.names["output"]
    maps = plain_maps(own, model)
    assert [one.shape for one in maps.values()] == [(224, 224)] * 3
    for tool in TOOLS[1:]:
        assert float(abs(maps["wsss"] - maps[tool]).max()) < 1e-3
    assert float(maps["wsss"].std()) > 0.05  # not one that is the same everywhere


def row(model: str, **apart: float) -> dict[str, Any]:
    four = {"bare": 0.01, "wsss": 0.011, "grad-cam": 0.03, "torch-cam": 0.0105}
    ratios = {"wsss": 1.1, "grad-cam": 3.0, "torch-cam": 1.05}
    return {
        "model": model, "maps": "CAM", "lines": {"wsss": 3, "grad-cam": 6, "torch-cam": 10}, "apart": apart,
        "setup": {"wsss": 0.2, "grad-cam": 0.001, "torch-cam": 0.001}, "seconds": {"1": four, "2": four},
        "of_bare": {"1": ratios, "2": ratios}, "of_passes": {"scales": 1.02, "depth": 1.5},
        "whole": {"scales": 0.5, "depth": 1.234}, "memory_mb": {"bare": 700, "wsss": 800, "grad-cam": 900, "torch-cam": 710},
    }  # fmt: skip


def test_tables_and_sentences_of_own_models() -> None:
    rows = [
        row("timm a", **{"grad-cam": 2e-6, "torch-cam": 3e-6}),
        row("timm b", **{"grad-cam": 0.1, "torch-cam": 1e-6}),
    ]
    times, lines, memory, whole = own_models_table(rows).split("\n\n")
    assert times.splitlines()[2] == "| timm a | 10 (10) | 11 (11) | 30 (30) | 10.5 (10.5) | 1.10 |"
    assert lines.splitlines()[3] == "| timm b | 3 | 6 | 10 | 1e-01 | 1e-06 |"
    assert memory.splitlines()[3] == "| timm b | CAM | 700 | 800 | 900 | 710 |"
    assert whole.splitlines()[2] == "| timm a | 200 | 500 | 1.02 | 1234 | 1.50 |"
    said = finding(rows)
    assert "| DepthCAM | 1.10 (1.10 to 1.10) | 3 |" in said
    assert "differ by at most 3e-06 of their range, but for grad-cam with timm b (0.10): " in said


@pytest.mark.slow
def test_a_small_soak_labels_every_photograph(tmp_path: Path) -> None:
    found = soak(20, "smoke", tmp_path)
    assert [run["images"] for run in found["runs"]] == [2, 20]
    assert 0 < found["growth"] < 2
    assert all(0 < run["late_gb"] <= run["peak_gb"] for run in found["runs"])


def test_the_photographs_of_a_soak_are_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert read_tags(draw_photographs(tmp_path / name, 4), tmp_path / name).classes == ("disc", "square")
    assert [path.read_bytes() for path in sorted((tmp_path / "one").iterdir())] == [
        path.read_bytes() for path in sorted((tmp_path / "two").iterdir())
    ]


def test_the_cost_of_growth_is_measured_size_by_size() -> None:
    for series, sizes in growth.TINY.items():
        small, large = growth.points(series, sizes)
        assert small.size < large.size
        assert series != "images" or small.disk < large.disk
        assert 0 < small.memory <= large.memory
        assert min(small.seconds, large.seconds) > 0


def test_a_line_through_costs_says_how_far_they_are_from_it() -> None:
    start, slope, off = growth.fitted(np.array([1.0, 2.0, 4.0]), np.array([3.0, 5.0, 9.0]))
    assert (start, slope, off) == (pytest.approx(1), pytest.approx(2), pytest.approx(0, abs=1e-9))
    assert growth.fitted(np.array([1.0, 2.0, 4.0]), np.array([1.0, 4.0, 16.0]))[2] > 0.2


def test_figures_of_growth_are_of_the_line() -> None:
    found = [growth.Point(size, 0.5 + 0.01 * size, 1.0 + size / 1e5, 2e-4 * size) for size in (100, 1000, 10000)]
    figures = {each.name: each for each in growth._figures("images", found)}
    assert figures["images: time for one image more"].value == pytest.approx(10)
    assert figures["images: memory for one image more"].value == pytest.approx(0.01)
    assert figures["images: disk for one image more"].value == pytest.approx(0.2)
    assert figures["images: largest distance of time from a line"].reached


def test_the_table_of_growth_has_a_line_for_each_series() -> None:
    rows = [
        {"series": "images", "size": size, "seconds": 0.5 + 0.01 * size, "memory": 1.0, "disk": 0.02 * size}
        for size in (100, 1000)
    ]
    rows += [
        {"series": "pixels", "size": size, "seconds": 8 * size, "memory": 1.5, "disk": 0.1} for size in (0.25, 0.5)
    ]
    table = growth.growth_table(rows).splitlines()
    assert table[2] == "| images of 32×32 | 100 | 1.5 | 1.00 | 2 | 0.5 + 0.01 · size, within 0 % |"
    assert table[3] == "|  | 1,000 | 10.5 | 1.00 | 20 |  |"
    assert table[4].startswith("| megapixels of one image | 0.25 | 2 | 1.50 | 0.1 |")


def test_the_checks_of_a_gpu_run_on_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script compares the CPU with itself; in float32 nothing differs."""
    monkeypatch.setattr(gpu, "QUICK", gpu.Size(64, 1, 2, 1, 4))
    monkeypatch.setattr(gpu, "TRAININGS", {"classifier": gpu.classifier_losses})
    monkeypatch.setattr(gpu, "CLASSES", {"chelsea": "Egyptian cat", "coffee": "espresso"})
    out = tmp_path / "gpu.json"
    assert gpu.main(["--device", "cpu", "--quick", "--out", str(out)]) == 0
    part = load_record(out)["parts"]["gpu"]
    values = {each["name"]: each["value"] for each in part["figures"]}
    assert values["scores in float32, largest difference from the CPU"] == 0
    assert values["classifier: loss of the first 1 steps, difference from the CPU"] == 0
    assert part["machine"]["device"] == part["rows"][0]["device"] == "cpu"
    assert {"cam: images a second", "depth: images a second", "maps: peak memory"} <= set(values)


@pytest.mark.slow
@pytest.mark.parametrize("name", gpu.TRAININGS)
def test_each_training_is_checked_on_a_gpu(name: str) -> None:
    losses = gpu.TRAININGS[name](gpu.CPU, gpu.QUICK, 2)
    assert len(losses) == 2
    assert np.isfinite(losses).all()


def test_without_a_gpu_its_checks_say_so_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert gpu.main(["--device", "cuda"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert (
        said.err
        == "error: this machine has no cuda device that torch can use: give --device cpu or auto, or set WSSS_DEVICE so\n"
    )
