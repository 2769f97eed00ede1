"""What the numbers of class masks mean, compared with the class ids, the masks' palettes and the whole split."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from wsss.data.base import IGNORE
from wsss.data.folder import read_uint8_map
from wsss.data.palette import voc_palette
from wsss.data.pictures import read_palette
from wsss.errors import WsssError

__all__ = ["check_masks", "moved_colours", "read_class_mask"]

WHITE = (255, 255, 255)
"""The colour that some tools give to 255, in place of VOC's cream."""


Colours = dict[tuple[int, ...], tuple[int, Path]]
"""The id at which a colour stands, and the first mask in whose palette it did."""


def read_class_mask(
    path: Path, height_width: tuple[int, ...] | None, num_classes: int, colours: Colours | None = None
) -> np.ndarray:
    """Read a mask `H×W uint8` of class ids 0…`num_classes` and 255.

    Args:
        height_width: size of its image; None where that is not compared.
        colours: of the other masks of its folder, to which this one's are added; None where they are not compared.

    Raises:
        WsssError: see `read_uint8_map`; or the mask holds another id, has VOC's colours at other ids (`moved_colours`),
            or a colour that another mask has at another id.
    """
    mask = read_uint8_map(path, height_width)
    present = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
    palette = read_palette(path)
    moved = None if palette is None else moved_colours(palette, present, num_classes)
    if moved is not None:
        raise WsssError(
            f"{path}: its palette has the colour of class id {moved[1]} at {moved[0]}, so a program that sorted or "
            "shortened the palette has changed the ids. Save the mask with VOC's palette, or in greyscale, with the "
            "class ids as its numbers."
        )
    if palette is not None and colours is not None:
        _compare_colours(path, palette, present, colours)
    foreign = present[(present > num_classes) & (present < IGNORE)]
    if foreign.size:
        raise WsssError(
            f"{path} holds the value {foreign[0]}, but class ids are 0…{num_classes} and 255. "
            "If the folder has classes of its own, name them in classes.txt, one a line."
        )
    return mask


def moved_colours(palette: np.ndarray, present: np.ndarray, num_classes: int) -> tuple[int, int] | None:
    """The first id whose colour VOC's colour map has at another id, and that other id.

    Only a palette all of whose used colours are those of VOC's map, for 0…`num_classes` and 255, says anything: a grey
    one, or one of a tool's own colours, does not.

    Args:
        palette: `(N,3) uint8`, N ≤ 256.
        present: the ids that the mask holds.

    >>> moved_colours(voc_palette()[[0, 8, 12]], np.array([0, 1, 2]), 20)
    (1, 8)
    """
    ids = [*range(num_classes + 1), IGNORE]
    known = {tuple(voc_palette()[label].tolist()): label for label in ids} | {WHITE: IGNORE}
    used = {label: known.get(tuple(palette[label].tolist())) for label in present.tolist() if label < len(palette)}
    black_and_white = used.get(0) == 0 and set(used.values()) == {0, IGNORE}  # as masks of one class may be shown
    if None in used.values() or black_and_white:
        return None
    return next(((label, true) for label, true in used.items() if true is not None and true != label), None)


def _compare_colours(path: Path, palette: np.ndarray, present: np.ndarray, colours: Colours) -> None:
    """Raise a `WsssError` if a colour of a mask stands at another id in an earlier one; else remember its colours.

    Greys but black, which some tools stretch from mask to mask, say nothing, nor does a palette with one colour at two
    of the ids.
    """
    used = {label: tuple(palette[label].tolist()) for label in present.tolist() if label < min(len(palette), IGNORE)}
    if len(set(used.values())) < len(used):
        return
    for label, colour in used.items():
        if len(set(colour)) == 1 and any(colour):
            continue
        known, first = colours.setdefault(colour, (label, path))
        if known != label:
            raise WsssError(
                f"{path}: its palette has the colour {colour} at {label}, and that of {first} has it at {known}, so a "
                "program that sorted or shortened palettes has changed ids. Save all masks with one palette, or in "
                "greyscale, with the class ids as their numbers."
            )


def check_masks(masks: Iterable[np.ndarray | None], place: str) -> None:
    """Refuse a split in which 0 and 255 occur but no class does: there 255 most likely is the foreground.

    The first mask with a class ends the search, so that it costs the reading of a mask or two where all is well.

    Args:
        masks: which ids `(256,) bool` each image's truth holds; None where it cannot be read.
        place: of the split, for the message.

    Raises:
        WsssError: 0 and 255 are all that the masks hold.
    """
    background = void = False
    for present in masks:
        if present is None:
            continue
        if present[1:IGNORE].any():
            return
        background, void = background | bool(present[0]), void | bool(present[IGNORE])
    if background and void:
        raise WsssError(
            f"{place}: its masks hold 0 and 255 only, no class id 1…254. 255 means `not known` and is never scored. If "
            "it is the object there, write the object's class id (1 for the first line of classes.txt) in its place."
        )
