"""From class activation maps to pseudo-labels: refinement, thresholds, palette PNGs, and exports for other tools."""
