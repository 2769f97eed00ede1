"""Two processes that make the same file: one waits and says for whom; a process that died holds nobody up."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from wsss.errors import WsssError
from wsss.io import atomic_path, read_json, temporary_stem
from wsss.pipeline.locks import Locks, _sweep

HOLDER = """
import sys, time
from pathlib import Path
from wsss.pipeline.locks import Locks
cache = Path(sys.argv[1])
locks = Locks(cache / "locks")
locks.acquire([cache / "seeds" / "a.npz"])
(cache / "seeds" / ".a.half.part.npz").write_bytes(b"half")
(cache / "ready").touch()
time.sleep(float(sys.argv[2]))
locks.release()
"""


def holder(cache: Path, seconds: float) -> subprocess.Popen[bytes]:
    """Another process that holds a lock for some seconds, from when this returns."""
    (cache / "seeds").mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(cache), str(seconds)], env=environment)
    deadline = time.monotonic() + 120
    while not (cache / "ready").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def test_one_waits_and_says_for_whom(tmp_path: Path) -> None:
    said: list[str] = []
    process = holder(tmp_path, 1.0)
    locks = Locks(tmp_path / "locks", said.append)
    locks.acquire([tmp_path / "seeds" / "b.npz"])  # nobody's
    assert said == []
    locks.acquire([tmp_path / "seeds" / "a.npz"])
    assert process.wait(timeout=60) == 0
    assert len(said) == 1
    assert said[0].startswith(f"waiting for process {process.pid} on ")
    assert said[0].endswith("a.npz")
    assert read_json(tmp_path / "locks" / "seeds-a.npz.lock.json")["pid"] == os.getpid()
    locks.release()
    assert not list((tmp_path / "locks").glob("*.json"))


def test_a_lock_of_a_dead_process_is_recognised(tmp_path: Path) -> None:
    process = holder(tmp_path, 600)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    said: list[str] = []
    before = time.monotonic()
    locks = Locks(tmp_path / "locks", said.append)
    locks.acquire([tmp_path / "seeds" / "a.npz"])
    assert time.monotonic() - before < 5
    assert len(said) == 1
    assert f"process {process.pid} on " in said[0]
    assert "stopped while it was making" in said[0]
    assert not list((tmp_path / "seeds").iterdir())  # what it left half written is gone
    locks.release()


def test_locks_are_taken_once_and_given_back(tmp_path: Path) -> None:
    said: list[str] = []
    mine, other = Locks(tmp_path / "locks", said.append), Locks(tmp_path / "locks", said.append)
    targets = [tmp_path / "pseudo" / "one", tmp_path / "pseudo" / "two"]
    mine.acquire(targets)
    mine.acquire(targets)
    mine.release(targets[:1])
    mine.release([tmp_path / "never"])
    assert sorted(path.name for path in (tmp_path / "locks").glob("*.json")) == ["pseudo-two.lock.json"]
    targets[1].parent.mkdir()
    targets[1].touch()
    mine.release_made()
    assert not list((tmp_path / "locks").glob("*.json"))
    other.acquire(targets)
    other.release()
    assert said == []


def test_a_process_does_not_wait_for_itself(tmp_path: Path) -> None:
    """A cell of a notebook failed and is run again: what it held it still holds."""
    said: list[str] = []
    failed, again = Locks(tmp_path / "locks", said.append), Locks(tmp_path / "locks", said.append)
    failed.acquire([tmp_path / "a"])
    again.acquire([tmp_path / "a"])
    assert said == []
    failed.release()
    again.release()


def test_a_folder_that_cannot_be_locked_is_named(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("in the way")
    with pytest.raises(WsssError, match=r"cannot lock in .*locks.*permissions"):
        Locks(tmp_path / "locks").acquire([tmp_path / "a"])


@pytest.mark.parametrize("stem", ["a", "a[0]", "x" * 250])
def test_what_a_stopped_process_left_of_a_file_goes_and_nothing_else_does(tmp_path: Path, stem: str) -> None:
    target = tmp_path / "seeds" / f"{stem}.npz"
    with suppress(RuntimeError), atomic_path(target) as path:
        left = path.with_name(path.name)
        raise RuntimeError
    left.write_bytes(b"half")
    other = temporary_stem(target.with_stem(f"{stem[:-1]}y"))
    (target.parent / f".{other}.12345678.part.npz").write_bytes(b"half")
    _sweep(target)
    assert [path.name for path in target.parent.iterdir()] == [f".{other}.12345678.part.npz"]
