"""Pseudo-labels from seeds: what is chosen on tune, and what is written, against doing it the long way."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wsss.analysis.confusion import confusion_matrix, mean_iou
from wsss.analysis.thresholds import THRESHOLDS, pseudo_label
from wsss.data.registry import open_dataset
from wsss.depth.sources import open_depth
from wsss.errors import WsssError
from wsss.methods.choice import Choice
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.parameters import CropParameters, FusionParameters, RegionParameters
from wsss.pseudo.labelling import LabelChoice, Labeller, choose_labels, write_labels
from wsss.pseudo.labels import load_pseudo_label
from wsss.pseudo.refinement import REFINEMENTS, RefinementParameters, Scene, refine

CLASSES = ("cat", "dog")
NAMES = ("cam", "cam+par", "cam+par-depth", "depth+par")
SEEDS = {name: Choice(FusionParameters(), threshold=0.4, miou=0.0, trials=1) for name in ("cam", "depth")}


@pytest.fixture
def data(tiny_voc: Path):
    return open_dataset("voc", "val", root=tiny_voc, classes=CLASSES)


@pytest.fixture
def labeller(tiny_classifier, tiny_voc: Path, data) -> Labeller:
    model, info = tiny_classifier(CLASSES)
    depth_cam = DepthCAM(model, info, CLASSES, RegionParameters(), CropParameters(count=3), torch.device("cpu"))
    return Labeller(depth_cam, SEEDS, {None: open_depth(f"files:{tiny_voc / 'DepthMETER'}", data, "metric")})


def refined_by_hand(labeller: Labeller, name: str, data, trial: RefinementParameters) -> list[tuple[np.ndarray, ...]]:
    """Refined scores, labels 1…C of the present classes, and truth of each image."""
    found: list[tuple[np.ndarray, ...]] = []
    base, _, refinement = name.partition("+")
    for index, sample in enumerate(data):
        present = np.flatnonzero(sample.labels)
        look = labeller.cam.look(sample.id, sample.image, present)
        scores = labeller.seed_scores(base, look, sample, index)
        scene = Scene(sample.image, 0.4, labeller.depths[None](index), labeller.cam.regions.jump)
        found.append((refine(refinement or None, scene, scores, [trial])[0], present + 1, sample.mask))
    return found


def miou(maps: list[tuple[np.ndarray, ...]], low: float, high: float) -> float:
    labels = [pseudo_label(scores, classes, low, high) for scores, classes, _ in maps]
    return float(
        mean_iou(np.sum([confusion_matrix(t, p, 2) for (_, _, t), p in zip(maps, labels, strict=True)], axis=0))
    )


def test_the_chosen_trial_and_thresholds_have_the_promised_miou(labeller: Labeller, data) -> None:
    choices = choose_labels(labeller, NAMES, data, progress=False)
    assert list(choices) == list(NAMES)
    for name, choice in choices.items():
        trial = choice.refinement
        maps = refined_by_hand(labeller, name, data, trial)
        assert choice.miou == pytest.approx(miou(maps, choice.low, choice.high))
        assert choice.low <= choice.high
        assert choice.threshold in THRESHOLDS.tolist()
        assert choice.trials == (13 if "+" in name else 1)
        if "+" in name:
            assert trial in REFINEMENTS[name.partition("+")[2]].trials


def test_what_is_written_is_what_is_scored(labeller: Labeller, data, tmp_path: Path) -> None:
    choice = LabelChoice(RefinementParameters(5, 0.4), low=0.3, high=0.5, threshold=0.4, miou=0.0, trials=6)
    choices = {"cam": replace(choice, refinement=RefinementParameters(), trials=1), "cam+par": choice}
    folders = {name: tmp_path / name for name in choices}
    scores = write_labels(labeller, choices, data, folders, progress=False)
    for name, score in scores.items():
        maps = refined_by_hand(labeller, name, data, choices[name].refinement)
        labels = [pseudo_label(found, classes, 0.3, 0.5) for found, classes, _ in maps]
        assert any((label == 255).any() for label in labels)
        for sample, label, confusion in zip(data, labels, score.confusions, strict=True):
            np.testing.assert_array_equal(load_pseudo_label(folders[name] / f"{sample.id}.png"), label)
            np.testing.assert_array_equal(confusion_matrix(sample.mask, label, 2), confusion)
        assert score.ids == data.ids
        assert score.facts["parameters"] == asdict(FusionParameters())
        assert set(score.facts["boundary"]) == {"precision", "recall", "f"}
        at = int(np.argmin(abs(THRESHOLDS - 0.4)))
        plain = [confusion_matrix(t, pseudo_label(s, c, 0.4), 2) for s, c, t in maps]
        np.testing.assert_array_equal(score.curve[at], np.sum(plain, axis=0))


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_photographs_cost_no_crop_that_has_no_weight(labeller: Labeller, data, tmp_path: Path, weight: float) -> None:
    """Their labels are those that they would have been; data that are compared cost what their methods do."""
    seeds = {"depth": Choice(FusionParameters(crop_weight=weight, vote=0.5), threshold=0.4, miou=0.0, trials=1)}
    labeller = replace(labeller, seeds=seeds)
    choices = {"depth": LabelChoice(RefinementParameters(), 0.3, 0.3, 0.3, 0.0, 1)}
    megapixels, files = {}, {}
    for regions in (False, True):
        folder = tmp_path / str(regions)
        score = write_labels(labeller, choices, data, {"depth": folder}, progress=False, regions=regions)["depth"]
        megapixels[regions] = score.facts["megapixels"]
        files[regions] = [(folder / f"{sample.id}.png").read_bytes() for sample in data]
    assert files[True] == files[False]
    assert (megapixels[True] < megapixels[False]) == (weight == 0)


def test_seeds_that_no_refinement_touches_are_those_of_scoring(labeller: Labeller, data) -> None:
    sample = data[0]
    look = labeller.cam.look(sample.id, sample.image, np.flatnonzero(sample.labels))
    first = labeller.seed_scores("depth+par", look, sample, 0)
    again = labeller.seed_scores("depth", look, sample, 0)
    np.testing.assert_array_equal(first, again)
    assert SEEDS["depth"].parameters == FusionParameters()


def test_depth_is_missed_by_name(labeller: Labeller, data) -> None:
    blind = Labeller(labeller.cam, labeller.seeds, {})
    with pytest.raises((WsssError, KeyError)):
        choose_labels(blind, ["cam+par-depth"], data, progress=False)
