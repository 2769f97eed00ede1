"""No command writes where it reads, and a filled folder is continued only if it is the same thing."""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from wsss import cli
from wsss.checks import require_apart
from wsss.config import DepthTraining
from wsss.data.registry import open_dataset
from wsss.data.tabletop import default_root
from wsss.data.tabletop_rendering import render_tabletop
from wsss.depth.training import train_with_folds
from wsss.errors import WsssError
from wsss.experiments.evaluate import evaluate_folder
from wsss.pseudo.export import FACTS, export_voc, require_same_export
from wsss.pseudo.labels import save_pseudo_label
from wsss.segmentation.folder import predict_folder
from wsss.segmentation.network import build_network
from wsss.segmentation.predictor import Predictor


class ReachedError(Exception):
    """Raised in place of the first thing that a command does after its checks."""


def reached(*_: Any, **__: Any) -> Any:
    raise ReachedError


@pytest.fixture
def scene(tiny_voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `data/` in VOC layout, `maps/` of depth, `photos/`, `records/` and a file `net.safetensors`."""
    work = tmp_path / "work"
    (work / "photos").mkdir(parents=True)
    (work / "records").mkdir()
    shutil.move(tiny_voc, work / "data")
    shutil.move(work / "data" / "DepthMETER", work / "maps")
    (work / "linked").symlink_to(work / "data")
    Image.new("RGB", (8, 8)).save(work / "photos" / "a.png")
    (work / "net.safetensors").write_bytes(b"net")
    (work / "crops.toml").write_text("[crops]\ncount = 3\n")
    monkeypatch.chdir(work)
    monkeypatch.setenv("WSSS_PROFILE", "smoke")
    monkeypatch.setenv("WSSS_RUNS", str(work / "runs"))
    monkeypatch.setenv("WSSS_CACHE", str(tmp_path / "cache"))
    for place in (
        "wsss.experiments.results._stage_scores",
        "wsss.pipeline.classifier.ClassifierStage.trained",
        "wsss.depth.training.train_with_folds",
        "wsss.segmentation.folder.image_files",
        "wsss.pseudo.export.require_same_export",
        "wsss.experiments.evaluate.load_classifier",
        "wsss.experiments.depth_quality.progress_bar",
        "wsss.pipeline.Run.series",
        "wsss.experiments.ablation._score",
        "wsss.records.store.load_records",
        "wsss.experiments.notebooks.execute",
        "wsss.cli.records.report",
        "wsss.pipeline.Run.data_hash",
    ):
        monkeypatch.setattr(place, property(reached) if place.endswith(".trained") else reached)
    monkeypatch.setattr("wsss.segmentation.predictor.load_predictor", lambda _: SimpleNamespace(classes=("cat",)))
    return work


VOC = "--data voc --root data --depth files:maps --depth-kind metric"
COMMANDS = {
    "train": f"train {VOC} --out {{}}/my.safetensors",
    "train, its file": f"train {VOC} --methods cam,depth@learned:net.safetensors --out {{}}",
    "train-depth": "train-depth --data voc --root data --out {}/depth.safetensors",
    "export": f"export {VOC} --out {{}}",
    "export, another depth": "export --data voc --root data --depth constant --source m=files:maps --method depth@m --out {}",
    "evaluate": f"evaluate {VOC} --checkpoint net.safetensors --out {{}}",
    "predict": "predict --network net.safetensors --images photos --out {}",
    "report, figures": "report --records records --figures {}",
    "report, page": "report --records records --figures drawn --page {}",
    "figures": "figures --out {}",
    "series": "series --out {}",
    "ablate": "ablate --out {}",
}
"""Commands that are told where to write."""

RUNS = {
    "crops": f"crops {VOC}",
    "cam": "cam --data voc --root data",
    "pseudo": f"pseudo {VOC}",
    "segment": f"segment {VOC}",
    "run": f"run {VOC} --crops crops.toml",
    "train": f"train {VOC} --out apart.safetensors",
    "export": f"export {VOC} --out exported",
}
"""Commands that write below `$WSSS_RUNS`."""


def refused(arguments: str) -> bool:
    """Whether a command refuses its output before it does anything; that it comes to its work is the alternative."""
    result = CliRunner().invoke(cli.app, arguments.split())
    assert isinstance(result.exception, ReachedError | WsssError), (result.exception, result.output)
    if isinstance(result.exception, WsssError):
        assert "is, holds or lies in" in str(result.exception), result.exception
    return isinstance(result.exception, WsssError)


@pytest.mark.parametrize(
    ("command", "places", "allowed"),
    [
        ("train", "data data/new maps maps/new linked linked/new", ". out runs/out"),
        ("train, its file", "net.safetensors data/a.safetensors maps/a.safetensors", "other.safetensors out/net.safetensors"),
        ("train-depth", "data data/new linked", ". out"),
        ("export", "data data/new maps maps/new . .. linked linked/new", "out photos runs/out"),
        ("export, another depth", "data maps maps/new .", "out"),
        ("evaluate", "data data/new . .. linked net.safetensors", "out runs/default/results"),
        ("predict", "photos photos/labels . net.safetensors", "out data"),
        ("report, figures", "records records/new .", "out figures"),
        ("report, page", "records/page.md records/data/cam/val/cam.json", "README.md out/page.md"),
        ("figures", "results results/new", "out figures"),
        ("series", "TABLETOP TABLETOP/new", "out results"),
        ("ablate", "TABLETOP TABLETOP/new", "out results"),
    ],
)  # fmt: skip
def test_where_a_command_may_write(scene: Path, command: str, places: str, allowed: str) -> None:
    from wsss.pipeline.profiles import profile

    (scene / "results").mkdir()
    tabletop = default_root(profile("smoke").tabletop_spec)
    tabletop.mkdir(parents=True)
    for names, wanted in ((places, True), (allowed, False)):
        for name in names.split():
            arguments = COMMANDS[command].format(name.replace("TABLETOP", str(tabletop)))
            assert refused(arguments) == wanted, name


@pytest.mark.parametrize("command", RUNS)
def test_where_runs_may_lie(scene: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    depth = "maps" in RUNS[command]
    places = {
        "data": True,
        "data/runs": True,
        "linked/runs": True,
        "maps/runs": depth,
        "runs": False,
        ".": False,
        "..": False,
    }
    for place, wanted in places.items():
        monkeypatch.setenv("WSSS_RUNS", str(scene / place))
        monkeypatch.setenv("WSSS_CACHE", str(scene.parent / "cache"))
        assert refused(RUNS[command]) == wanted, place


def test_results_are_not_written_into_the_data(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsss.experiments.parts.require_libraries", lambda _: None)
    for folder, wanted in (("data", True), (".", False)):
        monkeypatch.chdir(scene / folder)
        assert refused(f"results voc --voc {scene / 'data'}") == wanted


def test_depth_quality_is_not_written_where_depth_is_read(scene: Path, tabletop_root: Path) -> None:
    places = {str(tabletop_root): True, f"{tabletop_root}/new": True, "maps": True, ".": True, "out": False}
    for place, wanted in places.items():
        common = f"depth-quality --root {tabletop_root} --depth files:maps --depth-kind metric --out {place}"
        assert refused(common) == wanted, place


def test_what_is_evaluated_may_name_depth_of_its_own(scene: Path, tiny_checkpoint: Path) -> None:
    arguments: dict[str, Any] = {"data": "voc", "root": "data", "split": "val", "progress": False}
    with pytest.raises(ReachedError):
        evaluate_folder(tiny_checkpoint, scene / "out", **arguments)


def test_rendered_scenes_are_not_put_among_other_files(scene: Path) -> None:
    before = sorted(os.listdir(scene / "data"))
    with pytest.raises(WsssError, match=r"data holds ImageSets, and no rendered scenes.*--root"):
        render_tabletop(scene / "data", progress=False)
    assert sorted(os.listdir(scene / "data")) == before


def test_an_output_may_be_a_file_in_a_folder_that_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "net").write_bytes(b"")
    require_apart(tmp_path, tmp_path / "net")
    require_apart([tmp_path / "a", tmp_path / "b"], tmp_path / "net", None, tmp_path / "gone")
    for out in (tmp_path / "net", tmp_path / "x" / ".." / "net"):
        with pytest.raises(WsssError, match="Give another folder with --out"):
            require_apart([tmp_path / "a", out], tmp_path / "net")


# ---- what is there already ----------------------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def labels(tiny_voc: Path, tmp_path: Path) -> Path:
    for index, sample in enumerate(open_dataset("voc", "train_aug", root=tiny_voc)):
        save_pseudo_label(
            tmp_path / "labels" / f"{sample.id}.png", np.full(sample.required_mask.shape, index % 2, np.uint8)
        )
    return tmp_path / "labels"


def test_an_export_goes_on_and_takes_further_lists(tiny_voc: Path, labels: Path, tmp_path: Path) -> None:
    data = open_dataset("voc", "train", root=tiny_voc, classes=("cat", "dog"))
    out = tmp_path / "out"
    export_voc(data, labels, out, "train", progress=False)
    whole = contents(out)
    (out / "JPEGImages" / f"{data.ids[-1]}.jpg").unlink()  # as if it had been interrupted
    (out / "ImageSets" / "Segmentation" / "train.txt").unlink()
    export_voc(data, labels, out, "train", progress=False)
    assert contents(out) == whole
    val = open_dataset("voc", "val", root=tiny_voc, classes=("cat", "dog"))
    export_voc(val, None, out, "val", progress=False)
    assert sorted(json.loads((out / FACTS).read_text())["lists"]) == ["train", "val"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("classes", "classes cat, dog, not dog, cat: its masks would mean something else"), ("fewer classes", "not cat"),
        ("method", "other labels of the list train"), ("truth", "other labels of the list train"),
        ("shorter", r"list train of other images \(5, of which 3 would be left out\)"),
        ("masks", "list train of other images, or of other masks"),
        ("data", "images of tiny-voc, not of other"), ("overlap", r"holds image 2012_000000 in its list train already"),
        ("unknown", r"holds JPEGImages already, and does not say"), ("broken", "does not say what"),
    ],
)  # fmt: skip
def test_an_export_of_something_else_is_refused(
    tiny_voc: Path, labels: Path, tmp_path: Path, change: str, reason: str
) -> None:
    data, out = open_dataset("voc", "train", root=tiny_voc, classes=("cat", "dog")), tmp_path / "out"
    export_voc(data, labels, out, "train", progress=False)
    split, source = "train", labels
    match change:
        case "classes":
            data = open_dataset("voc", "train", root=tiny_voc, classes=("dog", "cat"))
        case "fewer classes":
            data = open_dataset("voc", "train", root=tiny_voc, classes=("cat",))
        case "method":
            source = tmp_path / "others"
            shutil.copytree(labels, source)
            save_pseudo_label(source / f"{data.ids[0]}.png", np.full((40, 48), 2, np.uint8))
        case "shorter":
            data = open_dataset("voc", "train", root=tiny_voc, classes=("cat", "dog"), limit=2)
        case "masks":
            save_pseudo_label(tiny_voc / "SegmentationClass" / f"{data.ids[0]}.png", np.full((40, 48), 12, np.uint8))
        case "data":
            shutil.copytree(tiny_voc, tmp_path / "other")
            data = open_dataset("voc", "train", root=tmp_path / "other", classes=("cat", "dog"))
        case "overlap":
            split = "more"
        case "unknown":
            (out / FACTS).unlink()
            (out / "classes.txt").unlink()
        case "broken":
            (out / FACTS).write_text("[]")
    before = contents(out)
    with pytest.raises(WsssError, match=rf"{reason}.*Give another folder with --out, or delete"):
        export_voc(data, None if change == "truth" else source, out, split, progress=False)
    assert contents(out) == before


def predictor(classes: tuple[str, ...] = ("cat", "dog"), seed: int = 0) -> Predictor:
    import torch

    torch.manual_seed(seed)
    network = build_network(len(classes), "Unet", "tu-mobilenetv3_small_050")
    return Predictor(network, classes, (0.5,) * 3, (0.5,) * 3, 64, (1.0,))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for name in "ab":
        Image.new("RGB", (64, 64), (200, 10, 10)).save(tmp_path / "photos" / f"{name}.png")
    return tmp_path / "photos"


def test_label_maps_of_one_network_are_continued(photos: Path, tmp_path: Path) -> None:
    (photos / "b.png").rename(photos / "z.txt")
    predict_folder(predictor(), photos, tmp_path / "out", progress=False)
    facts = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert facts["classes"] == ["cat", "dog"]
    (photos / "z.txt").rename(photos / "b.png")
    maps = predict_folder(predictor(), photos, tmp_path / "out", progress=False)
    assert [path.name for path in maps] == ["a.png", "b.png"]


def test_label_maps_of_another_network_are_refused(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    predict_folder(predictor(), photos, out, progress=False)
    before = contents(out)
    for other in (predictor(seed=1), predictor(("dog", "cat")), predictor(("cat", "dog", "cow"))):
        with pytest.raises(
            WsssError, match=r"another network \(its classes: cat, dog\). Give another folder with --out"
        ):
            predict_folder(other, photos, out, progress=False)
    (out / "labels.json").unlink()
    with pytest.raises(WsssError, match=r"holds a\.png already, and does not say \(labels\.json\)"):
        predict_folder(predictor(), photos, out, progress=False)
    assert contents(out) == {name: held for name, held in before.items() if name != "labels.json"}


def test_label_maps_of_other_images_of_the_same_name_are_kept(photos: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    predict_folder(predictor(), photos, out, overlays=False, progress=False)
    Image.new("RGB", (64, 64), (10, 10, 200)).save(photos / "b.png")
    predict_folder(predictor(), photos, out, overlays=False, progress=False)  # corrected in place
    photos = photos.rename(tmp_path / "moved")
    predict_folder(predictor(), photos, out, overlays=False, progress=False)
    other.mkdir()
    for name in "bc":
        Image.new("RGB", (64, 64), (10, 200, 10)).save(other / f"{name}.png")
    before = contents(out)
    with pytest.raises(WsssError, match=r"another image that is called b too\. Give another folder with --out"):
        predict_folder(predictor(), other, out, overlays=False, progress=False)
    assert contents(out) == before
    (other / "b.png").unlink()
    assert [path.name for path in predict_folder(predictor(), other, out, progress=False)] == ["c.png"]


def test_pictures_that_are_there_are_not_replaced_by_overlays(photos: Path, tmp_path: Path) -> None:
    kept = tmp_path / "out" / "overlays"
    kept.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(kept / "mine.png")
    with pytest.raises(WsssError, match=r"holds overlays/mine\.png already"):
        predict_folder(predictor(), photos, tmp_path / "out", progress=False)
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "overlays").symlink_to(photos)
    with pytest.raises(WsssError, match="is, holds or lies in"):
        predict_folder(predictor(), photos, linked, progress=False)
    assert [path.name for path in kept.iterdir()] == ["mine.png"]


def test_what_label_maps_are_is_said_before_the_first(photos: Path, tmp_path: Path) -> None:
    (photos / "a.png").write_bytes(b"broken")
    with pytest.raises(WsssError, match=r"a\.png"):
        predict_folder(predictor(), photos, tmp_path / "out", progress=False)
    assert list(contents(tmp_path / "out")) == ["labels.json"]


def test_records_of_another_checkpoint_or_other_classes_are_not_mixed(
    tiny_voc: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    arguments: dict[str, Any] = {"data": "voc", "root": str(tiny_voc), "split": "val", "progress": False}
    out = tmp_path / "out"
    for _ in range(2):  # the same again is no harm
        evaluate_folder(tiny_checkpoint, out, **arguments)
    before = contents(out)
    other = tmp_path / "other.safetensors"
    other.write_bytes(tiny_checkpoint.read_bytes()[:-1] + b"\x01")
    changes: list[tuple[Path, dict[str, Any]]] = [(other, {}), (tiny_checkpoint, {"classes": ["cat"]})]
    for path, more in changes:
        with pytest.raises(WsssError, match=r"another checkpoint or other classes.*Give another folder with --out"):
            evaluate_folder(path, out, **arguments, **more)
    record = next(out.rglob("cam.json"))
    plain = json.loads(record.read_text())
    del plain["provenance"]["settings"]  # of another command
    record.write_text(json.dumps(plain))
    with pytest.raises(WsssError, match="replaced or mixed"):
        evaluate_folder(tiny_checkpoint, out, **arguments)
    assert len(before) == len(contents(out))


@pytest.mark.usefixtures("tiny_weights")
def test_a_depth_network_of_another_training_is_not_taken_for_this_one(tabletop_root: Path, tmp_path: Path) -> None:
    data, path = open_dataset("tabletop", "train", root=tabletop_root), tmp_path / "depth.safetensors"

    def train(seed: int = 0, epochs: int = 1) -> dict[str, Any]:
        own = asdict(DepthTraining(epochs=epochs, batch_size=2, side=32))
        return train_with_folds(
            data, path, "test_efficientnet", folds=False, test_side=64, seed=seed, progress=False, marked=True, **own
        )

    assert list(train()) == ["depth.safetensors"]
    before = path.read_bytes()
    assert train() == {}
    for other in ({"seed": 1}, {"epochs": 2}):
        with pytest.raises(WsssError, match=r"depth\.safetensors is of another training.*--out"):
            train(**other)
    path.with_suffix(".json").unlink()
    with pytest.raises(WsssError, match="does not say of which"):
        train()
    assert path.read_bytes() == before
    path.unlink()
    path.with_suffix(".json").write_text('{"mine": 1}')
    with pytest.raises(WsssError, match=r"depth\.json, which would say .* holds something else\..*--out"):
        train()
    assert path.with_suffix(".json").read_text() == '{"mine": 1}'


@pytest.mark.parametrize("there", ["folder", "photograph", "network"])
def test_train_replaces_nothing_but_a_classifier(scene: Path, tiny_checkpoint: Path, there: str) -> None:
    from wsss.segmentation.network import save_network

    out = scene / "there.safetensors"
    if there == "folder":
        out.mkdir()
    elif there == "photograph":
        Image.new("RGB", (8, 8)).save(out, format="PNG")
    else:
        save_network(out, build_network(1, "Unet", "tu-mobilenetv3_small_050"), {"classes": '["cat"]'})
    before = contents(scene)
    result = CliRunner().invoke(cli.app, f"train {VOC} --out {out}".split())
    assert isinstance(result.exception, WsssError)
    assert "Give another file with --out." in str(result.exception)
    assert contents(scene) == before
    shutil.copy(tiny_checkpoint, scene / "mine.safetensors")  # an earlier one
    result = CliRunner().invoke(cli.app, f"train {VOC} --out mine.safetensors".split())
    assert isinstance(result.exception, ReachedError)


@pytest.mark.parametrize("command", ["export", "evaluate", "predict"])
def test_a_folder_to_fill_is_no_file(scene: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsss.pseudo.export.require_same_export", require_same_export)
    (scene / "notes.txt").write_text("mine")
    result = CliRunner().invoke(cli.app, COMMANDS[command].format("notes.txt").split())
    assert isinstance(result.exception, WsssError)
    assert "notes.txt is a file, and a folder is to be filled" in str(result.exception)
    assert (scene / "notes.txt").read_text() == "mine"
