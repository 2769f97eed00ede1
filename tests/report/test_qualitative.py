"""Objects are picked by rule, and figures of pictures say what they were made from."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from wsss.errors import WsssError
from wsss.report import qualitative
from wsss.report.qualitative import draw_qualitative, pick_objects
from wsss.report.walk import window_around


def objects(ious: list[float], images: str) -> pd.DataFrame:
    return pd.DataFrame({"iou": ious, "image_id": list(images)})


def test_gains_median_and_losses_at_most_one_an_image() -> None:
    before = objects([0.0] * 8, "abcdefga")
    after = objects([0.5, 0.9, -0.2, 0.1, -0.4, 0.2, 0.99, 0.6], "abcdefga")
    wanted = pd.Series([True] * 6 + [False, True])  # the last is of the first image, and the larger gain there
    assert pick_objects(before, after, wanted) == {
        "better 1": 1,
        "better 2": 7,
        "median": 3,
        "worse 2": 2,
        "worse 1": 4,
    }
    assert pick_objects(before, after, wanted, count=1) == {"better 1": 1, "median": 3, "worse 1": 4}


def test_no_change_is_not_called_a_loss() -> None:
    before, after = objects([0.0] * 3, "abc"), objects([0.5, 0.2, 0.0], "abc")
    assert list(pick_objects(before, after, pd.Series([True] * 3))) == ["better 1", "median", "no better 1"]


@pytest.mark.parametrize("box", [(0, 0, 4, 6), (-3, -3, 9, 12), (50, 90, 67, 103), (10, 40, 40, 45), (-3, -3, 67, 103)])
def test_the_part_around_an_object_lies_in_the_picture_and_holds_it(box: tuple[int, int, int, int]) -> None:
    rows, columns = window_around(box, (64, 100))
    assert 0 <= rows.start < rows.stop <= 64
    assert 0 <= columns.start < columns.stop <= 100
    assert rows.stop - rows.start == columns.stop - columns.start == 64
    if box[3] - box[1] <= 64:
        assert columns.start <= max(0, box[1])
        assert columns.stop >= min(100, box[3])


@pytest.mark.parametrize(("count", "names"), [(0, []), (1, ["median"]), (3, ["better 1", "median", "worse 1"])])
def test_few_objects_give_few_rows(count: int, names: list[str]) -> None:
    ious, images = [0.1 * n for n in range(count)], "abc"[:count]
    picked = pick_objects(objects([0.0] * count, images), objects(ious, images), pd.Series([True] * count, dtype=bool))
    assert [name.replace("no better", "worse") for name in picked] == names
    assert len(set(picked.values())) == count


def test_pictures_of_photographs_are_refused(tmp_path: Path) -> None:
    run: Any = SimpleNamespace(config=SimpleNamespace(data="nyuv2"), data_name="nyuv2")
    with pytest.raises(WsssError, match="nyuv2 are not ours to publish"):
        draw_qualitative(run, tmp_path)


def test_figures_say_what_they_were_made_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = SimpleNamespace(data="tabletop", profile="default", seed=3)
    run: Any = SimpleNamespace(config=config, data_name="tabletop", data=lambda split: SimpleNamespace(split="test"))
    monkeypatch.setattr(qualitative, "git_state", lambda: ("abc123", False))
    for name in ("method_overview", "diagram_of", "claim_figure"):
        monkeypatch.setattr(qualitative, name, lambda *_: Figure(figsize=(1, 1)))
    written = draw_qualitative(run, tmp_path)
    assert [path.name for path in written] == [
        "method.png",
        "method.svg",
        "method-diagram.png",
        "method-diagram.svg",
        "claim-small.png",
        "claim-occluded.png",
    ]
    assert set(written) == set(tmp_path.iterdir())
    for path in written:
        text = path.read_bytes()
        assert b"records: tabletop/cam/test; profile: default; seed: 3; commit: abc123" in text
