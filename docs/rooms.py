"""Draw the rooms of the package for docs/architecture.md.

python docs/rooms.py
"""

from pathlib import Path

import matplotlib.pyplot as plt

TIERS = (
    (("cli", "commands"),),
    (("widgets", "sliders"),),
    (("report", "tables, figures, sentences"), ("experiments", "what is compared")),
    (("pipeline", "stages of a run and their cache"),),
    (("segmentation", "networks on labels"),),
    (("pseudo", "labels from seeds"),),
    (("config", "settings"), ("methods", "crops, evidence, fusion"), ("records", "what is written down")),
    (("analysis", "scores of label maps"), ("depth", "where depth comes from"), ("cam", "classifier and its maps")),
    (("data", "samples, data sets"), ("networks", "what networks share")),
    (("machine", "the computer"), ("io, paths, checks, errors", "files, places, messages")),
)
TARGET = Path(__file__).resolve().parent / "static" / "rooms.svg"


def main() -> None:
    """Write `docs/static/rooms.svg`: one row a tier, the door on top; imports go down only."""
    plt.rcParams.update({"svg.hashsalt": "rooms", "font.family": "sans-serif", "font.size": 9})
    figure, ax = plt.subplots(figsize=(7, 5.6))
    for row, tier in enumerate(TIERS):
        width = 12 / len(tier)
        for place, (name, knows) in enumerate(tier):
            left, bottom = place * width + 0.08, -row + 0.08
            ax.add_patch(plt.Rectangle((left, bottom), width - 0.16, 0.78, facecolor="#eef3f8", edgecolor="#0072B2"))
            ax.text(left + width / 2 - 0.08, bottom + 0.54, name, ha="center", va="center", weight="bold")
            ax.text(left + width / 2 - 0.08, bottom + 0.22, knows, ha="center", va="center", fontsize=7.5)
    ax.annotate("", (-0.3, -len(TIERS) + 1.1), (-0.3, 0.9), arrowprops={"arrowstyle": "->", "color": "0.3"})
    ax.text(-0.55, -4.0, "imports", rotation=90, ha="center", va="center", color="0.3")
    ax.set(xlim=(-0.9, 12.1), ylim=(-len(TIERS) + 1.0, 1.0))
    ax.axis("off")
    figure.savefig(TARGET, metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    print(TARGET)


if __name__ == "__main__":
    main()
