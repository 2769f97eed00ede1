"""What presets lose: the pure functions against loops over made-up counts, and one run from photographs to a record."""

from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.test_full_supervision import configured
from wsss.analysis import mean_iou
from wsss.analysis.confusion import confusion_matrix
from wsss.analysis.thresholds import THRESHOLDS, choose_threshold, pseudo_label
from wsss.experiments.by_image import counts_by_image, read_blocks
from wsss.experiments.criteria import STATISTICS
from wsss.experiments.preset_loss import DRAWS, Counted, few_masks, measure_presets, row_of, seed_facts, with_preset
from wsss.io import read_json
from wsss.methods.fusion import fuse
from wsss.methods.presets import preset_for, read_preset
from wsss.pipeline.run import Run
from wsss.records.store import load_preset_records

SHAPE = 47, 3, 4  # thresholds, labels of two classes and background


def made_up(images: int, trials: int, seed: int) -> np.ndarray:
    """Counts in which each trial has its best threshold elsewhere."""
    generator = np.random.default_rng(seed)
    counts = generator.integers(0, 30, (images, trials, *SHAPE))
    counts[..., 3] = 0
    for trial in range(trials):
        good = np.exp(-0.5 * ((np.arange(47) - 8 - 9 * trial) / 6) ** 2)
        for label in range(3):
            counts[:, trial, :, label, label] += (200 * good * generator.random((images, 1))).astype(int)
    return counts


def test_few_masks_choose_as_a_loop_over_all_trials_and_thresholds_does() -> None:
    tune, report = made_up(12, 3, 0), made_up(5, 3, 1).sum(axis=0)
    found = few_masks(tune, report, 4, 6, seed=3)
    generator, expected = np.random.default_rng(3), []
    for _ in range(6):
        drawn = sorted(generator.choice(12, 4, replace=False).tolist())
        total = sum(tune[index] for index in drawn)
        chosen = [choose_threshold(total[trial]) for trial in range(3)]
        trial = max(range(3), key=lambda one: chosen[one][1])
        position = list(THRESHOLDS).index(chosen[trial][0])
        expected.append(mean_iou(report[trial, position]))
    np.testing.assert_array_equal(found, expected)


def counted(seed: int = 0) -> Counted:
    own, report = made_up(12, 3, seed), made_up(6, 3, seed + 1)
    statistics = np.zeros((len(STATISTICS), 47))
    statistics[0] = 1 - THRESHOLDS
    return Counted(own.sum(axis=0), report, own, report, statistics)


def test_rows_are_of_what_was_chosen_on_tune_and_by_the_preset() -> None:
    one = counted()
    facts = seed_facts(one, 1, 0.3, prior=0.4, draws=5)
    row = row_of([facts])
    total = one.report.sum(axis=0)
    trial, threshold = facts.chosen
    assert row["tuned"]["miou"] == pytest.approx(mean_iou(total[trial, list(THRESHOLDS).index(threshold)]), abs=1e-3)
    assert row["preset"]["miou"] == pytest.approx(mean_iou(total[1, list(THRESHOLDS).index(0.3)]), abs=1e-3)
    assert row["lost"]["mean"] == pytest.approx(row["tuned"]["miou"] - row["preset"]["miou"], abs=2e-3)
    low, high = row["lost"]["ci"]
    assert low <= row["lost"]["mean"] <= high
    assert row["best_threshold"] == pytest.approx(max(mean_iou(total[1])), abs=1e-3)
    assert [each["masks"] for each in row["few"]] == [5, 10]  # of twelve
    assert all(each["low"] <= each["miou"] <= each["high"] for each in row["few"])
    # The area prior of 0.4 is met at 0.6.
    assert row["criteria"]["area"] == {
        "miou": pytest.approx(mean_iou(total[1, list(THRESHOLDS).index(0.6)]), abs=1e-3),
        "thresholds": [0.6],
    }


def test_seeds_are_averaged_and_thresholds_alone_leave_the_presets_parameters() -> None:
    facts = [seed_facts(counted(seed), 2, 0.3, None, draws=5) for seed in (0, 10)]
    row = row_of(facts)
    assert row["preset"]["miou"] == pytest.approx(np.mean(row["preset"]["per_seed"]), abs=1e-3)
    assert len(row["tuned"]["thresholds"]) == 2
    curves = [mean_iou(counted(seed).report.sum(axis=0)[2]) for seed in (0, 10)]
    for curve, one in zip(curves, facts, strict=True):
        assert np.isin(one.few_threshold[10], curve).all()
    assert "area" not in row["criteria"]


@pytest.mark.usefixtures("tiny_weights")
def test_a_record_from_photographs_to_rows(tiny_voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The preset's mIoU is that of label maps made one by one; and a second call computes nothing."""
    monkeypatch.setattr("wsss.experiments.preset_loss.MEASURED", ("rgb-region", "depth"))
    run = Run(configured(tiny_voc), tmp_path / "cache", progress=False)
    (record,) = measure_presets([[run]], tmp_path / "results")
    assert read_json(tmp_path / "results" / "tiny-voc" / "presets" / "val.json") == record
    assert load_preset_records(tmp_path / "results") == [record]
    assert (record["preset"], record["prior"], record["draws"]) == ("photographs", None, DRAWS)
    preset = preset_for("tiny-voc")
    for row, name in zip(record["rows"], ("rgb-region", "depth"), strict=True):
        choice, changed = preset.choice(name), with_preset(run, preset, name)
        assert changed.config.regions == (preset.regions if name == "depth" else run.config.regions)
        cam, data, total = changed.depth_cam, run.data("report"), np.zeros((3, 4), np.int64)
        for index, sample in enumerate(data):
            present = np.flatnonzero(sample.labels)
            look = cam.look(sample.id, sample.image, present)
            evidence = cam.evidence(name, look, sample, {None: run.depth_of("report")}, index)
            label = pseudo_label(fuse(evidence, choice.parameters).numpy(), present + 1, choice.threshold)
            total += confusion_matrix(sample.required_mask, label, 2)
        assert row["method"] == run.full_name(name)
        assert row["preset"]["miou"] == pytest.approx(mean_iou(total), abs=1e-3)
        assert row["threshold"] == choice.threshold
    colour, depth = record["rows"]
    assert colour["from_colour"] is None
    difference = depth["preset"]["miou"] - colour["preset"]["miou"]
    assert depth["from_colour"]["mean"] == pytest.approx(difference, abs=2e-3)
    monkeypatch.setattr("wsss.experiments.by_image.image_counts", None)
    monkeypatch.setattr("wsss.experiments.by_image.image_statistics", None)
    again = measure_presets([[run]], tmp_path / "results")[0]
    assert again["rows"] == record["rows"]


@pytest.mark.usefixtures("tiny_weights")
def test_counts_are_kept_in_blocks(tiny_voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the block, the counts of all images in order; what is kept is not made again."""
    run = Run(configured(tiny_voc), tmp_path / "cache", progress=False)
    whole = read_blocks(counts_by_image(run, ["cam"], "report")["cam"])
    monkeypatch.setattr("wsss.experiments.by_image.BLOCK", 2)
    files = counts_by_image(run, ["cam"], "report")["cam"]
    assert len(files) == -(-len(run.data("report")) // 2)
    np.testing.assert_array_equal(read_blocks(files), whole)
    files[1].unlink()
    times = [path.stat().st_mtime_ns for path in files if path.exists()]
    np.testing.assert_array_equal(read_blocks(counts_by_image(run, ["cam"], "report")["cam"]), whole)
    assert [path.stat().st_mtime_ns for path in files if path != files[1]] == times


def test_presets_of_photographs_leave_nothing_out() -> None:
    assert read_preset("photographs").whole_identity != read_preset("without-nyuv2").whole_identity
