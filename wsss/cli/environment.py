"""What options of a command put into the environment while it runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["environment"]


@contextmanager
def environment(**variables: str | None) -> Iterator[None]:
    """Variables are set in here, also for kernels and processes that are started; None leaves one as it is.

    >>> with environment(WSSS_DEVICE="cpu"):
    ...     os.environ["WSSS_DEVICE"]
    'cpu'
    """
    before = dict(os.environ)
    os.environ.update({name: value for name, value in variables.items() if value is not None})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
