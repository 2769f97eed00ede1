"""Where a network that was handed over lies: a file, a folder of `save_pretrained`, or a repository of the Hugging Face
hub."""

from pathlib import Path

from wsss.errors import WsssError, first_line
from wsss.paths import typed_path

__all__ = ["CARD", "CONFIG", "WEIGHTS", "pretrained_file"]

WEIGHTS = "model.safetensors"
"""The checkpoint in a folder or repository, where Hugging Face's libraries have it too."""

CONFIG, CARD = "config.json", "README.md"
"""Beside it: what it says of itself, and its card."""

SECONDS = 10  # that the hub may take to answer


def pretrained_file(place: str | Path, *, revision: str | None = None) -> Path:
    """The checkpoint of a network that was handed over.

    Args:
        place: a file; a folder of `save_pretrained`; or a repository of the hub, as `owner/name`, which is downloaded
            once. Without a network the copy of an earlier download is taken.
        revision: branch, tag or commit of a repository; None is its main branch.

    Raises:
        WsssError: there is none, or the hub cannot be reached.
    """
    path = typed_path(place)
    if path.is_file():
        return path
    if path.is_dir():
        if not (path / WEIGHTS).is_file():
            raise WsssError(f"{path} holds no {WEIGHTS}: give a folder that save_pretrained has written")
        return path / WEIGHTS
    return _downloaded(str(place), revision)


def _downloaded(name: str, revision: str | None) -> Path:
    """It asks the hub once and waits for seconds: the library itself would try again for minutes."""
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
        if name.count("/") != 1:
            raise ValueError("a repository is called owner/name")
    except ValueError as error:
        raise WsssError(
            f"there is no file or folder {name}, and it names no repository: {first_line(error)}"
        ) from error
    try:
        HfApi().model_info(name, revision=revision, timeout=SECONDS)
        return Path(hf_hub_download(name, WEIGHTS, revision=revision))
    except Exception as error:  # no network, no such repository, no such file: the library has a dozen types
        try:
            return Path(hf_hub_download(name, WEIGHTS, revision=revision, local_files_only=True))
        except Exception:
            raise WsssError(
                f"there is no folder {name}, and the hub gives no {WEIGHTS} of a repository of that name: "
                f"{first_line(error)}. Check name and network, or give a folder that save_pretrained has written."
            ) from error
