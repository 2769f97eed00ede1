"""The picture of README and first chapter: what it shows, and that the committed one is what is drawn now."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation
from typer.testing import CliRunner

from wsss import cli
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.image_result import ImageResult
from wsss.methods.quickstart import looked_at, open_photograph
from wsss.networks.backbones import imagenet_classifier
from wsss.paths import checkout_folder
from wsss.report.quickstart import quickstart_figure


@pytest.fixture(scope="module")
def results() -> dict[str, ImageResult]:
    return looked_at(DepthCAM(imagenet_classifier(), activation="softmax"), open_photograph())


def test_it_shows_the_control_beside_depth(results: dict[str, ImageResult]) -> None:
    by_depth, by_colour = results["depth"], results["rgb-region"]
    figure = quickstart_figure(by_colour, by_depth)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["photograph", "depth", "plain CAM", "CAM with depth", "control: colour", "label, by depth"]
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), by_depth.image)
    for place, scores in ((2, by_depth.plain), (3, by_depth.scores), (4, by_colour.scores)):
        np.testing.assert_allclose(np.asarray(figure.axes[place].images[-1].get_array()), scores[0], atol=1e-6)
    painted = (np.asarray(figure.axes[5].images[0].get_array()) != by_depth.image).any(axis=2)
    label = by_depth.label() > 0
    assert painted[label].mean() > 0.999
    assert not painted[~binary_dilation(label, iterations=6)].any()  # masks have a border


def test_without_depth_it_is_colour_alone(results: dict[str, ImageResult]) -> None:
    titles = [ax.get_title() for ax in quickstart_figure(results["rgb-region"]).axes]
    assert titles == ["photograph", "plain CAM", "control: colour", "label, by colour"]


def test_several_classes_have_a_legend() -> None:
    shot = open_photograph(depth="none", classes="moped, crash helmet")
    by_colour = looked_at(DepthCAM(imagenet_classifier()), shot)["rgb-region"]
    (legend,) = quickstart_figure(by_colour).legends
    assert {text.get_text() for text in legend.get_texts()} <= {"moped", "crash helmet"}


def test_the_committed_picture_is_what_the_command_draws(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli.app, ["figures", "--only", "quickstart", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["quickstart.png", "quickstart.svg"]
    pictures = []
    for folder in (tmp_path, checkout_folder("figures")):
        with Image.open(folder / "quickstart.png") as image:
            assert "Middlebury" in image.info["Source"]
            pictures.append(np.asarray(image.convert("RGB"), np.float32))
    drawn, committed = pictures
    assert drawn.shape == committed.shape
    assert np.abs(drawn - committed).mean() < 2, "run `wsss figures --only quickstart`"  # processors round differently
    assert (checkout_folder("figures") / "quickstart.svg").exists()
