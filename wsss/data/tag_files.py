"""What files of tags hold: CSV, JSON lines, VOC's XML, COCO's instances."""

import csv
import io
import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from wsss.data.coco import read_instances
from wsss.data.tag_names import composed
from wsss.errors import WsssError, is_one_line

__all__ = ["OUTLINES", "READERS", "Held", "read_annotations", "require_name"]

_HEADINGS = ("file", "file_name", "filename", "image", "image_name", "image_id", "path", "name", "id", "photo")
"""First cells of a CSV that are a heading, in small letters."""

_TAG_HEADINGS = ("label", "labels", "tag", "tags", "class", "classes", "category", "categories")
"""Second cells of a heading that name no class, in small letters: tags stand below them, even 0 and 1."""

OUTLINES = "the outlines of the objects (they are read from what --tune-masks names, which may be the same file)"

_FIRST = 10
"""Lines of a CSV that say what parts its columns."""


@dataclass(frozen=True)
class Held:
    """What a file of tags holds.

    Attributes:
        entries: names of files as they stand there, and their classes; a file may have several.
        classes: all of them where the file lists them, else None.
        notes: one sentence for each kind of thing in it that is not used.
    """

    entries: Sequence[tuple[str, frozenset[str]]]
    classes: Sequence[str] | None = None
    notes: Sequence[str] = ()


def require_name(name: str, place: str) -> None:
    """Raise a `WsssError` where a tag cannot be the name of a class."""
    if not is_one_line(name) or name != name.strip() or name.casefold() in ("", "background", "__background__"):
        raise WsssError(f"{place}: {name!r} is no name of a class. What shows none of the classes has no tag.")


def _named(tags: Iterable[str], place: str) -> frozenset[str]:
    """The classes of a photograph, each checked, so that a message names the line that one stands in."""
    found = frozenset(composed(tag.strip()) for tag in tags)
    for name in sorted(found):
        require_name(name, place)
    return found


# ---- CSV ----------------------------------------------------------------------------------------------------------


def _read_csv(path: Path, files: Collection[str]) -> Held:
    with path.open(encoding="utf-8-sig", newline="") as file:
        text = file.read()
    stems = {name.removesuffix(Path(name).suffix) for name in files}
    sign = "\t" if path.suffix.lower() == ".tsv" else _separator(text, {*stems, *files})
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True)
    form = _form(sign)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise WsssError(f"{path}, line {reader.line_num}: {error}. Write {form} or a column a class.") from error
    if not rows:
        raise WsssError(f"{path} is empty. Write a line file,tag;tag for each photograph.")
    heading, others = rows[0][1], [row for _, row in rows[1:]]
    numbers = len(heading) > 1 and bool(others) and all(cell in ("0", "1") for row in others for cell in row[1:])
    names = {row[0] for row in others}
    photograph = heading[0] in stems and heading[0] not in names and names.isdisjoint(files)
    headed = _is_heading(heading, numbers, photograph)
    if len(heading) > 2 or (headed and numbers and heading[1].casefold() not in _TAG_HEADINGS):
        return _columns(path, rows, headed, sign)
    return Held([_csv_line(path, line, row, sign) for line, row in (rows[1:] if headed else rows)])


def _separator(text: str, known: Collection[str]) -> str:
    """What parts the columns: a semicolon where the first lines have it and neither comma nor tab, as Excel writes it
    in much of Europe.

    Args:
        known: photographs, which may have a semicolon in their names.
    """
    lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()][:_FIRST]
    bare = [re.sub(r'"[^"]*"', "", line) for line in lines]
    parted = bool(lines) and all(";" in line and "," not in line and "\t" not in line for line in bare)
    return ";" if parted and lines[0].strip() not in known else ","


def _form(sign: str) -> str:
    """How a line is written whose columns are parted by `sign`."""
    return 'file;"tag;tag"' if sign == ";" else "file,tag;tag"


def _is_heading(first: Sequence[str], numbers: bool, photograph: bool) -> bool:
    """Whether the first line of a CSV is one.

    Args:
        first: its cells.
        numbers: whether all other lines have 0 and 1 alone after the file.
        photograph: whether a photograph has the name in its first cell, in the way that the other lines name theirs.
    """
    if first[0].casefold() not in _HEADINGS:
        return False
    second = first[1].casefold() if len(first) > 1 else ""
    return not photograph or len(first) > 2 or second in _TAG_HEADINGS or (numbers and second not in ("", "0", "1"))


def _csv_line(path: Path, line: int, row: Sequence[str], sign: str) -> tuple[str, frozenset[str]]:
    if not row[0] or len(row) > 2:
        raise WsssError(f"{path}, line {line}: it must be {_form(sign)}, not {sign.join(row)[:60]!r}.")
    tags = (row[1] if len(row) > 1 else "").split(";")
    return row[0], _named(filter(str.strip, tags), f"{path}, line {line}")


def _columns(path: Path, rows: Sequence[tuple[int, list[str]]], headed: bool, sign: str) -> Held:
    """Of a CSV with one column a class."""
    heading, seen = rows[0][1], dict[str, int]()
    if not headed:
        how, wide = ("are in quotes", "file;cat;dog") if sign == ";" else ("are parted by semicolons", "file,cat,dog")
        raise WsssError(
            f"{path}, line {rows[0][0]}: with one column a class, the first line names them, as in "
            f"{wide}; with several tags in one column, they {how}, as in {_form(sign)}."
        )
    classes = [composed(name) for name in heading[1:]]
    if repeated := next((name for name in heading[1:] if heading[1:].count(name) > 1), None):
        raise WsssError(f"{path} names the class {repeated!r} twice. Rename or remove one.")
    found = []
    for line, row in rows[1:]:
        if len(row) != len(heading) or not row[0]:
            raise WsssError(f"{path}, line {line}: {len(row)} columns, but the heading has {len(heading)}.")
        if wrong := next((cell for cell in row[1:] if cell not in ("0", "1")), None):
            raise WsssError(f"{path}, line {line}: {wrong!r} must be 0 or 1, whether the class is there.")
        if row[0] in seen:
            raise WsssError(f"{path}, line {line}: {row[0]} stands in line {seen[row[0]]} already. Remove one.")
        if "" in row[1:]:
            raise WsssError(f"{path}, line {line}: an empty column must be 0 or 1, whether the class is there.")
        seen[row[0]] = line
        found.append((row[0], frozenset(name for name, cell in zip(classes, row[1:], strict=True) if cell == "1")))
    return Held(found, classes)


# ---- the others ---------------------------------------------------------------------------------------------------


def _read_jsonl(path: Path, _: Collection[str]) -> Held:
    lines = enumerate(path.read_text(encoding="utf-8-sig").split("\n"), start=1)  # others may stand in a text
    return Held([_jsonl_line(path, number, line) for number, line in lines if line.strip()])


def _jsonl_line(path: Path, number: int, line: str) -> tuple[str, frozenset[str]]:
    """`{"file_name": …}` with `labels`, `label` or `objects.categories`."""
    try:
        held = json.loads(line)
        name, objects = held["file_name"], held.get("objects") or {}
        values = held.get("labels", held.get("label", objects.get("categories", objects.get("category"))))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WsssError(f"{path}, line {number}: it must be a JSON object with file_name ({error!r}).") from error
    if values is None:
        raise WsssError(f"{path}, line {number}: it has no labels, label or objects.categories.")
    tags = [values] if isinstance(values, str) else values
    if not isinstance(name, str) or not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise WsssError(
            f'{path}, line {number}: classes must be given by name, as in "labels": ["cat"], not '
            f"{json.dumps(values)[:60]}."
        )
    return name, _named(tags, f"{path}, line {number}")


def read_annotations(folder: Path) -> Held:
    """Of VOC's annotations: the names of the objects; the photograph is the one with the annotation's name.

    Raises:
        WsssError: there is none, or one that cannot be read or has an object without a name.
    """
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise WsssError(f"{folder} holds no .xml file: give VOC's Annotations/, or another file with --tags.")
    entries = []
    for file in files:
        try:
            names = [element.text or "" for element in ElementTree.parse(file).iterfind("object/name")]
        except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
            raise WsssError(f"cannot read annotation {file}: {error}. Replace or remove it.") from error
        if not all(map(str.strip, names)):
            raise WsssError(f"annotation {file}: an object has no name. Add it or remove the object.")
        entries.append((file.stem, _named(names, f"annotation {file}")))
    return Held(entries)


def _read_coco(path: Path, _: Collection[str]) -> Held:
    """Of COCO's `instances.json`: a photograph has the categories of its annotations, none where it has none."""
    held = read_instances(path)
    entries = [(image["file_name"], held.names_of(image)) for image in held.images]
    outlined = any(each.get("segmentation") for shown in held.annotations.values() for each in shown)
    return Held(entries, list(held.categories.values()), (OUTLINES,) if outlined else ())


READERS: dict[str, Callable[[Path, Collection[str]], Held]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".jsonl": _read_jsonl,
    ".json": _read_coco,
}
"""The readers of files of tags, by suffix; each is told of the photographs that there are."""
