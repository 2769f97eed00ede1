"""What every command has: `--runs`, `--json`, `--quiet` and a last line; `--version`, completion, and `wsss where`."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import wsss
from wsss import cli
from wsss.cli.application import _Application
from wsss.cli.made import Made
from wsss.config import Config
from wsss.errors import WsssError
from wsss.io import read_json
from wsss.machine.progress import progress_bar
from wsss.paths import runs_folder
from wsss.pipeline import open_run

SETTINGS = """
profile = "smoke"
data = "voc"
classes = ["cat", "dog"]
depth = "files:DepthMETER"
depth_kind = "metric"
methods = ["cam"]
pseudo_methods = ["cam+par"]
label_methods = ["cam"]

[classifier]
backbone = "test_efficientnet"
base_side = 64
crop_side = 64

[segmentation]
encoder = "tu-test_efficientnet"
iterations = 2
crop_size = 32
"""


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WSSS_CACHE", str(tmp_path / "cache"))
    for name in ("WSSS_RUNS", "WSSS_DEBUG", "WSSS_SETTINGS", "WSSS_PROFILE", "WSSS_DEVICE", "WSSS_HEADLESS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def small(tiny_voc: Path, tiny_weights: None) -> list[str]:
    """Options of a run that takes seconds."""
    path = tiny_voc / "run.toml"
    path.write_text(f'root = "."\n{SETTINGS}', encoding="utf-8")
    return ["--config", str(path)]


def call(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(cli.app, list(arguments), catch_exceptions=False)
    assert result.exit_code == code
    return result


@pytest.fixture
def application() -> Any:
    """An application with a command that prints, shows a bar and has made something."""
    app = _Application()

    @app.command("give-all")
    def give_all(code: int = 0) -> Made:
        print("printed")
        for _ in progress_bar(range(3), "counting"):
            time.sleep(0.11)  # bars are drawn ten times a second
            typer.echo("one more")
        facts = {"runs": runs_folder(), "number": 2.5, "unknown": float("nan"), "paths": {"a": [Path("a")]}}
        return Made(facts, Path.cwd() / "made", "much in it", code=code)

    @app.command()
    def say_nothing() -> None:
        print("first\nsecond")

    @app.command()
    def fail() -> None:
        print("first")
        raise WsssError("no")

    return app


def test_a_last_line_says_where_everything_is(application) -> None:
    result = CliRunner().invoke(application, ["give-all"])
    assert result.stdout.splitlines() == ["printed", *["one more"] * 3, "Everything is in made (much in it)"]
    assert "counting: " in result.stderr
    assert "2 of 3 images, " in result.stderr
    assert " left" in result.stderr


def test_quiet_leaves_the_last_line(application) -> None:
    for option in ("--quiet", "-q"):
        result = CliRunner().invoke(application, ["give-all", option])
        assert (result.stdout, result.stderr) == ("Everything is in made (much in it)\n", "")
        assert CliRunner().invoke(application, ["say-nothing", option]).stdout == "second\n"
    assert "WSSS_HEADLESS" not in os.environ


def test_json_is_one_document_of_facts(application, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(application, ["give-all", "--json", "--runs", "elsewhere"])
    assert json.loads(result.stdout) == {
        "command": "give-all",
        "runs": str(tmp_path / "elsewhere"),
        "number": 2.5,
        "unknown": None,
        "paths": {"a": [str(tmp_path / "a")]},
        "place": str(tmp_path / "made"),
    }
    assert "counting: " in result.stderr  # progress is no part of it
    assert CliRunner().invoke(application, ["give-all", "--json", "--quiet"]).stderr == ""
    said = json.loads(CliRunner().invoke(application, ["say-nothing", "--json"]).stdout)
    assert said == {"command": "say-nothing", "lines": ["first", "second"]}


@pytest.mark.parametrize("option", ["--json", "--quiet"])
def test_what_fails_says_nothing_else(application, option: str) -> None:
    result = CliRunner().invoke(application, ["fail", option])
    assert isinstance(result.exception, WsssError)
    assert result.stdout == ""
    result = CliRunner().invoke(application, ["give-all", "--code", "3", option])
    assert result.exit_code == 3
    assert result.stdout != ""


def test_runs_lie_where_the_option_says(monkeypatch, tmp_path: Path, small: list[str]) -> None:
    """For this call alone, and before the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WSSS_RUNS", str(tmp_path / "environment"))
    result = call("cam", *small, "--runs", "mine", "--set", "methods=cam")
    record = tmp_path / "mine/smoke/results/tiny-voc/cam/val/cam.json"
    assert read_json(record)["method"] == "cam"
    assert result.stdout.splitlines()[-1] == "Everything is in mine/smoke (records in results/)"
    assert os.environ["WSSS_RUNS"] == str(tmp_path / "environment")
    assert not (tmp_path / "environment").exists()


def test_json_of_stages_has_numbers_and_places(monkeypatch, tmp_path: Path, small: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    small = [*small, "--runs", "mine"]
    document = json.loads(call("pseudo", *small, "--json", "--quiet").stdout)
    (record,) = document["records"]
    written = read_json(Path(record["path"]))
    assert (record["method"], record["refinement"], record["miou"]) == ("cam", "par", written["miou"])
    folder = Path(document["pseudo_labels"]["cam+par"])
    assert folder == tmp_path / "mine/smoke/tiny-voc/seed-0/pseudo-labels/cam+par"
    assert len(list(folder.glob("*.png"))) == written["num_images"] == 7
    document = json.loads(call("segment", *small, "--json", "--quiet").stdout)
    assert set(document["networks"]) == {"cam", "full-supervision"}
    network = Path(document["networks"]["cam"])
    assert network == tmp_path / "mine/smoke/tiny-voc/seed-0/networks/cam.safetensors"
    document = json.loads(
        call("predict", "--network", str(network), "--images", str(Path(small[1]).parent / "JPEGImages"),
             "--out", "labels", "--json", "-q").stdout
    )  # fmt: skip
    assert document["label_maps"] == len(list(Path("labels").glob("*.png"))) == 12
    assert sum(document["percent"].values()) == pytest.approx(100)
    assert (document["place"], document["skipped"]) == (str(tmp_path / "labels"), [])


def test_export_does_not_write_through_a_link_into_the_cache(monkeypatch, tmp_path: Path, small: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    small = [*small, "--runs", "mine"]
    labels = json.loads(call("pseudo", *small, "--json", "-q").stdout)["pseudo_labels"]["cam+par"]
    with pytest.raises(WsssError, match="Give another folder with --out"):
        CliRunner().invoke(cli.app, ["export", *small, "--out", labels], catch_exceptions=False)


def test_the_version_is_printed() -> None:
    assert call("--version").stdout == f"wsss {wsss.__version__}\n"


def module(*arguments: str, **environment: str) -> str:
    """What `python -m wsss` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "wsss", *arguments], capture_output=True, text=True, check=True,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"} | environment,
    )  # fmt: skip
    return done.stdout


def test_the_module_is_the_same_command() -> None:
    assert "Usage: wsss [OPTIONS] COMMAND" in module("--help")


def test_shells_complete_commands_options_and_choices() -> None:
    def completed(words: str) -> set[str]:
        typed = words.split(" ")
        answers = {"_WSSS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(typed) - 1)}
        return set(module(**answers).split())

    assert {"series", "segment"} == completed("wsss se")
    assert {"--config", "--classes"} <= completed("wsss crops --c")
    assert {"smoke", "default", "reference", "full"} == completed("wsss crops --profile ")
    assert {"tabletop", "nyuv2", "voc"} == completed("wsss crops --data ")
    assert {"metric", "inverse"} == completed("wsss crops --depth-kind ")


def test_where_says_where_everything_is(monkeypatch, tmp_path: Path) -> None:
    document = json.loads(call("where", "--json", "--runs", str(tmp_path / "mine")).stdout)
    root = Path(wsss.__file__).parent.parent
    assert (document["package"], document["checkout"]) == (str(root / "wsss"), str(root))
    assert (document["runs"], document["cache"]) == (str(tmp_path / "mine"), str(tmp_path / "cache"))
    assert document["stages"] == str(open_run("smoke", "tabletop").cache).replace(str(root / "runs"), document["runs"])
    assert document["data"]["voc"] == str(tmp_path / "cache" / "VOC2012")
    assert document["versions"]["wsss"] == wsss.__version__
    assert document["device"] == "cpu" or document["device"].startswith("cuda")
    lines = call("where").stdout.splitlines()
    assert f"runs      {root / 'runs'}{'' if (root / 'runs').exists() else ' (not there yet)'}" in lines
    monkeypatch.setattr("wsss.paths.PACKAGE", tmp_path / "site-packages" / "wsss")
    monkeypatch.chdir(tmp_path)
    lines = call("where").stdout.splitlines()
    assert "checkout  none: the package is installed without one" in lines
    assert f"runs      {tmp_path / 'runs'} (not there yet)" in lines


@pytest.mark.parametrize("entered", cli.app.registered_commands, ids=lambda one: one.callback.__name__)
def test_every_command_says_what_it_made(entered: Any) -> None:
    """For `--json`, and the last line."""
    command = entered.callback
    while hasattr(command, "__wrapped__"):
        command = command.__wrapped__
    assert command.__annotations__["return"] in (Made, "Made")


def test_records_say_the_settings_of_the_file(monkeypatch, tmp_path: Path, small: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    document = json.loads(call("cam", *small, "--runs", "mine", "--json", "-q", "--seed", "3").stdout)
    settings = read_json(Path(document["records"][0]["path"]))["provenance"]["settings"]
    assert settings["classifier"]["backbone"] == "test_efficientnet"
    assert settings["segmentation"]["iterations"] == 2 != Config().segmentation.iterations
    assert {record["method"] for record in document["records"]} == {"cam", "zoom"}
    assert document["records"][0]["seeds"] == [3]


def test_the_device_reaches_what_a_command_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the environment, and only while the command runs; commands that compute nothing have no such option."""
    monkeypatch.delenv("WSSS_DEVICE", raising=False)
    seen: list[str | None] = []
    for name in ("predict", "render"):  # the names of one that computes, and of one that does not
        application = _Application()

        @application.command(name)
        def probe() -> None:
            seen.append(os.environ.get("WSSS_DEVICE"))

        done = CliRunner().invoke(application, ["--device", "cpu"])
        assert done.exit_code == (0 if name == "predict" else 2), done.output
    assert seen == ["cpu"]
    assert "WSSS_DEVICE" not in os.environ
