"""Controlled series: one thing changes along a series, everything else stays."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from wsss.data.renderer import render_scene
from wsss.data.scenes import CLASSES
from wsss.data.series import SERIES, draw_series_scene, series_length, series_place
from wsss.data.tabletop import TabletopDataset, TabletopSpec
from wsss.data.tabletop_rendering import render_series
from wsss.errors import WsssError

SPEC = TabletopSpec(side=64, splits=(("train", 4), ("tune", 2), ("test", 2)))
STEPS = 7


@pytest.fixture(scope="module")
def pictures():
    """Group → rendered steps of both series, of three classes, 128 px."""
    return {
        (name, group): [
            render_scene(*draw_series_scene(name, group * STEPS + step, seed=0), side=128) for step in range(STEPS)
        ]
        for name in SERIES
        for group in (0, 5, 11)
    }


@pytest.mark.parametrize("name", SERIES)
def test_places(name: str) -> None:
    assert len(SERIES[name]) == STEPS
    assert series_length(name, 4) == 4 * STEPS
    assert series_place(name, 0) == (0, 0)
    assert series_place(name, 15) == (2, 1)


def test_a_group_is_one_room_with_one_object() -> None:
    first, last = (draw_series_scene("shrinking", step, seed=3)[0] for step in (0, 6))
    assert first.placements[0].side * SERIES["shrinking"][6] == pytest.approx(last.placements[0].side)
    assert first.placements[0].yaw == last.placements[0].yaw
    assert (first.colours, first.light, first.azimuth) == (last.colours, last.light, last.azimuth)
    other = draw_series_scene("shrinking", 7, seed=3)[0]
    assert other.placements[0].class_id == 2
    assert other.colours != first.colours


@pytest.mark.parametrize("group", [0, 5, 11])
def test_shrinking_changes_the_size_alone(pictures, group: int) -> None:
    shots = pictures["shrinking", group]
    areas = [int((shot.instances > 0).sum()) for shot in shots]
    assert areas == sorted(areas, reverse=True)
    assert areas[0] > 12 * areas[-1] > 0
    assert all(shot.occlusion.max() < 0.1 for shot in shots)
    assert {int(shot.instance_classes[0]) for shot in shots} == {1 + group % len(CLASSES)}
    # The picture's upper corners show wall and sky, which nothing of the object reaches.
    np.testing.assert_array_equal(shots[0].image[:8, :8], shots[-1].image[:8, :8])


@pytest.mark.parametrize("group", [0, 5, 11])
def test_outshone_leaves_the_other_object_as_it_is(pictures, group: int) -> None:
    shots = pictures["outshone", group]
    assert all(shot.instance_classes.tolist() == [1 + group % len(CLASSES)] * 2 for shot in shots)
    changing, staying = np.array([np.bincount(shot.instances.ravel())[1:3] for shot in shots]).T
    assert (np.diff(changing) < 0).all()
    assert changing[-1] > 0
    assert np.ptp(staying) < 0.05 * staying[0]
    assert all(shot.occlusion.max() < 0.1 for shot in shots)


@pytest.mark.parametrize("group", [0, 5, 11])
def test_covering_hides_more_and_more_of_the_same_object(pictures, group: int) -> None:
    shots = pictures["covering", group]
    hidden = [float(shot.occlusion[0]) if len(shot.occlusion) else 1.0 for shot in shots]
    assert hidden[0] < 0.05
    assert hidden == sorted(hidden)
    assert hidden[-1] > 0.6
    seen = [shot.instances > 0 for shot in shots]
    assert all(not (later & ~earlier).any() for earlier, later in itertools.pairwise(seen))
    # What is left of the object looks as before, but for the board's shadow and smoothed edges.
    inside = seen[3]
    if inside.sum() > 40:
        change = np.abs(shots[3].image.astype(int) - shots[0].image)[inside]
        assert np.median(change) <= 2


def test_series_are_further_splits_of_a_folder(tabletop_root: Path, tmp_path: Path, monkeypatch) -> None:
    import shutil

    root = Path(shutil.copytree(tabletop_root, tmp_path / "copy"))
    with pytest.raises(WsssError, match=r"wsss render --series --root"):
        TabletopDataset(root, "covering")
    # In this process, where the shorter series is known.
    monkeypatch.setattr("wsss.data.tabletop_rendering.ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
    monkeypatch.setitem(SERIES, "covering", SERIES["covering"][:2])
    for name in ("shrinking", "outshone"):
        monkeypatch.setitem(SERIES, name, SERIES[name][:1])
    render_series(root, SPEC, rooms=10, processes=1, progress=False)
    data = TabletopDataset(root, "covering")
    assert len(data) == 2 * len(CLASSES)
    assert data.place("covering-0003") == (1, 1)
    assert data[3].labels.tolist() == [number == 1 for number in range(len(CLASSES))]
    made = (root / "covering" / "rgb" / "0003.png").stat().st_mtime_ns
    render_series(root, SPEC, rooms=10, processes=1, progress=False)
    assert (root / "covering" / "rgb" / "0003.png").stat().st_mtime_ns == made
    assert TabletopDataset(root, "train").fingerprint() == TabletopDataset(tabletop_root, "train").fingerprint()
