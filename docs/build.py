"""Build the site from executed notebooks, pages, records and docstrings, and check its links and pictures.

python docs/build.py [--notebooks FOLDER] [--out FOLDER]
"""

import argparse
import json
import posixpath
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

CONTENTS = {
    "Use it": (
        "install", "own-photographs", "own-data", "own-model", "depth", "hand-over", "running", "command-line", "scale",
        "troubleshooting",
    ),
    "Understand it": ("method", "method-tried", "glossary", "limitations", "related-work"),
    "Results": ("results", "figures/README", "results/README", "records", "tabletop", "performance", "performance-tried"),
    "Extend it": ("api", "extend", "architecture"),
    "Project": ("README", "REPRODUCIBILITY", "CONTRIBUTING", "CHANGELOG", "SECURITY", "CODE_OF_CONDUCT"),
}  # fmt: skip
"""Pages of the side bar, after the chapters: of `docs/`, of the root of the checkout, or where the path says.

Other pages of `docs/` and of the root stand under *More* by themselves."""
AT_THE_TOP = ("index", "api")  # pages of docs/ that lie at the top of the site
FILES = ("LICENSE", "NOTICE", "CITATION.cff")
LINK = r"\[([^]]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)"
"""A link or picture of Markdown that leads to another file of the checkout: text, path, place in it."""


def main() -> None:
    """Assemble the pages, have Sphinx build them with warnings as errors, and look for what leads nowhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notebooks", type=Path, default=ROOT / "notebooks", help="executed notebooks")
    parser.add_argument("--out", type=Path, default=HERE / "build", help="folder of the site")
    options = parser.parse_args()
    from sphinx.cmd.build import build_main

    with tempfile.TemporaryDirectory() as source:
        assemble(options.notebooks, Path(source))
        shutil.rmtree(options.out, ignore_errors=True)
        status = build_main(["-W", "--keep-going", "-q", "-b", "html", source, str(options.out)])
    shutil.rmtree(options.out / ".doctrees", ignore_errors=True)
    for page in options.out.rglob("*.html"):
        page.write_text(with_whole_pictures(page.read_text(encoding="utf-8")), encoding="utf-8")
    wrong = [f"{page}: {link} leads nowhere" for page, link in broken_links(options.out)]
    wrong += [f"{page}: {picture} has no text for who cannot see it" for page, picture in silent_pictures(options.out)]
    for line in wrong:
        print(line, file=sys.stderr)
    if status or wrong:
        sys.exit(1)
    print(f"site: {options.out / 'index.html'}")


# ---- what goes in -------------------------------------------------------------------------------------------------


def assemble(notebooks: Path, source: Path) -> None:
    """Copy what the site is made of, laid out as in the checkout so that links hold; landing page and reference go up."""
    found = sorted(notebooks.glob("0*.ipynb"))
    if not found:
        sys.exit(f"error: no notebooks in {notebooks}: execute them with `wsss run`")
    for name in ("conf.py", "mathml.py"):
        shutil.copy(HERE / name, source)
    for name in ("static", "templates"):
        shutil.copytree(HERE / name, source / name)
    for name in FILES:
        shutil.copy(ROOT / name, source)
    for name in ("notebooks", "docs", "figures", "results"):
        (source / name).mkdir()
    chapters = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in found}
    for name, chapter in chapters.items():
        describe_pictures(chapter)
        for cell in (cell for cell in chapter["cells"] if cell["cell_type"] == "markdown"):
            cell["source"] = without_folders("".join(cell["source"]), "notebooks")
            copy_linked(cell["source"], "notebooks", source)
        (source / "notebooks" / f"{name}.ipynb").write_text(json.dumps(chapter), encoding="utf-8")
    for page in pages():
        folder, text = posixpath.dirname(page), (ROOT / page).read_text(encoding="utf-8")
        name = page
        if page in {f"docs/{top}.md" for top in AT_THE_TOP}:
            text, name, folder = moved_up(text, folder), posixpath.basename(page), ""
        if name == "index.md":
            text = landing_page(text, (ROOT / "README.md").read_text(encoding="utf-8"), chapters)
        (source / name).write_text(without_folders(text, folder), encoding="utf-8")
        copy_linked(text, folder, source)


def pages() -> list[str]:
    """All pages, from the root of the checkout: those of the contents, and whatever else is in `docs/` and the root."""
    found = [f"docs/{path.name}" for path in sorted(HERE.glob("*.md"))] + [
        path.name for path in sorted(ROOT.glob("*.md"))
    ]
    return list(dict.fromkeys([*found, *(page_of(name) for names in CONTENTS.values() for name in names)]))


def page_of(name: str) -> str:
    """The file of a name in the contents."""
    return f"{name}.md" if "/" in name or not (HERE / f"{name}.md").exists() else f"docs/{name}.md"


def moved_up(text: str, folder: str) -> str:
    """A page of `folder` as it must be to lie at the top: its links lead where they led."""

    def moved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[2]))
        top = re.fullmatch(rf"{folder}/({'|'.join(AT_THE_TOP)})\.md", target)
        return f"[{link[1]}]({f'{top[1]}.md' if top else target}{link[3] or ''})"

    return re.sub(LINK, moved, text)


def without_folders(text: str, folder: str) -> str:
    """A site has no page for a folder: such links lead to the README in it, or are none."""

    def led(link: re.Match[str]) -> str:
        place = ROOT / folder / link[2]
        if not place.is_dir():
            return link[0]
        own = posixpath.join(link[2], "README.md")
        return f"[{link[1]}]({own})" if (place / "README.md").exists() else link[1]

    return re.sub(LINK, led, text)


def copy_linked(text: str, folder: str, source: Path) -> None:
    """Copy the files that a page links to and shows: pictures, records, drawings. Pages come by themselves."""
    for _, path, _ in re.findall(LINK, text):
        name = posixpath.normpath(posixpath.join(folder, path))
        if (ROOT / name).is_file() and not (source / name).exists() and not name.endswith((".md", ".ipynb")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)


# ---- the landing page ---------------------------------------------------------------------------------------------


def landing_page(text: str, readme: str, chapters: dict[str, Any]) -> str:
    """The page with what other files say: opening and finds of the README, picture, chapters and contents."""
    title, opening = readme.partition("\n## ")[0].strip().split("\n", 1)
    question, _, photograph = opening.strip().partition("\n\n")
    photograph = re.sub(r"!\[[^]]*\]\(figures/method-diagram\.png\)\s*", "", photograph)  # it is shown above
    found = re.search(r"^## What was found\n(.*?)(?=^## )", readme, re.MULTILINE | re.DOTALL)
    if not (title.startswith("# ") and photograph and found):
        sys.exit("error: the README must begin with a question and have a part `## What was found`")
    diagram = (ROOT / "figures" / "method-diagram.png").exists()
    parts = {
        "question": question,
        "diagram": picture("method-diagram") if diagram else picture("method"),
        "found": found[1].strip(),
        "photograph": photograph.replace("```python ci", "```python"),
        "chapters": chapter_table(chapters),
        "contents": contents(chapters),
    }
    for name, part in parts.items():
        text = text.replace(f"<!-- {name} -->", part)
    return text


def picture(name: str) -> str:
    """A figure with the text that it has among the figures, as Markdown."""
    gallery = (ROOT / "figures" / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"!\[([^]]*)\]\({name}\.png\)", gallery)
    return f"![{found[1] if found else name}](figures/{name}.png)"


def chapter_table(chapters: dict[str, Any]) -> str:
    """A row for each notebook: its title, and the question that it asks in its first cell."""
    rows = ["| chapter | question |", "| :-- | :-- |"]
    for name, chapter in chapters.items():
        title, question = title_and_question("".join(chapter["cells"][0]["source"]))
        rows.append(f"| [{title}](notebooks/{name}.ipynb) | {question} |")
    return "\n".join(rows)


def title_and_question(cell: str) -> tuple[str, str]:
    """Of the first cell of a chapter: its heading, and the first paragraph that asks something."""
    title = re.search(r"^# (.+)$", cell, re.MULTILINE)
    asked = (re.sub(r"\*\*Question\.?\*\*\s*", "", each) for each in cell.split("\n\n") if "?" in each)
    return title[1] if title else "", " ".join(next(asked, "").split())


def contents(chapters: dict[str, Any]) -> str:
    """The side bar: chapters, then the pages in their sections."""
    known = {page_of(name) for names in CONTENTS.values() for name in names}
    more = [page for page in pages() if page not in known and page != "docs/index.md"]
    sections = {"Chapters": [f"notebooks/{name}" for name in chapters]}
    sections |= {title: [page_of(name) for name in names] for title, names in CONTENTS.items()}
    sections |= {"More": more} if more else {}
    blocks = []
    for title, names in sections.items():
        places = [re.sub(rf"^docs/({'|'.join(AT_THE_TOP)})$", r"\1", name.removesuffix(".md")) for name in names]
        blocks.append("\n".join(["```{toctree}", ":hidden:", f":caption: {title}", "", *places, "```"]))
    return "\n\n".join(blocks)


# ---- pictures and links -------------------------------------------------------------------------------------------


def describe_pictures(notebook: Any) -> None:
    """Give the pictures of a notebook a text: the heading that they stand under, and what was said before them.

    A text that a cell brings in its metadata (`mystnb.image.alt`) stays.
    """
    heading, said = "", ""
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            heading = headings[-1] if headings else heading
            said = first_sentence(text) or ("" if headings else said)
        elif any("image/png" in output.get("data", {}) for output in cell["outputs"]):
            image = cell["metadata"].setdefault("mystnb", {}).setdefault("image", {})
            image.setdefault("alt", f"{plain(heading)}: {said}" if said else f"Figure: {plain(heading)}")


def first_sentence(text: str) -> str:
    """The first sentence of the first paragraph of Markdown that is no heading, table or code."""
    for paragraph in re.split(r"\n\s*\n", text):
        if not re.match(r"#|\||```|\$\$|\[", paragraph.strip()) and paragraph.strip():
            return re.split(r"(?<=[.?:])\s", plain(paragraph))[0]
    return ""


def plain(text: str) -> str:
    """Markdown as plain text in one line."""
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", text)
    return " ".join(re.sub(r"[*`$>\\]|^- ", "", text).split())


def with_whole_pictures(page: str) -> str:
    """A page of HTML in which each picture of the text leads to itself in full size."""
    pattern = r'(<a [^>]*>\s*)?(<img [^>]*src="([^"]*_images/[^"]+)"[^>]*>)'
    return re.sub(
        pattern, lambda found: found[0] if found[1] else f'<a class="whole" href="{found[3]}">{found[2]}</a>', page
    )


class _Page(HTMLParser):
    """Collects what a page links to, the names by which it is linked to, and its pictures with their texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.pictures: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("id", "name") and value:
                self.names.add(value)
            elif name in ("href", "src") and value:
                self.links.append(value)
        if tag == "img":
            self.pictures.append((dict(attributes).get("src") or "", dict(attributes).get("alt") or ""))


def pages_below(folder: Path) -> dict[Path, _Page]:
    """All pages of a built site."""
    return {path.resolve(): _Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}


def broken_links(folder: Path) -> Iterator[tuple[str, str]]:
    """Page and link of everything that leads nowhere inside the site; links to elsewhere are not followed."""
    found = pages_below(folder)
    for path, page in found.items():
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            names = found[target].names if target in found else None
            lost = bool(parts.fragment) and names is not None and unquote(parts.fragment) not in names
            if not target.exists() or lost:
                yield str(path.relative_to(folder.resolve())), link


def silent_pictures(folder: Path) -> Iterator[tuple[str, str]]:
    """Page and file of every picture without a text, or with its file's name for one."""
    for path, page in pages_below(folder).items():
        for file, text in page.pictures:
            if not text.strip() or re.search(r"\.(png|svg|jpe?g)$", text):
                yield str(path.relative_to(folder.resolve())), file


if __name__ == "__main__":
    main()
