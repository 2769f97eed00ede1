"""Networks as ONNX files, for any runtime: normalisation inside, class names in the metadata, sizes free."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsss.checks import require_apart
from wsss.errors import WsssError, first_line
from wsss.io import atomic_path
from wsss.machine.lazy import needed
from wsss.paths import VERSION
from wsss.segmentation.any_checkpoint import AnyCheckpoint, load_any
from wsss.segmentation.inference import STRIDE

__all__ = ["METADATA", "NormalisedNetwork", "export_onnx"]

METADATA = "wsss_kind"
"""Key of the metadata that says which kind of network a file holds."""

OPSET = 17  # with the operators that the networks need; every runtime since 2022 has it
CLOSE = 1e-4  # largest difference from torch, relative to the largest output where that is above 1
SIZES = ((2, 64, 96), (1, 75, 50))  # N, H, W: of the image that is traced, and of one of other sides

OUTPUTS = {"segmentation network": ("logits",), "classifier": ("logits", "maps"), "depth network": ("inverse_depth",)}
"""Names of the outputs; see `NormalisedNetwork`."""


class NormalisedNetwork(nn.Module):
    """A network as it is exported: `(N,3,H,W) float32` RGB in [0, 1], of any H and W, to its outputs.

    - a segmentation network: logits `(N,C + 1,H,W)`, background first;
    - a classifier: logits `(N,C)`, whose sigmoids are the probabilities, and class maps `(N,C,h,w)`, whose mean they
      are;
    - a depth network: inverse depth `(N,1,H,W)` up to scale and shift.

    Raises:
        WsssError: a classifier whose backbone takes images of some sizes only.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, held: AnyCheckpoint) -> None:
        super().__init__()
        self.module, self.classifies = held.module, held.kind == "classifier"
        sides: Any = getattr(held.module, "sides", None)
        if sides is not None and (sides.step, sides.least) != (1, 1):
            raise WsssError(
                f"a classifier on {held.facts['backbone']}, which takes images of some sizes only, has no ONNX file "
                "with free sizes. Train one on a convolutional backbone, such as tf_efficientnet_lite0."
            )
        self.register_buffer("mean", torch.tensor(held.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(held.std)[:, None, None])

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        normalised = (image - self.mean) / self.std
        if self.classifies:
            module: Any = self.module
            maps: Tensor = module.head(module.features(normalised)[-1])
            return maps.mean(dim=(2, 3)), maps
        height, width = image.shape[-2:]
        # As `wsss predict` does: with zeros, the mean colour, to multiples of what any encoder needs.
        padded = F.pad(normalised, (0, -width % STRIDE, 0, -height % STRIDE))
        answer: Tensor = self.module(padded)
        return answer[..., :height, :width]


def export_onnx(checkpoint: Path, out: Path) -> float:
    """Write a checkpoint of any kind as an ONNX file, atomically, once onnxruntime has given what torch gives.

    Input `image` is RGB in [0, 1]; batch, height and width are free. `metadata_props` has `wsss_kind`, `classes` (JSON:
    the names of the outputs' channels), `side` (the long side in pixels that images had in training), `image`, `mean`
    and `std` (for information: they are applied inside), and `version`.

    Returns:
        The largest difference from torch, on random images of two sizes.

    Raises:
        WsssError: the checkpoint cannot be read, a library is missing, the network cannot be written as ONNX or gives
            something else there, or `out` is there and is no such file.
    """
    onnx, runtime = _libraries()
    require_apart(out, checkpoint, remedy="Give another file with --out.")
    _require_free(out, onnx)
    held = load_any(checkpoint)
    module = NormalisedNetwork(held).eval()
    with atomic_path(out) as path:
        try:
            _trace(module, path, OUTPUTS[held.kind])
            model = onnx.load(str(path))
            for key, value in _metadata(held).items():
                entry = model.metadata_props.add()
                entry.key, entry.value = key, value
            onnx.checker.check_model(model)
            onnx.save(model, str(path))
        except OSError:
            raise
        except Exception as error:  # of the exporter, on an operator that ONNX has not, in many lines
            raise WsssError(f"{checkpoint} cannot be written as ONNX: {first_line(error)}") from error
        return _difference(module, runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"]), checkpoint)


def _libraries() -> tuple[Any, Any]:
    return needed("onnx", "ONNX"), needed("onnxruntime", "ONNX")


def _require_free(out: Path, onnx: Any) -> None:
    """Raise a `WsssError` unless a file is not there, or is one of these."""
    if not out.exists():
        return
    try:
        known = {entry.key for entry in onnx.load(str(out), load_external_data=False).metadata_props}
    except Exception:  # a folder, or a file of anything
        known = set()
    if METADATA not in known:
        raise WsssError(f"{out} is there and is no ONNX file of this package. Give another file with --out.")


def _trace(module: nn.Module, path: Path, outputs: tuple[str, ...]) -> None:
    """By torch's older exporter: the newer one takes minutes for EfficientNet with free sides, this one a second."""
    count, height, width = SIZES[0]
    free = {0: "batch", 2: "height", 3: "width"}
    of_outputs: dict[str, dict[int, str]] = {name: free for name in outputs}
    if len(outputs) > 1:  # of a classifier
        of_outputs = {"logits": {0: "batch"}, "maps": {0: "batch", 2: "rows", 3: "columns"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is the older one; that shapes of weights are constants
        torch.onnx.export(
            module,
            (torch.rand(count, 3, height, width),),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=list(outputs),
            dynamic_axes={"image": free, **of_outputs},
        )


def _metadata(held: AnyCheckpoint) -> dict[str, str]:
    background = ("background",) if held.kind == "segmentation network" else ()
    return {
        METADATA: held.kind,
        "classes": json.dumps([*background, *held.classes]),
        "side": str(held.side),
        "image": "RGB float32 in [0, 1], (N,3,H,W); normalisation is inside",
        "mean": json.dumps(held.mean),
        "std": json.dumps(held.std),
        "version": VERSION,
    }


@torch.inference_mode()
def _difference(module: nn.Module, session: Any, checkpoint: Path) -> float:
    largest, generator = 0.0, torch.Generator().manual_seed(0)
    for count, height, width in SIZES:
        image = torch.rand(count, 3, height, width, generator=generator)
        expected, found = module(image), session.run(None, {"image": image.numpy()})
        for ours, theirs in zip(expected if isinstance(expected, tuple) else (expected,), found, strict=True):
            if tuple(ours.shape) != theirs.shape:
                raise WsssError(f"{checkpoint} as ONNX answers with {theirs.shape} where torch does with {ours.shape}")
            apart = float(np.abs(ours.numpy() - theirs).max())
            if not apart <= CLOSE * max(1.0, float(ours.abs().max())):
                raise WsssError(f"{checkpoint} as ONNX differs from torch by {apart:.1e}, which is more than {CLOSE}")
            largest = max(largest, apart)
    return largest
