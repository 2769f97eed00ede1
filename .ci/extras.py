"""Does the package work with one extra alone, and how large is its environment?

    python .ci/extras.py check render          # in an environment with that extra: uses what it is for
    python .ci/extras.py environments          # makes a fresh one for the core and for each extra, checks, measures
    python .ci/extras.py environments core hub --torch https://download.pytorch.org/whl/cpu   # torch from there

`tests/test_extras.py` checks the same without installing anything.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OF_NOTEBOOKS = ("wsss.widgets", "wsss.experiments.notebooks", "wsss.report.panels")
"""What imports libraries of the extra `notebooks` as soon as it is imported itself."""
DEV = (
    "pytest",
    "pytest_cov",
    "hypothesis",
    "torchmetrics",
    "packaging",
    "yaml",
    "mlcroissant",
    "tifffile",
    "playwright",
)

BENCH = ("pytorch_grad_cam", "torchcam", "torchmetrics")
SITE = ("sphinx", "myst_nb", "furo", "latex2mathml.converter")


def core() -> str:
    """Import every module but those of notebooks; make a map of a photograph; label a folder of photographs."""
    import skimage.data

    import wsss
    from wsss import DepthCAM
    from wsss.machine.lazy import remedy
    from wsss.networks.backbones import imagenet_classifier

    missing = []
    for found in pkgutil.walk_packages(wsss.__path__, "wsss.", onerror=lambda _: None):
        if found.name.startswith(("wsss.widgets", "wsss.__main__")):
            continue
        try:
            importlib.import_module(found.name)
        except Exception as error:
            cause = error if isinstance(error, ImportError) else error.__cause__
            if not (isinstance(cause, ImportError) and remedy(cause)):
                raise
            missing.append(found.name)
    behind = {  # import panels
        "wsss.report.diagram", "wsss.report.film_strips", "wsss.report.object_walk", "wsss.report.qualitative",
        "wsss.report.quickstart",
    }  # fmt: skip
    assert set(missing) <= {*OF_NOTEBOOKS, *behind}, missing
    image, _, disparity = skimage.data.stereo_motorcycle()
    cam = DepthCAM(imagenet_classifier())
    result = cam(image[::4, ::4], classes=["moped"], depth=disparity[::4, ::4], kind="inverse")
    result.plot()
    return f"DepthCAM gives scores {result.scores.shape}; {_label()}"


def _label() -> str:
    """`wsss label` on four small pictures, without depth and with maps of it."""
    import numpy as np
    from PIL import Image

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tags = []
        for number in range(4):
            rng = np.random.default_rng(number)
            picture = rng.integers(0, 90, (64, 80, 3), np.uint8)
            picture[16:48, 20:60, number % 2] += 150
            rows = np.arange(64)[:, None].repeat(80, 1)
            for place, array in {"photos": picture, "depth": (2000 - 9 * rows).astype(np.uint16)}.items():
                (folder / place).mkdir(exist_ok=True)
                Image.fromarray(array).save(folder / place / f"{number}.png")
            tags.append(f"{number}.png,{('red', 'green')[number % 2]}\n")
        (folder / "tags.csv").write_text("".join(tags))
        small = json.dumps({"classifier.base_side": 64, "classifier.epochs": 1})
        settings = {"WSSS_PROFILE": "smoke", "WSSS_RUNS": str(folder / "runs"), "WSSS_SETTINGS": small}
        written = []
        for depth in (["none"], ["files:depth", "--depth-kind", "metric"]):
            out = folder / f"labels-{depth[0][:4]}"
            given = ["--images", "photos", "--tags", "tags.csv", "--out", out.name, "--depth", *depth]
            _command(["label", *given], folder, settings)
            written.append(len(list(out.glob("*.png"))))
    assert written == [4, 4], written
    return "wsss label writes label maps, without depth and with it"


def _command(command: list[str], folder: Path, settings: dict[str, str]) -> None:
    """Run a command of wsss in this process: what a test hides is hidden from it too."""
    from typer.testing import CliRunner

    from wsss.cli import app

    here, before = Path.cwd(), dict(os.environ)
    os.chdir(folder)
    os.environ.update(settings)
    try:
        done = CliRunner().invoke(app, command, catch_exceptions=False)
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(before)
    assert done.exit_code == 0, done.output


def notebooks() -> str:
    """Import widgets and what executes notebooks; draw in the style of the charts."""
    import matplotlib.pyplot as plt

    for name in OF_NOTEBOOKS:
        importlib.import_module(name)
    from wsss.report.style import use_style

    with use_style():
        plt.subplots()
    for name in ("jupyterlab", "nbclient"):
        importlib.import_module(name)
    return "widgets, papermill and charts are there"


def render() -> str:
    """Render a scene."""
    import numpy as np

    from wsss.data.renderer import render_scene
    from wsss.data.scenes import draw_scene

    rng = np.random.default_rng(0)
    found = render_scene(draw_scene(rng, "mixed"), rng, 48)
    return f"a scene with {len(found.instance_classes)} things is rendered"


def hub() -> str:
    """Predict depth with a tiny model of transformers that is saved in a folder."""
    import numpy as np
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, DPTImageProcessor

    from wsss.data.base import Sample
    from wsss.depth.estimators import hub_depth

    encoder = Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=56, patch_size=14,
        out_features=["stage1", "stage2"], reshape_hidden_states=False,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=encoder, reassemble_hidden_size=16, reassemble_factors=[2, 1], neck_hidden_sizes=[8, 8],
        fusion_hidden_size=8, head_in_index=-1, head_hidden_size=8, patch_size=14,
    )  # fmt: skip

    class OneImage:
        ids = ("one",)

        def __getitem__(self, _: int) -> Sample:
            image = np.zeros((40, 64, 3), np.uint8)
            return Sample("one", image, np.array([True]), np.zeros(image.shape[:2], np.uint8))

    with tempfile.TemporaryDirectory() as folder:
        DepthAnythingForDepthEstimation(config).save_pretrained(folder)
        DPTImageProcessor(size={"height": 56, "width": 56}, ensure_multiple_of=14).save_pretrained(folder)
        depth = hub_depth(folder, OneImage(), None)(0)  # type: ignore[arg-type]
    return f"a model of transformers gives depth {depth.shape}"


def seg() -> str:
    """Build a segmentation network and a depth network, and ask them."""
    import torch

    from wsss.depth.monocular import DepthNetwork
    from wsss.segmentation.network import build_network

    image = torch.zeros(1, 3, 64, 64)
    maps = build_network(2).eval()(image)
    half = (0.5, 0.5, 0.5)
    depth = DepthNetwork.build("tf_efficientnet_lite0", half, half, 64).module.eval()(image)
    return f"networks answer with {tuple(maps.shape)} and {tuple(depth.shape)}"


def export() -> str:
    """Outlines as COCO has them; a tiny network as ONNX."""
    import numpy as np
    import torch

    from wsss.data.coco import annotations_of
    from wsss.segmentation.onnx_file import _libraries

    label = np.zeros((8, 8), np.uint8)
    label[2:5, 2:6] = 1
    (outline,) = annotations_of(label, 1, 1, [1])
    onnx, runtime = _libraries()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "one.onnx")
        network, image = torch.nn.Conv2d(3, 1, 1), torch.zeros(1, 3, 4, 4)
        torch.onnx.export(network, (image,), path, dynamo=False, input_names=["image"])
        onnx.checker.check_model(onnx.load(path))
        (found,) = runtime.InferenceSession(path).run(None, {"image": image.numpy()})
    return f"an outline of {outline['area']:.0f} pixels; ONNX answers with {found.shape}"


def crf() -> str:
    """Refine a label by the dense CRF."""
    import numpy as np

    from wsss.pseudo.crf import dense_crf

    scores = np.full((2, 6, 8), 0.5, np.float32)
    refined = dense_crf(np.zeros((6, 8, 3), np.uint8), scores, 0.5)
    return f"probabilities of {refined.shape}"


def imports(names: tuple[str, ...]) -> str:
    """Import libraries that are used as they are."""
    for name in names:
        importlib.import_module(name)
    return f"{len(names)} libraries are there"


CHECKS: dict[str, Callable[[], str]] = {
    "core": core, "notebooks": notebooks, "render": render, "hub": hub, "seg": seg, "export": export, "crf": crf,
    "bench": partial(imports, BENCH), "site": partial(imports, SITE), "dev": partial(imports, DEV),
}  # fmt: skip


def environment(name: str, torch: str | None, check: bool) -> str:
    """Make a fresh environment for one extra, check it, and say how large it is.

    Args:
        torch: index that torch is taken from; None for PyPI.
    """
    extra = "" if name == "core" else f"[{name}]"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder) / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        install = [python, "-m", "pip", "install", "--quiet"]
        if torch:  # beforehand: of two indexes pip would take the newest version
            subprocess.run([*install, "torch", "torchvision", "--index-url", torch], check=True)
        subprocess.run([*install, f"{ROOT}{extra}"], check=True)
        packages = next(path for path in Path(folder).rglob("site-packages") if path.is_dir())
        size = sum(path.lstat().st_size for path in packages.rglob("*") if path.is_file() and not path.is_symlink())
        said = "not checked"
        if check:  # from elsewhere, so that the checkout beside it is not what is imported
            command = [str(python), str(Path(__file__).resolve()), "check", name]
            said = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
    return f"{name:10} {size / 1e6:7.0f} MB  {said}"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["check", "environments"])
    parser.add_argument("names", nargs="*", help="core or an extra; all of them by default")
    parser.add_argument("--sizes-only", action="store_true", help="check nothing in the environments")
    parser.add_argument("--torch", metavar="URL", help="index that torch is taken from, such as that of its CPU builds")
    given = parser.parse_args()
    if unknown := set(given.names) - set(CHECKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(CHECKS)}")
    for name in given.names or CHECKS:
        if given.what == "check":
            print(f"{name}: {CHECKS[name]()}", flush=True)
        else:
            print(environment(name, given.torch, not given.sizes_only), flush=True)


if __name__ == "__main__":
    main()
