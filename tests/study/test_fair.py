"""What `--fair --trials` searches of which method."""

from __future__ import annotations

import pytest

from recbench.run.train_command import TrainRequest
from recbench.study import search_space
from recbench.study.fair import corner_trials, dimensions, equal_terms, space, with_point, without_own
from recbench.study.sweep import SweepRequest

RATE, PENALTY, DECAY = "train.lr=3e-4..0.1", "backbone.l2=1e-6..0.1", "train.weight_decay=1e-8..1e-5"


@pytest.mark.parametrize(
    ("loss", "backbone", "words"),
    [
        ("bce", "twintower", (RATE, DECAY, "bce:loss.scale=1..10", "bce:loss.pos_weight=1..20")),
        ("gnolr", "mf", (RATE, PENALTY, "gnolr:loss.scale=1..10")),
        ("ssm", "mf", (RATE, PENALTY, "ssm:loss.scale=5..50")),  # of which 10 is the usual scale, fixed
        ("bpr", "mf", (RATE, PENALTY)),  # of inner products, and says nothing of itself
        ("directau", "mf", (RATE, PENALTY, "directau:loss.gamma=0.2..10")),  # reads no logits
    ],
)
def test_what_a_loss_is_tuned_by(loss: str, backbone: str, words: tuple[str, ...]) -> None:
    assert space([loss], backbone) == words


def test_the_settings_of_a_point_take_the_place_of_those_of_a_method() -> None:
    words = ("loss.logit=bare", "loss.pos_weight=2", "train.lr=0.05", "train.epochs=3")
    request = TrainRequest("bce", "mf", "shop", (), (0, 1), words, ())
    found = with_point(equal_terms(request), ["train.lr=0.01", "loss.pos_weight=7"])
    kept = ("loss.logit=bare", "train.epochs=3", "loss.logit=learned")  # of a setting the last counts
    assert found.settings[:-2] == kept
    assert found.settings[-2:] == ("train.lr=0.01", "loss.pos_weight=7")


def test_the_first_trial_is_at_the_first_value_of_each_setting() -> None:
    request = TrainRequest("jrc", "twintower", "shop", (), (0,), ("loss.alpha=0.4", "train.epochs=3"), ())
    first, *_, last = corner_trials(request, 8, ())
    assert first.settings == (
        "train.epochs=3",
        *("train.lr=3e-4", "train.weight_decay=1e-8", "loss.scale=1", "loss.pos_weight=1", "loss.alpha=0.1"),
    )
    assert last.settings[:3] == ("train.epochs=3", "train.lr=0.1", "train.weight_decay=1e-5")


@pytest.mark.parametrize(
    ("trials", "grid", "words"),
    [
        (None, (), ["train.lr=0.001|0.005|0.02|0.05|0.1"]),
        (None, ("lr=1,2", "backbone.dim=4,8"), ["train.lr=1|2", "backbone.dim=4|8"]),
        (None, ("backbone.dim=4,8",), ["backbone.dim=4|8", "train.lr=0.001|0.005|0.02|0.05|0.1"]),
        (3, ("lr=1e-5..0.1",), ["train.lr=1e-5..0.1", PENALTY, "bce:loss.scale=1..10", "bce:loss.pos_weight=1..20"]),
        (3, ("loss.scale=1,2",), ["loss.scale=1|2", RATE, PENALTY, "bce:loss.pos_weight=1..20"]),
    ],
)
def test_a_grid_takes_the_place_of_what_is_searched(
    trials: int | None, grid: tuple[str, ...], words: list[str]
) -> None:
    request = TrainRequest("bce", "mf", "shop", (), (0,), (), ())
    assert list(map(str, dimensions([request], "mf", trials, grid))) == words


def test_what_does_nothing_beside_the_settings_is_not_searched() -> None:
    def searched(word: str) -> list[str]:
        request = TrainRequest("bsl", "mf", "shop", (), (0,), (word,), ())
        return [dimension.setting for dimension in dimensions([request], "mf", 3, ())]

    usual = ["train.lr", "backbone.l2", "loss.scale", "loss.ratio"]
    assert searched("loss.form=paper") == usual
    assert searched("loss.form=released") == usual[:-1]


def test_methods_are_tried_at_the_same_points_of_what_they_share() -> None:
    losses = ("bce", "gnolr", "s2srank")  # with other settings of their own
    points = {}
    for loss in losses:
        searched = search_space.parse(space([loss], "mf"), [loss], "mf")
        rows = search_space.draw_alike(searched, 5, 0)
        assert rows[:3] == search_space.draw_alike(searched, 3, 0)  # more trials keep those that there are
        assert rows != search_space.draw_alike(searched, 5, 1)
        points[loss] = [search_space.point(searched, row, loss) for row in rows]
    together = search_space.parse(space(losses, "mf"), losses, "mf")
    for loss in losses:
        rows = search_space.draw_alike(together, 5, 0)
        assert [search_space.point(together, row, loss) for row in rows] == points[loss]
    for bce, gnolr, s2srank in zip(*points.values(), strict=True):
        for setting in ("train.lr", "backbone.l2", "loss.scale"):
            assert bce[setting] == gnolr[setting] == s2srank[setting]
    assert len({point["train.lr"] for point in points["bce"]}) == 5


def test_a_point_without_what_is_the_loss_s_own() -> None:
    point = {"train.lr": "0.1", "loss.scale": "3", "loss.pos_weight": "5", "loss.alpha": "0.1"}
    assert without_own("jrc", point) == {"train.lr": "0.1", "loss.scale": "3"}
    assert without_own("gnolr", {"train.lr": "0.1", "loss.scale": "3"}) == {"train.lr": "0.1", "loss.scale": "3"}


def test_whether_all_is_searched() -> None:
    common = TrainRequest("", "mf", None, (), (0,), (), ())
    assert SweepRequest(("bce",), (), common, trials=3, fair=True).searches_all
    assert not SweepRequest(("bce",), (), common, fair=True).searches_all
    assert SweepRequest(("bce",), ("lr=0.1,0.2",), common, trials=3, fair=True).searches_all
    assert not SweepRequest(("bce",), (), common, "random", trials=3).searches_all
