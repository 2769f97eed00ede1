"""How threads wait for each other: soon asleep, so that a training goes on beside other work on the same machine."""

import os

__all__ = ["wait_briefly"]

_CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Variables in which a user says how threads of OpenMP wait."""

TURNS = "1000"
"""Turns of a waiting loop before a thread sleeps: some microseconds. By itself libgomp takes 300,000."""


def wait_briefly() -> None:
    """Let threads of OpenMP sleep soon while they wait for others, in this process and its children.

    By itself GNU's OpenMP, which torch computes with on Linux, lets a thread that has done its part of a layer spin for
    some milliseconds before it sleeps. Beside another busy process the part that it waits for may not be running: the
    spinning takes the core that it would run on, at every layer. Asleep it takes none, but waking costs more than most
    waits last: so it spins for as long as a quiet machine needs, and sleeps after that.

    The variables are read when torch is imported: later this has no effect but on children. What a user has set stays.
    """
    if not any(name in os.environ for name in _CHOICES):
        os.environ["GOMP_SPINCOUNT"] = TURNS
