"""What one busy process beside it costs a training on a few cores, by how threads wait for each other."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

import numpy as np
import torch

from benchmarks.material import CONFIG
from benchmarks.measure import CHECKOUT, Effort, Figure, Measured, at_most, ratio, shown
from wsss.cam.classifier import build_classifier, info_for
from wsss.cam.training import train_classifier
from wsss.errors import WsssError
from wsss.machine.runtime import keep_freed_memory
from wsss.machine.waiting import TURNS
from wsss.segmentation.network import build_network
from wsss.segmentation.training import train_segmentation

__all__ = ["measure"]

OWN, ASLEEP, TORCHS = "1,000 turns", "asleep", "as torch comes"

WAYS: dict[str, dict[str, str]] = {
    OWN: {"GOMP_SPINCOUNT": TURNS},
    ASLEEP: {"OMP_WAIT_POLICY": "passive"},
    "10,000 turns": {"GOMP_SPINCOUNT": "10000"},
    TORCHS: {"GOMP_SPINCOUNT": "300000"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
"""How threads wait: the package's way, so many turns of a loop before they sleep, as many as torch's OpenMP takes by itself."""

JOBS = ("classifier", "network")
BUSY = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"
"""A process that never rests, and ends with the one that started it."""

SIDE, BATCH = 192, 8
CLASSES = 12


def measure(effort: Effort) -> Measured:
    """Seconds of a training step of both networks, quiet and beside a process that never rests.

    A process for each way trains when it is its turn, so that what else the machine does meets all of them.
    """
    steps, rounds = (1, 1) if effort.quick else (2, effort.rounds)
    seconds: dict[str, list[float]] = {}
    with ExitStack() as stack:
        ways = {way: stack.enter_context(_trainer(variables, steps)) for way, variables in WAYS.items()}
        for turn in range(rounds + 1):  # the first is not counted
            for busy in (False, True):
                with _busy_process() if busy else ExitStack():
                    names = list(ways)
                    for way in names[turn % len(names) :] + names[: turn % len(names)]:
                        for job in JOBS:
                            found = ways[way](job)
                            if turn:
                                seconds.setdefault(_run(job, way, busy), []).append(found)
    return Measured(tuple(figure for job in JOBS for figure in _figures(seconds, job)), seconds)


def _figures(seconds: dict[str, list[float]], job: str) -> tuple[Figure, ...]:
    def beside(way: str, busy: bool, other: str, other_busy: bool) -> float:
        return ratio(seconds, _run(job, way, busy), _run(job, other, other_busy))

    return (
        at_most(f"{job}: beside a busy process / quiet", beside(OWN, True, OWN, False), 2),
        at_most(f"{job}: quiet, {OWN} / {TORCHS}", beside(OWN, False, TORCHS, False), 1.05),
        shown(f"{job}: beside a busy process / quiet, {TORCHS}", beside(TORCHS, True, TORCHS, False), "×"),
        shown(f"{job}: beside a busy process, {TORCHS} / {OWN}", beside(TORCHS, True, OWN, True), "×"),
        shown(f"{job}: quiet, {ASLEEP} / {TORCHS}", beside(ASLEEP, False, TORCHS, False), "×"),
        shown(f"{job}: beside a busy process, one thread / {OWN}", beside("one thread", True, OWN, True), "×"),
    )


def _run(job: str, way: str, busy: bool) -> str:
    return f"{job}, {way}, {'busy' if busy else 'quiet'}"


@contextmanager
def _busy_process() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def _trainer(variables: dict[str, str], steps: int) -> Iterator[Callable[[str], float]]:
    """A process that trains on request: job → seconds a step."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.waiting", str(steps)], cwd=CHECKOUT, env=environment | variables,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    asked, answers = process.stdin, process.stdout

    def train(job: str) -> float:
        try:
            print(job, file=asked, flush=True)
            return float(answers.readline())
        except (OSError, ValueError) as error:
            raise WsssError(f"the process that trains with {variables} has stopped") from error

    try:
        yield train
    finally:
        asked.close()
        process.wait()


def _answer(steps: int, asked: IO[str]) -> None:
    """Train for so many steps whenever a job is named, and print the seconds of one."""
    keep_freed_memory()
    rng, count, backbone = np.random.default_rng(0), BATCH * steps, CONFIG.classifier.backbone
    images = [rng.integers(0, 256, (256, 256, 3), dtype=np.uint8) for _ in range(count)]
    labels = rng.random((count, CLASSES)) < 0.3
    masks = [rng.integers(0, CLASSES, (256, 256), dtype=np.uint8) for _ in range(count)]
    info = info_for(backbone, tuple("abcdefghijkl"), CONFIG.classifier.output_stride, 256)
    model = build_classifier(backbone, CLASSES, CONFIG.classifier.output_stride)
    network = build_network(CLASSES, CONFIG.segmentation.architecture, CONFIG.segmentation.encoder)

    def classifier() -> None:
        train_classifier(model, info, images, labels, epochs=1, batch_size=BATCH, crop_side=SIDE, progress=False)

    def segmentation() -> None:
        train_segmentation(
            network, list(zip(images, masks, strict=True)), iterations=steps, batch_size=BATCH, crop_size=SIDE,
            learning_rate=1e-4, seed=0, mean=info.mean, std=info.std, device=torch.device("cpu"), progress=False,
        )  # fmt: skip

    jobs = dict(zip(JOBS, (classifier, segmentation), strict=True))
    for line in asked:
        start = time.perf_counter()
        jobs[line.strip()]()
        print((time.perf_counter() - start) / steps, flush=True)


if __name__ == "__main__":
    _answer(int(sys.argv[1]), sys.stdin)
