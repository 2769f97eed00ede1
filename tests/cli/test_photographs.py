"""From photographs and tags to labels, a page and a network, with no mask anywhere."""

import csv
import json
import os
import re
import shlex
import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image
from typer.testing import CliRunner

from wsss.cli import app
from wsss.data.masks import read_class_mask
from wsss.data.photographs import TaggedPhotographs
from wsss.data.voc import VocDataset
from wsss.depth.monocular import DepthNetwork, save_depth_network
from wsss.errors import WsssError
from wsss.pseudo.labels import save_pseudo_label
from wsss.segmentation.predictor import load_predictor

pytestmark = pytest.mark.usefixtures("tiny_weights")

PAGE = Path(__file__).parents[2] / "docs" / "own-photographs.md"

TAGS = {"astronaut": "person", "coffee": "cup", "chelsea": "cat", "motorcycle": "moped"}

Command = Callable[..., str]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four photographs of scikit-image, small, and `tags.csv` beside their folder."""
    pictures = {name: getattr(skimage.data, name)() for name in TAGS if name != "motorcycle"}
    pictures["motorcycle"] = skimage.data.stereo_motorcycle()[0]
    (tmp_path / "photos").mkdir()
    for name, array in pictures.items():
        picture = Image.fromarray(array)
        picture.thumbnail((80, 80))
        picture.save(tmp_path / "photos" / f"{name}.jpg")
    (tmp_path / "tags.csv").write_text("".join(f"{name}.jpg,{tag}\n" for name, tag in TAGS.items()))
    return tmp_path / "photos"


@pytest.fixture
def run(photos: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`run("label", …)` in the tests' folder with a tiny backbone; gives what is printed, or raises."""
    tiny = {
        "classifier.backbone": "test_efficientnet",
        "classifier.base_side": 64,
        "segmentation.encoder": "tu-test_efficientnet",
        "segmentation.frozen_stages": 0,
    }
    monkeypatch.chdir(photos.parent)
    monkeypatch.setenv("WSSS_RUNS", str(photos.parent / "runs"))
    monkeypatch.setenv("WSSS_PROFILE", "smoke")
    monkeypatch.setenv("WSSS_SETTINGS", json.dumps(tiny | {"segmentation.batch_size": 2, "segmentation.iterations": 2}))

    def called(command: str, *more: str) -> str:
        given = [command, "--images", "photos", "--tags", "tags.csv", *more]
        result = CliRunner().invoke(app, given, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    return called


def test_labels_a_page_and_a_network_from_tags_alone(run: Command, photos: Path) -> None:
    output, out = run("label", "--depth", "none", "--out", "labels", "--network"), photos.parent / "labels"
    assert "4 label maps of rgb-region in labels; not scored: no pixel of train has a label" in output
    assert output.splitlines()[-2:] == [
        "look through them, least certain first: labels/review.html",
        "Everything is in labels",
    ]
    assert (out / "classes.txt").read_text() == "cat\ncup\nmoped\nperson\n"
    numbers = {"cat": 1, "cup": 2, "moped": 3, "person": 4}
    for name, tag in TAGS.items():
        with Image.open(photos / f"{name}.jpg") as picture:
            label = read_class_mask(out / f"{name}.png", (picture.height, picture.width), 4)
        assert set(np.unique(label)) <= {0, numbers[tag]}
        assert (out / "review" / f"{name}.jpg").is_file()
    facts = json.loads((out / "labels.json").read_text())
    assert (facts["chosen_on"], facts["preset"]["name"], facts["images"]) == ("preset", "photographs", 4)
    assert facts["scores"] == "not scored: no pixel of train has a label"
    with (out / "review.csv").open(newline="") as file:
        confidence = [float(row["confidence"]) for row in csv.DictReader(file)]
    assert confidence == sorted(confidence)
    assert load_predictor(out / "network.safetensors").classes == ("cat", "cup", "moped", "person")
    assert not list((photos.parent / "runs").glob("*/results"))  # no record without a score


def test_corrected_maps_stay_and_teach_the_network(run: Command, photos: Path) -> None:
    """What someone has mended by hand is kept, shown on the page, and learnt from; a map that cannot be one is named."""
    out, given = photos.parent / "labels", ("label", "--depth", "none", "--out", "labels")
    assert "corrected" not in run(*given, "--network")
    network, page = (out / "network.safetensors").read_bytes(), (out / "review.html").read_text()
    with Image.open(out / "coffee.png") as picture:
        size = picture.size
        picture.point(lambda number: 2 - number).save(out / "coffee.png")  # 2 is the cup
    mended = (out / "coffee.png").read_bytes()
    (out / "chelsea.png").unlink()  # made anew
    assert "network.safetensors may have learnt before maps were corrected" in run(*given)
    told = run(*given, "--network")
    assert "may have learnt" not in told
    assert "corrected by hand, and kept as they are: 1 photograph (coffee)" in told
    assert (out / "coffee.png").read_bytes() == mended
    assert (out / "chelsea.png").is_file()
    assert json.loads((out / "labels.json").read_text())["corrected"] == ["coffee"]
    assert (out / "network.safetensors").read_bytes() != network
    assert "Maps corrected by hand: 1." in (out / "review.html").read_text()
    (out / "coffee.png").unlink()
    assert "corrected" not in run(*given, "--network")
    assert (out / "network.safetensors").read_bytes() == network
    assert (out / "review.html").read_text() == page
    Image.new("L", size, 9).save(out / "coffee.png")
    with pytest.raises(WsssError, match=r"coffee\.png.*9"):
        run(*given)
    Image.new("L", (3, 3), 1).save(out / "coffee.png")
    with pytest.raises(WsssError, match=r"coffee\.png"):
        run(*given)


def test_corrected_maps_are_not_lost_when_a_photograph_comes_to_them(run: Command, photos: Path) -> None:
    """They are named, and what is said to do keeps them."""
    run("label", "--depth", "none", "--out", "labels")
    old, new = photos.parent / "labels", photos.parent / "new"
    label = np.array(Image.open(old / "coffee.png"))
    label[:9] = 2 - label[:9]
    save_pseudo_label(old / "coffee.png", label)
    shutil.copy(photos / "chelsea.jpg", photos / "another.jpg")
    with (photos.parent / "tags.csv").open("a") as file:
        file.write("another.jpg,cat\n")
    with pytest.raises(WsssError, match=r"Corrected by hand in labels: 1 map \(coffee\)\. If both folders"):
        run("label", "--depth", "none", "--out", "labels")
    run("label", "--depth", "none", "--out", "new")
    assert (old / "classes.txt").read_bytes() == (new / "classes.txt").read_bytes()
    shutil.copy(old / "coffee.png", new / "coffee.png")
    assert "corrected by hand, and kept as they are: 1 photograph (coffee)" in run(
        "label", "--depth", "none", "--out", "new"
    )
    np.testing.assert_array_equal(np.array(Image.open(new / "coffee.png")), label)


def test_files_that_do_not_fit_are_named_before_anything_is_trained(run: Command, photos: Path) -> None:
    """Depth maps and masks of all photographs, not of the first alone."""
    depth, masks = photos.parent / "depth", photos.parent / "masks"
    for folder in (depth, masks):
        folder.mkdir()
    for path in sorted(photos.glob("*.jpg"))[:2]:
        width, height = Image.open(path).size
        np.save(depth / f"{path.stem}.npy", np.linspace(1, 3, height * width).reshape(height, width))
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(masks / "coffee.png")
    (masks / "classes.txt").write_text("cat\ncup\nmoped\nperson\n")
    given = ["--depth", "files:depth", "--depth-kind", "metric"]
    with pytest.raises(WsssError, match=r"no depth for image coffee.*There are 1 more such files\."):
        run("label", *given, "--out", "labels")
    with pytest.raises(WsssError, match=r"coffee\.png"):
        run("label", "--depth", "none", "--tune-masks", "masks", "--out", "labels")
    assert not list((photos.parent / "runs").rglob("classifier/*.safetensors"))


def _of_double_size(folder: Path) -> None:
    """Photographs of 160 pixels on the long side in place of those of 80."""
    for path in folder.glob("*.jpg"):
        with Image.open(path) as picture:
            large = picture.resize((picture.width * 2, picture.height * 2))
        large.save(path)


def test_large_photographs_get_label_maps_of_their_own_size(
    run: Command, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are looked at as small copies; maps, boxes, corrections and depth are in the photographs' own pixels."""
    _of_double_size(photos)
    depth = photos.parent / "depth"
    depth.mkdir()
    sizes = {}
    for path in photos.glob("*.jpg"):
        with Image.open(path) as picture:
            sizes[path.stem] = picture.size[::-1]
        np.save(depth / f"{path.stem}.npy", np.linspace(1, 3, np.prod(sizes[path.stem])).reshape(sizes[path.stem]))
    said: list[str] = []
    monkeypatch.setattr("wsss.machine.processes.tell", said.append)
    given = ("label", "--depth", "files:depth", "--depth-kind", "metric", "--side", "80", "--out", "labels")
    run(*given)
    assert [one for one in said if "--side" in one] == [
        "4 photographs (astronaut, chelsea, coffee, …) of more than 80 pixels on the long side: reduced to as many first "
        "(--side). Label maps have the photographs' own size."
    ]
    out = photos.parent / "labels"
    for name, size in sizes.items():
        read_class_mask(out / f"{name}.png", size, 4)
    with (out / "review.csv").open(newline="") as file:
        boxes = [row for row in csv.DictReader(file) if row["bottom"]]
    assert boxes
    assert all(int(row["bottom"]) <= sizes[row["photograph"]][0] for row in boxes)
    assert max(int(row["right"]) for row in boxes) > 80
    save_pseudo_label(out / "coffee.png", np.full(sizes["coffee"], 1, np.uint8))
    assert "corrected by hand, and kept as they are: 1 photograph (coffee)" in run(*given, "--network")
    save_pseudo_label(out / "coffee.png", np.full((53, 80), 1, np.uint8))  # of the small copy
    with pytest.raises(WsssError, match=r"coffee\.png is \(53, 80\)"):
        run(*given)
    exported = ("export", "--depth", "files:depth", "--depth-kind", "metric", "--side", "80", "--out", "voc")
    run(*exported)
    for folder, suffix in (("JPEGImages", "jpg"), ("SegmentationClass", "png")):
        for name, size in sizes.items():
            with Image.open(photos.parent / "voc" / folder / f"{name}.{suffix}") as picture:
                assert picture.size[::-1] == size


def test_a_classifier_that_has_hardly_learnt_says_so(
    run: Command, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the numbers that say it, in the file and on the page too; one that has learnt does not."""
    said: list[str] = []
    monkeypatch.setattr("wsss.machine.processes.tell", said.append)
    run("label", "--depth", "none", "--out", "labels")
    (line,) = [one for one in said if "hardly learnt" in one]
    assert re.match(
        r"the classifier has hardly learnt: its loss is 0\.\d\d, and that of the classes' shares alone 0\.56", line
    )
    assert "--epochs 4" in line
    out = photos.parent / "labels"
    assert json.loads((out / "labels.json").read_text())["classifier_doubt"] == line
    assert "The classifier has hardly learnt" in (out / "review.html").read_text()
    said.clear()
    monkeypatch.setattr("wsss.cam.training.LEARNT", 9)
    run("label", "--depth", "none", "--out", "again")
    assert not [one for one in said if "hardly learnt" in one]
    assert json.loads((photos.parent / "again" / "labels.json").read_text())["classifier_doubt"] is None


def test_few_photographs_have_more_epochs_unless_somebody_says_how_many(
    run: Command, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSSS_PROFILE", "default")
    monkeypatch.setattr("wsss.experiments.own_photographs.STEPS", 9)
    said: list[str] = []
    monkeypatch.setattr("wsss.machine.processes.tell", said.append)

    def epochs(out: str, *more: str) -> int:
        said.clear()
        run("label", "--depth", "none", "--out", out, *more)
        made: int = json.loads((photos.parent / out / "labels.json").read_text())["epochs"]
        return made

    assert epochs("labels") == 9
    assert "few photographs (4): the classifier has 9 epochs, not 6 (--epochs)" in said
    assert epochs("labels") == 9  # and finds again what is there
    for more in (("--epochs", "2"), ("--set", "classifier.epochs=2")):
        assert epochs("two", *more) == 2
        assert not [one for one in said if "few photographs" in one]
    monkeypatch.setattr("wsss.experiments.own_photographs.STEPS", 3)
    assert epochs("few") == 6
    assert not [one for one in said if "few photographs" in one]


def test_a_side_that_no_photograph_exceeds_changes_nothing(run: Command, photos: Path) -> None:
    """What was made with another one is found again; of larger photographs other maps are other labels."""
    run("label", "--depth", "none", "--out", "labels")
    run("label", "--depth", "none", "--out", "labels", "--side", "4000")
    with pytest.raises(WsssError, match="holds other label maps, of other photographs, tags or settings"):
        run("label", "--depth", "none", "--out", "labels", "--side", "64")


def test_no_depth_and_a_method_that_looks_at_it_are_refused(run: Command) -> None:
    for method in ("depth", "cam+par-depth"):
        with pytest.raises(WsssError, match=f"{re.escape(method)} looks at depth, and --depth none says that"):
            run("label", "--depth", "none", "--method", method, "--out", "labels")


def test_with_depth_maps_and_two_masks(run: Command, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks choose in place of the preset, and the classes keep their numbers."""
    for folder in ("depth", "masks"):
        (photos.parent / folder).mkdir()
    for name in TAGS:
        with Image.open(photos / f"{name}.jpg") as picture:
            rows, columns = np.mgrid[: picture.height, : picture.width]
        Image.fromarray((4000 - 20 * rows).astype(np.uint16)).save(photos.parent / "depth" / f"{name}.png")
        if name in ("chelsea", "coffee"):
            inside = abs(columns - columns.mean()) < 20
            Image.fromarray((inside * (1 + (name == "coffee"))).astype(np.uint8)).save(
                photos.parent / "masks" / f"{name}.png"
            )
    (photos.parent / "masks" / "classes.txt").write_text("cat\ncup\nperson\nmoped\n")
    depth = ("--depth", "files:depth", "--depth-kind", "metric")
    told: list[str] = []
    monkeypatch.setattr("wsss.machine.processes.tell", told.append)
    output = run("label", *depth, "--tune-masks", "masks", "--out", "labels")
    assert told[-2].startswith("2 masks choose parameters and threshold: fewer than 20 may choose by chance")
    assert "4 label maps of depth@files in labels" in output
    facts = json.loads((photos.parent / "labels" / "labels.json").read_text())
    assert (facts["chosen_on"], facts["preset"], facts["tune_images"]) == ("tune", None, 2)
    assert facts["classes"] == ["cat", "cup", "moped", "person"]
    with pytest.raises(WsssError, match="5 masks are needed at least"):
        run("compare", *depth, "--tune-masks", "masks")
    # Without them the classifier is the same and is found again; the labels are others, for which the folder is taken.
    before = list((photos.parent / "runs" / "cache" / "classifier").iterdir())
    with pytest.raises(WsssError, match=r"labels holds other label maps.*Give another folder with --out"):
        run("label", *depth, "--out", "labels")
    assert list((photos.parent / "runs" / "cache" / "classifier").iterdir()) == before


def test_compare_with_a_mask_of_each_of_five(run: Command, photos: Path) -> None:
    shutil.copy(photos / "chelsea.jpg", photos / "chelsea2.jpg")
    with (photos.parent / "tags.csv").open("a") as file:
        file.write("chelsea2.jpg,cat\n")
    (photos.parent / "masks").mkdir()
    (photos.parent / "masks" / "classes.txt").write_text("cat\ncup\nmoped\nperson\n")
    numbers = {"cat": 1, "cup": 2, "moped": 3, "person": 4}
    for path in photos.iterdir():
        with Image.open(path) as picture:
            rows, _ = np.mgrid[: picture.height, : picture.width]
        mask = (rows > rows.mean()) * numbers[TAGS[path.stem.strip("2")]]
        Image.fromarray(mask.astype(np.uint8)).save(photos.parent / "masks" / f"{path.stem}.png")
    output = run("compare", "--depth", "none", "--tune-masks", "masks", "--out", "worth.json")
    lines = output.splitlines()
    assert lines[0] == "5 masks, each scored with what was chosen on the others; preset: photographs"
    assert [line.split()[0] for line in lines[3:6]] == ["cam", "zoom", "rgb-region"]
    assert lines[-2].startswith("use ")
    written = json.loads((photos.parent / "worth.json").read_text())
    assert (written["masks"], written["advice"]) == (5, lines[-2])


def test_without_the_masks_that_there_were_labels_are_the_same(
    tiny_voc: Path, tmp_path: Path, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder with true masks, labelled by tags: once as it is, once with masks that nobody can read, then without."""
    data = VocDataset(tiny_voc, "train_aug", ("cat", "dog"))
    lines = (f"{sample.id},{';'.join(np.array(data.classes)[sample.labels])}\n" for sample in data)
    (tmp_path / "tags.csv").write_text("".join(lines))
    (tmp_path / "photos").rename(tmp_path / "other")
    (tiny_voc / "JPEGImages").rename(tmp_path / "photos")

    def labels(where: str) -> dict[str, bytes]:
        monkeypatch.setenv("WSSS_RUNS", str(tmp_path / f"runs-{where}"))
        depth = ("--depth", f"files:{tiny_voc / 'DepthMETER'}", "--depth-kind", "metric")
        assert f"{len(data)} label maps of depth@meter in {where}" in run("label", *depth, "--out", where)
        return {path.name: path.read_bytes() for path in (tmp_path / where).glob("*.png")}

    masks = [tiny_voc / folder for folder in ("SegmentationClass", "SegmentationClassAug")]
    before = labels("as-it-is")
    for path in (path for folder in masks for path in folder.iterdir()):
        path.write_bytes(b"no picture")
        path.chmod(0)
    assert labels("unreadable") == before
    for folder in masks:
        shutil.rmtree(folder)
    assert labels("removed") == before
    assert len(before) == len(data)


def test_an_interrupted_command_goes_on_and_others_files_stay(run: Command, photos: Path) -> None:
    out = photos.parent / "labels"
    out.mkdir()
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(out / "holiday.png")
    command = ("label", "--depth", "none", "--method", "cam", "--out", "labels")
    with pytest.raises(WsssError, match=r"labels holds holiday\.png already, and does not say"):
        run(*command)
    assert not (photos.parent / "runs" / "cache" / "classifier").exists()  # said before anything is trained
    (out / "holiday.png").unlink()
    run(*command)
    (out / "coffee.png").unlink()
    run(*command)
    assert (out / "coffee.png").is_file()
    with pytest.raises(WsssError, match=r"is, holds or lies in .*photos, which is read"):
        run("label", "--depth", "none", "--out", "photos/labels")


def test_offline_the_way_on_is_named(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WsssError) as caught:
        run("label", "--out", "labels")
    message = str(caught.value)
    assert message.startswith("cannot get depth model depth-anything/Depth-Anything-V2-Small-hf from the hub")
    assert "--depth none (regions of colour)" in message
    assert "--depth files:DIR" in message
    assert "\n" not in message
    with pytest.raises(WsssError, match=r"photographs have no depth to learn from.*--depth none"):
        run("label", "--depth", "learned", "--out", "labels")
    with pytest.raises(WsssError, match="unknown preset 'mine'"):
        run("label", "--depth", "none", "--preset", "mine", "--out", "labels")


def test_offline_a_network_of_train_depth_takes_the_place_of_the_hubs_model(
    run: Command, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest that has seen none of the photographs, and is no smoke run's; it is named where labels are."""

    def unreachable(model: str) -> None:
        raise WsssError(f"cannot get depth model {model} from the hub")

    monkeypatch.setattr("wsss.experiments.own_photographs.require_hub_model", unreachable)
    told: list[str] = []
    monkeypatch.setattr("wsss.machine.processes.tell", told.append)
    seen = {"default/first": "0001", "default/rooms": "0001", "default/cats": "chelsea", "smoke/rooms": "0001"}
    for age, (place, name) in enumerate(seen.items()):
        network = DepthNetwork.build("test_efficientnet", (0.5,) * 3, (0.5,) * 3, 64, [name])
        save_depth_network(photos.parent / "runs" / place / "depth.safetensors", network)
        os.utime(photos.parent / "runs" / place / "depth.safetensors", (1000 + age, 1000 + age))
    assert "4 label maps of depth@learned in labels" in run("label", "--out", "labels")
    hub, network_file = "hf:depth-anything/Depth-Anything-V2-Small-hf", "runs/default/rooms/depth.safetensors"
    assert told[0] == f"{hub} cannot be had from the hub: depth is predicted by {network_file}"
    facts = json.loads((photos.parent / "labels" / "labels.json").read_text())
    assert facts["depth"] == {"source": f"learned:{network_file}", "instead_of": hub}
    with pytest.raises(WsssError, match="cannot get depth model"):  # what is named is never replaced
        run("label", "--depth", hub, "--out", "other")
    run("label", "--method", "cam", "--out", "plain")
    assert json.loads((photos.parent / "plain" / "labels.json").read_text())["depth"] is None
    shutil.rmtree(photos.parent / "runs" / "default")
    with pytest.raises(WsssError, match=r"network that `wsss train-depth --data nyuv2 --root DIR` makes"):
        run("label", "--method", "depth", "--out", "other")


@pytest.mark.usefixtures("run")
def test_the_page_from_nothing_to_masks_runs_as_it_stands(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "photos")
    blocks = re.findall(r"^ {3}```(\w+)\n(.*?)^ {3}```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    done = []
    for kind, text in blocks:
        if kind == "python":
            exec(textwrap.dedent(text), {})
            continue
        for line in filter(None, map(str.strip, text.splitlines())):
            words = shlex.split(line)
            assert words[0] == "wsss"
            if words[1] == "predict":  # of others
                shutil.copytree(tmp_path / "photos", tmp_path / "more-photos")
            assert CliRunner().invoke(app, words[1:], catch_exceptions=False).exit_code == 0
            done.append(words[1])
    assert done == ["label", "label", "predict"]
    assert {path.name for path in (tmp_path / "labels").iterdir()} >= {
        "chelsea.png",
        "classes.txt",
        "labels.json",
        "review.html",
    }
    assert (tmp_path / "predicted" / "chelsea.png").is_file()


def labels_of_irn(held: dict, low: float, high: float) -> np.ndarray:
    """The rule of IRN's `cam_to_ir_label.py` without its CRF: sure classes, sure background, and 255 between."""
    keys, cams = np.pad(held["keys"] + 1, (1, 0), mode="constant"), held["high_res"]
    sure, maybe = (
        keys[np.argmax(np.pad(cams, ((1, 0), (0, 0), (0, 0)), mode="constant", constant_values=edge), axis=0)]
        for edge in (high, low)
    )
    return np.where(maybe == 0, 0, np.where(sure == 0, 255, sure))


@pytest.mark.parametrize("method", ["rgb-region", "cam+par"])
def test_class_maps_of_own_photographs(run: Command, photos: Path, method: str) -> None:
    """Read as IRN does, they give the labels of `wsss label`; an export that was stopped goes on."""
    same = ("--depth", "none", "--method", method)
    run("label", *same, "--out", "labels")
    output = run("export", *same, "--format", "cam-npy", "--out", "cams")
    assert f"class maps of {method}" in output
    out, labels = photos.parent / "cams", photos.parent / "labels"
    known = json.loads((out / "export.json").read_text())
    facts = known["lists"]["train"]
    for name in TAGS:
        held = np.load(out / f"{name}.npy", allow_pickle=True).item()
        label = np.array(Image.open(labels / f"{name}.png"))
        assert (labels_of_irn(held, **facts["thresholds"]) == label).all()
        assert held["cam"].cpu().shape == (1, *(-(-side // 4) for side in label.shape))
        assert [known["classes"][key] for key in held["keys"]] == [TAGS[name]]
    assert (out / "train.txt").read_text().split() == sorted(TAGS)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (out / "train.txt").unlink()
    (out / "chelsea.npy").unlink()
    kept = (out / "coffee.npy").stat().st_mtime_ns
    run("export", *same, "--format", "cam-npy", "--out", "cams")
    after = {path.name: path.read_bytes() for path in out.iterdir()}
    assert after.keys() == before.keys()
    assert (out / "coffee.npy").stat().st_mtime_ns == kept
    again = np.load(out / "chelsea.npy", allow_pickle=True).item()
    assert (labels_of_irn(again, **facts["thresholds"]) == np.array(Image.open(labels / "chelsea.png"))).all()
    with pytest.raises(WsssError, match="other labels of the list train"):
        run("export", "--depth", "none", "--method", "cam", "--format", "cam-npy", "--out", "cams")


def test_a_label_folder_becomes_coco_and_is_read_again(run: Command, photos: Path) -> None:
    """By pycocotools, and by this package as tags and masks of the exported photographs."""
    coco = pytest.importorskip("pycocotools.coco")
    run("label", "--depth", "none", "--out", "labels")
    exported = ["export", "--images", "photos", "--labels", "labels", "--format", "coco", "--out", "coco"]
    result = CliRunner().invoke(app, exported, catch_exceptions=False)
    assert result.stdout.splitlines() == [
        "4 label maps of labels; list coco/annotations/instances_train.json",
        "Everything is in coco",
    ]
    for place in ("photos", "photos/new", "labels", "."):
        with pytest.raises(WsssError, match="is, holds or lies in"):
            CliRunner().invoke(app, [*exported[:-1], place], catch_exceptions=False)
    path = photos.parent / "coco" / "annotations" / "instances_train.json"
    read = coco.COCO(str(path))
    assert [one["name"] for one in read.loadCats(read.getCatIds())] == ["cat", "cup", "moped", "person"]
    named = sorted(TAGS.values())  # one that is found in no photograph is left out, unless it is named
    data = TaggedPhotographs(path.parents[1] / "images" / "train", "tune", path, masks=path, classes=named)
    assert len(data.ids) == len({one["image_id"] for one in read.anns.values()})
    for sample in data:
        assert (sample.required_mask == np.array(Image.open(photos.parent / "labels" / f"{sample.id}.png"))).all()


def test_labels_of_photographs_that_were_replaced_are_not_exported(run: Command, photos: Path) -> None:
    run("label", "--depth", "none", "--out", "labels")
    Image.open(photos / "coffee.jpg").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(photos / "coffee.jpg")
    exported = ["export", "--images", "photos", "--labels", "labels", "--out", "voc"]
    with pytest.raises(
        WsssError, match=r"1 photograph \(coffee\.jpg\) in photos changed after the label maps in labels"
    ):
        CliRunner().invoke(app, exported, catch_exceptions=False)
    assert not (photos.parent / "voc").exists()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("--images photos", "either --labels DIR or --tags FILE"),
        ("--labels labels", "either --labels DIR or --tags FILE"),
        ("--images photos --labels labels --tags tags.csv", "either --labels DIR or --tags FILE"),
        ("--tune-masks masks", "--tune-masks, --preset and --side go with --tags"),
        ("--images photos --labels labels --side 500", "--tune-masks, --preset and --side go with --tags"),
        ("--images photos --labels labels --val", "leave out --val, --data and --root"),
        ("--images photos --tags tags.csv --data voc", "leave out --val, --data and --root"),
        ("--images photos --labels labels --format cam-npy", "a folder of label maps has no class maps"),
        ("--format cam-npy --val", "true masks have no class maps"),
        ("--images photos --labels labels --classes cat --limit 1", "--classes, --limit would change nothing"),
        ("--images photos --labels photos", "has no classes.txt"),
        ("--images photos --labels gone", "is no folder"),
    ],
)
def test_what_cannot_be_exported_is_said(run: Command, more: str, reason: str) -> None:
    with pytest.raises(WsssError, match=reason):
        CliRunner().invoke(app, ["export", "--out", "out", *more.split()], catch_exceptions=False)


def test_outlines_of_coco_choose(run: Command, photos: Path) -> None:
    """Tags and masks from one file, whose polygons are of two of the photographs."""
    names = sorted(set(TAGS.values()))
    held: dict[str, list[dict]] = {"categories": [{"id": n, "name": name} for n, name in enumerate(names)]}
    held |= {"images": [{"id": n, "file_name": f"{name}.jpg"} for n, name in enumerate(TAGS)], "annotations": []}
    for number, (name, tag) in enumerate(TAGS.items()):
        outline = [[10, 10, 50, 10, 50, 40, 10, 40]] if name in ("chelsea", "coffee") else []
        held["annotations"].append({"image_id": number, "category_id": names.index(tag), "segmentation": outline})
    (photos.parent / "instances.json").write_text(json.dumps(held))
    run("label", "--tags", "instances.json", "--depth", "none", "--tune-masks", "instances.json", "--out", "labels")
    facts = json.loads((photos.parent / "labels" / "labels.json").read_text())
    assert (facts["chosen_on"], facts["tune_images"], facts["classes"]) == ("tune", 2, names)
    (said,) = facts["left_out"]["photographs"]
    assert said.startswith("the masks of 2 photographs (such as astronaut) in instances.json")
