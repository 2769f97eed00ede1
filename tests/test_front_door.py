"""What `import wsss` offers, and what it costs."""

import subprocess
import sys

import pytest

import wsss


@pytest.mark.parametrize("name", wsss.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(wsss, name)


def test_the_front_door_is_what_is_shown() -> None:
    assert dir(wsss) == sorted([*wsss.__all__, "__version__"])
    assert set(wsss._PLACES) == set(wsss.__all__)


def test_other_names_are_missing() -> None:
    with pytest.raises(AttributeError, match="module 'wsss' has no attribute 'DepthCam'"):
        _ = wsss.DepthCam


def test_the_import_takes_no_library() -> None:
    code = "import sys, wsss; print(sorted({'torch', 'numpy', 'timm', 'pandas', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
