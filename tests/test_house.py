"""The house: few files at the door, rooms in tiers, imports that go down only, tests in the same rooms."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import wsss

PACKAGE = Path(wsss.__file__).parent
TESTS = Path(__file__).parent

DOOR = {"__init__", "__main__"}
"""They open the house: everything lies below them, and no room looks at more of them than the version."""

TIERS: tuple[tuple[set[str], ...], ...] = (
    ({"cli"},),
    ({"widgets"},),
    ({"report"}, {"experiments"}),
    ({"pipeline"},),
    ({"segmentation"},),
    ({"pseudo"},),
    ({"config", "methods", "records"},),
    ({"analysis"}, {"depth"}, {"cam"}),
    ({"data"}, {"networks"}),
    ({"machine"},),
    ({"io", "paths", "checks"},),
    ({"errors"},),
)
"""From the top down. Rooms of one set may import each other, those of different sets of one tier may not."""

LOOSE = {"__init__", "__main__", "config", "checks", "errors", "io", "paths"}
LONGEST = 300  # lines of a file
MOST_LAYERS = 13

PLACES = {
    room: (tier, number) for tier, sets in enumerate(TIERS) for number, rooms in enumerate(sets) for room in rooms
}
FILES = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
MODULES = {name.removesuffix(".__init__"): path for name, path in FILES.items()}


def imported(name: str, path: Path) -> Iterator[tuple[str, int]]:
    """Modules of the package that a module imports, with the line: at its top, in functions, and for types alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((each.name, node.lineno) for each in node.names if each.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            package = name if path.stem == "__init__" else name.rpartition(".")[0]
            for _ in range(node.level - 1):
                package = package.rpartition(".")[0]
            base = ".".join(part for part in (package if node.level else "", node.module) if part)
            for each in node.names:
                whole = f"{base}.{each.name}"
                if found := whole if whole in MODULES else base if base in MODULES else None:
                    yield found, node.lineno


def room(module: str) -> str:
    """The room that a module lies in, or the loose file that it is."""
    return module.split(".")[1] if "." in module else "__init__"


GRAPH = {name: list(imported(name, path)) for name, path in MODULES.items()}


def test_every_file_is_in_a_room_of_the_plan() -> None:
    assert {room(name) for name in MODULES} == {*PLACES, *DOOR}
    assert {path.stem for path in PACKAGE.glob("*.py")} == LOOSE


def test_imports_go_down_only() -> None:
    """Between tiers; and not between two rooms of a tier that know nothing of each other."""
    up = []
    for name, found in GRAPH.items():
        for other, line in found:
            mine, theirs = room(name), room(other)
            if mine == theirs or mine in DOOR:
                continue
            (tier, own), (their_tier, their_own) = PLACES[mine], PLACES.get(theirs, (-1, 0))
            if tier > their_tier or (tier == their_tier and own != their_own):
                up.append(f"{name}:{line} imports {other}")
    assert not up, "\n" + "\n".join(up)


def test_there_is_no_circle_of_modules() -> None:
    layers({name: {other for other, _ in found} for name, found in GRAPH.items()})


def test_rooms_lie_on_few_layers_and_in_no_circle() -> None:
    """A room counts as one, and so does a loose file behind the door."""
    rooms: dict[str, set[str]] = {}
    for name, found in GRAPH.items():
        rooms.setdefault(room(name), set()).update({room(other) for other, _ in found} - {room(name), *DOOR})
    assert layers(rooms) <= MOST_LAYERS


def layers(imports: dict[str, set[str]]) -> int:
    """How many modules or rooms stand on each other at most; a circle is a failure that names it."""
    try:
        order = list(TopologicalSorter(imports).static_order())
    except CycleError as error:
        pytest.fail("a circle, each imported by the next: " + " → ".join(error.args[1]), pytrace=False)
    height: dict[str, int] = {}
    for name in order:
        height[name] = 1 + max((height[other] for other in imports.get(name, ())), default=0)
    return max(height.values())


def test_no_file_is_long() -> None:
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    long = [f"{name} has {count} lines" for name, count in lines.items() if count > LONGEST]
    assert not long, "\n" + "\n".join(long)


def test_tests_lie_in_the_same_rooms() -> None:
    """What is tested across rooms lies at the top."""
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")} - {Path()}
    rooms = {Path(path.parent.name) for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= rooms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import wsss.io", {"wsss.io"}),
        ("from wsss.io import read_json", {"wsss.io"}),
        ("from wsss.data import voc, Sample", {"wsss.data.voc", "wsss.data"}),
        ("def f():\n    from wsss.cam.maps import class_maps", {"wsss.cam.maps"}),
        ("if TYPE_CHECKING:\n    from wsss.pipeline import Run", {"wsss.pipeline"}),
        ("from . import maps\nfrom .features import sides", {"wsss.cam.maps", "wsss.cam.features"}),
        ("from ..io import read_json\nfrom .. import checks", {"wsss.io", "wsss.checks"}),
        ("import torch, json\nfrom wsssx import y", set()),
    ],
)
def test_imports_are_found_wherever_they_stand(tmp_path: Path, text: str, expected: set[str]) -> None:
    (tmp_path / "module.py").write_text(text)
    assert {name for name, _ in imported("wsss.cam.module", tmp_path / "module.py")} == expected


def test_circles_and_layers_are_found() -> None:
    assert layers({"a": {"b", "c"}, "b": {"c"}}) == 3
    with pytest.raises(pytest.fail.Exception, match="circle"):
        layers({"a": {"b"}, "b": {"c"}, "c": {"a"}})


def test_the_diagram_of_the_architecture_has_these_rooms() -> None:
    """On the page the files at the bottom share one box."""
    code = (TESTS.parent / "docs" / "rooms.py").read_text(encoding="utf-8")
    (drawn,) = (
        node.value
        for node in ast.parse(code).body
        if isinstance(node, ast.Assign) and "TIERS" in ast.unparse(node.targets[0])
    )
    rows = [{room for name, _ in row for room in name.split(", ")} for row in ast.literal_eval(drawn)]
    known = [set().union(*tier) for tier in TIERS]
    assert rows == [*known[:-3], known[-3] | known[-2] | known[-1]]
