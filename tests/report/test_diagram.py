"""The diagram of the idea, and the crop that looks at an object."""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from wsss.methods.crops import Crop
from wsss.methods.fusion import Evidence
from wsss.methods.regions import Regions
from wsss.report.diagram import Steps, method_diagram
from wsss.report.object_walk import crop_of_object

SIZE = 12, 16


def evidence(probabilities: list[list[float]]) -> Evidence:
    """Two regions of things, left and right, then a plane below; a crop of each."""
    labels = np.full(SIZE, 3, np.int32)
    labels[:8, :8], labels[:8, 8:] = 1, 2
    regions = Regions(labels, np.array([False, False, True]))
    boxes = (0, 0, 8, 8), (0, 8, 8, 16), (4, 0, 16, 12)
    plan = tuple(Crop(box, number) for number, box in enumerate(boxes, start=1))
    crops = torch.zeros(3, 2, *SIZE)
    return Evidence(torch.zeros(1, 2, *SIZE), 0.1, 0.1, crops, torch.tensor(probabilities), plan, (regions,))


@pytest.mark.parametrize(("place", "expected"), [(0, 0), (1, 1)])
def test_an_object_of_two_regions_has_the_surer_crop(place: int, expected: int) -> None:
    found = evidence([[0.9, 0.1], [0.2, 0.8], [1.0, 1.0]])
    pixels = np.zeros(SIZE, bool)
    pixels[2:6, 4:12] = True
    assert crop_of_object(found, pixels, place) == expected


def test_where_no_region_has_a_quarter_of_it_any_crop_will_do() -> None:
    pixels = np.zeros(SIZE, bool)
    pixels[0, 0] = True
    found = evidence([[0.1, 0.1], [0.2, 0.8], [1.0, 0.5]])
    none = Regions(np.zeros(SIZE, np.int32), np.zeros(0, bool))
    without = Evidence(
        found.levels,
        0.1,
        0.1,
        found.crops,
        found.crop_probabilities,
        tuple(Crop(one.box, 0) for one in found.plan),
        (none,),
    )
    assert crop_of_object(without, pixels, 0) == 2


@pytest.mark.parametrize("count", [0, 2, 4])
def test_the_diagram_has_eight_steps_and_no_text_outside(count: int) -> None:
    image, flat = np.zeros((*SIZE, 3), np.uint8), np.zeros(SIZE, np.float32)
    boxes = [(-2, 3, 8, 13)] * count
    steps = Steps(image, flat, image, boxes, [image] * count, ["night stand 0.99"] * count, [flat] * count, flat, image)
    figure = method_diagram(steps)
    FigureCanvasAgg(figure).draw()
    numbers = [text.get_text()[0] for text in figure.texts if text.get_text()[0].isdigit()]
    assert sorted(numbers) == list("12345678")
    for text in figure.texts:
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1
