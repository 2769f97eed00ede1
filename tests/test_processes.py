"""Two processes at one run make what one makes; in a single process nothing of it is felt."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wsss import processes
from wsss.analysis.score import load_score
from wsss.segmentation.network import load_network

SCRIPT = """
import sys
from pathlib import Path
import timm, torch
from wsss.cam import backbones
from wsss.config import ClassifierConfig, Config, SegmentationConfig
from wsss.pipeline import Run
from wsss.processes import agreed, gathered, is_main, num_processes, share
from wsss.results import write_stage

root, cache, wanted = sys.argv[1:]
assert num_processes() == int(wanted)
ranks = gathered([share(100)[0]])
assert ranks == list(range(int(wanted))) and agreed(ranks[share(100)[0]]) == 0
torch.manual_seed(0)
state = timm.create_model("test_efficientnet", pretrained=False).state_dict()
backbones._WEIGHTS["test_efficientnet"] = lambda: state
config = Config(
    profile="smoke", root=root, tabletop_side=64, tabletop_scenes=(4, 2, 2), methods=("cam", "depth"),
    pseudo_methods=("cam", "depth+par-depth"), label_methods=("depth+par-depth",),
    classifier=ClassifierConfig(backbone="test_efficientnet", base_side=64, crop_side=64, epochs=1, batch_size=4),
    segmentation=SegmentationConfig(encoder="tu-test_efficientnet", iterations=2, batch_size=4, crop_size=64, frozen_stages=0),
)
run = Run(config, Path(cache), progress=False)
for stage in ("cam", "pseudo", "segmentation"):
    records = write_stage([run], stage, Path(cache) / "records")
    assert bool(records) == is_main()
"""


def launch(folder: Path, root: Path, cache: Path, count: int) -> None:
    """Run the script in `count` processes."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    alone = [sys.executable, str(script)]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}", str(script)]
    command = [*(torchrun if count > 1 else alone), str(root), str(cache), str(count)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_single_process_shares_with_nobody() -> None:
    assert processes.num_processes() == 1
    assert processes.is_main()
    assert list(processes.share(3)) == [0, 1, 2]
    assert processes.gathered([1, 2]) == [1, 2]
    assert processes.agreed("value") == "value"
    assert processes.device_here() is None
    assert processes.made_by_main(lambda: 7) == 7
    model = torch.nn.Linear(1, 1)
    assert processes.averaging(model) is model
    processes.wait()


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory, tabletop_root: Path) -> tuple[Path, Path]:
    """What one process made, and what two made of the same classifier."""
    folder = tmp_path_factory.mktemp("processes")
    one, two = folder / "one", folder / "two"
    launch(folder, tabletop_root, one, 1)
    shutil.copytree(one / "classifier", two / "classifier")
    launch(folder, tabletop_root, two, 2)
    return one, two


def files(folder: Path, pattern: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.glob(pattern))


def test_two_processes_make_the_same_maps_and_labels(caches: tuple[Path, Path]) -> None:
    one, two = caches
    for stage in ("choice/*", "label-choice/*", "pseudo/*/*"):
        assert files(one, stage) == files(two, stage) != []
        for name in files(one, stage):
            assert (one / name).read_bytes() == (two / name).read_bytes(), name
    for stage in ("seeds/*", "labels/*"):
        assert files(one, stage) == files(two, stage) != []
        for name in files(one, stage):
            alone, both = load_score(one / name), load_score(two / name)
            assert alone.ids == both.ids
            for part in ("confusions", "curve", "predicted"):
                np.testing.assert_array_equal(getattr(alone, part), getattr(both, part))
            assert alone.instances.equals(both.instances)
            means = ("megapixels", "trust")  # sums of other order
            assert {**alone.facts, **dict.fromkeys(("seconds", *means))} == {
                **both.facts,
                **dict.fromkeys(("seconds", *means)),
            }
            for fact in means:
                assert alone.facts[fact] == pytest.approx(both.facts[fact])


def test_two_processes_train_one_network(caches: tuple[Path, Path]) -> None:
    one, two = caches
    assert files(one, "records/**/*.json") == files(two, "records/**/*.json") != []
    networks = files(one, "network/*.safetensors")
    assert networks == files(two, "network/*.safetensors") != []
    for name in networks:
        weights = [load_network(folder / name)[0].state_dict() for folder in (one, two)]
        for key, tensor in weights[0].items():
            # Batch norm sees half a batch in each process, so that the two agree nearly, not exactly.
            assert torch.isfinite(weights[1][key].float()).all()
            if "running" not in key and tensor.is_floating_point():
                assert (tensor - weights[1][key]).abs().max() < 0.05, key
    assert not list(two.rglob("*.state"))
