"""Checkpoints of the three kinds of networks, with random weights of timm's smallest backbone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from wsss.cam.classifier import Classifier, info_for, save_classifier
from wsss.depth.monocular import DepthNetwork, save_depth_network
from wsss.segmentation.network import build_network, save_network
from wsss.segmentation.predictor import Predictor, predictor_facts

KINDS = ("classifier", "segmentation network", "depth network")
CLASSES = ("cat/dog", 'a "quoted" `one`', "mug")
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def checkpoint(kind: str, path: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    if kind == "classifier":
        info = info_for("test_efficientnet", CLASSES, 16, 64)
        info.chosen["cam"] = {"parameters": {}, "threshold": 0.3, "miou": 41.26, "trials": 1}
        save_classifier(path, used(Classifier("test_efficientnet", 3)), replace(info, mean=MEAN, std=STD))
    elif kind == "depth network":
        network = DepthNetwork.build("test_efficientnet", MEAN, STD, 64, ("a", "b"))
        used(network.module)
        save_depth_network(path, network)
    else:
        one = used(build_network(3, encoder="tu-test_efficientnet"))
        facts = predictor_facts(Predictor(one, CLASSES, MEAN, STD, 64, (1.0, 1.5)))
        save_network(path, one, facts | {"labels": '"depth+par"'})
    return path


def used(module: Any) -> Any:
    """With statistics of batch norms that are not those of a new network."""
    for name, buffer in module.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.add_(torch.rand_like(buffer) / 10)
    return module.eval()
