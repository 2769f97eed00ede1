"""A trained network on a folder of images: label maps and overlays."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wsss.checks import require_apart, require_folder
from wsss.data.palette import class_colours, overlay
from wsss.data.picture_files import SUFFIXES, files_below, refusal, require_writable_name, sorted_out
from wsss.data.pictures import picture_size, read_image, write_png
from wsss.data.tags import counted
from wsss.errors import WsssError
from wsss.io import content_hash, file_hash, read_json, write_json
from wsss.machine.processes import agreed, gathered, is_main, num_processes, share, tell
from wsss.machine.progress import progress_bar
from wsss.machine.runtime import pick_device
from wsss.pseudo.labels import save_pseudo_label
from wsss.segmentation.inference import NoMemory
from wsss.segmentation.predictor import Predictor
from wsss.segmentation.standing import FACTS, Standing, corrected_map, note_maps, tell_corrected, without_stale

__all__ = ["FACTS", "image_files", "predict_folder", "shares"]

OVERLAYS = "overlays"
"""Folder of the label maps laid over the images."""


def image_files(folder: Path, skip: Callable[[WsssError], None] | None = None) -> list[Path]:
    """The image files of a folder and of the folders in it, links followed, in the order of their paths.

    Hidden ones, such as half-written files, are none. What else lies there is passed over, which is said on the
    standard error: other files, folders that cannot be opened, and `overlays/`, since label maps have such a folder.

    Args:
        skip: told of each picture of a kind that cannot be read, such as `.heic`, unless one of the same name that can
            be read lies beside it; None stops at the first one.

    Raises:
        WsssError: there is no such folder, no image in it, two images with the same name but for the suffix, or
            (without `skip`) a picture of a kind that cannot be read.
    """
    if not folder.is_dir():
        raise WsssError(f"there is no folder {folder} of images")
    found, closed = files_below(folder)
    present = [path for path in found if path.relative_to(folder).parts[0] != OVERLAYS or path.parent == folder]
    files, beside, foreign = sorted_out(present)
    for path in foreign:
        if skip is None:
            raise refusal(path)
        skip(refusal(path))
    if not files:
        raise WsssError(f"{folder} holds no image ({', '.join(SUFFIXES)})")
    stems: dict[Path, Path] = {}
    for path in files:
        inside = path.relative_to(folder)
        require_writable_name(path, inside.as_posix())
        other = stems.setdefault(inside.with_suffix(""), path)
        if other != path:
            raise WsssError(f"{other} and {path} would have the same label map. Rename one.")
    known = {*files, *beside, *foreign}
    for some, what, reason in (
        (beside, "file", ", beside a picture of the same name that is read"),
        (closed, "folder", ", not open to us"),
        (set(found) - set(present), "file", f", in the folder of the {OVERLAYS}"),
    ):
        if some:
            tell(f"passed over in {folder}{reason}: {counted([_seen(path, folder) for path in sorted(some)], what)}")
    if others := [_seen(path, folder) for path in present if path not in known]:
        tell(f"passed over in {folder}, no images: {counted(others, 'file')}")
    return files


def _seen(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _readable(
    paths: Sequence[Path],
    read: list[Path],
    skip: Callable[[WsssError], None] | None,
    require: Callable[[str, tuple[int, int]], None],
) -> Iterator[NDArray[np.uint8]]:
    """The images of `paths`; each that could be read is entered in `read`, each that could not is given to `skip`.

    Args:
        require: raises a `WsssError` for an image, by name and size `(H, W)`, that does not fit into memory.
    """
    for path in paths:
        try:
            require(f"image {path}", picture_size(path))
            image = read_image(path, turn=True)
        except WsssError as error:
            if skip is None:
                raise
            skip(error)
            continue
        read.append(path)
        yield image


def predict_folder(
    predictor: Predictor,
    images: Path,
    out: Path,
    *,
    overlays: bool = True,
    skip: Callable[[WsssError], None] | None = None,
    progress: bool = True,
) -> list[Path]:
    """Write `out/ID.png`, a VOC-palette label map, and `out/overlays/ID.png` for every image of a folder.

    The id of an image is its path below the folder without suffix, as in the folder of `wsss label`.

    Several processes share the images. A folder that holds label maps already is continued only if they are of the same
    network, and if no image has the name of another one labelled there. An image that was corrected in place, or moved,
    is the same. A label map that is there is not made again, and one that somebody has corrected stays as it is.
    Photographs that are stored turned (EXIF) are turned first, and so are their label maps.

    Args:
        overlays: whether to write those.
        skip: told of each image that cannot be read, which is then left out; None stops at the first one.

    Returns:
        The label maps of the whole folder, in the order of the names.

    Raises:
        WsssError: the folder cannot be used, `out` is no folder apart from it or holds label maps of something else, an
            image is broken, one does not fit into memory, or a corrected map does not fit its image.
    """
    require_apart(out, images)
    require_folder(out)
    files = image_files(images, skip)
    problem = agreed(_claimed(out, predictor, images, files) if is_main() else None)
    if problem:
        raise WsssError(problem)
    colours = class_colours(predictor.classes)
    ids = {path: _id_of(path, images) for path in files}
    standing = Standing.of(out, list(ids.values()))

    def draw(path: Path, label: NDArray[np.uint8]) -> None:
        if overlays:
            write_png(out / OVERLAYS / f"{ids[path]}.png", overlay(read_image(path, turn=True), label, colours))

    def stands(path: Path) -> bool:
        drawn = not overlays or (out / OVERLAYS / f"{ids[path]}.png").is_file()
        return ids[path] in standing.corrected or (ids[path] in standing.done and drawn)

    own = [files[index] for index in share(len(files))]
    there = [path for path in own if stands(path)]
    device = pick_device()
    require, asked = partial(predictor.require_memory, device=device), [path for path in own if path not in there]
    seen: list[Path] = []
    for image in _readable([path for path in there if ids[path] in standing.corrected], seen, skip, require):
        target = out / f"{ids[seen[-1]]}.png"
        draw(seen[-1], corrected_map(target, image.shape[:2], predictor.classes))
    read: list[Path] = []
    labels = _named(predictor(_readable(asked, read, skip, require), device), read)
    bar = progress_bar(labels, "predict", len(asked), shown=progress and is_main())
    made: dict[str, str] = {}
    try:
        for path, label in bar:
            target = out / f"{ids[path]}.png"
            if standing.keeps(ids[path], target, label):
                draw(path, corrected_map(target, label.shape, predictor.classes))
                continue
            save_pseudo_label(target, label)
            made[ids[path]] = file_hash(target)
            draw(path, label)
    finally:
        if is_main():
            note_maps(out, made)
    others = dict(gathered(list(made.items())))
    if is_main() and num_processes() > 1:
        note_maps(out, others)
    tell_corrected(gathered([ids[path] for path in own if ids[path] in standing.corrected]))
    return sorted(out / f"{ids[path]}.png" for part in gathered([[*there, *read]]) for path in part)


def _id_of(path: Path, images: Path) -> str:
    return path.relative_to(images).with_suffix("").as_posix()


def _claimed(out: Path, predictor: Predictor, folder: Path, files: Sequence[Path]) -> str | None:
    """Mark a folder as that of a network's label maps of these images; what is wrong where it holds something else."""
    digest = hashlib.sha256()
    for name, tensor in sorted(predictor.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    settings = [predictor.mean, predictor.std, predictor.long_side, predictor.scales]
    facts = {"classes": list(predictor.classes), "network_sha256": content_hash([digest.hexdigest(), settings])}
    path, remedy = out / FACTS, f"Give another folder with --out, or delete {out}."
    try:
        found, images = read_json(path) if path.exists() else None, _identities(folder, files)
    except WsssError as error:
        return str(error)
    if found is None:
        if held := next((each for each in files_below(out)[0] if each.suffix == ".png"), None):
            inside = held.relative_to(out)
            return f"{out} holds {inside} already, and does not say ({FACTS}) which network made it. {remedy}"
        found = facts
    known = found.get("classes") if isinstance(found, dict) else None
    if not isinstance(found, dict) or any(found.get(name) != value for name, value in facts.items()):
        said = ", ".join(map(str, known)) if isinstance(known, list) else "unknown"
        return f"{out} holds label maps of another network (its classes: {said}). {remedy}"
    before = found.get("images", {})
    for name, now in images.items():
        then = before.get(name, now)
        if then["place"] != now["place"] and then["contents"] != now["contents"]:
            return f"{out} holds the label map of another image that is called {name} too. {remedy}"
    write_json(path, facts | {"images": without_stale(out, before, images)})
    return None


def _identities(folder: Path, files: Sequence[Path]) -> dict[str, dict[str, str]]:
    """Of each image that may be read, by its id: hashes of the folder that it lies in, and of its contents."""
    readable = [path for path in files if os.access(path, os.R_OK)]
    places = {each: content_hash(str(each.resolve()))[:16] for each in {path.parent for path in readable}}
    return {_id_of(path, folder): {"place": places[path.parent], "contents": file_hash(path)} for path in readable}


def _named(labels: Iterator[NDArray[np.uint8]], read: Sequence[Path]) -> Iterator[tuple[Path, NDArray[np.uint8]]]:
    """Each label map with the file of its image; an error that comes in place of one names that file."""
    for number in count():
        try:
            label = next(labels)
        except StopIteration:
            return
        except NoMemory as error:
            raise WsssError(f"{read[number]}: {error}") from error
        yield read[number], label


def shares(labels: Sequence[Path], classes: Sequence[str]) -> dict[str, float]:
    """Percent of all pixels with each label, background first.

    Raises:
        WsssError: there is no label map.
    """
    if not labels:
        raise WsssError("no label map was made: none of the images could be read")
    counts = np.zeros(256, np.int64)
    for path in labels:
        counts += np.bincount(read_image(path, mode=None).ravel(), minlength=256)
    names = ("background", *classes)
    return {name: 100 * float(counts[label]) / float(counts.sum()) for label, name in enumerate(names)}
