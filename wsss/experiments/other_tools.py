"""What the class maps of another library give on the same classifier: the baselines beside this package's own CAM.

pytorch-grad-cam is used as it comes, on the whole image at scale 1, a pass forward and back for each class. Maps are
in [0, 1]; the threshold is chosen on the tune split, as for all methods.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wsss.analysis import bootstrap_miou, mean_iou
from wsss.analysis.confusion import threshold_confusions
from wsss.analysis.thresholds import THRESHOLDS, choose_threshold, threshold_place
from wsss.cam.classifier import Classifier, ClassifierInfo
from wsss.cam.maps import resize_maps
from wsss.cam.stages import stage_maps
from wsss.data.base import Sample, scene_numbers
from wsss.data.transforms import resize_image, scaled_size, to_tensor
from wsss.errors import WsssError
from wsss.experiments.record_facts import provenance_of, rounded
from wsss.io import write_json
from wsss.machine.lazy import needed
from wsss.machine.parallel import image_bar
from wsss.pipeline import Run
from wsss.records.provenance import package_versions
from wsss.records.record import ToolsRecord
from wsss.records.store import tools_path

__all__ = ["TOOLS", "compare_tools"]

OWN = "cam, one pass"
"""This package's plain CAM at scale 1, beside which the tools stand."""

TOOLS = ("GradCAM", "GradCAMPlusPlus", "LayerCAM", "RefineCAM")
"""Classes of pytorch-grad-cam. The last fuses several layers by their product, as its authors do."""

Maps = Callable[[Sample, NDArray[np.intp]], Tensor]
"""Image, present classes → maps `(K,H,W)` in [0, 1]."""


class _Logits(nn.Module):
    """A classifier of this package in the shape that tools expect: images `(N,3,H,W)` → logits `(N,C)`."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.features, self.last, self.head = model.features, nn.Identity(), model.head

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.head(self.last(self.features(images)[-1]))
        return maps.mean(dim=(2, 3))


def compare_tools(runs: Sequence[Run], folder: Path, split: str = "report") -> ToolsRecord:
    """Score the tools on a split, at thresholds chosen on the tune split, and write a record.

    Args:
        runs: one configuration with different seeds.
        folder: root of the record tree.

    Returns:
        `{"data", "split", "seeds", "rows", …}`; of each row `method`, `miou` (mean over seeds), `per_seed`, its
        `interval` over scenes, the `thresholds`, and seconds per image.

    Raises:
        WsssError: pytorch-grad-cam is not installed.
    """
    runs[0].require_apart(folder)
    rows, data = [], runs[0].data(split)
    scenes = scene_numbers(data)
    for tool in (OWN, *TOOLS):
        scored = [_scored(run, tool, split) for run in runs]
        confusions = [each["confusions"] for each in scored]
        per_seed = [float(mean_iou(each.sum(axis=0))) for each in confusions]
        rows.append(
            {
                "method": tool,
                "miou": round(float(np.mean(per_seed)), 3),
                "per_seed": rounded(per_seed),
                "interval": rounded(bootstrap_miou(confusions, scenes=scenes)),
                "thresholds": [each["threshold"] for each in scored],
                "seconds_per_image": round(float(np.mean([each["seconds"] for each in scored])), 3),
            }
        )
    record: ToolsRecord = {
        "data": runs[0].data_name,
        "split": data.split,
        "profile": runs[0].config.profile,
        "seeds": [run.config.seed for run in runs],
        "num_images": len(data),
        "rows": rows,
        "tool": package_versions(["grad-cam"]),
        "provenance": provenance_of(runs[0], data.fingerprint()),
    }
    write_json(tools_path(folder, record["data"], record["split"]), record)
    return record


def _scored(run: Run, tool: str, split: str) -> dict[str, Any]:
    """Confusions `(N,C+1,C+2)` of a split's images at the threshold chosen on tune, and seconds per image."""
    maps = _own_maps(run) if tool == OWN else _maps_of(tool, *run.classifier)
    tune, seconds = _counts(run, maps, "tune", tool)
    threshold, _ = choose_threshold(tune.sum(axis=0))
    counts, seconds = (tune, seconds) if split == "tune" else _counts(run, maps, split, tool)
    return {"confusions": counts[:, threshold_place(threshold)], "threshold": threshold, "seconds": seconds}


def _counts(run: Run, maps: Maps, split: str, tool: str) -> tuple[NDArray[np.int64], float]:
    """Confusions `(N,47,C+1,C+2)` of each image at all thresholds, and seconds per image."""
    data, found, seconds = run.data(split), [], 0.0
    for index in image_bar(range(len(data)), f"{tool} on {data.split}", run.progress):
        sample = data[index]
        present = np.flatnonzero(sample.labels)
        start = time.perf_counter()
        scores = maps(sample, present).numpy() if len(present) else np.zeros((0, *sample.truth.shape), np.float32)
        seconds += time.perf_counter() - start
        found.append(threshold_confusions(scores, present + 1, sample.truth, len(data.classes), THRESHOLDS))
    return np.stack(found), seconds / max(1, len(data))


def _own_maps(run: Run) -> Maps:
    cam = run.depth_cam
    return lambda sample, present: cam.look(sample.id, sample.image, present).plain()


def _maps_of(tool: str, model: Classifier, info: ClassifierInfo) -> Maps:
    """Maps of a tool at scale 1, brought to the image's size."""
    pytorch_grad_cam = needed("pytorch_grad_cam", f"{tool} of another library")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    if not hasattr(pytorch_grad_cam, tool):
        raise WsssError(f"this version of pytorch-grad-cam has no {tool}: install a newer grad-cam")
    logits = _Logits(model).eval()
    earlier = _earlier(logits, info) if tool == "RefineCAM" else []
    made = getattr(pytorch_grad_cam, tool)(logits, [*earlier, logits.last])

    def maps(sample: Sample, present: NDArray[np.intp]) -> Tensor:
        height, width = sample.image.shape[:2]
        tensor = to_tensor(sample.image, info.mean, info.std)[None]
        seen = resize_image(tensor, scaled_size(height, width, info.base_side, 1.0)).requires_grad_()
        found = [made(input_tensor=seen, targets=[ClassifierOutputTarget(int(one))])[0] for one in present]
        return resize_maps(torch.from_numpy(np.stack(found)).float(), (height, width)).clamp(0, 1)

    return maps


def _earlier(logits: _Logits, info: ClassifierInfo) -> list[nn.Module]:
    """The stages before the last, from a quarter of the image's sides on."""
    side = max(64, info.base_side)
    with stage_maps(logits) as stages, torch.inference_mode():
        logits(torch.zeros(1, 3, side, side))
    return [module for module, maps in stages[:-1] if max(maps.shape[2:]) <= side // 4]
