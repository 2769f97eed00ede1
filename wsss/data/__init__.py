"""Data sets behind one registry: `open_dataset(name, split)` gives samples. Models are unknown here."""

from wsss.data.adapters import as_dataset
from wsss.data.base import IGNORE, Dataset, Sample, labels_of_mask
from wsss.data.registry import dataset_names, open_dataset, register_dataset

__all__ = [
    "IGNORE",
    "Dataset",
    "Sample",
    "as_dataset",
    "dataset_names",
    "labels_of_mask",
    "open_dataset",
    "register_dataset",
]
