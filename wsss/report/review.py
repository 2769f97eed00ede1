"""A page to look through labels that no mask has checked: photographs in the order of how sure the labels are."""

import csv
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsss.data.palette import class_colours, overlay
from wsss.data.reduced import resized_label
from wsss.io import atomic_path
from wsss.machine.parallel import image_bar
from wsss.pipeline.run import Run
from wsss.pseudo.labels import load_pseudo_label

__all__ = ["Region", "Reviewed", "review_labels", "reviewed", "thumbnail", "write_review"]

THUMBNAIL = 320  # pixels of the long side


@dataclass(frozen=True)
class Region:
    """One region of a label map, or a tag of which none was found.

    Attributes:
        name: of the class.
        probability: of the class in the whole photograph, by the classifier.
        area: share of the photograph; 0 where nothing was found.
        margin: see `wsss.pseudo.confidence.region_facts`.
        box: (top, left, bottom, right); None where nothing was found.
    """

    name: str
    probability: float
    area: float = 0.0
    margin: float = 0.0
    box: tuple[int, int, int, int] | None = None

    @property
    def confidence(self) -> float:
        """Probability × margin, in [0, 1]: it orders, and is no probability of being right."""
        return self.probability * self.margin


@dataclass(frozen=True)
class Reviewed:
    """One photograph, with its regions from the least certain on."""

    id: str
    tags: tuple[str, ...]
    regions: tuple[Region, ...]

    @property
    def confidence(self) -> float:
        """That of the tag that is found worst, by its best region; 1 of a photograph without tags."""
        return min((max(one.confidence for one in self.regions if one.name == tag) for tag in self.tags), default=1.0)


def reviewed(
    name: str,
    tags: Sequence[str],
    probabilities: Mapping[str, float],
    found: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
) -> Reviewed:
    """What is known of a photograph.

    Args:
        tags: names of its classes.
        probabilities: of these, by the classifier.
        found: see `region_facts`.
        classes: names of the labels 1…C.
    """
    regions = [
        Region(
            classes[one["class"] - 1],
            probabilities[classes[one["class"] - 1]],
            one["area"],
            one["margin"],
            tuple(one["box"]),
        )
        for one in found
    ]
    missing = [Region(tag, probabilities[tag]) for tag in tags if tag not in {one.name for one in regions}]
    return Reviewed(name, tuple(tags), tuple(sorted([*regions, *missing], key=lambda one: one.confidence)))


def review_labels(run: Run, name: str, out: Path, facts: Mapping[str, Any]) -> Path:
    """Write the page for the labels of method `name` that lie in `out`, with their thumbnails in `out/review/`.

    Args:
        facts: what `labels.json` says.
    """
    data, regions = run.data("train"), run.labels([name])[name].facts["regions"]
    colours, found = class_colours(data.classes), []
    for sample, row in zip(image_bar(data, "review", run.progress), run.probabilities("train"), strict=True):
        shown = [data.classes[number] for number in np.flatnonzero(sample.labels)]
        likely = dict(zip(data.classes, row.tolist(), strict=True))
        found.append(reviewed(sample.id, shown, likely, regions[sample.id], data.classes))
        label = resized_label(load_pseudo_label(out / f"{sample.id}.png"), sample.image.shape[:2])
        picture = thumbnail(sample.image, label, colours)
        with atomic_path(out / "review" / f"{sample.id}.jpg") as path:
            path.write_bytes(picture)
    return write_review(out, found, data.classes, _heading(facts))


_CORRECTED = (
    "Maps corrected by hand: {}. They are shown, but the numbers beside them are of the maps as they were made."
)


def _heading(facts: Mapping[str, Any]) -> list[str]:
    others = ", ".join((facts["preset"] or {}).get("chosen_on", ()))
    origin = {
        "preset": f"Parameters and threshold were chosen on other data ({others}).",
        "tune": f"Parameters and threshold were chosen on {facts['tune_images']} masks.",
    }
    return [
        f"{facts['images']} photographs, labelled by {facts['method']}: guesses from tags, not truth. The least "
        "certain come first.",
        origin.get(facts["chosen_on"], "Parameters and threshold are those of a file."),
        "“sure” is the classifier’s probability of the class (“seen”) times how far the scores of the region pass the "
        "threshold. It orders the photographs; it is no probability of being right.",
        *([f"{doubt[0].upper()}{doubt[1:]}"] if (doubt := facts["classifier_doubt"]) else []),
        *([_CORRECTED.format(len(facts["corrected"]))] if facts["corrected"] else []),
    ]


def write_review(out: Path, photographs: Sequence[Reviewed], classes: Sequence[str], heading: Sequence[str]) -> Path:
    """Write `out/review.csv`, a row a region, and `out/review.html`, a contact sheet; least certain first.

    Thumbnails are to lie in `out/review/ID.jpg` (see `thumbnail`).

    Args:
        heading: sentences on top of the page.

    Returns:
        The page.
    """
    ordered = sorted(photographs, key=lambda one: (one.confidence, one.id))
    with atomic_path(out / "review.csv") as path, path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(row for one in ordered for row in _rows(one))
    page = out / "review.html"
    with atomic_path(page) as path:
        path.write_text(_page(ordered, classes, heading), encoding="utf-8")
    return page


COLUMNS = (
    "photograph", "confidence", "class", "region_confidence", "probability", "area_percent", "margin",
    "top", "left", "bottom", "right",
)  # fmt: skip
"""Of the CSV; of a tag that is not found the box is empty."""


def _rows(one: Reviewed) -> list[list[Any]]:
    if not one.regions:
        return [[one.id, round(one.confidence, 3), *[""] * (len(COLUMNS) - 2)]]
    return [
        [one.id, round(one.confidence, 3), r.name, round(r.confidence, 3), round(r.probability, 3),
         round(100 * r.area, 2), round(r.margin, 3), *(r.box or ("",) * 4)]
        for r in one.regions
    ]  # fmt: skip


def thumbnail(image: NDArray[np.uint8], label: NDArray[np.uint8], colours: NDArray[np.uint8]) -> bytes:
    """A small JPEG of a photograph `H×W×3 uint8` with its label map laid over it."""
    picture = Image.fromarray(overlay(image, label, colours, alpha=0.45))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    held = BytesIO()
    picture.save(held, format="JPEG", quality=85)
    return held.getvalue()


def _page(ordered: Sequence[Reviewed], classes: Sequence[str], heading: Sequence[str]) -> str:
    colours = class_colours(classes)
    swatches = {name: f"rgb({', '.join(map(str, colours[number].tolist()))})" for number, name in enumerate(classes, 1)}
    legend = "".join(f"<li>{_swatch(swatches[name])}{html.escape(name)}</li>" for name in classes)
    cards = "\n".join(_card(one, swatches) for one in ordered)
    told = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in heading)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Labels to review</title>\n<style>{_STYLE}</style></head><body>\n"
        f"<header><h1>Labels to review</h1>{told}<ul class=legend>{legend}</ul></header>\n"
        f"<main>\n{cards}\n</main></body></html>\n"
    )


def _swatch(colour: str) -> str:
    return f'<span class=swatch style="background:{colour}"></span>'


def _card(one: Reviewed, swatches: Mapping[str, str]) -> str:
    name, place = html.escape(one.id), html.escape(quote(one.id))
    rows = "".join(
        f"<tr><td>{_swatch(swatches[r.name])}{html.escape(r.name)}</td><td>{r.confidence:.2f}</td><td>{r.probability:.2f}</td>"
        + (f"<td>{100 * r.area:.1f}&#8239;%</td></tr>" if r.box else "<td>not found</td></tr>")
        for r in one.regions
    )
    heading = "".join(f"<th>{column}</th>" for column in ("region", "sure", "seen", "area"))
    table = f"<table><thead><tr>{heading}</tr></thead><tbody>{rows}</tbody></table>"
    picture = f'<img src="review/{place}.jpg" alt="{name} with its label map" loading=lazy>'
    return (
        f'<article><a href="{place}.png">{picture}</a>\n'
        f"<h2>{name}</h2><p><meter min=0 max=1 value={one.confidence:.3f}></meter> {one.confidence:.2f}</p>"
        f"{table if one.regions else '<p>no tags</p>'}</article>"
    )


_STYLE = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.4 }
body { margin: 0 auto; max-width: 90rem; padding: 1rem }
header p { max-width: 45rem; margin: .4rem 0 }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; list-style: none; padding: 0 }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border: 1px solid #8888 }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(18rem, 100%), 1fr)); gap: 1rem }
article { border: 1px solid #8886; border-radius: .4rem; padding: .6rem; min-width: 0 }
article img { width: 100%; height: 13rem; object-fit: contain; background: #8882; display: block }
h2 { font-size: 1rem; margin: .5rem 0 0; overflow-wrap: anywhere }
article p { margin: .2rem 0 }
table { width: 100%; border-collapse: collapse; font-size: .85rem }
th, td { text-align: right; padding: .1rem .3rem }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere }
"""
