"""Opens a run: a profile on a data set, with some settings replaced."""

from pathlib import Path
from typing import Any

from wsss.checks import settings_of_environment, switched_on
from wsss.data.adapters import as_splits
from wsss.pipeline.crop_file import read_crop_settings
from wsss.pipeline.profiles import profile as configuration
from wsss.pipeline.run import Run

__all__ = ["open_run"]


def open_run(profile: str = "default", data: Any = "tabletop", *, progress: bool = True, **settings: Any) -> "Run":
    """The `Run` of a profile on a data set: the first call of every notebook.

    Args:
        data: a name, of this package's data sets or one of `register_dataset`; or data sets themselves, `{"train": …,
            "tune": …, "report": …}`, those of torchvision and Hugging Face too (see `wsss.data.adapters.as_splits`).
        settings: fields of `Config` that differ from the profile (`root`, `depth`, `depth_kind`, `seed`, …); None keeps
            the profile's. `crops` may also be the path of a TOML file (see `wsss.pipeline.crop_file`), as the crop
            explorer writes. Those of the environment variable `WSSS_SETTINGS` are added, a JSON object such as
            `{"classifier.epochs": 3}`.
        progress: show progress bars; never in notebooks that papermill executes, where each would leave a line behind.

    Raises:
        WsssError: unknown profile, data or setting, or a file of crop parameters that cannot be used.
    """
    settings = settings_of_environment() | {name: value for name, value in settings.items() if value is not None}
    shown, file = progress and not switched_on("WSSS_HEADLESS"), settings.get("crops")
    splits = None if isinstance(data, str) else as_splits(data)
    name, own = (data, False) if splits is None else (splits["train"].name, True)
    if not isinstance(file, str | Path):
        return Run(configuration(profile, name, own=own, **settings), progress=shown, data=splits)
    given = read_crop_settings(file)
    config = given.applied(configuration(profile, name, own=own, **{**settings, "crops": None}))
    return Run(config, progress=shown, crop_settings=given, data=splits)
