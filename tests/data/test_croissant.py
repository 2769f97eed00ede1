"""The card of `tabletop` for programs: of today's generator, and read by Croissant's own library."""

import json
from pathlib import Path
from typing import Any

import pytest

from wsss.data.croissant import FILE, tabletop_croissant
from wsss.data.scenes import CLASSES
from wsss.data.tabletop import GENERATOR_VERSION, SPLITS, TabletopDataset, TabletopSpec

CARD = tabletop_croissant()
PAGE = Path(__file__).resolve().parents[2] / "docs" / "static" / "tabletop.croissant.json"


def test_the_page_has_todays_card() -> None:
    assert json.loads(PAGE.read_text(encoding="utf-8")) == CARD, "python -m wsss.data.croissant > that file"


def rows(card: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return next(each["data"] for each in card["recordSet"] if each["name"] == name)


def test_it_says_what_the_generator_does() -> None:
    assert CARD["version"].split(".")[0] == str(GENERATOR_VERSION)
    assert {row["splits/name"]: row["splits/scenes"] for row in rows(CARD, "splits")} == SPLITS
    assert tuple(row["classes/name"] for row in rows(CARD, "classes")) == CLASSES
    small = tabletop_croissant(TabletopSpec(seed=3, side=64, splits=(("test", 2),)))
    assert [row["splits/scenes"] for row in rows(small, "splits")] == [2]
    assert "64×64" in small["description"]
    assert "seed 3" in small["description"]
    assert small["description"] != CARD["description"]


def test_what_is_named_is_there() -> None:
    """Each field is of its record set, and each source one of the sets of files: without Croissant's library."""
    files = {each["@id"] for each in CARD["distribution"]}
    named = [each["@id"] for each in (*CARD["distribution"], *CARD["recordSet"])]
    assert len(set(named)) == len(named)
    for records in CARD["recordSet"]:
        fields = {field["@id"] for field in records["field"]}
        assert all(one.startswith(f"{records['@id']}/") for one in fields)
        assert all(field["source"]["fileSet"]["@id"] in files for field in records["field"] if "source" in field)
        assert all(set(row) == fields for row in records.get("data", ()))
        assert records.get("key", {"@id": min(fields)})["@id"] in fields


def test_the_library_of_croissant_reads_rendered_scenes_by_it(
    tabletop_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    library = pytest.importorskip("mlcroissant", reason="mlcroissant is in the extra dev")
    read = library.Dataset(str(tabletop_root / FILE))
    warned = "\n".join(read.metadata.ctx.issues.warnings)
    assert warned.count("\n") == 0, warned
    assert "datePublished" in warned  # which comes with a release
    known = {
        split: TabletopDataset(tabletop_root, split)
        for split in SPLITS
        if (tabletop_root / split / "index.json").exists()
    }
    ids = {name for data in known.values() for name in data.ids}
    for kind in ("images", "masks", "instances", "depth", "kinect"):
        found = list(read.records(kind))
        assert {f"{row[f'{kind}/split'].decode()}-{row[f'{kind}/number'].decode()}" for row in found} == ids
        assert all(
            row[f"{kind}/content"].size == known[row[f"{kind}/split"].decode()][0].image.shape[1::-1] for row in found
        )
    facts = {row["facts/id"].decode(): row for row in read.records("facts")}
    assert set(facts) == ids
    for data in known.values():
        for sample in data:
            assert sample.instance_classes is not None
            assert sample.occlusion is not None
            assert list(facts[sample.id]["facts/classes"]) == sample.instance_classes.tolist()
            assert list(facts[sample.id]["facts/occlusion"]) == pytest.approx(sample.occlusion.tolist())
    assert not [record for record in caplog.records if "Could not match" in record.message]
