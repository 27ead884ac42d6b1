"""When a search says that better may lie beyond what was tried."""

from __future__ import annotations

import pytest

from recbench.results.sweeps import Trial
from recbench.study.search_ends import ends_reached
from recbench.study.search_space import Point, parse


def said(word: str, reached: dict[str, float | None], least: float = 0.0) -> list[str]:
    """Return what is said of a search of one setting, by what each value reached; none below `least` can be."""
    (dimension,) = parse([word], ["bce"], "mf")
    rows = sorted(reached.items(), key=lambda row: (row[1] is None, -(row[1] or 0)))
    trials = [Trial("bce", [f"{dimension.setting}={value}"], [], "auc", valid, None, 1.0) for value, valid in rows]

    def can_be(loss: str, point: Point) -> bool:
        assert loss == "bce"
        return float(point[dimension.setting]) >= least

    return ends_reached([dimension], trials, can_be)


def values(*of: float) -> dict[str, float | None]:
    return dict(zip(("0.1", "0.2", "0.4", "0.8", "1.6"), of, strict=False))


LIST, RANGE = "loss.pos_weight=0.1,0.2,0.4,0.8", "bce:loss.pos_weight=0.05..2"


@pytest.mark.parametrize(
    ("word", "reached", "told"),
    [
        (LIST, values(0.7, 0.6, 0.5), "loss.pos_weight, 0.1, is the smallest of 3 tried, and smaller ones"),
        (LIST, values(0.5, 0.6, 0.7), "loss.pos_weight, 0.4, is the largest of 3 tried, and larger ones"),
        (LIST, values(0.5, 0.7, 0.6), None),
        (LIST, values(0.7, 0.6), None),  # of two values one is the best in any case
        (
            LIST,
            {**values(0.5, 0.6, 0.7), "0.8": None},  # larger ones failed
            "loss.pos_weight, 0.4, is the largest of 3 tried",
        ),
        (
            RANGE,
            values(0.6, 0.7, 0.5, 0.4, 0.3),
            "two values of loss.pos_weight, 0.1 and 0.2, are the smallest of 5 tried, and smaller",
        ),
        (
            RANGE,
            values(0.3, 0.4, 0.5, 0.7, 0.6),
            "two values of loss.pos_weight, 0.8 and 1.6, are the largest of 5 tried, and larger",
        ),
        (RANGE, values(0.7, 0.5, 0.6, 0.4, 0.3), None),  # the second is not beside the best
        (RANGE, values(0.7, 0.6, 0.5, 0.4), None),
    ],
)
def test_the_best_of_a_list_and_the_two_best_of_a_range(
    word: str, reached: dict[str, float | None], told: str | None
) -> None:
    lines = said(word, reached)
    assert len(lines) == (told is not None)
    if told:
        assert lines[0].startswith(f"bce: the best {told}")
        assert lines[0].endswith(f"ones may be better: widen --grid {word}")


def test_nothing_lies_beyond_the_values_that_there_can_be() -> None:
    reached: dict[str, float | None] = {"1": 0.7, "2": 0.6, "4": 0.5}
    assert said("backbone.dim=1,2,4", reached, least=1) == []
    assert "smaller ones" in said("backbone.dim=1,2,4", reached, least=0)[0]
    assert "smaller ones" in said("backbone.dim=1,2,4", reached, least=0.9)[0]  # as a number that need not be whole


def test_names_have_no_ends_and_what_a_loss_is_not_searched_for_is_passed_over() -> None:
    assert said("sampler.name=rows,uniform,popularity", {"rows": 0.1, "uniform": 0.2, "popularity": 0.3}) == []
    (other,) = parse(["lr=1,2,3"], ["bce"], "mf")
    trials = [Trial("bce", [f"loss.pos_weight={value}"], [], "auc", value / 10, None, 1.0) for value in (3, 2, 1)]
    assert ends_reached([other], trials, lambda *_: True) == []


def test_a_line_for_each_loss_of_all_its_settings() -> None:
    dimensions = parse(["lr=1,2,3", "backbone.dim=1,2,4"], ["bce", "bpr"], "mf")
    trials = [
        Trial(loss, [f"train.lr={rate}", f"backbone.dim={dim}"], [], "auc", 0.9 - rate / 10 - dim / 100, None, 1.0)
        for loss in ("bce", "bpr")
        for rate in (1, 2, 3)
        for dim in (1, 2, 4)
    ]
    lines = ends_reached(dimensions, trials, lambda *_: True)
    assert [line.partition(":")[0] for line in lines] == ["bce", "bpr"]
    assert all(
        line.count("the smallest of 3 tried") == 2 and "; the best backbone.dim, 1, is" in line for line in lines
    )
