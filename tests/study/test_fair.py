"""What `--fair --trials` searches of which method."""

from __future__ import annotations

import pytest

from recbench.run.train_command import TrainRequest
from recbench.study import sweep
from recbench.study.fair import equal_terms, first_trial, space, with_point

RATE, PENALTY, DECAY = "train.lr=0.001..0.1", "backbone.l2=1e-6..0.1", "train.weight_decay=1e-8..1e-5"


@pytest.mark.parametrize(
    ("loss", "backbone", "words"),
    [
        ("bce", "twintower", (RATE, DECAY, "bce:loss.scale=0.5..10", "bce:loss.pos_weight=1..20")),
        ("gnolr", "mf", (RATE, PENALTY, "gnolr:loss.scale=1..20")),  # its scale starts at 2
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
    assert first_trial(request).settings == (
        "train.epochs=3",
        *("train.lr=0.001", "train.weight_decay=1e-8", "loss.scale=0.5", "loss.pos_weight=1", "loss.alpha=0.1"),
    )


def test_trials_are_drawn_at_random_unless_the_search_says_otherwise() -> None:
    common = TrainRequest("", "mf", None, (), (0,), (), ())
    assert sweep._is_drawn(sweep.SweepRequest(("bce",), (), common, trials=3, fair=True))
    assert not sweep._is_drawn(sweep.SweepRequest(("bce",), (), common, "optuna", trials=3, fair=True))
    assert not sweep._is_drawn(sweep.SweepRequest(("bce",), (), common, fair=True))
    assert not sweep._is_drawn(sweep.SweepRequest(("bce",), ("lr=0.1,0.2",), common, trials=3, fair=True))
