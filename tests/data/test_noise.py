"""Noise in the training positives."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor

from recbench.data.dataset import Dataset, Log
from recbench.data.noise import parse_noise, with_noise
from recbench.data.toy import toy as make_toy
from recbench.errors import UsageError

Pairs = dict[int, set[int]]


def pairs(log: Log, label: int) -> Pairs:
    """Items of each user with some feedback (1), or that occur in a row with none (0)."""
    found: Pairs = {}
    for user, item, some in zip(log.user.tolist(), log.item.tolist(), log.label.amax(1).tolist(), strict=True):
        if some == label:
            found.setdefault(user, set()).add(item)
    return found


def rows(log: Log) -> list[tuple[int, int, tuple[int, ...]]]:
    return list(zip(log.user.tolist(), log.item.tolist(), map(tuple, log.label.tolist()), strict=True))


def of(user: list[int], item: list[int], label: list[int], users: int, items: int) -> Dataset:
    data = make_toy(users=users, items=items, rows=10, tasks=1)
    train = Log(torch.tensor(user).int(), torch.tensor(item).int(), torch.tensor(label).byte()[:, None])
    return replace(data, train=train)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 1), st.integers(1, 3))
def test_counts_are_exact_and_positives_are_new(seed: int, pos: float, neg: float, tasks: int) -> None:
    data = make_toy(users=12, items=25, rows=150, tasks=tasks, seed=seed % 7)
    noisy = with_noise(data, pos, neg, seed)
    before, after, logged = pairs(data.train, 1), pairs(noisy.train, 1), pairs(data.train, 0)
    added_rows = 0
    for user in range(12):
        old, new = before.get(user, set()), after.get(user, set())
        observed = old | logged.get(user, set())
        added, lost = new - old, old - new
        assert not added & observed
        assert len(added) == min(int(pos * len(old) + 1e-9), 25 - len(observed))
        assert len(lost) == int(neg * len(old) + 1e-9)
        assert lost <= pairs(noisy.train, 0).get(user, set())
        added_rows += len(added)
    assert len(noisy.train) == len(data.train) + added_rows
    for name in ("user", "item", "label"):
        assert getattr(noisy.train, name).dtype == getattr(data.train, name).dtype


def test_shares_round_down_but_not_for_the_sake_of_floating_point() -> None:
    user, item = [0] * 100 + [1] * 3, [*range(100), 0, 1, 2]
    noisy = with_noise(of(user, item, [1] * 103, 2, 300), 0.29, 0.5, 0)
    assert len(pairs(noisy.train, 1)[0] - set(range(100))) == 29
    assert len(pairs(noisy.train, 1)[1] & {0, 1, 2}) == 2


def test_only_the_training_rows_change() -> None:
    data = make_toy()
    noisy = with_noise(data, 0.5, 0.5, 1)
    assert noisy.valid is data.valid
    assert (noisy.users, noisy.items, noisy.feedback) == (data.users, data.items, data.feedback)
    assert rows(noisy.train) != rows(data.train)
    assert noisy.rates != data.rates
    assert not torch.equal(noisy.positives.item, data.positives.item)


def test_without_noise_nothing_changes() -> None:
    data = make_toy()
    assert with_noise(data, 0, 0, 1) is data


def test_a_seed_decides_it() -> None:
    data = make_toy()
    first = rows(with_noise(data, 0.5, 0.5, 1).train)
    assert rows(with_noise(data, 0.5, 0.5, 1).train) == first
    assert rows(with_noise(data, 0.5, 0.5, 2).train) != first


def test_added_rows_are_copies_beside_a_row_of_the_user() -> None:
    data = make_toy(rows=300)
    noisy = rows(with_noise(data, 0.5, 0, 3).train)
    clean = rows(data.train)
    source: tuple[int, int, tuple[int, ...]] = (-1, -1, ())
    place = 0
    for row in noisy:
        if place < len(clean) and row == clean[place]:
            source, place = row, place + 1
        else:
            assert (row[0], row[2]) == (source[0], source[2])
            assert any(row[2])
    assert place == len(clean)
    assert len(noisy) > len(clean)


def test_all_rows_of_a_lost_pair_lose_their_feedback() -> None:
    user, item = [0, 0, 0, 0], [3, 4, 3, 4]
    noisy = with_noise(of(user, item, [1, 1, 1, 1], 1, 10), 0, 0.5, 5)
    label = noisy.train.label[:, 0].tolist()
    assert label in ([1, 0, 1, 0], [0, 1, 0, 1])


def test_a_user_may_get_all_that_is_left() -> None:
    noisy = with_noise(of([0, 0, 0, 1], [0, 1, 2, 0], [1, 1, 1, 0], 2, 5), 1, 0, 0)
    assert pairs(noisy.train, 1) == {0: {0, 1, 2, 3, 4}}  # three are asked for


def test_items_that_do_not_occur_in_train_are_not_drawn() -> None:
    data = of([0, 1, 1, 1], [0, 1, 2, 3], [1, 1, 1, 1], 2, 50)
    noisy = with_noise(replace(data, items=replace(data.items, seen=4)), 1, 0, 0)
    after = pairs(noisy.train, 1)
    assert after[1] == {0, 1, 2, 3} and len(after[0]) == 2 and after[0] < {0, 1, 2, 3}


def counts_over_users(chosen: Tensor, items: int) -> list[int]:
    return torch.bincount(chosen.long(), minlength=items).tolist()


def test_draws_are_uniform() -> None:
    users = 3000
    user = torch.arange(users).repeat_interleave(4).tolist()
    noisy = with_noise(of(user, [0, 1, 2, 3] * users, [1] * 4 * users, users, 10), 0.5, 0.5, 11).train
    added = noisy.item[noisy.item > 3]
    lost = noisy.item[noisy.label[:, 0] == 0]
    assert len(added) == len(lost) == 2 * users
    # Draws of one user are without replacement, which only makes the counts more even than chi-squared supposes.
    assert chisquare(counts_over_users(added, 10)[4:]).pvalue > 1e-3
    assert chisquare(counts_over_users(lost, 4)).pvalue > 1e-3
    together = noisy.item[noisy.item > 3].view(users, 2).long().sort(1).values
    assert chisquare(torch.unique(together[:, 0] * 10 + together[:, 1], return_counts=True)[1]).pvalue > 1e-3


def test_the_true_probabilities_are_left_out() -> None:
    data = make_toy(tasks=1)
    data = replace(data, train=replace(data.train, truth=torch.rand(len(data.train), 1)))
    assert with_noise(data, 0.5, 0, 0).train.truth is None


@pytest.mark.parametrize(
    ("word", "expected"),
    [("pos=0.5,neg=0.25", (0.5, 0.25)), ("neg=1", (0.0, 1.0)), ("pos=1", (1.0, 0.0)), ("neg=0,pos=0", (0.0, 0.0))],
)
def test_words(word: str, expected: tuple[float, float]) -> None:
    assert parse_noise(word) == expected


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("", "noise : expected shares, as in pos=0.5,neg=0.5"),
        ("0.5", "noise 0.5: expected shares"),
        ("pos", "noise pos: expected shares"),
        ("pos=a", "noise pos=a: expected shares"),
        ("pos=0.5,pos=0.1", "noise pos=0.5,pos=0.1: expected shares"),
        ("all=0.5", "noise all=0.5: expected shares"),
        ("pos=-1", "noise pos=-1.0: expected a share from 0 to 1"),
        ("pos=2", "noise pos=2.0: expected a share from 0 to 1"),
        ("pos=inf", "noise pos=inf: expected a share from 0 to 1"),
        ("neg=1.5", "noise neg=1.5: expected a share from 0 to 1"),
        ("neg=nan", "noise neg=nan: expected a share from 0 to 1"),
    ],
)
def test_bad_words(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_noise(word)
    assert "\n" not in message


def test_bad_shares() -> None:
    with pytest.raises(UsageError, match="noise neg=2: expected a share from 0 to 1"):
        with_noise(make_toy(), 0, 2, 0)


def test_added_rows_have_the_time_of_a_row_of_their_user() -> None:
    data = make_toy(users=12, items=25, rows=150, tasks=1)
    data = replace(data, train=replace(data.train, time=torch.arange(150) * 100))
    noisy = with_noise(data, 0.5, 0.2, 0).train
    assert noisy.time is not None
    assert len(noisy.time) == len(noisy) > 150
    assert torch.equal(data.train.user[torch.div(noisy.time, 100, rounding_mode="floor")], noisy.user)
    assert bool((noisy.time.diff() >= 0).all())
