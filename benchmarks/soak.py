"""Many small photographs through `wsss label`: does memory stay where it is?

    python -m benchmarks.soak --profile smoke      # seven minutes on one core; --out FILE.json keeps what was found
    python -m benchmarks.soak                      # trained as `wsss label` trains: an hour or two

Photographs of squares and discs are drawn, tagged and labelled twice, a tenth of them and all of them, each in a
process of its own whose memory is asked for five times a second. The largest of all must be at most 1.1 times as large
as with a tenth; the command fails if it is not. Every label map is then opened, and must be of its photograph's size.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from benchmarks.measure import CHECKOUT, machine
from wsss.data.pictures import read_image
from wsss.errors import WsssError
from wsss.io import write_json

__all__ = ["draw_photographs", "soak"]

SIZE = (96, 128)  # pixels, H×W
CLASSES = ("disc", "square")
GROWTH = 1.1  # times, at most
EVERY = 0.2  # seconds


def draw_photographs(folder: Path, count: int) -> Path:
    """Draw `0000.jpg`, … in a folder, and return the file of their tags beside it."""
    folder.mkdir(parents=True)
    lines = []
    for number in range(count):
        rng = np.random.default_rng(number)
        image = rng.integers(80, 150, (*SIZE, 3), np.uint8)
        rows, columns = np.indices(SIZE) - np.array([rng.integers(24, side - 24) for side in SIZE])[:, None, None]
        kind = number % len(CLASSES)
        inside = rows**2 + columns**2 < 20**2 if kind == 0 else np.maximum(abs(rows), abs(columns)) < 16
        image[inside] = rng.integers(0, 255, 3, np.uint8)
        Image.fromarray(image).save(folder / f"{number:05d}.jpg", quality=90)
        lines.append(f"{number:05d}.jpg,{CLASSES[kind]}\n")
    tags = folder.with_suffix(".csv")
    tags.write_text("".join(lines))
    return tags


def soak(count: int, profile: str, folder: Path) -> dict[str, Any]:
    """Label a tenth of `count` photographs, then all of them.

    Returns:
        Of both: photographs, seconds, `peak_gb` and `late_gb`, the largest memory of the last quarter of the time; and
        `growth`, the ratio of their peaks.

    Raises:
        WsssError: a command failed, or a label map is missing or of another size.
    """
    runs = [_labelled(number, profile, folder / str(number)) for number in (max(1, count // 10), count)]
    return {"profile": profile, "size": list(SIZE), "runs": runs, "growth": runs[1]["peak_gb"] / runs[0]["peak_gb"]}


def _labelled(count: int, profile: str, folder: Path) -> dict[str, Any]:
    tags = draw_photographs(folder / "photographs", count)
    command = [sys.executable, "-m", "wsss", "label", "--images", str(tags.with_suffix("")), "--tags", str(tags)]
    command += ["--depth", "none", "--out", str(folder / "labels"), "--runs", str(folder / "runs"), "--quiet"]
    start, memory = time.perf_counter(), list[float]()
    with (folder / "said.txt").open("w") as said:
        process = psutil.Popen([*command, "--profile", profile], cwd=CHECKOUT, stdout=said, stderr=subprocess.STDOUT)
        while process.poll() is None:
            memory.append(_resident(process))
            time.sleep(EVERY)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise WsssError(f"`wsss label` failed on {count} photographs: {(folder / 'said.txt').read_text()[-300:]}")
    for path in sorted(tags.with_suffix("").iterdir()):
        if read_image(folder / "labels" / f"{path.stem}.png", mode=None).shape != SIZE:
            raise WsssError(f"the label map of {path.name} is of another size")
    late = memory[3 * len(memory) // 4 :]
    return {"images": count, "seconds": seconds, "peak_gb": max(memory) / 1e9, "late_gb": max(late) / 1e9}


def _resident(process: psutil.Popen) -> float:
    """Bytes of memory of a process and of those that it has started."""
    total = 0.0
    try:
        for each in (process, *process.children(recursive=True)):
            total += each.memory_info().rss
    except psutil.Error:  # it has just ended
        pass
    return total


def main() -> None:
    """Soak, print what was found, and fail where memory grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000, help="photographs (default: 2000)")
    parser.add_argument("--profile", default="default", help="of the run (default: default)")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = soak(options.images, options.profile, Path(folder)) | {"machine": machine()}
    print(json.dumps(found, indent=1))
    if options.out:
        write_json(options.out, found)
    if found["growth"] > GROWTH:
        sys.exit(f"memory grows with the photographs: {found['growth']:.2f} times, at most {GROWTH} were allowed")


if __name__ == "__main__":
    main()
