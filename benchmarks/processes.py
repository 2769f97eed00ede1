"""CAM and depth-guided CAM of 60 `tabletop` images, by one process and by two, one thread each.

OMP_NUM_THREADS=1 python benchmarks/processes.py
OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 benchmarks/processes.py

Needs the classifier and the choices of a default run (`make reproduce`), which are in its cache; nothing of the scores is kept.
"""

import time

from wsss.machine.processes import is_main, num_processes, wait
from wsss.methods.scoring import score_seeds
from wsss.pipeline import open_run

METHODS, IMAGES = ("cam", "depth"), 60


def main() -> None:
    """Print the wall time of the stage, loading left out, and the mIoU, which must not depend on the number of processes."""
    run = open_run(report_limit=IMAGES, progress=False)
    choices, cam, data = run.choose(METHODS), run.depth_cam, run.data("report")
    wait()
    start = time.perf_counter()
    scores = score_seeds(cam, choices, data, {None: run.depth_of("report")}, progress=False)
    wait()
    if is_main():
        found = ", ".join(f"{name} {score.miou:.4f}" for name, score in scores.items())
        print(f"{num_processes()} process(es): {time.perf_counter() - start:.1f} s, mIoU {found}")


if __name__ == "__main__":
    main()
