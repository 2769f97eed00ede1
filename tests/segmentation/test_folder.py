"""Networks on folders of images, and pseudo-labels for other toolboxes."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from wsss.data.labelled import LabelledPhotographs
from wsss.data.pictures import read_image
from wsss.data.registry import open_dataset
from wsss.errors import WsssError
from wsss.pseudo.export import export_voc
from wsss.pseudo.labels import load_pseudo_label, save_pseudo_label
from wsss.segmentation.folder import image_files, predict_folder, shares
from wsss.segmentation.inference import predict
from wsss.segmentation.network import build_network, save_network
from wsss.segmentation.predictor import load_predictor
from wsss.segmentation.standing import FACTS

HALF = (0.5, 0.5, 0.5)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = build_network(2, "Unet", "tu-mobilenetv3_small_050")
    facts = {"classes": ("cat", "dog"), "mean": HALF, "std": HALF, "long_side": 64, "scales": (1.0, 1.5)}
    save_network(tmp_path / "net.safetensors", network, {key: json.dumps(value) for key, value in facts.items()})
    return tmp_path / "net.safetensors"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, size in (("a.jpg", (30, 40, 3)), ("b.png", (50, 20, 3)), ("c.PNG", (33, 33))):
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    (folder / ".a.x7.part.jpg").write_bytes(b"half")  # left by a process that was killed
    return folder


def test_every_image_gets_a_label_map_and_a_picture(checkpoint: Path, images: Path, tmp_path: Path) -> None:
    labels = predict_folder(load_predictor(checkpoint), images, tmp_path / "out", progress=False)
    assert [path.name for path in labels] == ["a.png", "b.png", "c.png"]
    predictor = load_predictor(checkpoint)
    for path, source in zip(labels, image_files(images), strict=True):
        image = read_image(source)
        expected = predict(
            predictor.network, image, mean=HALF, std=HALF, scales=(1.0, 1.5), long_side=64, device=torch.device("cpu")
        )
        np.testing.assert_array_equal(load_pseudo_label(path), expected)
        assert read_image(tmp_path / "out" / "overlays" / path.name).shape == image.shape
    assert sum(shares(labels, predictor.classes).values()) == pytest.approx(100)


def test_pictures_may_be_left_out(checkpoint: Path, images: Path, tmp_path: Path) -> None:
    predict_folder(load_predictor(checkpoint), images, tmp_path / "out", overlays=False, progress=False)
    assert not (tmp_path / "out" / "overlays").exists()


def corrected(path: Path) -> np.ndarray:
    """The label map at `path` after somebody has painted into it."""
    label = load_pseudo_label(path)
    label[:5] = 2 - label[:5]
    save_pseudo_label(path, label)
    return label


@pytest.mark.parametrize("stopped", [False, True], ids=["of a whole command", "of one that was stopped"])
def test_corrected_maps_stay(
    checkpoint: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], stopped: bool
) -> None:
    """And others are not made again; those of replaced photographs are."""
    out, predictor = tmp_path / "out", load_predictor(checkpoint)
    predict_folder(predictor, images, out, progress=False)
    if stopped:  # before it could write down what it had made
        facts = json.loads((out / FACTS).read_text())
        for identity in facts["images"].values():
            del identity["map"]
        (out / FACTS).write_text(json.dumps(facts))
    kept = corrected(out / "a.png")
    Image.fromarray(255 - read_image(images / "b.png")).save(images / "b.png")
    (out / "overlays" / "c.png").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    Image.new("RGB", (20, 20), "red").save(images / "d.png")
    capsys.readouterr()
    labels = predict_folder(predictor, images, out, progress=False)
    assert "corrected by hand, and kept as they are: 1 label map (a)\n" in capsys.readouterr().err
    assert [path.name for path in labels] == ["a.png", "b.png", "c.png", "d.png"]
    np.testing.assert_array_equal(load_pseudo_label(out / "a.png"), kept)
    assert (out / "a.png").stat().st_mtime_ns == before["a.png"]
    assert (out / "b.png").stat().st_mtime_ns != before["b.png"]
    assert len(list((out / "overlays").glob("*.png"))) == 4
    again = tmp_path / "again"
    predict_folder(predictor, images, again, progress=False)
    for name in ("b.png", "c.png", "d.png"):
        assert (out / name).read_bytes() == (again / name).read_bytes()


def test_maps_of_replaced_photographs_are_not_handed_over(checkpoint: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    predict_folder(load_predictor(checkpoint), images, out, progress=False)
    assert len(LabelledPhotographs(images, out)) == 3
    Image.fromarray(255 - read_image(images / "b.png")).save(images / "b.png")
    with pytest.raises(WsssError, match=r"1 photograph \(b\.png\) in .* changed after the label maps"):
        LabelledPhotographs(images, out)


def test_what_is_there_is_not_made_again(
    checkpoint: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = load_predictor(checkpoint)
    labels = predict_folder(predictor, images, tmp_path / "out", progress=False)
    monkeypatch.setattr("wsss.segmentation.folder.save_pseudo_label", lambda *_: pytest.fail("made again"))
    assert predict_folder(predictor, images, tmp_path / "out", progress=False) == labels


@pytest.mark.parametrize("label", [np.zeros((3, 3), np.uint8), np.full((30, 40), 7, np.uint8)], ids=["size", "class"])
def test_a_corrected_map_that_does_not_fit_is_named(
    checkpoint: Path, images: Path, tmp_path: Path, label: np.ndarray
) -> None:
    predictor = load_predictor(checkpoint)
    predict_folder(predictor, images, tmp_path / "out", progress=False)
    save_pseudo_label(tmp_path / "out" / "a.png", label)
    with pytest.raises(WsssError, match=r"a\.png"):
        predict_folder(predictor, images, tmp_path / "out", progress=False)


def test_a_broken_image_is_named_or_skipped(checkpoint: Path, images: Path, tmp_path: Path) -> None:
    (images / "b.png").write_bytes(b"broken")
    with pytest.raises(WsssError, match=r"b\.png"):
        predict_folder(load_predictor(checkpoint), images, tmp_path / "out", progress=False)
    skipped: list[WsssError] = []
    labels = predict_folder(load_predictor(checkpoint), images, tmp_path / "out", skip=skipped.append, progress=False)
    assert [path.name for path in labels] == ["a.png", "c.png"]
    assert ["b.png" in str(error) for error in skipped] == [True]
    for path in images.iterdir():
        path.write_bytes(b"broken")
    none = predict_folder(load_predictor(checkpoint), images, tmp_path / "none", skip=skipped.append, progress=False)
    with pytest.raises(WsssError, match="none of the images could be read"):
        shares(none, ("cat",))


def test_unusable_folders_are_named(images: Path, tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="no folder"):
        image_files(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WsssError, match="holds no image"):
        image_files(tmp_path / "empty")
    Image.new("RGB", (2, 2)).save(images / "a.png")
    with pytest.raises(WsssError, match=r"a\.jpg.*a\.png|a\.png.*a\.jpg"):
        image_files(images)


def test_a_checkpoint_without_its_facts_is_named(tmp_path: Path) -> None:
    save_network(tmp_path / "bare.safetensors", build_network(2, "Unet", "tu-mobilenetv3_small_050"), {})
    with pytest.raises(WsssError, match=r"bare\.safetensors does not say 'classes'"):
        load_predictor(tmp_path / "bare.safetensors")


def test_an_exported_folder_is_read_by_us_and_by_torchvision(tiny_voc: Path, tmp_path: Path) -> None:
    data = open_dataset("voc", "train", root=tiny_voc, classes=("dog", "cat"))
    labels = tmp_path / "labels"
    for index, sample in enumerate(data):
        save_pseudo_label(
            labels / f"{sample.id}.png", np.where(sample.required_mask > 0, index % 3, 0).astype(np.uint8)
        )
    out = tmp_path / "VOCdevkit" / "VOC2012"
    export_voc(data, labels, out, "train", progress=False)
    export_voc(open_dataset("voc", "val", root=tiny_voc, classes=("dog", "cat")), None, out, "val", progress=False)
    theirs = torchvision.datasets.VOCSegmentation(tmp_path, year="2012", image_set="train")
    assert len(theirs) == len(data)
    for (image, mask), sample in zip(theirs, data, strict=True):
        assert image.size == sample.image.shape[1::-1]
        np.testing.assert_array_equal(np.array(mask), load_pseudo_label(labels / f"{sample.id}.png"))
        assert abs(np.array(image).astype(int) - sample.image).mean() < 3
    ours = open_dataset("voc", "val", root=out)
    assert ours.classes == ("dog", "cat")
    for sample, truth in zip(ours, open_dataset("voc", "val", root=tiny_voc, classes=("dog", "cat")), strict=True):
        np.testing.assert_array_equal(sample.mask, truth.mask)


def test_a_missing_label_map_leaves_no_list(tiny_voc: Path, tmp_path: Path) -> None:
    data = open_dataset("voc", "train", root=tiny_voc)
    with pytest.raises(WsssError, match=data.ids[0]):
        export_voc(data, tmp_path / "none", tmp_path / "out", "train", progress=False)
    assert not (tmp_path / "out" / "ImageSets").exists()


@pytest.mark.parametrize("place", ["", "labels", ".."])
def test_photographs_are_never_replaced(checkpoint: Path, images: Path, place: str) -> None:
    before = {path.name: path.read_bytes() for path in images.iterdir()}
    with pytest.raises(WsssError, match="Give another folder with --out"):
        predict_folder(load_predictor(checkpoint), images, images / place, progress=False)
    assert {path.name: path.read_bytes() for path in images.iterdir()} == before


def test_a_folder_with_the_name_of_an_image_is_passed_over(images: Path) -> None:
    (images / "x.jpg").mkdir()
    assert [path.name for path in image_files(images)] == ["a.jpg", "b.png", "c.PNG"]


def test_what_is_passed_over_is_named(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(6):
        (images / f"sheet {number}.csv").write_text("1")
    (images / "more").mkdir()
    (images / "more" / "text").write_text("1")
    assert [path.name for path in image_files(images)] == ["a.jpg", "b.png", "c.PNG"]
    assert f"passed over in {images}, no images: 8 files (more/text, notes.txt, sheet 0.csv, …)" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("name", ["d.heic", "d.HEIC", "d.avif", "d.dng", "d.gif"])
def test_pictures_that_cannot_be_read_are_named_or_skipped(
    checkpoint: Path, images: Path, tmp_path: Path, name: str
) -> None:
    (images / name).write_bytes(b"a picture")
    with pytest.raises(WsssError, match=rf"{name} is a picture of a kind that is not read here.*mogrify -format jpg"):
        predict_folder(load_predictor(checkpoint), images, tmp_path / "out", progress=False)
    skipped: list[WsssError] = []
    labels = predict_folder(load_predictor(checkpoint), images, tmp_path / "out", skip=skipped.append, progress=False)
    assert [path.name for path in labels] == ["a.png", "b.png", "c.png"]
    assert [name in str(error) for error in skipped] == [True]


def test_folders_are_entered_and_label_maps_lie_in_the_same_ones(
    checkpoint: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(images, tmp_path / "linked")
    (images / "k").symlink_to(tmp_path / "linked")
    (images / "k" / "round").symlink_to(images)
    (images / "overlays").mkdir()
    Image.new("RGB", (2, 2)).save(images / "overlays" / "a.png")
    predictor, out = load_predictor(checkpoint), tmp_path / "out"
    for _ in range(2):  # the second time the folder is known
        labels = predict_folder(predictor, images, out, progress=False)
        names = ["a.png", "b.png", "c.png", "k/a.png", "k/b.png", "k/c.png"]
        assert [path.relative_to(out).as_posix() for path in labels] == names
    for name in names:
        assert read_image(out / "overlays" / name).shape[:2] == load_pseudo_label(out / name).shape
    assert set(json.loads((out / "labels.json").read_text())["images"]) == {name.removesuffix(".png") for name in names}
    assert f"passed over in {images}, in the folder of the overlays: 1 file (overlays/a.png)" in capsys.readouterr().err
    (out / "labels.json").unlink()
    for path in (*out.glob("*.png"), *out.glob("overlays/*.png"), *out.glob("overlays/*/*.png")):
        path.unlink()
    with pytest.raises(WsssError, match=r"holds k/a\.png already, and does not say"):
        predict_folder(predictor, images, out, progress=False)


@pytest.mark.parametrize("name", ["a.gif", "b.CR2"])
def test_what_a_picture_was_converted_from_is_passed_over(
    images: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (images / name).write_bytes(b"a picture")
    assert [path.name for path in image_files(images)] == ["a.jpg", "b.png", "c.PNG"]
    said = f"passed over in {images}, beside a picture of the same name that is read: 1 file ({name})"
    assert said in capsys.readouterr().err.splitlines()


def test_photographs_that_are_stored_turned_are_turned(checkpoint: Path, images: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = read_image(images / "b.png")
    Image.fromarray(np.ascontiguousarray(np.rot90(upright))).save(images / "d.png", exif=exif)
    labels = predict_folder(load_predictor(checkpoint), images, tmp_path / "out", progress=False)
    np.testing.assert_array_equal(load_pseudo_label(labels[3]), load_pseudo_label(labels[1]))
    np.testing.assert_array_equal(
        read_image(tmp_path / "out" / "overlays" / "d.png"), read_image(tmp_path / "out" / "overlays" / "b.png")
    )


LIMITED = """
import json, resource, sys
from pathlib import Path
import numpy as np, psutil, torch
torch.set_num_threads(1)
from wsss.segmentation.folder import predict_folder
from wsss.segmentation.predictor import load_predictor
net, images, out = map(Path, sys.argv[1:4])
predictor = load_predictor(net)
list(predictor([np.zeros((32, 32, 3), "uint8")], torch.device("cpu")))  # all libraries are there now
said = []
for spare in sys.argv[4:]:
    limit = psutil.Process().memory_info().vms + int(spare)
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    skipped = []
    found = predict_folder(predictor, images, out / spare, overlays=False, skip=skipped.append, progress=False)
    said.append([[path.name for path in found], [str(error) for error in skipped]])
print(json.dumps(said))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux alone")
def test_photographs_of_twelve_megapixels_fit_into_little_memory_or_are_named(tmp_path: Path) -> None:
    """At its own size the maps of 20 classes of one take 1 GB; those of a batch were made at once, three times over."""
    torch.manual_seed(0)
    names = [f"c{number}" for number in range(20)]
    facts = {"classes": names, "mean": HALF, "std": HALF, "long_side": 128, "scales": (1.5,)}
    network = build_network(20, "Unet", "tu-mobilenetv3_small_050")
    save_network(tmp_path / "net.safetensors", network, {key: json.dumps(value) for key, value in facts.items()})
    (tmp_path / "big").mkdir()
    for number in range(2):
        Image.new("RGB", (4000, 3000), (90, 120, 200)).save(tmp_path / "big" / f"p{number}.jpg")
    paths = (str(tmp_path / name) for name in ("net.safetensors", "big", "out"))
    command = [sys.executable, "-c", LIMITED, *paths, "1800000000", "500000000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    enough, little = json.loads(done.stdout)
    assert enough == [["p0.png", "p1.png"], []]
    assert little[0] == []
    for number, said in enumerate(little[1]):
        needed = r"pixels needs about 1\.\d GB of memory, and 0\.[45] GB are free\. Make"
        assert re.match(rf"image .*p{number}\.jpg of 4000×3000 {needed}", said)
        assert "\n" not in said
    assert len(little[1]) == 2


def test_an_image_for_which_memory_is_refused_is_named(checkpoint: Path, images: Path, tmp_path: Path) -> None:
    predictor = load_predictor(checkpoint)

    def refuse(_: object, given: tuple[torch.Tensor]) -> None:
        if given[0].shape[-2] > given[0].shape[-1]:  # b.png is upright
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    predictor.network.register_forward_pre_hook(refuse)
    with pytest.raises(WsssError, match=r"b\.png: an image of 20×50 pixels needs about"):
        predict_folder(predictor, images, tmp_path / "out", progress=False)
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["a.png"]
