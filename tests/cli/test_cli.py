"""The command line: help for everything, one-line errors, and commands that hand on what they were given."""

import os
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import typer
from typer.testing import CliRunner

from wsss import cli
from wsss.cli import application, options
from wsss.config import Config
from wsss.errors import WsssError
from wsss.pipeline import open_run
from wsss.pipeline.profiles import profile

COMMANDS = {
    "render": {"--root", "--processes", "--series", "--rooms"},
    "train": {
        "--source",
        "--profile",
        "--data",
        "--root",
        "--classes",
        "--depth",
        "--depth-kind",
        "--seed",
        "--methods",
        "--out",
    },
    "cam": {"--profile", "--data", "--root", "--classes", "--seed"},
    "crops": {"--depth", "--depth-kind", "--source", "--methods"},
    "pseudo": {"--depth", "--depth-kind", "--source", "--methods"},
    "segment": {"--depth", "--depth-kind", "--source", "--methods"},
    "predict": {"--network", "--images", "--out", "--overlays", "--on-error"},
    "export": {
        "--source",
        "--out",
        "--format",
        "--method",
        "--data",
        "--root",
        "--depth",
        "--val",
        "--images",
        "--labels",
        "--tags",
        "--tune-masks",
        "--preset",
    },
    "export-network": {"--network", "--out"},
    "fetch": {"--out"},
    "evaluate": {
        "--source",
        "--checkpoint",
        "--out",
        "--data",
        "--root",
        "--split",
        "--depth",
        "--depth-kind",
        "--limit",
    },
    "label": {"--images", "--tags", "--out", "--depth", "--method", "--network", "--tune-masks", "--preset"},
    "compare": {"--images", "--tags", "--tune-masks", "--depth", "--preset", "--out"},
    "presets": set(),
    "run": {"--source", "--profile", "--data", "--root", "--crops", "--notebooks", "--save-outputs"},
    "train-depth": {"--profile", "--data", "--root", "--seed", "--folds", "--out"},
    "ablate": {"--profile", "--seed", "--out"},
    "depth-quality": {"--depth", "--source", "--profile", "--data", "--root", "--split", "--out"},
    "results": {"--list", "--from", "--out", "--nyuv2", "--voc"},
    "series": {"--source", "--profile", "--seeds", "--methods", "--out"},
    "rerun": {"--root", "--depth", "--source", "--checkpoint", "--cache"},
    "bench": {"--only", "--out", "--compare", "--quick"},
    "report": {"--records", "--figures", "--page"},
    "figures": {"--seed", "--out"},
    "where": set(),
}
EVERY = {"--runs", "--json", "--quiet"}
OPEN_A_RUN = {"train", "cam", "crops", "pseudo", "segment", "export", "run", "train-depth"}
OPEN_A_RUN |= {"ablate", "depth-quality", "series"}
for _name, _options in COMMANDS.items():
    _options |= EVERY | ({"--config", "--set"} if _name in OPEN_A_RUN else set())


TRAINING = {"--backbone", "--weights", "--epochs", "--batch-size", "--limit"}
for _name in ("train", "cam", "crops", "pseudo", "segment", "export", "run", "train-depth", "label", "compare"):
    COMMANDS[_name] |= TRAINING


for _name in set(COMMANDS) - {"render", "fetch", "export-network", "report", "bench", "where"}:
    COMMANDS[_name] |= {"--device"}


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WSSS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("WSSS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WSSS_DEBUG", raising=False)
    monkeypatch.delenv("WSSS_SETTINGS", raising=False)


def fail(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """Run a command that must fail; returns its one line."""
    monkeypatch.setattr(sys, "argv", ["wsss", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    error = capsys.readouterr().err
    assert "Traceback" not in error
    lines = error.strip().splitlines()
    assert len(lines) == 1
    assert "error: " in lines[0]
    return lines[0]


def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """Run a command that the command line itself refuses; returns its message, without its frame."""
    monkeypatch.setattr(sys, "argv", ["wsss", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    return " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().err).split())


def test_all_commands_are_known() -> None:
    assert set(typer.main.get_command(cli.app).commands) == set(COMMANDS)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_lists_the_options(command: str) -> None:
    result = CliRunner().invoke(cli.app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    assert result.exit_code == 0
    known = typer.main.get_command(cli.app).commands[command]  # type: ignore[attr-defined]
    options = {p for param in known.params for p in param.opts}
    assert COMMANDS[command] <= options
    assert all(option in result.output for option in options)
    assert all("\n" not in paragraph for paragraph in known.help.split("\n\n"))  # the terminal breaks lines


def test_no_command_prints_the_help() -> None:
    result = CliRunner().invoke(cli.app, [])
    assert "Usage" in result.output
    assert all(command in result.output for command in COMMANDS)


def test_help_is_quick() -> None:
    """The command line itself imports neither torch nor the renderer."""
    slow = {"torch", "timm", "embreex", "matplotlib", "numpy", "pandas", "tqdm"}
    code = f"import sys, wsss.cli; print({slow} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_unknown_names_are_one_line(capsys, monkeypatch) -> None:
    assert "unknown method 'magic'" in fail(capsys, monkeypatch, "crops", "--data", "nyuv2", "--methods", "cam,magic")
    assert "zoom looks at no depth" in fail(capsys, monkeypatch, "crops", "--data", "nyuv2", "--methods", "zoom@sensor")
    for command in ("series", "presets"):
        assert "--seeds 0,x: x is no number" in fail(capsys, monkeypatch, command, "--seeds", "0,x")


@pytest.mark.parametrize("command", ["train", "train-depth"])
def test_checkpoints_are_named_as_such(capsys, monkeypatch, command: str) -> None:
    """What is written beside `NAME.safetensors` is `NAME.json` and `NAME.md`."""
    assert "ends in .safetensors" in fail(capsys, monkeypatch, command, "--data", "nyuv2", "--out", "depth.json")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("cam --data coco", "'coco' is not one of tabletop, nyuv2, voc"),
        ("crops --profile fast", "'fast' is not one of 'smoke', 'default', 'reference', 'full'"),
        ("crops --depth-kind far", "'far' is not one of metric, inverse, NAME=metric, NAME=inverse"),
        ("crops --depth-kind near=far", "'near=far' is not one of metric, inverse, NAME=metric, NAME=inverse"),
        ("train --device gpu", "'gpu' is not one of 'auto', 'cpu', 'cuda', 'mps'"),
        ("predict --network n --images i --out o --on-error go", "'go' is not one of 'stop', 'skip'"),
        ("evaluate --checkpoint c --out o --on-error go", "'go' is not one of 'stop', 'skip'"),
        ("cams", "No such command 'cams'. Did you mean 'cam'"),
    ],
)
def test_choices_are_checked_by_the_command_line(capsys, monkeypatch, arguments: str, message: str) -> None:
    assert message in refused(capsys, monkeypatch, *arguments.split())


def test_the_choices_are_those_that_there_are() -> None:
    """The command line names them without importing what has them."""
    from wsss.data.registry import dataset_names
    from wsss.depth.declared import KINDS
    from wsss.experiments.plan import RESULT_METHODS
    from wsss.machine.runtime import DEVICES
    from wsss.pipeline.profiles import PROFILES

    assert set(options.DATA_SETS) <= set(dataset_names())
    assert set(RESULT_METHODS) == set(options.DATA_SETS)
    assert get_args(options.ProfileName) == tuple(PROFILES)
    assert get_args(application.DeviceName) == DEVICES
    assert options.KINDS == KINDS


def test_missing_files_are_one_line(capsys, monkeypatch, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert f"no folder {gone}" in fail(capsys, monkeypatch, "cam", "--data", "nyuv2", "--root", str(gone))
    message = fail(capsys, monkeypatch, "evaluate", "--checkpoint", f"{gone}.safetensors", "--out", str(tmp_path))
    assert "cannot read checkpoint" in message
    assert "gone.safetensors" in message
    assert "needs its folder" in fail(capsys, monkeypatch, "cam", "--data", "nyuv2", "--profile", "smoke")


def test_the_kind_of_depth_files_is_checked_before_anything_is_computed(capsys, monkeypatch, tiny_voc: Path) -> None:
    monkeypatch.setenv("WSSS_SETTINGS", '{"depth_kind": "far"}')
    arguments = ["--data", "voc", "--root", str(tiny_voc), "--set", "depth=files:DepthMETER"]
    monkeypatch.setattr("wsss.pipeline.Run.classifier_key", "key")
    monkeypatch.setattr("wsss.pipeline.Run.depth_cam", None)  # no classifier is trained for this
    assert "--depth-kind metric" in fail(capsys, monkeypatch, "crops", "--methods", "depth", *arguments)


def test_debug_shows_the_traceback(monkeypatch) -> None:
    from wsss.errors import WsssError

    monkeypatch.setenv("WSSS_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["wsss", "cam", "--set", "data=coco"])
    with pytest.raises(WsssError, match="coco"):
        cli.main()


def test_committed_outputs_show_no_photographs(capsys, monkeypatch, tiny_voc: Path) -> None:
    message = fail(capsys, monkeypatch, "run", "--data", "voc", "--root", str(tiny_voc), "--save-outputs")
    assert "tabletop only" in message


def test_settings_reach_the_run(monkeypatch, tiny_voc: Path, tmp_path: Path) -> None:
    opened: dict[str, Any] = {}

    def remember(run: Any, stage: str) -> list[Any]:
        opened[stage] = run.config
        return []

    monkeypatch.setattr(cli.stages, "_print_stage", remember)
    monkeypatch.chdir(tiny_voc)
    runner = CliRunner()
    common = ["--profile", "smoke", "--data", "voc", "--root", str(tiny_voc), "--classes", "cat, dog", "--seed", "4"]
    depth = ["--depth", "files:DepthMETER", "--depth-kind", "inverse", "--methods", "depth"]
    assert runner.invoke(cli.app, ["crops", *common, *depth], catch_exceptions=False).exit_code == 0
    config = opened["cam"]
    assert (config.profile, config.data, config.seed, config.classes) == ("smoke", "voc", 4, ("cat", "dog"))
    assert (config.depth, config.depth_kind) == (f"files:{tiny_voc.resolve() / 'DepthMETER'}", "inverse")
    assert config.methods == ("depth",)
    assert config.root == str(tiny_voc.resolve())
    assert runner.invoke(cli.app, ["cam", *common], catch_exceptions=False).exit_code == 0
    assert opened["cam"].methods == ("cam", "zoom")
    places = tmp_path / "runs" / "smoke" / tiny_voc.name / "seed-4"
    monkeypatch.setattr("wsss.pipeline.Run.network_path", lambda _, labels: Path(f"{labels}.safetensors"))
    monkeypatch.setattr("wsss.pipeline.Run.pseudo_folder", lambda _, labels: Path(labels))
    result = runner.invoke(cli.app, ["segment", *common, "--methods", "cam"], catch_exceptions=False)
    assert opened["segmentation"].label_methods == ("cam",)
    assert f"network on full-supervision: {places}/networks/full-supervision" in result.output
    result = runner.invoke(cli.app, ["pseudo", *common, "--methods", "cam+par"], catch_exceptions=False)
    assert opened["pseudo"].pseudo_methods == ("cam+par",)
    assert f"pseudo-labels of cam+par: {places}/pseudo-labels/cam+par" in result.output


def test_options_of_training_reach_the_run(monkeypatch, tmp_path: Path) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(cli.stages, "_print_stage", lambda run, _: opened.append(run))
    monkeypatch.delenv("WSSS_DEVICE", raising=False)
    weights = tmp_path / "weights.safetensors"
    weights.touch()
    given = {"backbone": "resnet18", "weights": weights, "epochs": 3, "batch-size": 5, "limit": 7, "device": "cpu"}
    arguments = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    assert CliRunner().invoke(cli.app, ["crops", *arguments], catch_exceptions=False).exit_code == 0
    (run,) = opened
    classifier = run.config.classifier
    assert (classifier.backbone, classifier.weights, classifier.epochs) == ("resnet18", str(weights), 3)
    assert [part.batch_size for part in (classifier, run.config.segmentation, run.config.depth_training)] == [5, 5, 5]
    assert (run.config.train_limit, run.device.type) == (7, "cpu")
    assert run.config.depth_training.epochs == Config(data="tabletop").depth_training.epochs * 5  # the profile's 40
    assert CliRunner().invoke(cli.app, ["crops"], catch_exceptions=False).exit_code == 0
    assert opened[1].config == profile("default", "tabletop")  # nothing is left over


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--backbone", "nonet", "nonet"),
        ("--weights", "gone.pth", "no file gone.pth; give the backbone's weights with --weights"),
        ("--epochs", "0", "setting classifier.epochs must be an integer of at least 1, not 0"),
        ("--batch-size", "1", "segmentation.batch_size must be an integer of at least 2, not 1"),
        ("--limit", "0", "train_limit must be an integer of at least 1 or nothing, not 0"),
    ],
)
def test_options_of_training_are_checked(capsys, monkeypatch, option: str, value: str, message: str) -> None:
    assert message in fail(capsys, monkeypatch, "segment", option, value)
    assert "WSSS_DEVICE" not in os.environ


def test_a_device_that_is_not_here_is_one_line(capsys, monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "no cuda device" in fail(capsys, monkeypatch, "train", "--device", "cuda")


def test_options_of_training_reach_the_kernels_of_notebooks(monkeypatch, tabletop_root: Path) -> None:
    """By the environment, which they inherit; what is there already stays, and comes after options."""
    seen: list[tuple[str, Any]] = []

    def execute(parameters: Any, output: Path, names: Any, *, progress: bool) -> list[Path]:
        seen.append((os.environ["WSSS_DEVICE"], open_run("smoke", "tabletop", seed=3).config))
        return []

    monkeypatch.setattr("wsss.experiments.notebooks.execute", execute)
    monkeypatch.setenv("WSSS_SETTINGS", '{"classifier.epochs": 9, "segmentation.iterations": 2}')
    common = ["run", "--profile", "smoke", "--root", str(tabletop_root)]
    arguments = [*common, "--epochs", "3", "--device", "cpu"]
    assert CliRunner().invoke(cli.app, arguments, catch_exceptions=False).exit_code == 0
    device, config = seen[-1]
    assert (device, config.classifier.epochs, config.segmentation.iterations, config.seed) == ("cpu", 3, 2, 3)
    assert os.environ["WSSS_SETTINGS"] == '{"classifier.epochs": 9, "segmentation.iterations": 2}'


def test_chapter_00_opens_no_run_and_minds_no_option_of_one(monkeypatch, tmp_path: Path) -> None:
    """Alone it renders and checks nothing; with others it comes first, and is given none of their parameters."""
    executed: list[tuple[Any, Path, list[str]]] = []

    def execute(parameters: Any, output: Path, names: Any, *, progress: bool) -> list[Path]:
        executed.append((dict(parameters), output, list(names)))
        return [output / f"{name}.ipynb" for name in names]

    monkeypatch.setattr("wsss.experiments.notebooks.execute", execute)
    monkeypatch.setenv("WSSS_RUNS", str(tmp_path))
    with monkeypatch.context() as alone:
        alone.setattr(cli.notebooks, "open_run_of", lambda *_: pytest.fail("a run was opened"))
        common = ["run", "--notebooks", "00_quickstart", "--data", "nyuv2", "--depth", "shuffled", "--classes", "cat"]
        done = CliRunner().invoke(cli.app, [*common, "--profile", "smoke"], catch_exceptions=False)
    assert done.exit_code == 0
    assert executed.pop() == ({}, tmp_path / "smoke" / "notebooks", ["00_quickstart"])

    opened = SimpleNamespace(
        folder=tmp_path / "smoke", data_name="voc", cache=tmp_path, config=SimpleNamespace(seed=3),
        require_runs_apart=lambda inputs: None,
    )  # fmt: skip
    monkeypatch.setattr(cli.notebooks, "open_run_of", lambda *_: opened)
    arguments = ["run", "--profile", "smoke", "--notebooks", "02_failure_analysis,00_quickstart", "--classes", "cat"]
    assert CliRunner().invoke(cli.app, arguments, catch_exceptions=False).exit_code == 0
    (first, second), place = executed, tmp_path / "smoke" / "notebooks" / "voc"
    assert first == ({}, place, ["00_quickstart"])
    assert second[1:] == (place, ["02_failure_analysis"])
    assert (second[0]["classes"], second[0]["seed"]) == (["cat"], 3)


def test_outputs_of_other_settings_are_not_kept(capsys, monkeypatch, tabletop_root: Path) -> None:
    message = fail(capsys, monkeypatch, "run", "--root", str(tabletop_root), "--epochs", "3", "--save-outputs")
    assert "leave out options of training, and WSSS_SETTINGS" in message


@pytest.mark.parametrize("text", ["epochs=3", "[3]", "3"])
def test_settings_of_the_environment_are_json(capsys, monkeypatch, text: str) -> None:
    monkeypatch.setenv("WSSS_SETTINGS", text)
    assert "WSSS_SETTINGS must be a JSON object" in fail(capsys, monkeypatch, "crops")


def test_train_depth_takes_the_epochs_for_its_network(monkeypatch, tmp_path: Path) -> None:
    given: list[Any] = []

    def train(data: Any, path: Path, backbone: str, **more: Any) -> dict[str, Any]:
        given.append((backbone, more["epochs"], more["batch_size"], more["weights"]))
        return {}

    monkeypatch.setattr("wsss.depth.training.train_with_folds", train)
    monkeypatch.setattr("wsss.pipeline.Run.data", lambda _, split: split)
    arguments = ["train-depth", "--epochs", "2", "--batch-size", "3", "--out", str(tmp_path / "depth.safetensors")]
    assert CliRunner().invoke(cli.app, arguments, catch_exceptions=False).exit_code == 0
    assert given == [("tf_efficientnet_lite0", 2, 3, None)]


def test_render_hands_on_folder_and_processes(monkeypatch, tmp_path: Path) -> None:
    calls: list[tuple[Path, int | None]] = []

    def record(root: Path, *, processes: int | None) -> Path:
        calls.append((root, processes))
        return root

    monkeypatch.setattr("wsss.data.tabletop_rendering.render_tabletop", record)
    result = CliRunner().invoke(
        cli.app, ["render", "--root", str(tmp_path), "--processes", "3"], catch_exceptions=False
    )
    assert calls == [(tmp_path, 3)]
    assert str(tmp_path) in result.output
    assert CliRunner().invoke(cli.app, ["render", "--processes", "0"]).exit_code == 2


def test_predict_says_what_was_skipped(monkeypatch) -> None:
    def predict(predictor: Any, images: Path, out: Path, *, overlays: bool, skip: Any) -> list[Path]:
        assert (predictor.network, images, out, overlays) == (Path("n"), Path("i"), Path("o"), False)
        if skip:
            skip(WsssError("cannot read image b.png"))
        return []

    monkeypatch.setattr("wsss.segmentation.folder.predict_folder", predict)
    monkeypatch.setattr(
        "wsss.segmentation.predictor.load_predictor", lambda path: SimpleNamespace(network=path, classes=("cat",))
    )
    monkeypatch.setattr("wsss.segmentation.folder.shares", lambda *_: {"background": 90.0, "cat": 10.0})
    arguments = ["predict", "--network", "n", "--images", "i", "--out", "o", "--no-overlays"]
    result = CliRunner().invoke(cli.app, [*arguments, "--on-error", "skip"], catch_exceptions=False)
    assert "skipped: cannot read image b.png" in result.output
    assert " 10.0 % cat" in result.output
    assert "skipped" not in CliRunner().invoke(cli.app, arguments, catch_exceptions=False).output


def test_export_hands_on_labels_and_lists(monkeypatch, tiny_voc: Path, tmp_path: Path) -> None:
    calls: list[tuple[Any, ...]] = []

    def record(data: Any, labels: Path | None, out: Path, split: str, *, progress: bool) -> Path:
        calls.append((data.split, labels, out, split))
        return out / split

    monkeypatch.setattr("wsss.pseudo.export.export_voc", record)
    monkeypatch.setattr("wsss.pipeline.Run.pseudo_folder", lambda _, labels: Path(labels))
    out = tmp_path / "out"
    arguments = ["export", "--out", str(out), "--data", "voc", "--root", str(tiny_voc), "--classes", "cat"]
    assert (
        CliRunner().invoke(cli.app, [*arguments, "--val", "--method", "cam+par"], catch_exceptions=False).exit_code == 0
    )
    assert calls == [("train_aug", Path("cam+par"), out, "train"), ("val", None, out, "val")]


@pytest.mark.parametrize("place", ["", "labels", ".."])
def test_export_never_writes_into_the_data_that_it_reads(tiny_voc: Path, place: str) -> None:
    arguments = ["export", "--out", str(tiny_voc / place), "--data", "voc", "--root", str(tiny_voc), "--classes", "cat"]
    with pytest.raises(WsssError, match="Give another folder with --out"):
        CliRunner().invoke(cli.app, arguments, catch_exceptions=False)


def test_results_skip_data_that_is_not_there(tmp_path: Path) -> None:
    arguments = ["results", "nyuv2", "--nyuv2", str(tmp_path / "gone"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "nyuv2-1: skipped, no folder" in result.output


def test_results_are_of_the_reference_profile_with_every_method(monkeypatch, tmp_path: Path) -> None:
    from wsss.experiments.plan import RESULT_LABELS, RESULT_METHODS

    runs: list[Any] = []
    monkeypatch.setattr("wsss.experiments.parts.make_part", lambda part, run, *_: runs.append(run))
    monkeypatch.setattr("wsss.experiments.parts.part_state", lambda *_: {})
    arguments = ["results", "nyuv2", "--nyuv2", str(tmp_path), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(cli.app, arguments, catch_exceptions=False).exit_code == 0
    assert [(run.config.data, run.config.seed, run.config.profile) for run in runs] == [
        ("nyuv2", seed, "reference") for seed in (0, 1, 2)
    ]
    for run in runs:
        assert (run.config.methods, run.config.pseudo_methods) == (RESULT_METHODS["nyuv2"], RESULT_LABELS["nyuv2"])


def test_results_are_not_made_with_other_settings(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WSSS_SETTINGS", '{"classifier.epochs": 1}')
    with pytest.raises(WsssError, match="WSSS_SETTINGS"):
        CliRunner().invoke(cli.app, ["results", "--out", str(tmp_path)], catch_exceptions=False)


@pytest.mark.parametrize("folds", [True, False])
def test_train_depth_says_how_the_loss_fell(monkeypatch, tmp_path: Path, folds: bool) -> None:
    given: dict[str, Any] = {}

    def train(data: Any, path: Path, backbone: str, **more: Any) -> dict[str, list[dict[str, float]]]:
        given.update(data=data, path=path, backbone=backbone, **more)
        return {path.name: [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 0.51236}]}

    def opened(profile: str, data: str, settings: dict[str, Any]) -> Any:
        config = Config(seed=settings["seed"])
        return SimpleNamespace(
            folder=tmp_path, data_name=data, config=config, data=lambda split: split, device="cpu", progress=False
        )

    from wsss.config import Config

    monkeypatch.setattr("wsss.depth.training.train_with_folds", train)
    monkeypatch.setattr(cli.options, "open_run_of", opened)
    arguments = ["train-depth", "--seed", "2", *(["--folds"] if folds else [])]
    result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    path = tmp_path / "tabletop" / "depth.safetensors"
    assert (given["data"], given["path"], given["seed"], given["folds"]) == ("train", path, 2, folds)
    assert "depth.safetensors: loss 2.000 in the first epoch, 0.512 in the last" in result.output
    assert f"The depth network is in {path}" in result.output


def test_depth_of_data_without_any_cannot_be_learnt(capsys, monkeypatch, tiny_voc: Path) -> None:
    message = fail(capsys, monkeypatch, "train-depth", "--data", "voc", "--root", str(tiny_voc))
    assert "comes without depth to learn from" in message


def test_depth_quality_is_measured_against_the_sensor(tabletop_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = {}
    for source in ("sensor", "inverted", "constant"):
        arguments = ["depth-quality", "--root", str(tabletop_root), "--depth", source, "--out", str(out)]
        result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
        assert result.exit_code == 0
        *lines, last = result.stdout.strip().splitlines()
        assert last == f"Everything is in {out}"
        found[source] = dict(line.split() for line in lines)
        assert (out / "tabletop" / "depth" / "test" / f"{source}.json").exists()
    assert float(found["sensor"]["spearman"]) == float(found["sensor"]["spearman_objects"]) == 1
    assert float(found["inverted"]["spearman"]) == -1
    assert found["constant"]["spearman"] == found["sensor"]["abs_rel"] == "unknown"


def test_evaluate_prints_a_table_and_the_records(tiny_voc: Path, tmp_path: Path) -> None:
    import torch

    from wsss.cam.classifier import Classifier, info_for, save_classifier
    from wsss.methods.parameters import CropParameters, RegionParameters

    torch.manual_seed(0)
    info = info_for("test_efficientnet", ("cat", "dog"), 16, 64)
    info.chosen["cam"] = {"parameters": {}, "threshold": 0.3, "miou": 0.0, "trials": 1}
    info.looks.update(regions=asdict(RegionParameters()), crops=asdict(CropParameters()))
    save_classifier(tmp_path / "m.safetensors", Classifier("test_efficientnet", 2).eval(), info)
    arguments = ["evaluate", "--checkpoint", str(tmp_path / "m.safetensors"), "--root", str(tiny_voc), "--out"]
    result = CliRunner().invoke(cli.app, [*arguments, str(tmp_path / "out")], catch_exceptions=False)
    assert result.exit_code == 0
    record = tmp_path / "out" / tiny_voc.name / "cam" / "val" / "cam.json"
    assert f"record {record}" in result.output
    assert record.exists()
    assert "mIoU" in result.output


def test_train_exports_a_checkpoint_and_says_how_good_it_is(monkeypatch, tmp_path: Path) -> None:
    class Opened:
        folder, data_name = tmp_path, "tabletop"

        class config:
            methods, report_split = ("cam", "depth"), "test"

        def export_classifier(self, path: Path, methods: tuple[str, ...]) -> None:
            path.write_text(",".join(methods))

        def classifier_report(self) -> dict[str, Any]:
            return {"map": {"tune": 71.26, "report": 69.5}}

        def classifier_doubt(self) -> str:
            return "the classifier has hardly learnt"

    monkeypatch.setattr(cli.options, "open_run_of", lambda *_, **__: Opened())
    carded: list[Path] = []
    monkeypatch.setattr("wsss.pipeline.cards.write_card", lambda run, path: carded.append(path))
    out = tmp_path / "mine.safetensors"
    result = CliRunner().invoke(cli.app, ["train", "--out", str(out), "--methods", "cam"], catch_exceptions=False)
    assert result.exit_code == 0
    assert out.read_text() == "cam"
    assert carded == [out]
    assert "mAP 71.3 on tune, 69.5 on test" in result.output
    assert "the classifier has hardly learnt" in result.stderr


def test_outputs_of_other_crops_are_not_kept(capsys, monkeypatch, tabletop_root: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[crops]\ncount = 3\n")
    arguments = ["run", "--root", str(tabletop_root), "--crops", str(path), "--save-outputs"]
    assert "leave out --crops" in fail(capsys, monkeypatch, *arguments)


def test_crops_that_cannot_be_used_are_refused_before_anything_runs(
    capsys, monkeypatch, tabletop_root: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[crops]\nlayers = 3\n")
    message = fail(capsys, monkeypatch, "run", "--root", str(tabletop_root), "--crops", str(path))
    assert "mine.toml: [crops] has no 'layers'" in message
