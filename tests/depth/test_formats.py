"""Depth as cameras and phones leave it: TIFF, holes, LiDAR of a phone."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.ndimage import distance_transform_edt

from tests.depth.test_sources import Memory, ramp
from wsss.data.inverse_depth import inverse_depth, normalise_inverse_depth
from wsss.depth.formats import read_depth_file
from wsss.depth.sources import open_depth
from wsss.errors import WsssError

METRES = np.random.default_rng(0).uniform(0.3, 5, (19, 25)).astype(np.float32)
MILLIMETRES = (METRES * 1000).astype(np.uint16)


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (METRES, {}),
        (METRES, {"byteorder": ">"}),
        (METRES, {"tile": (16, 16)}),
        (METRES, {"compression": "zlib"}),
        (METRES, {"bigtiff": True}),
        (MILLIMETRES, {}),
        (MILLIMETRES, {"byteorder": ">"}),
        (MILLIMETRES, {"compression": "zlib", "predictor": True}),
        ((MILLIMETRES >> 8).astype(np.uint8), {}),
        (MILLIMETRES.astype(np.int16), {}),
        (MILLIMETRES.astype(np.uint32) * 800_000, {}),  # beyond 2³¹
    ],
)
@pytest.mark.parametrize("suffix", ["tif", "tiff"])
def test_tiff_as_another_library_writes_it(
    tmp_path: Path, suffix: str, values: np.ndarray, options: dict[str, Any]
) -> None:
    path = tmp_path / f"000.{suffix}"
    tifffile.imwrite(path, values, **options)
    read = read_depth_file(path)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, values.astype(np.float32))


def test_tiff_of_floats_with_lzw_as_opencv_writes_it(tmp_path: Path) -> None:
    Image.fromarray(METRES).save(tmp_path / "000.tiff", compression="tiff_lzw")
    np.testing.assert_array_equal(read_depth_file(tmp_path / "000.tiff"), METRES)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (np.stack([METRES, METRES]), {"photometric": "minisblack"}, "has 2 pages"),
        (np.stack([MILLIMETRES.astype(np.uint8)] * 3, -1), {"photometric": "rgb"}, "one channel of H×W is needed"),
        (METRES.astype(np.float64), {}, "TIFF of uint16 or float32"),
        (MILLIMETRES.astype(np.uint8), {"photometric": "miniswhite"}, "0 is white"),
    ],
)
def test_tiff_that_may_be_misread_is_refused(
    tmp_path: Path, values: np.ndarray, options: dict[str, Any], message: str
) -> None:
    tifffile.imwrite(tmp_path / "000.tiff", values, **options)
    with pytest.raises(WsssError, match=message) as caught:
        read_depth_file(tmp_path / "000.tiff")
    assert "000.tiff" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_shape_in_an_archive_is_noticed(tmp_path: Path) -> None:
    """NumPy reads the fewer rows, and never comes to the checksum at the end."""
    path = tmp_path / "000.npz"
    np.savez(path, depth=np.ones((24, 32)))
    content = path.read_bytes()
    assert content.count(b"(24, 32)") == 1
    path.write_bytes(content.replace(b"(24, 32)", b"(2, 32) "))
    with np.load(path) as archive:
        assert archive["depth"].shape == (2, 32)
    with pytest.raises(WsssError, match=r"000\.npz: depth\.npy in it is damaged"):
        read_depth_file(path)


@pytest.mark.parametrize("content", [b"", b"II*\0torn", b"nothing of the kind"])
def test_broken_tiff_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "000.tiff").write_bytes(content)
    with pytest.raises(WsssError, match=r"000\.tiff.*") as caught:
        read_depth_file(tmp_path / "000.tiff")
    assert "\n" not in str(caught.value)


def test_another_kind_of_file_is_refused_with_those_that_are_read(tmp_path: Path) -> None:
    (tmp_path / "000.exr").write_bytes(b"v/1\x01")
    with pytest.raises(WsssError, match=r"depth files are \.png, \.npy, \.npz, \.tiff, \.tif"):
        read_depth_file(tmp_path / "000.exr")


def realsense() -> tuple[np.ndarray, np.ndarray]:
    """A near box before a far wall in millimetres, with the shadow at its left edge, and where it is not measured."""
    depth = np.full((48, 64), 3000, np.uint16) + np.arange(64, dtype=np.uint16) * 4
    depth[12:36, 24:44] = 900
    holes = np.zeros(depth.shape, bool)
    holes[12:36, 18:24] = True  # the shadow
    holes[:, :3] = True  # the border that one of the two cameras does not see
    holes[20, 30] = holes[5, 50] = True  # single pixels
    return depth, holes


@pytest.mark.parametrize("suffix", ["png", "tiff", "npy"])
def test_holes_of_a_depth_camera_take_the_nearest_measured_value(tmp_path: Path, suffix: str) -> None:
    whole, holes = realsense()
    holed = np.where(holes, 0, whole).astype(np.uint16)
    if suffix == "npy":
        np.save(tmp_path / "000.npy", holed)
    else:
        Image.fromarray(holed).save(tmp_path / f"000.{suffix}")
    depth = open_depth(f"files:{tmp_path}", Memory(1, size=(48, 64)), "metric")(0)
    rows, columns = distance_transform_edt(holes, return_distances=False, return_indices=True)
    near = 1 / whole.astype(float)
    low, high = np.percentile(near[~holes], [1, 99])
    expected = np.clip((near[rows, columns] - low) / (high - low), 0, 1)
    np.testing.assert_allclose(depth, expected, atol=1e-5)
    assert depth[20, 30] == pytest.approx(1)  # inside the box
    assert depth[5, 50] < 0.05  # on the wall
    assert set(np.unique(np.round(depth[12:36, 18:24], 1))) <= {0.0, 0.1, 1.0}  # the box's, or the wall's: no third


@pytest.mark.parametrize("hole", [0.0, -1.0, np.nan, -np.inf])
def test_what_is_no_distance_is_a_hole(hole: float) -> None:
    row = np.array([[1.0, hole, 4.0, 4.0]])
    assert normalise_inverse_depth(inverse_depth(row, "metric"), 0, 100).tolist() in ([[1, 1, 0, 0]], [[1, 0, 0, 0]])


def test_infinitely_far_is_far_and_no_hole() -> None:
    """As stereo cameras write what is beyond their range."""
    assert normalise_inverse_depth(inverse_depth(np.array([[1.0, np.inf, 4.0]]), "metric"), 0, 100)[0, 1] == 0


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_holes_of_disparities(hole: float) -> None:
    """0 is a value there, the farthest; what is no finite number is none."""
    row = np.array([[8.0, hole, 7.0, 0.0]])
    filled = normalise_inverse_depth(inverse_depth(row, "inverse"), 0, 100)[0]
    assert filled[1] in (filled[0], filled[2])
    assert filled[3] == 0


def test_zeros_among_disparities_are_asked_about(tmp_path: Path) -> None:
    """A stereo matcher's 0 for `no match` would be the farthest of all, silently."""
    disparity, holes = realsense()
    disparity = (60_000 / disparity).astype(np.float32)
    for number in range(3):
        np.save(tmp_path / f"{number:03d}.npy", np.where(holes, 0, disparity))
    data = Memory(3, size=(48, 64))
    with pytest.warns(UserWarning, match=r"3 of 3 maps looked at in .* write NaN in its place"):
        open_depth(f"files:{tmp_path}", data, "inverse")
    for number in range(3):
        np.save(tmp_path / f"{number:03d}.npy", np.where(holes, np.nan, disparity).astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        depth = open_depth(f"files:{tmp_path}", data, "inverse")(0)
    assert depth[20, 30] == pytest.approx(1)


def test_predictions_that_reach_zero_are_not_asked_about(tmp_path: Path) -> None:
    for number in range(3):
        values = np.clip(np.tile(np.linspace(-60, 255, 64), (48, 1)), 0, 255).astype(np.uint8)
        Image.fromarray(values).save(tmp_path / f"{number:03d}.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_depth(f"files:{tmp_path}", Memory(3, size=(48, 64)), "inverse")


def phone() -> np.ndarray:
    """A LiDAR map of a phone, 192×256 metres in float32, with NaN where it measured nothing."""
    depth = np.tile(np.linspace(1, 5, 256, dtype=np.float32), (192, 1))
    depth[60:130, 90:160] = 0.6
    depth[:, :8] = np.nan
    depth[100, 120] = np.nan
    return depth


@pytest.mark.parametrize("size", [(480, 640), (756, 1008), (378, 500)])
def test_the_lidar_map_of_a_phone(tmp_path: Path, size: tuple[int, int]) -> None:
    """Its photograph has many times its pixels, and its aspect ratio within 5 %; confidence maps lie beside it."""
    for form in ("npy", "tiff"):
        folder = tmp_path / form
        folder.mkdir()
        if form == "npy":
            np.save(folder / "000.npy", phone())
        else:
            tifffile.imwrite(folder / "000.tiff", phone())
        Image.fromarray(np.full((192, 256), 2, np.uint8)).save(folder / "000_confidence.png")
        depth = open_depth(f"files:{folder}", Memory(1, size=size), "metric")(0)
        assert depth.shape == size
        assert np.isfinite(depth).all()
        middle = depth[size[0] * 100 // 192, size[1] * 120 // 256]
        assert middle == pytest.approx(1)  # a hole in the nearest thing has its value
        assert depth[5, 5] == pytest.approx(depth[5, size[1] * 9 // 256], abs=0.02)  # the border that of the next


def test_a_photograph_of_another_shape_than_the_phones_map_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "000.npy", phone())
    for size in ((1080 // 4, 1920 // 4), (640, 480)):  # a frame of a video, and a photograph that was turned
        with pytest.raises(WsssError, match=r"is \(192, 256\) \(H, W\), which is not the aspect ratio"):
            open_depth(f"files:{tmp_path}", Memory(1, size=size), "metric")(0)


def test_confidence_maps_are_no_depth(tmp_path: Path) -> None:
    np.save(tmp_path / "000_confidence.npy", ramp())
    with pytest.raises(WsssError, match="no depth for image 000"):
        open_depth(f"files:{tmp_path}", Memory(1), "metric")(0)
