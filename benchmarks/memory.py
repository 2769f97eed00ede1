"""Peak memory of processes that do one thing: flat in the number of images, and small in the default profile."""

import sys
from collections.abc import Callable

import numpy as np

from benchmarks.material import CONFIG, classifier, depth_cam, depths_of, labelled, repeated, scenes
from benchmarks.measure import Effort, Measured, at_most, child
from wsss.machine.memory import own_peak
from wsss.machine.runtime import keep_freed_memory, pick_device

__all__ = ["measure"]

FACTOR = 10
LIMIT_GB = 4


def measure(effort: Effort) -> Measured:
    """Peak resident memory in GB of a process for each job, with few images and with ten times as many."""
    scenes()  # rendered here, not in a child whose memory is measured
    figures = []
    for job, (_, few) in _JOBS.items():
        small, large = _peak(job, few), _peak(job, FACTOR * few)
        figures += [
            at_most(f"{job}, {FACTOR * few} images / {few} images", large / small, 1.1),
            at_most(f"{job}, {FACTOR * few} images", large, LIMIT_GB, "GB"),
        ]
    return Measured(tuple(figures), {})


def _peak(job: str, images: int) -> float:
    """Peak resident memory in GB of a child that does `job`.

    Raises:
        WsssError: the child failed.
    """
    return float(child("-m", "benchmarks.memory", job, str(images))) / 1e9


def _seeds(images: int) -> None:
    from benchmarks.scaling import CHOICES
    from wsss.methods.scoring import score_seeds

    data = repeated(1, images)
    score_seeds(depth_cam(), CHOICES, data, depths_of(data), progress=False)


def _classifier(images: int) -> None:
    from wsss.cam.training import train_classifier

    settings, (model, info) = CONFIG.classifier, classifier()
    samples = (labelled(8, "train") * images)[:images]
    labels = np.stack([sample.labels for sample in samples])
    # Twenty steps for few images and for many: in the first few malloc's heap still grows.
    epochs = max(1, 20 * settings.batch_size // images)
    train_classifier(
        model, info, [sample.image.copy() for sample in samples], labels, epochs=epochs, batch_size=settings.batch_size,
        crop_side=settings.crop_side, learning_rate=settings.learning_rate, frozen_stages=settings.frozen_stages,
        device=pick_device(), progress=False,
    )  # fmt: skip


def _network(images: int) -> None:
    from wsss.segmentation.network import build_network
    from wsss.segmentation.training import train_segmentation

    settings, info = CONFIG.segmentation, classifier()[1]
    samples = (labelled(8, "train") * images)[:images]
    network = build_network(len(scenes().classes), settings.architecture, settings.encoder)
    train_segmentation(
        network, [(sample.image.copy(), sample.truth.copy()) for sample in samples], iterations=3,
        batch_size=settings.batch_size, crop_size=settings.crop_size, learning_rate=settings.learning_rate, seed=0,
        mean=info.mean, std=info.std, device=pick_device(), progress=False, frozen_stages=settings.frozen_stages,
    )  # fmt: skip


_JOBS: dict[str, tuple[Callable[[int], None], int]] = {
    "seeds": (_seeds, 4),
    "classifier training": (_classifier, 16),
    "network training": (_network, 32),
}
"""What a child does with how many images at first."""

if __name__ == "__main__":
    keep_freed_memory()
    _JOBS[sys.argv[1]][0](int(sys.argv[2]))
    print(own_peak())
