"""What is on the table, before anything is rendered."""

from collections import Counter

import numpy as np
import pytest

from wsss.data.scenes import CLASSES, Scene, draw_scene, scene_kind
from wsss.data.things import DISTRACTORS, FORMS, THINGS

KINDS = ("small", "occluded", "mixed")


def scenes(kind: str, count: int = 300) -> list[Scene]:
    return [draw_scene(np.random.default_rng([7, index]), kind) for index in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_generator_alone_decides(kind: str) -> None:
    first, again = (draw_scene(np.random.default_rng([0, 1, 5, 0]), kind) for _ in range(2))
    assert first == again
    assert first != draw_scene(np.random.default_rng([0, 1, 6, 0]), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_scene_can_be_built(kind: str) -> None:
    for scene in scenes(kind):
        assert scene.kind == kind
        assert len(scene.placements) <= 7
        assert 0.14 <= scene.elevation <= 0.75
        assert 0.65 <= scene.distance <= 1.9
        for index, placement in enumerate(scene.placements):
            assert 0 <= placement.class_id <= len(CLASSES)
            name, (low, high) = placement.thing.name, placement.thing.size
            assert name == CLASSES[placement.class_id - 1] if placement.class_id else name in DISTRACTORS
            assert 0.69 * low <= placement.side <= high
            assert 0 <= placement.form < FORMS
            assert placement.behind is None or placement.behind < index
            assert all(0 <= channel <= 1 for channel in placement.colour)
        assert all(0 <= channel <= 1 for colour in scene.colours.values() for channel in colour)


def test_objects_counts_and_empty_tables() -> None:
    counts = [sum(p.class_id > 0 for p in scene.placements) for scene in scenes("mixed", 1000)]
    assert max(counts) == 5
    assert 0.01 < counts.count(0) / len(counts) < 0.06
    occluded = scenes("occluded", 300)
    assert all(sum(p.class_id > 0 for p in scene.placements) != 1 for scene in occluded)
    assert sum(any(p.behind is not None for p in scene.placements) for scene in occluded) > 200
    assert not any(p.behind is not None for scene in scenes("small") for p in scene.placements)


def test_all_classes_occur_and_the_rare_ones_are_rarer() -> None:
    seen = Counter(p.class_id for scene in scenes("mixed", 1000) for p in scene.placements)
    assert set(seen) == set(range(len(CLASSES) + 1))
    common = np.mean([seen[number] for number in range(1, 9)])
    assert seen[10] < 0.6 * common  # dice
    assert seen[9] < 0.95 * common  # plane
    assert seen[0] > 0  # distractors


def test_kinds_come_in_fixed_shares() -> None:
    kinds = Counter(scene_kind(index) for index in range(400))
    assert kinds == {"occluded": 160, "small": 120, "mixed": 120}
    assert [scene_kind(index) for index in range(10)] == [scene_kind(index) for index in range(30, 40)]


def test_the_classes_are_things_with_different_names() -> None:
    assert tuple(THINGS) == CLASSES
    assert not set(THINGS) & set(DISTRACTORS)
