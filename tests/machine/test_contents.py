"""Hashes of files: of what they hold, remembered as long as the disk says that nothing has changed."""

import json
import os
import sqlite3
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from wsss.errors import WsssError
from wsss.io import file_hash
from wsss.machine import contents
from wsss.machine.contents import file_hashes, folder_hash, weights_hash


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three files whose last change counts as settled, and reading that is counted by `reads`."""
    monkeypatch.setattr(contents, "SETTLED", -(10**12))
    monkeypatch.setattr(contents, "_known", {})
    paths = [tmp_path / f"{name}.bin" for name in "abc"]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 100)
    return paths


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    read: list[str] = []

    def counted(path: str) -> str:
        read.append(Path(path).name)
        return file_hash(path)

    monkeypatch.setattr(contents, "file_hash", counted)
    return read


def changed_in_place(path: Path) -> None:
    """One byte is another; size and time of modification are as before."""
    state, held = path.stat(), bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    path.write_bytes(held)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process."""
    monkeypatch.setattr(contents, "_known", {})


def test_files_are_read_once_also_by_later_processes(
    files: list[Path], reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = file_hashes(files)
    assert first == [file_hash(path) for path in files]
    assert file_hashes(reversed(files)) == first[::-1]
    forget(monkeypatch)
    assert file_hashes([*files, files[0]]) == [*first, first[0]]
    assert sorted(reads) == ["a.bin", "b.bin", "c.bin"]


def test_a_changed_byte_is_seen_whatever_size_and_time_say(
    files: list[Path], reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file_hashes(files)
    changed_in_place(files[1])
    assert [one == other for one, other in zip(before, file_hashes(files), strict=True)] == [True, False, True]
    forget(monkeypatch)
    changed_in_place(files[1])
    assert file_hashes(files) == before
    assert sorted(reads) == ["a.bin", "b.bin", "b.bin", "b.bin", "c.bin"]


def test_a_file_that_has_just_changed_is_read_again(
    files: list[Path], reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "SETTLED", 10**12)
    assert file_hashes(files) == file_hashes(files)
    assert len(reads) == 6


@pytest.mark.parametrize("damage", ["no database", "other tables", "strange rows"])
def test_a_store_that_cannot_be_used_costs_time_only(
    files: list[Path], damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, store = file_hashes(files), contents._store()
    if damage == "no database":
        store.write_bytes(b"no database" * 500)
    else:
        with sqlite3.connect(store) as base:
            if damage == "other tables":
                base.execute("DROP TABLE files")
            else:
                base.execute("UPDATE files SET inode = 'x', sha256 = 7")
        base.close()
    for _ in range(2):
        forget(monkeypatch)
        assert file_hashes(files) == expected


def test_a_store_that_cannot_be_written_costs_time_only(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_store", lambda: files[0] / "no" / "folder")
    assert file_hashes(files) == [file_hash(path) for path in files]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match=r"cannot read .*gone\.png: No such file"):
        file_hashes([tmp_path / "gone.png"])


def test_folders_are_known_by_names_and_contents_not_by_place(tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.npy").write_bytes(b"depth")
    (tmp_path / "two" / ".b.x7.part.npy").write_bytes(b"half")
    assert folder_hash(tmp_path / "one") == folder_hash(tmp_path / "two")
    (tmp_path / "two" / "a.npy").rename(tmp_path / "two" / "b.npy")
    assert folder_hash(tmp_path / "one") != folder_hash(tmp_path / "two")
    assert folder_hash(tmp_path / "nowhere") == folder_hash(tmp_path / "nothing")


def with_metadata(path: Path, entries: list[tuple[str, str]], value: float = 0.0) -> Path:
    """A safetensors file with metadata in this order, which the library leaves to chance."""
    plain = save({"a": torch.full((3,), value), "b": torch.ones(2)})
    (length,) = struct.unpack("<Q", plain[:8])
    header = json.dumps({"__metadata__": dict(entries)} | json.loads(plain[8 : 8 + length])).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + plain[8 + length :])
    return path


def test_a_checkpoint_is_its_tensors_and_its_sorted_metadata(tmp_path: Path) -> None:
    entries = [("classes", "cat"), ("mean", "0.5"), ("std", "1")]
    first, second = with_metadata(tmp_path / "1", entries), with_metadata(tmp_path / "2", entries[::-1])
    assert file_hash(first) != file_hash(second)
    assert weights_hash(first) == weights_hash(second)
    other = {
        weights_hash(with_metadata(tmp_path / "3", entries, 1.0)),
        weights_hash(with_metadata(tmp_path / "4", [*entries[:2], ("std", "2")])),
        weights_hash(first),
    }
    assert len(other) == 3


@pytest.mark.parametrize("held", [b"", b"1234567", struct.pack("<Q", 2**60), struct.pack("<Q", 4) + b"[[1]", bytes(80)])
def test_what_is_no_checkpoint_has_the_hash_of_its_bytes(tmp_path: Path, held: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(held)
    assert weights_hash(path) == file_hash(path)


def test_asking_for_many_files_again_reads_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "SETTLED", -(10**12))
    paths = [tmp_path / f"{number}.bin" for number in range(1200)]  # more than one question to the store
    for path in paths:
        path.write_bytes(path.name.encode())
    first = file_hashes(paths)
    forget(monkeypatch)
    monkeypatch.setattr(contents, "file_hash", lambda path: pytest.fail(f"{path} was read"))
    assert file_hashes(paths) == first
