"""Split files, and the cut of `tune` out of a training list."""

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from pathlib import Path

from wsss.errors import WsssError, is_one_line

__all__ = ["check_split", "cut_scenes", "cut_tune", "read_split", "without"]

LONGEST_ID = 200
"""Bytes: file names may have 255, and a temporary file's is longer than its id."""


def read_split(path: Path) -> tuple[str, ...]:
    """Ids of a split file, one a line, in the file's order; empty lines do not count.

    Raises:
        WsssError: the file is missing or empty, holds an id twice, or an id that is no plain file stem.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WsssError(f"cannot read split file {path}: {error}. It must list one image id a line.") from error
    ids = tuple(line.strip() for line in lines if line.strip())
    if not ids:
        raise WsssError(f"split file {path} is empty. It must list one image id a line.")
    repeated = sorted(name for name, count in Counter(ids).items() if count > 1)
    if repeated:
        raise WsssError(f"split file {path} lists {repeated[0]} more than once. Remove the repeated lines.")
    for name in ids:
        # The id becomes the stem of every file made from the sample, so it must not lead out of its folder.
        if "/" in name or "\\" in name or name in {".", ".."}:
            raise WsssError(f"split file {path}: id {name!r} contains a path. Ids are file names without extension.")
        if not is_one_line(name) or len(name.encode()) > LONGEST_ID:
            raise WsssError(
                f"split file {path}: id {name[:40]!r} is no file name. It must be a text file in UTF-8 with one image "
                "id a line."
            )
    return ids


def check_split(split: str, valid: Sequence[str], dataset: str) -> None:
    """Raise a `WsssError` that lists the valid names when `split` is not among them."""
    if split not in valid:
        raise WsssError(f"{dataset} has no split {split!r}. Choose one of: {', '.join(valid)}.")


def cut_tune(ids: Sequence[str], blocks: int, block_size: int) -> tuple[str, ...]:
    """The ids of `tune`: contiguous blocks, evenly spread over a training list.

    Neighbouring ids tend to show the same scene, so whole blocks are cut, not single images; only the edges of a block
    can share a scene with what stays. A list of fewer than 4 · blocks · block_size ids gives a fifth of itself.

    Args:
        ids: the whole training list.
        blocks: number of blocks.
        block_size: ids a block.

    Returns:
        The ids cut out, in the list's order. The same list always gives the same ids.

    Raises:
        WsssError: fewer than two ids, so that nothing would be left to train on.

    >>> cut_tune([str(i) for i in range(16)], blocks=2, block_size=2)
    ('3', '4', '11', '12')
    """
    if len(ids) < 2:
        raise WsssError("cannot cut a tune split out of fewer than two training ids. Add images to the training list.")
    if len(ids) < 4 * blocks * block_size:
        total = max(1, len(ids) // 5)
        blocks = min(blocks, total)
        block_size = total // blocks
    chosen: list[str] = []
    for block in range(blocks):
        first, end = (len(ids) * edge // blocks for edge in (block, block + 1))
        start = first + (end - first - block_size) // 2  # the middle of the block's equal share of the list
        chosen.extend(ids[start : start + block_size])
    return tuple(chosen)


def cut_scenes(ids: Sequence[str], scenes: Mapping[str, Hashable], images: int) -> tuple[str, ...]:
    """The ids of `tune` where it is known which images are of one scene: whole scenes, evenly spread over a list.

    So no scene is both trained and tuned on, and `tune` shows as many scenes as fit.

    Args:
        ids: the whole training list.
        scenes: the scene of each id; one that is not in it is a scene of its own.
        images: about how many are cut out; of a list of fewer than 5 · images, about a fifth.

    Returns:
        The ids cut out, in the list's order: of the numbers of scenes that could be taken, the one whose images come
        nearest. The same list always gives the same ids.

    Raises:
        WsssError: fewer than two scenes, so that nothing would be left to train on.

    >>> cut_scenes([str(i) for i in range(9)], {str(i): i // 3 for i in range(9)}, images=2)
    ('3', '4', '5')
    """
    members: dict[tuple[bool, Hashable], list[str]] = {}
    for name in ids:
        members.setdefault((name in scenes, scenes.get(name, name)), []).append(name)
    whole = list(members.values())
    if len(whole) < 2:
        raise WsssError("cannot cut a tune split out of fewer than two scenes. Add images to the training list.")
    wanted = min(images, max(1, len(ids) // 5))

    def taken(count: int) -> list[list[str]]:
        return [whole[(2 * place + 1) * len(whole) // (2 * count)] for place in range(count)]

    best = min(range(1, len(whole)), key=lambda count: abs(sum(map(len, taken(count))) - wanted))
    chosen = {name for scene in taken(best) for name in scene}
    return tuple(name for name in ids if name in chosen)


def without(ids: Sequence[str], removed: Collection[str]) -> tuple[str, ...]:
    """`ids` in order, without those in `removed`."""
    gone = set(removed)
    return tuple(name for name in ids if name not in gone)
