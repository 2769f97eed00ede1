"""A record is explained whole: every key has a meaning, the values are those of a real one, and its example runs."""

import re

import pytest

from wsss.errors import WsssError
from wsss.paths import checkout, checkout_folder
from wsss.records.record import Record
from wsss.records.store import load_records
from wsss.report.record_table import KEYS, record_example, short_json

RECORDS = load_records(checkout_folder("results"))
PAGE = (checkout_folder("results") / "README.md").read_text(encoding="utf-8")


def test_every_key_of_a_record_is_explained_once() -> None:
    explained = [key for keys in KEYS.values() for key in keys]
    assert len(explained) == len(set(explained))
    assert set(explained) == set(Record.__annotations__) | {"data", "stage", "split", "method", "refinement"}
    assert set().union(*RECORDS) <= set(explained)


def test_the_example_is_depth_on_rendered_scenes() -> None:
    text = record_example(RECORDS[::-1])
    (path,) = re.findall(r"\]\(([^)]+)\)", text)
    assert path == "tabletop/cam/test/depth@sensor.json"
    assert (checkout_folder("results") / path).is_file()
    assert '| `method` | `"depth@sensor"` |' in text
    with pytest.raises(WsssError, match="no record of seeds"):
        record_example([record for record in RECORDS if record["stage"] != "cam"])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (84.021, "84"),
        (0.66049, "0.66"),
        ([0, 1, 2], "[0, 1, 2]"),
        ([1.5, 2, 3, 4], "[1.5, 2, 3, …]"),
        ({"a": [True], "b": "short"}, '{"a": [true], "b": "short"}'),
        ("a text that is rather long", '"a text that…"'),
        (["x" * 18] * 4, '["xxxxxxxxxxx…", "xxxxxxxxxxx…", "xxxxxxxxxxx…", …]'),
    ],
)
def test_values_are_cut(value: object, text: str) -> None:
    assert short_json(value) == text


def test_the_example_of_the_page_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    root = checkout()
    assert root is not None
    monkeypatch.chdir(root)
    (code,) = re.findall(r"^```python ci\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(code, "results/README.md", "exec"), {"__name__": "example"})
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"\d+\.\d mIoU on \d+ images, seeds \[0(, \d)*\]$", lines[0])
    assert any("points against cam [" in line for line in lines[1:])


def test_kinds_of_records_that_are_there_are_named() -> None:
    root = checkout_folder("results")
    places = [path.relative_to(root).parts for path in root.rglob("*.json")]
    named = set(re.findall(r"^\| `(?:\{data\}|tabletop)/([a-z]+)/…`", PAGE, re.MULTILINE))
    assert {place[1] for place in places if len(place) > 1} <= named
