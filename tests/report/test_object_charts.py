"""Charts and tables of objects: activation, and the effects of size and occlusion."""

from typing import Any

import numpy as np
import pytest

from wsss.report.effect_charts import effects_figure, effects_table
from wsss.report.object_charts import activation_figure


def record(method: str, effects: dict[str, Any] | None, activation: dict[str, Any] | None = None) -> Any:
    return {
        "data": "tabletop",
        "split": "test",
        "method": method,
        "refinement": None,
        "profile": "default",
        "depth_source": None,
        "hit_effects": effects,
        "activation": activation,
    }


BOTH = {
    "n": 300,
    "hits": 71.67,
    "occlusion_measure": "occlusion_ratio",
    "area": {"label": "amodal area doubled", "odds_ratio": 1.5, "ci": [1.2, 1.9]},
    "occlusion": {"label": "10 points more hidden", "odds_ratio": 0.8, "ci": [0.7, 0.95]},
}


def test_effects_are_shown_with_intervals_and_what_they_are_of() -> None:
    table = effects_table([record("depth@sensor", None), record("cam", BOTH)])
    assert table.index.tolist() == ["cam", "depth@sensor"]
    assert list(table.columns) == ["objects", "hits", "amodal area doubled", "10 points more hidden"]
    assert table.loc["cam"].tolist() == ["300", "72", "× 1.50 [1.20, 1.90]", "× 0.80 [0.70, 0.95]"]
    assert set(table.loc["depth@sensor"]) == {"–"}
    figure = effects_figure([record("depth@sensor", BOTH), record("cam", BOTH)])
    assert [ax.get_title() for ax in figure.axes] == ["amodal area doubled", "10 points more hidden"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["cam", "depth@sensor"]
    alone = {key: value for key, value in BOTH.items() if key != "occlusion"} | {"occlusion_measure": None}
    assert len(effects_figure([record("cam", alone)]).axes) == 1
    assert len(effects_table([record("cam", alone)]).columns) == 3
    smoke = effects_figure([record("cam", BOTH) | {"profile": "smoke"}])
    assert "NOT A RESULT" in smoke.get_suptitle()
    with pytest.raises(ValueError, match="no record"):
        effects_figure([record("cam", None)])


def means(*values: float) -> list[dict[str, Any]]:
    return [{"middle": 2.0**k, "mean": v, "ci": [v - 5, v + 5], "n": 9} for k, v in enumerate(values)]


@pytest.mark.parametrize(("measure", "panels"), [("occlusion_ratio", 2), ("border_occlusion", 2), (None, 1)])
def test_activation_is_drawn_against_what_is_known(measure: str | None, panels: int) -> None:
    activation = {"area": means(20, 40), "visible": means(30, 60) if measure else [], "occlusion_measure": measure}
    shown = [record("depth@sensor", None, activation), record("cam", None, activation)]
    figure = activation_figure([*shown, record("full-supervision", None, {"area": [], "visible": []})])
    assert len(figure.axes) == panels
    for ax, expected in zip(figure.axes, ([20, 40], [30, 60]), strict=False):
        bars: Any = ax.containers
        assert len(bars) == 2
        assert np.asarray(bars[0].lines[0].get_ydata()).tolist() == expected
    with pytest.raises(ValueError, match="no record"):
        activation_figure([record("cam", None)])
