"""Libraries that take long to import are imported at first use; those of extras are asked for by name."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from wsss.errors import MissingExtra

__all__ = ["EXTRAS", "lazy", "needed", "remedy"]

EXTRAS = {
    "IPython": "notebooks",
    "anywidget": "notebooks",
    "ipywidgets": "notebooks",
    "jupyterlab": "notebooks",
    "nbclient": "notebooks",
    "nbformat": "notebooks",
    "papermill": "notebooks",
    "seaborn": "notebooks",
    "traitlets": "notebooks",
    "embreex": "render",
    "transformers": "hub",
    "segmentation_models_pytorch": "seg",
    "pycocotools": "export",
    "onnx": "export",
    "onnxruntime": "export",
    "onnxscript": "export",
    "pydensecrf": "crf",
    "pytorch_grad_cam": "bench",
    "torchcam": "bench",
    "torchmetrics": "bench",
}
"""Module → the extra of `pyproject.toml` that installs it. All others that are imported come with the package."""


class _Lazy:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(needed(self._name), attribute)


def lazy(name: str) -> Any:
    """The module `name`, imported when something is first asked of it; if it is missing, as `needed` says."""
    return _Lazy(name)


def needed(name: str, what: str = "", instead: str = "") -> Any:
    """The module `name`, imported now.

    Args:
        what: needs it, for the message: `rendering`.
        instead: what else can be done, as the end of the message: `, or take par`.

    Raises:
        MissingExtra: it is of an extra that is not installed; the message names the extra.
    """
    try:
        return import_module(name)
    except ImportError as error:
        if (told := remedy(error, what)) is None:
            raise
        raise MissingExtra(told + instead) from error


def remedy(error: ImportError, what: str = "") -> str | None:
    """How to install what an import has not found; None where no extra has it, or it is there and broken.

    >>> remedy(ImportError(name="embreex.rtcore"), "rendering")
    "rendering needs embreex, which is not installed: pip install 'wsss-depth-cam[render]'"
    """
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS or find_spec(module) is not None:
        return None
    wanted = f"{what} needs {module}, which" if what else module
    return f"{wanted} is not installed: pip install 'wsss-depth-cam[{EXTRAS[module]}]'"
