"""Runs the stages of a tiny configuration in forked processes and kills them; started by `test_kill.py`.

    python tests/kill_driver.py points CACHE DATA          # before and after every rename in turn
    python tests/kill_driver.py moments CACHE DATA COUNT   # at COUNT random moments
    python tests/kill_driver.py whole CACHE DATA           # nobody is killed
    python tests/kill_driver.py together CACHE DATA        # two processes at once
    python tests/kill_driver.py commands CACHE DATA OUT    # what commands write outside the cache, whose stages are made
    python tests/kill_driver.py command-points CACHE DATA OUT   # that, before and after every rename in turn
    python tests/kill_driver.py doors CACHE DATA OUT       # what is handed over: exports, labels, weights, …
    python tests/kill_driver.py door-points CACHE DATA OUT # that, before and after every rename in turn
    python tests/kill_driver.py trainings CACHE DATA COUNT # each of the trainings COUNT times, at random steps

It imports everything once and forks before torch has started a thread. Prints `killed N` and what the stages said.
"""

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch

import wsss.io
from wsss.cam.classifier import Classifier, info_for
from wsss.cam.training import train_classifier
from wsss.config import ClassifierConfig, Config, DepthTraining, SegmentationConfig
from wsss.depth.training import train_depth_network, train_with_folds
from wsss.experiments.evaluate import evaluate_folder
from wsss.experiments.own_photographs import write_label_folder
from wsss.experiments.parts import merge_data
from wsss.experiments.release import in_16_bit, write_zip
from wsss.experiments.results import stage_part
from wsss.methods.depth_cam import DepthCAM
from wsss.networks import backbones, training_loop
from wsss.networks.training_state import TrainingState
from wsss.pipeline import Run
from wsss.pseudo.cam_files import export_cams
from wsss.pseudo.export import export_coco, export_voc
from wsss.records.parts import save_part
from wsss.report.review import Region, Reviewed, write_review
from wsss.segmentation.folder import predict_folder
from wsss.segmentation.network import build_network
from wsss.segmentation.onnx_file import export_onnx
from wsss.segmentation.predictor import load_predictor
from wsss.segmentation.pretrained import card_beside, save_pretrained
from wsss.segmentation.training import train_segmentation

BACKBONE = "test_efficientnet"
METHODS = ("cam", "depth")
LABELS = ("depth+par-depth",)
TRAININGS = ("classifier", "depth", "segmentation")
COMMANDS = ("train-depth", "evaluate", "predict", "export")
DOORS = ("export-coco", "export-cams", "labels", "review", "hand-over", "16-bit", "parts", "zip", "onnx", "result")
MOST = 200  # children: more means that nothing gets on


def config(data: Path) -> Config:
    return Config(
        profile="smoke", root=str(data), tabletop_side=64, tabletop_scenes=(4, 2, 2), methods=METHODS,
        pseudo_methods=LABELS, label_methods=LABELS,
        classifier=ClassifierConfig(backbone=BACKBONE, base_side=64, crop_side=64, epochs=1, batch_size=4),
        segmentation=SegmentationConfig(encoder=f"tu-{BACKBONE}", iterations=2, batch_size=2, crop_size=64, frozen_stages=0),
    )  # fmt: skip


def opened(cache: Path, data: Path) -> Run:
    """The run, with random weights for the backbone's."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    state = timm.create_model(BACKBONE, pretrained=False).state_dict()
    backbones._WEIGHTS[BACKBONE] = lambda: state
    return Run(config(data), cache, progress=False)


def work(cache: Path, data: Path) -> None:
    """All stages; what is there already is taken."""
    run = opened(cache, data)
    run.seeds(METHODS)
    for name in LABELS:
        run.pseudo_folder(name)
    run.networks(LABELS)


def command(name: str, cache: Path, data: Path, out: Path) -> None:
    """What a command of that name does, into the folder `out`; the stages that it needs are in the cache."""
    run = opened(cache, data)
    match name:
        case "train-depth":
            settings = asdict(DepthTraining(epochs=1, batch_size=2, side=32))
            path = out / "depth.safetensors"
            train_with_folds(run.data("train"), path, BACKBONE, folds=True, test_side=64, progress=False, **settings)
        case "evaluate":
            path = out / "classifier.safetensors"
            run.export_classifier(path, METHODS)
            evaluate_folder(
                path, out / "records", data="tabletop", root=str(data), split="test", depth="sensor", progress=False
            )
        case "predict":
            predictor = load_predictor(run.network_path(LABELS[0]))
            predict_folder(predictor, data / "test" / "rgb", out / "labels", progress=False)
        case "export":
            export_voc(run.data("train"), run.pseudo_folder(LABELS[0]), out / "voc", "train", progress=False)
        case "export-coco":
            export_coco(run.data("train"), run.pseudo_folder(LABELS[0]), out / "coco", "train", progress=False)
        case "export-cams":
            choice, key = run.choose_labels(LABELS)[LABELS[0]], run.label_key(LABELS[0])
            export_cams(
                run.labeller(LABELS[0]), LABELS[0], choice, run.data("train"), out / "cams", "train", identity=key,
                progress=False,
            )  # fmt: skip
        case "labels":
            write_label_folder(run, LABELS[0], out / "labels")
        case "hand-over":
            save_pretrained(run.network_path(LABELS[0]), out / "network")
        case "16-bit":
            in_16_bit(run.network_path(LABELS[0]), out / "small" / "network.safetensors")
            card_beside(out / "small" / "network.safetensors")
        case "parts":
            save_part(out / "results", stage_part(run, "cam", out / "results"))
            merge_data(run.data_name, out / "results")
        case "zip":
            folder = run.pseudo_folder(LABELS[0])
            write_zip(out / "labels.zip", {path.name: path for path in folder.glob("*.png")})
        case "review":
            region = Region("duck", 0.5, 0.25, 0.5, (0, 1, 2, 3))
            write_review(out / "page", [Reviewed("a", ("duck",), (region,))], ["duck"], ["by hand"])
        case "onnx":
            export_onnx(run.network_path(LABELS[0]), out / "network.onnx")
        case "result":
            if not (out / "result" / "result.json").exists():  # what says that the others are whole
                seen = DepthCAM(timm.create_model(BACKBONE, num_classes=2), activation="sigmoid")
                seen(run.data("test")[0].image, [0]).save(out / "result", threshold=0.4)


def kill_at_rename(before: bool) -> None:
    """Let this process be killed right before, or right after, its first rename that makes a new file of the cache."""
    rename = os.replace

    def replace(source: Path, target: Path) -> None:
        # The note beside a lock is written by every process, and so are files of a stage that is begun anew.
        new = Path(target).parent.name != "locks" and not Path(target).exists()
        if new and before:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target)
        if new:
            os.kill(os.getpid(), signal.SIGKILL)

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


def points(task: Callable[[], None]) -> int:
    """Processes are killed before and after each new file in turn, until there is nothing left to write."""
    for killed in range(MOST):

        def dying(before: bool = killed % 2 == 0) -> None:
            kill_at_rename(before)
            task()

        if ended(fork(dying)):
            return killed
    raise AssertionError("the stages do not get on")


def moments(cache: Path, data: Path, count: int) -> int:
    """Whenever a process comes to its end, all is made from the beginning again."""
    rng, killed, longest = random.Random(0), 0, 4.0
    while killed < count:
        child = fork(lambda: work(cache, data))
        start = time.perf_counter()
        time.sleep(rng.uniform(0.01, longest))
        os.kill(child, signal.SIGKILL)
        if not ended(child):
            killed += 1
            continue
        longest = min(longest, 0.8 * (time.perf_counter() - start))
        if killed < count:
            shutil.rmtree(cache)
    assert ended(fork(lambda: work(cache, data)))
    return killed


def commands(cache: Path, data: Path, out: Path, kill: bool, names: Sequence[str] = COMMANDS) -> int:
    """Each command in a process of its own, undisturbed or killed at every point."""
    tasks = [partial(command, name, cache, data, out) for name in names]
    if kill:
        return sum(points(task) for task in tasks)
    assert all([ended(fork(task)) for task in tasks])
    return 0


def together(cache: Path, data: Path) -> int:
    children = [fork(lambda: work(cache, data)) for _ in range(2)]
    assert all([ended(child) for child in children])
    return 0


def training(name: str, state: Path | None, out: Path, every: int) -> None:
    """One of the three trainings, of six steps, with weights and losses written to `out` at its end."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    weights = timm.create_model(BACKBONE, pretrained=False).state_dict()
    backbones._WEIGHTS[BACKBONE] = lambda: weights
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (40, 56, 3), dtype=np.uint8) for _ in range(7)]
    kept: dict[str, Any] = {"seed": 3, "progress": False, "checkpoint": state, "checkpoint_every": every}
    match name:
        case "classifier":
            network: Any = Classifier(BACKBONE, 2)
            info, labels = info_for(BACKBONE, ("a", "b"), 16, 64), rng.random((7, 2)) < 0.5
            losses = train_classifier(network, info, images, labels, epochs=2, batch_size=2, crop_side=32, **kept)
        case "depth":
            pairs = [(image, rng.random((40, 56), np.float32)) for image in images]
            settings = asdict(DepthTraining(epochs=2, batch_size=2, side=32, frozen_stages=0))
            found, losses = train_depth_network(BACKBONE, pairs, **settings, **kept)
            network = found.module
        case "segmentation":
            network = build_network(2, "DeepLabV3Plus", f"tu-{BACKBONE}")
            masks = [rng.choice(np.array([0, 1, 2, 255], np.uint8), (40, 56)) for _ in images]
            losses = train_segmentation(
                network, list(zip(images, masks, strict=True)), iterations=6, batch_size=2, crop_size=32,
                learning_rate=1e-3, mean=(0.5,) * 3, std=(0.5,) * 3, device=torch.device("cpu"), frozen_stages=0, **kept,
            )  # fmt: skip
    torch.save({"weights": network.state_dict(), "losses": losses}, out)


def kill_in_step(steps: int, saved: bool) -> None:
    """Let this process be killed in the step after so many of its own, or right after its first state from there on."""
    seen: list[int] = []
    learn, save = training_loop.require_learning, TrainingState.save

    def learning(*arguments: Any) -> None:
        seen.append(1)
        if len(seen) > steps and not saved:
            os.kill(os.getpid(), signal.SIGKILL)
        learn(*arguments)

    def saving(*arguments: Any) -> None:
        save(*arguments)
        if len(seen) > steps:
            os.kill(os.getpid(), signal.SIGKILL)

    training_loop.require_learning = learning  # type: ignore[assignment]
    TrainingState.save = saving  # type: ignore[assignment, method-assign]


def killed_training(steps: int, saved: bool, *which: Any) -> None:
    kill_in_step(steps, saved)
    training(*which)


def trainings(cache: Path, count: int) -> int:
    """Each of the three, until it has been killed `count` times; every one that comes to its end is as if undisturbed."""
    rng, total = random.Random(0), 0
    cache.mkdir(exist_ok=True)
    for name in TRAININGS:
        calm, out, state = (cache / f"{name}.{suffix}" for suffix in ("calm", "out", "state"))
        assert ended(fork(partial(training, name, None, calm, 1)))
        killed = 0
        while killed < count:
            every = rng.randint(1, 3)
            steps, saved = rng.randint(0, 5), rng.random() < 0.5

            if not ended(fork(partial(killed_training, steps, saved, name, state, out, every))):
                killed += 1
                if killed < count:
                    continue
                assert ended(fork(partial(training, name, state, out, every)))
            assert calm.read_bytes() == out.read_bytes(), name
            state.unlink(missing_ok=True)
        total += killed
    return total


if __name__ == "__main__":
    mode, folder, root, *more = sys.argv[1:]
    tasks = {
        "points": lambda c, d: points(lambda: work(c, d)),
        "commands": lambda c, d: commands(c, d, Path(more[0]), kill=False),
        "command-points": lambda c, d: commands(c, d, Path(more[0]), kill=True),
        "doors": lambda c, d: commands(c, d, Path(more[0]), kill=False, names=DOORS),
        "door-points": lambda c, d: commands(c, d, Path(more[0]), kill=True, names=DOORS),
        "moments": lambda c, d: moments(c, d, int(more[0])), "together": together,
        "trainings": lambda c, _: trainings(c, int(more[0])),
        "whole": lambda c, d: 0 if ended(fork(lambda: work(c, d))) else 1,
    }  # fmt: skip
    print("killed", tasks[mode](Path(folder), Path(root)))
