"""Training of the classifier: images a second beside a plain float32 loop with torchvision transforms."""

import copy

import numpy as np

from benchmarks.material import CONFIG, classifier, labelled
from benchmarks.measure import Effort, Measured, at_least, ratio, shown, timed_in_turns
from benchmarks.training_peer import PlainTraining, plain_loop
from wsss.cam.training import train_classifier

__all__ = ["measure"]


def measure(effort: Effort) -> Measured:
    """Seconds for one pass over a few batches. Whether both learn as much is the part `quality`."""
    settings, (model, info) = CONFIG.classifier, classifier()
    samples = labelled((1 if effort.quick else 2) * settings.batch_size, "train")
    images, labels = [sample.image for sample in samples], np.stack([sample.labels for sample in samples])
    plain = PlainTraining(images, labels, settings.crop_side, info)

    def wsss() -> None:
        train_classifier(
            copy.deepcopy(model), info, images, labels, epochs=1, batch_size=settings.batch_size, crop_side=settings.crop_side,
            learning_rate=settings.learning_rate, frozen_stages=settings.frozen_stages, progress=False,
        )  # fmt: skip

    def loop() -> None:
        plain_loop(model, plain, epochs=1, batch_size=settings.batch_size, learning_rate=settings.learning_rate)

    seconds = timed_in_turns({"wsss": wsss, "plain loop": loop}, effort.rounds)
    figures = (
        at_least("plain float32 loop / wsss", ratio(seconds, "plain loop", "wsss"), 2),
        shown("images a second", len(images) / float(np.median(seconds["wsss"])), "1/s", "at least"),
    )
    return Measured(figures, seconds)
