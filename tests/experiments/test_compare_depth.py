"""Several depth sources in one run: metric beside inverse, and folders that are called alike."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import write_palette_png
from wsss import cli
from wsss.config import ClassifierConfig
from wsss.data.pictures import read_image
from wsss.errors import WsssError
from wsss.experiments.evaluate import evaluate_folder
from wsss.experiments.notebooks import NOTEBOOKS
from wsss.experiments.rerun import rerun_record
from wsss.experiments.results import write_stage
from wsss.io import read_json, write_json
from wsss.pipeline import Run, open_run
from wsss.pipeline.profiles import profile
from wsss.records.inputs import inputs_read, name_it, require_same_inputs

pytestmark = pytest.mark.usefixtures("tiny_weights")

CLASSIFIER = ClassifierConfig(backbone="test_efficientnet", base_side=64, crop_side=64, epochs=1, batch_size=4)


@pytest.fixture
def folders(tiny_voc: Path, tmp_path: Path) -> dict[str, Path]:
    """Metric maps of the data, the same as disparity, and these mirrored; the last two in folders called `depth`."""
    files = sorted((tiny_voc / "DepthMETER").iterdir())
    found = {"metric": tiny_voc / "DepthMETER", "near": tmp_path / "a" / "depth", "wrong": tmp_path / "b" / "depth"}
    for name in ("near", "wrong"):
        found[name].mkdir(parents=True)
    for file in files:
        np.save(found["near"] / f"{file.stem}.npy", 1e4 / read_image(file, mode=None))
        np.save(found["wrong"] / f"{file.stem}.npy", 1e4 / read_image(file, mode=None)[:, ::-1])
    return found


def open_it(tiny_voc: Path, folders: dict[str, Path], cache: Path, **more: Any) -> Run:
    settings: dict[str, Any] = {
        "root": str(tiny_voc), "depth": "files:DepthMETER", "depth_kind": ["metric", "near=inverse", "wrong=inverse"],
        "sources": [f"{name}=files:{folders[name]}" for name in ("near", "wrong")], "classifier": CLASSIFIER,
        "methods": ["depth", "depth@near", "depth@shuffled+near", "depth@wrong"], "train_split": "train",
    }  # fmt: skip
    return Run(profile("smoke", "voc", **{**settings, **more}), cache, progress=False)


def test_metric_and_inverse_maps_of_one_scene_are_one_depth(
    tiny_voc: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    run = open_it(tiny_voc, folders, tmp_path / "cache")
    for index in range(len(run.data("report"))):
        own, near, wrong = (run.depth_of("report", source)(index) for source in (None, "near", "wrong"))
        np.testing.assert_allclose(near, own, atol=1e-4)
        assert abs(wrong - own).mean() > 0.01
    records = {record["method"]: record for record in write_stage([run], "cam", tmp_path / "records")}
    assert list(records) == ["depth@meter", "depth@near", "depth@shuffled-near", "depth@wrong"]
    assert records["depth@near"]["miou"]["mean"] == pytest.approx(records["depth@meter"]["miou"]["mean"], abs=0.5)
    assert records["depth@near"]["depth_source"] == "near"
    settings = records["depth@near"]["provenance"]["settings"]
    assert settings["sources"] == ("near=files:depth", "wrong=files:depth")
    assert str(tmp_path) not in str(settings)


def test_a_key_holds_the_kind_of_each_source(tiny_voc: Path, folders: dict[str, Path], tmp_path: Path) -> None:
    one = open_it(tiny_voc, folders, tmp_path)
    other = open_it(tiny_voc, folders, tmp_path, depth_kind=["metric", "near=metric", "wrong=inverse"])
    changed = {name: one.seed_key(name, "report") != other.seed_key(name, "report") for name in one.config.methods}
    assert changed == {"depth": False, "depth@near": True, "depth@shuffled+near": True, "depth@wrong": False}
    plain = open_it(tiny_voc, folders, tmp_path, sources=[], depth_kind="metric", methods=["depth"])
    assert plain.seed_key("depth", "report") == one.seed_key("depth", "report")
    assert plain.config_hash == one.config_hash


def test_a_run_on_a_named_source_has_its_kind_in_the_hash(
    tiny_voc: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    runs = [
        open_it(tiny_voc, folders, tmp_path, depth="near", methods=["depth"], depth_kind=[f"near={kind}"], sources=[
            f"near=files:{folders['near']}"]) for kind in ("metric", "inverse")
    ]  # fmt: skip
    assert runs[0].config_hash != runs[1].config_hash


def test_an_unstated_kind_is_refused_beside_a_stated_one(
    tiny_voc: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    run = open_it(tiny_voc, folders, tmp_path, depth="constant", depth_kind=["wrong=inverse"])
    with pytest.raises(WsssError, match=r"a/depth: .*--source NAME=files:DIR --depth-kind NAME=inverse"):
        run.depth_of("report", "near")
    assert run.depth_of("report", "wrong")(0).shape == (40, 48)


def test_a_record_of_a_named_source_is_made_anew(tiny_voc: Path, folders: dict[str, Path], tmp_path: Path) -> None:
    """Declared sources, and folders that are told apart by their places, are named to `rerun` as in the record."""
    sources = [f"depth@files:{folders[name]}" for name in ("near", "wrong")]
    run = open_it(
        tiny_voc, folders, tmp_path / "cache", methods=["depth@near", *sources], depth_kind=["metric", "near=inverse"]
    )
    write_stage([run], "cam", tmp_path / "records")
    folder = tmp_path / "records" / "tiny-voc" / "cam" / "val"
    assert {path.stem for path in folder.iterdir()} == {"depth@near", "depth@files-a", "depth@files-b"}
    options: dict[str, Any] = {"root": tiny_voc, "cache": tmp_path / "rerun", "progress": False}
    for name, place in (("near", "near"), ("files-b", "wrong")):
        path = folder / f"depth@{name}.json"
        outcome = rerun_record(path, sources=[f"{name}=files:{folders[place]}"], **options)
        assert outcome.different == ()
        with pytest.raises(WsssError, match=r"no depth folder .*depth"):
            rerun_record(path, **options)
    with pytest.raises(WsssError, match=r"no depth source 'far'; it has .*near.*--source NAME=files:DIR"):
        rerun_record(path, sources=["far=files:x"], **options)


def test_evaluate_knows_named_sources_and_tells_folders_apart(
    tiny_voc: Path, folders: dict[str, Path], tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wsss.experiments.evaluate as evaluate

    load, chosen = evaluate.load_classifier, {"parameters": {}, "threshold": 0.3, "miou": 0.0, "trials": 1}
    names = ["depth@near", *(f"depth@files:{folders[name]}" for name in ("near", "wrong"))]

    def with_methods(path: Path) -> Any:
        model, info = load(path)
        info.chosen.update(dict.fromkeys(names, chosen))
        return model, info

    monkeypatch.setattr(evaluate, "load_classifier", with_methods)
    common: dict[str, Any] = {"data": "voc", "root": str(tiny_voc), "split": "val", "progress": False}
    named: dict[str, Any] = {
        "methods": names, "depth_kind": ["metric", "near=inverse"], "sources": [f"near=files:{folders['near']}"]
    }  # fmt: skip
    records = evaluate_folder(tiny_checkpoint, tmp_path / "out", on_error="skip", **common, **named)
    assert [record["method"] for record in records] == ["depth@near", "depth@files-a", "depth@files-b"]
    path = tmp_path / "out" / "tiny-voc" / "cam" / "val" / "depth@near.json"
    where = [f"near=files:{folders['near']}"]
    assert rerun_record(path, root=tiny_voc, checkpoint=tiny_checkpoint, sources=where, progress=False).different == ()
    with pytest.raises(WsssError, match="no source is called near"):
        evaluate_folder(tiny_checkpoint, tmp_path / "x", **common, methods=["cam"], depth_kind="near=inverse")


def test_depth_quality_names_what_it_measures(tabletop_root: Path, tmp_path: Path) -> None:
    from wsss.data.registry import open_dataset

    maps = tmp_path / "depth"
    maps.mkdir()
    for sample in open_dataset("tabletop", "test", root=tabletop_root):
        assert sample.depth is not None
        np.save(maps / f"{sample.id}.npy", sample.depth + 0.1)
    out, common = tmp_path / "out", ["depth-quality", "--root", str(tabletop_root), "--profile", "smoke"]
    for arguments in (
        ["--depth", f"mine=files:{maps}", "--depth-kind", "mine=inverse"],
        ["--depth", "mine", "--source", f"mine=files:{maps}", "--depth-kind", "inverse"],
    ):
        result = CliRunner().invoke(cli.app, [*common, *arguments, "--out", str(out)], catch_exceptions=False)
        assert result.exit_code == 0
        record = read_json(out / "tabletop" / "depth" / "test" / "mine.json")
        assert (record["source"], record["spearman"] > 0.99) == ("mine", True)


def test_notebooks_take_a_named_source(
    tiny_voc: Path, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setenv("WSSS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(
        "wsss.experiments.notebooks.execute", lambda parameters, *_, **__: given.update(parameters) or []
    )
    common = ["run", "--profile", "smoke", "--data", "voc", "--root", str(tiny_voc), "--depth-kind", "near=inverse"]
    declared = ["--source", f"near=files:{folders['near']}"]
    result = CliRunner().invoke(cli.app, [*common, *declared, "--depth", "shuffled+near"], catch_exceptions=False)
    assert result.exit_code == 0
    assert given["depth"] == f"shuffled+near=files:{folders['near']}"
    assert set(given) <= {"profile", "data", "root", "classes", "depth", "depth_kind", "crops", "seed"}
    config = open_run(**given).config
    assert (config.depth, config.kinds) == ("shuffled+near", ("near=inverse",))
    assert config.sources == (f"near=files:{folders['near']}",)
    for wrong in ([], ["--depth", "sensor"], ["--depth", "near", "--source", "far=files:x"]):
        with pytest.raises(WsssError, match="notebooks look at one depth"):
            CliRunner().invoke(cli.app, [*common, *declared, *wrong], catch_exceptions=False)
    assert NOTEBOOKS


def test_sources_reach_the_run(tiny_voc: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: dict[str, Any] = {}
    monkeypatch.setattr(cli.stages, "_print_stage", lambda run, stage: opened.update({stage: run.config}))
    monkeypatch.chdir(folders["near"].parent)
    arguments = [
        "crops",
        "--profile",
        "smoke",
        "--data",
        "voc",
        "--root",
        str(tiny_voc),
        "--source",
        "near=files:depth",
    ]
    arguments += ["--source", "zoe=hf:Intel/zoe", "--depth-kind", "metric", "--depth-kind", "near=inverse"]
    arguments += ["--methods", "depth@near,depth@zoe,cam"]
    assert CliRunner().invoke(cli.app, arguments, catch_exceptions=False).exit_code == 0
    config = opened["cam"]
    assert config.sources == (f"near=files:{folders['near'].resolve()}", "zoe=hf:Intel/zoe")
    assert (config.depth_kind, config.kinds) == ("metric", ("files=metric", "near=inverse"))
    assert config.methods == ("depth@near", "depth@zoe", "cam")


def test_a_record_is_never_replaced_by_one_of_another_folder_of_its_name(
    tiny_voc: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "records"

    def score(folder: Path, root: Path = tiny_voc, method: str = "depth", **more: Any) -> list[str]:
        settings = {"depth": f"files:{folder}", "depth_kind": ["inverse"], "sources": [], "methods": [method], **more}
        return [
            each["method"] for each in write_stage([open_it(root, folders, tmp_path / "c", **settings)], "cam", out)
        ]

    near, wrong = folders["near"], folders["wrong"]
    assert score(near) == score(near) == ["depth@files"]
    with pytest.raises(WsssError, match="no depth folder"):
        score(tmp_path / "gone" / "depth")
    with pytest.raises(
        WsssError, match=r"depth@files\.json is of another folder .*--source NAME=files:.*b/depth, and depth@NAME"
    ):
        score(wrong)
    assert score(near, method="depth@other", sources=[f"other=files:{wrong}"]) == ["depth@other"]


def test_a_corrected_or_moved_folder_is_the_same(tiny_voc: Path, folders: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "records"

    def score(root: Path, folder: Path) -> None:
        run = open_it(
            root, folders, tmp_path / "c", depth=f"files:{folder}", depth_kind="inverse", sources=[], methods=["depth"]
        )
        write_stage([run], "cam", out)

    near = folders["near"]
    score(tiny_voc, near)
    first = next(near.iterdir())
    np.save(first, np.load(first)[::-1])
    score(tiny_voc, near)  # corrected in place
    moved = Path(shutil.move(near, tmp_path / "c" / "depth"))
    score(tiny_voc, moved)
    elsewhere = shutil.copytree(tiny_voc, tmp_path / "elsewhere" / tiny_voc.name)
    score(elsewhere, moved)
    write_palette_png(elsewhere / "SegmentationClass" / "2012_000008.png", np.full((40, 48), 12, np.uint8))
    score(elsewhere, moved)
    with pytest.raises(
        WsssError, match=r"is of another folder that has the same name as this data\. Rename the folder"
    ):
        score(tiny_voc, moved)


def test_two_sources_never_share_a_row(tiny_voc: Path, folders: dict[str, Path], tmp_path: Path) -> None:
    near, wrong = (f"files:{folders[name]}" for name in ("near", "wrong"))
    twice: list[dict[str, Any]] = [
        {"depth": near, "depth_kind": ["inverse", "files=metric"], "sources": [], "methods": ["depth", f"depth@{near}/."]},
        {
            "sources": [f"shuffled-near={wrong}", f"near={near}"], "depth_kind": ["metric", "files=inverse"],
            "methods": ["depth@shuffled-near", "depth@shuffled+near"],
        },
    ]  # fmt: skip
    for settings in twice:
        run = open_it(tiny_voc, folders, tmp_path / "c", **settings)
        with pytest.raises(
            WsssError, match=r"read other depth, but would both be called depth@.*--source NAME=files:DIR"
        ):
            write_stage([run], "cam", tmp_path / "records")
    assert not (tmp_path / "records").exists()
    same = {"depth": near, "depth_kind": "inverse", "sources": [f"near={near}"], "methods": ["depth", f"depth@{near}"]}
    assert len(write_stage([open_it(tiny_voc, folders, tmp_path / "c", **same)], "cam", tmp_path / "records")) == 1


def test_a_refinement_with_another_depth_has_a_remedy_that_helps(
    tiny_voc: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    def label(folder: str, out: str) -> None:
        settings: dict[str, Any] = {"depth": f"files:{folders[folder]}", "depth_kind": "inverse", "sources": []}
        run = open_it(tiny_voc, folders, tmp_path / "c", **settings, methods=[], pseudo_methods=["cam+par-depth"])
        write_stage([run], "pseudo", tmp_path / out)

    label("near", "one")
    with pytest.raises(
        WsssError,
        match=r"cam\+par-depth\.json is of another folder or model of depth\. Set WSSS_RUNS to another folder",
    ):
        label("wrong", "one")
    label("wrong", "two")


def test_depth_quality_of_another_folder_of_the_same_name_is_kept(tabletop_root: Path, tmp_path: Path) -> None:
    from wsss.data.registry import open_dataset

    for place, gain in (("a", 1.0), ("b", -1.0)):
        (tmp_path / place / "lidar").mkdir(parents=True)
        for sample in open_dataset("tabletop", "test", root=tabletop_root):
            assert sample.depth is not None
            np.save(tmp_path / place / "lidar" / f"{sample.id}.npy", 1.1 + gain * sample.depth)
    common = ["depth-quality", "--root", str(tabletop_root), "--profile", "smoke", "--out", str(tmp_path / "out")]

    def measured(*arguments: str) -> BaseException | None:
        return CliRunner().invoke(cli.app, [*common, *arguments, "--depth-kind", "inverse"]).exception

    assert measured("--depth", f"files:{tmp_path}/a/lidar") is None
    assert "and --depth NAME" in str(measured("--depth", f"files:{tmp_path}/b/lidar"))
    assert measured("--depth", f"far=files:{tmp_path}/b/lidar") is None
    folder = tmp_path / "out" / "tabletop" / "depth" / "test"
    assert {path.stem: read_json(path)["spearman"] > 0.9 for path in folder.iterdir()} == {"lidar": True, "far": False}


def test_depth_quality_of_another_profile_is_no_committed_record(
    tabletop_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WSSS_RUNS", str(tmp_path / "runs"))
    arguments = ["depth-quality", "--root", str(tabletop_root), "--profile", "smoke", "--depth", "shuffled"]
    assert CliRunner().invoke(cli.app, arguments, catch_exceptions=False).exit_code == 0
    assert [path.name for path in tmp_path.rglob("*.json")] == ["shuffled.json"]
    assert not (tmp_path / "results").exists()


def test_models_of_the_same_last_name_are_told_apart(tmp_path: Path) -> None:
    path, (data, theirs) = tmp_path / "depth@zoe.json", (Path("data"), "hash")
    write_json(path, {"provenance": {"read": inputs_read(data, theirs, "hf:one/zoe")}})
    require_same_inputs(path, inputs_read(data, theirs, "hf:one/zoe"), None)
    other = inputs_read(data, theirs, "hf:two/zoe")
    with pytest.raises(
        WsssError, match=r"of another folder or model of depth\. Give this one another name: --source NAME=hf:two/zoe"
    ):
        require_same_inputs(path, other, name_it("hf:two/zoe", "depth@NAME"))
    write_json(path, {"provenance": {"read": inputs_read(data, theirs, "learned")}})  # trained in the run
    (tmp_path / "net").write_bytes(b"net")
    own = f"learned:{tmp_path / 'net'}"
    with pytest.raises(WsssError, match=r"--source NAME=learned:.*net, and depth@NAME"):
        require_same_inputs(path, inputs_read(data, theirs, own), name_it(own, "depth@NAME"))
    assert name_it("noisy:0.1+learned", "depth@NAME") is None
