"""Choosing parameters and scoring, against doing it the long way."""

from pathlib import Path

import numpy as np
import pytest
import torch

from wsss.analysis.confusion import confusion_matrix, mean_iou
from wsss.analysis.thresholds import THRESHOLDS
from wsss.data.registry import open_dataset
from wsss.depth.crops import CropParameters
from wsss.depth.fusion import FusionParameters, fuse
from wsss.depth.methods import METHODS
from wsss.depth.regions import RegionParameters
from wsss.depth.sources import open_depth
from wsss.errors import WsssError
from wsss.pseudo.labels import load_pseudo_label, pseudo_label
from wsss.scoring import Looker, choose_parameters, same_passes, score_seeds

NAMES = ("cat", "dog")


@pytest.fixture
def data(tiny_voc: Path):
    return open_dataset("voc", "val", root=tiny_voc, classes=NAMES)


@pytest.fixture
def depth(tiny_voc: Path, data):
    return open_depth(f"files:{tiny_voc / 'DepthMETER'}", data, "metric")


@pytest.fixture
def looker_of(tiny_classifier):
    def build(known=NAMES, wanted=NAMES, **parts) -> Looker:
        model, info = parts.get("model") or tiny_classifier(known)
        return Looker(model, info, wanted, RegionParameters(), CropParameters(count=3), torch.device("cpu"))

    return build


def scored(looker: Looker, name: str, data, depth, parameters: FusionParameters, threshold: float) -> list[np.ndarray]:
    """Label maps made one by one."""
    labels = []
    for index, sample in enumerate(data):
        present = np.flatnonzero(sample.labels)
        evidence = looker.look(name, sample, present, depth(index) if METHODS[name].uses_crops else None)
        labels.append(pseudo_label(fuse(evidence, parameters).numpy(), present + 1, threshold))
    return labels


def test_methods_with_the_same_passes_are_grouped() -> None:
    assert same_passes(["cam", "zoom", "crop-only", "depth"]) == [["cam"], ["zoom"], ["crop-only", "depth"]]
    assert same_passes(["depth", "cam", "crop-only"]) == [["depth", "crop-only"], ["cam"]]
    assert same_passes([]) == []


@pytest.mark.parametrize("name", ["cam", "zoom", "crop-only"])
def test_the_best_trial_is_chosen(looker_of, data, depth, name: str) -> None:
    looker = looker_of()
    source = depth if METHODS[name].uses_crops else None
    choice = choose_parameters(looker, [name], data, source, progress=False)[name]
    assert choice["trials"] == len(METHODS[name].trials)
    truth = [sample.mask for sample in data]

    def miou(parameters: FusionParameters, threshold: float) -> float:
        labels = scored(looker, name, data, source, parameters, threshold)
        return float(mean_iou(np.sum([confusion_matrix(t, p, 2) for t, p in zip(truth, labels, strict=True)], axis=0)))

    chosen = FusionParameters(**choice["parameters"])
    assert chosen in METHODS[name].trials
    assert choice["miou"] == pytest.approx(miou(chosen, choice["threshold"]))
    some = [(trial, t) for trial in METHODS[name].trials[::5] for t in THRESHOLDS[::12]]
    assert all(miou(trial, float(t)) <= choice["miou"] + 1e-9 for trial, t in some)


def test_scoring_the_tune_split_gives_what_choosing_promised(looker_of, data, depth) -> None:
    looker = looker_of()
    choices = choose_parameters(looker, ["crop-only", "depth"], data, depth, progress=False)
    scores = score_seeds(looker, choices, data, depth, progress=False)
    for name, score in scores.items():
        assert score.miou == pytest.approx(choices[name]["miou"])
        assert score.ids == data.ids
        assert score.facts["parameters"] == choices[name]["parameters"]
        assert score.facts["megapixels"] > 0
        assert score.facts["flip"] is True
        at = int(np.argmin(abs(THRESHOLDS - choices[name]["threshold"])))
        np.testing.assert_array_equal(score.curve[at], score.confusions.sum(axis=0))
        assert len(score.instances) > 0
        assert len(score.predicted) == 0


def test_label_maps_are_written_with_an_undecided_band(looker_of, data, tmp_path: Path) -> None:
    looker = looker_of()
    choice = {"cam": {"parameters": {}, "threshold": 0.4, "miou": 0.0, "trials": 1}}
    score = score_seeds(looker, choice, data, None, band=0.1, folders={"cam": tmp_path / "cam"}, progress=False)["cam"]
    found = [load_pseudo_label(tmp_path / "cam" / f"{name}.png") for name in data.ids]
    assert any((label == 255).any() for label in found)
    confusions = [confusion_matrix(s.mask, label, 2) for s, label in zip(data, found, strict=True)]
    np.testing.assert_array_equal(score.confusions, confusions)
    plain = scored(looker, "cam", data, None, FusionParameters(), 0.4)
    for label, other in zip(found, plain, strict=True):
        np.testing.assert_array_equal(label[label != 255], other[label != 255])


def test_predicted_labels_are_counted_apart(looker_of, data) -> None:
    looker = looker_of()
    choice = {"cam": {"parameters": {}, "threshold": 0.3, "miou": 0.0, "trials": 1}}
    given = np.stack([sample.labels for sample in data])
    plain = score_seeds(looker, choice, data, None, progress=False)["cam"]
    same = score_seeds(looker, choice, data, None, predicted=given, progress=False)["cam"]
    np.testing.assert_array_equal(same.predicted, plain.confusions)
    none = score_seeds(looker, choice, data, None, predicted=np.zeros_like(given), progress=False)["cam"]
    np.testing.assert_array_equal(none.confusions, plain.confusions)
    assert none.predicted[:, :, 1:].sum() == 0
    # Wrongly predicted classes must not leak into what is scored with the given ones.
    every = score_seeds(looker, choice, data, None, predicted=np.ones_like(given), progress=False)["cam"]
    np.testing.assert_array_equal(every.confusions, plain.confusions)
    np.testing.assert_array_equal(every.curve, plain.curve)
    assert (every.predicted != plain.confusions).any()


def test_classes_are_matched_by_name(looker_of, tiny_classifier, data) -> None:
    """A checkpoint that knows more classes, in another order, gives the same scores."""
    model, info = tiny_classifier(("dog", "cow", "cat"))
    few, few_info = tiny_classifier(NAMES)
    few[0].weight.copy_(model[0].weight)
    few[2].weight.copy_(model[2].weight[[2, 0]])
    few[2].bias.copy_(model[2].bias[[2, 0]])
    choice = {"cam": {"parameters": {}, "threshold": 0.3, "miou": 0.0, "trials": 1}}
    scores = [
        score_seeds(looker_of(model=pair), choice, data, None, progress=False)["cam"]
        for pair in ((model, info), (few, few_info))
    ]
    np.testing.assert_array_equal(scores[0].confusions, scores[1].confusions)


def test_an_unknown_class_is_named(looker_of) -> None:
    with pytest.raises(WsssError, match=r"does not know class 'bicycle'.*cat, dog"):
        looker_of(wanted=("cat", "bicycle"))


def test_an_image_without_any_class_is_background(looker_of, tiny_voc: Path) -> None:
    data = open_dataset("voc", "val", root=tiny_voc, classes=("cat",))
    empty = [index for index, sample in enumerate(data) if not sample.labels.any()]
    assert empty
    looker = looker_of(known=("cat",), wanted=("cat",))
    choices = choose_parameters(looker, ["zoom"], data, None, progress=False)
    score = score_seeds(looker, choices, data, None, progress=False)["zoom"]
    assert score.confusions[empty][:, :, 1:].sum() == 0
