"""Depth that a network predicts from the photograph alone: models of a hub, or one trained by this package.

Predictions are normalised once and kept on disk as 16-bit PNGs, one per image and model.
"""

from collections.abc import Callable
from functools import cache, wraps
from inspect import signature
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from wsss.data.base import Dataset
from wsss.data.inverse_depth import inverse_depth, normalise_inverse_depth
from wsss.data.pictures import read_image, write_png
from wsss.depth.monocular import DepthNetwork, load_depth_network, predict_inverse_depth
from wsss.depth.specs import is_there
from wsss.errors import WsssError, first_line
from wsss.machine.lazy import needed
from wsss.machine.runtime import pick_device
from wsss.paths import typed_path

__all__ = ["cached", "fold_path", "hub_depth", "learned_depth", "model_kind", "require_hub_model"]

T = TypeVar("T")
Estimator = Callable[[int], NDArray[np.float32]]

METRIC_MODELS = ("zoedepth", "depth_pro", "glpn", "prompt_depth_anything", "tipsv2_dpt")
"""Model types of transformers whose output grows with distance."""

FOLDS = 2


def _once(load: Callable[[], T]) -> Callable[[], T]:
    """`load`, called once: `functools.cache` alone lets two threads that come first load two models."""
    kept, loading = cache(load), Lock()

    @wraps(load)
    def loaded() -> T:
        with loading:
            return kept()

    return loaded


def cached(estimate: Estimator, dataset: Dataset, folder: Path | None) -> Estimator:
    """Keep the maps of `estimate` in `folder` as `ID.png` (16 bits, inverse depth × 65535); None keeps nothing."""
    if folder is None:
        return estimate

    def load(index: int) -> NDArray[np.float32]:
        path = folder / f"{dataset.ids[index]}.png"
        if not path.exists():
            write_png(path, (estimate(index) * 65535).round().astype(np.uint16))
        return (read_image(path, mode=None) / 65535).astype(np.float32)

    return load


def model_kind(config: Any) -> str:
    """Whether a transformers depth model's output is `metric` (larger = farther) or `inverse` (larger = nearer).

    Args:
        config: the model's configuration.

    Raises:
        WsssError: a model type that is not known; its kind must be stated.
    """
    if config.model_type in METRIC_MODELS:
        return "metric"
    if config.model_type == "depth_anything":
        return "metric" if getattr(config, "depth_estimation_type", "relative") == "metric" else "inverse"
    if config.model_type == "dpt":
        # DPT heads on DINOv2 were trained for metres, those on other backbones by MiDaS for disparity.
        backbone = getattr(config, "backbone_config", None)
        return "metric" if getattr(backbone, "model_type", "") == "dinov2" else "inverse"
    raise WsssError(
        f"whether {config.model_type} predicts distance or its inverse is not known here: "
        "state it with --depth-kind metric|inverse, of a method's own source with --source NAME=hf:MODEL --depth-kind "
        "NAME=inverse"
    )


def require_hub_model(model_id: str) -> None:
    """Raise a `WsssError` where a model is neither in a folder nor in the hub's cache, and the hub cannot give it.

    It asks once and waits for seconds: the library itself would try again for minutes.
    """
    needed("transformers", f"depth model {model_id}")
    from huggingface_hub import HfApi, try_to_load_from_cache

    try:
        if is_there(typed_path(model_id), folder=True) or try_to_load_from_cache(model_id, "config.json"):
            return
        HfApi().model_info(model_id, timeout=10)
    except Exception as error:  # no network, no such model, no name of one
        raise WsssError(f"cannot get depth model {model_id} from the hub: {first_line(error)}") from error


def hub_depth(model_id: str, dataset: Dataset, kind: str | None) -> Estimator:
    """Inverse depth by a model of the Hugging Face hub, or of a local folder that holds one.

    Args:
        model_id: such as `depth-anything/Depth-Anything-V2-Small-hf`.
        kind: `metric` or `inverse`; None takes what is known of the model (see `model_kind`).

    Raises:
        WsssError: the model cannot be loaded, its kind is unknown, or it fails on an image; the message names it.
    """

    @_once
    def load() -> tuple[Any, Any, str]:
        needed("transformers", f"depth model {model_id}")
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        try:
            processor = AutoImageProcessor.from_pretrained(model_id, trust_remote_code=False)
            model = AutoModelForDepthEstimation.from_pretrained(model_id, trust_remote_code=False, use_safetensors=True)
        except Exception as error:  # transformers raises a dozen types on a folder that holds something else
            raise WsssError(
                f"cannot load depth model {model_id}: {first_line(error)}. "
                "Give a local folder (hf:DIR), or use files:DIR or learned."
            ) from error
        return processor, model.eval().to(pick_device()), kind or model_kind(model.config)

    @torch.inference_mode()
    def estimate(index: int) -> NDArray[np.float32]:
        processor, model, its_kind = load()
        image = dataset[index].image
        try:
            depth = _predicted_depth(processor, model, image)
        except Exception as error:  # of a processor or a model, each with its own least size, or of memory
            height, width = image.shape[:2]
            raise WsssError(
                f"depth model {model_id} fails on image {dataset.ids[index]} of {width}×{height} pixels: "
                f"{first_line(error)}. Leave that image out of the list of the split, or use files:DIR or learned."
            ) from error
        return normalise_inverse_depth(inverse_depth(depth, its_kind))

    return estimate


def _predicted_depth(processor: Any, model: Any, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What a transformers depth model predicts of `H×W×3 uint8`: `H×W float32`; raises whatever the library does."""
    size = image.shape[:2]
    # Stated, because a side of 1 or 3 pixels is taken for channels.
    inputs = processor(images=image, return_tensors="pt", input_data_format="channels_last").to(model.device)
    outputs = model(**inputs)
    # The processor undoes its own resizing and padding; models differ in both, and some have to be told what was
    # padded.
    undo = processor.post_process_depth_estimation
    sizes = {name: [size] for name in ("target_sizes", "source_sizes") if name in signature(undo).parameters}
    depth = undo(outputs, **sizes)[0]["predicted_depth"].float().cpu().numpy()
    return np.asarray(depth.reshape(size), np.float32)  # axes of one pixel have been dropped


def fold_path(checkpoint: Path, fold: int) -> Path:
    """Where the network that has not seen fold `fold` of the training images lies, beside the one that has seen all."""
    return checkpoint.with_suffix(f".fold{fold}.safetensors")


def learned_depth(checkpoint: Path, dataset: Dataset) -> Estimator:
    """Inverse depth by networks of `wsss train-depth`, cross-fitted on their own training images.

    An image whose depth the network was trained on is given to the fold's network that has not seen it.

    Raises:
        WsssError: a checkpoint is unreadable, or every network there is has seen an image.
    """
    device = pick_device()

    @_once
    def networks() -> list[DepthNetwork]:
        folds = [path for fold in range(FOLDS) if (path := fold_path(checkpoint, fold)).exists()]
        found = [load_depth_network(path) for path in (checkpoint, *folds)]
        for one in found:
            one.module.to(device)
        return found

    def estimate(index: int) -> NDArray[np.float32]:
        name = dataset.ids[index]
        network = next((one for one in networks() if name not in one.trained_on), None)
        if network is None:
            raise WsssError(
                f"every depth network at {checkpoint} was trained on an image {name}: train its folds too "
                "(`wsss train-depth --folds`), or rename yours if it is another image"
            )
        return normalise_inverse_depth(predict_inverse_depth(network, dataset[index].image, device))

    return estimate
