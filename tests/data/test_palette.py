import numpy as np
import pytest

from wsss.data.palette import voc_palette


@pytest.mark.parametrize(
    ("label", "colour"),
    [
        (0, (0, 0, 0)),  # background
        (1, (128, 0, 0)),  # aeroplane
        (8, (64, 0, 0)),  # cat
        (12, (64, 0, 128)),  # dog
        (15, (192, 128, 128)),  # person
        (20, (0, 64, 128)),  # tv/monitor
        (255, (224, 224, 192)),  # void
    ],
)
def test_colours_are_those_of_the_voc_development_kit(label: int, colour: tuple[int, int, int]) -> None:
    assert tuple(voc_palette()[label].tolist()) == colour


def test_every_label_has_its_own_colour() -> None:
    palette = voc_palette()
    assert palette.shape == (256, 3)
    assert palette.dtype == np.uint8
    assert len(np.unique(palette, axis=0)) == 256
