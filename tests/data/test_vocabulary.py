"""Names of the mask ids, and the classes that a folder is about when the user names none."""

from pathlib import Path

import numpy as np
import pytest

from wsss.data.vocabulary import VOC_CLASSES, choose_classes, read_class_names
from wsss.errors import WsssError

NO_NAMES = (
    "background", "Background", "_background_", "__background__", "back ground", "[background]", "bg", "BG",
    "Background class", "void", "<void>", "ignore", "__ignore__", "ignore label", "ignored", "unlabeled",
    "unlabelled", "0 background", "0: cat", "0=bg", "1) cat", "1\tcat", "background:0,0,0::", "person:128,0,0::",
    "# label:color_rgb:parts:actions", "# mine", "cat 64,0,0", "cat, 64, 0, 0", "cat;64;0;0", "---", "background 0",
    "background (0)", "0_background", "0-background", "background,0", "background 0 0 0", "ignore 255", "cat 64 0 0",
    "cat,1", "0", "17",
)  # fmt: skip
NAMES = (
    "void deck",
    "background check",
    "3d printer",
    "2-wheeler",
    "7up",
    "night_stand",
    "C++",
    "Großes Haus",
    "other cars",
    "box 2",
    "wall, brick",
    "label printer",
    "T.rex",
)


@pytest.mark.parametrize("line", NO_NAMES)
@pytest.mark.parametrize("place", ["first", "last"])
def test_lines_that_are_no_class_names_are_refused(tmp_path: Path, line: str, place: str) -> None:
    names = [line, "box", "ball"] if place == "first" else ["box", "ball", line]
    (tmp_path / "classes.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    with pytest.raises(WsssError, match=r"classes\.txt must name the mask ids.*background left out.*is no class name"):
        read_class_names(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "none",
        "_nothing_",
        "__",
        "other",
        "unknown",
        "No object",
        "not labelled",
        "don't care",
        "name",
        "class_name",
        "id name",
        "Classes",
    ],
)
def test_a_first_line_that_stands_for_id_0_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "classes.txt").write_text(f"{line}\nbox\n")
    with pytest.raises(WsssError, match="is no class name"):
        read_class_names(tmp_path)


def test_unusual_names_are_legal(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("\n".join(NAMES), encoding="utf-8")
    assert read_class_names(tmp_path) == NAMES


def shown(names: tuple[str, ...], **counts: int) -> np.ndarray:
    """Labels of 100 images, of which so many show each class."""
    return np.stack([np.arange(100) < counts.get(name, 0) for name in names], axis=1)


def test_all_classes_of_a_folder_that_occur_are_used() -> None:
    names = ("box", "ball", "rare", "never")
    choice = choose_classes(shown(names, box=60, ball=50, rare=1), names, "train of data")
    assert (choice.used, choice.absent, choice.rare) == (("box", "ball", "rare"), ("never",), ())
    assert choice.sentence("train") == "classes: box, ball, rare; background are those in no image of train: never"
    assert choose_classes(shown(names[:3], box=60, ball=50, rare=1), names[:3], "").sentence("train") == ""


def test_a_selection_of_vocs_images_is_about_the_classes_of_a_twentieth() -> None:
    choice = choose_classes(shown(VOC_CLASSES, cat=60, dog=5, car=4), VOC_CLASSES, "train of data")
    assert choice.used == ("cat", "dog")
    assert choice.rare == ("car",)
    assert len(choice.absent) == 17
    assert "those in less than 5% of its images: car (--classes can name them)" in choice.sentence("train")
    everything = dict.fromkeys(VOC_CLASSES, 1)
    assert choose_classes(shown(VOC_CLASSES, **everything), VOC_CLASSES, "").used == VOC_CLASSES


def test_an_empty_choice_is_told() -> None:
    with pytest.raises(
        WsssError, match=r"no mask or annotation of train of data shows any class of box, ball: .*class ids 1…N"
    ):
        choose_classes(shown(("box", "ball")), ("box", "ball"), "train of data")
    with pytest.raises(
        WsssError, match=r"each class of train of data is in less than 5% of its images: car.*--classes"
    ):
        choose_classes(shown(VOC_CLASSES, car=4), VOC_CLASSES, "train of data")
