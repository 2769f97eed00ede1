"""The one exception that users are meant to read: it names the file or value at fault and the remedy."""

from unicodedata import category

__all__ = ["MissingExtra", "WsssError", "first_line", "in_one_line", "is_one_line"]

_NO_SIGNS = ("Cc", "Cs", "Zl", "Zp")
"""Control signs, halves of characters (of names that are no UTF-8), separators of lines and paragraphs."""


class WsssError(Exception):
    """Something outside the program is wrong (a file, a value, a missing package).

    The message says what is wrong, where, and what to do about it, in one line: signs of other lines, such as of a
    name that it quotes, are escaped. The command line prints it without a traceback.

    >>> print(WsssError("no class 'red\\x1b[31m'"))
    no class 'red\\x1b[31m'
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(in_one_line(message))


class MissingExtra(WsssError):
    """A library of an extra is not installed: no fault of the file or value at hand."""


def first_line(error: BaseException) -> str:
    """What another library's exception says, in one line and without a full stop; its type where it says nothing.

    >>> first_line(ValueError("no such model.\\n\\nTry another."))
    'no such model'
    """
    return str(error).strip().partition("\n")[0].strip().rstrip(".:") or type(error).__name__


def is_one_line(text: str) -> bool:
    """Whether a name can stand in a list with one name a line, be written as UTF-8, and be printed as it is.

    >>> is_one_line("naïve café"), is_one_line("two\\nlines"), is_one_line("no UTF-8: \\udce9")
    (True, False, False)
    """
    return not any(category(sign) in _NO_SIGNS for sign in text)


def in_one_line(text: str) -> str:
    """A text that somebody else wrote, for a message: what is no sign of one line is escaped.

    >>> print(in_one_line("red \\x1b[31m"))
    red \\x1b[31m
    """
    return "".join(ascii(sign)[1:-1] if category(sign) in _NO_SIGNS else sign for sign in text)
