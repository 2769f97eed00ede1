"""A clock counts the time of a computation, that of tries that were broken off included."""

import time
from pathlib import Path

import pytest

from wsss.machine import stopwatch
from wsss.machine.stopwatch import Stopwatch


def test_it_counts_while_it_runs_and_stops() -> None:
    with Stopwatch() as clock:
        assert clock.wall_s >= 0
        sum(range(100_000))
    stopped = clock.wall_s, clock.cpu_s
    time.sleep(0.02)
    assert (clock.wall_s, clock.cpu_s) == stopped
    assert stopped[0] > 0
    assert stopped[1] >= 0


def test_what_earlier_tries_took_counts(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    path.write_text('{"wall_s": 100.0, "cpu_s": 50.0}')
    with pytest.raises(KeyError), Stopwatch(path):
        raise KeyError
    with Stopwatch(path) as clock:
        pass
    assert clock.wall_s >= 100
    assert clock.cpu_s >= 50
    clock.forget()
    assert not path.exists()
    clock.forget()


@pytest.mark.parametrize("now", [0.1, 0.7, 1e5 + 0.1])
def test_no_time_is_lost_to_rounding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: float) -> None:
    monkeypatch.setattr(stopwatch, "_now", lambda: (now, now))
    path = tmp_path / "clock.json"
    path.write_text('{"wall_s": 100.3, "cpu_s": 50.0}')
    with Stopwatch(path) as clock:
        pass
    assert (clock.wall_s, clock.cpu_s) == (100.3, 50.0)


def test_it_is_saved_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopwatch, "SAVED_EVERY", 0.01)
    path = tmp_path / "clock.json"
    with Stopwatch(path):
        end = time.monotonic() + 10
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.01)
        assert path.exists()  # a process that is killed now leaves it


@pytest.mark.parametrize("content", ["{", "[]", '{"wall_s": "a", "cpu_s": 1}'])
def test_a_broken_clock_starts_anew(tmp_path: Path, content: str) -> None:
    path = tmp_path / "clock.json"
    path.write_text(content)
    with Stopwatch(path) as clock:
        pass
    assert clock.wall_s < 5


def test_no_computation_fails_for_a_clock_that_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Stopwatch(tmp_path / "file" / "clock.json") as clock:
        pass
    assert clock.wall_s >= 0
