"""Depth sources: files of every format, controls, names."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr

from wsss.data.base import Sample
from wsss.depth.controls import NOISE_LEVELS, degrade
from wsss.depth.files import read_depth_file
from wsss.depth.sources import open_depth
from wsss.depth.specs import CONTROL_NAMES, resolve_place, source_identity, source_name
from wsss.errors import WsssError

SIZE = (20, 30)


class Memory:
    """A data set in memory; image k has depth k/10."""

    name, split = "memory", "test"
    classes: tuple[str, ...] = ("thing",)

    def __init__(self, count: int = 4, has_depth: bool = True, size: tuple[int, int] = SIZE) -> None:
        self.ids = tuple(f"{number:03d}" for number in range(count))
        self.has_depth = has_depth
        self.size = size

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        depth = np.full(self.size, index / 10, np.float32) if self.has_depth else None
        image = np.zeros((*self.size, 3), np.uint8)
        return Sample(self.ids[index], image, np.array([False]), np.zeros(self.size, np.uint8), depth=depth)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def fingerprint(self) -> str:
        return "memory"


def ramp() -> np.ndarray:
    """Distances 1…4 from left to right, H×W of half the image's size."""
    return np.tile(np.linspace(1, 4, 15), (10, 1))


def write(folder: Path, form: str, values: np.ndarray, name: str = "000") -> None:
    folder.mkdir(exist_ok=True)
    if form == "png16":
        Image.fromarray((values * 1000).astype(np.uint16)).save(folder / f"{name}.png")
    elif form == "png8":
        Image.fromarray((values * 25.5).round().astype(np.uint8)).save(folder / f"{name}.png")
    elif form == "npy":
        np.save(folder / f"{name}.npy", values.astype(np.float32))
    else:
        np.savez(folder / f"{name}.npz", depth=values[None].astype(np.float32))


@pytest.mark.parametrize("form", ["png16", "png8", "npy", "npz"])
def test_metric_files_become_inverse_depth(tmp_path: Path, form: str) -> None:
    write(tmp_path / "maps", form, ramp())
    depth = open_depth(f"files:{tmp_path / 'maps'}", Memory(), "metric")(0)
    assert depth.shape == SIZE
    assert depth.dtype == np.float32
    assert depth.min() >= 0
    assert depth.max() <= 1
    near, far = depth[:, 0], depth[:, -1]
    assert (near > 0.95).all()
    assert (far < 0.05).all()
    assert (np.diff(depth, axis=1) <= 1e-6).all()
    # The middle of the row is 2.5 away: a third of the way in 1/z is not half of it.
    middle = depth[:, 14:16].mean()
    assert middle == pytest.approx((1 / 2.5 - 1 / 4) / (1 - 1 / 4), abs=0.04)


@pytest.mark.parametrize("form", ["png16", "npy"])
def test_inverse_files_keep_their_order(tmp_path: Path, form: str) -> None:
    write(tmp_path / "maps", form, ramp())
    depth = open_depth(f"files:{tmp_path / 'maps'}", Memory(), "inverse")(0)
    assert (depth[:, 0] < 0.05).all()
    assert (depth[:, -1] > 0.95).all()
    assert depth[:, 14:16].mean() == pytest.approx(0.5, abs=0.04)


def test_same_order_as_the_image_after_resizing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write(tmp_path, "npy", np.cumsum(np.cumsum(rng.uniform(0, 1, SIZE), 0), 1) + 1)
    depth = open_depth(f"files:{tmp_path}", Memory(), "metric")(0)
    rank = spearmanr(depth.ravel(), np.load(tmp_path / "000.npy").ravel()).statistic
    assert rank < -0.99


@pytest.mark.parametrize("kind", [None, "far", ""])
def test_the_kind_of_files_is_stated_never_guessed(tmp_path: Path, kind: str | None) -> None:
    with pytest.raises(WsssError, match="--depth-kind metric"):
        open_depth(f"files:{tmp_path}", Memory(), kind)


def test_missing_folder_and_file(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match=r"no depth folder .*nowhere"):
        open_depth(f"files:{tmp_path / 'nowhere'}", Memory(), "metric")
    write(tmp_path / "maps", "npy", ramp())
    with pytest.raises(WsssError, match=r"image 001 in .*maps"):
        open_depth(f"files:{tmp_path / 'maps'}", Memory(), "metric")(1)


@pytest.mark.parametrize("name", ["broken.npy", "broken.npz", "broken.png"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"nothing of the kind"])
def test_broken_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WsssError, match=name):
        read_depth_file(path)


def test_truncated_npz_is_named(tmp_path: Path) -> None:
    write(tmp_path, "npz", ramp())
    path = tmp_path / "000.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(WsssError, match=r"000\.npz"):
        read_depth_file(path)


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "bad.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(WsssError, match=r"bad\.npy"):
        read_depth_file(tmp_path / "bad.npy")


@pytest.mark.parametrize("shape", [(5, 6, 3), (0, 4), (7,)])
def test_maps_with_channels_or_without_pixels_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "odd.npy", np.zeros(shape, np.float32))
    with pytest.raises(WsssError, match=r"odd\.npy"):
        read_depth_file(tmp_path / "odd.npy")


@pytest.mark.parametrize("shape", [(1, 6), (6, 1), (1, 1)])
def test_maps_of_one_row_or_column_are_legal(tmp_path: Path, shape: tuple[int, int]) -> None:
    np.save(tmp_path / "000.npy", np.arange(1, 1 + shape[0] * shape[1], dtype=np.float32).reshape(shape))
    assert read_depth_file(tmp_path / "000.npy").shape == shape
    assert open_depth(f"files:{tmp_path}", Memory(), "metric")(0).shape == SIZE


def test_sensor_hands_on_what_the_data_has() -> None:
    assert open_depth("sensor", Memory())(3).max() == np.float32(0.3)
    with pytest.raises(WsssError, match="comes without depth"):
        open_depth("sensor", Memory(has_depth=False))


def test_constant_says_nothing() -> None:
    depth = open_depth("constant", Memory(has_depth=False))(1)
    assert depth.shape == SIZE
    assert not depth.any()


@pytest.mark.parametrize("count", [2, 3, 17])
@pytest.mark.parametrize("seed", range(3))
def test_shuffled_gives_every_image_the_depth_of_another(count: int, seed: int) -> None:
    depth = open_depth("shuffled", Memory(count), seed=seed)
    owners = [round(float(depth(index)[0, 0]) * 10) for index in range(count)]
    assert sorted(owners) == list(range(count))
    assert all(owner != index for index, owner in enumerate(owners))
    again = open_depth("shuffled", Memory(count), seed=seed)
    assert [round(float(again(index)[0, 0]) * 10) for index in range(count)] == owners


def test_shuffled_files(tmp_path: Path) -> None:
    for number in range(3):
        values = ramp()
        values[:, :4] = 8  # then each map is flat but for one far column
        values[2 * number] = 9
        write(tmp_path, "npy", values, f"{number:03d}")
    data = Memory(3)
    plain, mixed = (open_depth(f"{s}files:{tmp_path}", data, "metric", seed=1) for s in ("", "shuffled+"))
    maps = [plain(index) for index in range(3)]
    for index in range(3):
        same = [np.array_equal(mixed(index), each) for each in maps]
        assert sum(same) == 1
        assert not same[index]


class Ramp(Memory):
    """As `Memory`, but image k has a step at column k of its depth."""

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        assert sample.depth is not None
        sample.depth[:, index:] += 0.5
        return sample


@pytest.mark.parametrize("prefix", ["", "+sensor"])
def test_inverted_swaps_near_and_far(prefix: str) -> None:
    plain, swapped = open_depth("sensor", Ramp()), open_depth(f"inverted{prefix}", Ramp())
    for index in range(4):
        np.testing.assert_allclose(swapped(index), 1 - plain(index), atol=1e-6)
        assert swapped(index).dtype == np.float32


@pytest.mark.parametrize(("spec", "severity"), [("noisy:0.05", 0.05), ("noisy:0", 0.0), *NOISE_LEVELS.items()])
def test_noisy_degrades_each_image_in_its_own_way(spec: str, severity: float) -> None:
    data = Ramp()
    plain, noisy = open_depth("sensor", data), open_depth(spec, data, seed=3)
    for index in range(4):
        np.testing.assert_array_equal(noisy(index), degrade(plain(index), severity, data.ids[index], 3))
        np.testing.assert_array_equal(noisy(index), noisy(index))
    other = open_depth(spec, data, seed=4)
    assert np.array_equal(noisy(2), other(2)) == (severity == 0)


@pytest.mark.parametrize("argument", ["", "-0.1", "1.5", "nan", "much"])
def test_severities_are_checked(argument: str) -> None:
    with pytest.raises(WsssError, match=rf"noisy:{argument} needs a severity"):
        open_depth(f"noisy:{argument}", Memory())


@pytest.mark.parametrize("control", ["inverted", "shuffled", "noisy:0.05", "noisy-08"])
def test_controls_of_files(tmp_path: Path, control: str) -> None:
    for number in range(4):
        values = ramp()
        values[2 * number] += 5
        write(tmp_path, "npy", values, f"{number:03d}")
    plain, wrong = (open_depth(f"{s}files:{tmp_path}", Memory(), "metric") for s in ("", f"{control}+"))
    for index in range(4):
        assert wrong(index).shape == SIZE
        assert not np.allclose(wrong(index), plain(index), atol=1e-3)
    with pytest.raises(WsssError, match="--depth-kind metric"):
        open_depth(f"{control}+files:{tmp_path}", Memory())


def test_controls_of_controls() -> None:
    plain, wrong = open_depth("shuffled", Memory(), seed=1), open_depth("inverted+shuffled+sensor", Memory(), seed=1)
    for index in range(4):
        np.testing.assert_allclose(wrong(index), 1 - plain(index), atol=1e-6)


@pytest.mark.parametrize(
    "spec",
    [
        "nonsense",
        "files:",
        "shuffled+nonsense",
        "",
        "Sensor",
        "hf:",
        "learned:",
        "noisy",
        "noisy-99",
        "inverted:0.1",
        "shuffled:1",
        "constant+sensor",
        "sensor+shuffled",
    ],
)
def test_unknown_sources(spec: str) -> None:
    with pytest.raises(WsssError, match="unknown depth source"):
        open_depth(spec, Memory())


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("sensor", "sensor"),
        ("constant", "constant"),
        ("shuffled", "shuffled"),
        ("shuffled+files:/x/y", "shuffled-y"),
        ("shuffled+files:/x/DepthMETER", "shuffled-meter"),
        ("shuffled+sensor", "shuffled"),
        ("inverted", "inverted"),
        ("inverted+sensor", "inverted"),
        ("noisy:0.05", "noisy-0.05"),
        ("noisy:0.05+sensor", "noisy-0.05"),
        ("noisy-08", "noisy-08"),
        ("noisy-08+files:/x/DepthMETER", "noisy-08-meter"),
        ("noisy:0.1+shuffled+files:/x/DepthMETER", "noisy-0.1-shuffled-meter"),
        ("learned:/x/net.pt", "learned"),
        ("shuffled+learned:/x/net.pt", "shuffled-learned"),
        ("hf:org/Depth-Anything-V2", "depth-anything-v2"),
        ("files:/x/DepthMETER", "meter"),
        ("files:depth_meter", "meter"),
        ("files:/x/depth/", "files"),
        ("files:/data/ZoeDepth-NK", "zoenk"),
    ],
)
def test_source_names(spec: str, name: str) -> None:
    assert source_name(spec) == name


def test_identity_does_not_depend_on_the_place() -> None:
    assert source_identity("files:/here/DepthMETER") == source_identity("files:/there/DepthMETER")
    assert source_identity("noisy:0.1+files:/here/D") == source_identity("noisy:0.1+files:/there/D")
    kinds = [
        "sensor",
        "constant",
        "shuffled",
        "files:/x/y",
        "shuffled+files:/x/y",
        "inverted",
        "inverted+shuffled",
        "noisy:0.1",
        "noisy:0.2",
        "noisy-08",
        "noisy:0.1+files:/x/y",
        "hf:a/b",
        "hf:a/c",
    ]
    assert len({source_identity(kind) for kind in kinds}) == len(kinds)
    assert len({source_name(kind) for kind in kinds}) == len(kinds)


def test_control_names_are_those_that_open() -> None:
    for name in CONTROL_NAMES:
        spec = "noisy:0.1" if name == "noisy" else name
        assert open_depth(spec, Memory())(1).shape == SIZE


def test_folders_are_looked_for_in_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve_place("files:there", "/data") == "files:/data/there"
    assert resolve_place("files:here", "/data") == "files:here"
    assert resolve_place(f"files:{tmp_path}/here", "/data") == f"files:{tmp_path}/here"
    assert resolve_place("files:there", None) == "files:there"
    assert resolve_place("shuffled+files:there", "/data") == "shuffled+files:/data/there"
    assert resolve_place("noisy:0.1+inverted+files:there", "/data") == "noisy:0.1+inverted+files:/data/there"
    for spec in ("sensor", "constant", "noisy:0.05", "hf:org/model", "learned", "shuffled+sensor"):
        assert resolve_place(spec, "/data") == spec
    assert resolve_place("shuffled+learned:net.pt", "/data") == "shuffled+learned:/data/net.pt"
    (tmp_path / "net.pt").touch()
    assert resolve_place("learned:net.pt", "/data") == "learned:net.pt"


def test_other_files_in_a_folder_are_another_source(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "depth", tmp_path / "b" / "depth"
    for folder in (first, second):
        folder.mkdir(parents=True)
        (folder / "one.png").write_bytes(b"12")
    assert source_identity(f"files:{first}") == source_identity(f"files:{second}")
    before = source_identity(f"shuffled+files:{first}")
    (first / "one.png").write_bytes(b"123")
    assert source_identity(f"shuffled+files:{first}") != before
    (second / "two.png").write_bytes(b"")
    assert len({source_identity(f"files:{folder}") for folder in (first, second)}) == 2


@pytest.mark.parametrize("kind", ["files", "hf"])
def test_a_folder_is_known_by_its_contents_not_its_place(tmp_path: Path, kind: str) -> None:
    for place in ("one", "other"):
        (tmp_path / place / "maps").mkdir(parents=True)
        (tmp_path / place / "maps" / "a.bin").write_bytes(b"as many bytes")
    first, other = (f"{kind}:{tmp_path / place / 'maps'}" for place in ("one", "other"))
    assert source_identity(first) == source_identity(other)
    (tmp_path / "other/maps/a.bin").write_bytes(b"other, 13 big")
    assert source_identity(first) != source_identity(other)


@pytest.mark.parametrize("other", [".npy", ".npz"])
def test_a_preview_beside_a_map_is_refused(tmp_path: Path, other: str) -> None:
    write(tmp_path, other[1:], ramp())
    write(tmp_path, "png8", ramp())
    with pytest.raises(WsssError, match=rf"2 files of image 000: 000\.png, 000\{other}\. Keep the maps alone"):
        open_depth(f"files:{tmp_path}", Memory(), "metric")
    (tmp_path / "000.png").rename(tmp_path / "000-preview.png")
    assert open_depth(f"files:{tmp_path}", Memory(), "metric")(0).shape == SIZE


TALL = (120, 80)  # H×W of the images


@pytest.mark.parametrize("size", [(80, 120), (40, 60), (80, 80), (120, 160), (10, 20)], ids=str)
@pytest.mark.parametrize("whole", [True, False], ids=["all maps", "one map"])
def test_maps_of_another_aspect_ratio_are_refused(tmp_path: Path, size: tuple[int, int], whole: bool) -> None:
    for number in range(6):
        np.save(
            tmp_path / f"{number:03d}.npy", np.random.default_rng(number).random(size if whole or not number else TALL)
        )
    depth = open_depth(f"files:{tmp_path}", Memory(6, size=TALL), "inverse")
    with pytest.raises(
        WsssError, match=r"000\.npy is \(\d+, \d+\) \(H, W\), which is not the aspect ratio of its image, \(120, 80\)"
    ):
        depth(0)
    assert whole or depth(1).shape == TALL


@pytest.mark.parametrize("size", [(120, 80), (60, 40), (41, 27), (13, 9), (3, 2), (224, 154), (480, 320)], ids=str)
def test_maps_may_have_any_resolution(tmp_path: Path, size: tuple[int, int]) -> None:
    np.save(tmp_path / "000.npy", np.random.default_rng(0).random(size))
    assert open_depth(f"files:{tmp_path}", Memory(6, size=TALL), "inverse")(0).shape == TALL


class Mixed(Memory):
    """Every third image is upright."""

    def __getitem__(self, index: int) -> Sample:
        height, width = (120, 80) if index % 3 == 0 else (80, 120)
        image = np.zeros((height, width, 3), np.uint8)
        return Sample(self.ids[index], image, np.array([False]), np.zeros((height, width), np.uint8))


def test_a_networks_grid_for_images_of_all_shapes_is_stretched(tmp_path: Path) -> None:
    for number in range(6):
        np.save(tmp_path / f"{number:03d}.npy", np.random.default_rng(number).random((24, 36)))
    depth = open_depth(f"files:{tmp_path}", Mixed(6, has_depth=False), "inverse")
    assert [depth(index).shape for index in range(3)] == [(120, 80), (80, 120), (80, 120)]
    np.save(tmp_path / "001.npy", np.random.default_rng(1).random((80, 120)))  # others have their image's shape
    with pytest.raises(WsssError, match=r"000\.npy is \(24, 36\)"):
        open_depth(f"files:{tmp_path}", Mixed(6, has_depth=False), "inverse")(0)


def test_a_networks_grid_is_found_where_ids_are_paths(tmp_path: Path) -> None:
    """Ids as of photographs in folders of their own: all maps lie below the depth folder, none in it."""
    data = Mixed(6, has_depth=False)
    data.ids = tuple(f"{'ab'[number % 2]}/{number:03d}" for number in range(6))
    for number, name in enumerate(data.ids):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(number).random((24, 36)))
    depth = open_depth(f"files:{tmp_path}", data, "inverse")
    assert [depth(index).shape for index in range(3)] == [(120, 80), (80, 120), (80, 120)]
    np.save(tmp_path / f"{data.ids[1]}.npy", np.random.default_rng(1).random((80, 120)))  # not one grid for all
    with pytest.raises(WsssError, match=r"a/000\.npy is \(24, 36\)"):
        open_depth(f"files:{tmp_path}", data, "inverse")(0)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_portrait_and_landscape_are_not_confused_where_images_are_few(tmp_path: Path, count: int) -> None:
    for number in range(3):
        np.save(tmp_path / f"{number:03d}.npy", np.random.default_rng(number).random((40, 60)))
    with pytest.raises(WsssError, match=r"000\.npy is \(40, 60\)"):
        open_depth(f"files:{tmp_path}", Memory(count, size=TALL), "inverse")(0)


@pytest.mark.parametrize("values", [-1.0, 0.0, 7.0])
def test_a_folder_without_depth_is_refused(tmp_path: Path, values: float) -> None:
    for number in range(4):
        np.save(tmp_path / f"{number:03d}.npy", values * np.linspace(1, 2 if values < 0 else 1, 35).reshape(5, 7))
    with pytest.raises(WsssError, match=r"none of its 4 maps .*--depth constant"):
        open_depth(f"files:{tmp_path}", Memory(4), "metric")
    np.save(tmp_path / "003.npy", ramp())
    assert not open_depth(f"files:{tmp_path}", Memory(4), "metric")(0).any()  # a map alone may be flat
