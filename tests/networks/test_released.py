"""Weights of a release: the file that names them, and how they are got, from a server on this machine."""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.file_server import Server
from wsss import cli, from_pretrained, save_pretrained
from wsss.cam.classifier import Classifier, info_for, save_classifier
from wsss.errors import WsssError
from wsss.networks import released
from wsss.networks.pretrained import CARD, CONFIG, WEIGHTS
from wsss.networks.released import REGISTRY, RemoteFile, Weights, fetch_weights, read_registry

DIGEST = "0" * 64


def entry(**changed: Any) -> dict[str, Any]:
    files = {WEIGHTS: {"url": "https://example.org/model.safetensors", "sha256": DIGEST}}
    return {"what": "A classifier.", "licence": "MIT", "files": files} | changed


def registry(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_committed_file_is_sound() -> None:
    assert json.loads(REGISTRY.read_text()) == {} == read_registry()


def test_an_entry_is_read(tmp_path: Path) -> None:
    held = read_registry(registry(tmp_path / "a.json", {"tabletop-classifier": entry()}))
    address = RemoteFile("https://example.org/model.safetensors", DIGEST)
    assert held == {"tabletop-classifier": Weights("A classifier.", "MIT", {WEIGHTS: address})}


def one(url: Any = "https://example.org/a", sha256: Any = DIGEST, name: str = WEIGHTS) -> dict[str, Any]:
    return {
        "a": entry(
            files={WEIGHTS: {"url": "https://example.org/a", "sha256": DIGEST}, name: {"url": url, "sha256": sha256}}
        )
    }


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "3", "{", '{"a": 1}', {"a": {}}, {"A": entry()}, {"../a": entry()}, {"a/b": entry()}, {"": entry()},
        {"a": entry(files={})}, {"a": entry(files=[])}, {"a": entry(files={CARD: {"url": "https://a", "sha256": DIGEST}})},
        one(url="http://example.org/a"), one(url="file:///etc/passwd"), one(url=3), one(sha256=DIGEST[:-1]),
        one(sha256=DIGEST.replace("0", "g")), one(sha256=None), one(name="../model.safetensors"), one(name="run.py"),
        {"a": entry(licence=None)}, {"a": entry(what=["x"])},
    ],
)  # fmt: skip
def test_an_unsound_file_is_named(tmp_path: Path, content: Any) -> None:
    path = registry(tmp_path / "released.json", content)
    with pytest.raises(WsssError, match=r"released\.json") as caught:
        read_registry(path)
    assert "\n" not in str(caught.value)


@pytest.fixture
def on_the_server(server: Server, tmp_path: Path) -> dict[str, Weights]:
    """A classifier that was handed over, as an entry whose files this machine sends."""
    save_classifier(
        tmp_path / "c.safetensors", Classifier("test_efficientnet", 2).eval(), info_for("test_efficientnet", ("cat", "dog"), 16, 64)
    )  # fmt: skip
    folder = save_pretrained(tmp_path / "c.safetensors", tmp_path / "given", license="mit")
    names = (CARD, CONFIG, WEIGHTS)
    held = {f"/{name}": (folder / name).read_bytes() for name in names}
    server.files = held
    base = server.url.rsplit("/", 1)[0]
    files = {name: RemoteFile(f"{base}/{name}", hashlib.sha256(held[f"/{name}"]).hexdigest()) for name in names}
    return {"mine": Weights("A classifier of cats.", "MIT", files)}


def test_weights_come_with_their_card_and_open(
    on_the_server: dict[str, Weights], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WSSS_CACHE", str(tmp_path / "cache"))
    folder = fetch_weights("mine", released=on_the_server)
    assert folder == tmp_path / "cache" / "weights" / "mine"
    assert sorted(path.name for path in folder.iterdir()) == sorted([CARD, CONFIG, WEIGHTS])
    _, info = from_pretrained(folder)
    assert info.classes == ("cat", "dog")


def test_the_command(on_the_server: dict[str, Weights], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(released, "read_registry", lambda: on_the_server)
    run = CliRunner()
    assert "mine (MIT): A classifier of cats." in run.invoke(cli.app, ["fetch"]).stdout
    result = run.invoke(cli.app, ["fetch", "mine", "--out", str(tmp_path / "out"), "--json"], catch_exceptions=False)
    assert json.loads(result.stdout)["file"] == str(tmp_path / "out" / WEIGHTS)
    monkeypatch.setattr(released, "read_registry", dict)
    assert "no weights are released yet" in run.invoke(cli.app, ["fetch"]).stdout


@pytest.mark.parametrize(("there", "remedy"), [({}, "none are released yet"), ({"mine": None}, "choose from mine")])
def test_an_unknown_name_is_one_line(
    there: Any, remedy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(released, "read_registry", lambda: there)
    monkeypatch.setattr(sys, "argv", ["wsss", "fetch", "../yours"])
    with pytest.raises(SystemExit):
        cli.main()
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: there are no released weights '../yours'; ")
    assert remedy in line


def test_spoilt_weights_leave_no_folder_that_looks_complete(on_the_server: dict[str, Weights], tmp_path: Path) -> None:
    files = on_the_server["mine"].files
    spoilt = {**files, WEIGHTS: RemoteFile(files[WEIGHTS].url, DIGEST)}
    with pytest.raises(WsssError, match="is not the file that was named"):
        fetch_weights("mine", tmp_path / "out", released={"mine": replace(on_the_server["mine"], files=spoilt)})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([CARD, CONFIG])
