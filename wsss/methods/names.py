"""Names of methods, such as `depth@learned+par-depth`: a method, a depth source, a refinement."""

from dataclasses import dataclass, replace

from wsss.errors import WsssError
from wsss.machine.plugins import offered

__all__ = [
    "CONTROLS",
    "REFINEMENTS_OF_OTHERS",
    "REFINEMENT_NAMES",
    "WITHOUT_REGIONS",
    "MethodName",
    "enter_refinement_name",
    "refinement_names",
]

WITHOUT_REGIONS = ("zoom", "grid", "random", "cam-box", "layers")
"""Controls of equal cost that look closer, or elsewhere, without depth and without regions of colour."""

CONTROLS = (*WITHOUT_REGIONS, "code-as-published", "rgb-region", "rgb-crop", "rgb")
"""Methods of equal cost that make no regions of depth, of those that there are: the best of them on the tune split is
the *best control*. One of them looks at depth: in `code-as-published` it says how much crops are enlarged."""

REFINEMENT_NAMES = ("crf", "par", "par-depth")
"""What may follow a plus; what these do is in `wsss.pseudo.refinement`."""

REFINEMENTS_OF_OTHERS = "wsss.refinements"
"""Group of the entry points by which other packages have refinements."""

_ENTERED: dict[str, None] = {}


def enter_refinement_name(name: str) -> None:
    """Let a name follow a plus, see `wsss.pseudo.refinement.register_refinement`."""
    _ENTERED[name] = None


def refinement_names() -> tuple[str, ...]:
    """What may follow a plus: this package's refinements, those that users entered, and those of other packages."""
    return tuple(dict.fromkeys((*REFINEMENT_NAMES, *_ENTERED, *offered(REFINEMENTS_OF_OTHERS))))


@dataclass(frozen=True)
class MethodName:
    """A method's name, taken apart.

    Attributes:
        base: the method itself, a key of `METHODS`, or `full-supervision`.
        source: the depth source after `@`; None where the run's own is meant, or none is used.
        refinement: of the pseudo-labels, after `+`; None for none.

    >>> MethodName.parse("depth@learned+par-depth")
    MethodName(base='depth', source='learned', refinement='par-depth')
    >>> MethodName.parse("depth@shuffled+files:maps")
    MethodName(base='depth', source='shuffled+files:maps', refinement=None)
    >>> str(MethodName("cam", refinement="par"))
    'cam+par'
    """

    base: str
    source: str | None = None
    refinement: str | None = None

    @classmethod
    def parse(cls, text: str) -> "MethodName":
        """The parts of a name.

        Raises:
            WsssError: what follows a plus is neither a refinement nor part of a depth source.
        """
        rest, plus, refinement = text.rpartition("+")
        if not plus:
            return cls.of_seeds(text)
        if refinement in refinement_names():
            return replace(cls.of_seeds(rest), refinement=refinement)
        if "@" in rest:
            return cls.of_seeds(text)  # a control made from another source
        raise WsssError(f"unknown refinement {refinement!r} in {text!r}; choose from {', '.join(refinement_names())}")

    @classmethod
    def of_seeds(cls, text: str) -> "MethodName":
        """The parts of a name without refinement: what follows a plus belongs to the depth source."""
        base, _, source = text.partition("@")
        return cls(base, source or None)

    @property
    def seeds(self) -> str:
        """The name without its refinement: of the seeds that the pseudo-labels start from."""
        return str(MethodName(self.base, self.source))

    def __str__(self) -> str:
        source = f"@{self.source}" if self.source else ""
        return self.base + source + (f"+{self.refinement}" if self.refinement else "")
