from __future__ import annotations

import csv as reader
from dataclasses import dataclass

from recbench.plots.curves import Curve, seed_band
from recbench.plots.data import csv
from recbench.plots.quality_time import Cloud, MethodCost
from recbench.plots.series import Panel, Point, Series


def lines(drawn: list[object]) -> list[dict[str, str]]:
    return list(reader.DictReader(csv(drawn).splitlines()))


def test_a_line_per_point_with_what_it_belongs_to() -> None:
    panel = Panel("click", "lr", "auc", [Series("a", [Point(1, 0.5, 0.1, 2), Point(2, 0.6, None, 1)]), Series("b", [])])
    first, second = lines([panel])
    assert first == {
        "panel_title": "click", "panel_x": "lr", "panel_y": "auc", "panel_order": "", "series_label": "a",
        "point_x": "1", "point_mean": "0.5", "point_sd": "0.1", "point_seeds": "2",
    }  # fmt: skip
    assert (second["series_label"], second["point_mean"], second["point_sd"]) == ("a", "0.6", "")


def test_parts_within_parts_and_lists_side_by_side() -> None:
    cloud = Cloud("click", "auc", [MethodCost("a", False, True, Point("", 2.0, None, 1), Point("", 0.7, None, 1))])
    (line,) = lines([cloud])
    assert (line["method_cost_label"], line["seconds_mean"], line["value_mean"]) == ("a", "2.0", "0.7")
    first, second = lines([Curve("a", "r", [1, 3], [0.5, 0.6], 3)])
    assert (first["curve_epochs"], first["curve_values"]) == ("1", "0.5")
    assert (second["curve_epochs"], second["curve_values"]) == ("3", "0.6")


@dataclass(frozen=True)
class WithFormula:
    name: str


def test_no_spreadsheet_takes_it_for_a_formula() -> None:
    assert lines([WithFormula("=1+1")]) == [{"with_formula_name": "'=1+1"}]


def test_a_band_over_seeds_by_hand() -> None:
    band = seed_band([Curve("a", "r", [1, 2, 3], [0.5, 0.6, 0.7], 3), Curve("a", "s", [1, 3], [0.7, 0.7], 3)])
    assert band is not None
    half = 0.02**0.5  # the sample deviation of 0.5 and 0.7
    assert (band.epochs, band.mean) == ([1, 3], [0.6, 0.7])
    assert abs(band.low[0] - (0.6 - half)) < 1e-12 and abs(band.high[0] - (0.6 + half)) < 1e-12
    assert seed_band([Curve("a", "r", [1], [0.5], 1)]) is None
    assert seed_band([Curve("a", "r", [1], [0.5], 1), Curve("a", "s", [2], [0.5], 2)]) is None
