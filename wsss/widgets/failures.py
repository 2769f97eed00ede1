"""The failure browser: the objects that a method misses, by size, occlusion and class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd
from ipywidgets import BoundedIntText, Box, Layout, VBox
from matplotlib.figure import Figure

from wsss.analysis.failures import occlusion_measure
from wsss.analysis.strata import SIZE_BINS
from wsss.errors import WsssError
from wsss.pipeline import Run
from wsss.pipeline.view import seed_view
from wsss.report.panels import object_sheet
from wsss.widgets.choices import OptionList, label_style
from wsss.widgets.live import HINT, Live, headless

__all__ = ["FailureData", "FailureParameters", "failure_browser", "render_failure"]

ANY = "any"


@dataclass(frozen=True)
class FailureParameters:
    """Which objects, None for any, and the how-many-th of them, from 1 for the lowest recall.

    Raises:
        WsssError: the rank is below 1.
    """

    size: str | None = None
    occlusion: str | None = None
    class_name: str | None = None
    rank: int = 1

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise WsssError(f"the first object has rank 1, not {self.rank}")


class FailureData:
    """The objects of a run's reported split as a method finds them."""

    def __init__(self, run: Run, name: str = "cam") -> None:
        self.classes, self.ids = run.data("report").classes, run.data("report").ids
        self.objects: pd.DataFrame = run.seeds([name])[name].instances
        self.measure = occlusion_measure(self.objects)
        self.view = lru_cache(8)(lambda index: seed_view(run, name, index))

    def found(self, p: FailureParameters) -> pd.DataFrame:
        """The objects that are meant, the lowest recall first, the larger first at ties."""
        objects = self.objects
        class_id = None if p.class_name is None else self.classes.index(p.class_name) + 1
        for column, wanted in (("size", p.size), ("occlusion", p.occlusion), ("class_id", class_id)):
            if wanted is not None:
                objects = objects[objects[column] == wanted]
        return objects.sort_values(["recall", "area"], ascending=[True, False], kind="stable")

    def one(self, p: FailureParameters) -> dict[str, Any]:
        """The object with the rank.

        Raises:
            WsssError: there are not so many.
        """
        found = self.found(p)
        if p.rank > len(found):
            raise WsssError(f"there are {len(found)} such objects" if len(found) else "there is no such object")
        row: dict[str, Any] = found.iloc[p.rank - 1].to_dict()
        return row

    def title(self, one: Mapping[str, Any], separator: str = "\n") -> str:
        """What is known of an object."""
        name = self.classes[one["class_id"] - 1].replace("_", " ")
        texts = [f"{name}, recall {one['recall']:.0%}, IoU {one['iou']:.0%}", f"area {one['relative_area']:.2%}"]
        if self.measure and one[self.measure[0]] == one[self.measure[0]]:  # NaN where it is not known
            texts.append(f"occlusion {one[self.measure[0]]:.0%}")
        return separator.join(texts)


def render_failure(several: Sequence[FailureParameters], data: FailureData) -> Figure:
    """A row for each object: the image, its class's score, the label and the truth; the object is framed.

    Raises:
        WsssError: there is no such object.
    """
    ones = [data.one(p) for p in several]
    views = [data.view(data.ids.index(one["image_id"])) for one in ones]
    return object_sheet(views, ones, data.classes, [data.title(one) for one in ones])


def _static(data: FailureData) -> list[FailureParameters]:
    """One object a size: the lowest recall of those that are not hidden, or of all where nothing is known of it."""
    bins = data.measure[2] if data.measure else (None,)
    grid = [
        FailureParameters(size, occlusion) for size in SIZE_BINS for occlusion in dict.fromkeys((bins[0], bins[-1]))
    ]
    return [p for p in grid if len(data.found(p))][:4]


def failure_browser(run: Run, name: str = "cam") -> Any:
    """Choices of size, occlusion and class, and a way through the objects; a static figure where nobody can choose.

    Returns:
        An ipywidgets box, or a `Figure` if `headless()`.
    """
    data = FailureData(run, name)
    if headless():
        print(HINT)
        return render_failure(_static(data), data) if len(data.objects) else None
    narrow, wide = "5em", "22em"

    def choice(label: str, names: Sequence[str]) -> OptionList:
        options = [(ANY, None), *((each.replace("_", " "), each) for each in names)]
        return OptionList(label, options, label_width=narrow, width=wide)

    controls = {
        "size": choice("size", SIZE_BINS),
        "occlusion": choice("occlusion", data.measure[2] if data.measure else ()),
        "class_name": choice("class", data.classes),
        "rank": BoundedIntText(
            1,
            min=1,
            max=max(1, len(data.objects)),
            description="number",
            style=label_style(narrow),
            layout=Layout(width=wide),
        ),
    }

    def draw(values: dict[str, Any]) -> tuple[Figure, str]:
        p = FailureParameters(**values)
        figure, one = render_failure([p], data), data.one(p)
        return figure, f"number {p.rank} of {len(data.found(p))} · {one['image_id']} · {data.title(one, ' · ')}"

    filters = ("size", "occlusion", "class_name")
    live = Live(controls, draw, quiet=filters)

    def begin_again(_: Any) -> None:
        with live.at_once():
            rank = controls["rank"]
            p = FailureParameters(**live.values | {"rank": 1})
            rank.value, rank.max = 1, max(1, len(data.found(p)))  # no number without an object

    for each in filters:
        controls[each].observe(begin_again, "value")
    return VBox(
        [
            Box(list(controls.values()), layout=Layout(display="flex", flex_flow="row wrap")),
            live.picture,
            live.numbers,
        ]
    )
