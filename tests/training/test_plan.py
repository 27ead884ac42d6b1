"""From the words of a command to the keys of its runs."""

from __future__ import annotations

import re

import pytest

from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.results.json_structs import decode, encode
from recbench.results.record import RunKey
from recbench.training.plan import OWNERS, defaults, make_keys, non_default


def key(data: Dataset, loss: str = "bpr", **of_sampler: str) -> RunKey:
    words = {owner: dict[str, str]() for owner in OWNERS} | {"sampler": of_sampler}
    (made,) = make_keys(data, loss, "mf", words, (), (0,), "cpu", {})
    return made


def test_without_a_sampler_there_are_no_settings_of_one(toy: Dataset) -> None:
    made = key(toy)
    assert made.settings.keys() == defaults("bpr", "mf").keys() - {
        f"train.{name}"
        for name in (
            "noise",
            "validate_every",
            "optimizer",
            "weight_decay",
            "warmup",
            "decay",
            "clip",
            "lazy",
            "capture",
            "shard",
            "compile",
            "row_weights",
        )
    } - {f"backbone.l2_{name}" for name in ("of", "slots", "form", "divisor")} - {
        f"backbone.{name}" for name in ("fold_in", "fold_in_l2", "fold_in_weight")
    } - {"loss.rank_by"}
    assert non_default(made) == {}


def test_that_a_sampler_masks_positives_is_left_out_of_the_key(toy: Dataset) -> None:
    """So that runs keep the names they had before it was a setting."""
    for name in ("in-batch", "mixed", "pool"):
        assert "sampler.mask_positives" not in key(toy, "ssm", name=name).settings
        changed = key(toy, "ssm", name=name, mask_positives="false")
        assert changed.settings["sampler.mask_positives"] is False
        assert non_default(changed)["sampler.mask_positives"] is False


def test_a_sampler_and_all_its_settings_are_of_the_key(toy: Dataset) -> None:
    made = key(toy, name="popularity", beta="0.5")
    own = {name: value for name, value in made.settings.items() if name not in key(toy).settings}
    assert own == {"sampler.name": "popularity", "sampler.negatives": 1, "sampler.beta": 0.5}
    assert non_default(made) == {"sampler.name": "popularity", "sampler.beta": 0.5}
    assert non_default(key(toy, name="uniform")) == {"sampler.name": "uniform"}
    others = [key(toy), key(toy, name="uniform"), key(toy, name="popularity"), made]
    assert len({other.digest for other in others}) == len({other.group for other in others}) == 4
    assert decode(RunKey, encode(made), "").digest == made.digest


def test_a_pair_that_cannot_work_is_refused(toy: Dataset) -> None:
    words = "loss `bpr` needs negatives of the user beside a positive and a positive in the first slot of each slate, "
    with pytest.raises(UsageError, match=re.escape(words + "which the slates `rows` do not have; see `recbench list")):
        key(toy, name="rows")
