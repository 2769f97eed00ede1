"""The stages of a run and their cache: data → classifier → chosen parameters → seeds → pseudo-labels → networks."""

from wsss.pipeline.run import Run, open_run

__all__ = ["Run", "open_run"]
