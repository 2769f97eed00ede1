"""The page of the figures: every picture stands on it once, under its question, with a text for who cannot see it."""

import re
from pathlib import Path

import pytest

from wsss.errors import WsssError
from wsss.paths import checkout_folder
from wsss.report.gallery import gallery_text, write_gallery

CELL = re.compile(r"!\[([^\]]+)\]\(([^)]+)\)<br>([^|]+?) \|")


def test_the_committed_page_is_that_of_the_figures() -> None:
    folder = checkout_folder("figures")
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text == gallery_text(folder), "run `wsss report`"
    shown = [file for _, file, _ in CELL.findall(text)]
    assert sorted(shown) == sorted(path.name for path in folder.glob("*.png"))
    texts = [alt for alt, _, _ in CELL.findall(text)]
    assert len(set(texts)) == len(texts)
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (folder / link).exists()
    assert "## More" not in text


def test_methods_are_called_as_in_tables(tmp_path: Path) -> None:
    for name in (
        "voc-animals-cam-val-strata-crop-only-meter-vs-rgb-region",
        "nyuv2-pseudo-train-strata-depth-sensor-par-depth-vs-cam",
    ):
        (tmp_path / f"{name}.png").touch()
    (seeds, labels) = CELL.findall(gallery_text(tmp_path))
    assert seeds[0].startswith("Heat map: IoU of crop-only@meter less that of rgb-region on voc-animals,")
    assert labels[2] == "nyuv2: depth@sensor+par-depth minus cam"


def test_tabletop_comes_first_and_what_is_not_known_last(tmp_path: Path) -> None:
    for name in ("a-cam-test-miou", "tabletop-cam-test-classes", "tabletop-cam-test-miou", "my-notes", "quickstart"):
        (tmp_path / f"{name}.png").touch()
    (tmp_path / "a-cam-test-miou.svg").touch()
    text = gallery_text(tmp_path)
    assert [file for _, file, _ in CELL.findall(text)] == [
        "quickstart.png",
        "tabletop-cam-test-miou.png",
        "tabletop-cam-test-classes.png",
        "a-cam-test-miou.png",
        "my-notes.png",
    ]
    assert "![my notes](my-notes.png)<br>my notes |" in text[text.index("## More") :]
    assert "a: mIoU of each method ([SVG](a-cam-test-miou.svg)) |" in text


def test_a_page_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    page = write_gallery(tmp_path)
    assert write_gallery(tmp_path) == page
    page.write_text("# My folder\n")
    with pytest.raises(WsssError, match="no page of figures"):
        write_gallery(tmp_path)
    assert page.read_text() == "# My folder\n"
