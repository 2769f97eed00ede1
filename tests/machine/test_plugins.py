"""Names: those that are entered, and those of other packages, which are imported when they are asked for."""

import sys
from collections.abc import Callable

import pytest

from wsss.errors import WsssError
from wsss.machine.plugins import Registry, check_version

Install = Callable[..., None]


def first() -> None: ...
def second() -> None: ...


def test_what_is_entered_is_found_in_order() -> None:
    registry = Registry("fruit", "wsss.none", {"apple": 1})
    registry.enter("pear", 2, first)
    assert list(registry) == ["apple", "pear"]
    assert registry["pear"] == registry.get("pear") == 2
    assert registry.get("plum") is None
    assert len(registry) == 2
    assert "plum" not in registry


def test_a_cell_that_is_run_again_replaces_what_it_entered() -> None:
    registry: Registry[int] = Registry("fruit", "wsss.none")
    registry.enter("pear", 1, first)
    registry.enter("pear", 2, first)
    assert registry["pear"] == 2
    with pytest.raises(WsssError, match=r"fruit 'pear' of .*second: .*first has that name already\. Choose another"):
        registry.enter("pear", 3, second)


@pytest.mark.parametrize("name", ["apple", "sensor"])
def test_own_and_reserved_names_stay(name: str) -> None:
    with pytest.raises(WsssError, match="wsss has that name already"):
        Registry("fruit", "wsss.none", {"apple": 1}, taken=("sensor",)).enter(name, 2, first)


@pytest.mark.parametrize("name", ["", "a+b", "a@b", "a:b", "a b", "a,b", "a=b", "-a", "a/b"])
def test_names_that_would_be_taken_apart_are_refused(name: str) -> None:
    registry: Registry[int] = Registry("fruit", "wsss.none")
    with pytest.raises(WsssError, match="a name must be of letters"):
        registry.enter(name, 1, first)


@pytest.mark.parametrize("version", [0, -1, 1.0, "1", True, None])
def test_versions_are_whole_numbers(version: object) -> None:
    with pytest.raises(WsssError, match=r"pear: version must be 1, 2, 3"):
        check_version("pear", version)


def test_another_package_is_imported_when_its_name_is_asked_for(install: Install) -> None:
    code = "import tests.machine.fruit_registry as r\nr.FRUIT.enter('kiwi', 7, lambda: None)\n"
    registry: Registry[int] = Registry("fruit", "wsss.fruit", {"apple": 1})
    stand_in = type(sys)("tests.machine.fruit_registry")
    stand_in.FRUIT = registry  # type: ignore[attr-defined]
    install("fruit_of_others", code, "wsss.fruit", kiwi="fruit_of_others")
    sys.modules["tests.machine.fruit_registry"] = stand_in
    assert list(registry) == ["apple", "kiwi"]
    assert "kiwi" in registry
    assert registry.loaded() == {"apple": 1}
    assert "fruit_of_others" not in sys.modules
    assert registry["kiwi"] == 7
    assert "fruit_of_others" in sys.modules


@pytest.mark.parametrize(
    ("code", "value", "message"),
    [
        ("import a_module_that_is_not_there", "broken", "No module named 'a_module_that_is_not_there'"),
        ("raise RuntimeError('first\\nsecond')", "broken", r"\(broken\): first\. Repair or uninstall"),
        ("", "broken:missing", "has no attribute 'missing'"),
        ("", "elsewhere", "No module named 'elsewhere'"),
        ("", "broken", "offers the fruit 'kiwi', but broken does not register it"),
    ],
)
def test_a_package_that_cannot_be_loaded_is_one_line(install: Install, code: str, value: str, message: str) -> None:
    install("broken", code, "wsss.fruit", kiwi=value)
    registry = Registry("fruit", "wsss.fruit", {"apple": 1})
    assert registry["apple"] == 1
    assert list(registry) == ["apple", "kiwi"]
    with pytest.raises(WsssError, match=message) as caught:
        _ = registry["kiwi"]
    assert "\n" not in str(caught.value)
    assert "package broken" in str(caught.value)


def test_a_name_of_two_packages_is_refused_and_an_own_name_stays(install: Install) -> None:
    for name in ("one", "two"):
        install(name, "raise AssertionError", "wsss.fruit", kiwi=name, apple=name)
    registry = Registry("fruit", "wsss.fruit", {"apple": 1})
    assert registry["apple"] == 1
    assert list(registry) == ["apple", "kiwi"]
    with pytest.raises(WsssError, match=r"offered by package (one|two) and package (one|two)"):
        _ = registry["kiwi"]
