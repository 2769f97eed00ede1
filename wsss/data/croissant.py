"""The card of `tabletop` for programs: Croissant (JSON-LD of MLCommons), with the fields on responsible use.

`wsss render` writes it as `croissant.json` into the folder that it fills, where `mlcroissant` reads the scenes by it:

    mlcroissant.Dataset("…/croissant.json").records("images")

That of the default scenes is in the documentation; the module run by itself prints it. Nothing of it is typed in
twice: sizes, classes, splits and versions are those of the generator.
"""

import json
from typing import Any

from wsss.data.scenes import CLASSES
from wsss.data.tabletop import GENERATOR_VERSION, TabletopSpec
from wsss.io import content_hash

__all__ = ["FILE", "tabletop_croissant"]

FILE = "croissant.json"
"""Name of the card in a rendered folder."""

LICENCE = "https://spdx.org/licenses/MIT.html"

_SPLITS = {"train": "TrainingSplit", "tune": "ValidationSplit", "test": "TestSplit"}
"""Croissant's names of the splits."""

_KINDS = {
    "images": ("rgb", "The picture, RGB with 8 bits a channel."),
    "masks": ("masks", "Class of each pixel: 0 background, 1 to 10 as in `classes`, 255 not known."),
    "instances": ("instances", "Number of the object that each pixel shows, from 1; 0 none."),
    "depth": ("depth", "Exact inverse depth, 65535 the nearest; of one scene, not comparable between scenes."),
    "kinect": ("kinect", "Depth in millimetres as a structured-light camera measures it; 0 where it has no value."),
}
"""Of each kind of picture its folder, and what it is."""

_OWN_WORDS = (
    "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileProperty",
    "fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5", "parentField",
    "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator", "source",
    "subField", "transform",
)  # fmt: skip

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{word: f"cr:{word}" for word in _OWN_WORDS},
}
"""The `@context` of Croissant 1.1, as its specification has it."""

_RESPONSIBLE = {
    "rai:dataCollection": "Rendered: each scene is drawn at random and ray-traced on the machine of the user.",
    "rai:dataCollectionType": ["Software Collection"],
    "rai:dataAnnotationProtocol": [
        "Masks, instances, occlusion and depth are exact, of the renderer; nobody labelled."
    ],
    "rai:dataBiases": [
        "40 % of the scenes hide an object by 40 % or more and 30 % have one below 1 % of the picture, on purpose.",
        "Ten classes of toys, eight forms of each, in random colours; planes and dice are rarer.",
    ],
    "rai:dataLimitations": [
        "Rendered depth has sharper borders than any camera's; results on it are no promise for photographs.",
        "All things stand on a table in a room, and no thing looks like one of a photograph.",
    ],
    "rai:dataUseCases": [
        "Comparing methods for segmentation from image labels on small and hidden objects, with exact truth.",
    ],
    "rai:dataSocialImpact": "It shows no person, no place and no brand.",
    "rai:personalSensitiveInformation": ["None."],
    "rai:dataReleaseMaintenancePlan": "Fixed: another generator is another version with other scores.",
}


def tabletop_croissant(spec: TabletopSpec | None = None) -> dict[str, Any]:
    """The card of the scenes of a specification, as a JSON-LD document.

    >>> card = tabletop_croissant()
    >>> card["name"], card["version"], len(card["recordSet"])
    ('tabletop', '3.0.0', 8)
    """
    spec = spec or TabletopSpec()
    splits = dict(spec.splits)
    counts = ", ".join(f"{count} {split}" for split, count in splits.items())
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": "tabletop",
        "description": (
            f"Rendered scenes of things on a table in a room ({counts}), {spec.side}×{spec.side} pixels, with exact "
            "masks, instances, occlusion and depth. Small and hidden objects are frequent on purpose. Made from "
            f"nothing by the generator of wsss-depth-cam (`wsss render`), seed {spec.seed}; identity "
            f"{content_hash(spec.identity())[:12]}."
        ),
        "license": LICENCE,
        "version": f"{GENERATOR_VERSION}.0.0",
        "keywords": ["weakly-supervised semantic segmentation", "depth", "occlusion", "small objects", "rendered"],
        "creator": {"@type": "sc:Organization", "name": "The wsss-depth-cam authors"},
        "citeAs": (
            "@software{wsss_depth_cam, author = {{The wsss-depth-cam authors}}, title = {Weakly-supervised semantic "
            "segmentation via depth-guided class activation maps: a research compendium}}"
        ),
        "isLiveDataset": False,
        **_RESPONSIBLE,
        "distribution": [_files(kind, splits) for kind in (*_KINDS, "facts")],
        "recordSet": [
            _split_records(splits),
            _class_records(),
            *(_picture_records(kind) for kind in _KINDS),
            _fact_records(),
        ],
    }


def _files(kind: str, splits: dict[str, int]) -> dict[str, Any]:
    """The files of one kind, in all splits."""
    if kind == "facts":
        form, places = "application/json", [f"{split}/scenes/*.json" for split in splits]
    elif kind == "kinect":
        form, places = "image/png", [f"kinect/{split}-*.png" for split in splits]
    else:
        form, places = "image/png", [f"{split}/{_KINDS[kind][0]}/*.png" for split in splits]
    return {
        "@type": "cr:FileSet",
        "@id": f"{kind}-files",
        "name": f"{kind}-files",
        "encodingFormat": form,
        "includes": places,
    }


def _field(record: str, name: str, what: str, kind: str, source: dict[str, Any] | None = None) -> dict[str, Any]:
    described = {"@type": "cr:Field", "@id": f"{record}/{name}", "name": name, "description": what, "dataType": kind}
    return described | ({"source": source} if source else {})


def _records(name: str, what: str, fields: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "description": what, **more, "field": fields}


def _split_records(splits: dict[str, int]) -> dict[str, Any]:
    fields = [
        _field("splits", "name", "Of the split.", "sc:Text"),
        _field("splits", "url", "What it is for.", "sc:URL"),
        _field("splits", "scenes", "How many it has.", "sc:Integer"),
    ]
    rows = [
        {"splits/name": name, "splits/url": f"http://mlcommons.org/croissant/{_SPLITS[name]}", "splits/scenes": count}
        for name, count in splits.items()
    ]
    what = "train: weights learn; tune: parameters and thresholds are chosen; test: reported."
    return _records("splits", what, fields, dataType="cr:Split", key={"@id": "splits/name"}, data=rows)


def _class_records() -> dict[str, Any]:
    fields = [
        _field("classes", "label", "Value of its pixels in the masks.", "sc:Integer"),
        _field("classes", "name", "Of the class.", "sc:Text"),
    ]
    rows = [{"classes/label": label, "classes/name": name} for label, name in enumerate(CLASSES, start=1)]
    what = "The classes. Other things on the table are background."
    return _records("classes", what, fields, dataType="sc:Enumeration", key={"@id": "classes/label"}, data=rows)


def _source(kind: str, extract: dict[str, str], regex: str | None = None) -> dict[str, Any]:
    source: dict[str, Any] = {"fileSet": {"@id": f"{kind}-files"}, "extract": extract}
    return source | ({"transform": {"regex": regex}} if regex else {})


def _scene_fields(record: str) -> list[dict[str, Any]]:
    """Split and number of a scene: from its file's path."""
    path = {"fileProperty": "fullpath"}
    split = _source(record, path, rf"(?:.*/)?({'|'.join(_SPLITS)})[/-].*")
    number = _source(record, path, r".*\D(\d+)\.\w+$")
    return [
        _field(record, "split", "Of the scene.", "sc:Text", split),
        _field(record, "number", "Of the scene, in its split.", "sc:Text", number),
    ]


def _picture_records(kind: str) -> dict[str, Any]:
    content = _field(kind, "content", _KINDS[kind][1], "sc:ImageObject", _source(kind, {"fileProperty": "content"}))
    return _records(kind, _KINDS[kind][1], [*_scene_fields(kind), content])


def _fact_records() -> dict[str, Any]:
    facts = {
        "id": ("Split and number.", "sc:Text"),
        "kind": ("occluded, small or mixed: what the scene was drawn for.", "sc:Text"),
        "classes": ("Class of each object, in the order of the instances.", "sc:Integer"),
        "occlusion": ("Share of each object that others hide, in the same order.", "sc:Float"),
    }
    fields = [
        _field("facts", name, what, kind, _source("facts", {"jsonPath": f"$.{name}"}))
        for name, (what, kind) in facts.items()
    ]
    for field in fields[2:]:
        field["repeated"] = True
    return _records("facts", "What is known of each scene.", fields)


if __name__ == "__main__":
    print(json.dumps(tabletop_croissant(), indent=1, ensure_ascii=False))
