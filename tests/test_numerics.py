"""Numbers that must hold whatever the images are: nothing infinite, nothing absent, nothing that hangs on order or padding."""

import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.analysis.confusion import confusion_matrix, mean_iou, threshold_confusions
from wsss.analysis.objects import InstanceScore, instance_scores
from wsss.analysis.score import Score
from wsss.analysis.strata import scores_frame
from wsss.analysis.thresholds import THRESHOLDS, pseudo_label
from wsss.cam import maps as cam
from wsss.cam.classifier import Classifier, build_classifier, info_for
from wsss.cam.training import train_classifier
from wsss.data.base import IGNORE, Sample
from wsss.data.classes import keep_ids
from wsss.data.inverse_depth import inverse_depth, normalise_inverse_depth
from wsss.data.registry import open_dataset
from wsss.depth.sources import open_depth
from wsss.depth.training import scale_and_shift_invariant_loss
from wsss.methods.choice import Choice
from wsss.methods.crops import region_boxes, square_box
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.evidence import Look, gather
from wsss.methods.fusion import Evidence, fuse
from wsss.methods.guide import guided_filter
from wsss.methods.parameters import CropParameters, FusionParameters, RegionParameters
from wsss.methods.regions import Regions, depth_regions
from wsss.methods.registry import METHODS
from wsss.methods.scoring import score_seeds
from wsss.methods.trust import border_alignment, edge_ranks
from wsss.networks.backbones import DEFAULT_BACKBONE
from wsss.records.build import Origin, Subject, build_record
from wsss.records.record import Record
from wsss.records.resampled import Resampled
from wsss.report.tables import per_class_table, stage_table
from wsss.segmentation.training import _loss

CPU = torch.device("cpu")
SIZE = (48, 64)
CLASSES = ("a", "b", "c", "d")
Build = Callable[..., tuple[Any, Any]]


def picture(seed: int, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of colour, and inverse depth of other blocks."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3))
    rows, columns = (np.arange(length) * 4 // length for length in size)
    image = (coarse[rows][:, columns] + rng.integers(-20, 21, (*size, 3))).clip(0, 255).astype(np.uint8)
    return image, rng.random((4, 4))[rows][:, columns].astype(np.float32)


def evidence_of(name: str, build: Build, image: np.ndarray, depth: np.ndarray, present: tuple[int, ...]) -> Evidence:
    model, info = build(CLASSES)
    crops = CropParameters(scales=(1.0, 2.0), count=3)
    return gather(
        METHODS[name], Look(model, info, image, present, CPU), regions=RegionParameters(guides=(0, 4)), crops=crops,
        depth=depth, boxes=[(0, 0, 20, 20)],
    )  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 999), present=st.sets(st.integers(0, 3)).map(sorted).map(tuple), threshold=st.floats(0, 1))
def test_no_absent_class_is_ever_named(
    name: str, tiny_classifier: Build, seed: int, present: tuple[int, ...], threshold: float
) -> None:
    image, depth = picture(seed)
    evidence = evidence_of(name, tiny_classifier, image, depth, present)
    for parameters in METHODS[name].trials[::5]:
        scores = fuse(evidence, parameters)
        assert scores.shape == (len(present), *SIZE)
        assert scores.isfinite().all()
        label = pseudo_label(scores.numpy(), np.array(present, int) + 1, threshold - 0.05, threshold + 0.05)
        assert set(np.unique(label)) <= {0, IGNORE, *(index + 1 for index in present)}


@pytest.mark.parametrize("value", [0.0, 1e-30, -1e-30, 1e30, -1e30])
@pytest.mark.parametrize("name", ["cam", "depth"])
def test_extreme_logits_stay_finite(name: str, value: float) -> None:
    levels = torch.full((2, 2, *SIZE), value)
    levels[:, :, 3:9, 3:9] *= 1e3
    labels = np.repeat(np.arange(1, 4, dtype=np.int32), SIZE[0] // 3)[:, None].repeat(SIZE[1], axis=1)
    regions = Regions(labels, np.zeros(3, bool))
    parts = (regions,) if name == "depth" else ()
    scores = fuse(Evidence(levels, 1.0, 1.0, partitions=parts), FusionParameters(vote=0.5 if parts else 0.0))
    assert scores.isfinite().all()
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("name", ["cam", "zoom"])
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 999))
def test_a_mirrored_image_has_mirrored_scores(name: str, tiny_classifier: Build, seed: int) -> None:
    """With the mirror image in the batch, or a network that has no left and right of its own, as here a mean of both."""
    image, depth = picture(seed)
    model, info = tiny_classifier(CLASSES)

    class Even(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return (model(images) + model(images.flip(3)).flip(3)) / 2

    def scores(shown: np.ndarray) -> torch.Tensor:
        look = Look(Even(), info, shown, (0, 2), CPU)
        return fuse(
            gather(METHODS[name], look, regions=RegionParameters(), crops=CropParameters(), depth=depth),
            FusionParameters(),
        )

    torch.testing.assert_close(scores(image[:, ::-1].copy()), scores(image).flip(2), atol=2e-3, rtol=0)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999))
def test_a_mirrored_depth_map_is_judged_alike(seed: int) -> None:
    image, depth = picture(seed)
    mirrored = image[:, ::-1].copy(), depth[:, ::-1].copy()
    filtered = guided_filter(depth, image, 4)
    np.testing.assert_allclose(guided_filter(mirrored[1], mirrored[0], 4), filtered[:, ::-1], atol=1e-4)
    labels = depth_regions(depth).labels
    ranks, other = edge_ranks(image), edge_ranks(mirrored[0])
    # A border is drawn on one side of where regions meet, so mirrored it is a pixel away.
    assert border_alignment(other, labels[:, ::-1]) == pytest.approx(border_alignment(ranks, labels), abs=0.06)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), pad=st.tuples(*[st.integers(0, 5)] * 4))
def test_padding_with_ignore_changes_no_metric(seed: int, pad: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, (6, 8), dtype=np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    truth[rng.random(truth.shape) < 0.05] = IGNORE
    scores = rng.random((3, *truth.shape), np.float32)
    label = pseudo_label(scores, np.array([1, 2, 3]), 0.55, 0.65)
    around = ((pad[0], pad[1]), (pad[2], pad[3]))
    padded_truth = np.pad(truth, around, constant_values=IGNORE)
    padded_scores = np.pad(scores, ((0, 0), *around), mode="reflect")  # what is predicted there does not matter
    padded = pseudo_label(padded_scores, np.array([1, 2, 3]), 0.55, 0.65)
    np.testing.assert_array_equal(confusion_matrix(padded_truth, padded, 3), confusion_matrix(truth, label, 3))
    curves = [
        threshold_confusions(s, np.array([1, 2, 3]), t, 3, THRESHOLDS)
        for s, t in ((scores, truth), (padded_scores, padded_truth))
    ]
    np.testing.assert_array_equal(curves[0], curves[1])
    np.testing.assert_array_equal(mean_iou(curves[0]), mean_iou(curves[1]))
    samples = [Sample("a", np.zeros((*t.shape, 3), np.uint8), np.ones(3, bool), t) for t in (truth, padded_truth)]
    rows, others = (instance_scores(sample, found) for sample, found in zip(samples, (label, padded), strict=True))
    key = sorted((row.class_id, row.area, row.recall, row.iou) for row in rows)
    assert key == sorted((row.class_id, row.area, row.recall, row.iou) for row in others)


def test_the_order_of_images_changes_the_order_of_rows_alone(tiny_voc: Path, tiny_classifier: Build) -> None:
    names = ("cat", "dog")
    model, info = tiny_classifier(names)
    depth_cam = DepthCAM(model, info, names, RegionParameters(), CropParameters(count=3), CPU)
    parameters = {"cam": FusionParameters(), "depth": FusionParameters(crop_weight=1.0, vote=0.5)}
    choices = {name: Choice(one, threshold=0.3, miou=0.0, trials=1) for name, one in parameters.items()}
    whole = open_dataset("voc", "val", root=tiny_voc, classes=names)
    order = [2, 0, 3, 1]
    shuffled = keep_ids(whole, [whole.ids[index] for index in order])
    one, other = (
        score_seeds(
            depth_cam,
            choices,
            data,
            {None: open_depth(f"files:{tiny_voc / 'DepthMETER'}", data, "metric")},
            progress=False,
        )
        for data in (whole, shuffled)
    )
    for name in choices:
        assert other[name].ids == tuple(one[name].ids[index] for index in order)
        np.testing.assert_array_equal(other[name].confusions, one[name].confusions[order])
        np.testing.assert_array_equal(other[name].curve, one[name].curve)
        columns = ["image_id", "class_id", "recall", "iou", "pointing"]
        rows = [score[name].instances[columns].sort_values(columns).reset_index(drop=True) for score in (one, other)]
        assert rows[0].equals(rows[1])


@pytest.fixture(scope="module")
def trained() -> Classifier:
    torch.manual_seed(0)
    return build_classifier(DEFAULT_BACKBONE, 3).eval()


@pytest.fixture
def formats(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    def use(bfloat16: bool) -> None:
        context = (lambda _: torch.autocast("cpu", torch.bfloat16)) if bfloat16 else (lambda _: nullcontext())
        monkeypatch.setattr(cam, "autocast", context)

    return use


@pytest.mark.parametrize("seed", range(3))
def test_half_the_bits_give_the_same_maps(trained: Classifier, formats: Callable[[bool], None], seed: int) -> None:
    """bfloat16 has three decimal digits: the maps agree to a hundredth of their range, and hardly a label changes."""
    image, _ = picture(seed, (96, 128))
    info = info_for(DEFAULT_BACKBONE, ("a", "b", "c"), 16, 128)
    found = []
    for bfloat16 in (False, True):
        formats(bfloat16)
        levels = cam.pyramid_maps(trained, info, image, (0, 1, 2), scales=(1.0, 1.5), flip=True, device=CPU)
        assert levels.maps.dtype == torch.float32
        found.append(levels.maps.mean(dim=0))
    span = float(found[0].max() - found[0].min())
    assert float((found[0] - found[1]).abs().mean()) < 0.02 * span
    labels = [pseudo_label(cam.normalise_maps(maps.relu()).numpy(), np.array([1, 2, 3]), 0.5) for maps in found]
    assert np.mean(labels[0] == labels[1]) > 0.95


@pytest.mark.parametrize("fill", ["black", "white", "noise", "one pixel wide"])
@pytest.mark.parametrize("labelled", [False, True])
def test_training_on_adversarial_images_stays_finite(fill: str, labelled: bool) -> None:
    rng = np.random.default_rng(0)
    makers: dict[str, Callable[[], np.ndarray]] = {
        "black": lambda: np.zeros((40, 50, 3), np.uint8), "white": lambda: np.full((40, 50, 3), 255, np.uint8),
        "noise": lambda: rng.integers(0, 256, (40, 50, 3), dtype=np.uint8),
        "one pixel wide": lambda: rng.integers(0, 256, (60, 1, 3), dtype=np.uint8),
    }  # fmt: skip
    torch.manual_seed(0)
    model = Classifier("test_efficientnet", 2)
    history = train_classifier(
        model, info_for("test_efficientnet", ("a", "b"), 16, 64), [makers[fill]() for _ in range(4)],
        np.full((4, 2), labelled), epochs=2, batch_size=2, learning_rate=0.05, crop_side=64, frozen_stages=0, progress=False,
    )  # fmt: skip
    assert np.isfinite([point["loss"] for point in history]).all()
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())


# ---- depth ---------------------------------------------------------------------------------------------------------


def same_partition(one: Regions, other: Regions) -> bool:
    """Whether two partitions are one and the same but for the numbers of the regions, whose order is by area, with ties."""
    pairs = {(int(a), int(b)) for a, b in zip(one.labels.ravel(), other.labels.ravel(), strict=True)}
    if not len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) or len(one) != len(other):
        return False
    assert one.nearness is not None
    assert other.nearness is not None
    numbered = [(a - 1, b - 1) for a, b in pairs if a and b]
    return all(
        one.is_plane[a] == other.is_plane[b] and abs(one.nearness[a] - other.nearness[b]) < 1e-5 for a, b in numbered
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("scale", "shift"), [(2.0, 0.0), (1000.0, -3.0), (1e-4, 7e-4), (0.37, 100.0)])
def test_an_affine_change_of_inverse_depth_changes_nothing(
    tiny_classifier: Build, seed: int, scale: float, shift: float
) -> None:
    """Predicted depth is known up to scale and shift alone: regions, crops, trust and votes must not depend on them."""
    image, raw = picture(seed)
    raw = raw.astype(np.float64) + 0.1 * np.linspace(0, 1, SIZE[0])[:, None]  # blocks on a slope
    found = []
    for inverse in (raw, scale * raw + shift):
        depth = normalise_inverse_depth(inverse_depth(inverse, "inverse"))
        found.append(evidence_of("depth", tiny_classifier, image, depth, (0, 2)))
    one, other = found
    for mine, theirs in zip(one.partitions, other.partitions, strict=True):
        np.testing.assert_array_equal(mine.labels, theirs.labels)
        np.testing.assert_array_equal(mine.is_plane, theirs.is_plane)
    assert one.plan == other.plan
    assert one.trust == pytest.approx(other.trust, abs=1e-6)
    for parameters in METHODS["depth"].trials[::4]:
        # Regions of colour are grown from the likest pair of pixels on, whose order a rounding can change.
        difference = (fuse(one, parameters) - fuse(other, parameters)).abs()
        assert (difference.mean() if parameters.colour else difference.max()) < 1e-3


def test_the_unit_of_metric_depth_changes_nothing() -> None:
    metres = 1 + 4 * picture(0)[1].astype(np.float64)
    one, other = (normalise_inverse_depth(inverse_depth(unit * metres, "metric")) for unit in (1.0, 1000.0))
    np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_array_equal(depth_regions(one).labels, depth_regions(other).labels)


def flipped(regions: Regions) -> Regions:
    return replace(regions, labels=regions.labels[:, ::-1].copy())


def planar_scene() -> np.ndarray:
    """A floor and a wall that are exactly planes, steps apart, and a rounded thing, too small to be one: `32×40 float32`."""
    rows, columns = np.mgrid[:32, :40].astype(np.float64)
    depth = np.where(rows < 12, 0.1 + 0.002 * columns, 0.4 + 0.004 * rows - 0.001 * columns)
    distance = (rows - 18) ** 2 + (columns - 13) ** 2
    return np.where(distance < 18, 0.9 - 0.001 * distance, depth).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scene", ["planes", "no planes", "levels"])
def test_mirrored_depth_has_mirrored_regions_and_crops(scene: str, seed: int) -> None:
    """Where the random triples of the search for planes do not decide: there is none, or planes are exact."""
    depth = planar_scene() if scene == "planes" else picture(seed)[1]
    chosen: dict[str, dict[str, Any]] = {"no planes": {"planes": 0}, "levels": {"planes": 0, "layering": "levels"}}
    parameters = RegionParameters(**chosen.get(scene, {}))
    regions = depth_regions(depth, parameters, seed)
    mirrored = depth_regions(depth[:, ::-1].copy(), parameters, seed)
    assert same_partition(flipped(mirrored), regions)
    assert regions.is_plane.sum() == (2 if scene == "planes" else 0)
    width = depth.shape[1]
    boxes = {one.box for one in region_boxes(regions)}
    turned = {(top, width - right, bottom, width - left) for top, left, bottom, right in boxes}
    assert turned == {one.box for one in region_boxes(mirrored)}
    for box in boxes:
        top, left, bottom, right = square_box(box, 0.5, 8)
        other = square_box((box[0], width - box[3], box[2], width - box[1]), 0.5, 8)
        # An odd margin cannot be halved: the square is then a pixel nearer to one side, whichever way it is turned.
        assert np.abs(np.subtract(other, (top, width - right, bottom, width - left))).max() <= 1


HOSTILE: dict[str, np.ndarray] = {
    "NaN": np.full(SIZE, np.nan), "infinite": np.full(SIZE, np.inf), "minus infinite": np.full(SIZE, -np.inf),
    "half infinite": np.where(np.arange(SIZE[1]) < 9, np.inf, np.ones(SIZE)), "zero": np.zeros(SIZE),
    "constant": np.full(SIZE, 3.7), "one pixel known": np.where(np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) == 77, 2.0, np.nan),
    "one pixel": np.ones((1, 1)), "one row": np.linspace(1, 2, 64)[None], "one column": np.linspace(1, 2, 48)[:, None],
    "negative": -np.linspace(1, 9, SIZE[0] * SIZE[1]).reshape(SIZE), "tiny": np.full(SIZE, 5e-324) * (np.arange(SIZE[1]) % 3),
    "huge": np.where(np.arange(SIZE[1]) < 30, 1.7e308, -1.7e308 * np.ones(SIZE)),
    "one outlier": np.where(np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) == 5, 1e38, 1.0),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["metric", "inverse"])
@pytest.mark.parametrize("name", HOSTILE)
def test_no_depth_makes_a_score_infinite(name: str, kind: str, tiny_classifier: Build) -> None:
    values = HOSTILE[name]
    depth = normalise_inverse_depth(inverse_depth(values, kind))
    assert depth.dtype == np.float32
    assert np.isfinite(depth).all()
    assert 0 <= depth.min() <= depth.max() <= 1
    image = picture(0, (values.shape[0], values.shape[1]))[0]
    for method in ("region-only", "depth"):
        evidence = evidence_of(method, tiny_classifier, image, depth, (0, 2))
        assert 0 <= evidence.trust <= 1
        for parameters in METHODS[method].trials[::4]:
            scores = fuse(evidence, parameters)
            assert scores.isfinite().all()
            assert ((scores >= 0) & (scores <= 1)).all()


# ---- counts and losses ----------------------------------------------------------------------------------------------


def counted(confusions: np.ndarray, objects: int) -> Score:
    """A score of three images with given counts `(3,3,4)`, and as many objects of class 1 with whatever may be unknown."""
    unknown = float("nan")
    rows = [InstanceScore(f"{n % 3:04d}", 1, 9, 0.02, unknown, unknown, 0.0, 0.0) for n in range(objects)]
    facts = {
        "threshold": 0.3, "parameters": {}, "trials": 1, "seconds": 0.1, "megapixels": 0.1, "scales": [1.0], "flip": True,
        "miou": 0.0,
    }  # fmt: skip
    curve = np.repeat(confusions.sum(axis=0)[None], len(THRESHOLDS), axis=0)
    ids = tuple(f"{n:04d}" for n in range(3))
    return Score(("a", "b"), ids, confusions, curve, confusions, scores_frame(rows), facts)


def counts(*cells: tuple[int, int, int]) -> np.ndarray:
    """Counts `(3,3,4)` of three images that are all alike: pixels of a true and a predicted label."""
    confusions = np.zeros((3, 3, 4), np.int64)
    for truth, label, pixels in cells:
        confusions[:, truth, label] = pixels
    return confusions


COUNTS = {
    "background alone": counts((0, 0, 99)),
    "one class absent": counts((0, 0, 50), (1, 1, 3), (1, 0, 4)),
    "a class is named but never there": counts((0, 0, 50), (0, 2, 9)),
    "a class is there but never named": counts((0, 0, 50), (2, 0, 9)),
    "no answer at all": counts((0, 3, 50), (1, 3, 9)),
    "more than float32 holds": counts((0, 0, 2**40 + 1), (1, 1, 1), (2, 1, 2**40)),
}


def recorded(score: Score, name: str, against: dict[str, list[Score]]) -> Record:
    subject = Subject("d", "test", "default", "cam", name, None, "b", "given", [0])
    others = {key: Resampled(scores) for key, scores in against.items()}
    return build_record(Resampled([score]), subject, Origin("c", "d", {"cam": 1}, "cpu", 1, 0.0), others)


def test_a_record_of_nothing_has_no_score() -> None:
    record = recorded(counted(counts(), 1), "cam", {})
    assert record["miou"]["mean"] is None
    assert json.dumps(record, allow_nan=False)


@pytest.mark.parametrize("objects", [0, 1, 4])
@pytest.mark.parametrize("name", COUNTS)
def test_tables_of_odd_counts_say_nothing_rather_than_nan(name: str, objects: int) -> None:
    score = counted(COUNTS[name], objects)
    records = [recorded(score, name, {other: [score]}) for name, other in (("cam", "zoom"), ("zoom", "cam"))]
    assert json.dumps(records, allow_nan=False)
    tables = [stage_table(records, "d", "cam", "test"), per_class_table(records, "d", "cam", "test")]
    assert not re.search(r"\b(nan|inf|None)\b", "".join(table.to_csv() for table in tables), re.IGNORECASE)


def test_a_batch_that_is_all_ignored_teaches_nothing() -> None:
    for size in ((2, 3, 8, 8), (2, 3, 1, 1)):
        logits = torch.randn(size, requires_grad=True)
        loss = _loss(logits, torch.full((size[0], *size[2:]), IGNORE))
        loss.backward()
        assert loss.item() == 0
        assert logits.grad is not None
        assert (logits.grad == 0).all()


@pytest.mark.parametrize("predicted", ["flat", "random", "huge"])
@pytest.mark.parametrize("truth", ["flat", "random", "one pixel apart"])
def test_flat_depth_gives_a_finite_loss(predicted: str, truth: str) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand((2, 16, 16), generator=generator)
    apart = torch.zeros(2, 16, 16)
    apart[:, 3, 4] = 1
    maps = {"flat": torch.full((2, 16, 16), 0.3), "random": noise, "huge": 1e30 * noise, "one pixel apart": apart}
    guess = maps[predicted].clone().requires_grad_()
    loss = scale_and_shift_invariant_loss(guess, maps[truth])
    loss.backward()
    assert loss.isfinite()
    assert guess.grad is not None
    assert guess.grad.isfinite().all()
