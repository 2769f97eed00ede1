"""The colour map of label PNGs, which is that of the data's masks."""

from wsss.data.palette import voc_palette

__all__ = ["voc_palette"]
