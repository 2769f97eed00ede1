"""Settings of a run from a file and from `--set`, with the names and sections of `Config`."""

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from wsss.checks import check_settings, finite
from wsss.errors import WsssError, is_one_line
from wsss.paths import typed_path

__all__ = ["layered", "place_from", "settings_of_file", "settings_of_pairs"]


def settings_of_file(path: Path) -> dict[str, Any]:
    """The settings of a TOML file, by dotted names.

    The file's names are those of `Config`, its sections the parts of it::

        profile = "default"
        data = "voc"
        root = "photographs"            # from the file's own folder

        [classifier]
        backbone = "resnet50"

    Places (`root`, `classifier.weights`, and folders of depth that exist there) are seen from the file's folder.

    Raises:
        WsssError: missing, no TOML, or with a section, name or value that is not known; the message names it.
    """
    from wsss.io import read_toml

    path = typed_path(path)
    tables = read_toml(path, missing="Give a TOML file with --config.")
    return _checked(_flat(tables), str(path), path.resolve().parent)


def settings_of_pairs(pairs: Sequence[str]) -> dict[str, Any]:
    """The settings of `--set NAME=VALUE`, each value of the type that its field has; the last one of a name counts.

    A list is written with commas, or as TOML does: `methods=cam,depth`, `methods=["cam", "depth"]`.

    Raises:
        WsssError: no such form, an unknown name, or a value that does not fit; the message names it.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise WsssError(f"--set {pair}: write NAME=VALUE, such as classifier.backbone=resnet50")
        found |= _checked([(name.strip(), text.strip())], f"--set {pair}", Path.cwd())
    return found


def layered(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of two sources, the upper before the lower; a kind of depth files is that of its own source's depth."""
    own = {name: value for name, value in lower.items() if name != "depth_kind" or "depth" not in upper}
    return {**own, **upper}


def _flat(tables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Dotted name and value of each setting of a file."""
    for name, value in tables.items():
        if isinstance(value, dict):
            if name not in _sections():
                raise WsssError(f"unknown section [{name}]{_meant(name, _sections())}")
            yield from ((f"{name}.{inner}", each) for inner, each in value.items())
        else:
            yield name, value


def _annotations() -> dict[str, Any]:
    """The annotation of every setting, by its dotted name."""
    from wsss.config import Config

    found: dict[str, Any] = {}
    for name, hint in get_type_hints(Config).items():
        inner = get_type_hints(hint) if is_dataclass(hint) else {}
        found |= {f"{name}.{each}": of_each for each, of_each in inner.items()} or {name: hint}
    return found


def _sections() -> list[str]:
    return list(dict.fromkeys(name.partition(".")[0] for name in _annotations() if "." in name))


def _meant(name: str, known: Collection[str]) -> str:
    """What is offered for a name that is not known: the one that looks like it, or those of its section."""
    section, _, inner = name.rpartition(".")
    near = {one.rpartition(".")[2]: one for one in known if one.rpartition(".")[0] == section}
    close = [near[one] for one in get_close_matches(inner, near, 1)]
    close = close or [one for one in known if one.endswith(f".{name}")] or get_close_matches(name, known, 1, 0.8)
    return f"; did you mean {close[0]}?" if close else f"; choose from {', '.join(near.values() or known)}"


def _checked(given: Iterable[tuple[str, Any]], said: str, base: Path) -> dict[str, Any]:
    """Settings in the types of their fields.

    Args:
        said: where they were said, for messages.
        base: the folder from which places are seen.
    """
    from wsss.config import Config

    known, settings = _annotations(), {}
    try:
        for name, value in given:
            if name in _sections():
                inside = ", ".join(one for one in known if one.startswith(f"{name}."))
                raise WsssError(f"{name} is a section; set one of {inside}")
            if name not in known:
                raise WsssError(f"unknown setting {name!r}{_meant(name, known)}")
            settings[name] = _placed(name, _typed(value, known[name]), base)
        plain = {name: value for name, value in settings.items() if "." not in name}
        check_settings(replace(Config(), **plain))
        for section in _sections():
            inner = {
                name.partition(".")[2]: value for name, value in settings.items() if name.startswith(f"{section}.")
            }
            part = replace(getattr(Config(), section), **inner)  # whose own checks say the section themselves
            check_settings(part, f"setting {section}.")
    except WsssError as error:
        raise WsssError(f"{said}: {error}") from error
    return settings


def _typed(value: Any, hint: Any) -> Any:
    """A value in the type of its field; one that does not fit is left as it is, and refused when it is checked."""
    hints = get_args(hint) if get_origin(hint) in (UnionType, Union) else (hint,)
    kind = next(each for each in hints if each is not NoneType)
    if get_origin(kind) is tuple:
        members, values = get_args(kind), _listed(value)
        return tuple(_typed(each, members[0]) for each in values) if isinstance(values, list) else value
    if isinstance(value, str) and kind is bool:
        return {"true": True, "false": False}.get(value, value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value) if finite(value) else value
    try:
        return kind(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _listed(value: Any) -> Any:
    """The members of a list as it is typed; of what is no text the value itself."""
    if not isinstance(value, str):
        return value
    if not value.startswith("["):
        return [part.strip() for part in value.split(",") if part.strip()]
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except ValueError:
        return value


def _placed(name: str, value: Any, base: Path) -> Any:
    """A setting that is a place, or names one, as seen from a folder; one of several lines is refused later."""
    if not is_one_line(str(value)):
        return value
    if name in ("root", "classifier.weights") and isinstance(value, str):
        return str((base / typed_path(value)).resolve())
    if name == "depth" and isinstance(value, str):
        return place_from(value, base)
    if name == "sources" and isinstance(value, tuple):
        return tuple(place_from(each, base) if isinstance(each, str) else each for each in value)
    return value


def place_from(depth: str, base: Path) -> str:
    """A depth source, the folder of `files:` made absolute where it exists from a folder; else it is left for the
    data's.

    Also of a declaration `NAME=files:DIR`.
    """
    from wsss.depth.patterns import split_pattern
    from wsss.depth.specs import innermost, is_here, pattern_of, with_innermost

    head, files, folder = innermost(depth).partition("files:")
    if not files or (head and not re.fullmatch(r"[\w.-]+=", head)):
        return depth
    if not is_here("files", str(base / typed_path(folder))):  # leaves the name of nobody's home as it is
        return depth
    place = (base / typed_path(split_pattern(folder)[0])).resolve() / pattern_of(f"files:{folder}")
    return with_innermost(depth, f"{head}files:{place}")
