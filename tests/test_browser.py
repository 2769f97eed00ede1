"""The chapters with controls as a reader meets them: JupyterLab in a real browser, run from the first cell to the last.

Sliders are moved by keyboard, and lists are read as they are shown.

Needs Chromium (`apt-get install chromium`); without it the test is skipped, or fails where `WSSS_BROWSER=required` says that it
must be there, as `.ci/run` does. Screenshots are kept in `$WSSS_SCREENSHOTS`, or in the test's temporary folder.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from wsss.io import write_json
from wsss.paths import notebook_folder
from wsss.pipeline.crop_file import read_crop_settings

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.slow, pytest.mark.browser]

QUICKSTART, CHAPTER = "00_quickstart", "03_depth_guided_cropping"
BROWSERS = {
    "01_baseline_cam": {"class": "all (mIoU)"},
    "02_failure_analysis": {"size": "any", "occlusion": "any", "class": "any"},
}
"""Chapters with another panel, and what its lists show at the start, besides an image's name."""
KERNEL_IDLE = "| Idle"  # in the status bar
TOKEN = "only-for-this-test"
START_SECONDS, RUN_SECONDS, STEP_SECONDS = 120, 600, 60  # limits for a busy machine; an idle one needs a third of them


def missing(what: str) -> None:
    """Skip, or fail where nothing may be missing."""
    if os.environ.get("WSSS_BROWSER") == "required":
        pytest.fail(f"{what} is missing, but WSSS_BROWSER=required")
    pytest.skip(f"{what} is missing: the browser test did not run")


@pytest.fixture(scope="module")
def chromium() -> str:
    """Path of a Chromium that is installed."""
    try:
        import playwright  # noqa: F401
    except ImportError:
        missing("playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        missing("Chromium")
    assert path is not None
    return path


def smoke_chapter(folder: Path, chapter: str) -> None:
    """A chapter without outputs, with the smoke profile in its parameters cell."""
    notebook = nbformat.read(notebook_folder() / f"{chapter}.ipynb", as_version=4)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []) and chapter != QUICKSTART:
            assert cell.source.startswith('profile = "default"')
            cell.source = cell.source.replace('"default"', '"smoke"', 1)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, folder / f"{chapter}.ipynb")


def settings(folder: Path) -> None:
    """No news, no question whether to have any, and no cell that is only there while it is looked at."""
    write_json(folder / "@jupyterlab/apputils-extension/notification.jupyterlab-settings", {"fetchNews": "false"})
    write_json(folder / "@jupyterlab/notebook-extension/tracker.jupyterlab-settings", {"windowingMode": "none"})


@pytest.fixture(scope="module")
def lab(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address of a JupyterLab on the loopback, and its folder; all that it writes is below that."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "notebooks").mkdir()
    for chapter in (QUICKSTART, CHAPTER, *BROWSERS):
        smoke_chapter(folder / "notebooks", chapter)
    settings(folder / "settings")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    places = {"WSSS_RUNS": "runs", "WSSS_CACHE": "data", "JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime",
              "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name != "WSSS_HEADLESS"}
    environment |= {name: str(folder / place) for name, place in places.items()}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(notebook_folder().parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder / 'notebooks'}", "--allow-root",
    ]  # fmt: skip
    with (folder / "lab.log").open("w") as log:
        # No input: kernels hang where they inherit one that never ends.
        server = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/api/status?token={TOKEN}", server, folder / "lab.log")
        yield address, folder
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def wait_for(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            urllib.request.urlopen(address, timeout=5)
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
        else:
            return
    raise AssertionError(f"JupyterLab does not answer after {START_SECONDS} s: {log.read_text()[-3000:]}")


@pytest.fixture
def page(chromium: str, lab: tuple[str, Path]) -> Iterator["Page"]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=1000 * STEP_SECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1400, "height": 1100})
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=lab[0])
        page = context.new_page()
        page.set_default_timeout(1000 * STEP_SECONDS)
        yield page
        browser.close()


def shot(page: "Page", lab: tuple[str, Path], name: str) -> None:
    folder = Path(os.environ.get("WSSS_SCREENSHOTS", lab[1] / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png")


def run_all(page: "Page", lab: tuple[str, Path], chapter: str, last: "Locator") -> None:
    """Open a chapter and run all cells from the menu; `last` is a control of its panel."""
    page.goto(f"{lab[0]}/lab/workspaces/{chapter}/tree/{chapter}.ipynb?token={TOKEN}")
    page.locator(".jp-NotebookPanel").wait_for()
    page.get_by_text(KERNEL_IDLE).wait_for(timeout=1000 * START_SECONDS)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    last.wait_for(timeout=1000 * RUN_SECONDS)
    page.get_by_text(KERNEL_IDLE).wait_for(timeout=1000 * RUN_SECONDS)


def errors_on(page: "Page") -> list[str]:
    """What is shown as an error or was written to stderr."""
    kinds = ("application/vnd.jupyter.stderr", "application/vnd.jupyter.error")
    found = page.locator(", ".join(f'[data-mime-type="{kind}"]' for kind in kinds))
    return [*found.all_inner_texts(), *page.get_by_role("alert").all_inner_texts()]


def shown(page: "Page") -> dict[str, str]:
    """What each list of the page shows, by its label; nothing where it is blank."""
    lists = page.locator(".widget-dropdown")
    read = "lists => lists.map(one => [one.querySelector('label').textContent, one.querySelector('select')])"
    text = "([label, select]) => [label, select.selectedIndex < 0 ? '' : select.options[select.selectedIndex].text]"
    pairs: list[tuple[str, str]] = lists.evaluate_all(f"lists => ({read})(lists).map({text})")
    return {label: text.replace("\N{NO-BREAK SPACE}", " ") for label, text in pairs}  # ipywidgets' spaces


def moved(page: "Page", slider: "Locator", key: str, begins: str = "mIoU of this image") -> tuple[str, str]:
    """The numbers before and after a key is pressed on a slider; the picture, whose text begins so, changes too."""
    from playwright.sync_api import expect

    status, picture = page.locator('p[role="status"]').first, page.locator(f'img[alt^="{begins}"]')
    numbers, source = status.inner_text(), picture.get_attribute("src")
    assert source is not None
    slider.focus()
    page.keyboard.press(key)
    expect(picture).not_to_have_attribute("src", source)
    expect(status).not_to_have_text(numbers)
    return numbers, status.inner_text()


def test_a_reader_tunes_a_scene_and_takes_the_parameters_away(page: "Page", lab: tuple[str, Path]) -> None:
    from playwright.sync_api import expect

    threshold, crops = page.get_by_role("slider", name="background threshold"), page.get_by_role("slider", name="crops")
    run_all(page, lab, CHAPTER, threshold)
    shot(page, lab, "1-run")
    start = shown(page)
    assert (start["class"], start["depth"]) == ("strongest of all", "sensor (this run's)")
    assert start["scene"]
    threshold.scroll_into_view_if_needed()
    shot(page, lab, "2-explorer")
    # What the slider is for is read out with it.
    help_line = page.locator(f"#{threshold.get_attribute('aria-describedby')}")
    expect(help_line).to_have_text("Pixels whose strongest score is below become background.")

    moved(page, threshold, "Home")
    assert threshold.get_attribute("aria-valuetext") == "0.02 score"
    before, after = moved(page, crops, "ArrowLeft")
    assert "15 forward passes (2 of the whole image, 13 crops" in before
    assert "14 forward passes (2 of the whole image, 12 crops" in after
    shot(page, lab, "3-moved")

    page.get_by_role("button", name="copy these parameters").click()
    expect(page.get_by_text("Run chapters 04 to 06 with them")).to_be_visible()
    shot(page, lab, "4-copied")
    path = lab[1] / "runs" / "smoke" / "crops" / "my-crops.toml"
    assert page.evaluate("navigator.clipboard.readText()") == path.read_text()
    given = read_crop_settings(path)
    assert (given.threshold, given.crops["count"]) == (0.02, 12)

    depth = page.get_by_label("depth", exact=True)
    depth.select_option("constant")
    expect(page.locator('p[role="status"]').first).to_contain_text("trust in depth 0.00")
    assert shown(page) == start | {"depth": "constant"}
    page.get_by_role("button", name="reset").click()
    expect(crops).to_have_attribute("aria-valuetext", "13 per image")
    expect(depth.locator("option:checked")).to_have_text("sensor (this run's)")
    assert shown(page) == start
    depth.scroll_into_view_if_needed()
    shot(page, lab, "5-reset")
    assert errors_on(page) == []


def test_a_reader_tunes_a_photograph_in_the_first_chapter(page: "Page", lab: tuple[str, Path]) -> None:
    from playwright.sync_api import expect

    threshold, crops = page.get_by_role("slider", name="background threshold"), page.get_by_role("slider", name="crops")
    run_all(page, lab, QUICKSTART, threshold)
    start = shown(page)
    assert start == {"scene": "photograph", "class": "moped", "depth": "given"}
    threshold.scroll_into_view_if_needed()
    shot(page, lab, "0-quickstart")
    area = "area of the label"
    # Hardly a pixel is above the highest threshold; the plain CAM stays at its own.
    low, high = (text.split() for text in moved(page, threshold, "End", area))
    assert low[:6] == high[:6]
    assert float(high[7]) < 2 < 10 < float(low[7])
    before, after = moved(page, crops, "ArrowRight", area)
    assert ("2 crops" in before, "3 crops" in after) == (True, True)
    page.get_by_label("depth", exact=True).select_option("inverted")
    expect(page.get_by_text("file", exact=True)).to_have_count(0)  # nothing is written
    page.get_by_role("button", name="copy these parameters").click()
    expect(page.get_by_text("Python code that gives the same")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith("from wsss import DepthCAM\n")
    shot(page, lab, "0-copied")
    page.get_by_role("button", name="reset").click()
    expect(page.get_by_label("depth", exact=True).locator("option:checked")).to_have_text("given")
    assert shown(page) == start
    assert errors_on(page) == []


@pytest.mark.parametrize("chapter", BROWSERS)
def test_lists_show_what_is_chosen(page: "Page", lab: tuple[str, Path], chapter: str) -> None:
    run_all(page, lab, chapter, page.locator(".widget-dropdown").last)
    page.locator(".widget-dropdown").last.scroll_into_view_if_needed()
    shot(page, lab, chapter)
    lists = shown(page)
    assert {name: lists[name] for name in BROWSERS[chapter]} == BROWSERS[chapter]
    assert "" not in lists.values()
    kind = page.get_by_label("class", exact=True)
    kind.select_option(index=1)
    assert shown(page)["class"] not in ("", lists["class"])
    assert shown(page) | {"class": lists["class"]} == lists
    assert set(errors_on(page)) <= {"there is no such object"}  # of so few scenes, some lack the class
