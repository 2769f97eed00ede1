"""The finds of the front page: each is a sentence of the records, on depth of the data's own and its best control."""

from wsss.paths import checkout_folder
from wsss.records.store import find_record, load_records
from wsss.report.comparisons import best_control
from wsss.report.finds import finds_block
from wsss.report.sentences import difference_sentence, strata_sentences

RECORDS = load_records(checkout_folder("results"))
SEEDS = [record for record in RECORDS if record["stage"] == "cam"]


def test_there_are_four_finds_on_every_data_set() -> None:
    lines = finds_block(RECORDS).splitlines()
    assert [line.partition(".**")[0] for line in lines] == [
        "- **Rendered scenes, exact depth",
        "- **Photographs",
        "- **Small and hidden objects",
        "- **Networks that learn from the labels",
    ]
    for data in {record["data"] for record in RECORDS}:
        assert f"`{data}`: " in lines[3]
        assert f"`{data}`: " in lines[0 if data == "tabletop" else 1]


def test_depth_stands_beside_its_best_control() -> None:
    record = find_record(RECORDS, data="tabletop", stage="cam", method="depth@sensor")
    control = best_control([one for one in SEEDS if one["data"] == "tabletop"])
    assert control is not None
    rendered, _, objects, _ = finds_block(RECORDS).splitlines()
    assert difference_sentence(record, control) in rendered
    assert "crop-only@sensor" in rendered
    assert strata_sentences(record, control) in objects


def test_what_no_record_says_is_left_out() -> None:
    assert finds_block([]) == ""
    assert finds_block([record for record in SEEDS if record["method"] == "cam"]) == ""
    networks = [record for record in RECORDS if record["stage"] == "segmentation"]
    assert finds_block(networks).startswith("- **Networks")
