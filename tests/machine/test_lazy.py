"""Modules that are imported at first use."""

import subprocess
import sys

from wsss.machine.lazy import lazy


def test_a_lazy_module_gives_what_the_module_has() -> None:
    import colorsys

    assert lazy("colorsys").rgb_to_hsv is colorsys.rgb_to_hsv


def test_nothing_is_imported_before_it_is_used() -> None:
    code = (
        "import sys, wsss.pipeline.run, wsss.experiments.committed; "
        "print({'timm', 'torchvision', 'segmentation_models_pytorch', 'sklearn', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
