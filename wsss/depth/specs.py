"""What users write for a source of depth, such as `shuffled+files:DIR`, and its names in records and cache keys."""

import glob
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

from wsss.depth.controls import NOISE_LEVELS
from wsss.depth.names import CONTROL_NAMES, KINDS_OF_PLACE, PLAIN, SOURCES
from wsss.depth.patterns import WHOLE_FOLDER, matching, split_pattern
from wsss.errors import WsssError
from wsss.io import content_hash
from wsss.machine.contents import file_hashes, folder_hash, weights_hash
from wsss.paths import typed_path

__all__ = [
    "CONTROL_NAMES",
    "check_source",
    "innermost",
    "is_here",
    "is_there",
    "made_from",
    "pattern_of",
    "place_of",
    "portable_spec",
    "reads_something",
    "resolve_place",
    "severity_of",
    "source_identity",
    "source_name",
    "split_control",
    "unknown_source",
    "with_innermost",
]

DEEPEST = 30
"""Signs + in what a control is made from: each is a control of another one, or stands in the name of a file."""


def check_source(spec: str, declared: Collection[str] = ()) -> None:
    """Raise a `WsssError` unless `spec` is a depth source by its form; `learned` alone is that of a run.

    Args:
        declared: names of sources that the user has declared.

    >>> check_source("shuffled+files:maps")
    """
    name, _, argument = spec.partition(":")
    if spec in PLAIN or spec in declared or spec in SOURCES or (name in KINDS_OF_PLACE and argument):
        return
    parts = split_control(spec)
    if parts is None:
        raise unknown_source(spec, declared)
    control, inner = parts
    if control.startswith("noisy:"):
        severity_of(control.partition(":")[2])
    elif control == "noisy" or control not in CONTROL_NAMES:
        raise unknown_source(spec, declared)
    if "+" in spec:
        check_source(inner, declared)


def innermost(spec: str) -> str:
    """What a source is made from in the end: itself where it is no control; nothing where a control does not say.

    >>> innermost("noisy:0.1+shuffled+files:/data/a+b"), innermost("files:a+shuffled"), innermost("shuffled")
    ('files:/data/a+b', 'files:a+shuffled', '')
    """
    if split_control(spec) is None:
        return spec
    return innermost(spec.partition("+")[2]) if "+" in spec else ""


def with_innermost(spec: str, inner: str) -> str:
    """`spec` with `inner` in place of what it is made from; a control that does not say stays as it is.

    >>> with_innermost("noisy:0.1+shuffled+meter", "files:DepthMETER")
    'noisy:0.1+shuffled+files:DepthMETER'
    """
    old = innermost(spec)
    return spec[: len(spec) - len(old)] + inner if old else spec


def place_of(spec: str) -> Path | None:
    """The file or folder that a source is read from, also by way of a control; None for one that names none.

    Of a pattern it is the folder.

    >>> str(place_of("shuffled+files:scans/{id}_depth.npy"))
    'scans'
    """
    name, _, argument = innermost(spec).partition(":")
    if name not in KINDS_OF_PLACE or not argument:
        return None
    path = typed_path(split_pattern(argument)[0] if name == "files" else argument)
    return path if name != "hf" or is_there(path, folder=True) else None


def pattern_of(spec: str) -> str:
    """How the files of a source are named in their folder, where that is not by the image's id alone; else nothing.

    >>> pattern_of("files:scans/{id}_depth.npy"), pattern_of("files:scans"), pattern_of("sensor")
    ('{id}_depth.npy', '', '')
    """
    name, _, argument = innermost(spec).partition(":")
    pattern = split_pattern(argument)[1] if name == "files" else WHOLE_FOLDER
    return "" if pattern == WHOLE_FOLDER else pattern


def reads_something(spec: str) -> bool:
    """Whether the file or folder of a source is there, and, of a pattern, a file in it."""
    place, pattern = place_of(spec), pattern_of(spec)
    if place is None or not place.exists():
        return False
    return not pattern or (place.is_dir() and bool(matching(place, pattern)))


def source_name(spec: str, names: Mapping[str, str] = MappingProxyType({})) -> str:
    """Short name for records.

    A folder's is its own without "depth", a hub model's the last part of its id; a control names what it was made from
    unless that is the sensor.

    Args:
        names: of sources that have another, see `wsss.depth.declared`.

    >>> [source_name(spec) for spec in ("sensor", "files:/data/DepthMETER", "noisy:0.05", "shuffled+files:DepthMETER")]
    ['sensor', 'meter', 'noisy-0.05', 'shuffled-meter']
    """
    if parts := split_control(spec):
        head, inner = parts
        control = head.replace(":", "-")
        return control if inner == "sensor" else f"{control}-{source_name(inner, names)}"
    if spec in names:
        return names[spec]
    name, _, argument = spec.partition(":")
    if name == "hf":
        own = re.sub(r"[^a-z0-9._-]+", "-", Path(argument).name.lower()).strip("-.") or "hf"
    elif name == "files":
        own = re.sub(r"depth|[^a-z0-9]", "", Path(split_pattern(argument)[0]).name.lower()) or "files"
    else:
        return name
    return f"{name}-{own}" if own in (*PLAIN, *CONTROL_NAMES) else own


def source_identity(spec: str) -> str:
    """What of a source enters a cache key: the contents of its files, never their place.

    Of a folder of maps, or of a model in a folder, these are names and contents of all files; of a network its weights
    and those of its folds; of what a user entered its version and kind.
    """
    if parts := split_control(spec):
        return f"{parts[0]}+{source_identity(parts[1])}"
    name, _, argument = spec.partition(":")
    if spec in SOURCES:
        return f"{spec} {SOURCES[spec].version} {SOURCES[spec].kind}"
    if pattern := pattern_of(spec):
        return f"{name}:{_pattern_hash(typed_path(split_pattern(argument)[0]), pattern)}"
    path = typed_path(argument)
    if name == "files" and any("/" in file for file in matching(path, WHOLE_FOLDER)):  # of ids that are paths
        return f"{name}:{content_hash([folder_hash(path), _pattern_hash(path, WHOLE_FOLDER)])}"
    if name == "files" or (name == "hf" and is_there(path, folder=True)):
        return f"{name}:{folder_hash(path)}"
    if name == "learned" and argument:
        folds = sorted(path.parent.glob(f"{glob.escape(path.stem)}.fold*{glob.escape(path.suffix)}"))
        return f"learned:{content_hash([weights_hash(each) for each in (path, *folds)])}"
    return spec


def _pattern_hash(folder: Path, pattern: str) -> str:
    """Hash of the pattern, and of the names and contents of the files that it matches."""
    names = matching(folder, pattern)
    hashes = file_hashes(folder / name for name in names)
    return content_hash([pattern, list(zip(names, hashes, strict=True))])


def portable_spec(spec: str) -> str:
    """A source without the place of its files: of a path only the last part, which is looked for in the data's folder.

    >>> portable_spec("shuffled+files:/somewhere/DepthMETER")
    'shuffled+files:DepthMETER'
    """
    if (parts := split_control(spec)) and "+" in spec:
        return f"{parts[0]}+{portable_spec(parts[1])}"
    name, _, argument = spec.partition(":")
    if pattern := pattern_of(spec):
        folder = Path(split_pattern(argument)[0]).name
        return f"{name}:{folder}/{pattern}" if folder else f"{name}:{pattern}"
    return f"{name}:{Path(argument).name}" if name in ("files", "learned") and argument else spec


def made_from(source: str, depth: str) -> str:
    """The source of a method `…@source`: a control that does not say what it is made from is made from `depth`."""
    return f"{source}+{depth}" if split_control(source) and "+" not in source else source


def resolve_place(spec: str, root: str | None) -> str:
    """`files:DIR` or `learned:CKPT`, alone or in a control; looked for in the data's folder `root` if not from here."""
    parts = split_control(spec)
    if parts and "+" in spec:
        return f"{parts[0]}+{resolve_place(parts[1], root)}"
    name, _, place = spec.partition(":")
    if name not in ("files", "learned") or not place or not root or is_here(name, place):
        return spec
    return f"{name}:{Path(root) / place}"


def is_here(name: str, place: str) -> bool:
    """Whether a file or folder is found from here; of a pattern in no folder, whether any file matches it here."""
    if name == "files" and "/" not in place and (pattern := pattern_of(f"files:{place}")):
        return bool(matching(Path(), pattern, below="/" in pattern))
    return is_there(typed_path(split_pattern(place)[0] if name == "files" else place), folder=name == "files")


def split_control(spec: str) -> tuple[str, str] | None:
    """A control and the source that it is made from, `sensor` where none is named; None if `spec` is no control.

    Raises:
        WsssError: it is a control of a control of a control, and so on, `DEEPEST` times.
    """
    head, _, inner = spec.partition("+")
    if head.partition(":")[0] not in CONTROL_NAMES:
        return None
    if inner.count("+") > DEEPEST:
        raise WsssError(f"depth source {spec[:60]}…: {inner.count('+') + 1} controls of one another are too many")
    return head, inner or "sensor"


def severity_of(argument: str) -> float:
    """The severity of `noisy:…`, in [0, 1].

    Raises:
        WsssError: it is no such number.
    """
    try:
        value = float(argument)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise WsssError(f"noisy:{argument} needs a severity in 0…1, such as noisy:0.05")
    return value


def unknown_source(spec: str, declared: Collection[str] = ()) -> WsssError:
    """What to raise for a source that there is not; says which there are."""
    own = "".join(f"{name}, " for name in (*declared, *SOURCES))
    return WsssError(
        f"unknown depth source {spec!r}; choose {own}sensor, files:DIR, hf:MODEL, learned:CKPT, constant, a control "
        f"(shuffled, inverted, noisy:SEVERITY, {', '.join(NOISE_LEVELS)}, of sensor, or +SOURCE), or a name that "
        "--source NAME=files:DIR declares"
    )


def is_there(path: Path, folder: bool) -> bool:
    """Whether there is such a folder, or file; False for what is no name."""
    try:
        return path.is_dir() if folder else path.is_file()
    except OSError:  # a name that no file can have
        return False
