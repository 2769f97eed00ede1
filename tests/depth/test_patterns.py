"""Depth files by a pattern: which are read, what enters keys and names, and what is refused in one line."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.depth.test_sources import SIZE, Memory, ramp
from wsss.cli.options import _absolute
from wsss.depth.declared import DepthSources, declarations
from wsss.depth.files import files_depth
from wsss.depth.patterns import looked_for, matching, split_pattern
from wsss.depth.sources import open_depth
from wsss.depth.specs import place_of, portable_spec, resolve_place, source_identity, source_name
from wsss.errors import WsssError
from wsss.pseudo.refinement import require_one_reading
from wsss.records.inputs import inputs_read


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values.astype(np.float32))


@pytest.mark.parametrize(
    ("pattern", "file"),
    [
        ("{id}_depth.npy", "000_depth.npy"),
        ("{id}_depth", "000_depth.npy"),
        ("{id}/depth.npy", "000/depth.npy"),
        ("depth/{id}/{id}.npy", "depth/000/000.npy"),
        ("depth_{number}.npy", "depth_000.npy"),
    ],
)
def test_maps_are_found_by_a_pattern(tmp_path: Path, pattern: str, file: str) -> None:
    save(tmp_path / file, ramp())
    save(tmp_path / "000.npy", ramp()[:, ::-1])  # neither this
    save(tmp_path / "000_confidence.npy", np.full((10, 15), 2))  # nor this is meant
    depth = open_depth(f"files:{tmp_path}/{pattern}", Memory(1), "metric")(0)
    assert depth.shape == SIZE
    assert (depth[:, 0] > 0.95).all()  # 1 m, on the left
    assert (depth[:, -1] < 0.05).all()


def test_a_number_is_the_last_one_of_the_id() -> None:
    assert looked_for("depth_{number}.png", "scan3/frame_00012") == ["depth_00012.png"]
    assert looked_for("depth_{number}.png", "2012_frame7b") == ["depth_7.png"]


def test_matching_takes_the_maps_alone(tmp_path: Path) -> None:
    for name in ("a_depth.npy", "b_depth.tiff", "a_conf.npy", "a.jpg", "_depth.npy", ".a_depth.npy", "c_depth.txt"):
        (tmp_path / name).touch()
    (tmp_path / "d_depth.npy").mkdir()
    assert matching(tmp_path, "{id}_depth") == ["a_depth.npy", "b_depth.tiff"]
    assert matching(tmp_path, "{id}_depth.npy") == ["a_depth.npy"]


@pytest.mark.parametrize("suffix", ["NPY", "PNG", "TIFF", "TIF"])
def test_suffixes_may_be_in_capitals(tmp_path: Path, suffix: str) -> None:
    values = (1000 * ramp()).astype(np.uint16)
    with (tmp_path / f"000.{suffix}").open("wb") as file:
        np.save(file, values) if suffix == "NPY" else Image.fromarray(values).save(
            file, {"TIF": "TIFF"}.get(suffix, suffix)
        )
    assert matching(tmp_path, "{id}") == [f"000.{suffix}"]
    for pattern in ("", "/{id}", f"/{{id}}.{suffix}"):
        assert (open_depth(f"files:{tmp_path}{pattern}", Memory(1), "metric")(0)[:, 0] > 0.95).all()
    save(tmp_path / "000.npy", ramp()[:, ::-1])  # goes before one in capitals, which may be a preview
    assert (open_depth(f"files:{tmp_path}", Memory(1), "metric")(0)[:, -1] > 0.95).all()


def test_ids_may_be_paths(tmp_path: Path) -> None:
    data = Memory(1)
    data.ids = ("holiday/000",)
    plain, pattern = f"files:{tmp_path}", f"files:{tmp_path}/{{id}}_depth.npy"
    before = source_identity(plain), source_identity(pattern)
    save(tmp_path / "holiday" / "000.npy", ramp())
    save(tmp_path / "holiday" / "000_depth.npy", ramp())
    assert (open_depth(plain, data, "metric")(0)[:, 0] > 0.95).all()
    assert (open_depth(pattern, data, "metric")(0)[:, 0] > 0.95).all()
    assert source_identity(plain) != before[0]
    assert source_identity(pattern) != before[1]
    (tmp_path / "holiday" / "000.tiff").touch()
    with pytest.raises(WsssError, match=r"2 files of image holiday/000: holiday/000\.npy, holiday/000\.tiff"):
        open_depth(plain, data, "metric")


def test_characters_of_shells_and_expressions_are_plain_in_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for name in ("x/[1]a+.npy", "x/1a+.npy"):
        (tmp_path / name).touch()
    assert matching(tmp_path, "x/[1]{id}+.npy") == ["x/[1]a+.npy"]


def test_one_line_says_what_was_looked_for(tmp_path: Path) -> None:
    save(tmp_path / "000_depth.npy", ramp())
    with pytest.raises(WsssError, match=r"no depth for image 001 in .* \(looked for 001_depth\.npy\): add it"):
        open_depth(f"files:{tmp_path}/{{id}}_depth.npy", Memory(), "metric")(1)
    with pytest.raises(WsssError, match=r"looked for 001_d\.png, 001_d\.npy, 001_d\.npz, 001_d\.tiff, 001_d\.tif\)"):
        open_depth(f"files:{tmp_path}/{{id}}_d", Memory(), "metric")(1)
    with pytest.raises(WsssError, match=r"no depth folder .*nowhere"):
        open_depth(f"files:{tmp_path}/nowhere/{{id}}.npy", Memory(), "metric")


def test_one_line_says_where_several_files_match(tmp_path: Path) -> None:
    save(tmp_path / "000_depth.npy", ramp())
    (tmp_path / "000_depth.tiff").touch()
    with pytest.raises(WsssError, match=r"2 files of image 000: 000_depth\.npy, 000_depth\.tiff\. Keep the maps alone"):
        open_depth(f"files:{tmp_path}/{{id}}_depth", Memory(), "metric")
    open_depth(f"files:{tmp_path}/{{id}}_depth.npy", Memory(), "metric")(0)


def test_one_file_is_not_the_depth_of_two_images(tmp_path: Path) -> None:
    data = Memory(2)
    data.ids = ("left_7", "right_7")
    save(tmp_path / "depth_7.npy", ramp())
    with pytest.raises(WsssError, match=r"depth_7\.npy would be that of two images, left_7 and right_7"):
        files_depth(data, tmp_path, "metric", "depth_{number}.npy")
    data.ids = ("left", "right")
    with pytest.raises(WsssError, match="the id of image left has no number"):
        files_depth(data, tmp_path, "metric", "depth_{number}.npy")


def test_the_key_is_of_the_files_that_match_alone(tmp_path: Path) -> None:
    spec = f"shuffled+files:{tmp_path}/{{id}}_depth.npy"
    save(tmp_path / "000_depth.npy", ramp())
    before = source_identity(spec)
    save(tmp_path / "000_confidence.npy", ramp())
    assert source_identity(spec) == before
    copy = tmp_path / "copy"
    save(copy / "000_depth.npy", ramp())
    assert source_identity(f"shuffled+files:{copy}/{{id}}_depth.npy") == before
    assert source_identity(f"shuffled+files:{tmp_path}/{{id}}_confidence.npy") != before
    save(tmp_path / "000_depth.npy", ramp() + 1)
    assert source_identity(spec) != before


def test_the_key_is_of_maps_in_linked_folders_too(tmp_path: Path) -> None:
    """They are read, so another map there is another depth."""
    folder = tmp_path / "maps"
    folder.mkdir()
    save(tmp_path / "other" / "b.npy", ramp())
    (folder / "a").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "back").symlink_to(folder)  # no endless way
    assert matching(folder, "{id}") == ["a/b.npy"]
    before = source_identity(f"files:{folder}")
    save(tmp_path / "other" / "b.npy", ramp() + 1)
    assert source_identity(f"files:{folder}") != before


def test_names_in_records_tell_patterns_of_one_folder_apart() -> None:
    near, far = "files:/data/phone/{id}_depth.npy", "files:/data/phone/{id}_smooth.npy"
    assert source_name(near) == "phone"
    names = DepthSources().names([near, far])
    assert len({names[near], names[far]}) == 2
    assert DepthSources().names([far, near]) == names
    declared = DepthSources(declared=declarations([f"lidar={near}"]), kinds={"lidar": "metric"})
    assert declared.names(["lidar"])["lidar"] == "lidar"
    assert declared.kind("shuffled+lidar") == "metric"
    assert declared.spec("shuffled+lidar") == f"shuffled+{near}"


def test_a_record_of_another_pattern_of_a_folder_is_of_other_depth(tmp_path: Path) -> None:
    for kind in ("depth", "smooth"):
        save(tmp_path / f"000_{kind}.npy", ramp() + len(kind))
    read = [inputs_read(None, "c", f"files:{tmp_path}/{{id}}_{kind}.npy")["depth"] for kind in ("depth", "smooth")]
    assert read[0]["place"] != read[1]["place"]
    assert read[0]["contents"] != read[1]["contents"]


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "data"
    save(root / "maps" / "000_depth.npy", ramp())
    assert place_of("noisy:0.1+files:maps/{id}_depth.npy") == Path("maps")
    assert portable_spec("shuffled+files:/x/maps/{id}/d.npy") == "shuffled+files:maps/{id}/d.npy"
    assert resolve_place("files:maps/{id}_depth.npy", str(root)) == f"files:{root}/maps/{{id}}_depth.npy"
    assert resolve_place("files:{id}_depth.npy", str(root / "maps")) == f"files:{root}/maps/{{id}}_depth.npy"
    assert _absolute("near=files:data/maps/{id}_depth.npy") == f"near=files:{root}/maps/{{id}}_depth.npy"
    assert _absolute("files:elsewhere/{id}_depth.npy") == "files:elsewhere/{id}_depth.npy"
    assert _absolute("files:{id}_depth.npy") == "files:{id}_depth.npy"
    monkeypatch.chdir(root / "maps")
    assert resolve_place("files:{id}_depth.npy", str(root)) == "files:{id}_depth.npy"
    assert _absolute("files:{id}_depth.npy") == f"files:{root}/maps/{{id}}_depth.npy"
    assert split_pattern("/{id}.npy") == ("/", "{id}.npy")


def test_a_refinement_after_a_pattern_is_one(tmp_path: Path) -> None:
    save(tmp_path / "000_depth.npy", ramp())
    require_one_reading(f"depth@files:{tmp_path}/{{id}}_depth+par")
    save(tmp_path / "000_depth+par.npy", ramp())
    with pytest.raises(WsssError, match="may mean a refinement, or the folder"):
        require_one_reading(f"depth@files:{tmp_path}/{{id}}_depth+par")


@pytest.mark.parametrize("shell", ["bash", "dash", "sh", "zsh", "fish", "ksh"])
def test_shells_leave_a_pattern_as_it_is(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    said = subprocess.run(
        [shell, "-c", "echo files:maps/{id}_depth.npy near=files:{id}/depth_{number}.tiff"],
        capture_output=True, text=True, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert said.stdout == "files:maps/{id}_depth.npy near=files:{id}/depth_{number}.tiff\n"
