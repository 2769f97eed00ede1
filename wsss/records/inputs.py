"""What a record was made from: records of other inputs of the same name are not replaced, and not made together."""

from collections.abc import Mapping
from pathlib import Path

from wsss.depth.specs import KINDS_OF_PLACE, innermost, pattern_of, place_of, source_identity
from wsss.errors import WsssError
from wsss.io import content_hash, read_table

__all__ = ["inputs_read", "name_it", "require_names_apart", "require_same_inputs"]


def inputs_read(root: Path | None, contents: str, depth: str | None) -> dict[str, dict[str, str | None]]:
    """What a record keeps of its inputs, to tell them from others of the same name.

    Of each the hashes of where it lies and of what it holds.

    Args:
        root: folder of the data, whose `contents` are known.
        depth: source of depth; one that is read from no place lies under its own name. None is left out, and so is a
            place that is not there: whoever opens it says so.
    """

    def kept(place: str | None, held: str) -> dict[str, str | None]:
        return {"place": content_hash(place)[:16] if place else None, "contents": held}

    read = {"data": kept(str(root.resolve()) if root else None, contents)}
    place = place_of(depth) if depth else None
    if depth and (place is None or place.exists()):
        where = str(place.resolve() / pattern_of(depth)) if place else depth
        read["depth"] = kept(where, source_identity(depth))
    return read


def require_same_inputs(path: Path, read: Mapping[str, Mapping[str, str | None]], remedy: str | None) -> None:
    """Refuse to replace a record that was made from another input of the same name.

    An input that was corrected in place, or moved as it is, is the same one.

    Args:
        path: of the record; nothing is refused where there is none, or one that does not say what it was made from.
        read: see `inputs_read`.
        remedy: what to do about another depth; None where a name for it would not change that of the record.

    Raises:
        WsssError: an input lies elsewhere and holds something else; the message names the record.
    """
    if not path.exists():
        return
    before = read_table(path).get("provenance", {}).get("read", {})
    for name, now in read.items():
        then = before.get(name, now)
        if then["place"] != now["place"] and then["contents"] != now["contents"]:
            if name == "depth":
                remedy = remedy or "Set WSSS_RUNS to another folder, or delete that record."
                raise WsssError(f"{path} is of another folder or model of depth. {remedy}")
            raise WsssError(
                f"{path} is of another folder that has the same name as this {name}. Rename the folder, set WSSS_RUNS "
                "to another one, or delete that record."
            )


def require_names_apart(shown: Mapping[str, str], depths: Mapping[str, tuple[str, str | None] | None]) -> None:
    """Refuse two methods that would have one name in records though they read other depth.

    Args:
        shown: method → its name in records.
        depths: method → what of its source enters cache keys, and the kind; None where it reads no depth.

    Raises:
        WsssError: there are two such methods; the message names them.
    """
    first: dict[str, str] = {}
    for name, own in shown.items():
        other = first.setdefault(own, name)
        if depths[other] != depths[name]:
            raise WsssError(
                f"{other} and {name} read other depth, but would both be called {own} in records. Name one of the "
                "sources: --source NAME=files:DIR --depth-kind NAME=metric|inverse, and METHOD@NAME."
            )


def name_it(depth: str, use: str) -> str | None:
    """How to give a source a name of its own, which `use` then mentions; None for one that cannot have one."""
    plain = innermost(depth)
    kind, _, argument = plain.partition(":")
    return (
        f"Give this one another name: --source NAME={plain}, and {use}."
        if kind in KINDS_OF_PLACE and argument
        else None
    )
