from __future__ import annotations

import csv as reader

from recbench.plots import angles, critical_difference, curves, importance, kernels, quality_time, series
from recbench.plots.curves import Curve, seed_band
from recbench.plots.quality_time import Cloud, MethodCost
from recbench.plots.series import Panel, Point, Series
from recbench.results.csv_text import as_csv


def lines(rows: list[dict[str, object]]) -> list[dict[str, str]]:
    return list(reader.DictReader(as_csv(rows).splitlines()))


def test_a_line_per_point_with_what_it_belongs_to() -> None:
    panel = Panel("click", "lr", "auc", [Series("a", [Point(1, 0.5, 0.1, 2), Point(2, 0.6, None, 1)]), Series("b", [])])
    first, second = lines(series.table([panel], "shop/user"))
    assert first == {
        "dataset": "shop/user", "feedback": "click", "metric": "auc", "method": "a",
        "x_axis": "lr", "x": "1", "mean": "0.5", "sd": "0.1", "seeds": "2",
    }  # fmt: skip
    assert (second["method"], second["mean"], second["sd"]) == ("a", "0.6", "")
    kernel = lines(kernels.table([panel]))[1]
    assert kernel == {"panel": "click", "function": "a", "x": "2", "value": "0.6"}


def test_a_line_per_method_and_per_epoch() -> None:
    method = MethodCost("a", False, True, Point("", 2.0, None, 3), Point("", 0.7, 0.1, 3))
    cloud = Cloud("click", "auc, test rows", [method])
    assert lines(quality_time.table([cloud], "shop/user")) == [
        {
            "dataset": "shop/user", "feedback": "click", "metric": "auc", "rows": "test", "method": "a",
            "baseline": "false", "chosen_on_validation": "true", "training_seconds": "2.0", "training_seconds_sd": "",
            "value": "0.7", "value_sd": "0.1", "seeds": "3",
        }
    ]  # fmt: skip
    first, second = lines(curves.table([Curve("a", "r", [1, 3], [0.5, 0.6], 3)], "auc", "shop/user"))
    assert (first["epoch"], first["value"], first["kept"]) == ("1", "0.5", "false")
    assert (second["epoch"], second["value"], second["kept"]) == ("3", "0.6", "true")


def test_a_line_per_bar_per_box_and_per_rank() -> None:
    share = [0.0] * (angles.BINS - 1) + [100.0]
    *_, last = lines(angles.table([angles.Space("unified", [angles.Level("click", 7, share, 0.25)])]))
    assert last == {
        "space": "unified", "level": "click", "rows": "7", "share_below_90_degrees": "0.25",
        "from_degrees": "175", "to_degrees": "180", "percent_of_rows": "100.0",
    }  # fmt: skip
    (box,) = lines(importance.table([importance.Weights("rarest", 1.5, 0.5, [0.1, 0.2, 0.3, 0.4, 0.6])]))
    assert (box["popularity"], box["mean"], box["quantile_0.05"], box["quantile_0.95"]) == (
        "rarest",
        "1.5",
        "0.1",
        "0.6",
    )
    methods = [critical_difference.MeanRank("a", 1.25, "b"), critical_difference.MeanRank("b", 1.75, "a")]
    _, rank = lines(critical_difference.table(critical_difference.MeanRanks("auc", "x, y", "", 0.5, 1.5, methods)))
    assert (rank["method"], rank["mean_rank"], rank["not_told_apart_from"]) == ("b", "1.75", "a")
    assert (rank["datasets"], rank["p"], rank["critical_difference"]) == ("x, y", "0.5", "1.5")


def test_no_spreadsheet_takes_it_for_a_formula() -> None:
    (line,) = lines(curves.table([Curve("=1+1", "r", [1], [0.5], 1)], "auc", "shop/user"))
    assert line["method"] == "'=1+1"


def test_a_band_over_seeds_by_hand() -> None:
    band = seed_band([Curve("a", "r", [1, 2, 3], [0.5, 0.6, 0.7], 3), Curve("a", "s", [1, 3], [0.7, 0.7], 3)])
    assert band is not None
    half = 0.02**0.5  # the sample deviation of 0.5 and 0.7
    assert (band.epochs, band.mean) == ([1, 3], [0.6, 0.7])
    assert abs(band.low[0] - (0.6 - half)) < 1e-12 and abs(band.high[0] - (0.6 + half)) < 1e-12
    assert seed_band([Curve("a", "r", [1], [0.5], 1)]) is None
    assert seed_band([Curve("a", "r", [1], [0.5], 1), Curve("a", "s", [2], [0.5], 2)]) is None
