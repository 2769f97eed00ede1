"""The files that say how this project is worked on, cited and reported to: sound, and true of the sources."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / f"{name}.md" for name in ("CONTRIBUTING", "SECURITY", "CODE_OF_CONDUCT", "CHANGELOG", "REPRODUCIBILITY")
]
TROUBLES = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
ZENODO = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

GAP = "…"
"""What stands on a page for the parts of a message that differ."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        place = link.partition("#")[0]
        assert link.startswith("https://") or (ROOT / place).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_named_is_there(page: Path) -> None:
    """Files of the checkout between backticks, and in commands."""
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:wsss|tests|docs|benchmarks|results|\.ci)/[\w./-]*)`", text)
    named += re.findall(r"pytest (tests/[\w./-]+)", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


# ---- troubleshooting ----------------------------------------------------------------------------------------------


def text_of(node: ast.expr) -> str:
    """A message as it stands in the sources, with a gap for each part that differs."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text_of(node.left) + text_of(node.right)
    return GAP


def messages() -> Iterator[str]:
    """Every text of the package: what errors say is often put together from texts that have a name."""
    for path in sorted((ROOT / "wsss").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant | ast.JoinedStr) and len(text := text_of(node)) > len(GAP):
                yield text


def said(quoted: str, text: str) -> bool:
    """Whether a quoted message is one of `text`: its parts between gaps, in their order."""
    parts = [part for part in re.split(f"{GAP}+", quoted) if part.strip(" :.,;?")]
    place = 0
    for part in parts:
        found = text.find(part.strip(), place)
        if found < 0:
            return False
        place = found + len(part.strip())
    return True


QUOTED = re.findall(r"^> `(.+)`$", TROUBLES, flags=re.MULTILINE)
MESSAGES = set(messages())


@pytest.mark.parametrize("quoted", QUOTED)
def test_each_quoted_message_is_still_said(quoted: str) -> None:
    main = max(re.split(f"{GAP}+", quoted), key=len).strip()
    assert len(main) > 12, "a message that says nothing"
    parts = re.split(r"(?<=\.) |; did you mean", quoted)  # a sentence may be a text of its own
    assert [part for part in parts if not any(said(part, text) for text in MESSAGES)] == []


def test_each_message_has_a_cause_and_a_remedy() -> None:
    assert len(QUOTED) == len(set(QUOTED)) == 20
    for block in re.split(r"^> `", TROUBLES, flags=re.MULTILINE)[1:]:
        assert "*Cause.*" in block, block[:60]
        assert "*Remedy.*" in block, block[:60]


@pytest.mark.parametrize(
    ("quoted", "text", "found"),
    [
        ("no depth of image …", "no depth for image … in … (looked for …)", False),
        ("no depth for image … in …", "no depth for image … in … (looked for …)", True),
        ("… holds no photograph.", "… holds no photograph. Name it.", True),
        ("b … a", "a then b", False),
    ],
)
def test_messages_are_compared_part_by_part(quoted: str, text: str, found: bool) -> None:
    assert said(quoted, text) is found


# ---- forms and hooks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_issue_forms_are_as_the_host_reads_them(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.name == "config.yml":
        assert set(form) <= {"blank_issues_enabled", "contact_links"}
        return
    assert {"name", "description", "body"} <= set(form)
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in fields}) == len(fields) > 0
    assert all(part["type"] in ("input", "textarea", "dropdown", "checkboxes") for part in fields)
    assert all(part["attributes"]["label"] for part in fields)


def test_hooks_have_the_versions_of_the_lock() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    versions = {repo["repo"].rsplit("/", 1)[1]: repo["rev"] for repo in hooks["repos"]}
    (ruff,) = re.findall(r"^ruff==(\S+)", LOCK, flags=re.MULTILINE)
    assert versions["ruff-pre-commit"] == f"v{ruff}"
    named = {hook["id"] for repo in hooks["repos"] for hook in repo["hooks"]}
    assert named >= {"ruff-check", "ruff-format", "end-of-file-fixer", "check-added-large-files"}
    (limit,) = re.findall(r"--maxkb=(\d+)", str(hooks))
    places = [path for name in ("figures", "notebooks", "docs", "wsss") for path in (ROOT / name).rglob("*")]
    assert max(path.stat().st_size for path in places if path.is_file()) < 1024 * int(limit)


# ---- how to cite --------------------------------------------------------------------------------------------------


def test_the_archive_is_told_what_the_citation_says() -> None:
    assert ZENODO["title"] == CITATION["title"]
    assert ZENODO["keywords"] == CITATION["keywords"]
    assert ZENODO["license"].casefold() == CITATION["license"].casefold() == PROJECT["license"].casefold()
    assert [each["name"] for each in ZENODO["creators"]] == [each["name"] for each in CITATION["authors"]]
    assert CITATION["abstract"].strip() in ZENODO["description"]


def test_what_is_cited_is_complete() -> None:
    for reference in CITATION["references"]:
        assert {"type", "title", "authors", "year"} <= set(reference), reference.get("title")
        assert all({"family-names", "given-names"} <= set(author) for author in reference["authors"])


def test_the_change_log_ends_with_the_version_that_is_next() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert versions
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ \((unreleased|\d{4}-\d\d-\d\d)\)", name) for name in versions)
