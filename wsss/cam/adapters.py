"""Class maps of any trained image classifier: of torchvision, timm, transformers or one's own, which stays as it is.

Where its last feature maps are averaged over the image and go through one linear layer, that layer is put on every cell
instead: a 1×1 convolution, whose maps have the logits as their mean (Zhou et al., CVPR 2016). Whether a network does so
is not read from its code, but tried: the mean of its last feature maps must be what its last layer is given. All other
networks are given gradient maps (LayerCAM: Jiang et al., IEEE TIP 2021).
"""

import copy
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsss.cam.features import Sides
from wsss.cam.sites import Call, Calls, Site, exact_site, gradient_site
from wsss.errors import WsssError, first_line

__all__ = ["AdaptedClassifier", "evaluating"]

OPTIONS: tuple[dict[str, bool], ...] = ({}, {"interpolate_pos_encoding": True})
"""Ways to call a network; the second has vision transformers of Hugging Face take images of any size."""


class AdaptedClassifier(nn.Module):
    """A trained classifier, read through hooks that are there during a pass alone.

    Its weights, its training flags and its gradients are as they were after each pass. It computes where its weights
    are, in their number format.

    Args:
        model: images `(N,3,H,W)`, normalised → logits `(N,C)`, maps `(N,C,h,w)` of them, or an output with `.logits`.
        side: of the square images that it was made for, in pixels.

    Attributes:
        site: where maps are read.
        outputs: C.
        step: pixels per cell.
        fixed: whether it takes images of `side` alone: others are resized, the aspect ratio is then changed.
        sides: of the images that it takes otherwise.

    Raises:
        WsssError: it fails on such an image, or has neither logits nor feature maps that these depend on.
    """

    def __init__(self, model: nn.Module, side: int) -> None:
        super().__init__()
        self.model = _unwrapped(model)
        self.name = type(self.model).__name__
        self.side, self.step, self.fixed, self.sides = side, 1, False, Sides()
        self.options = OPTIONS[0]
        self._turn = threading.RLock()  # hooks of two threads would be given each other's maps
        try:
            probe = self._probe(side, side)
            with self._calls(False) as calls, torch.no_grad():
                logits = self._logits(probe)
        except WsssError:
            raise
        except Exception as error:  # of any network
            raise WsssError(
                f"{self.name} fails on an image of {side}×{side} pixels: {first_line(error)}. Give a network that "
                "takes (N,3,H,W), and its image size with size="
            ) from error
        if not logits.any():
            raise WsssError(f"{self.name} gives logits of 0 whatever the image: give a trained classifier")
        self.outputs = logits.shape[1]
        self.site = exact_site(calls, logits, (side, side)) or self._gradient_site(probe)
        self._find_sides()

    @property
    def exact(self) -> bool:
        """Whether the mean of the maps equals the logits; they are gradient maps otherwise."""
        return self.site.exact

    def bias(self, present: Sequence[int]) -> Tensor:
        """What the linear layer adds to each cell of the maps `(K,)`: not part of the plain CAM."""
        bias = getattr(self._module(self.site.head), "bias", None) if self.site.head else None
        return torch.zeros(len(present)) if bias is None else bias.detach()[list(present)].float().cpu()

    def present_maps(self, images: Tensor, present: Sequence[int], flip: bool = False) -> tuple[Tensor, Tensor]:
        """Class maps `(N,K,h,w)` of the K present classes and logits `(N,C)` of normalised images `(N,3,H,W)`.

        Exact maps are in logits. Gradient maps are not negative: the sum over channels of the feature maps times their
        rectified gradients, times the number of cells, so that those of images of several sizes can be compared.

        Args:
            flip: average with the mirror image, in the same pass.
        """
        if flip:
            images = torch.cat([images, images.flip(3)])
        with self._turn, evaluating(self.model), torch.inference_mode(False), torch.no_grad():
            maps, logits = self._exact(images, present) if self.exact else self._by_gradient(images, present)
        if not flip:
            return maps, logits
        (plain, mirrored), (one, other) = maps.chunk(2), logits.chunk(2)
        return (plain + mirrored.flip(3)) / 2, (one + other) / 2

    def forward(self, images: Tensor) -> Tensor:
        """Class maps `(N,C,h,w)` of all classes."""
        return self.present_maps(images, range(self.outputs))[0]

    def _exact(self, images: Tensor, present: Sequence[int]) -> tuple[Tensor, Tensor]:
        found: list[Tensor] = []
        with _hook(self._module(self.site.name), lambda _m, _i, output: found.append(output)):
            images = self._fitted(images)
            logits = self._logits(images)
        cells = self.site.cells(found[-1], images.shape[2:])
        if self.site.head is None or not len(present):
            return cells[:, list(present)].float(), logits.float()
        head: Any = self._module(self.site.head)
        weight, bias = head.weight.flatten(1)[list(present)], head.bias
        maps = F.conv2d(cells, weight[:, :, None, None], None if bias is None else bias[list(present)])
        return maps.float(), logits.float()

    def _by_gradient(self, images: Tensor, present: Sequence[int]) -> tuple[Tensor, Tensor]:
        found: list[Tensor] = []

        def begin_gradients(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            """What comes before has none: less memory, and no other gradient is touched."""
            found.append(output.detach().requires_grad_())
            torch.set_grad_enabled(True)
            return found[-1].clone()  # what follows may work in place

        with _hook(self._module(self.site.name), begin_gradients):
            images = self._fitted(images)
            logits = self._logits(images)
        features, size = found[-1], images.shape[2:]
        maps = []
        for output in present:
            (gradient,) = torch.autograd.grad(logits[:, output].sum(), features, retain_graph=True)
            weighted = self.site.cells(gradient.relu() * features.detach(), size)
            maps.append(weighted.sum(dim=1).relu() * weighted[0, 0].numel())
        empty = self.site.cells(features.detach(), size)[:, :0]
        return (torch.stack(maps, dim=1) if maps else empty).float().detach(), logits.detach().float()

    def _gradient_site(self, probe: Tensor) -> Site:
        with self._calls(True) as calls, torch.enable_grad():
            logits = self._logits(probe.requires_grad_())
            site = gradient_site(calls, logits, (self.side, self.side))
        if site is None:
            raise WsssError(
                f"{self.name} has no feature maps that its logits depend on: give a network of convolutions or of "
                "tokens that cover the image"
            )
        return site

    def _find_sides(self) -> None:
        """Whether the network takes images of other sizes, and what their sides are multiples of."""
        self.step = step = _step(self.side, self._grid_height())
        probe = self._probe(max(step, self.side - step), self.side + step)
        model = self.model
        for options in OPTIONS:
            self.model = _structure_of(model)  # some networks remember sizes on which they then fail
            self.options, self.sides = options, Sides(step, step)
            try:
                self.present_maps(self._probe(self.side, self.side), [0])
                before = _settings(self.model)
                self.present_maps(probe, [0])
                if _settings(self.model) == before:
                    return
            except Exception:  # of any network
                continue
            finally:
                self.model = model
        self.options, self.fixed, self.sides = OPTIONS[0], True, Sides(self.side, self.side)

    def _grid_height(self) -> int:
        """Rows of cells of an image of `side`."""
        height: int = self.present_maps(self._probe(self.side, self.side), [0])[0].shape[2]
        return height

    def _fitted(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        size = (self.side,) * 2 if self.fixed else (self.sides.nearest(height), self.sides.nearest(width))
        like = next(self.model.parameters())
        images = images.clone() if images.is_inference() else images
        if images.shape[2:] != size:
            images = F.interpolate(images, size=size, mode="bilinear", antialias=self.fixed)
        return images.to(like.device, like.dtype).contiguous()

    def _logits(self, images: Tensor) -> Tensor:
        output: Any = self.model(images, **self.options)
        if not isinstance(output, Tensor):
            output = getattr(output, "logits", output[0] if isinstance(output, tuple | list) else None)
        if isinstance(output, Tensor) and output.dim() == 4:
            output = output.mean(dim=(2, 3))
        if not isinstance(output, Tensor) or output.dim() != 2 or len(output) != len(images):
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise WsssError(f"{self.name} must give logits (N, classes) of images (N,3,H,W), not {shape}")
        return output

    def _probe(self, height: int, width: int) -> Tensor:
        like = next(self.model.parameters(), None)
        if like is None:
            raise WsssError(f"{self.name} has no weights: give a trained classifier")
        noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
        return noise.to(like.device, like.dtype)

    def _module(self, name: str) -> nn.Module:
        return self.model.get_submodule(name)

    @contextmanager
    def _calls(self, gradients: bool) -> Iterator[Calls]:
        """What each module was last given and gave, in order, of a pass in evaluation mode."""
        calls: Calls = {}
        hooks = []
        for name, module in self.model.named_modules():

            def remember(_module: nn.Module, inputs: Any, output: Any, name: str = name) -> None:
                calls.pop(name, None)
                if isinstance(output, Tensor):
                    given = inputs[0] if inputs and isinstance(inputs[0], Tensor) else None
                    calls[name] = Call(_module, given, output)

            hooks.append(module.register_forward_hook(remember))
        try:
            with self._turn, evaluating(self.model), torch.inference_mode(False), torch.set_grad_enabled(gradients):
                yield calls
        finally:
            for hook in hooks:
                hook.remove()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The network in evaluation mode; afterwards each of its modules is in the mode that it was in."""
    trained = [module for module in model.modules() if module.training]
    try:
        if trained:  # setting a flag of a module is slow: a small network has hundreds, and a pass takes milliseconds
            model.eval()
        yield
    finally:
        for module in trained:
            module.training = True


@contextmanager
def _hook(module: nn.Module, hook: Any) -> Iterator[None]:
    def without_answer(*arguments: Any) -> Any:
        answer = hook(*arguments)
        return answer if isinstance(answer, Tensor) else None

    handle = module.register_forward_hook(without_answer)
    try:
        yield
    finally:
        handle.remove()


def _structure_of(model: nn.Module) -> nn.Module:
    """A copy that shares the weights."""
    tensors = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


def _settings(model: nn.Module) -> dict[tuple[str, str], object]:
    """Plain values that modules have beside their weights."""
    plain = bool, int, float, str, tuple
    return {
        (name, key): value
        for name, module in model.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, plain)
    }


def _step(side: int, cells: int) -> int:
    """Pixels per cell; a power of two where convolutions without padding leave out a part of the image's edge."""
    exact: int = side // cells if side % cells == 0 else 2 ** round(math.log2(side / cells))
    return exact


def _unwrapped(model: nn.Module) -> nn.Module:
    """The network itself, out of `torch.compile` or `DataParallel`, in which hooks are not called."""
    compiled = getattr(model, "_orig_mod", None)
    if isinstance(compiled, nn.Module):
        return _unwrapped(compiled)
    parallel = isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel)
    return _unwrapped(model.get_submodule("module")) if parallel else model
