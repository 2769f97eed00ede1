"""Segmentation networks: building, training on (pseudo-)labels, inference."""
