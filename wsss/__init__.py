"""Weakly-supervised semantic segmentation via depth-guided class activation maps.

Three lines for one image; `wsss --help` for everything else::

    from wsss import DepthCAM

    cam = DepthCAM(model)  # of torchvision, timm, transformers or one's own; or DepthCAM.from_checkpoint(path)
    result = cam("photo.jpg", classes=["mug"], depth="photo.npy", kind="metric")

The names below are imported when they are asked for. docs/architecture.md shows the rooms of the package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wsss.machine.waiting import wait_briefly

if TYPE_CHECKING:
    from wsss.analysis.thresholds import pseudo_label
    from wsss.cam.classifier import load_classifier
    from wsss.data.adapters import as_dataset
    from wsss.data.base import Sample
    from wsss.data.registry import open_dataset, register_dataset
    from wsss.depth.names import register_depth_source
    from wsss.depth.sources import open_depth
    from wsss.errors import WsssError
    from wsss.experiments.evaluate import evaluate_folder
    from wsss.methods.depth_cam import DepthCAM
    from wsss.methods.image_result import ImageResult
    from wsss.methods.registry import METHODS, register_proposal
    from wsss.networks.pretrained import pretrained_file
    from wsss.pipeline.opening import open_run
    from wsss.pipeline.profiles import profile
    from wsss.pipeline.run import Run
    from wsss.pseudo.refinement import REFINEMENTS, register_refinement
    from wsss.records.store import load_records
    from wsss.segmentation.predictor import load_predictor
    from wsss.segmentation.pretrained import from_pretrained, save_pretrained
    from wsss.segmentation.registry import register_network

    __version__: str

__all__ = [
    "METHODS",
    "REFINEMENTS",
    "DepthCAM",
    "ImageResult",
    "Run",
    "Sample",
    "WsssError",
    "as_dataset",
    "evaluate_folder",
    "from_pretrained",
    "load_classifier",
    "load_predictor",
    "load_records",
    "open_dataset",
    "open_depth",
    "open_run",
    "pretrained_file",
    "profile",
    "pseudo_label",
    "register_dataset",
    "register_depth_source",
    "register_network",
    "register_proposal",
    "register_refinement",
    "save_pretrained",
]

_PLACES = {
    "METHODS": "methods.registry",
    "REFINEMENTS": "pseudo.refinement",
    "DepthCAM": "methods.depth_cam",
    "ImageResult": "methods.image_result",
    "Run": "pipeline.run",
    "Sample": "data.base",
    "WsssError": "errors",
    "as_dataset": "data.adapters",
    "evaluate_folder": "experiments.evaluate",
    "from_pretrained": "segmentation.pretrained",
    "load_classifier": "cam.classifier",
    "load_predictor": "segmentation.predictor",
    "load_records": "records.store",
    "open_dataset": "data.registry",
    "open_depth": "depth.sources",
    "open_run": "pipeline.opening",
    "pretrained_file": "networks.pretrained",
    "profile": "pipeline.profiles",
    "pseudo_label": "analysis.thresholds",
    "register_dataset": "data.registry",
    "register_depth_source": "depth.names",
    "register_network": "segmentation.registry",
    "register_proposal": "methods.registry",
    "register_refinement": "pseudo.refinement",
    "save_pretrained": "segmentation.pretrained",
}
"""Room and file of each name."""


wait_briefly()  # before anything here imports torch


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module(f"{__name__}.paths").VERSION
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
