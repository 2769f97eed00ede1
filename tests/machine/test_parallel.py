"""Images side by side: the same results, in the same order, as one after the other."""

import threading
import time

import pytest
import torch

from wsss.machine import parallel
from wsss.machine.parallel import each_image

CPU = torch.device("cpu")


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_indices(two_threads) -> None:
    def work(index: int) -> int:
        time.sleep(0.002 * (7 - index))  # the first ones are done last
        return index * index

    assert list(each_image(work, range(1, 7), "", device=CPU, progress=False)) == [1, 4, 9, 16, 25, 36]


def test_two_images_at_a_time_and_one_thread_each(two_threads) -> None:
    meeting = threading.Barrier(2, timeout=20)  # breaks if only one comes

    def work(index: int) -> int:
        meeting.wait()
        return torch.get_num_threads()

    assert list(each_image(work, range(4), "", device=CPU, progress=False)) == [1] * 4
    assert torch.get_num_threads() == 2


def test_never_more_at_a_time_than_memory_is_meant_for(two_threads, monkeypatch) -> None:
    monkeypatch.setattr(parallel, "MOST_AT_ONCE", 1)
    names = set(each_image(lambda _: threading.current_thread().name, range(5), "", device=CPU, progress=False))
    assert len(names) == 1


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_other_devices_take_one_image_after_the_other(two_threads, device: str) -> None:
    here = threading.get_ident()
    found = list(each_image(lambda _: threading.get_ident(), range(3), "", device=torch.device(device), progress=False))
    assert found == [here] * 3


def test_the_first_error_stops_it_and_gives_the_threads_back(two_threads) -> None:
    begun = []

    def work(index: int) -> None:
        begun.append(index)
        if index == 2:
            raise OSError("gone")
        time.sleep(0.002)

    with pytest.raises(OSError, match="gone"):
        list(each_image(work, range(200), "", device=CPU, progress=False))
    assert len(begun) < 200
    assert torch.get_num_threads() == 2


def test_nothing_to_do(two_threads) -> None:
    assert list(each_image(lambda index: index, range(0), "", device=CPU, progress=False)) == []
