"""The depth sources of a run together: their names, their places, and what their numbers mean.

A source that is declared has a name of its own, `NAME=files:DIR`, under which methods and records know it, and may have
a kind of its own, `NAME=inverse`. So metric and inverse folders, and folders that are called alike, can be compared in
one run.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wsss.depth.names import CONTROL_NAMES, KINDS, KINDS_OF_PLACE, PLAIN, SOURCES
from wsss.depth.specs import (
    check_source,
    innermost,
    made_from,
    pattern_of,
    place_of,
    portable_spec,
    resolve_place,
    source_name,
    with_innermost,
)
from wsss.errors import WsssError
from wsss.io import content_hash
from wsss.paths import typed_path

__all__ = ["FILES", "KINDS", "DepthSources", "declarations", "inline", "kinds_of", "take_inline"]

FILES = "files"
"""What stands for every source of files that has no kind of its own, in `NAME=KIND`."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_INLINE = re.compile(rf"({_NAME.pattern})=(.+)", re.DOTALL)


def declarations(sources: Iterable[str]) -> dict[str, str]:
    """Name → source of declarations such as `near=files:DIR`.

    >>> declarations(["near=files:/data/a=b", "zoe=hf:Intel/zoedepth-nyu"])
    {'near': 'files:/data/a=b', 'zoe': 'hf:Intel/zoedepth-nyu'}

    Raises:
        WsssError: no such form, a name that is taken, or what it names is not read from a place.
    """
    declared: dict[str, str] = {}
    for text in sources:
        found = _INLINE.fullmatch(text)
        if found is None:
            raise WsssError(
                f"--source {text!r} must be NAME=files:DIR (or hf:MODEL, learned:FILE), NAME of letters, digits, '-', "
                "'_', '.'"
            )
        name, spec = found.groups()
        if name in (*PLAIN, *KINDS_OF_PLACE, *CONTROL_NAMES, *SOURCES):
            raise WsssError(f"--source {text!r}: {name} means something else already. Choose another name.")
        if spec.partition(":")[0] not in KINDS_OF_PLACE or not spec.partition(":")[2]:
            raise WsssError(
                f"--source {text!r}: a name is given to files:DIR, hf:MODEL or learned:FILE, not to {spec!r}"
            )
        if declared.setdefault(name, spec) != spec:
            raise WsssError(f"--source {name} is given twice, as {declared[name]} and {spec}. Choose two names.")
    return declared


def kinds_of(stated: str | Sequence[str] | None, declared: Collection[str]) -> tuple[str | None, dict[str, str]]:
    """The kind of `--depth-kind KIND`, and name → kind of each `--depth-kind NAME=KIND`.

    >>> kinds_of(["metric", "near=inverse"], ["near"])
    ('metric', {'near': 'inverse'})

    Raises:
        WsssError: no such kind or source, or two kinds for one.
    """
    own: str | None = None
    named: dict[str, str] = {}
    for text in [stated] if isinstance(stated, str) else stated or ():
        name, equals, kind = text.rpartition("=")
        if kind not in KINDS or (equals and not name):
            raise WsssError(
                "--depth-kind metric (larger = farther) or inverse (larger = nearer), or NAME=metric|inverse, not "
                f"{text!r}"
            )
        if equals and name not in (*declared, FILES):
            known = ", ".join(declared) or "none"
            raise WsssError(
                f"--depth-kind {text}: no source is called {name}; declared are: {known} (--source NAME=files:DIR)"
            )
        before = named.get(name) if equals else own
        if before not in (None, kind):
            raise WsssError(f"--depth-kind: {name or 'the files'} cannot be both {before} and {kind}. Leave one out.")
        if equals:
            named[name] = kind
        else:
            own = kind
    return own, named


def take_inline(spec: str) -> tuple[str, str | None]:
    """A source, and the declaration that stood in it: `shuffled+near=files:DIR` uses `near`, which it declares.

    >>> take_inline("shuffled+near=files:a"), take_inline("files:near=files:a")
    (('shuffled+near', 'near=files:a'), ('files:near=files:a', None))
    """
    plain = innermost(spec)
    found = _INLINE.fullmatch(plain)
    return (with_innermost(spec, found[1]), plain) if found else (spec, None)


def inline(spec: str, declared: Mapping[str, str]) -> str:
    """The inverse of `take_inline`: a source that says itself what the name in it stands for."""
    plain = innermost(spec)
    return with_innermost(spec, f"{plain}={declared[plain]}") if plain in declared else spec


@dataclass(frozen=True)
class DepthSources:
    """What a run knows of its sources.

    Attributes:
        own: the run's depth, which methods without `@source` use; None where it has none.
        own_kind: `metric` or `inverse`, of `own` alone.
        declared: name → source.
        kinds: declared name → kind; under `FILES` that of all other files.
        root: folder of the data, in which places may lie.
        known: kinds that are known without anybody's saying so, by source.
    """

    own: str | None = None
    own_kind: str | None = None
    declared: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    root: str | None = None
    known: Mapping[str, str] = field(default_factory=dict)

    def written(self, source: str | None) -> str:
        """A method's `@source`, a control made from the run's own where it does not say; the run's own for None."""
        own = self.own or "sensor"
        return made_from(source, own) if source else own

    def check(self, source: str | None) -> None:
        """Raise a `WsssError` unless a method's `@source`, or the run's own for None, is a source by its form."""
        check_source(self.written(source), self.declared)

    def spec(self, source: str | None) -> str:
        """What `open_depth` is told: no declared name is left, and places are found from here."""
        spec = self.written(source)
        plain = innermost(spec)
        return resolve_place(with_innermost(spec, self.declared.get(plain, plain)), self.root)

    def kind(self, source: str | None) -> str | None:
        """The kind that was stated for a source, also by way of a control; None where nobody did."""
        plain, own = innermost(self.written(source)), innermost(self.own or "")
        if plain in self.kinds and plain != FILES:
            return self.kinds[plain]
        if plain in SOURCES:  # which say it themselves
            return None
        spec = self.declared.get(plain, plain)
        if spec.startswith("files:"):
            stated = self.own_kind if plain == own else None
            return stated or self.kinds.get(FILES) or self.known.get(spec)
        return self.own_kind if plain == own else None

    def names(self, sources: Iterable[str | None]) -> dict[str, str]:
        """The name in records of what each source is made from, unique where what is read is not the same.

        A declared name stays. Folders that would have one name get the shortest part of their paths in which they
        differ.
        """
        plains = dict.fromkeys(innermost(self.written(source)) for source in (None, *sources))
        names = {plain: plain if plain in self.declared else source_name(plain) for plain in plains if plain}
        alike: dict[str, list[str]] = {}
        for plain, name in names.items():
            alike.setdefault(name, []).append(plain)
        for name, group in alike.items():
            apart = {plain: self._read_from(plain) for plain in group}
            longer = {plain: parts for plain, parts in apart.items() if plain not in self.declared and parts}
            if len(set(apart.values())) > 1:
                names |= _told_apart(name, longer, taken=set(names.values()))
        return names

    def _read_from(self, plain: str) -> tuple[str, ...]:
        """The parts of the place that a source is read from, absolute; of a hub model those of its id; else nothing."""
        spec = resolve_place(self.declared.get(plain, plain), self.root)
        kind, _, argument = spec.partition(":")
        if not argument:
            return ()
        place = place_of(spec)
        return (kind, *(_absolute(place).parts if place else Path(argument).parts), *Path(pattern_of(spec)).parts)

    def places(self, sources: Iterable[str | None]) -> list[Path]:
        """The files and folders that the run's own source and these are read from."""
        found = [place_of(self.spec(source)) for source in (None, *sources)]
        return list(dict.fromkeys(_absolute(place) for place in found if place is not None))

    def portable(self, source: str | None, names: Mapping[str, str]) -> tuple[str | None, dict[str, str]]:
        """A method's `@source` without its place, and what has to be declared for it to keep its name."""
        plain = innermost(source) if source else ""
        if not source or not plain or plain in self.declared:
            return source, {}
        carried = portable_spec(plain)
        if names.get(plain, source_name(plain)) == source_name(carried):
            return with_innermost(source, carried), {}
        return with_innermost(source, names[plain]), {names[plain]: carried}


def _absolute(place: Path) -> Path:
    return typed_path(str(place)).resolve()


def _told_apart(name: str, places: Mapping[str, tuple[str, ...]], taken: Collection[str]) -> dict[str, str]:
    """Names for places that would all be called `name`, by the shortest part at their ends in which all differ.

    Args:
        places: parts of each place; equal ones get one name.
        taken: names that are in use.
    """
    different = set(places.values())
    longest = max(map(len, different), default=0)

    def called(make: Callable[[tuple[str, ...]], str]) -> dict[tuple[str, ...], str] | None:
        made = {parts: make(parts) for parts in different}
        unique = len(set(made.values())) == len(made) and not set(made.values()) & set(taken)
        return made if unique and all(made.values()) else None

    for length in range(1, longest):
        found = called(lambda parts: _joined(name, parts[-length:]))  # noqa: B023 - called at once
        if found:
            return {plain: found[parts] for plain, parts in places.items()}
    return {plain: f"{name}-{content_hash(list(parts))[:6]}" for plain, parts in places.items()}


def _joined(name: str, parts: Sequence[str]) -> str:
    """`name` with the cleaned parts of a path; a part that says no more than the name is left out."""
    words = (re.sub(r"[^a-z0-9]+", "-", Path(part).stem.lower()).strip("-") for part in parts)
    return "-".join([name, *(word for word in words if word not in ("", name, "depth"))])
