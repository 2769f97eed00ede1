"""The search of constants: the same for depth and the controls, with every try in its record."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wsss.errors import WsssError
from wsss.experiments.constants import (
    AXES,
    SEARCHED,
    chosen_at_end,
    constants_tried,
    search_constants,
    thinned,
    with_settings,
)
from wsss.io import read_json, write_json
from wsss.methods.fusion import Evidence
from wsss.methods.regions import Regions
from wsss.methods.registry import METHODS
from wsss.pipeline import Run
from wsss.pipeline.profiles import profile
from wsss.records.experiments import load_constants
from wsss.records.store import constants_path

RESULTS = Path(__file__).parents[2] / "results"
COMMITTED = sorted(RESULTS.glob("*/constants/tune/*.json"))


def test_settings_are_put_in_by_their_names() -> None:
    config = profile("smoke", "tabletop")
    changed = with_settings(config, {"colour.scale": 3.0, "regions.jump": 0.5, "colour.scales": (1.0, 3.7)})
    assert (changed.colour.scale, changed.regions.jump, changed.colour.scales) == (3.0, 0.5, (1.0, 3.7))
    assert replace(changed, colour=config.colour, regions=config.regions) == config


def test_what_is_at_the_end_of_what_was_tried_is_said() -> None:
    tried = [
        {"settings": {"colour.scale": scale, "colour.flip": flip}} for scale in (1, 2, 4) for flip in (False, True)
    ]
    assert chosen_at_end(tried, {"colour.scale": 2, "colour.flip": True}) == []
    assert chosen_at_end(tried, {"colour.scale": 4}) == ["colour.scale 4 is the highest that was tried"]


def test_every_searched_method_is_one() -> None:
    assert {name for own in SEARCHED.values() for name in own} <= set(METHODS)
    assert set(AXES) <= set(SEARCHED)


def test_thinned_evidence_is_every_so_many_pixels() -> None:
    labels = np.arange(48, dtype=np.int32).reshape(6, 8) + 1
    evidence = Evidence(
        torch.arange(96.0).view(1, 2, 6, 8), 1.0, 1.0, partitions=(Regions(labels, np.zeros(48, bool)),)
    )
    found = thinned(evidence, 2)
    assert torch.equal(found.levels, evidence.levels[..., ::2, ::2])
    np.testing.assert_array_equal(found.partitions[0].labels, labels[::2, ::2])
    assert len(found.partitions[0]) == 48


def test_a_search_keeps_the_best_of_each_axis_and_all_that_was_tried(tmp_path: Path) -> None:
    config = replace(profile("smoke", "tabletop", root=str(tmp_path / "data")), methods=("cam",))
    run = Run(config, tmp_path / "cache", progress=False)
    axes = (
        ({"colour.scale": 0.3}, {"colour.scale": 3.0}),
        ({"colour.scales": (1.0, 2.0, 3.1)}, {"colour.scales": (1.0, 3.7)}),
    )
    said: list[str] = []
    record = search_constants(run, "rgb-region", axes, tmp_path / "results", said.append)
    assert read_json(constants_path(tmp_path / "results", "tabletop", "rgb-region"))["tried"] == [
        {**each, "settings": {k: list(v) if isinstance(v, tuple) else v for k, v in each["settings"].items()}}
        for each in record["tried"]
    ]
    tried = record["tried"]
    assert len(tried) == len(said) == 4
    first = max(tried[:2], key=lambda one: one["miou"])["settings"]
    assert all(one["settings"]["colour.scale"] == first["colour.scale"] for one in tried[2:])
    best = max(tried, key=lambda one: one["miou"])  # the first at ties
    assert record["chosen"] == best["settings"]
    assert record["miou"] == best["miou"]
    assert record["trials"] == len(METHODS["rgb-region"].trials)
    chosen = Run(with_settings(config, record["chosen"]), tmp_path / "cache", progress=False)
    assert constants_tried(chosen, "rgb-region", tmp_path / "results") == 4
    other = Run(with_settings(config, {"colour.scale": 7.0}), tmp_path / "cache", progress=False)
    assert constants_tried(other, "rgb-region", tmp_path / "results") is None
    assert constants_tried(chosen, "depth@sensor", tmp_path / "results") is None


def test_settings_of_all_searches_of_a_method_are_counted(tabletop_root: Path, tmp_path: Path) -> None:
    config = replace(profile("smoke", "tabletop", root=str(tabletop_root)), tabletop_side=64, tabletop_scenes=(4, 2, 2))
    run = Run(config, tmp_path / "cache", progress=False)
    for name, jump, count in (("region-only", run.config.regions.jump, 3), ("depth", run.config.regions.jump, 2)):
        record = {"chosen": {"regions.jump": jump}, "tried": [{}] * count}
        write_json(constants_path(tmp_path, "tabletop", name), record)
    assert [constants_tried(run, name, tmp_path) for name in ("depth", "region-only", "zoom")] == [5, 3, None]
    write_json(constants_path(tmp_path, "tabletop", "depth"), {"chosen": {"regions.jump": 0.5}, "tried": [{}]})
    assert constants_tried(run, "depth", tmp_path) is None


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parents[2].name}-{path.stem}")
def test_the_profile_has_what_the_committed_search_chose(path: Path) -> None:
    record = read_json(path)
    data = record["data"] if record["data"] in ("tabletop", "nyuv2") else "voc"
    config = profile("reference", data)
    chosen = {name: tuple(value) if isinstance(value, list) else value for name, value in record["chosen"].items()}
    assert with_settings(config, chosen) == config
    assert record["at_end"] == chosen_at_end(record["tried"], record["chosen"])


def test_a_broken_record_is_named(tmp_path: Path) -> None:
    path = constants_path(tmp_path, "nyuv2", "depth")
    write_json(path, {"miou": 3})
    with pytest.raises(WsssError, match=rf"{path} is no record of searched settings"):
        load_constants(tmp_path)
