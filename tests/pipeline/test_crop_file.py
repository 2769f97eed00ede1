"""Files of crop parameters: what they may say, what they change, and that nothing changes without one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wsss.config import Config
from wsss.errors import WsssError
from wsss.methods.parameters import FusionParameters
from wsss.pipeline import Run, open_run
from wsss.pipeline.crop_file import CropSettings, read_crop_settings, toml_of, write_crop_settings
from wsss.report.panels import run_line

FUSION = "[fusion]\ncrop_weight = 1\ngate = 2.0\nvote = 1.0\ncolour = 0.5\nreach = 0.9\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_a_file_with_everything(tmp_path: Path) -> None:
    text = "[regions]\njump = 0.02\nguides = [0, 4]\n[crops]\ncount = 7\nexclude = 'nearer'\n"
    given = read_crop_settings(written(tmp_path, text + FUSION + "[label]\nthreshold = 0.6\n"))
    assert given.name == "mine"
    config = given.applied(Config())
    assert config.regions == replace(Config().regions, jump=0.02, guides=(0, 4))
    assert config.crops == replace(Config().crops, count=7, exclude="nearer")
    assert given.fusion == FusionParameters(crop_weight=1.0, gate=2.0, vote=1.0, colour=0.5, reach=0.9)
    assert given.threshold == 0.6


def test_a_file_with_a_part(tmp_path: Path) -> None:
    given = read_crop_settings(written(tmp_path, "[crops]\ncontext = 1\n"))
    assert given.applied(Config()) == replace(Config(), crops=replace(Config().crops, context=1.0))
    assert given.given is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[region]\njump = 1", "unknown section 'region'; it may have regions, crops, fusion, label"),
        ("jump = 1", "unknown section 'jump'"),
        ("[regions]\nlayers = 3", r"\[regions\] has no 'layers'; it may have plane_tolerance"),
        ("[crops]\ncount = 1.5", "crops: count must be an integer from 1 to 1000, not 1.5"),
        ("[crops]\ncount = 0", "count must be an integer from 1 to 1000, not 0"),
        ("[crops]\ncount = true", "count must be an integer from 1 to 1000, not True"),
        ("[crops]\nexclude = 3", "exclude must be one of others, nearer, fill, blur, box, not 3"),
        ("[regions]\njump = -0.1", "jump must be a number of at least 0, not -0.1"),
        ("[regions]\njump = nan", "jump must be a number of at least 0, not nan"),
        ("[regions]\nguides = []", "guides must be a list of one or more integers from 0 to 1000, not \\[\\]"),
        ("[regions]\nlayering = 'steps'", "layering must be one of jumps, levels, not 'steps'"),
        (FUSION, "belong together"),
        ("[label]\nthreshold = 0.5", "belong together"),
        (FUSION.replace("gate = 2.0\n", "") + "[label]\nthreshold = 0.5", "'gate' is missing"),
        (FUSION + "[label]", "'threshold' is missing"),
        (FUSION + "[label]\nthreshold = 1.0", "label: threshold must be a number from 0 to below 1, not 1.0"),
        (
            FUSION.replace("0.9", "1.0") + "[label]\nthreshold = 0.5",
            "fusion: reach must be a number from 0 to below 1, not 1.0",
        ),
        ("[regions]\nguides = 4", "guides must be a list of one or more integers"),
        (f"[crops]\ncount = 1{'0' * 400}", "count must be an integer from 1 to 1000, not 10*…$"),
        (f"[crops]\ncontext = 1{'0' * 400}", "context must be a number of at least 0, not 10*…$"),
        (f"[crops]\ncount = 1{'0' * 5000}", "is no TOML"),
        (
            f"[crops]\ncount = 0x{'f' * 5000}",
            "count must be an integer from 1 to 1000, not a number of thousands of digits",
        ),
        ("[fusion]\nlevel_weights = [1.0]", "has no 'level_weights'"),
        ("[crops]\nexclude = 'other'", "exclude must be one of others, nearer, fill, blur, box, not 'other'"),
        ("[crops]\nscales = []", "scales must be a list of one or more numbers from 0.01 to 100"),
        ("[crops]\ncount = 1001", "crops: count"),
        (FUSION.replace("vote = 1.0", "vote = 1.5") + "[label]\nthreshold = 0.5", "fusion: vote"),
        ("[crops", "is no TOML"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(WsssError, match=message) as error:
        read_crop_settings(written(tmp_path, text))
    assert "mine.toml" in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match=r"nothing\.toml.*--crops"):
        read_crop_settings(tmp_path / "nothing.toml")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    sections: dict[str, dict[str, float | int]] = {"regions": {"jump": 1e-05, "max_regions": 9}, "crops": {"count": 3}}
    given = write_crop_settings(tmp_path / "new" / "a.toml", sections, "seen on\nsomething")
    assert (given.name, dict(given.regions), dict(given.crops)) == ("a", sections["regions"], sections["crops"])
    assert toml_of(sections, "seen on\nsomething").startswith("# seen on\n# something\n\n[regions]\njump = 1e-05\n")


# ---- in a run -----------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tabletop_root: Path) -> dict[str, object]:
    return {"data": "tabletop", "root": str(tabletop_root), "progress": False}


def test_without_a_file_nothing_changes(tmp_path: Path, settings: dict[str, object]) -> None:
    """A run without settings, one without a file, and one whose file says what the profile says have the same keys."""
    plain = Run(replace(open_run("smoke", **settings).config), tmp_path, progress=False)  # type: ignore[arg-type]
    none = open_run("smoke", crops=None, **settings)  # type: ignore[arg-type]
    same = open_run("smoke", crops=written(tmp_path, "[crops]\ncount = 13\n"), **settings)  # type: ignore[arg-type]
    for run in (none, same):
        assert run.config == plain.config
        assert run.config_hash == plain.config_hash
        for name in ("cam", "depth", "crop-only"):
            assert run.seed_key(name, "tune") == plain.seed_key(name, "tune")
    assert none.folder.name == "smoke"
    assert same.folder.name == "smoke-mine"


def test_a_file_has_keys_of_its_own(tmp_path: Path, settings: dict[str, object]) -> None:
    plain = open_run("smoke", **settings)  # type: ignore[arg-type]
    crops = open_run("smoke", crops=written(tmp_path, "[crops]\ncount = 5\n"), **settings)  # type: ignore[arg-type]
    text = FUSION + "[label]\nthreshold = 0.6\n"
    fusion = open_run("smoke", crops=str(written(tmp_path, text)), **settings)  # type: ignore[arg-type]
    other = open_run("smoke", crops=written(tmp_path, text.replace("0.6", "0.5")), **settings)  # type: ignore[arg-type]
    assert len({run.config_hash for run in (plain, crops, fusion, other)}) == 4
    assert len({run.seed_key("depth", "train") for run in (plain, crops, fusion, other)}) == 4
    assert len({run.network_key("depth") for run in (plain, crops, fusion, other)}) == 4
    # What the file gives is for `depth` with the run's own depth alone; `cam` never changes.
    assert fusion.seed_key("crop-only", "tune") == plain.seed_key("crop-only", "tune")
    assert fusion.seed_key("depth@shuffled", "tune") == plain.seed_key("depth@shuffled", "tune")
    assert crops.seed_key("cam", "tune") == plain.seed_key("cam", "tune")
    assert "crops of mine.toml" in run_line(fusion)
    assert "crops" not in run_line(plain)


def test_given_fusion_is_taken_and_scored_on_tune(tmp_path: Path, settings: dict[str, object]) -> None:
    from wsss.analysis.thresholds import THRESHOLDS, miou_curve

    path = written(tmp_path, FUSION + "[label]\nthreshold = 0.6\n")
    config = open_run("smoke", tabletop_scenes=(4, 2, 2), **settings).config  # type: ignore[arg-type]
    run = Run(config, tmp_path / "cache", progress=False, crop_settings=read_crop_settings(path))
    choice = run.choose(["cam", "depth"])
    assert choice["depth"].parameters == FusionParameters((), 1.0, gate=2.0, vote=1.0, colour=0.5, reach=0.9)
    assert (choice["depth"].threshold, choice["depth"].trials) == (0.6, 1)
    assert choice["depth"].chosen_on == "file"
    assert choice["cam"].chosen_on is None
    curve = miou_curve(run.seeds(["depth"], "tune")["depth"].curve)
    assert choice["depth"].miou == pytest.approx(curve[np.flatnonzero(THRESHOLDS == 0.6)[0]])


def test_crops_may_still_be_parameters(settings: dict[str, object]) -> None:
    crops = replace(Config().crops, exclude="box")
    run = open_run("smoke", crops=crops, **settings)  # type: ignore[arg-type]
    assert (run.config.crops, run.crop_settings) == (crops, None)


def test_settings_are_plain_values() -> None:
    assert CropSettings("none").given is None
    given = CropSettings("some", fusion=FusionParameters(vote=1.0), threshold=0.5).given
    assert given is not None
    assert (given["fusion"]["vote"], given["threshold"]) == (1.0, 0.5)
