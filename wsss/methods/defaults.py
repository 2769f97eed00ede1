"""Settings for images of which nothing was chosen, such as the photographs of somebody's own classifier.

They are those of `nyuv2`, real photographs with the depth of a camera: its regions and crops, and of each method the
fusion that most training seeds chose on its tune split, with the mean of their thresholds. Other photographs may need
others: that threshold above all depends on the data.
"""

from types import MappingProxyType

from wsss.methods.choice import Choice
from wsss.methods.parameters import CropParameters, FusionParameters, RegionParameters

__all__ = ["DEFAULT_CHOICES", "DEFAULT_CROPS", "DEFAULT_REGIONS"]

DEFAULT_REGIONS = RegionParameters(plane_tolerance=0.02, smooth=2.0, jump=0.015, min_area=0.003, guides=(4,))

DEFAULT_CROPS = CropParameters(scales=(1.0, 2.0, 2.8), count=2)


def _chosen(threshold: float, miou: float, trials: int, **fusion: float) -> Choice:
    return Choice(FusionParameters(**fusion), threshold, miou, trials, "preset")  # type: ignore[arg-type]


DEFAULT_CHOICES = MappingProxyType(
    {
        "cam": _chosen(0.473, 23.531, 1),
        "rgb-region": _chosen(0.52, 28.539, 12, vote=1, reach=0.9),
        "crop-only": _chosen(0.28, 19.857, 12, crop_weight=0.3, gate=2),
        "region-only": _chosen(0.56, 26.951, 12, vote=1, colour=0.5, reach=0.9),
        "depth": _chosen(0.5, 29.354, 12, vote=1, colour=0.5, reach=0.9),
    }
)
