"""Choosing parameters and scoring, against doing it the long way."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wsss.analysis.confusion import confusion_matrix, mean_iou
from wsss.analysis.instances import instances_of
from wsss.analysis.thresholds import THRESHOLDS, choose_threshold, pseudo_label
from wsss.data.base import Sample
from wsss.data.registry import open_dataset
from wsss.depth.sources import DepthSource, open_depth
from wsss.errors import WsssError
from wsss.methods import scoring
from wsss.methods.choice import Choice
from wsss.methods.depth_cam import DepthCAM, Depths, true_boxes
from wsss.methods.evidence import Look, evidence_key, gather
from wsss.methods.fusion import fuse
from wsss.methods.names import MethodName
from wsss.methods.parameters import CropParameters, FusionParameters, RegionParameters
from wsss.methods.registry import METHODS, method
from wsss.methods.scoring import choose_parameters, score_seeds

NAMES = ("cat", "dog")


@pytest.fixture
def data(tiny_voc: Path):
    return open_dataset("voc", "val", root=tiny_voc, classes=NAMES)


@pytest.fixture
def depth(tiny_voc: Path, data) -> DepthSource:
    return open_depth(f"files:{tiny_voc / 'DepthMETER'}", data, "metric")


@pytest.fixture
def depths(depth: DepthSource) -> Depths:
    return {None: depth}


@pytest.fixture
def cam_of(tiny_classifier):
    def build(known=NAMES, wanted=NAMES, **parts) -> DepthCAM:
        model, info = parts.get("model") or tiny_classifier(known)
        return DepthCAM(model, info, wanted, RegionParameters(), CropParameters(count=3), torch.device("cpu"))

    return build


def scored(
    depth_cam: DepthCAM, name: str, data, depths, parameters: FusionParameters, threshold: float
) -> list[np.ndarray]:
    """Label maps made one by one."""
    labels, parts = [], MethodName.of_seeds(name)
    base, source = parts.base, parts.source
    for index, sample in enumerate(data):
        present = np.flatnonzero(sample.labels)
        outputs = [depth_cam.info.classes.index(depth_cam.classes[one]) for one in present]
        evidence = gather(
            METHODS[base], Look(depth_cam.model, depth_cam.info, sample.image, outputs, depth_cam.device),
            regions=depth_cam.regions, crops=depth_cam.crops, colour=depth_cam.colour,
            depth=depths[source](index) if METHODS[base].uses_depth else None, boxes=true_boxes(sample),
        )  # fmt: skip
        labels.append(pseudo_label(fuse(evidence, parameters).numpy(), present + 1, threshold))
    return labels


class Counting(torch.nn.Module):
    """A model that remembers the size `N×H×W` of every batch it was given."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model, self.seen = model, list[tuple[int, ...]]()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append((images.shape[0], *images.shape[2:]))
        return self.model(images)


@pytest.mark.parametrize(
    "names",
    [["cam", "zoom"], ["cam", "region-only"], ["crop-only", "depth"], ["grid", "depth"], ["zoom", "rgb-region"]],
)
def test_methods_share_the_passes_that_are_the_same(cam_of, tiny_classifier, data, depths, names) -> None:
    """The whole image is looked at once for all methods that ask for the same scales; crops are looked at beside it."""
    passes = {}
    for each in (names, names[:1], names[1:]):
        model, info = tiny_classifier(NAMES)
        counting = Counting(model)
        depth_cam, sample = cam_of(model=(counting, info)), data[0]
        look = depth_cam.look(sample.id, sample.image, np.flatnonzero(sample.labels))
        for name in each:
            depth_cam.evidence(name, look, sample, depths, 0)
        passes[tuple(each)] = counting.seen
    both, (first, second) = passes[tuple(names)], (passes[(name,)] for name in names)
    plans = [METHODS[name] for name in names]
    first_passes, second_passes = (plan.whole(depth_cam.crops, depth_cam.colour) for plan in plans)
    shared = first_passes == second_passes
    assert (len(both) < len(first) + len(second)) == shared
    if plans[0].passes == plans[1].passes:
        assert both == first == second
    assert set(both) == {*first, *second}


def test_evidence_is_that_of_the_image_classes_and_depth(cam_of, data, depths) -> None:
    depth_cam, sample = cam_of(known=("dog", "cow", "cat")), data[1]
    look = depth_cam.look(sample.id, sample.image, [1, 0])
    assert look.present == [0, 2]  # dog and cat, as the classifier numbers them
    assert look.image is sample.image
    ours = depth_cam.evidence("depth", look, sample, depths, 1)
    plain = gather(
        method("depth"),
        depth_cam.look(sample.id, sample.image, [1, 0]),
        regions=depth_cam.regions,
        crops=depth_cam.crops,
        depth=depths[None](1),
    )
    for name in ("levels", "crops", "crop_probabilities"):
        assert torch.equal(getattr(ours, name), getattr(plain, name))
    assert ours.plan == plain.plan


def test_each_method_sees_the_depth_of_its_own_source(cam_of, data, depth) -> None:
    asked: list[tuple[str | None, int]] = []

    def source(name: str | None, answer: DepthSource) -> DepthSource:
        return lambda index: asked.append((name, index)) or answer(index)  # type: ignore[func-returns-value]

    flat = open_depth("constant", data)
    depths = {None: source(None, depth), "constant": source("constant", flat)}
    depth_cam, sample = cam_of(), data[2]
    look = depth_cam.look(sample.id, sample.image, np.flatnonzero(sample.labels))
    names = ("cam", "zoom", "grid", "rgb-region", "oracle-box", "depth", "depth@constant")
    found = {name: depth_cam.evidence(name, look, sample, depths, 2) for name in names}
    assert asked == [(None, 2), ("constant", 2)]
    regions = [found[name].regions for name in ("depth", "depth@constant")]
    assert regions[0] is not None
    assert regions[1] is not None
    assert len(regions[0]) > len(regions[1]) == 1


def test_only_the_oracle_sees_the_true_boxes(cam_of, data, depths, monkeypatch) -> None:
    depth_cam, sample = cam_of(), data[0]
    look = depth_cam.look(sample.id, sample.image, np.flatnonzero(sample.labels))
    plan = depth_cam.evidence("oracle-box", look, sample, depths, 0).plan
    top, left, bottom, right = true_boxes(sample)[0]
    assert plan[0].box[0] <= top < bottom <= plan[0].box[2]
    assert plan[0].box[1] <= left < right <= plan[0].box[3]
    monkeypatch.setattr("wsss.methods.depth_cam.true_boxes", lambda _: pytest.fail("looked at the truth"))
    for name in set(METHODS) - {"oracle-box"}:
        depth_cam.evidence(name, depth_cam.look(sample.id, sample.image, look.present), sample, depths, 0)


def test_true_boxes_are_those_of_the_visible_objects_largest_first() -> None:
    instances = np.zeros((20, 30), np.uint16)
    instances[2:5, 3:6], instances[4:16, 10:26] = 1, 3  # the second of three cannot be seen
    mask = (instances > 0).astype(np.uint8)
    classes = np.array([1, 1, 1], np.uint8)
    sample = Sample("one", np.zeros((20, 30, 3), np.uint8), np.array([True]), mask, instances, classes)
    assert true_boxes(sample) == [(4, 10, 16, 26), (2, 3, 5, 6)]
    empty = Sample("none", sample.image, np.array([False]), np.zeros((20, 30), np.uint8))
    assert true_boxes(empty) == []


def test_true_boxes_are_tight(data) -> None:
    for sample in data:
        objects = instances_of(sample)
        boxes = true_boxes(sample)
        assert len(boxes) == np.count_nonzero(objects.area)
        covered = np.zeros(sample.mask.shape, bool)
        for top, left, bottom, right in boxes:
            covered[top:bottom, left:right] = True
            inside = objects.map[top:bottom, left:right] > 0
            assert inside[0].any()
            assert inside[-1].any()
            assert inside[:, 0].any()
            assert inside[:, -1].any()
        assert not (objects.map[~covered] > 0).any()


@pytest.mark.parametrize("name", ["cam", "zoom", "crop-only", "region-only", "oracle-box"])
def test_the_best_trial_is_chosen(cam_of, data, depths, name: str, monkeypatch) -> None:
    monkeypatch.setattr(scoring, "choose_threshold", partial(choose_threshold, plateau=0))
    depth_cam = cam_of()
    choice = choose_parameters(depth_cam, [name], data, depths, progress=False)[name]
    assert choice.trials == len(METHODS[name].trials)
    truth = [sample.mask for sample in data]

    def miou(parameters: FusionParameters, threshold: float) -> float:
        labels = scored(depth_cam, name, data, depths, parameters, threshold)
        return float(mean_iou(np.sum([confusion_matrix(t, p, 2) for t, p in zip(truth, labels, strict=True)], axis=0)))

    chosen = choice.parameters
    assert chosen in METHODS[name].trials
    assert choice.miou is not None
    assert choice.miou == pytest.approx(miou(chosen, choice.threshold))
    some = [(trial, t) for trial in METHODS[name].trials[::5] for t in THRESHOLDS[::12]]
    assert all(miou(trial, float(t)) <= choice.miou + 1e-9 for trial, t in some)


def test_scoring_the_tune_split_gives_what_choosing_promised(cam_of, data, depth) -> None:
    depth_cam, names = cam_of(), ["cam", "zoom", "grid", "crop-only", "region-only", "depth", "depth@constant"]
    depths = {None: depth, "constant": open_depth("constant", data)}
    choices = choose_parameters(depth_cam, names, data, depths, progress=False)
    scores = score_seeds(depth_cam, choices, data, depths, progress=False)
    assert list(scores) == names
    for name, score in scores.items():
        plan = method(name)
        assert score.miou == pytest.approx(choices[name].miou)
        assert score.ids == data.ids
        assert score.facts["parameters"] == choices[name].plain()["parameters"]
        assert score.facts["megapixels"] > 0
        assert score.facts["seconds"] > 0
        assert score.facts["scales"] == list(plan.whole(depth_cam.crops, depth_cam.colour)[0])
        assert score.facts["flip"] is (name == "cam")
        assert score.facts["crops"] == (3 if name in ("grid", "crop-only", "depth", "depth@constant") else 0)
        assert (score.facts["trust"] is not None) == plan.uses_depth
        at = int(np.argmin(abs(THRESHOLDS - choices[name].threshold)))
        np.testing.assert_array_equal(score.curve[at], score.confusions.sum(axis=0))
        assert len(score.instances) > 0
        assert len(score.predicted) == 0


def test_predicted_labels_are_counted_apart(cam_of, data) -> None:
    depth_cam = cam_of()
    choice = {"cam": Choice(FusionParameters(), threshold=0.3, miou=0.0, trials=1)}
    given = np.stack([sample.labels for sample in data])
    plain = score_seeds(depth_cam, choice, data, {}, progress=False)["cam"]
    same = score_seeds(depth_cam, choice, data, {}, predicted=given, progress=False)["cam"]
    np.testing.assert_array_equal(same.predicted, plain.confusions)
    none = score_seeds(depth_cam, choice, data, {}, predicted=np.zeros_like(given), progress=False)["cam"]
    np.testing.assert_array_equal(none.confusions, plain.confusions)
    assert none.predicted[:, :, 1:].sum() == 0
    # Wrongly predicted classes must not leak into what is scored with the given ones.
    every = score_seeds(depth_cam, choice, data, {}, predicted=np.ones_like(given), progress=False)["cam"]
    np.testing.assert_array_equal(every.confusions, plain.confusions)
    np.testing.assert_array_equal(every.curve, plain.curve)
    assert (every.predicted != plain.confusions).any()


def test_classes_are_matched_by_name(cam_of, tiny_classifier, data) -> None:
    """A checkpoint that knows more classes, in another order, gives the same scores."""
    model, info = tiny_classifier(("dog", "cow", "cat"))
    few, few_info = tiny_classifier(NAMES)
    few[0].weight.copy_(model[0].weight)
    few[2].weight.copy_(model[2].weight[[2, 0]])
    few[2].bias.copy_(model[2].bias[[2, 0]])
    choice = {"cam": Choice(FusionParameters(), threshold=0.3, miou=0.0, trials=1)}
    scores = [
        score_seeds(cam_of(model=pair), choice, data, {}, progress=False)["cam"]
        for pair in ((model, info), (few, few_info))
    ]
    np.testing.assert_array_equal(scores[0].confusions, scores[1].confusions)


def test_an_unknown_class_is_named(cam_of) -> None:
    with pytest.raises(WsssError, match=r"does not know class 'bicycle'.*cat, dog"):
        cam_of(wanted=("cat", "bicycle"))


def test_an_image_without_any_class_is_background(cam_of, tiny_voc: Path) -> None:
    data = open_dataset("voc", "val", root=tiny_voc, classes=("cat",))
    empty = [index for index, sample in enumerate(data) if not sample.labels.any()]
    assert empty
    depth_cam = cam_of(known=("cat",), wanted=("cat",))
    choices = choose_parameters(depth_cam, ["zoom"], data, {}, progress=False)
    score = score_seeds(depth_cam, choices, data, {}, progress=False)["zoom"]
    assert score.confusions[empty][:, :, 1:].sum() == 0


def test_trust_is_the_mean_over_the_images(cam_of, data, depth) -> None:
    depth_cam = cam_of()
    choice = {"depth": Choice(FusionParameters(vote=0.5), threshold=0.3, miou=0.0, trials=1)}
    facts = score_seeds(depth_cam, choice, data, {None: depth}, progress=False)["depth"].facts
    trusts = [
        depth_cam.evidence(
            "depth",
            depth_cam.look(sample.id, sample.image, np.flatnonzero(sample.labels)),
            sample,
            {None: depth},
            index,
        ).trust
        for index, sample in enumerate(data)
    ]
    assert facts["trust"] == pytest.approx(np.mean(trusts))
    assert 0 <= facts["trust"] <= 1


def test_given_labels_are_scored_alike_whatever_labels_are_predicted(cam_of, data, depths) -> None:
    """Boxes around the CAM hang on the classes that are looked for: those of predicted labels are not those of given ones."""
    depth_cam, choice = cam_of(), Choice(FusionParameters(crop_weight=1.0), threshold=0.3, miou=0.0, trials=1)
    choices = {name: choice for name in ("cam-box", "grid")}
    labels = np.stack([sample.labels for sample in data])
    alone, inverse, same = (
        score_seeds(depth_cam, choices, data, depths, predicted=predicted, progress=False)
        for predicted in (None, ~labels, labels)
    )
    for name in choices:
        for other in (inverse, same):
            np.testing.assert_array_equal(other[name].confusions, alone[name].confusions)
            np.testing.assert_array_equal(other[name].curve, alone[name].curve)
        np.testing.assert_array_equal(same[name].predicted, same[name].confusions)


def test_background_alone_is_not_scored(cam_of, tiny_voc: Path) -> None:
    """An answer of `background` everywhere would have 100 mIoU."""
    for file in tiny_voc.glob("SegmentationClass/*.png"):
        Image.fromarray(np.zeros_like(np.array(Image.open(file)))).save(file)
    choice = {"cam": Choice(FusionParameters(), threshold=0.3, miou=0.0, trials=1)}
    data = open_dataset("voc", "val", root=tiny_voc, classes=NAMES)
    with pytest.raises(WsssError, match=r"no pixel of tiny-voc, val shows cat or dog, .*--classes"):
        score_seeds(cam_of(), choice, data, {}, progress=False)


def test_evidence_is_let_go_when_no_later_method_asks_for_it(cam_of, data, depths) -> None:
    depth_cam, sample = cam_of(), data[0]
    look = depth_cam.look(sample.id, sample.image, np.flatnonzero(sample.labels))
    names = ["crop-only", "depth", "zoom", "cam"]
    for name in names:
        depth_cam.evidence(name, look, sample, depths, 0)
    held = len(look.gathered)
    assert held == 3  # crops alone and the whole method look alike
    look.forget("crop-only", names[1:])
    assert len(look.gathered) == held
    look.forget("depth+par", ["zoom", "cam+par"])
    look.forget("zoom", ["cam+par"])
    assert list(look.gathered) == [evidence_key("cam")]
