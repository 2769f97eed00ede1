"""An environment of the core, or of the core and one extra, without making one: all other packages are hidden.

    python tests/alone.py render       # runs the check of .ci/extras.py
    python tests/alone.py missing      # core alone: what is said where an extra is needed

What belongs to an environment is found in the metadata of what is installed, requirement by requirement.
"""

import importlib.util
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import (
    Distribution,
    DistributionFinder,
    PackageNotFoundError,
    distribution,
    packages_distributions,
)
from pathlib import Path
from types import ModuleType
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ALWAYS = {"pip", "setuptools", canonicalize_name(PROJECT["name"])}


def declared(extra: str | None) -> list[Requirement]:
    """What pyproject.toml asks for: the core, and one extra."""
    texts = [*PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] if extra else [])]
    return [Requirement(text) for text in texts]


def environment_of(requirements: Iterable[Requirement]) -> set[str]:
    """Canonical names of all distributions that pip would install for these, as far as they are installed here."""
    found: set[str] = set()
    waiting = [(each, ("", *each.extras)) for each in requirements]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, extras = waiting.pop()
        name = canonicalize_name(requirement.name)
        try:
            needs = [Requirement(text) for text in distribution(name).requires or ()]
        except PackageNotFoundError:
            continue
        found.add(name)
        for extra in extras:
            if (name, extra) not in seen:
                seen.add((name, extra))
                wanted = [each for each in needs if each.marker is None or each.marker.evaluate({"extra": extra})]
                waiting += [(each, ("", *each.extras)) for each in wanted]
    return found


def hide_all_but(environment: set[str]) -> None:
    """Let imports and metadata know no package that is not of the environment."""
    known = environment | ALWAYS
    hidden = {
        module
        for module, owners in packages_distributions().items()
        if not any(canonicalize_name(owner) in known for owner in owners)
    }

    class Hiding(PathFinder):
        @classmethod
        def find_spec(cls, fullname: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
            return None if fullname.partition(".")[0] in hidden else PathFinder.find_spec(fullname, path, target)

        @classmethod
        def find_distributions(cls, context: Any = DistributionFinder.Context()) -> Iterator[Distribution]:  # type: ignore[override] # noqa: B008
            for each in PathFinder.find_distributions(context):
                if canonicalize_name(each.metadata["Name"] or "") in known:
                    yield each

    sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
    for module in hidden:  # what this file itself has imported
        for name in [each for each in sys.modules if each.partition(".")[0] == module]:
            del sys.modules[name]


def script(path: str) -> ModuleType:
    """A script of the checkout as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _said(ask: Callable[[], object]) -> str:
    """What a call that ends with an error, or with an exit, says."""
    from wsss.errors import MissingExtra

    try:
        return f"nothing, it gave {ask()}"
    except (MissingExtra, SystemExit) as error:
        return str(error)


def missing() -> str:
    """Ask for something of each extra where none is installed: one line names the extra."""
    import numpy as np
    from typer.testing import CliRunner

    from wsss import cli
    from wsss.data.coco import pycocotools_mask
    from wsss.data.rays import _scene
    from wsss.depth.estimators import require_hub_model
    from wsss.depth.monocular import DepthNetwork
    from wsss.networks.checkpoints import explained
    from wsss.pseudo.crf import dense_crf
    from wsss.report.style import use_style
    from wsss.segmentation.network import build_network
    from wsss.segmentation.onnx_file import _libraries

    half = (0.5, 0.5, 0.5)
    image, scores = np.zeros((4, 4, 3), np.uint8), np.zeros((1, 4, 4), np.float32)

    def command(*given: str) -> Callable[[], object]:
        return lambda: CliRunner().invoke(cli.app, list(given), catch_exceptions=False)

    def inside() -> None:
        with explained("cannot read a file", "Delete it."):
            build_network(1)

    asked: list[tuple[str, Callable[[], object]]] = [
        ("notebooks", lambda: importlib.import_module("wsss.widgets")),
        ("notebooks", lambda: importlib.import_module("wsss.experiments.notebooks")),
        ("notebooks", use_style),
        ("notebooks", command("run", "--notebooks", "00_quickstart")),
        ("render", lambda: _scene([])),
        ("hub", lambda: require_hub_model("some/model")),
        ("seg", lambda: build_network(1)),
        ("seg", inside),
        ("seg", lambda: DepthNetwork.build("tf_efficientnet_lite0", half, half, 64)),
        ("seg", command("segment")),
        ("seg", command("label", "--images", ".", "--tags", "t", "--out", "o", "--network")),
        ("export", pycocotools_mask),
        ("export", _libraries),
        ("crf", lambda: dense_crf(image, scores, 0.5)),
    ]
    for extra, ask in asked:
        text = _said(ask)
        assert re.fullmatch(rf".* not installed: pip install 'wsss-depth-cam\[{extra}\]'.*", text), (extra, text)
    sys.argv = ["wsss", "figures"]  # imports a library of an extra by itself
    assert _said(cli.main) == "1"
    return f"{len(asked)} messages"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    (wanted,) = sys.argv[1:]
    hide_all_but(environment_of(declared(None if wanted in ("core", "missing") else wanted)))
    print(missing() if wanted == "missing" else script(".ci/extras.py").CHECKS[wanted]())
