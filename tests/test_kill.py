"""Killed anywhere, the stages go on, and leave what an undisturbed run leaves: byte for byte, but for times and key order.

`WSSS_KILLS=100` kills at so many random moments; the suite does at a few.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wsss.data.tabletop import TabletopDataset
from wsss.records.store import load_records
from wsss.segmentation.folder import image_files

DRIVER = Path(__file__).with_name("kill_driver.py")
TIMES = {"seconds", "seconds_per_image", "wall_s", "cpu_s", "utc"}
MOMENTS = int(os.environ.get("WSSS_KILLS", "5"))

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


def environment() -> dict[str, str]:
    places = os.pathsep.join(path for path in sys.path if path)
    return os.environ | {"PYTHONPATH": places, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def drive(mode: str, cache: Path, data: Path, *more: str) -> tuple[int, str]:
    """Kills, and what was said on the way."""
    command = [sys.executable, str(DRIVER), mode, str(cache), str(data), *more]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = re.search(r"killed (\d+)", done.stdout)
    assert found
    return int(found[1]), done.stderr


def untimed(content: Any) -> Any:
    """JSON without the time that things took, and at which they were made."""
    if isinstance(content, dict):
        return {key: untimed(value) for key, value in content.items() if key not in TIMES}
    return [untimed(value) for value in content] if isinstance(content, list) else content


def essence(path: Path) -> Any:
    """Everything in a file but the time it took to make."""
    if path.suffix == ".json":
        return untimed(json.loads(path.read_text()))
    if path.suffix == ".npz":
        with np.load(path) as file:
            arrays = {name: file[name].tobytes() for name in file.files if name != "text"}
            if "text" not in file:
                return arrays
            found = file["text"]  # of a part of the records as bytes
            return arrays | {"text": untimed(json.loads(found.tobytes() if found.dtype == np.uint8 else str(found)))}
    if path.suffix == ".npy":  # a pickle, in which tensors have other names each time
        return {name: np.asarray(value).tobytes() for name, value in np.load(path, allow_pickle=True).item().items()}
    content = path.read_bytes()
    if path.suffix == ".safetensors":  # the library writes the entries of the metadata in any order
        end = 8 + int.from_bytes(content[:8], "little")
        return json.loads(content[8:end]), content[end:]
    return content


def left_in(cache: Path) -> dict[str, Any]:
    """What is in the files of a cache. Temporary ones of killed processes are nobody's: nothing reads them.

    Nor is the state of a training that is done: a process that was killed before it could take that away leaves it.
    """
    files = [path for path in cache.rglob("*") if path.is_file() and path.parent.name != "locks"]
    files = [path for path in files if ".part" not in path.name and path.suffix != ".state"]
    return {str(path.relative_to(cache)): essence(path) for path in files}


@pytest.fixture(scope="module")
def whole(tabletop_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of an undisturbed run."""
    cache = tmp_path_factory.mktemp("undisturbed")
    assert drive("whole", cache, tabletop_root) == (0, "")
    return cache


@pytest.fixture(scope="module")
def undisturbed(whole: Path) -> dict[str, Any]:
    return left_in(whole)


def test_an_undisturbed_run_leaves_every_kind_of_file(undisturbed: dict[str, Any]) -> None:
    kinds = {(Path(name).parts[0], Path(name).suffix) for name in undisturbed}
    assert kinds >= {
        ("classifier", ".json"), ("classifier", ".safetensors"), ("choice", ".json"), ("seeds", ".npz"), ("pseudo", ".png"),
        ("network", ".safetensors"), ("networks", ".npz"),
    }  # fmt: skip


def test_two_runs_give_the_same_bytes(tabletop_root: Path, tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    drive("whole", tmp_path, tabletop_root)
    assert left_in(tmp_path) == undisturbed


def test_killed_at_every_write(tabletop_root: Path, tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    killed, said = drive("points", tmp_path, tabletop_root)
    assert killed >= 2 * len(undisturbed)  # before and after each file came to be
    assert "stopped while it was making" in said
    assert left_in(tmp_path) == undisturbed
    swept = [tmp_path / stage for stage in ("classifier", "choice", "seeds")]  # what lies under a lock
    assert not [part for folder in swept for part in folder.glob(".*")]


def test_commands_killed_at_every_write(
    whole: Path, tabletop_root: Path, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """`train-depth` with folds, `evaluate`, `predict` and `export`, which write outside the cache."""
    drive("commands", whole, tabletop_root, str(tmp_path / "calm"))
    expected = left_in(tmp_path / "calm")
    folders = [Path(name).parts[0] for name in expected]
    counts = {name: folders.count(name) for name in ("records", "labels", "voc")}
    # Label maps, overlays and what the maps are of; images, labels, the list, the classes and what the labels are.
    assert counts == {"records": len(("cam", "depth")), "labels": 2 * 2 + 1, "voc": 2 * 4 + 3}
    assert {f"depth{fold}.safetensors" for fold in ("", ".fold0", ".fold1")} < set(folders)
    out = tmp_path / "killed"
    killed, _ = drive("command-points", whole, tabletop_root, str(out))
    assert killed == 2 * len(expected)  # before and after each file came to be
    assert left_in(out) == expected
    assert left_in(whole) == undisturbed
    # What killed processes leave behind is taken for a record or a picture by none of us.
    assert list(out.rglob(".*.part*"))
    assert len(load_records(out / "records")) == counts["records"]
    assert len(image_files(out / "voc" / "JPEGImages")) == len(image_files(out / "labels" / "overlays")) * 2 == 4


def test_what_is_handed_over_killed_at_every_write(whole: Path, tabletop_root: Path, tmp_path: Path) -> None:
    """COCO, class maps, a folder of labels, a page of them, weights with their card, in 16 bit too, parts of the records, an
    archive, a network as ONNX, the result of one photograph.
    """
    drive("doors", whole, tabletop_root, str(tmp_path / "calm"))
    expected = left_in(tmp_path / "calm")
    folders = [Path(name).parts[0] for name in expected]
    assert {name: folders.count(name) for name in folders} == {
        "coco": 4 + 3, "cams": 4 + 3, "labels": 4 + 2, "page": 2, "network": 3, "small": 2, "results": 2 + 2,
        "labels.zip": 1, "network.onnx": 1, "result": 4,
    }  # fmt: skip
    killed, _ = drive("door-points", whole, tabletop_root, str(tmp_path / "killed"))
    assert killed == 2 * len(expected)
    assert left_in(tmp_path / "killed") == expected


def test_killed_at_random_moments(tabletop_root: Path, tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    killed, _ = drive("moments", tmp_path, tabletop_root, str(MOMENTS))
    assert killed == MOMENTS
    assert left_in(tmp_path) == undisturbed


def test_trainings_killed_at_random_steps(tabletop_root: Path, tmp_path: Path) -> None:
    """All three: in a step, or right after a state was written, several times in one training too."""
    killed, _ = drive("trainings", tmp_path, tabletop_root, str(MOMENTS))
    assert killed == 3 * MOMENTS


def test_two_runs_in_one_cache_at_once(tabletop_root: Path, tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    _, said = drive("together", tmp_path, tabletop_root)
    assert re.search(r"waiting for process \d+ on .*, which is making ", said)
    assert left_in(tmp_path) == undisturbed


RENDER = """
import sys
from pathlib import Path
from wsss.data.tabletop import TabletopSpec
from wsss.data.tabletop_rendering import render_tabletop
if __name__ == "__main__":
    spec = TabletopSpec(side=64, splits=(("train", int(sys.argv[2])), ("tune", 2), ("test", 2)))
    render_tabletop(Path(sys.argv[1]), spec, processes=int(sys.argv[3]), progress=False)
"""


def test_renderers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    """One is killed alone while the first of two hundred scenes are rendered: the others end by themselves."""
    script, root = tmp_path / "render.py", tmp_path / "data"
    script.write_text(RENDER)
    command = [sys.executable, str(script), str(root), "200", "2"]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE)
    while not list(root.glob("*/scenes/[!.]*.json")):
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.communicate(timeout=60)  # until nobody holds the pipe any more: the workers have inherited it
    assert len(list(root.glob("*/scenes/[!.]*.json"))) < 200
    assert not (root / "train" / "index.json").exists()


@pytest.mark.slow
def test_rendering_killed_in_the_middle(tabletop_root: Path, tmp_path: Path) -> None:
    """Three times, as soon as another scene is done; the renderers too, as a lost machine would."""
    script, root = tmp_path / "render.py", tmp_path / "data"
    script.write_text(RENDER)

    def render() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, str(script), str(root), "4", "1"], env=environment(), start_new_session=True
        )

    for kills in range(1, 4):
        process = render()
        while len(list(root.glob("*/scenes/*.json"))) < kills:
            assert process.poll() is None
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not (root / "test" / "index.json").exists()
    assert render().wait() == 0
    for split in ("train", "tune", "test"):
        ours, theirs = TabletopDataset(root, split), TabletopDataset(tabletop_root, split)
        assert ours.fingerprint() == theirs.fingerprint()
        for path in sorted((tabletop_root / split).rglob("*.png")):
            assert (root / path.relative_to(tabletop_root)).read_bytes() == path.read_bytes()
