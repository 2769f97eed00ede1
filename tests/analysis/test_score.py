"""Scores on disk."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wsss.analysis.objects import InstanceScore
from wsss.analysis.score import Score, load_score, save_score
from wsss.analysis.strata import scores_frame, strata_table
from wsss.errors import WsssError


def example(images: int = 3, thresholds: int = 4, predicted: int = 3) -> Score:
    rng = np.random.default_rng(0)
    rows = [
        InstanceScore(
            f"{number:04d}", 1 + number % 2, 40 + number, rng.random() / 9, ratio, float("nan"), 1 / 3, rng.random()
        )
        for number, ratio in enumerate([0.0, 0.2, float("nan")])
    ]
    return Score(
        classes=("cat", "dog"),
        ids=tuple(f"{number:04d}" for number in range(images)),
        confusions=rng.integers(0, 50, (images, 3, 4)),
        curve=rng.integers(0, 1 << 40, (thresholds, 3, 4)),
        predicted=rng.integers(0, 50, (predicted, 3, 4)),
        instances=scores_frame(rows),
        facts={"threshold": 0.3, "parameters": {"level_weights": [1, 2]}, "seconds": 0.1, "megapixels": None},
    )


def test_round_trip(tmp_path: Path) -> None:
    score = example()
    save_score(tmp_path / "deep" / "score.npz", score)
    loaded = load_score(tmp_path / "deep" / "score.npz")
    for name in ("classes", "ids", "facts"):
        assert getattr(loaded, name) == getattr(score, name)
    for name in ("confusions", "curve", "predicted"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(score, name))
    assert loaded.instances["image_id"].tolist() == ["0000", "0001", "0002"]  # text, not numbers
    pd.testing.assert_frame_equal(loaded.instances, score.instances, check_dtype=False, check_categorical=False)
    tables = [pd.DataFrame(strata_table(frame, resamples=20)) for frame in (loaded.instances, score.instances)]
    pd.testing.assert_frame_equal(*tables, rtol=1e-12)
    assert loaded.miou == score.miou


def test_round_trip_without_instances_curve_and_predictions(tmp_path: Path) -> None:
    score = replace(example(thresholds=0, predicted=0), instances=scores_frame([]))
    save_score(tmp_path / "score.npz", score)
    loaded = load_score(tmp_path / "score.npz")
    assert loaded.curve.shape == (0, 3, 4)
    assert len(loaded.predicted) == len(loaded.instances) == 0
    assert list(loaded.instances.columns) == list(score.instances.columns)
    assert strata_table(loaded.instances, resamples=20) == strata_table(score.instances, resamples=20)


def test_miou_is_that_of_the_summed_counts() -> None:
    first = np.array([[8, 2, 0], [0, 10, 0]])
    second = np.array([[10, 0, 0], [4, 0, 6]])  # six pixels of the class were left undecided
    score = replace(example(), classes=("cat",), confusions=np.stack([first, second]))
    background, cat = 18 / (18 + 2 + 4), 10 / (10 + 2 + 4 + 6)
    assert score.miou == pytest.approx(100 * (background + cat) / 2)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9])
def test_truncated_files_are_named(tmp_path: Path, share: float) -> None:
    path = tmp_path / "score.npz"
    save_score(path, example())
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WsssError, match=r"score\.npz.*Delete it"):
        load_score(path)


def test_files_of_another_kind_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(WsssError, match=r"other\.npz"):
        load_score(tmp_path / "other.npz")
    with pytest.raises(WsssError, match=r"gone\.npz"):
        load_score(tmp_path / "gone.npz")


def test_rows_are_the_fields_of_an_instance() -> None:
    one = InstanceScore("a", 1, 10, 0.1, 0.5, 0.2, 0.9, 0.8, 1.0, 0.4, True, 2, 1.0, 0.0, 1.0)
    row = scores_frame([one]).iloc[0]
    assert {name: row[name] for name in asdict(one)} == asdict(one)


def test_whole_numbers_stay_measures(tmp_path: Path) -> None:
    """JSON writes 1.0 as 1: a column of such is still one of numbers that can be averaged over seeds."""
    rows = [InstanceScore("a", 1, 4, 0.5, 0.0, float("nan"), recall, recall, pointing=1.0) for recall in (0.0, 1.0)]
    confusions = np.ones((1, 2, 3), np.int64)
    score = Score(("cat",), ("a",), confusions, confusions[:0], confusions[:0], scores_frame(rows))
    save_score(tmp_path / "score.npz", score)
    loaded = load_score(tmp_path / "score.npz").instances
    assert (loaded[["recall", "iou", "hit", "pointing", "occlusion_ratio"]].dtypes == np.float64).all()
    assert loaded["area"].dtype == np.int64
