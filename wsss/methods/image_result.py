"""What one method makes of one image: scores, label map, picture, and a folder of all of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from wsss.analysis.thresholds import pseudo_label
from wsss.checks import plain_number, require_apart, require_number
from wsss.data.palette import voc_palette
from wsss.data.pictures import write_png
from wsss.errors import WsssError
from wsss.io import atomic_path, write_json
from wsss.methods.choice import Choice
from wsss.methods.evidence import Look
from wsss.methods.fusion import Evidence
from wsss.methods.given import class_number
from wsss.methods.image_figure import Shown, image_figure

__all__ = ["ImageResult"]

FILES = ("scores.npz", "label.png", "figure.png", "result.json")


@dataclass(frozen=True, eq=False)
class ImageResult:
    """What one method makes of one image; K classes are looked for.

    Attributes:
        image: `H×W×3 uint8`.
        names: of the K classes.
        classes: `(K,) int64`, their labels in 1…254.
        evidence: the classifier's maps before fusion.
        scores: `(K,H,W) float32` in [0, 1].
        threshold: that was chosen for the method; None where nothing was.
        method: a key of `METHODS`.
        look: the image under its classifier.
        choice: what the fusion's parameters and the threshold are; None for plain parameters.
        depth: `H×W float32` inverse depth in [0, 1]; None without.
        sources: files that image and depth were read from.
        facts: what else is known, for `save`.
    """

    image: NDArray[np.uint8]
    names: tuple[str, ...]
    classes: NDArray[np.int64]
    evidence: Evidence
    scores: NDArray[np.float32]
    threshold: float | None = None
    method: str = ""
    look: Look | None = field(default=None, repr=False)
    choice: Choice | None = None
    depth: NDArray[np.float32] | None = None
    sources: tuple[Path, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def plain(self) -> NDArray[np.float32]:
        """The plain CAM `(K,H,W) float32` in [0, 1], as pytorch-grad-cam makes it (see `Look.plain`).

        Where the method made no pass at the image's own scale without its mirror image, one is made when it is asked
        for.
        """
        assert self.look is not None
        return self.look.plain().numpy()

    @property
    def uses_crops(self) -> bool:
        """Whether what the classifier says of crops has a weight in the scores."""
        return bool(self.evidence.plan) and self.choice is not None and self.choice.parameters.crop_weight > 0

    def label(self, threshold: float | None = None) -> NDArray[np.uint8]:
        """Label map `H×W uint8`: the strongest class where its score exceeds the threshold, else 0, background.

        Args:
            threshold: in [0, 1]; None takes the one that was chosen for the method: on the tune split for a classifier
                of `wsss train`, on other photographs for one's own (`wsss.methods.presets`).

        Raises:
            WsssError: no threshold was chosen, and none is given; or it is outside [0, 1].
        """
        return pseudo_label(self.scores, self.classes, self._chosen(threshold))

    def plot(self, name: str | None = None, threshold: float | None = None) -> Figure:
        """A figure of image, plain CAM, depth, crops, scores and label map, those of them that there are.

        Args:
            name: the class whose maps are shown; None shows the largest of all.
            threshold: of the label map, see `label`; without any it is left out.

        Raises:
            WsssError: none of `names` is called so, or the threshold is outside [0, 1].
        """
        if name is not None and not isinstance(name, str):
            raise WsssError(f"a figure is of a class by its name, one of {', '.join(self.names)}, not {name!r:.60}")
        rows = slice(None) if name is None else [class_number(self.names, name)]
        chosen = self._chosen(threshold) if threshold is not None or self.threshold is not None else None
        shown = Shown(
            image=self.image,
            plain=self.plain[rows].max(axis=0, initial=0),
            scores=self.scores[rows].max(axis=0, initial=0),
            method=self.method,
            names=self.names,
            depth=self.depth,
            boxes=[crop.box for crop in self.evidence.plan],
            boxes_count=self.uses_crops,
            label=None if chosen is None else pseudo_label(self.scores, np.arange(1, len(self.names) + 1), chosen),
            threshold=chosen,
        )
        return image_figure(shown)

    def save(self, folder: str | Path, threshold: float | None = None) -> Path:
        """Write `scores.npz`, `label.png` (VOC's palette), `figure.png` and, last, `result.json` into a folder.

        Each file is whole or not there. Those of an earlier result are replaced.

        Args:
            threshold: of the label map, see `label`.

        Returns:
            The folder.

        Raises:
            WsssError: it is a file or cannot be written, would replace the image or its depth, or there is no
                threshold.
        """
        folder, chosen = Path(folder), self._chosen(threshold)
        if folder.exists() and not folder.is_dir():
            raise WsssError(f"{folder} is a file, and a folder is to be filled: give another one")
        require_apart([folder / name for name in FILES], *self.sources, remedy="Give another folder.")
        try:
            (folder / FILES[-1]).unlink(missing_ok=True)  # it says that the others belong together
        except OSError as error:
            raise WsssError(f"cannot write {folder / FILES[-1]}: {error.strerror}. Give another folder.") from error
        with atomic_path(folder / "scores.npz") as path, path.open("wb") as file:
            np.savez_compressed(
                file,
                scores=self.scores,
                plain=self.plain,
                classes=self.classes,
                names=np.array(self.names, dtype=np.str_),
            )
        write_png(folder / "label.png", self.label(chosen), voc_palette())
        with atomic_path(folder / "figure.png") as path:
            self.plot(threshold=chosen).savefig(path, format="png", dpi=150)
        write_json(folder / "result.json", self._facts(chosen))
        return folder

    def _facts(self, threshold: float) -> dict[str, Any]:
        evidence = self.evidence
        return {
            **self.facts,
            "files": [str(path) for path in self.sources],
            "size": list(self.image.shape[:2]),
            "labels": {"0": "background", **{str(c): n for c, n in zip(self.classes, self.names, strict=True)}},
            "method": self.method,
            "threshold": threshold,
            "chosen": self.choice.plain() if self.choice else None,
            "crops": [list(crop.box) for crop in evidence.plan],
            "megapixels": evidence.megapixels,
            "seconds": evidence.seconds,
            "trust": evidence.trust if self.depth is not None else None,
        }

    def _chosen(self, threshold: float | None) -> float:
        chosen = self.threshold if threshold is None else threshold
        if chosen is None:
            raise WsssError("no threshold was chosen for this method: give one, as in result.label(0.4)")
        require_number("threshold", chosen, 0, 1)
        return plain_number(chosen)  # type: ignore[no-any-return]
