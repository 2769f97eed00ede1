"""Downloads from a server on this machine, which breaks off, lies, or knows nothing of parts of files."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.file_server import CONTENT, Server
from wsss.errors import WsssError
from wsss.machine.downloads import download

SHA256 = hashlib.sha256(CONTENT).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def message(*given: Any) -> str:
    with pytest.raises(WsssError) as caught:
        download(*given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_comes_whole_and_once(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.bin"
    for _ in range(2):
        assert download(server.url, SHA256, target) == target
        assert target.read_bytes() == CONTENT
    assert server.asked == [None]
    assert names(target.parent) == ["a.bin"]


def test_a_broken_download_goes_on(server: Server, tmp_path: Path) -> None:
    target, server.breaks = tmp_path / "a.bin", 300_000
    for share in (1, 2):
        assert "Check the network and try again" in message(server.url, SHA256, target)
        assert names(tmp_path) == [".a.bin.part"]
        kept = (tmp_path / ".a.bin.part").read_bytes()
        assert kept == CONTENT[: len(kept)]
        assert 250_000 * share < len(kept) <= 300_000 * share
    server.breaks = None
    download(server.url, SHA256, target)
    assert target.read_bytes() == CONTENT
    assert names(tmp_path) == ["a.bin"]
    assert server.asked[-1] == f"bytes={len(kept)}-"


def test_a_server_without_parts_of_files_sends_all_again(server: Server, tmp_path: Path) -> None:
    target, server.breaks = tmp_path / "a.bin", 300_000
    message(server.url, SHA256, target)
    server.breaks, server.ranges = None, False
    download(server.url, SHA256, target)
    assert target.read_bytes() == CONTENT
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "left", [b"", b"of another file", CONTENT[:1000] + b"x", CONTENT + b"more", b"x" * len(CONTENT)]
)
def test_what_an_earlier_call_left_does_not_spoil_it(server: Server, tmp_path: Path, left: bytes) -> None:
    (tmp_path / ".a.bin.part").write_bytes(left)
    assert download(server.url, SHA256, tmp_path / "a.bin").read_bytes() == CONTENT
    assert names(tmp_path) == ["a.bin"]


def test_a_part_that_is_whole_needs_no_more(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".a.bin.part").write_bytes(CONTENT)
    assert download(server.url, SHA256, tmp_path / "a.bin").read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


def test_a_file_that_moved_is_followed(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".a.bin.part").write_bytes(CONTENT[:1000])
    download(server.url.replace("a.bin", "moved"), SHA256, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[:-1] + b"x", b""])
def test_another_file_than_named_is_refused(server: Server, tmp_path: Path, content: bytes) -> None:
    server.content = content
    assert "is not the file that was named" in message(server.url, SHA256, tmp_path / "a.bin")
    assert names(tmp_path) == []


def test_another_file_in_its_place_is_left_alone(server: Server, tmp_path: Path) -> None:
    for make in (lambda path: path.write_bytes(b"mine"), lambda path: (path.unlink(), path.mkdir())):
        make(tmp_path / "a.bin")
        assert "Delete it" in message(server.url, SHA256, tmp_path / "a.bin")
    assert server.asked == []


def test_no_such_file_and_no_server_are_said(server: Server, tmp_path: Path) -> None:
    assert "404" in message(server.url.replace("a.bin", "none"), SHA256, tmp_path / "a.bin")
    closed = server.url.replace(str(server.server_address[1]), "9")
    assert "Check the network" in message(closed, SHA256, tmp_path / "a.bin")


def test_a_folder_that_cannot_be_written_is_said(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "Check free space and permissions" in message(server.url, SHA256, tmp_path / "file" / "a.bin")


def test_a_full_disk_is_said(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wsss.machine.downloads.os.replace", full)
    assert "No space left on device. Check free space" in message(server.url, SHA256, tmp_path / "a.bin")
