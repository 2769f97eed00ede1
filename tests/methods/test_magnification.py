"""How much views enlarge a photograph: by hand, and by what is really resized."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss.methods.crops import Crop
from wsss.methods.magnification import Magnification, crop_side, magnification, magnification_facts


def test_passes_and_crops_by_hand() -> None:
    boxes = [Crop((0, 0, 112, 112), 1), Crop((-10, 5, 214, 229), 2), Crop((0, 0, 448, 448), 3)]
    found = magnification((512, 384), (0.5, 1.0, 3.0), boxes, 256)
    side = crop_side(512, 384, 256)
    assert found.passes == (0.25, 0.5, 1.5)
    assert found.crops == (side / 112, side / 224, side / 448)


@given(st.integers(32, 900), st.integers(32, 900), st.integers(32, 512), st.integers(16, 600))
def test_a_crop_as_large_as_its_canvas_is_not_enlarged(height: int, width: int, base: int, side: int) -> None:
    own = crop_side(height, width, base)
    found = magnification((height, width), (1.0,), [Crop((0, 0, own, own), 1), Crop((0, 0, side, side), 1)], base)
    assert found.crops[0] == 1
    assert (found.crops[1] > 1) == (side < own)
    assert found.passes[0] == pytest.approx(base / max(height, width))


def test_facts_are_of_all_crops_of_all_images() -> None:
    images = [Magnification((0.5, 1.0), (0.5, 1.0, 2.0)), Magnification((1.0, 2.0), (1.5, 3.0))]
    assert magnification_facts(images) == {
        "passes": [0.75, 1.5],
        "crops": {"median": 1.5, "closer": 40.0, "interpolated": 60.0},  # 2.0 of 1.0, 3.0 of 2.0; 2.0, 1.5, 3.0
    }


def test_without_crops() -> None:
    assert magnification_facts([Magnification((0.5,)), Magnification((0.25,))]) == {"passes": [0.375], "crops": None}


def test_facts_are_json() -> None:
    facts = magnification_facts([Magnification((np.float64(0.5),), (np.float64(2.0),))])
    assert all(type(value) is float for value in (*facts["passes"], *facts["crops"].values()))
