"""The confirmatory family: estimates against direct computation, the choice of the control, and the verdicts."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.records.test_parts import CLASSES, MADE
from wsss.analysis import paired_bootstrap
from wsss.analysis.objects import InstanceScore
from wsss.analysis.score import Score
from wsss.analysis.significance import holm
from wsss.analysis.strata import scores_frame
from wsss.records.claims import CELLS, Claim, claim_rows, decided
from wsss.records.parts import StagePart

IMAGES = 24
SEEDS = (0, 1, 2)
SCENES = tuple(index // 2 for index in range(IMAGES))


def score(level: float, seed: int, tune: float | None = None) -> Score:
    """A method that gets a share near `level` of pixels and objects right, on the same images and objects every time."""
    rng, truth = np.random.default_rng([seed, int(1000 * level)]), np.random.default_rng(99)
    confusions = np.zeros((IMAGES, 3, 4), np.int64)
    objects = []
    for index in range(IMAGES):
        for label, size in enumerate(truth.integers(50, 400, 3)):
            right = int(size * np.clip(level + rng.normal(0, 0.03), 0, 1))
            confusions[index, label, [label, (label + 1) % 3]] = right, size - right
        for _ in range(3):
            area, hidden = int(truth.integers(4, 40)), float(np.float32(truth.random()))
            hit = int(area * np.clip(level + rng.normal(0, 0.1), 0, 1))
            objects.append(InstanceScore(f"{index}", 1, area, area / 2000, hidden, 0.0, hit / area, hit / (area + 5)))
    empty = confusions[:0]
    facts = {"threshold": None} | ({} if tune is None else {"miou": tune})
    return Score(CLASSES, tuple(map(str, range(IMAGES))), confusions, empty, empty, scores_frame(objects), facts)


def part(seed: int, scores: dict[str, Score], **changes: Any) -> StagePart:
    plain = StagePart("toys", "test", "reference", "cam", "b0", "given", seed, {}, MADE, {}, {}, scores, SCENES)
    return replace(plain, **changes)


LEVELS = {
    "cam": (0.5, None),
    "zoom": (0.55, 40.0),
    "grid": (0.6, 39.0),
    "depth@sensor": (0.8, 70.0),
    "depth@shuffled": (0.55, 41.0),
}
PARTS = [part(seed, {name: score(level, seed, tune) for name, (level, tune) in LEVELS.items()}) for seed in SEEDS]


def rows_of(*claims: Claim, parts: Any = PARTS, seeds: Any = SEEDS) -> Any:
    return claim_rows(claims, {"cam": parts}, seeds)


def test_a_row_is_the_paired_difference_from_the_control_that_is_best_on_tune() -> None:
    (row,) = rows_of(Claim("toys", "depth@sensor", 25))
    assert (row["method"], row["against"]) == ("depth@sensor", "zoom")  # grid is better on the reported split
    assert row["tune"] == {"zoom": 40.0, "grid": 39.0}
    own, other = ([each.scores[name] for each in PARTS] for name in ("depth@sensor", "zoom"))
    difference, interval = paired_bootstrap(
        [each.confusions for each in own], [each.confusions for each in other], scenes=np.array(SCENES)
    )
    assert row["difference"] == pytest.approx(difference, abs=1e-3)
    assert row["ci"] == pytest.approx(interval, abs=1e-3)
    assert row["per_seed"] == pytest.approx([a.miou - b.miou for a, b in zip(own, other, strict=True)], abs=1e-3)
    assert (row["seeds"], row["num_images"], row["num_scenes"]) == ([0, 1, 2], 24, 12)
    assert row["own"] - row["other"] == pytest.approx(row["difference"], abs=2e-3)
    assert row["p"] == pytest.approx(2 / 20_001, abs=1e-6)
    assert {name: row[name] for name in ("aim", "bound", "kind", "claimed")} == {
        "aim": 25, "bound": 0.0, "kind": "gain", "claimed": "depth@sensor",
    }  # fmt: skip


@pytest.mark.parametrize("measure", [name for name, cell in CELLS.items() if cell])
def test_objects_of_a_cell_are_compared(measure: str) -> None:
    size, occlusion, column = CELLS[measure] or ("", "", "")
    (row,) = rows_of(Claim("toys", "depth@sensor", 5, measure=measure))
    each = []
    for one in PARTS:
        means = []
        for name in ("depth@sensor", "zoom"):
            objects = one.scores[name].instances
            inside = (objects["size"] == size) if size != "all" else (objects["occlusion"] == occlusion)
            means.append(100 * objects[column][inside].mean())
        each.append(means[0] - means[1])
    assert row["per_seed"] == pytest.approx(each, abs=1e-3)
    assert row["difference"] == pytest.approx(np.mean(each), abs=1e-3)
    assert row["ci"][0] < row["difference"] < row["ci"][1]


def test_only_named_controls_are_looked_at() -> None:
    (row,) = rows_of(Claim("toys", "depth@sensor", 25, against=("grid", "rgb-crop")))
    assert row["against"] == "grid"


def test_what_the_parts_do_not_hold_is_left_out() -> None:
    claim = Claim("toys", "depth@sensor", 25)
    assert rows_of(claim, parts=PARTS[:2]) == []  # a seed
    assert rows_of(claim, parts=[*PARTS[:2], part(7, dict(PARTS[0].scores))]) == []  # another seed
    assert rows_of(replace(claim, method="depth@kinect")) == []
    assert rows_of(replace(claim, against=("rgb-crop",))) == []
    assert rows_of(replace(claim, data="nyuv2")) == []
    assert claim_rows([replace(claim, stage="segmentation")], {"cam": PARTS}, SEEDS) == []
    unknown = [replace(one, scores={**one.scores, "random": score(0.9, one.seed)}) for one in PARTS]
    assert rows_of(claim, parts=unknown) == []  # nobody knows whether `random` is the best control


def test_the_control_is_chosen_over_the_same_seeds() -> None:
    """A fourth seed with which another control is far better on tune changes nothing."""
    lucky = part(3, {**PARTS[0].scores, "grid": score(0.6, 3, 400.0)})
    assert rows_of(Claim("toys", "depth@sensor", 25), parts=[*PARTS, lucky]) == rows_of(
        Claim("toys", "depth@sensor", 25)
    )


def network(seed: int) -> StagePart:
    levels = {"cam+par": 0.5, "rgb-region+crf": 0.6, "depth@sensor+par": 0.85, "full-supervision": 0.9}
    return part(seed, {name: score(level, seed) for name, level in levels.items()}, stage="segmentation")


NETWORKS: Any = {"segmentation": [network(seed) for seed in SEEDS]}
SHARE = Claim("toys", "depth@sensor", 90, "segmentation", ("full-supervision",), "share of mIoU", "share", 90)


def test_networks_are_found_by_the_seeds_of_their_labels() -> None:
    (row,) = claim_rows([Claim("toys", "depth@sensor", 10, "segmentation")], NETWORKS, SEEDS)
    assert (row["method"], row["against"]) == ("depth@sensor+par", "rgb-region+crf")


def test_of_several_networks_tune_chooses_by_their_labels() -> None:
    labels = {"zoom+par": 50.0, "rgb-region+crf": 40.0}
    pseudo = [
        part(seed, {name: score(0.5, seed, tune) for name, tune in labels.items()}, stage="pseudo") for seed in SEEDS
    ]
    networks = [
        replace(one, scores={**one.scores, "zoom+par": score(0.4, one.seed)}) for one in NETWORKS["segmentation"]
    ]
    claim = Claim("toys", "depth@sensor", 10, "segmentation")
    (row,) = claim_rows([claim], {"segmentation": networks, "pseudo": pseudo}, SEEDS)
    assert (row["against"], row["tune"]) == ("zoom+par", {"rgb-region+crf": 40.0, "zoom+par": 50.0})
    assert claim_rows([claim], {"segmentation": networks, "pseudo": pseudo[:2]}, SEEDS) == []


def test_a_share_is_that_of_the_means_and_its_p_is_for_the_bound() -> None:
    (row,) = claim_rows([SHARE], NETWORKS, SEEDS)
    own, whole = (
        np.mean([one.scores[name].miou for one in NETWORKS["segmentation"]])
        for name in ("depth@sensor+par", "full-supervision")
    )
    assert row["difference"] == pytest.approx(100 * own / whole, abs=1e-3)
    assert row["ci"][0] < row["difference"] < row["ci"][1]
    assert row["p"] == pytest.approx(2 / 20_001, abs=1e-6) if not row["ci"][0] < 90 < row["ci"][1] else row["p"] > 0.05


def made_row(
    kind: str, difference: float, p: float | None, per_seed: Any = None, bound: float = 0.0, data: str = "toys"
) -> Any:
    return {
        "kind": kind,
        "difference": difference,
        "p": p,
        "per_seed": per_seed or [difference] * 3,
        "bound": bound,
        "data": data,
    }


@pytest.mark.parametrize(
    ("row", "converged", "expected"),
    [
        (made_row("gain", 3.0, 0.0001), False, "gain"),
        (made_row("gain", 3.0, 0.0001, [4.0, 6.0, -1.0]), False, "not shown"),
        (made_row("gain", 3.0, 0.02), False, "not shown"),  # 17 × 0.02
        (made_row("gain", -3.0, 0.0001), False, "loss"),
        (made_row("gain", -3.0, 0.0001, [-4.0, -6.0, 1.0]), False, "not shown"),
        (made_row("no loss", -0.4, 0.0001, bound=-1.0), False, "no loss"),
        (made_row("no loss", -0.4, 0.01, bound=-1.0), False, "not shown"),
        (made_row("no loss", -3.0, 0.0001, bound=-1.0), False, "not shown"),
        (made_row("share", 95.0, 0.0001, bound=90.0), True, "reached"),
        (made_row("share", 95.0, 0.0001, bound=90.0), False, "at equal iterations"),
        (made_row("share", 85.0, 0.0001, bound=90.0), True, "not shown"),
        (made_row("gain", 3.0, None), False, "not shown"),
    ],
)
def test_verdicts(row: Any, converged: bool, expected: str) -> None:
    record = decided([row], 17, {"toys": converged})
    assert record["rows"][0]["verdict"] == expected
    assert (record["size"], record["alpha"]) == (17, 0.05)


def test_holm_is_over_the_whole_list_of_all_data_sets() -> None:
    values = [0.003, 0.0001, None, 0.02]
    rows = [made_row("gain", 1.0, p, data=data) for p, data in zip(values, "abcd", strict=True)]
    found = decided(rows, 17, {})["rows"]
    expected = holm([math.nan if p is None else p for p in values] + [1.0] * 13)
    assert [row["p_holm"] for row in found] == [pytest.approx(p) if p == p else None for p in expected[:4]]
