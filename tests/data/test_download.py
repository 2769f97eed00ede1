"""Extraction and conversion offline, on archives made here."""

import io
import socket
import tarfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from wsss.data.download import SBD, VOC2012, Archive, default_root, download_voc2012, extract, fetch, read_sbd_mask
from wsss.data.pictures import read_image
from wsss.data.voc import VocDataset
from wsss.errors import WsssError

SBD_MASK = np.pad(np.full((20, 10), 12, dtype=np.uint8), ((10, 10), (0, 38)))


def sbd_archive(folder: Path, names: list[str]) -> Path:
    """An SBD archive with an annotation for each id, and a folder that is not wanted."""
    path = folder / SBD.filename
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            buffer = io.BytesIO()
            savemat(buffer, {"GTcls": {"Segmentation": SBD_MASK, "CategoriesPresent": np.array([12])}})
            add(tar, f"{SBD.inside}/{name}.mat", buffer.getvalue())
        add(tar, "benchmark_RELEASE/dataset/img/a.jpg", b"not wanted")
    return path


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def archives(tiny_voc: Path, tmp_path: Path) -> dict[Archive, Path]:
    """VOC 2012 as a tar without the augmented files, and SBD with a train, a val and the two augmented images."""
    voc = tmp_path / VOC2012.filename
    with tarfile.open(voc, "w") as tar:
        lists = [f"ImageSets/Segmentation/{split}.txt" for split in ("train", "val")]
        for part in ("JPEGImages", "SegmentationClass", *lists):
            tar.add(tiny_voc / part, f"{VOC2012.inside}/{part}")
    return {VOC2012: voc, SBD: sbd_archive(tmp_path, ["2012_000000", "2012_000006", "2012_000007", "2012_000009"])}


def test_voc2012_from_archives(archives: dict[Archive, Path], tmp_path: Path) -> None:
    asked = []

    def local(archive: Archive, folder: Path) -> Path:
        asked.append(archive)
        return archives[archive]

    root = tmp_path / "made" / "VOC2012"
    assert download_voc2012(root, local) == root
    assert (root / "ImageSets/Segmentation/train_aug.txt").read_text().split() == [f"2012_{n:06d}" for n in range(8)]
    assert sorted(file.stem for file in (root / "SegmentationClassAug").iterdir()) == ["2012_000006", "2012_000007"]
    np.testing.assert_array_equal(read_image(root / "SegmentationClassAug/2012_000006.png", mode=None), SBD_MASK)
    dataset = VocDataset(root, "train_aug", classes=("dog",))
    assert len(dataset) == 7
    np.testing.assert_array_equal(dataset[-1].mask, SBD_MASK == 12)
    assert not [file.name for file in (*root.iterdir(), *root.parent.iterdir()) if file.name.startswith(".")]
    download_voc2012(root, local)
    assert asked == [VOC2012, SBD]


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(WsssError, match="not empty"):
        download_voc2012(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_member_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as tar:
        add(tar, "data/good.txt", b"good")
        add(tar, "data/../../../evil.txt", b"evil")
    with pytest.raises(WsssError, match=r"evil\.tar"):
        extract(path, "data", tmp_path / "sub" / "out")
    assert not (tmp_path / "sub" / "out").exists()
    assert not list(tmp_path.rglob("evil.txt"))


@pytest.mark.parametrize("content", [b"", b"no tar at all", None])
def test_a_broken_archive_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.tar"
    if content is None:
        with tarfile.open(path, "w") as tar:
            add(tar, "elsewhere/a.txt", b"a")
    else:
        path.write_bytes(content)
    with pytest.raises(WsssError, match=r"broken\.tar"):
        extract(path, "data", tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["broken.tar"]


def test_a_bad_annotation_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.mat"
    for write in (lambda: file.write_bytes(b"junk"), lambda: savemat(file, {"other": 1}), file.unlink):
        write()
        with pytest.raises(WsssError, match=r"a\.mat"):
            read_sbd_mask(file)


def test_no_network_is_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("network is down")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)
    with pytest.raises(WsssError, match="Check the network") as caught:
        fetch(VOC2012, tmp_path / "archives")
    assert all(url in str(caught.value) for url in VOC2012.urls)


def test_an_archive_that_is_there_is_taken_if_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(OSError("network is down")))
    archive = Archive(("https://example.invalid/a.tar",), sha256(b"abc").hexdigest(), "a")
    file = tmp_path / "a.tar"
    file.write_bytes(b"abc")
    assert fetch(archive, tmp_path) == file
    file.write_bytes(b"abd")
    with pytest.raises(WsssError, match=r"a\.tar"):
        fetch(archive, tmp_path)


def test_default_root_follows_the_cache_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSSS_CACHE", "/some/where")
    assert default_root() == Path("/some/where/VOC2012")
