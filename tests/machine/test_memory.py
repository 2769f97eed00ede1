"""How much memory is free: of the machine, and of the limits of this process."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wsss.errors import WsssError
from wsss.machine import memory
from wsss.machine.memory import free_memory, is_out_of_memory, own_peak, peak_memory, require_memory


@pytest.fixture
def machine(tmp_path: Path, monkeypatch) -> Path:
    """A machine with 16 GB free, and a folder that stands for its control groups."""
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Free", (), {"available": 16 * 10**9}))
    monkeypatch.setattr(memory, "_GROUPS", tmp_path)
    return tmp_path


def group(folder: Path, files: dict[str, int | str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name).write_text(f"{value}\n")


def test_a_control_group_counts_with_those_that_it_lies_in(machine: Path) -> None:
    names = "memory.max", "memory.current", "inactive_file"
    group(machine / "job" / "step", {"memory.max": "max", "memory.current": 5, "memory.stat": "inactive_file 3"})
    group(machine / "job", {"memory.max": 1000, "memory.current": 700, "memory.stat": "anon 1\ninactive_file 50"})
    assert list(memory._left(machine, "/job/step", *names)) == [350]
    assert list(memory._left(machine, "/not/to/be/seen", *names)) == []
    group(machine, {"memory.max": 200, "memory.current": 100, "memory.stat": "inactive_file 0"})
    assert list(memory._left(machine, "/job/step", *names)) == [350, 100]
    assert list(memory._left(machine, "/not/to/be/seen", *names)) == [100]


def test_the_lowest_limit_counts(machine: Path, monkeypatch) -> None:
    monkeypatch.setattr(memory, "_limits", lambda: iter(()))
    assert free_memory() == free_memory(torch.device("cpu")) == 16e9
    monkeypatch.setattr(memory, "_limits", lambda: iter((3e9, 5e9)))
    assert free_memory() == 3e9
    monkeypatch.setattr(memory, "_limits", lambda: iter((-1.0,)))
    assert free_memory() == 0


def test_address_space_is_a_limit(machine: Path, monkeypatch) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10**15, 10**15))
    (left,) = [value for value in memory._limits() if value > 1e14]
    assert 10**15 - 10**13 < left < 10**15


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
            True,
        ),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried"), True),
        (RuntimeError("shapes differ"), False),
        (ValueError("can't allocate memory"), False),
    ],
)
def test_what_says_that_memory_was_refused(error: BaseException, is_one: bool) -> None:
    assert is_out_of_memory(error) is is_one


def test_flat_images_need_the_square_of_their_long_side(monkeypatch) -> None:
    """A square crop reaches beyond them."""
    monkeypatch.setattr(memory, "free_memory", lambda: 4e9)
    require_memory("a", (1000, 1000), 2, 4)
    with pytest.raises(WsssError, match="image a has 20000×40 pixels"):
        require_memory("a", (40, 20000), 2, 4)


def test_a_peak_is_of_the_process_itself_and_not_of_what_started_it() -> None:
    pytest.importorskip("resource")
    before = own_peak()
    block = np.ones(int(1.5e9), np.uint8)
    assert own_peak() >= max(before, 1.5e9)
    code = "from wsss.machine.memory import own_peak, peak_memory; print(own_peak(), peak_memory())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    own, most = (float(each) for each in done.stdout.split())
    assert 0 < own < 1.2e9 < block.nbytes
    assert most == round(own / 1e9, 2)


def test_where_the_system_does_not_say_how_much_memory_a_process_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*arguments: object, **options: object) -> str:
        raise OSError

    monkeypatch.setattr(Path, "read_text", unreadable)
    if memory.resource is not None:
        assert own_peak() > 1e7  # as on macOS
        monkeypatch.setattr(memory, "resource", None)
    assert peak_memory() is None
    with pytest.raises(WsssError, match="does not say how much memory"):
        own_peak()
