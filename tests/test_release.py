"""The files of a release: what is missing is named with its remedy, weights in 16 bit do what they did, checksums hold."""

import json
import re
import subprocess
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tests import alone
from tests.segmentation.handed_over import KINDS, checkpoint
from wsss import from_pretrained
from wsss.config import ClassifierConfig, Config, SegmentationConfig
from wsss.errors import WsssError
from wsss.experiments import release
from wsss.experiments.release import Held, held_by, in_16_bit, label_files, scene_files, weights_of, write_zip
from wsss.networks.released import read_registry
from wsss.pipeline import Run
from wsss.segmentation.any_checkpoint import load_any

ROOT = Path(__file__).resolve().parent.parent
BACKBONE = "test_efficientnet"

pytestmark = pytest.mark.usefixtures("tiny_weights")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return alone.script(".ci/release.py")


@pytest.fixture(scope="module")
def config(tabletop_root: Path) -> Config:
    return Config(
        profile="smoke", root=str(tabletop_root), tabletop_side=64, tabletop_scenes=(4, 2, 2),
        methods=("cam", "depth@constant"), label_methods=("cam", "depth"),
        classifier=ClassifierConfig(backbone=BACKBONE, base_side=64, crop_side=64, epochs=1, batch_size=4),
        segmentation=SegmentationConfig(encoder=f"tu-{BACKBONE}", iterations=2, batch_size=2, crop_size=64, frozen_stages=0),
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(config: Config, tmp_path_factory: pytest.TempPathFactory, tiny_weights: None) -> Run:
    """A run with all that a release has of one, but for the network of its first labels."""
    run = Run(config, tmp_path_factory.mktemp("release") / "cache", progress=False)
    run.labels(run.config.label_methods)
    run.network_path("depth")
    return run


# ---- weights ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_16_bit_answer_as_32(kind: str, tmp_path: Path) -> None:
    whole = checkpoint(kind, tmp_path / "whole.safetensors")
    small = in_16_bit(whole, tmp_path / "small.safetensors")
    assert small.stat().st_size < 0.75 * whole.stat().st_size
    one, other = load_any(whole), load_any(small)
    assert (one.classes, one.mean, one.side, one.facts) == (other.classes, other.mean, other.side, other.facts)
    image = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(one.module(image), other.module(image), rtol=0.05, atol=0.05)
    state = one.module.state_dict()
    for name, tensor in other.module.state_dict().items():
        if tensor.ndim < 2:  # of batch norms, above all
            assert torch.equal(tensor, state[name])
        else:
            assert torch.equal(tensor, state[name].half().float())


def test_what_has_no_16_bits_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.full((2, 2), 1e6)}, tmp_path / "large.safetensors")
    with pytest.raises(WsssError, match=r"large\.safetensors: its tensor a does not fit into 16 bits"):
        in_16_bit(tmp_path / "large.safetensors", tmp_path / "small.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    with pytest.raises(WsssError, match=r"cannot read .*broken\.safetensors"):
        in_16_bit(tmp_path / "broken.safetensors", tmp_path / "small.safetensors")
    assert not (tmp_path / "small.safetensors").exists()


def test_nothing_is_made_to_say_what_is_missing(config: Config, tmp_path: Path) -> None:
    found = held_by(Run(config, tmp_path / "cache", progress=False))
    assert found.missing == ("classifier", "network of depth", "labels of cam", "labels of depth")
    assert not (tmp_path / "cache" / "classifier").exists()


def test_weights_have_cards_and_are_checked(made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = held_by(made)
    assert held.missing == ()
    monkeypatch.setattr(release, "CHANGE", 20.0)  # two tiny pictures, and networks that have learnt nothing
    found = weights_of(made, held, "tabletop", tmp_path, tmp_path / "no records")
    assert [one.folder.name for one in found] == ["tabletop-classifier", "tabletop-network"]
    for one in found:
        assert sorted(path.name for path in one.folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
        card = (one.folder / "README.md").read_text(encoding="utf-8")
        assert "license: apache-2.0" in card
        assert "4 images of tabletop, split train" in card
        assert "| training seed | 0 |" in card
        assert f"| {one.miou[0]:.2f}, {one.miou[1]:.2f} |" in card
        assert one.images == 2
        from_pretrained(one.folder)
    assert load_any(found[0].folder / "model.safetensors").facts["chosen"].keys() == {"cam"}
    monkeypatch.setattr(release, "CHANGE", -1.0)
    with pytest.raises(WsssError, match="16 bit change its mIoU"):
        weights_of(made, Held(False, held.network, {}, ()), "tabletop", tmp_path / "other", tmp_path)
    assert not (tmp_path / "other").exists()


# ---- archives -----------------------------------------------------------------------------------------------------


def test_label_maps_and_scenes_by_their_places(made: Run, tmp_path: Path) -> None:
    labels = label_files(made, held_by(made), "tabletop")
    ids = made.data("train").ids
    assert set(labels) == {f"tabletop/{name}/{each}.png" for name in ("cam", "depth@sensor") for each in ids}
    scenes = scene_files(made, tmp_path)
    assert all(path.is_file() for path in (*labels.values(), *scenes.values()))
    places = {Path(name).parts[1] for name in scenes}
    assert places >= {"train", "tune", "test", "croissant.json", "identity.json"}
    assert places <= {"train", "tune", "test", "croissant.json", "identity.json", "kinect"}


def test_the_same_files_give_the_same_archive(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    files = {f"in/{name}": tmp_path / name for name in ("b.txt", "a.png", "c.safetensors")}
    for path in files.values():
        path.write_bytes(rng.bytes(3000))
    one = write_zip(tmp_path / "one.zip", files).read_bytes()
    other = write_zip(tmp_path / "two.zip", dict(reversed(list(files.items())))).read_bytes()
    assert one == other
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == ["in/a.png", "in/b.txt", "in/c.safetensors"]
        assert archive.testzip() is None
        assert {archive.read(name) for name in files} == {path.read_bytes() for path in files.values()}
    files["in/b.txt"].unlink()
    with pytest.raises(WsssError, match=r"b\.txt is missing: .*one\.zip would lack it"):
        write_zip(tmp_path / "one.zip", files)
    assert (tmp_path / "one.zip").read_bytes() == one


# ---- the command --------------------------------------------------------------------------------------------------

QUICK = ["--without", "package,site", "--data", "tabletop"]


def called(script: ModuleType, *arguments: str) -> str | None:
    try:
        script.main([*QUICK, *arguments])
    except SystemExit as end:
        return str(end.code)
    return None


def test_what_is_missing_is_named_with_the_command_that_makes_it(
    script: ModuleType, config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    run = Run(config, tmp_path / "cache", progress=False)
    monkeypatch.setattr(script, "open_runs", lambda _: {"tabletop": run, "voc": "voc: there is no folder X; give it"})
    ended = called(script, "--out", str(tmp_path / "out"))
    assert ended == "error: the release is not complete; --partial makes the parts that are there"
    lines = capsys.readouterr().err.splitlines()
    assert "voc: there is no folder X; give it" in lines
    (line,) = [line for line in lines if line.startswith("tabletop: ")]
    assert line.startswith("tabletop: no classifier, no network of depth, no labels of cam")
    assert line.endswith("make it with `wsss results tabletop-0`")
    assert not (tmp_path / "out").exists()


def test_a_release_of_a_tiny_run(
    script: ModuleType, made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "open_runs", lambda _: {"tabletop": made})
    monkeypatch.setattr(release, "CHANGE", 20.0)
    out = tmp_path / "dist"
    assert called(script, "--partial", "--out", str(out), "--base-url", "https://example.org/v1/") is None
    names = {path.name for path in out.iterdir()}
    kinds = {found[1] for name in names if (found := re.fullmatch(r"wsss-depth-cam-[\d.]+-(\w+)\.zip", name))}
    assert kinds == {"weights", "labels", "scenes"}
    assert names >= {"SHA256SUMS", "release.json", "released.json", "CHANGELOG.md", "CITATION.cff", "LICENSE", "NOTICE"}
    done = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=out, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(names) - 1
    told = json.loads((out / "release.json").read_text())
    assert set(told["weights"]) == {"tabletop-classifier", "tabletop-network"}
    assert not [line for line in told["missing"] if line.startswith("tabletop")]
    released = read_registry(out / "released.json")
    for name, weights in released.items():
        for file in weights.files.values():
            assert file.url.startswith(f"https://example.org/v1/{name}--")
            assert (out / file.url.rpartition("/")[2]).is_file()
    with zipfile.ZipFile(next(out.glob("*-weights.zip"))) as archive:
        archive.extractall(tmp_path / "unpacked")
    from_pretrained(tmp_path / "unpacked" / "tabletop-network")
    assert {"LICENSE", "NOTICE"} <= {path.name for path in (tmp_path / "unpacked").iterdir()}
    assert "holds CHANGELOG.md already" in str(called(script, "--partial", "--out", str(out)))


def test_the_package_is_of_the_committed_files_and_knows_its_weights(script: ModuleType, tmp_path: Path) -> None:
    if not script.git("ls-files"):
        pytest.skip("needs a git checkout")
    (tmp_path / "released.json").write_text("{}\n ")
    (tmp_path / "dist").mkdir()
    script.build_package(tmp_path / "dist", tmp_path / "released.json")
    (wheel,), (source,) = (list((tmp_path / "dist").glob(f"*.{suffix}")) for suffix in ("whl", "tar.gz"))
    assert len(list((tmp_path / "dist").iterdir())) == 2
    assert source.stat().st_size > 100_000
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert archive.read("wsss/networks/released.json") == b"{}\n "
    assert names >= {"wsss/py.typed", "wsss/widgets/controls.js", "wsss/methods/presets.json", "wsss/__main__.py"}
    assert not [name for name in names if not name.startswith(("wsss/", "wsss_depth_cam-"))]


# ---- the version --------------------------------------------------------------------------------------------------


def sources(folder: Path, **changes: str) -> Path:
    folder.mkdir(exist_ok=True)
    citation = {"version": "1.0.0", "date-released": "2026-12-24", **changes}
    lines = [f"{name}: {value}\n" for name, value in citation.items() if name != "changes" and value]
    (folder / "CITATION.cff").write_text("title: x\n" + "".join(lines))
    (folder / "CHANGELOG.md").write_text(f"# Changes\n\n## {changes.get('changes', '1.0.0 (2026-12-24)')}\n")
    return folder


def test_a_tag_is_the_version_of_all_sources(script: ModuleType, tmp_path: Path) -> None:
    def problems(tag: str | None = "v1.0.0", **changes: str) -> list[str]:
        return list(script.version_problems(sources(tmp_path / "a", **changes), "1.0.0", tag))

    assert problems() == problems(None) == []
    assert "tag: v1.0.1 is not v1.0.0" in problems("v1.0.1")[0]
    assert "CITATION.cff has another than 1.0.0" in problems(version="1.0.1")[0]
    assert "no date-released" in problems(**{"date-released": ""})[0]
    assert "CHANGELOG.md does not begin" in problems(changes="1.0.0 (unreleased)")[0]
    assert "CHANGELOG.md does not begin" in problems(changes="0.9.0 (2026-12-24)")[0]


def test_the_workflow_publishes_tags_that_are_checked_without_a_password() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    flow: Any = yaml.safe_load(text)
    assert flow[True] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}  # YAML reads `on` as true
    assert flow["jobs"]["pypi"]["permissions"] == {"id-token": "write"}
    assert flow["jobs"]["test"]["steps"][-1] == {"run": "bash .ci/run"}
    assert (flow["jobs"]["pypi"]["needs"], flow["jobs"]["files"]["needs"]) == (["test", "build"], "pypi")
    assert 'python .ci/release.py --check "$GITHUB_REF_NAME"' in text
    assert "secrets." not in text
