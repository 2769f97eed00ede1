"""The one exception that users are meant to read: it names the file or value at fault and the remedy."""

__all__ = ["WsssError", "first_line"]


class WsssError(Exception):
    """Something outside the program is wrong (a file, a value, a missing package).

    The message says what is wrong, where, and what to do about it; the command line prints it without a traceback.
    """


def first_line(error: BaseException) -> str:
    """What another library's exception says, in one line and without a full stop; its type where it says nothing.

    >>> first_line(ValueError("no such model.\n\nTry another."))
    'no such model'
    """
    return str(error).strip().partition("\n")[0].strip().rstrip(".:") or type(error).__name__
