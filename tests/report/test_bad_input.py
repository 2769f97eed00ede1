"""Record trees that somebody has changed by hand: named, never drawn."""

import json
from pathlib import Path
from typing import Any

import pytest

from wsss.errors import WsssError
from wsss.records.store import load_ablation, load_records, load_series, record_path

PLACE = {"data": "d", "stage": "cam", "split": "test", "method": "cam", "refinement": None}
WHOLE: Any = {
    **PLACE,
    "profile": "default",
    "seeds": [0],
    "num_images": 1,
    "classes": [],
    "miou": {},
    "iou": {},
    "strata": [],
    "paired": [],
    "provenance": {},
}


def put(root: Path, content: Any, name: str = "cam") -> Path:
    path = root / "d" / "cam" / "test" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


BAD: dict[str, Any] = {
    "torn": '{"data": ',
    "list": [WHOLE],
    "number": 7,
    "null": None,
    "NaN": json.dumps({**WHOLE, "num_images": float("nan")}),
    "other place": {**WHOLE, "split": "val"},
    "place that leads out": {**WHOLE, "split": "../../etc"},
    "number for a name": {**WHOLE, "data": 3},
    "number for a refinement": {**WHOLE, "refinement": ["x"]},
    **{
        f"no {key}": {name: value for name, value in WHOLE.items() if name != key}
        for key in WHOLE
        if key != "refinement"
    },
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_record_is_named(tmp_path: Path, case: str) -> None:
    put(tmp_path, BAD[case])
    with pytest.raises(WsssError, match=r"cam\.json|\.\./\.\./etc"):
        load_records(tmp_path)


def test_a_whole_record_is_read(tmp_path: Path) -> None:
    put(tmp_path, WHOLE)
    assert load_records(tmp_path) == [WHOLE]


@pytest.mark.parametrize("part", ["data", "stage", "split", "method"])
@pytest.mark.parametrize("value", ["../x", "/etc", "a/b", "a\\b", "a\nb", "\0", "..", ".hidden"])
def test_no_part_of_a_record_leads_out_of_its_tree(tmp_path: Path, part: str, value: str) -> None:
    with pytest.raises(WsssError, match="cannot be stored under"):
        record_path(tmp_path, WHOLE | {part: value})


@pytest.mark.parametrize("content", ["[]", "7", "{}", "null", "{"])
def test_other_records_that_are_something_else_are_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "odd.json"
    path.write_text(content)
    with pytest.raises(WsssError, match=r"odd\.json"):
        load_series(path)
    with pytest.raises(WsssError, match=r"odd\.json"):
        load_ablation(path)
