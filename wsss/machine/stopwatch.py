"""Time that a computation takes, also one that is broken off and goes on later."""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from wsss.errors import WsssError
from wsss.io import read_json, write_json

__all__ = ["Stopwatch"]

SAVED_EVERY = 5.0  # seconds


class Stopwatch:
    """Counts seconds of time, and of processors' work in this process and those that it waited for.

    Used as `with Stopwatch(path) as clock:`; inside and after the block the clock says what has passed.

    Args:
        path: where the time is kept meanwhile, so that what a process had used that was killed counts too, to a few
            seconds. It is removed by `forget`. None keeps nothing.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._before = self._kept()
        self._stopped = threading.Event()
        self._saver: threading.Thread | None = None
        self._start = self._end = _now()

    @property
    def wall_s(self) -> float:
        """Seconds so far, those of earlier tries included."""
        return self._passed()[0]

    @property
    def cpu_s(self) -> float:
        """Seconds of processors' work so far, those of earlier tries included."""
        return self._passed()[1]

    def forget(self) -> None:
        """Remove what is kept: the result is there."""
        if self._path:
            self._path.unlink(missing_ok=True)

    def __enter__(self) -> "Stopwatch":
        self._start, self._end = _now(), (0.0, 0.0)
        if self._path:
            self._saver = threading.Thread(target=self._save_on, daemon=True)
            self._saver.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end = _now()
        self._stopped.set()
        if self._saver:
            self._saver.join()
            self._save()

    def _passed(self) -> tuple[float, float]:
        end = self._end if self._end[0] else _now()
        wall, cpu = (before + (to - since) for before, to, since in zip(self._before, end, self._start, strict=True))
        return wall, cpu

    def _save_on(self) -> None:
        while not self._stopped.wait(SAVED_EVERY):
            self._save()

    def _save(self) -> None:
        if self._path:
            wall, cpu = self._passed()
            with suppress(WsssError):  # a clock is not worth stopping for
                write_json(self._path, {"wall_s": round(wall, 1), "cpu_s": round(cpu, 1)})

    def _kept(self) -> tuple[float, float]:
        if self._path is None or not self._path.exists():
            return 0.0, 0.0
        try:
            kept = read_json(self._path)
            return float(kept["wall_s"]), float(kept["cpu_s"])
        except (WsssError, KeyError, TypeError, ValueError):
            return 0.0, 0.0


def _now() -> tuple[float, float]:
    times = os.times()
    return time.perf_counter(), times.user + times.system + times.children_user + times.children_system
