"""The one exception that users are meant to read: it names the file or value at fault and the remedy."""

__all__ = ["WsssError"]


class WsssError(Exception):
    """Something outside the program is wrong (a file, a value, a missing package).

    The message says what is wrong, where, and what to do about it; the command line prints it without a traceback.
    """
