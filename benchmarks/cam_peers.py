"""Other libraries' CAMs of the same network on the same tensors: pytorch-grad-cam's GradCAM and torch-cam's CAM.

On the last feature map before pooling and one linear layer GradCAM *is* the plain CAM: a logit's gradient is the layer's weight.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.material import Logits, classifier

__all__ = ["GradCam", "Peer", "TorchCam"]

Map = NDArray[np.float32]


class Peer(AbstractContextManager["Peer"]):
    """A library's way to class maps."""

    def maps(self, batch: Tensor, present: Sequence[int]) -> Tensor:
        """Maps `(K,N,h,w)` of the classes `present` of images `(N,3,H,W)`, as the library scales and sizes them."""
        raise NotImplementedError

    def pyramid(self, levels: Sequence[Tensor], present: Sequence[int], size: tuple[int, int], together: bool) -> Map:
        """Mean map `(K,H,W)` of images `(1,3,h,w)` at several scales and of their mirror images.

        Args:
            together: whether an image and its mirror image share a batch.
        """
        total = torch.zeros(len(present), *size)
        for level in levels:
            mirrored = level.flip(3)
            if together:
                both = self.maps(torch.cat([level, mirrored]), present)
                pair = [both[:, 0], both[:, 1]]
            else:
                pair = [self.maps(level, present)[:, 0], self.maps(mirrored, present)[:, 0]]
            for maps in (pair[0], pair[1].flip(2)):
                total += F.interpolate(maps[None], size=size, mode="bilinear", align_corners=False)[0]
        return np.asarray(total.numpy() / (2 * len(levels)), np.float32)


class GradCam(Peer):
    """pytorch-grad-cam: a forward and a backward pass for each class."""

    def __init__(self) -> None:
        from pytorch_grad_cam import GradCAM

        model = Logits(classifier()[0])
        self._cam: Any = GradCAM(model=model, target_layers=[model.last])

    def __exit__(self, *_: object) -> None:
        self._cam.activations_and_grads.release()

    def maps(self, batch: Tensor, present: Sequence[int]) -> Tensor:
        """See `Peer`; divided by their maxima, at the size of the images."""
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        each = [self._cam(input_tensor=batch, targets=[ClassifierOutputTarget(k)] * len(batch)) for k in present]
        return torch.from_numpy(np.stack(each))


class TorchCam(Peer):
    """torch-cam: one forward pass, then a weighted sum of channels for each class."""

    def __init__(self) -> None:
        from torchcam.methods import CAM

        self._model = Logits(classifier()[0]).eval()
        self._cam: Any = CAM(self._model, target_layer="last", fc_layer="head")

    def __exit__(self, *_: object) -> None:
        self._cam.remove_hooks()

    @torch.no_grad()
    def maps(self, batch: Tensor, present: Sequence[int]) -> Tensor:
        """See `Peer`; logits less the head's bias, at the size of the feature map."""
        scores = self._model(batch)
        return torch.stack([self._cam([k] * len(batch), scores, normalized=False)[0] for k in present])
