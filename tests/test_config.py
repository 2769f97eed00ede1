"""Profiles and settings."""

import json
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any

import pytest

from wsss.config import Config, config_hash
from wsss.data.registry import dataset_names
from wsss.errors import WsssError
from wsss.experiments.plan import RESULT_LABELS, RESULT_METHODS, RESULT_TEACHERS
from wsss.methods.names import MethodName
from wsss.methods.presets import read_preset
from wsss.methods.registry import METHODS, method
from wsss.pipeline.profiles import PROFILES, profile


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("data", dataset_names())
def test_every_profile_fits_every_data_set(name: str, data: str) -> None:
    config = profile(name, data)
    assert (config.profile, config.data) == (name, data)
    assert set(config.methods) <= set(METHODS)
    assert set(config.label_methods) <= set(config.pseudo_methods)
    assert {MethodName.parse(each).seeds for each in config.pseudo_methods} <= set(config.methods)
    assert set(config.label_methods) <= set(RESULT_LABELS[data])
    assert (
        config.classifier.base_side % 16 == config.classifier.crop_side % 16 == config.segmentation.crop_size % 16 == 0
    )
    json.dumps(config.dictionary(), allow_nan=False)  # it is hashed and stored as JSON


@pytest.mark.parametrize("data", RESULT_METHODS)
def test_networks_learn_from_labels_that_are_compared(data: str) -> None:
    assert set(RESULT_TEACHERS[data]) <= set(RESULT_LABELS[data])
    assert [MethodName.parse(name).base for name in RESULT_TEACHERS[data]][::2] == ["cam", "depth"]


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(WsssError, match=r"unknown profile 'fast'.*smoke, default, reference, full"):
        profile("fast")
    with pytest.raises(WsssError, match=r"unknown data set 'coco'.*tabletop, nyuv2, voc"):
        profile("default", "coco")
    with pytest.raises(WsssError, match=r"unknown setting 'epochs'.*\bseed\b"):
        profile("default", epochs=3)


def test_settings_replace_and_none_keeps() -> None:
    config = profile("default", "voc", seed=5, root=None, depth="constant", train_limit=None)
    assert config.seed == 5
    assert config.root is None
    assert config.depth == "constant"
    assert config.train_limit == profile("default", "voc").train_limit


def test_profiles_differ_where_they_should() -> None:
    smoke, default, reference, full = configs = [profile(name) for name in PROFILES]
    for cost in ("epochs", "base_side"):
        values = [getattr(config.classifier, cost) for config in configs]
        assert values == sorted(values)
    assert smoke.tabletop_scenes < default.tabletop_scenes < reference.tabletop_scenes < full.tabletop_scenes
    assert reference.tabletop_scenes == (400, 80, 400)
    assert smoke.methods == default.methods == reference.methods == full.methods


@pytest.mark.parametrize("name", ["default", "reference", "full"])
def test_copies_of_large_photographs_are_as_large_as_the_finest_pass(name: str) -> None:
    config = profile(name, "photographs")
    finest = max(*config.colour.scales, *config.crops.scales)
    assert config.photograph_side is not None
    assert config.photograph_side >= finest * config.classifier.base_side


def test_settings_of_parts_go_before_a_preset() -> None:
    given: Any = {"regions.jump": 0.05, "crops.count": 3, "colour.scale": 9.0, "classifier.epochs": 7}
    config, preset = profile("default", "photographs", **given), read_preset("photographs")
    assert (config.regions, config.crops) == (replace(preset.regions, jump=0.05), replace(preset.crops, count=3))
    assert (config.colour, config.classifier.epochs) == (replace(preset.colour, scale=9.0), 7)


def test_networks_of_own_photographs_learn_as_long_as_those_of_the_records() -> None:
    short, long = (profile(name).segmentation.iterations for name in ("default", "reference"))
    assert profile("default", "photographs").segmentation.iterations == long > short


def test_real_data_sets_differ_from_the_rendered_one() -> None:
    voc, nyu, table = profile(data="voc"), profile(data="nyuv2"), profile(data="tabletop")
    assert (voc.train_split, voc.report_split) == ("train_aug", "val")
    assert (nyu.train_split, nyu.report_split) == ("train", "test")
    assert voc.regions.plane_tolerance > table.regions.plane_tolerance
    assert len({voc.regions, nyu.regions, table.regions}) == 3
    assert len({voc.crops, nyu.crops, table.crops}) == 3
    assert all(config.regions.guides and config.crops.scales for config in (voc, nyu, table))
    assert (voc.depth, voc.depth_kind) == ("files:DepthMETER", "metric")
    assert table.depth == nyu.depth == "sensor"


def test_depth_folders_are_looked_for_in_the_data(tmp_path: Path) -> None:
    (tmp_path / "DepthMETER").mkdir()
    assert profile(data="voc", root=str(tmp_path)).depth == f"files:{tmp_path / 'DepthMETER'}"
    inside = f"files:{tmp_path / 'other'}"  # whether it is there is for the source to say
    assert profile(data="voc", root=str(tmp_path), depth="files:other").depth == inside
    assert profile(data="voc", root=str(tmp_path), depth="shuffled+files:other").depth == f"shuffled+{inside}"
    assert profile(data="voc", root=str(tmp_path), depth="files:/x/DepthMETER").depth == "files:/x/DepthMETER"
    assert profile(data="voc", root=str(tmp_path), depth="learned").depth == "learned"
    assert profile(data="voc").depth == "files:DepthMETER"


def test_depth_folders_that_exist_from_here_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "maps").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert profile(data="voc", root=str(tmp_path), depth="files:maps").depth == "files:maps"


@pytest.mark.parametrize("data", dataset_names())
def test_results_compare_what_there_is(data: str) -> None:
    """Baseline, the run's own methods, a control with the wrong depth and the upper bound, each once."""
    names = RESULT_METHODS[data]
    assert len(set(names)) == len(names)
    assert {*profile(data=data).methods, "depth@shuffled", "oracle-box"} <= set(names)
    assert {name for name, plan in METHODS.items() if not plan.uses_depth} <= set(names)
    for name in names:
        method(name)


def test_configurations_are_frozen_values() -> None:
    assert profile() == profile()
    assert hash(profile()) == hash(profile())
    for field in fields(Config):
        with pytest.raises(FrozenInstanceError):
            setattr(profile(), field.name, None)


HASHES = {
    "tabletop": "6171f6aa2e6d80fa958af94307bec4d6efe3de20f47ed0fc6156384841ffe448",
    "nyuv2": "541d475d9027021314032a49f78cc5db281174bfd484f9d91739fa39901901e8",
    "voc": "3603c65a3613b016c7f94c1b1ad3069f6137890bdaf9cc198015f58eab878998",
}


@pytest.mark.parametrize("data", HASHES)
def test_hashes_of_the_default_profiles_stay(data: str) -> None:
    """The committed records hold them: another value says that settings of a result, or how scores count, changed."""
    assert config_hash(profile("reference", data)) == HASHES[data]
