"""The list of confirmatory comparisons, and its record as parts of one data set after the other are merged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.records.test_claims import SEEDS, network, part, score
from wsss.errors import WsssError
from wsss.experiments.claims import write_claims
from wsss.experiments.parts import merge_data
from wsss.experiments.plan import CLAIMS, RESULT_SEEDS
from wsss.io import read_json, write_json
from wsss.methods.names import CONTROLS
from wsss.records.claims import CELLS
from wsss.records.convergence import bound_converged, convergence_text, load_doubled, load_doubled_records
from wsss.records.parts import save_part
from wsss.records.store import claims_path, doubled_path, load_claims

LEVELS = {"zoom": (0.55, 40.0), "grid": (0.6, 39.0), "depth@sensor": (0.8, 70.0), "depth@shuffled": (0.56, 41.0)}


def stages(data: str, seeds: Any = SEEDS) -> Any:
    scores = [{name: score(level, seed, tune) for name, (level, tune) in LEVELS.items()} for seed in seeds]
    found = [part(seed, each, data=data) for seed, each in zip(seeds, scores, strict=True)]
    return {"cam": found, "segmentation": [replace(network(seed), data=data) for seed in seeds]}


def told(folder: Path) -> list[tuple[str, str, str, str]]:
    record = load_claims(folder)
    assert record is not None
    return [(row["data"], row["claimed"], row["measure"], row["verdict"]) for row in record["rows"]]


def test_the_family_is_the_list_of_the_issue() -> None:
    assert RESULT_SEEDS == (0, 1, 2)
    assert len(CLAIMS) == 17
    assert len({(one.data, one.stage, one.method, one.measure, one.kind) for one in CLAIMS}) == len(CLAIMS)
    assert {one.measure for one in CLAIMS} == set(CELLS)
    assert {one.data for one in CLAIMS} == {"tabletop", "nyuv2", "voc-animals"}
    assert all((one.kind == "no loss") == (one.aim is None) == (one.bound < 0) for one in CLAIMS)
    assert all(one.against == CONTROLS for one in CLAIMS if one.kind != "share" and "crop-only" not in one.method)
    assert [one.aim for one in CLAIMS if one.aim] == [25, 15, 5, 5, 10, 5, 4, 2, 10, 90, 1, 1]


def test_the_record_grows_with_the_parts_and_is_adjusted_as_a_whole(tmp_path: Path) -> None:
    assert write_claims("nyuv2", tmp_path, stages("nyuv2", (0, 1))) is None
    assert load_claims(tmp_path) is None
    assert write_claims("nyuv2", tmp_path, stages("nyuv2")) == claims_path(tmp_path) == tmp_path / "claims.json"
    found = [
        ("nyuv2", "depth@sensor", "mIoU", "gain"),
        ("nyuv2", "depth@shuffled", "mIoU", "no loss"),
        ("nyuv2", "depth@sensor", "mIoU", "gain"),
    ]
    assert told(tmp_path) == found
    alone = load_claims(tmp_path)
    write_claims("tabletop", tmp_path, stages("tabletop"))
    assert [row for row in told(tmp_path) if row[0] == "nyuv2"] == found
    order = [(claim.data, claim.method) for claim in CLAIMS]
    assert sorted(told(tmp_path), key=lambda row: order.index(row[:2])) != []
    assert told(tmp_path)[0] == ("tabletop", "depth@sensor", "mIoU", "gain")
    assert ("tabletop", "depth@sensor", "share of mIoU", "at equal iterations") in told(tmp_path)
    whole = load_claims(tmp_path)
    assert alone is not None
    assert whole is not None
    assert whole["size"] == alone["size"] == 17
    again = tmp_path / "again"
    for data in ("tabletop", "nyuv2"):  # in the other order
        write_claims(data, again, stages(data))
    assert read_json(claims_path(again)) == read_json(claims_path(tmp_path))
    write_claims("tabletop", tmp_path, stages("tabletop", (0,)))  # a part was deleted
    assert told(tmp_path) == found


def doubled(folder: Path, data: str, **changes: float) -> None:
    rows = [{"labels": name, "difference": value, "ci": [-1.0, 1.0]} for name, value in changes.items()]
    write_json(doubled_path(folder, data, 0), {"data": data, "rows": rows})


def test_only_twice_the_iterations_say_that_a_bound_has_converged(tmp_path: Path) -> None:
    assert not bound_converged(load_doubled(tmp_path, "tabletop"))
    assert convergence_text("tabletop", load_doubled_records(tmp_path)) == "networks at equal iterations"
    doubled(tmp_path, "tabletop", **{"depth@sensor+par": -0.4, "full-supervision": 0.9})
    assert bound_converged(load_doubled(tmp_path, "tabletop"))
    assert convergence_text("tabletop", load_doubled_records(tmp_path)) == (
        "networks converged: twice the iterations change mIoU on tune by −0.4 points (depth@sensor+par), +0.9 points "
        "(full-supervision)"
    )
    doubled(tmp_path, "tabletop", **{"depth@sensor+par": 1.0, "full-supervision": 0.9})
    assert bound_converged(load_doubled(tmp_path, "tabletop"))
    assert convergence_text("tabletop", load_doubled_records(tmp_path)).startswith(
        "networks at equal iterations: twice"
    )
    doubled(tmp_path, "tabletop", **{"depth@sensor+par": 0.1, "full-supervision": -1.0})
    assert not bound_converged(load_doubled(tmp_path, "tabletop"))
    doubled_path(tmp_path, "tabletop", 0).write_text("[]")
    with pytest.raises(WsssError, match="no record of trainings of double length"):
        load_doubled(tmp_path, "tabletop")


def test_a_share_is_decided_where_its_bound_has_converged(tmp_path: Path) -> None:
    doubled(tmp_path, "tabletop", **{"full-supervision": 0.2})
    write_claims("tabletop", tmp_path, stages("tabletop"))
    (row,) = [row for row in told(tmp_path) if row[2] == "share of mIoU"]
    assert row[-1] in ("reached", "not shown")


def test_parts_are_merged_into_records_and_claims(tmp_path: Path) -> None:
    for parts in stages("nyuv2").values():
        for one in parts:
            made = {**one.made, "algorithms": {"cam": 3, "segmentation": 4}}
            save_part(tmp_path, replace(one, made=made, read={name: {} for name in one.scores}))
    paths = merge_data("nyuv2", tmp_path)
    assert len(paths) == 8
    record = next(read_json(path) for path in paths if path.stem == "depth@sensor+par")
    pair = next(pair for pair in record["paired"] if pair["against"] == "full-supervision")
    assert pair["share"]["ci"][0] < pair["share"]["value"] < pair["share"]["ci"][1]
    assert (record["num_images"], record["num_scenes"]) == (24, 12)
    assert [row[1] for row in told(tmp_path)] == ["depth@sensor", "depth@shuffled", "depth@sensor"]
    claims_path(tmp_path).write_text("{}")
    with pytest.raises(WsssError, match=r"claims\.json is no record"):
        load_claims(tmp_path)
