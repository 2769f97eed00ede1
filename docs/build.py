"""Build the site from executed notebooks, the README and docstrings, and check its links.

python docs/build.py [--notebooks FOLDER] [--out FOLDER]
"""

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FILES = (
    "LICENSE",
    "NOTICE",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "CODE_OF_CONDUCT.md",
)
PAGES = (
    "install.md",
    "own-photographs.md",
    "own-model.md",
    "hand-over.md",
    "tabletop.md",
    "results.md",
    "records.md",
    "command-line.md",
    "depth.md",
    "extend.md",
    "scale.md",
    "performance.md",
    "troubleshooting.md",
    "architecture.md",
)
FOLDER_LINK = r"\[([^]]*)\]\((?:figures|results)/?\)"  # a site has no page for a folder


def main() -> None:
    """Assemble the pages, have Sphinx build them with warnings as errors, and look for links that lead nowhere."""
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
    broken = list(broken_links(options.out))
    for page, link in broken:
        print(f"{page}: {link} leads nowhere", file=sys.stderr)
    if status or broken:
        sys.exit(1)
    print(f"site: {options.out / 'index.html'}")


def assemble(notebooks: Path, source: Path) -> None:
    """Copy what the site is made of, laid out as in the checkout so that links hold."""
    for name in ("conf.py", "mathml.py", "index.md", "api.md"):
        shutil.copy(HERE / name, source)
    for name in ("static", "templates"):
        shutil.copytree(HERE / name, source / name)
    for name in FILES:
        shutil.copy(ROOT / name, source)
    (source / "docs").mkdir()
    for name in PAGES:
        shutil.copy(HERE / name, source / "docs")
    (source / "docs" / "static").mkdir()
    for name in ("rooms.svg", "tabletop.croissant.json"):
        shutil.copy(HERE / "static" / name, source / "docs" / "static")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (source / "README.md").write_text(re.sub(FOLDER_LINK, r"`\1`", readme), encoding="utf-8")
    (source / "notebooks").mkdir()
    found = sorted(notebooks.glob("0*.ipynb"))
    if not found:
        sys.exit(f"error: no notebooks in {notebooks}: execute them with `wsss run`")
    for path in found:
        shutil.copy(path, source / "notebooks")
    (source / "figures").mkdir()
    shown = [readme, *((source / "docs" / name).read_text(encoding="utf-8") for name in PAGES)]
    for name in re.findall(r"figures/([\w.-]+)\)", "".join(shown)):
        shutil.copy(ROOT / "figures" / name, source / "figures")


class _Page(HTMLParser):
    """Collects what a page links to, and the names by which it is linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("id", "name") and value:
                self.names.add(value)
            elif name in ("href", "src") and value:
                self.links.append(value)


def broken_links(folder: Path) -> Iterator[tuple[str, str]]:
    """Page and link of everything that leads nowhere inside the site; links to elsewhere are not followed."""
    pages = {path.resolve(): _Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    for path, page in pages.items():
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            names = pages[target].names if target in pages else None
            lost = bool(parts.fragment) and names is not None and unquote(parts.fragment) not in names
            if not target.exists() or lost:
                yield str(path.relative_to(folder.resolve())), link


if __name__ == "__main__":
    main()
