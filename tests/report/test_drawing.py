"""Charts are drawn when their records, their code or their files have changed, and only then."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from wsss.errors import WsssError
from wsss.report import drawing
from wsss.report.drawing import Chart, draw_charts, remove_others

SOURCE = {"records": "tabletop/cam/test"}


def bars(heights: list[float]) -> Figure:
    figure = Figure((1, 1))
    figure.subplots().bar(range(len(heights)), heights)
    return figure


def chart(folder: Path, *heights: float, name: str = "bars") -> Chart:
    return Chart(folder / name, bars, (list(heights),), SOURCE)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the charts that are drawn."""
    names: list[str] = []
    draw = drawing._draw

    def noted(one: Chart) -> None:
        names.append(one.path.name)
        draw(one)

    monkeypatch.setattr(drawing, "_draw", noted)
    return names


def test_what_is_up_to_date_stays(tmp_path: Path, drawn: list[str]) -> None:
    charts = [chart(tmp_path, 1, 2), chart(tmp_path, 3, name="others")]
    files = draw_charts(charts)
    assert [path.name for path in files] == ["bars.png", "bars.svg", "others.png", "others.svg"]
    before = {path: path.stat().st_mtime_ns for path in files}
    assert draw_charts(charts) == files
    assert drawn == ["bars", "others"]
    assert {path: path.stat().st_mtime_ns for path in files} == before


def test_other_records_are_drawn(tmp_path: Path, drawn: list[str]) -> None:
    draw_charts([chart(tmp_path, 1, 2), chart(tmp_path, 3, name="others")])
    draw_charts([chart(tmp_path, 1, 5), chart(tmp_path, 3, name="others")])
    assert drawn == ["bars", "others", "bars"]


def test_charts_that_nobody_asks_for_any_more_are_removed(tmp_path: Path) -> None:
    """But for files that were changed by hand, and for pictures that are no charts."""
    kept, gone = chart(tmp_path, 1, 2), chart(tmp_path, 3, name="others")
    draw_charts([kept, gone])
    gone.files[1].write_text("mine")
    (tmp_path / "scene.png").write_bytes(b"picture")
    assert remove_others(tmp_path, [kept]) == gone.files[:1]
    assert {path.name for path in tmp_path.iterdir()} == {
        "bars.png", "bars.svg", "drawn.json", "others.svg", "scene.png"
    }  # fmt: skip
    assert remove_others(tmp_path, [kept]) == []
    assert draw_charts([kept]) == kept.files


def test_files_that_somebody_changed_are_drawn_again(tmp_path: Path, drawn: list[str]) -> None:
    png, svg = draw_charts([chart(tmp_path, 1)])
    good = png.read_bytes()
    png.write_bytes(b"broken")
    draw_charts([chart(tmp_path, 1)])
    assert png.read_bytes() == good
    svg.unlink()
    draw_charts([chart(tmp_path, 1)])
    assert svg.exists()
    assert drawn == ["bars"] * 3


def test_other_code_draws_again(tmp_path: Path, drawn: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    draw_charts([chart(tmp_path, 1)])
    monkeypatch.setattr(drawing, "_code", lambda: ["another matplotlib"])
    draw_charts([chart(tmp_path, 1)])
    assert drawn == ["bars", "bars"]


def test_the_files_do_not_depend_on_the_number_of_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "WORTH_A_PROCESS", 1)
    # Another process must be able to import what draws.
    one, two = (
        draw_charts([Chart(tmp_path / folder / name, Figure, ((1, 1),), SOURCE) for name in "ab"], processes)
        for folder, processes in (("one", 1), ("two", 2))
    )
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_a_broken_index_is_named(tmp_path: Path) -> None:
    (tmp_path / "drawn.json").write_text("{")
    with pytest.raises(WsssError, match=r"drawn\.json"):
        draw_charts([chart(tmp_path, 1)])
