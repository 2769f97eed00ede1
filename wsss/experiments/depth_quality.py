"""Measures a depth source against the sensor's depth on a split, and writes a record of it."""

from pathlib import Path
from typing import Any

import numpy as np

from wsss.analysis.depth_quality import around_objects, metric_errors, rank_correlation
from wsss.config import ALGORITHM_VERSION
from wsss.depth.specs import source_name
from wsss.errors import WsssError
from wsss.io import write_json
from wsss.machine.progress import progress_bar
from wsss.pipeline.run import Run
from wsss.records.inputs import inputs_read, name_it, require_same_inputs
from wsss.records.provenance import provenance

__all__ = ["depth_quality"]


def depth_quality(run: Run, source: str, split: str, out: Path) -> dict[str, Any]:
    """Quality of a depth source, means over the images of a split.

    `spearman` is the rank correlation with the sensor's inverse depth over the whole image, `spearman_objects` that on
    objects and 10 pixels around them; `abs_rel` and `delta` need distances in metres, which only some data sets have
    (else null).

    Args:
        source: as in `method@source`.
        out: root of the record tree; the record is written to `{data}/depth/{split}/{source}.json` below it.

    Raises:
        WsssError: the data has no sensor depth to compare with, or the record that is there is of another source of
            this name.
    """
    data = run.data(split)
    if not data.has_depth:
        raise WsssError(
            f"depth-quality compares with the depth that the data comes with, and {data.name} comes without: use "
            "--data tabletop or nyuv2"
        )
    truth, depth = run.depth_of(split, "sensor"), run.depth_of(split, source)
    run.require_apart(out, source)
    name, rows = source_name(source, run.depths.names([source])), []
    path = out / run.data_name / "depth" / data.split / f"{name}.json"
    spec = run.depths.spec(source)
    read = inputs_read(run.root, data.fingerprint(), spec)
    require_same_inputs(path, read, name_it(spec, "--depth NAME"))
    for index in progress_bar(range(len(data)), "depth quality", shown=run.progress):
        predicted, true = depth(index), truth(index)
        metres = getattr(data, "metres", lambda _: None)(index)
        errors = metric_errors(predicted, metres) if metres is not None else {"abs_rel": np.nan, "delta": np.nan}
        everywhere, near = np.ones(true.shape, bool), around_objects(data[index].required_mask)
        rows.append([rank_correlation(predicted, true, where) for where in (everywhere, near)] + list(errors.values()))
    known = np.ma.masked_invalid(np.array(rows)).mean(axis=0)
    values = [None if np.ma.is_masked(value) else round(float(value), 4) for value in known]
    record = {
        "data": run.data_name,
        "split": data.split,
        "source": name,
        "num_images": len(data),
        **dict(zip(("spearman", "spearman_objects", "abs_rel", "delta"), values, strict=True)),
        "provenance": provenance(data_sha256=data.fingerprint(), algorithm_version=ALGORITHM_VERSION["depth"])
        | {"read": read},
    }
    write_json(path, record)
    return record
