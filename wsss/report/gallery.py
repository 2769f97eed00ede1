"""The page of a folder of figures: pictures by the question that they answer, with a text for who cannot see them."""

import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from wsss.errors import WsssError
from wsss.io import atomic_path
from wsss.report.gallery_kinds import QUESTIONS

__all__ = ["gallery_text", "write_gallery"]

COLUMNS = 3
_TITLE = "# Figures\n"
_INTRODUCTION = """
Charts are drawn from the [records](../results/README.md) by `wsss report`, pictures of scenes by `wsss figures`.
The metadata of each file (`Source`) name the records that it shows and their commit.

*Seeds* are thresholded maps. *Pseudo-labels* are labels of the training images, and *networks* learn from these.
The suffix after `@` names the depth source. [Results in full](../docs/results.md) says what each method is.
"""
_FIRST = "tabletop"
"""Data set that comes before the others."""


@dataclass(frozen=True)
class _Picture:
    order: int
    question: str
    data: str
    number: int
    name: str
    cell: str

    @property
    def place(self) -> tuple[int, bool, str, int, str]:
        """By question, data set and kind."""
        return self.order, self.data not in ("", _FIRST), self.data, self.number, self.name


def gallery_text(folder: Path) -> str:
    """The page of the PNG files in `folder`, as Markdown: a table of pictures for each question that has one.

    Pictures of no known kind stand at the end, under their names.
    """
    pictures = sorted((_picture(path) for path in Path(folder).glob("*.png")), key=lambda one: one.place)
    parts = [_TITLE, _INTRODUCTION]
    for question, asked in groupby(pictures, key=lambda one: one.question):
        lines = [[""] * COLUMNS, [":--"] * COLUMNS]
        for _, of_data in groupby(asked, key=lambda one: one.data):
            cells = [one.cell for one in of_data]
            rows = [cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)]
            lines += [[*row, *[""] * (COLUMNS - len(row))] for row in rows]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        parts.append(f"\n## {question}\n\n{table}\n")
    return "".join(parts)


def _picture(path: Path) -> _Picture:
    """Where a picture belongs, and its cell: picture, title, and the drawing as SVG where there is one."""
    drawing = f" ([SVG]({path.stem}.svg))" if path.with_suffix(".svg").exists() else ""
    for order, (question, kinds) in enumerate(QUESTIONS):
        for number, kind in enumerate(kinds):
            if found := re.fullmatch(kind.pattern, path.stem):
                words = {name: _as_in_tables(value) for name, value in found.groupdict().items()}
                data = words.get("data", "")
                cell = f"![{kind.alt.format(**words)}]({path.name})<br>{kind.title.format(**words)}{drawing}"
                return _Picture(order, question, data, number, path.stem, cell)
    name = path.stem.replace("-", " ")
    cell = f"![{name}]({path.name})<br>{name}{drawing}"
    return _Picture(len(QUESTIONS), "More", "", 0, path.stem, cell)


def _as_in_tables(text: str) -> str:
    """A method's name as tables have it, of the name in a file's: `depth@sensor+par` for `depth-sensor-par`."""
    found = re.fullmatch(r"(depth|crop-only|region-only)-(sensor|meter|learned)(?:-(crf|par-depth|par))?", text)
    return text if not found else f"{found[1]}@{found[2]}" + (f"+{found[3]}" if found[3] else "")


def write_gallery(folder: Path) -> Path:
    """Write `README.md` beside the figures of `folder`; returns its path.

    Raises:
        WsssError: there is such a file that is something else; it is left as it is.
    """
    page = Path(folder) / "README.md"
    if page.exists() and not page.read_text(encoding="utf-8").startswith(_TITLE):
        raise WsssError(f"{page} is no page of figures. Move it, or draw into another folder.")
    text = gallery_text(folder)
    with atomic_path(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return page
