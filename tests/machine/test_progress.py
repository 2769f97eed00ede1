"""Progress bars: how much is done, and how much time is left."""

import re
import time

import pytest

from wsss.machine.progress import progress_bar


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSSS_HEADLESS", raising=False)


def test_a_bar_says_how_much_is_done_and_left(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in progress_bar(range(4), "train", unit="step"):
        time.sleep(0.11)
    shown = capsys.readouterr().err
    assert re.search(r"train:  50 % \|█+ +\| 2 of 4 steps, 00:00 left", shown)
    assert shown.endswith("\r")  # it vanishes


def test_what_was_done_before_counts(capsys: pytest.CaptureFixture[str]) -> None:
    bar = progress_bar(range(6, 10), "train", 10, unit="step", initial=6)
    for _ in bar:
        bar.set_postfix(loss="0.5")
        time.sleep(0.11)
    shown = capsys.readouterr().err
    assert "60 %" in shown
    assert "8 of 10 steps, 00:00 left, loss=0.5" in shown


def test_without_a_number_no_time_is_foretold(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in progress_bar(iter(range(3)), "extract", unit="file"):
        time.sleep(0.11)
    shown = capsys.readouterr().err
    assert "extract: " in shown
    assert "left" not in shown


def test_a_bar_without_items_is_moved_on(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(None, "render", 4, unit="scene") as bar:
        time.sleep(0.11)
        bar.update(3)
    assert "3 of 4 scenes" in capsys.readouterr().err


@pytest.mark.parametrize(("headless", "shown"), [("1", True), ("0", False)])
def test_nothing_is_shown_where_nobody_watches(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, headless: str, shown: bool
) -> None:
    monkeypatch.setenv("WSSS_HEADLESS", headless)
    assert list(progress_bar(range(3), "train", shown=shown)) == [0, 1, 2]
    assert capsys.readouterr().err == ""
