"""Settings whose fields say what they may be: one check of them all, and nothing of it in values, hashes or JSON."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest

from wsss.checks import OPTIONAL, check_settings, require_number, require_numbers, setting, settings_from
from wsss.config import Config
from wsss.errors import WsssError
from wsss.methods.parameters import CropParameters, FusionParameters, RegionParameters


@dataclass(frozen=True)
class Part:
    share: float = setting(0.5, 0, below=1)


@dataclass(frozen=True)
class Settings:
    side: int = setting(64, 32, 128, multiple_of=32)
    rate: float = setting(0.1, 0)
    limit: int | None = setting(None, 1)
    way: str = setting("near", choices=("near", "far"))
    scales: tuple[float, ...] = setting((1.0,), 0.5, 4, filled=True)
    pair: tuple[int, int] = setting((1, 2), 0, 9)
    names: tuple[str, ...] = ()
    free: float = 0.0
    inner: Part = field(default_factory=Part)
    later: int = setting(3, 1, 5, optional=True)
    latest: tuple[str, ...] = field(default=(), metadata=OPTIONAL)


@dataclass(frozen=True)
class Plain:
    side: int = 64
    rate: float = 0.1


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"side": 65}, "setting side must be a multiple of 32 from 32 to 128, not 65"),
    ({"side": 160}, "setting side must be a multiple of 32 from 32 to 128, not 160"),
    ({"side": 64.0}, "setting side must be a multiple of 32 from 32 to 128, not 64.0"),
    ({"rate": -0.1}, "setting rate must be a number of at least 0, not -0.1"),
    ({"rate": float("nan")}, "setting rate must be a number of at least 0, not nan"),
    ({"rate": True}, "setting rate must be a number of at least 0, not True"),
    ({"rate": 16**5000}, "setting rate must be a number of at least 0, not a number of thousands of digits"),
    ({"limit": 0}, "setting limit must be an integer of at least 1 or nothing, not 0"),
    ({"way": "up"}, "setting way must be one of near, far, not 'up'"),
    ({"way": 3}, "setting way must be one of near, far, not 3"),
    ({"scales": ()}, "setting scales must be a list of one or more numbers from 0.5 to 4, not ()"),
    ({"scales": (1.0, 5)}, "setting scales must be a list of one or more numbers from 0.5 to 4, not (1.0, 5)"),
    ({"scales": 1.0}, "setting scales must be a list of one or more numbers from 0.5 to 4, not 1.0"),
    ({"pair": (1, 2, 3)}, "setting pair must be a list of 2 integers from 0 to 9, not (1, 2, 3)"),
    ({"names": "ab"}, "setting names must be a list of texts, not 'ab'"),
    ({"free": float("inf")}, "setting free must be a number, not inf"),
    ({"free": "x" * 200}, f"setting free must be a number, not '{'x' * 79}…"),
    ({"inner": Part(1.0)}, "setting inner.share must be a number from 0 to below 1, not 1.0"),
    ({"inner": {"share": 0}}, "setting inner must be a Part, not {'share': 0}"),
    ({"later": 6}, "setting later must be an integer from 1 to 5, not 6"),
]


@pytest.mark.parametrize(("values", "message"), WRONG, ids=[message[8:48] for _, message in WRONG])
def test_what_does_not_fit_is_named_with_what_it_may_be(values: dict[str, Any], message: str) -> None:
    with pytest.raises(WsssError) as caught:
        check_settings(Settings(**values))
    assert str(caught.value) == message


def test_what_fits_is_let_through() -> None:
    check_settings(Settings())
    check_settings(Settings(side=128, rate=2, limit=1, way="far", scales=(0.5, 4), pair=(0, 9), free=-3, later=5))
    check_settings(Settings(scales=[1.0], pair=[1, 2]))  # type: ignore[arg-type]


def test_limits_are_no_part_of_the_values() -> None:
    """Equality, hash, `asdict` and JSON are those of a dataclass with plain defaults."""

    @dataclass(frozen=True)
    class Limited:
        side: int = setting(64, 32, 128, multiple_of=32)
        rate: float = setting(0.1, 0)

    assert asdict(Limited()) == asdict(Plain())
    assert json.dumps(asdict(Limited())) == json.dumps(asdict(Plain()))
    assert hash(Limited()) == hash(Plain())
    assert Limited() == Limited(64, 0.1) != Limited(96)
    assert repr(Limited()).endswith("Limited(side=64, rate=0.1)")


def test_fields_that_came_later_may_be_missing_and_are_checked_too() -> None:
    plain = {name: value for name, value in asdict(Settings()).items() if name not in ("later", "latest")}
    assert settings_from(Settings, json.loads(json.dumps(plain))) == Settings()
    assert settings_from(Settings, {**plain, "later": 4, "latest": ["a"]}) == Settings(later=4, latest=("a",))
    with pytest.raises(WsssError, match="later must be an integer from 1 to 5, not 9"):
        settings_from(Settings, {**plain, "later": 9})
    optional = {one.name for one in fields(Config) if one.metadata.get("optional")}
    assert optional == {"sources", "kinds", "tags", "tune_masks", "photograph_side", "preset"}
    assert not optional & set(Config().dictionary())
    assert Config(sources=("a=files:b",)).dictionary()["sources"] == ("a=files:b",)


def test_other_fields_may_be_missing_only_where_a_part_is_asked_for() -> None:
    assert settings_from(FusionParameters, {"vote": 0.5}, partial=True) == FusionParameters(vote=0.5)
    assert settings_from(Settings, {"inner": {}}, partial=True) == Settings()
    with pytest.raises(WsssError, match=r"another version of the code: .*gate.* in FusionParameters"):
        settings_from(FusionParameters, {"vote": 0.5})
    for partial in (False, True):
        with pytest.raises(WsssError, match=r"another version of the code: .*votes in FusionParameters"):
            settings_from(FusionParameters, {"votes": 0.5}, partial=partial)
        with pytest.raises(WsssError, match=r"another version of the code: \[1\] in FusionParameters"):
            settings_from(FusionParameters, [1], partial=partial)  # type: ignore[arg-type]
        with pytest.raises(WsssError, match="vote must be a number from 0 to 1, not 2"):
            settings_from(FusionParameters, {**asdict(FusionParameters()), "vote": 2}, partial=partial)


@pytest.mark.parametrize("kind", [RegionParameters, CropParameters, FusionParameters])
def test_parameters_come_back_from_json(kind: type) -> None:
    plain = json.loads(json.dumps(asdict(kind())))
    assert settings_from(kind, plain) == kind()
    assert kind(**plain) is not None  # with lists for tuples


def test_numbers_are_checked_in_the_same_words() -> None:
    require_number("vote", 0.5, 0, 1)
    require_numbers("mean", [0.5, 1], 0, 1)
    require_numbers("mean", (0.5, 1, 0), 0, 1, count=3)
    for call, message in (
        (lambda: require_number("n", 1.0, 1, whole=True), "n must be an integer of at least 1, not 1.0"),
        (lambda: require_numbers("mean", "big", 0, 1), "mean must be a list of numbers from 0 to 1, not 'big'"),
        (lambda: require_numbers("mean", [0, 2], 0, 1), "mean must be a list of numbers from 0 to 1, not [0, 2]"),
        (lambda: require_numbers("mean", [0], 0, 1, count=3), "mean must be a list of 3 numbers from 0 to 1, not [0]"),
    ):
        with pytest.raises(WsssError) as caught:
            call()
        assert str(caught.value) == message


def test_every_range_holds_its_default() -> None:
    check_settings(Config(root=str(Path())))
