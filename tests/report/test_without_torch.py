"""Tables and charts are made from records alone: neither the check nor the drawing imports a network library."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from wsss.paths import checkout_folder

HEAVY = ("torch", "torchvision", "timm", "transformers", "segmentation_models_pytorch", "embreex")

REPORT = f"""
import os, sys
from pathlib import Path

from wsss.cli import main
from wsss.experiments.committed import check_committed
from wsss.records.store import load_records

os.sched_getaffinity = lambda _: {{0}}
os.cpu_count = lambda: 1  # every chart is drawn in this process
results, tree, figures, page = sys.argv[1:]
check_committed(load_records(Path(results)), Path(results))
sys.argv = ["wsss", "report", "--records", tree, "--figures", figures, "--page", page]
try:
    main()
except SystemExit as done:
    assert not done.code, done.code
print(sorted(set({HEAVY}) & set(sys.modules)))
"""


def test_checking_and_drawing_committed_records_needs_no_torch(tmp_path: Path) -> None:
    results = checkout_folder("results")
    tree = tmp_path / "records"
    for part in ("voc-animals/cam", "tabletop/ablation", "tabletop/series"):
        shutil.copytree(results / part, tree / part)
    page = tmp_path / "page.md"
    page.write_text("<!-- table:real-seeds -->\n<!-- /table:real-seeds -->\n", encoding="utf-8")
    figures = tmp_path / "figures"
    arguments = [sys.executable, "-c", REPORT, *map(str, (results, tree, figures, page))]
    environment = {**os.environ, "WSSS_RUNS": str(tmp_path / "runs")}
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    drawn = {path.name for path in figures.glob("*.svg")}
    assert {"tabletop-ablation-seed-0.svg", "tabletop-series-shrinking.svg", "voc-animals-cam-val-effects.svg"} <= drawn
    assert "depth@meter" in page.read_text(encoding="utf-8")
