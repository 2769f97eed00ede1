"""Settings from `--config` and `--set`: their names, types and places, and what goes before what."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from wsss import cli
from wsss.cli import options
from wsss.cli.method_names import classes_of
from wsss.cli.settings import layered, settings_of_file, settings_of_pairs
from wsss.config import Config
from wsss.errors import WsssError
from wsss.pipeline import open_run
from wsss.pipeline.profiles import profile

OPEN_A_RUN = [
    name
    for name, command in typer.main.get_command(cli.app).commands.items()  # type: ignore[attr-defined]
    if "--set" in {option for param in command.params for option in param.opts}
]


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WSSS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("WSSS_CACHE", str(tmp_path / "cache"))
    for name in ("WSSS_DEBUG", "WSSS_SETTINGS", "WSSS_PROFILE", "WSSS_DEVICE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Any:
    """Writes a TOML file into a folder of its own, and returns its path."""
    folder = tmp_path / "settings"
    folder.mkdir()

    def write(text: str) -> Path:
        path = folder / "run.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


class Opened(Exception):
    """Thrown where a command would open its run."""


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The configuration of the run that a command line would open: `opened("crops", "--seed", "3")`."""

    def instead(*arguments: Any, **settings: Any) -> Any:
        raise Opened(open_run(*arguments, **settings).config)

    monkeypatch.setattr("wsss.pipeline.open_run", instead)

    def config_of(*arguments: str) -> Config:
        own = ["--images", ".", "--tags", "tags.csv"]
        needed = {
            "depth-quality": ["--depth", "constant"],
            "export": ["--out", "exported"],
            "label": [*own, "--out", "labels"],
            "compare": [*own, "--tune-masks", "masks"],
        }.get(arguments[0], [])
        before = dict(os.environ)
        with pytest.raises(Opened) as caught:
            CliRunner().invoke(cli.app, [*arguments, *needed], catch_exceptions=False)
        assert dict(os.environ) == before  # nothing is left over
        config: Config = caught.value.args[0]
        return config

    return config_of


VALUES = [
    ("classifier.backbone=resnet50", "resnet50"),
    ("classifier.epochs=3", 3),
    ("classifier.learning_rate=1", 1.0),
    ("classifier.learning_rate=2e-4", 2e-4),
    ("train_limit=7", 7),
    ("methods=cam, depth", ("cam", "depth")),
    ('methods=["cam", "depth@files:a,b"]', ("cam", "depth@files:a,b")),
    ("classes=cat", ("cat",)),
    ("segmentation.test_scales=1,1.5", (1.0, 1.5)),
    ("segmentation.test_scales=[1, 2]", (1.0, 2.0)),
    ("tabletop_scenes=4,2,2", (4, 2, 2)),
    ("regions.trust=0,1", (0.0, 1.0)),
    ("depth=files:nowhere=here", "files:nowhere=here"),
    ("crops.exclude=blur", "blur"),
]


@pytest.mark.parametrize(
    ("typed", "classes"),
    [
        ("cat, dog", ("cat", "dog")),
        ('dog,"cat, black"', ("dog", "cat, black")),
        ('5" disc,cat', ('5" disc', "cat")),
        ('"cat, ""black"""', ('cat, "black"',)),
    ],
)
def test_a_class_with_a_comma_is_named_in_quotes(typed: str, classes: tuple[str, ...]) -> None:
    assert classes_of(typed) == classes


def test_quotes_that_do_not_end_are_said() -> None:
    with pytest.raises(WsssError, match=r"--classes .*one that has a comma itself in quotes") as caught:
        classes_of('dog,"cat\n')
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("pair", "value"), VALUES, ids=[pair for pair, _ in VALUES])
def test_values_have_the_types_of_their_fields(pair: str, value: Any) -> None:
    (found,) = settings_of_pairs([pair]).values()
    assert found == value
    assert type(found) is type(value)
    if isinstance(value, tuple):
        assert list(map(type, found)) == list(map(type, value))


def test_a_number_has_one_type_however_it_is_written(file) -> None:
    """1 and 1.0 would have two hashes."""
    written = file("[classifier]\nlearning_rate = 1\n[segmentation]\ntest_scales = [1, 2]\n")
    assert settings_of_file(written) == settings_of_pairs(
        ["classifier.learning_rate=1.0", "segmentation.test_scales=1.0,2.0"]
    )
    assert all(type(each) is float for each in settings_of_file(written)["segmentation.test_scales"])


WRONG = [
    ("epochs", "--set epochs: write NAME=VALUE, such as classifier.backbone=resnet50"),
    ("clasifier.epochs=3", "unknown setting 'clasifier.epochs'; did you mean classifier.epochs?"),
    ("epochs=3", "unknown setting 'epochs'; did you mean classifier.epochs?"),
    ("classifier.size=3", "unknown setting 'classifier.size'; did you mean classifier.batch_size?"),
    ("classifier.colour=3", "unknown setting 'classifier.colour'; choose from classifier.backbone, classifier.weights"),
    ("tint=red", "unknown setting 'tint'; choose from profile, data, root, "),
    ("classifier=resnet50", "classifier is a section; set one of classifier.backbone, classifier.weights"),
    ("crops=my.toml", "crops is a section; set one of crops.scales"),
    ("classifier.epochs=three", "setting classifier.epochs must be an integer of at least 1, not 'three'"),
    ("classifier.epochs=3.0", "setting classifier.epochs must be an integer of at least 1, not '3.0'"),
    ("classifier.epochs=0", "setting classifier.epochs must be an integer of at least 1, not 0"),
    ("classifier.epochs=", "setting classifier.epochs must be an integer of at least 1, not ''"),
    ("train_limit=none", "setting train_limit must be an integer of at least 1 or nothing, not 'none'"),
    ("seed=-1", "setting seed must be an integer from 0 to 4294967295, not -1"),
    ("classifier.learning_rate=nan", "setting classifier.learning_rate must be a number from 0 to 10, not nan"),
    ("tabletop_scenes=4,2", "setting tabletop_scenes must be a list of 3 integers, not (4, 2)"),
    ("methods=[cam]", "setting methods must be a list of texts, not '[cam]'"),
    ("crops.exclude=nothing", "crops: exclude must be one of"),
    ("regions.jump=-1", "regions: jump must be a number of at least 0, not -1.0"),
]


@pytest.mark.parametrize(("pair", "message"), WRONG, ids=[pair for pair, _ in WRONG])
def test_what_does_not_fit_is_one_line(capsys, monkeypatch, pair: str, message: str) -> None:
    monkeypatch.setattr(sys, "argv", ["wsss", "crops", "--set", pair])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --set {pair}: ")
    assert message in line


WRONG_FILES = [
    ("[classifer]\nepochs = 3", "run.toml: unknown section [classifer]; did you mean classifier?"),
    (
        "[cam]\nepochs = 3",
        "run.toml: unknown section [cam]; choose from classifier, depth_training, regions, colour, crops",
    ),
    ("[classifier]\nepoch = 3", "run.toml: unknown setting 'classifier.epoch'; did you mean classifier.epochs?"),
    ("[classifier]\nepochs = '3.5'", "run.toml: setting classifier.epochs must be an integer of at least 1, not '3.5'"),
    ("[classifier]\nepochs = true", "run.toml: setting classifier.epochs must be an integer of at least 1, not True"),
    ("[classifier.more]\nepochs = 3", "run.toml: unknown setting 'classifier.more'"),
    ("classifier = 3", "run.toml: classifier is a section"),
    ("root = 3", "run.toml: setting root must be text or nothing, not 3"),
    ("sources = [3]", "run.toml: setting sources must be a list of texts, not (3,)"),
    ("seed = 2023-01-01", "run.toml: setting seed must be an integer"),
    ("seed = ", "run.toml is no TOML: Invalid value (at end of document)"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_FILES, ids=[text.replace("\n", " ") for text, _ in WRONG_FILES])
def test_a_wrong_file_is_named_with_what_is_wrong(file, text: str, message: str) -> None:
    with pytest.raises(WsssError) as caught:
        settings_of_file(file(text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match=r"cannot read .*gone.toml: No such file .* Give a TOML file with --config"):
        settings_of_file(tmp_path / "gone.toml")


def test_places_are_seen_from_the_file(file, monkeypatch, tmp_path: Path) -> None:
    """From wherever the command is called; `--set` from the working folder."""
    path = file(
        'root = "data"\ndepth = "files:depth"\nsources = ["near=files:depth", "far=files:of-the-data"]\n'
        '[classifier]\nweights = "w.pth"\n'
    )
    folder = path.parent
    (folder / "depth").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert settings_of_file(Path("..") / "settings" / "run.toml") == {
        "root": str(folder / "data"),
        "depth": f"files:{folder / 'depth'}",
        "sources": (f"near=files:{folder / 'depth'}", "far=files:of-the-data"),
        "classifier.weights": str(folder / "w.pth"),
    }
    assert settings_of_pairs(["root=data"]) == {"root": str(tmp_path / "here" / "data")}


def test_a_kind_goes_with_its_depth() -> None:
    """Another depth does not take over what was said of the numbers of the one below it."""
    lower = {"depth": "files:a", "depth_kind": "metric", "seed": 1}
    assert layered(lower, {"depth": "files:b"}) == {"depth": "files:b", "seed": 1}
    assert layered(lower, {"depth": "files:b", "depth_kind": "inverse"})["depth_kind"] == "inverse"
    assert layered(lower, {"seed": 2})["depth_kind"] == "metric"


def test_what_goes_before_what(opened, file, monkeypatch) -> None:
    """Options, `--set`, `--config`, the environment, the profile: one source is taken away after the other."""
    monkeypatch.setenv("WSSS_SETTINGS", '{"classifier.epochs": 4, "seed": 4, "segmentation.iterations": 9}')
    monkeypatch.setenv("WSSS_PROFILE", "full")
    path = file('profile = "smoke"\nseed = 5\n[classifier]\nepochs = 5\ncrop_side = 96\n')
    from_file, pairs = ["--config", str(path)], ["--set", "seed=6", "--set", "classifier.epochs=6"]

    def found(*arguments: str) -> tuple[Any, ...]:
        config = opened("crops", *arguments)
        return config.profile, config.seed, config.classifier.epochs, config.classifier.crop_side

    typed = ["--profile", "default", "--seed", "0", "--epochs", "7"]
    assert found(*from_file, *pairs, *typed) == ("default", 0, 7, 96)
    assert found(*from_file, *pairs, "--set", "profile=default") == ("default", 6, 6, 96)
    assert found(*from_file, *pairs) == ("smoke", 6, 6, 96)
    assert found(*from_file) == ("smoke", 5, 5, 96)
    assert found() == ("full", 4, 4, 448)
    assert opened("crops", *from_file).segmentation.iterations == 9  # of the environment, which nothing replaces
    monkeypatch.delenv("WSSS_SETTINGS")
    assert found() == ("full", 0, 12, 448)
    monkeypatch.delenv("WSSS_PROFILE")
    assert opened("crops") == profile("default", "tabletop")


@pytest.mark.parametrize("command", OPEN_A_RUN)
def test_every_command_that_opens_a_run_takes_them_in_this_order(opened, file, monkeypatch, command: str) -> None:
    """Whatever options it has itself."""
    monkeypatch.setenv("WSSS_SETTINGS", '{"classifier.batch_size": 4, "classifier.base_side": 4, "seed": 4}')
    path = file("seed = 5\n[classifier]\nbatch_size = 5\nbase_side = 64\noutput_stride = 5\n")
    pairs = ["--set", "classifier.batch_size=6", "--set", "classifier.base_side=96"]
    trains = command not in ("ablate", "depth-quality", "series")
    typed = ["--batch-size", "7"] if trains else []
    config = opened(command, "--config", str(path), *pairs, *typed)
    assert (config.classifier.batch_size, config.classifier.base_side) == (7 if trains else 6, 96)
    assert (config.classifier.output_stride, config.seed) == (5, 5)


def test_a_file_says_everything_of_a_run(opened, file, tiny_voc: Path) -> None:
    path = file(
        f'profile = "smoke"\ndata = "voc"\nroot = "{tiny_voc}"\nclasses = ["cat", "dog"]\nseed = 3\n'
        'depth = "files:DepthMETER"\ndepth_kind = "inverse"\nmethods = ["cam"]\nkinds = []\ntrain_limit = 5\n'
    )
    config = opened("crops", "--config", str(path))
    assert config == profile(
        "smoke", "voc", root=str(tiny_voc), classes=("cat", "dog"), seed=3, depth="files:DepthMETER",
        depth_kind="inverse", methods=("cam",), train_limit=5,
    )  # fmt: skip
    config = opened("crops", "--config", str(path), "--methods", "depth", "--classes", "dog", "--depth", "constant")
    assert (config.methods, config.classes, config.depth, config.depth_kind) == (("depth",), ("dog",), "constant", None)


def test_the_example_of_the_page_is_right(opened, file, monkeypatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")
    path = file("\n".join(re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)))
    (path.parent / "photographs").mkdir()
    pairs = [text for pair in re.findall(r"--set ([a-z]\S+=\S+)", page) for text in ("--set", pair)]
    monkeypatch.setattr("wsss.pipeline.run.check_before", lambda _: None)  # the photographs are yours
    config = opened("pseudo", "--config", str(path), *pairs)
    assert (config.root, config.classes) == (str(path.parent / "photographs"), ("cat", "dog"))
    assert (config.classifier.epochs, config.segmentation.iterations) == (6, 1200)
    assert config.segmentation.test_scales == (1.0, 1.5)
    assert config.pseudo_methods == ("cam", "depth+par-depth")


def test_what_a_command_is_not_about_is_refused(file) -> None:
    arguments = ["series", "--config", str(file('data = "nyuv2"'))]
    with pytest.raises(WsssError, match="series takes no other data: leave out data = 'nyuv2'"):
        CliRunner().invoke(cli.app, arguments, catch_exceptions=False)


@pytest.mark.parametrize("name", ["data", "profile"])
def test_the_environment_says_neither_profile_nor_data(opened, monkeypatch, name: str) -> None:
    monkeypatch.setenv("WSSS_SETTINGS", json.dumps({name: "smoke"}))
    with pytest.raises(WsssError, match=f"WSSS_SETTINGS must not have {name}: choose it with --{name}"):
        open_run("default", "tabletop")


def test_what_is_not_chosen_leaves_the_environment_alone(monkeypatch) -> None:
    """None is what notebooks and commands hand on for an option that nobody gave."""
    monkeypatch.setenv("WSSS_SETTINGS", '{"depth": "constant", "seed": 2}')
    config = open_run("default", "tabletop", depth=None, seed=None).config
    assert (config.depth, config.seed) == ("constant", 2)


def test_records_of_other_settings_are_not_the_committed_ones(monkeypatch, file, tmp_path: Path) -> None:
    written: list[Path] = []

    def measure(run: Any, folder: Path, *, say: Any) -> dict[str, Any]:
        written.append(folder)
        return {"data": "tabletop", "rows": []}

    monkeypatch.setattr("wsss.experiments.ablation.ablate", measure)
    for more in (["--profile", "reference"], ["--profile", "reference", "--set", "classifier.epochs=3"], []):
        assert CliRunner().invoke(cli.app, ["ablate", *more], catch_exceptions=False).exit_code == 0
    runs = tmp_path / "runs"
    assert written == [Path("results"), runs / "reference" / "results", runs / "default" / "results"]


def test_options_of_a_run_are_fields_of_its_object() -> None:
    assert set(options._OF_A_RUN) - {"source"} == {
        name for name in options.RunOptions.__dataclass_fields__ if name not in ("sources", "typed")
    }


def test_choices_named_in_the_help_are_those_there_are() -> None:
    """They are written out for the sake of `--help`, which imports nothing."""
    from wsss.cli.options import DATA_SETS, KINDS
    from wsss.data.registry import dataset_names
    from wsss.depth.names import KINDS as KNOWN

    assert KINDS == KNOWN
    assert set(DATA_SETS) <= set(dataset_names())
