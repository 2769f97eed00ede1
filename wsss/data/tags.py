"""Tags of photographs, from the files that people have them in: CSV, folders, JSON lines, VOC XML, COCO."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wsss.data.base import IGNORE
from wsss.data.picture_files import files_below, refusal, require_writable_name, sorted_out
from wsss.data.tag_files import READERS, Held, read_annotations, require_name
from wsss.data.tag_names import composed, named_files
from wsss.errors import WsssError, in_one_line
from wsss.paths import typed_path

__all__ = ["FOLDERS", "Photographs", "Tags", "alike", "counted", "photographs_in", "read_tags"]

FOLDERS = "folders"
"""What stands in place of a file of tags where each photograph's class is the folder that it lies in."""

_NAMED = 3  # of the files that are left out


@dataclass(frozen=True)
class Tags:
    """Which classes each photograph shows.

    Attributes:
        of: file, as a path below the folder of photographs with `/`, → names of its classes; none of one that is known
            to show none of them.
        classes: all names, in the order of the labels 1…C; also those that the file lists and no photograph has.
        left_out: one sentence for each kind of thing that is not used.
    """

    of: Mapping[str, frozenset[str]]
    classes: tuple[str, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Photographs:
    """The pictures of a folder and of the folders in it, as paths below it with `/`, sorted.

    Attributes:
        files: that can be read.
        foreign: of a kind that cannot be read, without a readable picture of the same name beside them.
        left_out: one sentence for each kind of thing that is not used.
    """

    files: tuple[str, ...]
    foreign: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def photographs_in(folder: Path) -> Photographs:
    """The pictures of a folder and of the folders in it, links followed; hidden ones are none.

    Raises:
        WsssError: there is no such folder, it cannot be opened, no image in it that can be read, or two images of one
            name but for the suffix.
    """
    if not folder.is_dir():
        raise WsssError(f"there is no folder {folder} of photographs. Name it with --images.")
    present, closed = files_below(folder)
    if folder in closed:
        raise WsssError(f"cannot open the folder {folder} of photographs. Check its permissions.")
    pictures, beside, foreign = sorted_out(path.relative_to(folder) for path in present)
    if foreign and not pictures:
        raise refusal(folder / foreign[0])
    if not pictures:
        raise WsssError(f"{folder} holds no photograph. Name the folder of the image files with --images.")
    stems: dict[Path, Path] = {}
    for file in pictures:
        require_writable_name(folder / file, file.as_posix())
        other = stems.setdefault(file.with_suffix(""), file)
        if other != file:
            raise WsssError(f"{folder}: {other} and {file} would have the same label map. Rename one.")
    left_out = []
    if beside:
        pairs = counted([file.as_posix() for file in beside])
        left_out.append(f"{pairs} of a kind that is not read, beside a picture of the same name that is")
    if closed:
        left_out.append(f"{counted([path.relative_to(folder).as_posix() for path in closed], 'folder')} not open to us")
    return Photographs(
        tuple(file.as_posix() for file in pictures), tuple(file.as_posix() for file in foreign), tuple(left_out)
    )


def read_tags(source: str | Path, images: Path) -> Tags:
    """The tags of the photographs in a folder.

    Args:
        source: a file, known by its suffix, or

            - `.csv` (or `.tsv`): lines `file,tag;tag`, or a heading `file,cat,dog,…` and 0 or 1 a class; columns may be
              parted by semicolons throughout, with several tags in quotes, `file;"tag;tag"`;
            - `.jsonl`: an object a line, as of Hugging Face's imagefolder: `file_name`, and `labels`, `label` or
              `objects.categories` in names;
            - `.json`: COCO's `instances.json`, whose categories are the classes;
            - a folder with VOC's annotations `ID.xml`;
            - `folders`: the class of a photograph is the folder that it lies in.
        images: the folder of photographs; files are named by their path in it, with or without suffix, see
            `wsss.data.tag_names.named_files`.

    Raises:
        WsssError: the file cannot be read; the message names file, line and remedy. Or no photograph has tags, or a
            picture with tags is of a kind that cannot be read.
    """
    photos = photographs_in(images)
    if source == FOLDERS:
        return _of_folders(photos, images)
    path = typed_path(source)
    if path.is_dir():
        return _matched(read_annotations(path), photos, images, path)
    reader = READERS.get(path.suffix.lower())
    if reader is None or not path.is_file():
        raise WsssError(
            f"{path} is no file of tags ({', '.join(READERS)}) and no folder of VOC's XML files. Give one with "
            f"--tags, or --tags {FOLDERS} where each class has a folder of its own."
        )
    try:
        held = reader(path, photos.files)
    except (OSError, UnicodeDecodeError) as error:
        raise WsssError(f"cannot read tags {path}: {error}. It must be a text file in UTF-8.") from error
    return _matched(held, photos, images, path)


def _matched(held: Held, photos: Photographs, images: Path, source: Path) -> Tags:
    """Bring names as they stand in the tags together with the files that there are; tags of one file are united."""
    files = photos.files
    meant = named_files([name for name, _ in held.entries], (*files, *photos.foreign))
    if foreign := next((file for file in photos.foreign if file in meant.of.values()), None):
        raise refusal(images / foreign)
    found: dict[str, frozenset[str]] = {}
    for name, tags in held.entries:
        if name in meant.of:
            found[meant.of[name]] = found.get(meant.of[name], frozenset()) | tags
    names = tuple(dict.fromkeys(held.classes or sorted(frozenset[str]().union(*found.values()))))
    _require_classes(names, found, source)
    strangers = meant.missing or meant.several
    if not any(found.values()):
        first = f" It begins with {strangers[0]}, the photographs with {files[0]}." if strangers else ""
        first += " Commas part columns, semicolons part tags." if strangers and ";" in strangers[0] else ""
        raise WsssError(f"{source} gives no photograph a tag.{first} Files are named by their path below --images.")
    untagged = [file for file in files if file not in found]
    kinds = (
        (meant.missing, f"named in {source.name} but not there"),
        (meant.several, f"named in {source.name}, which may be more than one file"),
        (untagged, f"there but not named in {source.name}"),
        (photos.foreign, f"of a kind that is not read, and not named in {source.name}"),
    )
    left_out = [f"{counted(some)} {what}" for some, what in kinds if some]
    return Tags(
        {file: found[file] for file in files if file in found}, names, (*held.notes, *photos.left_out, *left_out)
    )


def counted(names: Sequence[str], one: str = "photograph", several: str | None = None) -> str:
    """How many photographs, or other things, these are, and the names of the first.

    >>> counted(["a.jpg"]), counted(["cat", "dog"], "class", "classes")
    ('1 photograph (a.jpg)', '2 classes (cat, dog)')
    """
    more = ", …" if len(names) > _NAMED else ""
    first = in_one_line(", ".join(names[:_NAMED]))
    return f"{len(names)} {one if len(names) == 1 else several or f'{one}s'} ({first}{more})"


def alike(names: Iterable[str]) -> list[list[str]]:
    """Names that differ in nothing but capitals and the like, together.

    >>> alike(["Cat", "dog", "cat"])
    [['Cat', 'cat']]
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(composed(name.casefold()), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _require_classes(names: Sequence[str], found: Mapping[str, frozenset[str]], source: Path) -> None:
    shown = frozenset[str]().union(*found.values())
    if len(shown) >= IGNORE:
        raise WsssError(f"{source} has {len(shown)} different tags, and a label map has room for {IGNORE - 1} classes.")
    for name in names:
        require_name(name, str(source))


def _of_folders(photos: Photographs, images: Path) -> Tags:
    """As torchvision's ImageFolder: the first folder below `images` is the class."""
    files = photos.files
    if foreign := next((file for file in photos.foreign if "/" in file), None):
        raise refusal(images / foreign)
    found = {file: frozenset([composed(file.split("/")[0])]) for file in files if "/" in file}
    if not found:
        raise WsssError(
            f"{images} has no folders with photographs in them, one for each class: give a file with --tags."
        )
    classes = tuple(sorted(frozenset[str]().union(*found.values())))
    _require_classes(classes, found, images)
    loose = [file for file in (*files, *photos.foreign) if "/" not in file]
    left_out = [f"{counted(loose)} in no folder of a class"] if loose else []
    return Tags(found, classes, (*photos.left_out, *left_out))
