"""Pages and chapters can be read: short sentences and paragraphs, narrow tables, links that lead somewhere.

Sentences end at a full stop, a question mark or an exclamation mark; a colon or semicolon does not end one. Code blocks
and formulas are not counted, and a name in backticks is one word.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent
TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = [*TEXTS, *CHAPTERS]

LONGEST_SENTENCE = 35
LONGEST_PARAGRAPH = 90
WIDEST_TABLE = 6
README_WORDS = 1500

WIDE = {"docs/results.md"}
"""Pages that are there for wide tables. Their generated parts say the settings of every row, and are not prose."""

GENERATED = re.compile(r"<!-- table:([\w-]+) -->.*?<!-- /table:\1 -->", re.DOTALL)
ABBREVIATED = re.compile(r"\b(?:et al|e\.g|i\.e|cf|vs|etc|Fig|No|approx)\.$")
ENDS = re.compile(r"(?<=[.!?])[\"')\]”]*\s+")


@dataclass
class Read:
    """What a page holds."""

    paragraphs: list[str] = field(default_factory=list)
    tables: list[list[str]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    anchors: list[str] = field(default_factory=list)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def words(text: str) -> list[str]:
    """What is between spaces and has a letter or digit."""
    return [word for word in text.split() if re.search(r"\w", word)]


def sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph; `et al.` and its like end none."""
    found: list[str] = []
    for part in ENDS.split(paragraph):
        if found and ABBREVIATED.search(found[-1]):
            found[-1] += f" {part}"
        else:
            found.append(part)
    return found


def text_of(inline: Token) -> str:
    """The words that a reader sees; a name between backticks, or a formula, is one word."""
    parts = []
    for token in inline.children or []:
        if token.type == "text":
            parts.append(token.content)
        elif token.type == "code_inline":
            parts.append(re.sub(r"\s+", "_", token.content))
        elif token.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return re.sub(r"\$[^$]+\$", "formula", "".join(parts))


def anchor(heading: str) -> str:
    """The anchor that code hosts make of a heading."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


def read(text: str) -> Read:
    """Parse Markdown."""
    found, tokens = Read(), MarkdownIt("commonmark").enable("table").parse(text)
    for place, token in enumerate(tokens):
        if token.type == "tr_open" and tokens[place - 1].type == "thead_open":
            found.tables.append([])
        if token.type != "inline":
            continue
        opened = tokens[place - 1].type
        if opened == "heading_open":
            found.anchors.append(anchor(text_of(token)))
        elif opened == "paragraph_open":
            found.paragraphs.append(text_of(token))
        elif opened == "th_open":
            found.tables[-1].append(text_of(token))
        for child in token.children or []:
            found.links += [str(value) for value in (child.attrGet("href"), child.attrGet("src")) if value]
    return found


def markdown(page: Path) -> str:
    """The Markdown of a page, or of all cells of a chapter."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        return "\n\n".join("".join(cell["source"]) for cell in cells)
    return text


@cache
def whole(page: Path) -> Read:
    return read(markdown(page))


@cache
def prose(page: Path) -> Read:
    """The page without what it is exempt from."""
    return read(GENERATED.sub("", markdown(page))) if name_of(page) in WIDE else whole(page)


def named(pages: Sequence[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", pages, ids=name_of)


@named(PAGES)
def test_sentences_are_short(page: Path) -> None:
    found = [one for paragraph in prose(page).paragraphs for one in sentences(paragraph)]
    assert [one for one in found if len(words(one)) > LONGEST_SENTENCE] == []


@named(PAGES)
def test_paragraphs_are_short(page: Path) -> None:
    assert [one for one in prose(page).paragraphs if len(words(one)) > LONGEST_PARAGRAPH] == []


@named([page for page in PAGES if name_of(page) not in WIDE])
def test_tables_are_narrow(page: Path) -> None:
    assert [one for one in prose(page).tables if len(one) > WIDEST_TABLE] == []


@named(PAGES)
def test_links_lead_somewhere(page: Path) -> None:
    """Files exist, and anchors are headings of the page that they name."""
    assert list(lost_links(page)) == []


def lost_links(page: Path) -> Iterator[str]:
    for link in whole(page).links:
        place, _, fragment = link.partition("#")
        if "://" in link:
            if not link.startswith("https://"):
                yield link
            continue
        target = (page.parent / place).resolve() if place else page
        if place == "README.md" and page.parent.name == "docs":  # of the landing page, which lies beside it on the site
            target = ROOT / place
        if not target.exists() or (
            fragment and target.suffix in (".md", ".ipynb") and fragment not in whole(target).anchors
        ):
            yield link


def test_the_readme_is_short() -> None:
    text = re.sub(r"<!--.*?-->", "", markdown(ROOT / "README.md"), flags=re.DOTALL)
    assert len(words(text)) <= README_WORDS


def test_what_the_check_finds() -> None:
    """The check itself: sentences, tables, links and anchors."""
    page = read(
        "# A *title*: here\n\nOne. Two, by Zhou et al. 2016, e.g. this? `a b c` is $x + y$!\n\n- [link](a.md#b)\n\n"
        "```\nno. prose.\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    assert page.anchors == ["a-title-here"]
    assert sentences(page.paragraphs[0]) == ["One.", "Two, by Zhou et al. 2016, e.g. this?", "a_b_c is formula!"]
    assert page.paragraphs[1:] == ["link"]
    assert page.tables == [["a", "b"]]
    assert page.links == ["a.md#b"]
    assert words("36.7 ± 1.1 – x") == ["36.7", "1.1", "x"]
