"""What of the data is not used is said, and written into the record; limits are for the reference data sets only."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wsss.config import Config
from wsss.data.vocabulary import VOC_CLASSES
from wsss.errors import WsssError
from wsss.experiments.evaluate import evaluate_folder
from wsss.pipeline import Run
from wsss.pipeline.profiles import profile


def test_a_profiles_limits_are_for_the_reference_data_only(tiny_voc: Path, tmp_path: Path) -> None:
    (tmp_path / "voc-animals").mkdir()
    for name, limit in (("reference", 1000), ("default", 300), ("smoke", 16)):
        assert profile(name, "voc").train_limit == limit
        assert profile(name, "voc", root=str(tmp_path / "voc-animals")).train_limit == limit
        own = profile(name, "voc", root=str(tiny_voc))
        assert (own.train_limit, own.tune_limit, own.report_limit) == (None, None, None)
        assert profile(name, "voc", root=str(tiny_voc), train_limit=3).train_limit == 3


def test_a_limit_is_told_and_recorded(tiny_voc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(profile("default", "voc", root=str(tiny_voc), train_limit=3, depth="constant"), progress=False)
    whole = Run(profile("default", "voc", root=str(tiny_voc), depth="constant"), progress=False)
    assert len(run.data("train")) == 3
    for _ in range(2):
        run.say_left_out()
    assert capsys.readouterr().err.count("tiny-voc, train_aug: 3 of 7 images, evenly spaced\n") == 1
    assert run.left_out()["images"] == {"train": [3, 7]}
    assert "images" not in whole.left_out()
    assert run.data("train").fingerprint() != whole.data("train").fingerprint()


def test_a_class_that_never_occurs_makes_no_other_background(
    tiny_voc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rare = tiny_voc / "SegmentationClassAug" / "2012_000007.png"  # of train_aug alone
    mask = np.array(Image.open(rare))
    mask[:3] = 3
    Image.fromarray(mask).save(rare)
    names = ["a", "b", "rare", "d", "e", "f", "g", "cat", "i", "j", "k", "dog"]
    (tiny_voc / "classes.txt").write_text("\n".join(names))
    run = Run(profile("default", "voc", root=str(tiny_voc), depth="constant"), progress=False)
    assert run.classes == ("rare", "cat", "dog")
    run.say_left_out()
    assert (
        "tiny-voc, classes: rare, cat, dog; background are those in no image of train_aug: a, b, d"
        in capsys.readouterr().err
    )
    assert run.left_out() == {"classes": {"absent": ["a", "b", "d", "e", "f", "g", "i", "j", "k"]}}
    named = Run(profile("default", "voc", root=str(tiny_voc), depth="constant", classes=["cat"]), progress=False)
    assert (named.classes, named.left_out()) == (("cat",), {})


def test_classes_that_no_training_image_shows_are_refused(tiny_voc: Path, tmp_path: Path) -> None:
    """Else all is background, and scored as 100 mIoU."""
    root = Path(shutil.copytree(tiny_voc, tmp_path / "mine"))
    (root / "classes.txt").write_text("\n".join([*VOC_CLASSES, "unicorn"]))
    config = profile("smoke", "voc", root=str(root), classes=["unicorn"], depth="constant")
    run = Run(config, tmp_path / "cache", progress=False)
    with pytest.raises(
        WsssError, match=r"no image of mine, train_aug shows unicorn: there is nothing to learn.*--classes"
    ):
        _ = run.classifier


def test_the_reference_photographs_keep_their_classes_and_images(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(profile("reference", "voc", root=str(shared_data / "voc-animals")), progress=False)
    assert run.classes == ("cat", "cow", "dog", "horse", "person", "sheep")
    assert run.left_out()["images"] == {"train": [1000, 1900]}
    run.say_left_out()
    said = capsys.readouterr().err
    assert "1,000 of 1,900 images" in said
    assert "those in less than 5% of its images: bird, boat, bottle, car" in said


def test_what_tags_leave_out_and_what_they_may_not_mean_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (8, 8)).save(tmp_path / "photos" / f"{name}.png")
    (tmp_path / "tags.csv").write_text("file,Cat,cat,dog\na,1,0,0\nb,0,1,0\n")
    config = profile("smoke", "photographs", root=str(tmp_path / "photos"), tags=str(tmp_path / "tags.csv"))
    run = Run(config, tmp_path / "cache", progress=False)
    for _ in range(2):
        run.say_left_out()
    said = capsys.readouterr().err
    assert said.count("photos, left out: 1 class (dog) that no photograph shows\n") == 1
    assert said.count("photos: classes that differ in capitals alone are not the same: Cat, cat\n") == 1
    assert run.left_out() == {"photographs": ["1 class (dog) that no photograph shows"]}


def test_the_rendered_default_leaves_nothing_out() -> None:
    config = Config()
    assert (config.train_limit, config.tune_limit, config.report_limit, config.classes) == (None, None, None, None)


def test_evaluation_says_what_it_does_not_score(
    tiny_voc: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(tiny_voc, tmp_path / "mine"))
    (root / "classes.txt").write_text(
        "\n".join("cat" if n == 8 else "dog" if n == 12 else f"c{n}" for n in range(1, 13))
    )
    facts: dict[str, Any] = {"data": "voc", "root": str(root), "split": "val", "methods": ["cam"], "progress": False}
    (record,) = evaluate_folder(tiny_checkpoint, tmp_path / "out", limit=2, **facts)
    said = capsys.readouterr().err
    assert "mine, val: 2 of 4 images, evenly spaced" in said
    assert "background are the classes that tiny.safetensors does not know: c1, c2" in said
    assert record["provenance"]["left_out"]["images"] == {"val": [2, 4]}
    assert record["provenance"]["left_out"]["classes"]["unknown"][:2] == ["c1", "c2"]
    (record,) = evaluate_folder(tiny_checkpoint, tmp_path / "out", classes=["cat", "dog"], **facts)
    assert "left_out" not in record["provenance"]
