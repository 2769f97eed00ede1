"""Records against direct computation, their places on disk, and what is refused."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss import paths
from wsss.analysis import FIXED_THRESHOLD, THRESHOLDS, iou_per_class, mean_iou, scores_frame, threshold_confusions
from wsss.analysis.objects import InstanceScore
from wsss.analysis.score import Score
from wsss.errors import WsssError
from wsss.records import provenance
from wsss.records.build import Origin, Subject, build_record
from wsss.records.resampled import Resampled
from wsss.records.store import check_fresh, check_not_smoke, find_record, load_records, record_path, write_record

CLASSES = ("duck", "mug")
KEYS = {
    "data",
    "split",
    "profile",
    "stage",
    "method",
    "depth_source",
    "refinement",
    "backbone",
    "image_labels",
    "seeds",
    "miou",
    "iou",
    "coverage",
    "threshold",
    "megapixels_per_image",
    "seconds_per_image",
    "tuning_trials",
    "strata",
    "paired",
    "provenance",
}
"""Of the format that the design states; records may say more."""


def make_score(seed: int, images: int = 4, network: bool = False, objects: int = 2, **facts: Any) -> Score:
    """A score of random 6×5 maps; the truth is the same for all seeds."""
    truths = np.random.default_rng(0).integers(0, 3, (images, 6, 5)).astype(np.uint8)
    maps = np.random.default_rng(seed + 1).random((images, 2, 6, 5)).astype(np.float32)
    maps += 0.3 * (truths[:, None] == np.array([1, 2])[:, None, None])
    curves = [threshold_confusions(m, np.array([1, 2]), t, 2, THRESHOLDS) for m, t in zip(maps, truths, strict=True)]
    curve = np.sum(curves, axis=0) if curves else np.zeros((len(THRESHOLDS), 3, 4), np.int64)
    noise = np.random.default_rng(seed + 100).random((images, objects, 2))
    rows = [
        InstanceScore(f"{i:04d}", 1 + k % 2, 9, (0.005, 0.03)[k % 2], 0.2, 0.4, noise[i, k, 0], noise[i, k, 1])
        for i in range(images)
        for k in range(objects)
    ]
    confusions = np.stack([one[14] for one in curves])  # threshold 0.3
    known: dict[str, Any] = {
        "threshold": None if network else 0.3,
        "parameters": {"w": 0.00012},
        "trials": 12,
        "seconds": 0.25,
    }
    known |= {"megapixels": 0.5, "scales": [0.5, 1.0], "flip": True, **facts}
    ids = tuple(f"{i:04d}" for i in range(images))
    curve = curve[:0] if network else curve
    return Score(CLASSES, ids, confusions, curve, confusions[:0], scores_frame(rows), known)


def make_record(
    scores: Sequence[Score],
    against: Mapping[str, Sequence[Score]] | None = None,
    scenes: Sequence[int] | None = None,
    **changes: Any,
) -> Any:
    """A record of the subject below, with `changes`."""
    subject = Subject(
        data="tabletop",
        split="test",
        profile="default",
        stage="cam",
        method="depth@sensor",
        refinement=None,
        backbone="tiny",
        image_labels="given",
        seeds=range(len(scores)),
    )
    origin = Origin("c", "d", {"classifier": 1, "cam": 3, "pseudo": 3, "segmentation": 3}, "cpu", 1, 2.5)
    others = {name: Resampled(each, scenes) for name, each in (against or {}).items()}
    return build_record(Resampled(scores, scenes), replace(subject, **changes), origin, others)


def test_a_record_has_the_stated_keys_and_is_json() -> None:
    record = make_record([make_score(0), make_score(1)], {"cam": [make_score(5), make_score(6)]})
    assert set(record) >= KEYS
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["method"] == "depth@sensor"
    assert record["depth_source"] == "sensor"
    assert record["seeds"] == [0, 1]
    assert (record["num_images"], record["classes"]) == (4, list(CLASSES))


def test_miou_iou_and_coverage_are_those_of_the_summed_confusions() -> None:
    scores = [make_score(0), make_score(1), make_score(2)]
    record = make_record(scores)
    totals = [score.confusions.sum(axis=0) for score in scores]
    values = [float(mean_iou(total)) for total in totals]
    assert record["miou"]["per_seed"] == pytest.approx(values, abs=5e-4)
    assert record["miou"]["mean"] == pytest.approx(np.mean(values), abs=5e-4)
    assert record["miou"]["std"] == pytest.approx(np.std(values, ddof=1), abs=5e-4)
    expected = np.mean([iou_per_class(total) for total in totals], axis=0)
    assert list(record["iou"]) == ["background", *CLASSES]
    assert list(record["iou"].values()) == pytest.approx(expected.tolist(), abs=5e-4)
    assert record["coverage"] == 100.0
    low, high = record["interval"]
    assert low <= record["miou"]["mean"] <= high


def test_ignored_pixels_lower_the_coverage() -> None:
    score = make_score(0)
    score.confusions[:, :, -1] = score.confusions[:, :, 0]
    score.confusions[:, :, 0] = 0
    ignored = score.confusions[..., -1].sum() / score.confusions.sum()
    assert make_record([score])["coverage"] == pytest.approx(100 * (1 - ignored), abs=5e-4)


def test_thresholds_are_read_from_the_curve() -> None:
    scores = [make_score(0, threshold=0.3), make_score(1, threshold=0.4)]
    record = make_record(scores)
    curves = [mean_iou(score.curve) for score in scores]
    threshold = record["threshold"]
    assert threshold["chosen_on"] == "tune"
    assert (threshold["value"], threshold["per_seed"]) == (0.35, [0.3, 0.4])
    at_fixed = np.mean([curve[np.argmin(abs(THRESHOLDS - FIXED_THRESHOLD))] for curve in curves])
    assert threshold["fixed"] == {"value": 0.3, "miou": pytest.approx(at_fixed, abs=5e-4)}
    assert threshold["oracle"]["miou"] == pytest.approx(np.mean([curve.max() for curve in curves]), abs=5e-4)
    assert record["curve"]["miou"] == pytest.approx(np.mean(curves, axis=0).tolist(), abs=5e-4)
    assert record["curve"]["thresholds"] == THRESHOLDS.tolist()


def test_networks_have_no_threshold_but_a_history() -> None:
    losses = [{"iteration": 5, "loss": 0.123456}]
    record = make_record([make_score(0, network=True, history=losses, megapixels=None)], stage="segmentation")
    assert record["threshold"] is None
    assert record["curve"] is None
    assert record["history"] == [losses]
    assert record["megapixels_per_image"] is None
    assert record["miou"]["std"] is None


def test_parameters_are_not_rounded_but_facts_of_seeds_are_averaged() -> None:
    record = make_record(
        [make_score(0, seconds=0.2, mAP=60.0, miou=50.0), make_score(1, seconds=0.4, mAP=70.0, miou=60.0)]
    )
    assert record["parameters"] == [{"w": 0.00012}, {"w": 0.00012}]
    assert record["seconds_per_image"] == 0.3
    assert (record["mAP"], record["mAP_per_seed"], record["tune_miou"]) == (65.0, [60.0, 70.0], 55.0)
    assert (record["scales"], record["flip"], record["tuning_trials"]) == ([0.5, 1.0], True, 12)


def test_a_label_that_never_occurs_is_null() -> None:
    score = make_score(0)
    score.confusions[:, 2] = 0
    score.confusions[:, :, 2] = 0
    assert make_record([score])["iou"]["mug"] is None


def test_strata_average_seeds_without_counting_objects_twice() -> None:
    scores = [make_score(0), make_score(1)]
    cells = {(cell["size"], cell["occlusion"]): cell for cell in make_record(scores)["strata"]}
    small = [score.instances[score.instances["size"] == "<1 %"] for score in scores]
    assert cells["<1 %", "all"]["n"] == 4
    assert cells["<1 %", "all"]["recall"] == pytest.approx(100 * np.mean([s["recall"].mean() for s in small]), abs=5e-4)
    assert cells["all", "all"]["iou"] == pytest.approx(
        100 * np.mean([s.instances["iou"].mean() for s in scores]), abs=5e-4
    )
    assert cells[">5 %", "all"]["iou"] is None


def test_paired_differences_are_a_minus_b() -> None:
    ours, theirs = [make_score(0), make_score(1)], [make_score(7), make_score(8)]
    (pair,) = make_record(ours, {"crop-only@sensor": theirs})["paired"]
    per_seed = [a.miou - b.miou for a, b in zip(ours, theirs, strict=True)]
    assert pair["against"] == "crop-only@sensor"
    assert pair["per_seed"] == pytest.approx(per_seed, abs=5e-4)
    assert pair["difference"] == pytest.approx(np.mean(per_seed), abs=1e-3)
    assert pair["ci"][0] <= pair["difference"] <= pair["ci"][1]
    expected = np.mean(
        [a.instances["recall"].mean() - b.instances["recall"].mean() for a, b in zip(ours, theirs, strict=True)]
    )
    assert pair["strata"][-1]["recall"] == pytest.approx(100 * expected, abs=5e-4)


def test_a_method_does_not_differ_from_itself() -> None:
    scores = [make_score(0), make_score(1)]
    (pair,) = make_record(scores, {"cam": scores})["paired"]
    assert (pair["difference"], pair["ci"], pair["per_seed"]) == (0.0, [0.0, 0.0], [0.0, 0.0])


def test_predicted_labels_are_scored_where_every_seed_has_them() -> None:
    score = make_score(0)
    predicted = Score(
        score.classes, score.ids, score.confusions, score.curve, score.confusions // 2, score.instances, score.facts
    )
    assert make_record([score])["predicted_labels"] is None
    expected = float(mean_iou((score.confusions // 2).sum(axis=0)))
    assert make_record([predicted])["predicted_labels"]["miou"] == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(
    ("data", "split", "images", "seen"),
    [("nyuv2", "test", 654, range(0, 654, 5)[:130]), ("voc-animals", "val", 205, range(110))],
)
def test_images_not_seen_before_are_scored_apart(data: str, split: str, images: int, seen: Sequence[int]) -> None:
    score = make_score(0, images=images, objects=1)
    rest = make_record([score], data=data, split=split)["subset"]["rest"]
    expected = mean_iou(np.delete(score.confusions, list(seen), axis=0).sum(axis=0))
    assert rest == {"n": images - len(seen), "miou": pytest.approx(float(expected), abs=5e-4)}
    assert make_record([make_score(0)], data=data, split=split)["subset"] is None


def test_scores_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="one score for each"):
        make_record([])
    with pytest.raises(ValueError, match="one score for each"):
        make_record([make_score(0)], seeds=[0, 1])
    with pytest.raises(ValueError, match="same images"):
        make_record([make_score(0), make_score(1, images=3)])
    with pytest.raises(ValueError, match="objects"):
        make_record([make_score(0)], {"cam": [make_score(1, objects=3)]})
    with pytest.raises(ValueError, match="one score for each"):
        make_record([make_score(0), make_score(1)], {"cam": [make_score(2)]})


@pytest.mark.parametrize(
    ("method", "refinement", "expected"),
    [
        ("cam", None, "cam"),
        ("crop-only@learned", None, "crop-only@learned"),
        ("depth@meter", "crf", "depth@meter+crf"),
        ("depth@noisy-08", "+par-depth", "depth@noisy-08+par-depth"),
        ("full-supervision", None, "full-supervision"),
    ],
)
def test_the_path_names_method_depth_and_refinement(
    method: str, refinement: str | None, expected: str, tmp_path: Path
) -> None:
    record = make_record([make_score(0)], method=method, refinement=refinement)
    assert record_path(tmp_path, record) == tmp_path / "tabletop" / "cam" / "test" / f"{expected}.json"
    path = write_record(tmp_path, record)
    assert path == record_path(tmp_path, record)
    (path.parent / f".{path.stem}.x7.part.json").write_text("")  # left by a process that was killed
    assert load_records(tmp_path) == [record]


@given(st.text(alphabet="ab/.\\:0", max_size=6))
@settings(max_examples=30, deadline=None)
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    record: Any = {"data": name, "stage": "cam", "split": "test", "method": "cam", "refinement": None}
    if name.strip("ab.0") or name[:1] in ("", "."):
        with pytest.raises(WsssError, match="cannot be stored"):
            record_path(Path("/records"), record)
    else:
        assert record_path(Path("/records"), record).resolve() == Path("/records", name, "cam", "test", "cam.json")


def test_broken_or_misplaced_files_are_named(tmp_path: Path) -> None:
    record = make_record([make_score(0)])
    path = write_record(tmp_path, record)
    path.rename(path.with_name("zoom.json"))
    with pytest.raises(WsssError, match=r"zoom\.json holds the record"):
        load_records(tmp_path)
    path.with_name("zoom.json").write_text("{}")
    with pytest.raises(WsssError, match=r"zoom\.json is no record"):
        load_records(tmp_path)
    assert load_records(tmp_path / "nowhere") == []


def test_find_record_names_what_is_missing_and_the_command() -> None:
    test, val = make_record([make_score(0)]), make_record([make_score(0)], split="val")
    assert find_record([test, val], data="tabletop", stage="cam", method="depth@sensor", split="val") is val
    with pytest.raises(WsssError, match=r"method zoom.*wsss results"):
        find_record([test], data="tabletop", stage="cam", method="zoom")
    with pytest.raises(WsssError, match="say which split"):
        find_record([test, val], data="tabletop", stage="cam", method="depth@sensor")


def test_stale_records_and_smoke_records_are_refused() -> None:
    record = make_record([make_score(0)])
    versions = {"classifier": 1, "cam": 3, "pseudo": 3, "segmentation": 3}
    check_fresh(record, "c", "d", versions)
    check_not_smoke([record])
    for stale, current in {
        "config_sha256": ("x", "d", versions),
        "data_sha256": ("c", "x", versions),
        "algorithms": ("c", "d", versions | {"classifier": 2}),
    }.items():
        with pytest.raises(WsssError, match=f"stale: {stale} differ"):
            check_fresh(record, *current)
    with pytest.raises(WsssError, match="not a result"):
        check_not_smoke([record, record | {"profile": "smoke"}])


def test_provenance_says_what_the_caller_says_and_which_versions() -> None:
    facts = make_record([make_score(0)])["provenance"]
    assert (facts["config_sha256"], facts["data_sha256"], facts["algorithm_version"]) == ("c", "d", 3)
    assert (facts["device"], facts["threads"], facts["wall_s"]) == ("cpu", 1, 2.5)
    assert facts["versions"]["numpy"] == np.__version__
    assert facts["utc"].endswith("+00:00")
    assert provenance.package_versions(["no-such-package"])["no-such-package"] is None


def test_provenance_names_the_processor_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert provenance.provenance()["processor"] == provenance.processor() != ""

    def unreadable(*_: object, **__: object) -> str:
        raise OSError

    monkeypatch.setattr(provenance.Path, "read_text", unreadable)
    assert provenance.processor()


def test_the_source_is_changed_if_it_or_other_files_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a", *arguments], cwd=tmp_path, check=True)

    source, other, result = tmp_path / "wsss", tmp_path / "benchmarks" / "a.py", tmp_path / "benchmarks" / "record.json"
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "wsss-depth-cam"\n')
    for path in (source / "a.py", other, result):
        path.parent.mkdir(exist_ok=True)
        path.write_text("1")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "all")
    monkeypatch.setattr(provenance, "PACKAGE", source.resolve())
    monkeypatch.setattr(paths, "PACKAGE", source.resolve())
    result.write_text("2")
    assert provenance.git_state(other)[1] is False
    other.write_text("2")
    assert provenance.git_state()[1] is False
    assert provenance.git_state(other)[1] is True
    (source / "a.py").write_text("2")
    assert provenance.git_state()[1] is True
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "another"\n')
    paths._checkout_of.cache_clear()
    assert provenance.git_state() == (None, None)  # a copy in another project's repository


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.git_state() == (None, None)
