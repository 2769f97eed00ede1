import random
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from wsss.machine import runtime


def test_same_seed_same_numbers_everywhere() -> None:
    def draw(seed: int) -> tuple[float, float, float]:
        runtime.seed_everything(seed)
        return random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002

    first, again, other = draw(5), draw(5), draw(6)
    assert first == again
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_picked_device_can_hold_a_tensor() -> None:
    device = runtime.pick_device()
    assert torch.ones(2, device=device).sum().item() == 2
    assert (device.type == "cuda") == torch.cuda.is_available()


@pytest.mark.parametrize("has_bfloat16", [True, False])
def test_autocast_on_the_cpu_follows_the_hardware(monkeypatch: pytest.MonkeyPatch, has_bfloat16: bool) -> None:
    monkeypatch.setattr(runtime, "_cpu_has_bfloat16", lambda: has_bfloat16)
    layer = torch.nn.Linear(3, 2)
    with runtime.autocast(torch.device("cpu")):
        result = layer(torch.ones(1, 3))
    assert result.dtype == (torch.bfloat16 if has_bfloat16 else torch.float32)


class Recorded:
    """Stands for a tensor in ordinary memory; notes what is done with it."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.calls: list[object] = []

    def pin_memory(self) -> "Recorded":
        self.calls.append("pin")
        return self

    def to(self, device: torch.device, non_blocking: bool = False) -> "Recorded":
        self.calls.append((device.type, non_blocking))
        return self


def test_copies_to_cuda_are_pinned_and_do_not_wait() -> None:
    tensor = Recorded()
    runtime.to_device(tensor, torch.device("cuda"))  # type: ignore[arg-type]
    assert tensor.calls == ["pin", ("cuda", True)]
    tensor.device, tensor.calls = torch.device("cuda"), []
    runtime.to_device(tensor, torch.device("cuda"))  # type: ignore[arg-type]
    assert tensor.calls == [("cuda", False)]


def test_tensors_arrive_on_the_picked_device() -> None:
    device, tensor = runtime.pick_device(), torch.arange(6).reshape(2, 3)
    moved = runtime.to_device(tensor, device)
    assert moved.device.type == device.type
    assert torch.equal(moved.cpu(), tensor)


def test_autocast_leaves_other_devices_alone() -> None:
    assert isinstance(runtime.autocast(torch.device("meta")), nullcontext)


def test_torch_without_capabilities_means_no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert runtime._cpu_has_bfloat16.__wrapped__() is False


def test_keep_freed_memory_does_nothing_off_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(runtime.ctypes, "CDLL", no_library)
    assert runtime.keep_freed_memory() is False


def test_keep_freed_memory_sets_thresholds_and_arenas(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    class Library:
        @staticmethod
        def mallopt(parameter: int, value: int) -> int:
            calls.append((parameter, value))
            return 1

    monkeypatch.setattr(runtime.ctypes, "CDLL", lambda name: Library)
    assert runtime.keep_freed_memory() is True
    assert calls == [(-3, 1 << 30), (-1, -1), (-8, 1)]
