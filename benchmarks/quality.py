"""What speed costs in quality: mAP beside the plain training loop, mIoU of seeds in 16 bit beside float32. Trains to the end."""

import torch

from benchmarks.measure import Effort, Measured, at_most, float32, shown
from benchmarks.training_peer import PlainTraining, plain_loop
from wsss.cam.classifier import build_classifier
from wsss.cam.training import mean_average_precision, predict_probabilities
from wsss.methods.depth_cam import Depths
from wsss.methods.scoring import choose_parameters
from wsss.pipeline import Run, open_run

__all__ = ["measure"]

METHODS = ("cam", "depth")


def measure(effort: Effort) -> Measured:
    """Classifier and tune split of the default profile (of the smoke profile in a quick run); trained here if not in the cache."""
    run = open_run("smoke" if effort.quick else "default", "tabletop")
    ours = run.classifier_report()
    theirs = _plain(run)
    fine = _tune(run)
    with float32():
        exact = _tune(run)
    figures = (
        *(at_most(f"mAP on {split}, plain loop less wsss", theirs[split] - ours["map"][split], 0.5, "points") for split in theirs),
        *(at_most(f"mIoU of {name} on tune, 32 bit less 16", exact[name] - fine[name], 0.1, "points") for name in METHODS),
        shown("mAP on the reported split, wsss", ours["map"]["report"], "%", "at least"),
    )  # fmt: skip
    return Measured(figures, {})


def _plain(run: Run) -> dict[str, float]:
    """mAP of each split after the plain loop."""
    settings, (_, info) = run.config.classifier, run.classifier
    torch.manual_seed(run.config.seed)
    model = build_classifier(settings.backbone, len(info.classes), settings.output_stride)
    images, labels = run.images_and_labels("train")
    data = PlainTraining([images[index] for index in range(len(images))], labels, settings.crop_side, info)
    trained = plain_loop(
        model, data, epochs=settings.epochs, batch_size=settings.batch_size, learning_rate=settings.learning_rate,
        seed=run.config.seed,
    )  # fmt: skip
    found = {}
    with float32():
        for split in ("tune", "report"):
            images, labels = run.images_and_labels(split)
            found[split] = mean_average_precision(labels, predict_probabilities(trained, info, images, run.device))
    return found


def _tune(run: Run) -> dict[str, float]:
    """mIoU of each method on tune with the parameters that are best there."""
    depths: Depths = {None: run.depth_of("tune")}
    chosen = choose_parameters(run.depth_cam, METHODS, run.data("tune"), depths, progress=False)
    return {name: round(chosen[name].miou or 0.0, 3) for name in METHODS}
