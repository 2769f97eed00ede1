"""Links with readable names, that lead to results in the cache."""

from pathlib import Path
from typing import Any

import pytest

from wsss.pipeline import open_run
from wsss.pipeline.named import named


def test_named_places_follow_what_was_asked_for_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WSSS_RUNS", str(tmp_path / "mine"))
    monkeypatch.chdir(tmp_path)

    def run_of(**settings: Any) -> Any:
        return open_run("smoke", "tabletop", progress=False, **settings)

    run, results = run_of(seed=2), [tmp_path / "mine" / "cache" / "pseudo" / name for name in ("one", "two")]
    for result in results:
        result.mkdir(parents=True)
    place = named(run, "pseudo-labels", "depth+par", results[0])
    assert place == run.folder / "tabletop/seed-2/pseudo-labels/depth@sensor+par"
    assert place.resolve() == results[0]
    assert not place.readlink().is_absolute()  # so that the folder of runs may be moved
    assert named(run, "pseudo-labels", "depth+par", results[1]).resolve() == results[1]
    assert [each.name for each in place.parent.iterdir()] == [place.name]
    place.unlink()
    place.mkdir()  # of the user: it stays
    assert named(run, "pseudo-labels", "depth+par", results[0]) == results[0]


def test_without_links_the_place_in_the_cache_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on some network drives and memory sticks."""
    monkeypatch.setenv("WSSS_RUNS", str(tmp_path))
    result = tmp_path / "cache" / "network" / "12ab.safetensors"
    result.parent.mkdir(parents=True)
    result.touch()
    run = open_run("smoke", "tabletop", progress=False)
    assert named(run, "networks", "cam", result) == tmp_path / "smoke/tabletop/seed-0/networks/cam.safetensors"

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert named(run, "networks", "depth", result) == result
