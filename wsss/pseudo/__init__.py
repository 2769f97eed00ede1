"""From class activation maps to pseudo-labels: thresholding and palette PNGs."""
