"""Weakly-supervised semantic segmentation via depth-guided class activation maps.

The rooms follow the way of the data: ``data`` → ``cam`` → ``analysis`` → ``depth`` → ``pseudo`` →
``segmentation`` → ``report``; ``pipeline`` joins them. Run ``python -m wsss --help`` for the commands.
"""

__version__ = "0.1.0"
