"""Two processes at one run make what one makes; in a single process nothing of it is felt."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from wsss import cli
from wsss.analysis.score import load_score
from wsss.config import Config
from wsss.depth.monocular import load_depth_network
from wsss.errors import WsssError
from wsss.machine import processes
from wsss.networks.synchrony import accelerated
from wsss.pipeline import Run
from wsss.segmentation.network import load_network

SCRIPT = """
import sys
from pathlib import Path
import timm, torch
from wsss.networks import backbones
from wsss.config import ClassifierConfig, Config, SegmentationConfig
from wsss.pipeline import Run
from wsss.machine.processes import agreed, gathered, is_main, num_processes, share
from wsss.experiments.results import write_stage

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
    segmentation=SegmentationConfig(
        encoder="tu-test_efficientnet", iterations=2, batch_size=4, crop_size=64, frozen_stages=0
    ),
)
run = Run(config, Path(cache), progress=False)
for stage in ("cam", "pseudo", "segmentation"):
    records = write_stage([run], stage, Path(cache) / "records")
    assert bool(records) == is_main()
"""


EQUAL = """
import sys
from pathlib import Path
import numpy as np, torch
from wsss.cam.classifier import Classifier, info_for
from wsss.cam.training import train_classifier
from wsss.depth.training import train_depth_network
from wsss.machine.processes import is_main
from wsss.segmentation.network import build_network
from wsss.segmentation.training import train_segmentation

torch.set_num_threads(1)
rng, samples = np.random.default_rng(0), []
for index in range(12):
    image, mask = rng.integers(90, 130, (48, 64, 3), dtype=np.uint8), np.zeros((48, 64), np.uint8)
    for label, colour in ((1, (220, 30, 30)), (2, (30, 30, 220))):
        top, left = rng.integers(0, 28), rng.integers(0, 14) + 30 * (label - 1)
        image[top : top + 20, left : left + 20], mask[top : top + 20, left : left + 20] = colour, label
    mask[: 4 * index] = 255  # from image to image fewer labelled pixels, none in the last
    samples.append((image, mask))
torch.manual_seed(0)
network = build_network(2, "DeepLabV3Plus", "tu-test_efficientnet")
losses = train_segmentation(
    network, samples, iterations=20, batch_size=6, crop_size=64, learning_rate=2e-4, seed=0, mean=(0.5,) * 3,
    std=(0.5,) * 3, device=torch.device("cpu"), progress=False, frozen_stages=0,
)
model, info = Classifier("test_efficientnet", 2), info_for("test_efficientnet", ("red", "blue"), 16, 64)
more = train_classifier(
    model, info, [image for image, _ in samples[:10]], rng.random((10, 2)) < 0.5, epochs=10, batch_size=5, crop_side=48,
    learning_rate=1e-3, progress=False,
)
weights = {name.removeprefix("features."): value for name, value in model.state_dict().items()}
noise = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(10)]
pairs = [(image, rng.random((48, 64), dtype=np.float32)) for image in noise]
settings = dict(batch_size=5, side=64, learning_rate=3e-7, frozen_stages=0, weights=weights, progress=False)
depth, again = train_depth_network("test_efficientnet", pairs, epochs=10, **settings)
state = Path(sys.argv[1]).with_suffix(".state")  # of one step
train_depth_network("test_efficientnet", pairs[:5], epochs=1, checkpoint=state, checkpoint_every=1, **settings)
if is_main():
    states = {"network": network.state_dict(), "model": model.state_dict(), "depth": depth.module.state_dict()}
    torch.save({**states, "losses": [point["loss"] for point in (*losses, *more, *again)]}, Path(sys.argv[1]))
"""


def launched(folder: Path, text: str, count: int, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a script in `count` processes."""
    script = folder / "script.py"
    script.write_text(text)
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"] if count > 1 else []
    return run_in(folder, [*torchrun, str(script), *map(str, arguments)])


def run_in(folder: Path, arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run Python with these arguments, one thread a process, with `runs/` in a folder."""
    command = [sys.executable, *arguments]
    places = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": places, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment |= {"WSSS_RUNS": str(folder / "runs"), "WSSS_CACHE": str(folder / "cache")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def launch(folder: Path, root: Path, cache: Path, count: int) -> None:
    """Make all stages in `count` processes."""
    done = launched(folder, SCRIPT, count, root, cache, count)
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
    assert accelerated(model)[0] is model
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
        far = torch.cat(
            [(tensor.float() - weights[1][key].float()).abs().flatten() for key, tensor in weights[0].items()]
        )
        assert (
            far.max() < 2 * 2e-3
        )  # Adam turns rounding, where a gradient is nearly 0, into two steps of 1e-3 either way at most
        assert (far < 1e-5).float().mean() > 0.99
    assert not list(two.rglob("*.state"))


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    """Labelled pixels, batch statistics and dropout are the whole batch's; 5 images fall into parts of 3 and 2."""
    found = []
    for count in (1, 2):
        done = launched(tmp_path, EQUAL, count, tmp_path / f"{count}.pt")
        assert done.returncode == 0, done.stderr[-3000:]
        found.append(torch.load(tmp_path / f"{count}.pt", weights_only=True))
    one, two = found
    assert two["losses"] == pytest.approx(one["losses"], abs=1e-5)
    assert len(one["losses"]) == 20 + 10 + 10  # the last two by epochs of two steps
    for part, share in (("network", 0.999), ("model", 1), ("depth", 0.999)):
        far = torch.cat([(one[part][name].float() - two[part][name].float()).abs().flatten() for name in one[part]])
        assert far.max() < 1e-4
        assert (far < 1e-5).float().mean() >= share  # Adam turns rounding where a gradient is nearly 0 into a step
    # Medians and signs of differences in the depth network's loss make rounding grow, in one process too, so that its
    # rate is small above. Its gradients, which Adam remembers, must be the same whatever the rate.
    alone, both = (first_gradients(tmp_path / f"{count}.state") for count in (1, 2))
    assert (both - alone).norm() < 1e-3 * alone.norm()


def first_gradients(path: Path) -> torch.Tensor:
    """A tenth of all gradients of a training's first step, from its state."""
    state = torch.load(path, weights_only=True)["optimiser"]["state"]
    return torch.cat([one["exp_avg"].flatten() for _, one in sorted(state.items())])


SMALL = "--set", "classifier.base_side=64", "--set", "depth_training.learning_rate=1e-5"
"""Small pictures; and a rate at which rounding, which the loss's medians let grow, stays small."""


@pytest.mark.parametrize("launcher", ["torchrun", "accelerate"])
def test_launchers_train_the_depth_network(tmp_path: Path, tabletop_root: Path, launcher: str) -> None:
    """`torchrun -m wsss` and `accelerate launch -m wsss`: a batch of two, an image for each process."""
    weights = tmp_path / "weights.pth"
    torch.save(timm.create_model("test_efficientnet", pretrained=False).state_dict(), weights)
    words = f"train-depth --profile smoke --root {tabletop_root} --backbone test_efficientnet --weights {weights}"
    command = ["-m", "wsss", *words.split(), "--epochs", "2", "--batch-size", "2", "--device", "cpu", "--json"]
    starts = {
        "torchrun": ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"],
        "accelerate": ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2"],
    }
    losses = {}
    for name, start in (("alone", []), (launcher, starts[launcher])):
        out = tmp_path / f"{name}.safetensors"
        done = run_in(tmp_path, [*start, *command, "--out", str(out), *SMALL])
        assert done.returncode == 0, done.stderr[-3000:]
        losses[name] = json.loads(done.stdout)["losses"][out.name]
        assert load_depth_network(out).backbone == "test_efficientnet"
        assert not out.with_suffix(".state").exists()
    assert losses[launcher] == pytest.approx(losses["alone"], abs=0.01)
    assert len(losses["alone"]) == 2


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No launcher's variables."""
    starts = ("SLURM_", "OMPI_", "PMI_", "MV2_", "MPI_", "JSM_", "PALS_", "FLUX_", "HOROVOD_")
    for name in list(os.environ):
        if name.startswith(starts) or name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "ENVIRONMENT"):
            monkeypatch.delenv(name)
    return monkeypatch


TORCHRUN = {"WORLD_SIZE": "4", "RANK": "1", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, r"srun has started 2 processes \(SLURM_NTASKS\)"),
        ({"SLURM_STEP_NUM_TASKS": "3", "SLURM_STEP_ID": "0", "SLURM_PROCID": "2"}, "srun has started 3"),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, r"Open MPI.* 2 processes"),
        ({"PMI_SIZE": "8"}, r"MPICH.* 8 processes"),
        ({"FLUX_JOB_SIZE": "2"}, "flux"),
        ({"WORLD_SIZE": "1", "SLURM_STEP_NUM_TASKS": "2"}, "srun has started 2"),
        ({"WORLD_SIZE": "4"}, "WORLD_SIZE is 4, but RANK is not set"),
    ],
)
def test_other_launchers_are_refused_by_name(
    environment: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    with pytest.raises(WsssError, match=f"{message}.*torchrun"):
        processes.launched()


@pytest.mark.parametrize(
    ("variables", "count"),
    [
        ({}, 1),
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}, 1),
        ({"SLURM_NTASKS": "4", "SLURM_JOB_ID": "7"}, 1),  # a shell in an allocation
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}, 1),  # the shell is a step of its own
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "ENVIRONMENT": "BATCH"}, 1),  # the script of a batch
        ({"PMI_SIZE": "1"}, 1),
        (TORCHRUN, 4),
        ({**TORCHRUN, "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"}, 4),  # srun starts torchrun on two machines
    ],
)
def test_one_process_and_torchrun_are_let_through(
    environment: pytest.MonkeyPatch, variables: dict[str, str], count: int
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    assert processes.launched() == count


@pytest.mark.parametrize("command", ["export", "render", "ablate", "run"])
def test_commands_of_one_process_say_so(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    for name, value in {**TORCHRUN, "RANK": "0", "LOCAL_RANK": "0"}.items():
        environment.setenv(name, value)
    environment.setattr(sys, "argv", ["wsss", command, *(["--out", "out"] if command == "export" else [])])
    with pytest.raises(SystemExit):
        cli.main()
    assert f"error: {command} is done by one process" in capsys.readouterr().err


def test_another_launcher_is_one_line(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment.setenv("OMPI_COMM_WORLD_SIZE", "2")
    environment.setattr(sys, "argv", ["wsss", "crops"])
    with pytest.raises(SystemExit):
        cli.main()
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "mpirun (Open MPI) has started 2 processes" in lines[0]


FAILING = """
import sys
import torch
from wsss import cli
from wsss.errors import WsssError
from wsss.machine.processes import gathered, share
from wsss.networks.synchrony import accelerated

@cli.app.command()
def fail(kind: str) -> None:
    rank, model = share(100)[0], accelerated(torch.nn.Linear(2, 1))[0]
    if rank == int(kind[-1]):
        raise WsssError("this file is broken")
    gathered([rank]) if kind.startswith("gather") else model(torch.ones(1, 2)).sum().backward()

cli.SHARED += ("fail",)
sys.argv.insert(1, "fail")
cli.main()
"""


@pytest.mark.parametrize("kind", ["gather-0", "gather-1", "backward-1"])
def test_only_the_process_that_fails_says_why(tmp_path: Path, kind: str) -> None:
    """The other hears of it out of torch, and says one line, no traceback."""
    done = launched(tmp_path, FAILING, 2, kind)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if not line.startswith(("E", "W"))]  # torchrun's own
    assert "error: this file is broken" in lines
    own = lines[: lines.index(next(line for line in lines if line.startswith("Traceback")))]  # torchrun ends with one
    assert "rank" not in "".join(own)
    assert {line for line in own if line} <= {
        "error: this file is broken",
        "error: another process of this run has stopped; its own message says why",
    }


def test_a_batch_too_small_is_told_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("wsss.pipeline.preflight.num_processes", lambda: 9)
    with pytest.raises(WsssError, match="9 processes share each batch of the segmentation network, which has 8 images"):
        Run(Config(), tmp_path / "cache")
    monkeypatch.setattr("wsss.pipeline.preflight.num_processes", lambda: 8)
    Run(Config(), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_cores_are_those_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 9, 11}, raising=False)
    for platform, usable in (("linux", 4), ("darwin", 64)):
        monkeypatch.setattr(processes.sys, "platform", platform)
        assert processes.usable_cores() == processes.own_cores() == usable
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "16")
    assert (processes.usable_cores(), processes.own_cores()) == (64, 4)
