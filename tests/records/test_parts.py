"""Parts of records hold every number that records are made of, in few bytes, and say when they do not go together."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.analysis.objects import InstanceScore
from wsss.analysis.score import Score
from wsss.analysis.strata import scores_frame
from wsss.errors import WsssError
from wsss.records.merging import merge_parts
from wsss.records.parts import StagePart, load_part, load_parts, part_path, save_part

CLASSES = ("cup", "ball")
MADE = {
    "config_sha256": "c", "data_sha256": "d", "algorithms": {"classifier": 2, "depth": 2, "cam": 3}, "device": "cpu",
    "threads": 1, "wall_s": 60.0, "cpu_s": 59.0, "commit": "abc", "dirty": False, "processor": "p", "versions": {},
    "utc": "2020-01-01T00:00:00+00:00",
}  # fmt: skip


def made_score(seed: int, images: int = 5, *, network: bool = False) -> Score:
    """Counts and objects as a stage leaves them; the objects are the same for every seed."""
    rng, truth = np.random.default_rng(seed), np.random.default_rng(99)
    ids = tuple(f"image-{index}" for index in range(images))
    confusions = rng.integers(0, 50, (images, 3, 4)) * (rng.random((images, 3, 4)) < 0.4)
    objects = []
    for image_id in ids:
        for _ in range(int(truth.integers(0, 4))):
            area, class_id = int(truth.integers(1, 900)), int(truth.integers(1, 3))
            hidden, border = float(np.float32(truth.random())), float(truth.random())
            hit = int(rng.integers(0, area + 1))
            union = area + int(rng.integers(0, 500))
            maps: dict[str, Any] = (
                {}
                if network
                else {"pointing": float(rng.random() < 0.5), "activation": float(np.float32(rng.random()))}
            )
            objects.append(
                InstanceScore(image_id, class_id, area, area / 1000, hidden, border, hit / area, hit / union, **maps)
            )  # fmt: skip
    return Score(
        CLASSES, ids, confusions,
        np.zeros((0, 3, 4), np.int64) if network else np.sort(rng.integers(0, 900, (47, 3, 4)), axis=0),
        np.zeros((0, 3, 4), np.int64) if network else confusions + rng.integers(0, 2, confusions.shape),
        scores_frame(objects),
        {"threshold": None if network else 0.4, "parameters": {"vote": 0.5}, "megapixels": 1.5, "seconds": 0.1},
    )  # fmt: skip


def made_part(seed: int = 0, **changes: Any) -> StagePart:
    scores = {"cam": made_score(seed), "depth@sensor+par": made_score(seed + 100)}
    part = StagePart(
        "toys", "test", "reference", "cam", "b0", "given", seed, {"methods": ["cam"]}, MADE, {name: {} for name in scores},
        {"not_scored": None, "left_out": {}}, scores, tuple(range(len(scores["cam"].ids))),
    )  # fmt: skip
    return replace(part, **changes)


def assert_equal(one: Score, other: Score) -> None:
    assert (one.classes, one.ids, one.facts) == (other.classes, other.ids, other.facts)
    for name in ("confusions", "curve", "predicted"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    pd.testing.assert_frame_equal(one.instances, other.instances, check_exact=True)


def test_every_number_comes_back(tmp_path: Path) -> None:
    part = made_part()
    path = save_part(tmp_path, part)
    assert path == part_path(tmp_path, "toys", 0, "cam") == tmp_path / "toys" / "parts" / "seed-0" / "cam.json"
    found = load_part(path)
    for name, score in part.scores.items():
        assert_equal(found.scores[name], score)
    assert replace(found, scores={}) == replace(part, scores={})
    assert json.loads(path.read_text())["miou"] == {name: round(score.miou, 3) for name, score in part.scores.items()}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), images=st.integers(1, 9), network=st.booleans())
def test_it_comes_back_whatever_was_counted(
    tmp_path_factory: pytest.TempPathFactory, seed: int, images: int, network: bool
) -> None:
    scores = {name: made_score(seed + extra, images, network=network) for name, extra in (("a", 0), ("b", 20_000))}
    part = made_part(scores=scores, read={"a": {}, "b": {}})
    found = load_part(save_part(tmp_path_factory.mktemp("parts"), part))
    for name, score in scores.items():
        assert_equal(found.scores[name], score)


def test_scenes_come_back_and_parts_without_them_have_one_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = made_part(scenes=(0, 0, 1, 1, 2))
    assert load_part(save_part(tmp_path, part)).scenes == (0, 0, 1, 1, 2)
    assert merge_parts([part])[0]["num_scenes"] == 3
    with pytest.raises(WsssError, match="scenes differ"):
        merge_parts([part, made_part(1)])
    dumps = json.dumps
    monkeypatch.setattr(
        "wsss.records.parts.json.dumps",
        lambda text, **more: dumps({k: v for k, v in text.items() if k != "scenes"}, **more),
    )
    assert load_part(save_part(tmp_path / "old", part)).scenes == (0, 1, 2, 3, 4)


def test_methods_without_predicted_labels_stay_without(tmp_path: Path) -> None:
    scores = {"cam": made_score(0), "own": replace(made_score(1), predicted=np.zeros((0, 3, 4), np.int64))}
    found = load_part(save_part(tmp_path, made_part(scores=scores)))
    assert [len(score.predicted) for score in found.scores.values()] == [5, 0]


def test_the_same_part_has_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        save_part(tmp_path / folder, made_part())
    one, two = (sorted((tmp_path / folder).rglob("*.*")) for folder in ("one", "two"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_a_part_of_400_images_and_15_methods_stays_below_a_megabyte(tmp_path: Path) -> None:
    scores = {f"m{index}": made_score(index, 400) for index in range(15)}
    path = save_part(tmp_path, made_part(scores=scores, read={name: {} for name in scores}))
    assert path.with_suffix(".npz").stat().st_size < 1e6  # of random numbers, which pack badly


@pytest.mark.parametrize(
    "harm", ["no counts", "cut", "other counts", "no json", "other json", "a list", "other methods"]
)
def test_a_broken_part_is_named(tmp_path: Path, harm: str) -> None:
    path = save_part(tmp_path, made_part())
    counts = path.with_suffix(".npz")
    if harm == "no counts":
        counts.unlink()
    elif harm == "cut":
        counts.write_bytes(counts.read_bytes()[:-40])
    elif harm == "other counts":
        counts.write_bytes(save_part(tmp_path / "b", made_part(3)).with_suffix(".npz").read_bytes())
    elif harm == "no json":
        path.write_text("{")
    elif harm == "other json":
        path.write_text("{}")
    elif harm == "a list":
        path.write_text("[]")
    else:
        content = json.loads(path.read_text())
        path.write_text(json.dumps(content | {"miou": {"zoom": 1.0}}))
    with pytest.raises(WsssError, match=r"cam\.json.*(run `wsss results` again|run the stage again)"):
        load_part(path)


def test_parts_are_found_in_the_order_of_their_seeds(tmp_path: Path) -> None:
    assert load_parts(tmp_path, "toys", "cam") == []
    for seed in (10, 2, 0):
        save_part(tmp_path, made_part(seed))
    assert [part.seed for part in load_parts(tmp_path, "toys", "cam")] == [0, 2, 10]


def test_merged_records_say_of_each_seed_where_it_was_made() -> None:
    elsewhere = MADE | {"processor": "another", "wall_s": 30.0}
    records = merge_parts([made_part(0), made_part(1, made=elsewhere)])
    assert [(one["method"], one["refinement"], one["seeds"]) for one in records] == [
        ("cam", None, [0, 1]),
        ("depth@sensor", "par", [0, 1]),
    ]
    made = records[0]["provenance"]
    assert [(one["seed"], one["processor"]) for one in made["parts"]] == [(0, "p"), (1, "another")]
    assert (made["wall_s"], made["config_sha256"], made["algorithm_version"]) == (90.0, "c", 3)
    (paired,) = records[0]["paired"]
    assert paired["against"] == "depth@sensor+par"
    assert len(paired["per_seed"]) == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": 0}, "two parts are of toys/parts/seed-0/cam"),
        ({"split": "val"}, "split differ"),
        ({"made": MADE | {"config_sha256": "x"}}, "config_sha256 differ"),
        ({"made": MADE | {"algorithms": {"cam": 4}}}, "algorithms differ"),
        ({"scores": {"cam": made_score(1)}}, "methods differ"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(WsssError, match=told):
        merge_parts([made_part(0), replace(made_part(1), **changes)])


def test_nothing_to_merge_is_said() -> None:
    with pytest.raises(WsssError, match="no part of the records"):
        merge_parts([])


def test_methods_that_scored_different_objects_are_no_part(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="different images or objects"):
        save_part(tmp_path, made_part(scores={"cam": made_score(0), "zoom": made_score(0, 4)}))
