"""How threads wait for each other: asleep, so that a network's step takes its time on a machine that does more too."""

import os

__all__ = ["wait_asleep"]

_CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Variables in which a user says how threads of OpenMP wait."""


def wait_asleep() -> None:
    """Let threads of OpenMP sleep while they wait for others, in this process and its children.

    By itself GNU's OpenMP, which torch computes with on Linux, lets a thread that has done its part of a layer spin for
    some milliseconds before it sleeps. Beside another busy process the part that it waits for may not be running: the
    spinning takes the core that it would run on, at every layer. Asleep it takes none; waking costs microseconds.

    The variables are read when torch is imported: later this has no effect but on children. What a user has set stays.
    """
    if not any(name in os.environ for name in _CHOICES):
        os.environ["OMP_WAIT_POLICY"] = "passive"
