"""What records of a loss say of its settings and of what it costs."""

from __future__ import annotations

import pytest

from recbench.inspect.passport import Sensitivity, costs, sensitivities
from tests.inspect.runs import run


def test_a_setting_is_compared_where_all_else_is_equal_over_the_seeds_of_all_its_values() -> None:
    records = [
        *(run(valid, loss__scale=scale) for scale, valid in ((5.0, 0.3), (10.0, 0.5), (20.0, 0.4))),
        run(0.9, seed=1),  # of one value alone
        run(0.1, loss__scale=5.0, train__lr=0.1),
        run(0.2, loss__scale=40.0, train__lr=0.1),
    ]
    found = {of.setting: of for of in sensitivities(records)}
    scale = {"5.0": 0.3, "10.0": 0.5, "20.0": 0.4}  # not those with another learning rate, which are fewer
    assert found["loss.scale"] == Sensitivity("ml-1m/user", ("like",), "mf", "loss.scale", "recall@20", 1, scale)
    assert found["train.lr"].valid == {"0.01": 0.3, "0.1": 0.1}  # of scale 5, the only one with both


def test_a_value_is_a_mean_over_seeds_and_may_be_left_out_of_old_records() -> None:
    records = [run(0.1), run(0.3, seed=1), run(0.5, backbone__l2=0.1), run(0.7, seed=1, backbone__l2=0.1)]
    (found,) = sensitivities(records)
    assert (found.setting, found.seeds) == ("backbone.l2", 2)
    assert found.valid == {"default": pytest.approx(0.2), "0.1": pytest.approx(0.6)}


def test_longer_training_is_no_setting_of_a_method() -> None:
    assert list(sensitivities([run(0.4), run(0.6, train__epochs=40)])) == []
    both = [run(0.4), run(0.6, train__epochs=40), run(0.3, loss__scale=5.0)]
    assert [of.valid for of in sensitivities(both)] == [{"5.0": 0.3, "10.0": 0.6}]  # the longer where both were


def test_an_epoch_is_compared_with_bpr_in_batches_of_the_same_size() -> None:
    records = [run(seconds=8.0), run(seconds=12.0, seed=1), run(seconds=40.0, seed=2), run(loss="bpr", seconds=4.0)]
    (cost,) = costs("ssm", records)
    assert (cost.seconds, cost.beside, cost.times) == (3.0, "bpr", 3.0)
    assert list(costs("ssm", [run(), run(loss="bpr", train__batch_size=64)])) == []
    (other,) = costs("bpr", [run(loss="bpr"), run(loss="bce", seconds=16.0)])
    assert (other.beside, other.times) == ("bce", 0.5)
