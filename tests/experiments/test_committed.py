"""The check of the committed records is made once, and again as soon as a record or the code is another."""

from pathlib import Path

import pytest

from wsss.errors import WsssError
from wsss.experiments import committed
from wsss.experiments.committed import check_once


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Roots that are really checked; those that hold a file `stale.json` are refused."""
    made: list[Path] = []

    def check(records: object, root: Path) -> None:
        made.append(root)
        if (root / "stale.json").exists():
            raise WsssError("stale")

    monkeypatch.setenv("WSSS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(committed, "check_committed", check)
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "results" / "tabletop"
    folder.mkdir(parents=True)
    (folder / "cam.json").write_text("{}")
    return folder.parent


def test_the_same_records_are_checked_once(root: Path, checks: list[Path]) -> None:
    for _ in range(2):
        check_once([], root)
    assert checks == [root]


@pytest.mark.parametrize("change", ["record", "name", "code", "mark"])
def test_they_are_checked_again_when_anything_is_another(
    root: Path, checks: list[Path], change: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    check_once([], root)
    record = root / "tabletop" / "cam.json"
    if change == "record":
        record.write_text("{} ")
    elif change == "name":
        record.rename(record.with_name("zoom.json"))
    elif change == "code":
        monkeypatch.setattr(committed, "PACKAGE", tmp_path / "other")
    else:
        (tmp_path / "runs" / "checked.json").write_text("broken")
    check_once([], root)
    assert len(checks) == 2


def test_records_that_were_refused_are_refused_again(root: Path, checks: list[Path]) -> None:
    (root / "stale.json").write_text("{}")
    for _ in range(2):
        with pytest.raises(WsssError, match="stale"):
            check_once([], root)
    assert len(checks) == 2
