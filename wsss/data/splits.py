"""Split files, and the cut of `tune` out of a training list."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from wsss.errors import WsssError, is_one_line

__all__ = ["check_split", "cut_tune", "read_split", "without"]

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


def without(ids: Sequence[str], removed: Collection[str]) -> tuple[str, ...]:
    """`ids` in order, without those in `removed`."""
    gone = set(removed)
    return tuple(name for name in ids if name not in gone)
