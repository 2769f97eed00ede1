"""The kinds of pictures that a folder of figures has: which question each answers, its title and what is to be seen."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["QUESTIONS", "Kind"]


@dataclass(frozen=True)
class Kind:
    """Pictures of one kind. Groups of the pattern may be used in both texts, between braces.

    Attributes:
        pattern: of their names without suffix, a regular expression.
        title: of a picture.
        alt: what there is to see, for who cannot see it.
    """

    pattern: str
    title: str
    alt: str


_BARS = "with 95 % intervals and single training seeds"
_ROWS = "then the same part with the score of cam, the labels of cam, crop-only and depth, and the truth"


def _of_table(stage: str, what: str, charts: Sequence[str]) -> tuple[Kind, ...]:
    """Kinds of chart that each table of records of a stage has; `what` is scored."""
    prefix = rf"(?P<data>.+)-{stage}-(?P<split>[^-]+)-"
    kinds = (
        Kind(
            "miou",
            "{data}: mIoU of each method",
            f"Bars: mIoU of {what} of {{data}}, one bar a method, {_BARS}.",
        ),
        Kind(
            "classes",
            "{data}: IoU class by class",
            f"Bars: IoU of each class of {{data}}, background first, one colour a method; {what}.",
        ),
        Kind(
            "thresholds",
            "{data}: mIoU at each background threshold",
            f"Curves: mIoU of {what} of {{data}} over the background threshold, one a method. "
            "Marks show the chosen, the fixed and the best threshold.",
        ),
        Kind(
            "strata",
            "{data}: objects by size and occlusion",
            f"Heat maps: IoU of the objects of {{data}} by size and occlusion, a panel a method; {what}.",
        ),
        Kind(
            "strata-(?P<method>.+)-vs-(?P<other>.+)",
            "{data}: {method} minus {other}",
            "Heat map: IoU of {method} less that of {other} on {data}, by size and occlusion of the objects; "
            f"{what}.",
        ),
        Kind(
            "effects",
            "{data}: what size and occlusion change",
            "Points with 95 % intervals: how size and occlusion change the odds that an object of {data} is found, "
            "one point a method.",
        ),
        Kind(
            "activation",
            "{data}: activation on objects",
            "Curves: mean score on objects of {data} over their size and over what is seen of them, one a method; "
            f"{what}.",
        ),
        Kind(
            "losses",
            "{data}: losses during training",
            "Curves: training loss of each network of {data} over iterations, a line a training seed.",
        ),
    )
    names = {kind.pattern.partition("-")[0] if "(" not in kind.pattern else "versus": kind for kind in kinds}
    return tuple(Kind(prefix + names[name].pattern, names[name].title, names[name].alt) for name in charts)


def _series(name: str, title: str, what: str) -> Kind:
    alt = f"Curves: recall, hits and logits of an object that {what} step by step."
    return Kind(f"(?P<data>.+)-series-{name}", f"{{data}}: {title}", alt)


_SCORES, _OBJECTS = ("miou", "classes", "thresholds"), ("strata", "versus")

QUESTIONS: tuple[tuple[str, tuple[Kind, ...]], ...] = (
    (
        "What is the idea?",
        (
            Kind(
                "method-diagram",
                "The method, step by step",
                "Diagram: image and depth give regions, and regions give crops in which other things are painted "
                "out. The same classifier sees the crops; their evidence goes back into the map and the label.",
            ),
            Kind(
                "quickstart",
                "One photograph",
                "A motorcycle: photograph, depth, plain CAM, CAM with depth, the control with regions of colour, "
                "and the label map.",
            ),
            Kind(
                "method",
                "From image to label",
                "Rendered table scenes, a row each: image, depth and crops, CAM before, CAM after, label and truth.",
            ),
        ),
    ),
    (
        "What does the plain CAM miss?",
        (
            _series("shrinking", "an object that shrinks", "becomes smaller"),
            _series("outshone", "an object that shrinks beside a large one", "becomes smaller beside a large one"),
            _series("covering", "an object that is covered", "is covered"),
            *_of_table("cam", "seeds", ("activation", "effects")),
        ),
    ),
    (
        "Does depth find small and hidden objects?",
        (
            Kind(
                "claim-small",
                "Small objects, gains and losses",
                f"Small objects chosen by rule, a row each: image, {_ROWS}.",
            ),
            Kind(
                "claim-occluded",
                "Hidden objects, gains and losses",
                f"Hidden objects chosen by rule, a row each: image, {_ROWS}.",
            ),
            *_of_table("cam", "seeds", _OBJECTS),
        ),
    ),
    ("How much does depth gain, and over which control?", _of_table("cam", "seeds", _SCORES)),
    (
        "Which step of the method matters?",
        (
            Kind(
                "(?P<data>.+)-ablation-seed-(?P<seed>.+)",
                "{data}: one step changed at a time",
                "Bars: mIoU of the method on the tune split of {data} with one step changed or left out at a time, "
                "in groups, with 95 % intervals.",
            ),
        ),
    ),
    (
        "What do more pixels buy?",
        (
            Kind(
                "(?P<data>.+)-budget-seed-(?P<seed>.+)",
                "{data}: mIoU over megapixels",
                "Curves with 95 % bands: mIoU on the tune split of {data} over the megapixels that the classifier "
                "sees, of passes alone, of regions of colour, and of depth.",
            ),
        ),
    ),
    ("Are the pseudo-labels better?", _of_table("pseudo", "pseudo-labels", (*_SCORES, *_OBJECTS, "activation"))),
    ("Do better labels make a better network?", _of_table("segmentation", "networks", (*_SCORES, *_OBJECTS, "losses"))),
    (
        "What can I expect on my own photographs?",
        (
            Kind(
                "presets-few-masks",
                "What a few masks are worth",
                "Curves: mIoU of what few masks choose, beside the preset that needs none, a panel a data set.",
            ),
            Kind(
                "own-models",
                "Other libraries on the same classifiers",
                "Maps of the motorcycle by three tools and by DepthCAM with depth. Below, the time of a plain map in "
                "bare forward passes, for ten models.",
            ),
        ),
    ),
)
"""In the order of the page."""
