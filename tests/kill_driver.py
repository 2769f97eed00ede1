"""Runs the stages of a tiny configuration in forked processes and kills them; started by `test_kill.py`.

    python tests/kill_driver.py points CACHE DATA          # before and after every rename in turn
    python tests/kill_driver.py moments CACHE DATA COUNT   # at COUNT random moments
    python tests/kill_driver.py whole CACHE DATA           # nobody is killed
    python tests/kill_driver.py together CACHE DATA        # two processes at once

It imports everything once and forks before torch has started a thread. Prints `killed N` and what the stages said.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import timm
import torch

import wsss.io
from wsss.cam import backbones
from wsss.config import ClassifierConfig, Config, SegmentationConfig
from wsss.pipeline import Run

BACKBONE = "test_efficientnet"
METHODS = ("cam", "depth")
LABELS = ("depth",)
MOST = 400  # children: more means that nothing gets on


def config(data: Path) -> Config:
    return Config(
        profile="smoke", root=str(data), tabletop_side=64, tabletop_scenes=(4, 2, 2), methods=METHODS, label_methods=LABELS,
        classifier=ClassifierConfig(backbone=BACKBONE, base_side=64, crop_side=64, epochs=1, batch_size=4),
        segmentation=SegmentationConfig(encoder=f"tu-{BACKBONE}", iterations=2, batch_size=2, crop_size=64, frozen_stages=0),
    )  # fmt: skip


def work(cache: Path, data: Path) -> None:
    """All stages; what is there already is taken."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    state = timm.create_model(BACKBONE, pretrained=False).state_dict()
    backbones._WEIGHTS[BACKBONE] = lambda: state
    run = Run(config(data), cache, progress=False)
    run.seeds(METHODS)
    for name in LABELS:
        run.pseudo_folder(name)
    run.networks(LABELS)


def kill_at_rename(number: int, before: bool) -> None:
    """Let this process be killed right before, or right after, its rename `number` (from 0)."""
    seen, rename = 0, os.replace

    def replace(*arguments: object) -> None:
        nonlocal seen
        if seen == number and before:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(*arguments)  # type: ignore[arg-type]
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    wsss.io.os.replace = replace  # type: ignore[assignment]


def fork(task: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            task()
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def ended(child: int) -> bool:
    """Wait; True when it came to its end, False when it was killed."""
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0, "a stage failed after a kill"
    return True


def points(cache: Path, data: Path) -> int:
    """Each process is killed at its first rename, before it and then after it, until there is nothing left to write."""
    for killed in range(MOST):

        def task(before: bool = killed % 2 == 0) -> None:
            kill_at_rename(0, before)
            work(cache, data)

        if ended(fork(task)):
            return killed
    raise AssertionError("the stages do not get on")


def moments(cache: Path, data: Path, count: int) -> int:
    rng, killed = random.Random(0), 0
    for _ in range(count):
        child = fork(lambda: work(cache, data))
        time.sleep(rng.uniform(0.05, 3.0))
        os.kill(child, signal.SIGKILL)
        killed += not ended(child)
    assert ended(fork(lambda: work(cache, data)))
    return killed


def together(cache: Path, data: Path) -> int:
    children = [fork(lambda: work(cache, data)) for _ in range(2)]
    assert all([ended(child) for child in children])
    return 0


if __name__ == "__main__":
    mode, folder, root, *more = sys.argv[1:]
    tasks = {
        "points": points, "moments": lambda c, d: moments(c, d, int(more[0])), "together": together,
        "whole": lambda c, d: 0 if ended(fork(lambda: work(c, d))) else 1,
    }  # fmt: skip
    print("killed", tasks[mode](Path(folder), Path(root)))
