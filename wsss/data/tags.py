"""Tags of photographs, from the files that people have them in: CSV, folders, JSON lines, VOC XML, COCO."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from wsss.data.base import IGNORE
from wsss.data.coco import read_instances
from wsss.data.picture_files import is_foreign, is_picture, refusal, require_writable_name
from wsss.errors import WsssError, in_one_line, is_one_line
from wsss.paths import typed_path

__all__ = ["FOLDERS", "OUTLINES", "Tags", "counted", "photographs_in", "read_tags"]

FOLDERS = "folders"
"""What stands in place of a file of tags where each photograph's class is the folder that it lies in."""

_HEADINGS = ("file", "file_name", "filename", "image", "image_name", "image_id", "path", "name", "id", "photo")
"""First cells of a CSV that are a heading, in small letters."""

OUTLINES = "the outlines of the objects (they are read from what --tune-masks names, which may be the same file)"

_NAMED = 3  # of the files that are left out


@dataclass(frozen=True)
class Tags:
    """Which classes each photograph shows.

    Attributes:
        of: file, as a path below the folder of photographs with `/`, → names of its classes; none of one that is known
            to show none of them.
        classes: all names, in the order of the labels 1…C.
        left_out: one sentence for each kind of thing that is not used.
    """

    of: Mapping[str, frozenset[str]]
    classes: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def photographs_in(folder: Path) -> tuple[str, ...]:
    """The image files of a folder and of the folders in it, as paths below it, sorted; hidden ones are none.

    Raises:
        WsssError: there is no such folder, no image in it, two images of one name but for the suffix, or one of a kind
            that cannot be read.
    """
    if not folder.is_dir():
        raise WsssError(f"there is no folder {folder} of photographs. Name it with --images.")
    present = sorted(path for path in folder.rglob("*") if not _hidden(path.relative_to(folder)) and path.is_file())
    if foreign := next((path for path in present if is_foreign(path.name)), None):
        raise refusal(foreign)
    files = [path.relative_to(folder) for path in present if is_picture(path.name)]
    if not files:
        raise WsssError(f"{folder} holds no photograph. Name the folder of the image files with --images.")
    stems: dict[Path, Path] = {}
    for file in files:
        require_writable_name(folder / file, file.as_posix())
        other = stems.setdefault(file.with_suffix(""), file)
        if other != file:
            raise WsssError(f"{folder}: {other} and {file} would have the same label map. Rename one.")
    return tuple(file.as_posix() for file in files)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def read_tags(source: str | Path, images: Path) -> Tags:
    """The tags of the photographs in a folder.

    Args:
        source: a file, known by its suffix, or

            - `.csv` (or `.tsv`): lines `file,tag;tag`, or a heading `file,cat,dog,…` and 0 or 1 a class;
            - `.jsonl`: an object a line, as of Hugging Face's imagefolder: `file_name`, and `labels`, `label` or
              `objects.categories` in names;
            - `.json`: COCO's `instances.json`, whose categories are the classes;
            - a folder with VOC's annotations `ID.xml`;
            - `folders`: the class of a photograph is the folder that it lies in.
        images: the folder of photographs; files are named by their path in it, with or without suffix.

    Raises:
        WsssError: the file cannot be read; the message names file, line and remedy. Or no photograph has tags.
    """
    files = photographs_in(images)
    if source == FOLDERS:
        return _of_folders(files, images)
    path = typed_path(source)
    held: Held
    if path.is_dir():
        held = _xml_entries(path), None, ()
    else:
        reader = _READERS.get(path.suffix.lower())
        if reader is None or not path.is_file():
            raise WsssError(
                f"{path} is no file of tags ({', '.join(_READERS)}) and no folder of VOC's XML files. Give one with "
                f"--tags, or --tags {FOLDERS} where each class has a folder of its own."
            )
        try:
            held = reader(path)
        except (OSError, UnicodeDecodeError) as error:
            raise WsssError(f"cannot read tags {path}: {error}. It must be a text file in UTF-8.") from error
    return _matched(held, files, path)


Entry = tuple[str, frozenset[str]]
"""A file's name as it stands in the tags, and its classes."""


Held = tuple[Iterable[Entry], Sequence[str] | None, Sequence[str]]
"""What a file holds: entries, the classes where it lists them, and what of it is not used."""


def _matched(held: Held, files: Sequence[str], source: Path) -> Tags:
    """Bring names as they stand in the tags together with the files that there are; tags of one file are united."""
    entries, classes, notes = held
    known = {name: file for file in files for name in (file, str(Path(file).with_suffix("")))}
    found: dict[str, frozenset[str]] = {}
    strangers = []
    for name, tags in entries:
        file = known.get(Path(name).as_posix())
        if file is None:
            strangers.append(name)
        else:
            found[file] = found.get(file, frozenset()) | tags
    names = tuple(classes or sorted(frozenset[str]().union(*found.values())))
    _require_classes(names, source)
    if not any(found.values()):
        first = f" It begins with {in_one_line(strangers[0])}, the photographs with {files[0]}." if strangers else ""
        raise WsssError(f"{source} gives no photograph a tag.{first} Files are named by their path below --images.")
    left_out = list(notes)
    if strangers:
        left_out.append(f"{counted(strangers)} named in {source.name} but not there")
    if untagged := [file for file in files if file not in found]:
        left_out.append(f"{counted(untagged)} there but not named in {source.name}")
    return Tags({file: found[file] for file in files if file in found}, names, tuple(left_out))


def counted(names: Sequence[str]) -> str:
    """How many photographs these are, and the names of the first.

    >>> counted(["a.jpg"])
    '1 photograph (a.jpg)'
    """
    more = ", …" if len(names) > _NAMED else ""
    first = in_one_line(", ".join(names[:_NAMED]))
    return f"{len(names)} photograph{'s' if len(names) > 1 else ''} ({first}{more})"


def _require_classes(names: Sequence[str], source: Path) -> None:
    if len(names) >= IGNORE:
        raise WsssError(f"{source} has {len(names)} different tags, and a label map has room for {IGNORE - 1} classes.")
    for name in names:
        _require_name(name, str(source))
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise WsssError(f"{source} names the class {repeated!r} twice. Rename or remove one.")


def _require_name(name: str, place: str) -> None:
    if not is_one_line(name) or name != name.strip() or name.casefold() in ("", "background", "__background__"):
        raise WsssError(f"{place}: {name!r} is no name of a class. What shows none of the classes has no tag.")


def _named(tags: Iterable[str], place: str) -> frozenset[str]:
    """The classes of a photograph, each checked, so that a message names the line that one stands in."""
    found = frozenset(tag.strip() for tag in tags)
    for name in sorted(found):
        _require_name(name, place)
    return found


def _of_folders(files: Sequence[str], images: Path) -> Tags:
    """As torchvision's ImageFolder: the first folder below `images` is the class."""
    loose = [file for file in files if "/" not in file]
    found = {file: frozenset([file.split("/")[0]]) for file in files if "/" in file}
    if not found:
        raise WsssError(
            f"{images} has no folders with photographs in them, one for each class: give a file with --tags."
        )
    classes = tuple(sorted(frozenset[str]().union(*found.values())))
    _require_classes(classes, images)
    return Tags(found, classes, (f"{counted(loose)} in no folder of a class",) if loose else ())


def _csv_entries(path: Path) -> Held:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        try:
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
        except csv.Error as error:
            raise WsssError(
                f"{path}, line {reader.line_num}: {error}. Write file,tag;tag or a column a class."
            ) from error
    if not rows:
        raise WsssError(f"{path} is empty. Write a line file,tag;tag for each photograph.")
    heading, columns = rows[0][1], len(rows[0][1])
    headed = heading[0].casefold() in _HEADINGS
    ones = headed and columns > 1 and all(cell in ("0", "1") for _, row in rows[1:] for cell in row[1:])
    if columns > 2 or (ones and len(rows) > 1):
        return _columns(path, rows, headed), heading[1:], ()
    return [_csv_line(path, line, row) for line, row in (rows[1:] if headed else rows)], None, ()


def _csv_line(path: Path, line: int, row: Sequence[str]) -> Entry:
    if not row[0] or len(row) > 2:
        raise WsssError(f"{path}, line {line}: it must be file,tag;tag, not {','.join(row)[:60]!r}.")
    tags = (row[1] if len(row) > 1 else "").split(";")
    return row[0], _named(filter(str.strip, tags), f"{path}, line {line}")


def _columns(path: Path, rows: Sequence[tuple[int, list[str]]], headed: bool) -> list[Entry]:
    """Of a CSV with one column a class."""
    heading, seen = rows[0][1], dict[str, int]()
    if not headed:
        raise WsssError(
            f"{path}, line {rows[0][0]}: with one column a class, the first line names them, as in file,cat,dog; with "
            "several tags in one column, they are parted by semicolons, as in file,tag;tag."
        )
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
        found.append((row[0], frozenset(name for name, cell in zip(heading[1:], row[1:], strict=True) if cell == "1")))
    return found


def _jsonl_entries(path: Path) -> Held:
    lines = enumerate(path.read_text(encoding="utf-8-sig").split("\n"), start=1)  # others may stand in a text
    return [_jsonl_line(path, number, line) for number, line in lines if line.strip()], None, ()


def _jsonl_line(path: Path, number: int, line: str) -> Entry:
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


def _xml_entries(folder: Path) -> Iterable[Entry]:
    """Of VOC's annotations: the names of the objects; the photograph is the one with the annotation's name."""
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise WsssError(f"{folder} holds no .xml file: give VOC's Annotations/, or another file with --tags.")
    for file in files:
        try:
            names = [element.text or "" for element in ElementTree.parse(file).iterfind("object/name")]
        except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
            raise WsssError(f"cannot read annotation {file}: {error}. Replace or remove it.") from error
        if not all(map(str.strip, names)):
            raise WsssError(f"annotation {file}: an object has no name. Add it or remove the object.")
        yield file.stem, _named(names, f"annotation {file}")


def _coco_entries(path: Path) -> Held:
    """Of COCO's `instances.json`: a photograph has the categories of its annotations, none where it has none."""
    held = read_instances(path)
    entries = [(image["file_name"], held.names_of(image)) for image in held.images]
    outlined = any(each.get("segmentation") for shown in held.annotations.values() for each in shown)
    return entries, list(held.categories.values()), (OUTLINES,) if outlined else ()


_READERS: dict[str, Callable[[Path], Held]] = {
    ".csv": _csv_entries,
    ".tsv": _csv_entries,
    ".jsonl": _jsonl_entries,
    ".json": _coco_entries,
}
"""The readers of files of tags, by suffix."""
