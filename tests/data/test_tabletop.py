"""The rendered data set: the same bytes however it is made; finished or refused."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.data.frozen_looks import LOOKS, SPLITS, look
from wsss.data.base import Dataset, labels_of_mask
from wsss.data.tabletop import CLASSES, GENERATOR_VERSION, TabletopDataset, TabletopSpec, default_root
from wsss.data.tabletop_rendering import (
    FROZEN_RENDERER,
    _acceptable,
    _check_identity,
    _check_renderer,
    _render_chunk,
    render_tabletop,
)
from wsss.errors import WsssError
from wsss.io import content_hash
from wsss.pipeline.profiles import profile
from wsss.pipeline.run import Run

SPEC = TabletopSpec(side=64, splits=(("train", 4), ("tune", 2), ("test", 2)))  # of the fixture `tabletop_root`


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture
def copy(tabletop_root: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tabletop_root, tmp_path / "copy"))


def test_splits_hold_what_was_asked_for(tabletop_root: Path) -> None:
    for split, count in SPEC.splits:
        data = TabletopDataset(tabletop_root, split)
        assert isinstance(data, Dataset)
        assert data.ids == tuple(f"{split}-{number:04d}" for number in range(count))
        assert len(list(data)) == count


def test_samples_agree_with_themselves(tabletop_root: Path) -> None:
    objects = 0
    for sample in TabletopDataset(tabletop_root, "train"):
        assert sample.image.shape == (64, 64, 3)
        assert sample.instances is not None
        assert sample.instance_classes is not None
        assert sample.occlusion is not None
        assert sample.depth is not None
        np.testing.assert_array_equal(sample.mask, np.append(0, sample.instance_classes)[sample.instances])
        np.testing.assert_array_equal(sample.labels, labels_of_mask(sample.required_mask, len(CLASSES)))
        assert sample.instances.max() == len(sample.instance_classes) == len(sample.occlusion)
        assert sample.depth.min() == 0
        assert sample.depth.max() == 1
        assert sample.depth.dtype == np.float32
        # Things stand in front of the room: nearer than the picture's farthest part.
        assert all(sample.depth[sample.instances == k].mean() > 0.1 for k in range(1, sample.instances.max() + 1))
        objects += len(sample.occlusion)
    assert objects >= 4


def test_quotas(tabletop_root: Path) -> None:
    facts = json.loads((tabletop_root / "train" / "index.json").read_text())["scenes"]
    assert [scene["kind"] for scene in facts] == ["occluded", "small", "mixed", "occluded"]
    for scene, sample in zip(facts, TabletopDataset(tabletop_root, "train"), strict=True):
        assert sample.instances is not None
        areas = np.bincount(sample.instances.ravel())[1:]
        if len(areas) and scene["kind"] == "occluded":
            assert max(scene["occlusion"]) >= 0.4
        if len(areas) and scene["kind"] == "small":
            assert areas.min() < 0.011 * 64 * 64  # what counts are rays, four a pixel


def test_acceptance_rules() -> None:
    def accepted(area: int, hidden: float, kind: str, empty: bool = False) -> bool:
        found = np.array([(area / 64**2, hidden)] if area else np.zeros((0, 2)))
        return _acceptable(found[:, 0], found[:, 1], kind, empty=empty)

    assert accepted(200, 0.0, "mixed")
    assert not accepted(3, 0.0, "mixed")  # too small to name
    assert not accepted(200, 0.95, "mixed")  # too hidden to name
    assert not accepted(200, 0.0, "small")
    assert accepted(20, 0.0, "small")
    assert not accepted(200, 0.3, "occluded")
    assert accepted(200, 0.5, "occluded")
    assert accepted(0, 0.0, "small", empty=True)
    assert not accepted(0, 0.0, "small")


def test_a_scene_does_not_depend_on_the_others(tabletop_root: Path, tmp_path: Path) -> None:
    _render_chunk(tmp_path, SPEC, "train", [3, 1])
    alone, together = files(tmp_path), files(tabletop_root)
    assert len(alone) == 2 * 6
    assert all(together[name] == content for name, content in alone.items())


def test_the_number_of_processes_does_not_matter(tmp_path: Path) -> None:
    spec = TabletopSpec(side=32, splits=(("tune", 9),))  # two chunks, one for each process
    made = files(render_tabletop(tmp_path / "two", spec, processes=2, progress=False))
    assert len(made) == 9 * 6 + 3
    _render_chunk(tmp_path / "here", spec, "tune", [8, 5])
    here = files(tmp_path / "here")
    assert len(here) == 2 * 6
    assert all(made[name] == content for name, content in here.items())


def test_rendering_goes_on_where_it_stopped(copy: Path, tabletop_root: Path) -> None:
    (copy / "train" / "index.json").unlink()
    for path in copy.glob("train/*/0002.*"):
        path.unlink()
    untouched = copy / "train" / "rgb" / "0001.png"
    before = untouched.stat().st_mtime_ns
    with pytest.raises(WsssError, match=r"not rendered completely.*wsss render --root"):
        TabletopDataset(copy, "train")
    render_tabletop(copy, SPEC, processes=1, progress=False)
    assert files(copy) == files(tabletop_root)
    assert untouched.stat().st_mtime_ns == before


def test_a_complete_folder_is_left_alone(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("rendered again")

    monkeypatch.setattr("wsss.data.tabletop_rendering.ProcessPoolExecutor", never)
    assert render_tabletop(copy, SPEC, progress=False) == copy


@pytest.mark.parametrize("other", [TabletopSpec(), TabletopSpec(seed=1, side=64, splits=SPEC.splits)])
def test_a_folder_of_another_specification_is_refused(copy: Path, other: TabletopSpec) -> None:
    with pytest.raises(WsssError, match="holds another tabletop"):
        render_tabletop(copy, other, progress=False)


def test_unknown_and_unrendered_splits(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="no split 'val'"):
        TabletopDataset(tmp_path, "val")
    with pytest.raises(WsssError, match="not rendered completely"):
        TabletopDataset(tmp_path, "train")


def test_fingerprints(tabletop_root: Path, copy: Path) -> None:
    def mark(root: Path, split: str = "train", limit: int | None = None) -> str:
        return TabletopDataset(root, split, limit).fingerprint()

    assert mark(tabletop_root) == mark(copy)
    assert len({mark(copy), mark(copy, "tune"), mark(copy, limit=2)}) == 3
    index = json.loads((copy / "train" / "index.json").read_text())
    index["identity"]["version"] = GENERATOR_VERSION + 1
    (copy / "train" / "index.json").write_text(json.dumps(index))
    assert mark(tabletop_root) != mark(copy)


@pytest.mark.parametrize("split", SPLITS)
def test_the_frozen_scenes_still_look_the_same(split: str, tmp_path: Path) -> None:
    """Light, texture, noise and both depths: everything that a fingerprint does not look at."""
    frozen = json.loads(LOOKS.read_text())[split]
    for name, means in look(split, tmp_path).items():
        np.testing.assert_allclose(means, frozen[name], rtol=0.005, atol=0.2, err_msg=name)


def test_limits_are_spread_over_the_split(tabletop_root: Path) -> None:
    assert TabletopDataset(tabletop_root, "train", 2).ids == ("train-0000", "train-0003")


def test_default_root_is_the_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WSSS_CACHE", str(tmp_path))
    assert default_root().parent == tmp_path
    assert default_root() == default_root(TabletopSpec())
    assert default_root() != default_root(TabletopSpec(seed=1))


def test_without_a_renderer_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embreex", None)
    with pytest.raises(
        WsssError, match=r"rendering needs embreex, .*pip install 'wsss-depth-cam\[render\]', or .*--root"
    ):
        _render_chunk(tmp_path, SPEC, "train", [0])


# ---- the renderer's version ---------------------------------------------------------------------------------------


def other_renderer(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    """Let this machine seem to have another version of the renderer, or none."""
    monkeypatch.setattr("wsss.data.tabletop_rendering._renderer", lambda: version)


@pytest.mark.parametrize("version", [FROZEN_RENDERER, None])
def test_the_frozen_renderer_is_not_named(version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The identity of the default data is what it was before versions were looked at."""
    other_renderer(monkeypatch, version)
    spec = TabletopSpec()
    _check_identity(tmp_path, spec)
    plain = {"version": 3, "seed": 0, "side": 512, "splits": {"train": 400, "tune": 80, "test": 400}}
    assert json.loads((tmp_path / "identity.json").read_text()) == spec.identity() == plain
    assert default_root(spec).name == f"tabletop-{content_hash(plain)[:12]}"


def test_another_renderer_gives_another_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = TabletopSpec(side=32, splits=(("tune", 1),))
    marks = []
    for name, version in (("frozen", FROZEN_RENDERER), ("other", "9.0.1")):
        other_renderer(monkeypatch, version)
        root = tmp_path / name
        _check_identity(root, spec)
        _render_chunk(root, spec, "tune", [0])
        render_tabletop(root, spec, progress=False)  # the index alone is missing
        other_renderer(monkeypatch, None)  # whoever reads it needs no renderer
        data = TabletopDataset(root, "tune")
        assert data[0].image.shape == (32, 32, 3)
        assert render_tabletop(root, spec, progress=False) == root
        marks.append(data.fingerprint())
        identity = json.loads((root / "tune" / "index.json").read_text())["identity"]
        assert identity == json.loads((root / "identity.json").read_text())
        assert identity.get("embreex", FROZEN_RENDERER) == version
    assert marks[0] != marks[1]


def test_two_renderers_do_not_share_a_folder(copy: Path, tabletop_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other_renderer(monkeypatch, "9.0.1")
    assert render_tabletop(copy, SPEC, progress=False) == copy  # it is complete, so nothing is rendered
    (copy / "train" / "index.json").unlink()
    render_tabletop(copy, SPEC, progress=False)  # all its scenes are there: it stays what it was
    assert files(copy) == files(tabletop_root)
    (copy / "train" / "index.json").unlink()
    (copy / "train" / "scenes" / "0002.json").unlink()
    with pytest.raises(WsssError, match=rf"begun with embreex {FROZEN_RENDERER}, and this is 9\.0\.1.*--root"):
        render_tabletop(copy, SPEC, progress=False)


def test_an_empty_folder_takes_the_renderer_that_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other_renderer(monkeypatch, None)
    _check_identity(tmp_path, SPEC)
    other_renderer(monkeypatch, "9.0.1")
    _check_renderer(tmp_path, SPEC)
    assert json.loads((tmp_path / "identity.json").read_text()) == SPEC.identity() | {"embreex": "9.0.1"}
    _check_identity(tmp_path, SPEC)


def test_depth_as_a_camera_measures_it_is_a_source(tabletop_root: Path) -> None:
    run = Run(
        profile(
            "smoke",
            root=str(tabletop_root),
            tabletop_side=SPEC.side,
            tabletop_scenes=tuple(count for _, count in SPEC.splits),
            methods=("depth", "depth@files:kinect"),
        ),
        progress=False,
    )
    assert run.full_name("depth@files:kinect") == "depth@kinect"
    exact, measured = run.depth_of("report"), run.depth_of("report", "files:kinect")
    for index in range(len(run.data("report"))):
        assert measured(index).shape == (64, 64)
        assert np.corrcoef(exact(index).ravel(), measured(index).ravel())[0, 1] > 0.9
        assert not np.array_equal(exact(index), measured(index))
