"""Class maps of any trained image classifier: of torchvision, timm, transformers or one's own, which stays as it is.

Where its last feature maps are averaged over the image and go through one linear layer, that layer is put on every cell
instead: a 1×1 convolution, whose maps have the logits as their mean (Zhou et al., CVPR 2016). Whether a network does so
is not read from its code, but tried: the mean of its last feature maps must be what its last layer is given. All other
networks are given gradient maps (LayerCAM: Jiang et al., IEEE TIP 2021).
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsss.cam.features import Sides
from wsss.cam.logits import STRENGTHS, logits_of, noise, refuse_probabilities, require_logits
from wsss.cam.passes import evaluating, formats, hook, oblong_size, structure_of, turn_of, unwrapped
from wsss.cam.sites import Call, Calls, Site, exact_site, gradient_site, named_layer, unchanged
from wsss.errors import WsssError, first_line

__all__ = ["AdaptedClassifier"]

OPTIONS: tuple[dict[str, bool], ...] = ({}, {"interpolate_pos_encoding": True})
"""Ways to call a network; the second has vision transformers of Hugging Face take images of any size."""


class AdaptedClassifier(nn.Module):
    """A trained classifier, read through hooks that are there during a pass alone.

    Its weights, its training flags and its gradients are as they were after each pass. It computes where its weights
    are, in their number format.

    Args:
        model: images `(N,3,H,W)`, normalised → logits `(N,C)`, maps `(N,C,h,w)` of them, or an output with `.logits`.
        side: of the square images that it was made for, in pixels.
        layer: name of the module whose outputs become maps, by their gradients; None finds where maps are exact, or
            else the last one.

    Attributes:
        site: where maps are read.
        outputs: C.
        step: pixels per cell.
        fixed: whether it takes images of `side` alone: others are resized, the aspect ratio is then changed.
        sides: of the images that it takes otherwise.

    Raises:
        WsssError: it fails on such an image, or has neither logits nor feature maps that these depend on; or it has no
            such module, or one whose outputs are no maps.
    """

    def __init__(self, model: nn.Module, side: int, layer: str | None = None) -> None:
        super().__init__()
        self.model = unwrapped(model)
        self.name = type(self.model).__name__
        self.side, self.step, self.fixed, self.sides = side, 1, False, Sides()
        self.options, self.format = OPTIONS[0], 0
        calls, logits = self._first_pass()
        require_logits(logits, self.name)
        if logits.min() >= 0 and logits.max() <= 1:
            refuse_probabilities(self._outputs_with_history(), self.name, stacklevel=4)  # where a DepthCAM is made
        self.outputs = logits.shape[1]
        exact = None if layer is not None else exact_site(calls, logits, (side, side))
        self.site = exact or self._gradient_site(layer)
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
        with turn_of(self.model), evaluating(self.model), torch.inference_mode(False), torch.no_grad():
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
        with hook(self._module(self.site.name), lambda _m, _i, output: found.append(output)):
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

        with hook(self._module(self.site.name), begin_gradients):
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

    def _first_pass(self) -> tuple[Calls, Tensor]:
        """What its modules give for an image of noise, and its logits, in the first number format that it takes."""
        kinds, failures = formats(self.model), []
        if not kinds:
            raise WsssError(f"{self.name} has no weights: give a trained classifier")
        for self.format in range(len(kinds)):
            try:
                with self._calls(False) as calls, torch.no_grad():
                    return calls, self._logits(self._probe(self.side, self.side))
            except WsssError:
                raise
            except Exception as error:  # of any network
                failures.append(error)
        remedy = "Give a network that takes (N,3,H,W), and its image size with size="
        if size := oblong_size(self.model):
            remedy = f"It is made for images of {size[0]}×{size[1]} pixels: give a network for square ones"
        raise WsssError(
            f"{self.name} fails on an image of {self.side}×{self.side} pixels: {first_line(failures[0])}. {remedy}"
        ) from failures[0]

    def _outputs_with_history(self) -> Tensor:
        """Its outputs `(N,C)` for noise of several strengths, as autograd sees them."""
        images = self._placed(noise(self.side, self.side, STRENGTHS)).requires_grad_()
        with self._calls(True):
            return self._logits(images)

    def _gradient_site(self, layer: str | None) -> Site:
        probe = self._probe(self.side, self.side)
        with self._calls(True) as calls:
            logits = self._logits(probe.requires_grad_())
            wanted = calls if layer is None else named_layer(calls, layer, self.name)
            site = gradient_site(wanted, logits, (self.side, self.side)) if logits.requires_grad else None
        if site is None and layer is not None:
            raise WsssError(
                f"the outputs of {layer} are no maps of cells that cover the image and that the logits of {self.name} "
                "depend on: name another layer, or leave it out"
            )
        if site is None:
            raise WsssError(
                f"{self.name} has no feature maps that its logits depend on: give a network of convolutions or of "
                "tokens that cover the image, whose forward has no torch.no_grad() or detach()"
            )
        return site

    def _find_sides(self) -> None:
        """Whether the network takes images of other sizes, and what their sides are multiples of."""
        self.step = step = _step(self.side, self._grid_height())
        own, probe = self._probe(self.side, self.side), self._probe(max(step, self.side - step), self.side + step)
        model = self.model
        for options in OPTIONS:
            with turn_of(model):  # whose hooks would be copied, too
                tried = structure_of(model)  # some networks remember sizes, on which they then fail or go on otherwise
            if tried is None:
                break
            self.model, self.options, self.sides = tried, options, Sides(step, step)
            try:
                before = self.present_maps(own, [0])
                self.present_maps(probe, [0])
                if all(map(unchanged, before, self.present_maps(own, [0]))):
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
        images = images.clone() if images.is_inference() else images
        if images.shape[2:] != size:
            images = F.interpolate(images, size=size, mode="bilinear", antialias=self.fixed)
        return self._placed(images)

    def _placed(self, images: Tensor) -> Tensor:
        """Images where the weights are, in their number format."""
        like = next(one for one in self.model.parameters() if one.is_floating_point())
        kinds = formats(self.model) if self.format else [like.dtype]
        return images.to(like.device, kinds[min(self.format, len(kinds) - 1)]).contiguous()

    def _logits(self, images: Tensor) -> Tensor:
        return logits_of(self.model(images, **self.options), images, self.name)

    def _probe(self, height: int, width: int) -> Tensor:
        return self._placed(noise(height, width))

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
                if isinstance(output, Tensor) and output.is_floating_point():
                    given = inputs[0] if inputs and isinstance(inputs[0], Tensor) else None
                    calls[name] = Call(_module, given, output)

            hooks.append(module.register_forward_hook(remember))
        try:
            with (
                turn_of(self.model),
                evaluating(self.model),
                torch.inference_mode(False),
                torch.set_grad_enabled(gradients),
            ):
                yield calls
        finally:
            for hook in hooks:
                hook.remove()


def _step(side: int, cells: int) -> int:
    """Pixels per cell; a power of two where convolutions without padding leave out a part of the image's edge."""
    exact: int = side // cells if side % cells == 0 else 2 ** round(math.log2(side / cells))
    return exact
