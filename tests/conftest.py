"""Fixtures for every room: the shared photographs, a tiny folder in VOC layout, a tiny rendered one, a tiny classifier."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.file_server import Server
from wsss.data.tabletop import TabletopSpec
from wsss.data.tabletop_rendering import render_tabletop

VOC_IDS = {"cat": 8, "dog": 12}
COLOURS = {"cat": (220, 60, 40), "dog": (40, 90, 220)}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photographs (`$WSSS_SHARED_DATA` or `../shared/data`); skips the test where it is missing."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("WSSS_SHARED_DATA", default))
    if not (folder / "nyuv2").is_dir():
        pytest.skip(f"no shared data at {folder}; set WSSS_SHARED_DATA")
    return folder


def write_palette_png(path: Path, mask: np.ndarray) -> None:
    """Write an `H×W uint8` map as a palette PNG, as VOC does."""
    image = Image.fromarray(mask)
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def _paint(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image 40×48×3, VOC mask and depth in mm of one scene: a square cat, a round dog, or both, on a grey floor."""
    rng = np.random.default_rng(index)
    rows, columns = np.mgrid[:40, :48]
    image = np.full((40, 48, 3), 120) + rng.integers(-15, 16, (40, 48, 3))
    mask = np.zeros((40, 48), dtype=np.uint8)
    depth = np.broadcast_to(4000 - 50 * rows, (40, 48)).astype(np.uint16).copy()
    shapes = {
        "cat": (abs(rows - 14 - index % 4) < 8) & (abs(columns - 13) < 8),
        "dog": (rows - 24) ** 2 + (columns - 34 + index % 3) ** 2 < 81,
    }
    for kind, name in enumerate(shapes):
        if index % 3 in (kind, 2):
            image[shapes[name]] += np.array(COLOURS[name]) - 120
            mask[shapes[name]] = VOC_IDS[name]
            depth[shapes[name]] = 1500 + 200 * kind
    return np.clip(image, 0, 255).astype(np.uint8), mask, depth


@pytest.fixture(autouse=True)
def hashes_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test remembers hashes of files in the checkout's `runs/`."""
    store = tmp_path_factory.getbasetemp() / "contents.sqlite"
    monkeypatch.setattr("wsss.machine.contents._store", lambda: store)


@pytest.fixture
def tiny_voc(tmp_path: Path) -> Path:
    """A VOC-layout folder of 12 images, 40×48 (H×W), with cats (id 8), dogs (12) or both.

    train 6 ids (1 of them tune), train_aug 8, val 4. Masks of train and val are in `SegmentationClass` with a void row
    at the top, the two others in `SegmentationClassAug`. `DepthMETER` has 16-bit millimetres, 20×24, larger = farther.
    """
    root = tmp_path / "tiny-voc"
    ids = [f"2012_{number:06d}" for number in range(12)]
    splits = {"train": ids[:6], "train_aug": ids[:8], "val": ids[8:]}
    for folder in ("JPEGImages", "DepthMETER", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for index, name in enumerate(ids):
        image, mask, depth = _paint(index)
        Image.fromarray(image).save(root / "JPEGImages" / f"{name}.jpg", quality=95)
        Image.fromarray(depth[::2, ::2]).save(root / "DepthMETER" / f"{name}.png")
        augmented = index in (6, 7)
        if not augmented:
            mask[0] = 255
        write_palette_png(root / ("SegmentationClassAug" if augmented else "SegmentationClass") / f"{name}.png", mask)
    for split, names in splits.items():
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names) + "\n")
    return root


TINY_TABLETOP = TabletopSpec(side=64, splits=(("train", 4), ("tune", 2), ("test", 2)))


@pytest.fixture(scope="session")
def tabletop_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered `tabletop` folder of 64×64 pictures, 4 train, 2 tune, 2 test. Read-only: copy it before a change."""
    return render_tabletop(tmp_path_factory.mktemp("tabletop"), TINY_TABLETOP, processes=1, progress=False)


@pytest.fixture(scope="module")
def tiny_weights() -> Iterator[None]:
    """Random "pretrained" weights of timm's smallest backbone, `test_efficientnet`, so that no hub is needed."""
    import timm
    import torch

    from wsss.networks import backbones

    torch.manual_seed(0)
    state = timm.create_model("test_efficientnet", pretrained=False).state_dict()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backbones._WEIGHTS, "test_efficientnet", lambda: state)
        yield


@pytest.fixture(scope="session")
def tiny_classifier() -> Callable[..., tuple[Any, Any]]:
    """`(classes, base_side=64, seed=0) → (model, info)`: one random convolution of stride 16 and a head, no backbone."""
    import torch

    from wsss.cam.classifier import ClassifierInfo

    def build(classes: tuple[str, ...], base_side: int = 64, seed: int = 0) -> tuple[Any, Any]:
        generator = torch.Generator().manual_seed(seed)
        stem = torch.nn.Conv2d(3, 8, 16, stride=16, bias=False)
        head = torch.nn.Conv2d(8, len(classes), 1)
        for parameter in (*stem.parameters(), *head.parameters()):
            parameter.requires_grad_(False).normal_(0, 1 / parameter[0].numel() ** 0.5, generator=generator)
        head.weight.mul_(5)
        half = (0.5, 0.5, 0.5)
        model = torch.nn.Sequential(stem, torch.nn.ReLU(), head).eval()
        return model, ClassifierInfo("tiny", classes, 16, half, half, base_side, {})

    return build


@pytest.fixture
def tiny_checkpoint(tmp_path: Path) -> Path:
    """A checkpoint for `wsss evaluate`: random weights, classes cat and dog, parameters for `cam`."""
    from dataclasses import asdict

    import torch

    from wsss.cam.classifier import Classifier, info_for, save_classifier
    from wsss.methods.parameters import CropParameters, RegionParameters

    torch.manual_seed(0)
    info = info_for("test_efficientnet", ("cat", "dog"), 16, 64)
    info.chosen["cam"] = {"parameters": {}, "threshold": 0.3, "miou": 0.0, "trials": 1}
    info.looks.update(regions=asdict(RegionParameters()), crops=asdict(CropParameters()))
    path = tmp_path / "tiny.safetensors"
    save_classifier(path, Classifier("test_efficientnet", 2).eval(), info)
    return path


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Installs a package of one module, as pip leaves it: `(name, code, group, offers)`."""
    from wsss.machine.plugins import _offers

    monkeypatch.syspath_prepend(str(tmp_path))
    modules = set(sys.modules)

    def installed(name: str, code: str, group: str, **offers: str) -> None:
        (tmp_path / f"{name}.py").write_text(code)
        about = tmp_path / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = "".join(f"{each} = {value}\n" for each, value in offers.items())
        (about / "entry_points.txt").write_text(f"[{group}]\n{lines}")
        _offers.cache_clear()

    yield installed
    _offers.cache_clear()
    for module in set(sys.modules) - modules:
        del sys.modules[module]


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], None]:
    """`(steps, training)`: a training that ends in the step after so many of this process, before its state is kept."""

    class Interrupted(Exception):
        pass

    def run(steps: int, training: Callable[[], object]) -> None:
        seen: list[int] = []

        def learning(*_: object) -> None:
            if len(seen) == steps:
                raise Interrupted
            seen.append(1)

        with monkeypatch.context() as patch:
            patch.setattr("wsss.networks.training_loop.require_learning", learning)
            with pytest.raises(Interrupted):
                training()

    return run


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("WSSS_HEADLESS", "1")
    for variable in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with Server() as own:
        thread = Thread(target=own.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield own
        own.shutdown()
        thread.join()
