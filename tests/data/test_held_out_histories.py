"""New users: the first part of what they did is given, the rest is scored."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.dataset import Dataset, Log, concat_logs
from recbench.data.toy import toy as make_dataset


@given(user=st.lists(st.integers(0, 5), max_size=40))
def test_the_first_80_percent_of_each_user_are_given(user: list[int]) -> None:
    data = replace(make_dataset(), new_test_users=True)
    count = len(user)
    log = Log(torch.tensor(user, dtype=torch.int32), torch.arange(count).int(), torch.ones(count, 3).byte())
    given_rows, sought = data.given_and_scored(log)
    expected = []
    for row, who in enumerate(user):
        if user[:row].count(who) < user.count(who) * 4 // 5:
            expected.append(row)
    assert given_rows.item.tolist() == expected
    assert sought.item.tolist() == [row for row in range(count) if row not in expected]
    assert {int(who) for who in sought.user} == set(user)  # everybody is asked for something


def test_other_splits_give_nothing(toy: Dataset) -> None:
    given_rows, sought = toy.given_and_scored(toy.valid)
    assert len(given_rows) == 0
    assert sought is toy.valid


def test_the_true_probabilities_stay_with_their_rows(toy: Dataset) -> None:
    truth = torch.rand(len(toy.valid), 3)
    log = replace(toy.valid, truth=truth)
    given_rows, sought = replace(toy, new_test_users=True).given_and_scored(log)
    assert given_rows.truth is not None and sought.truth is not None
    assert len(given_rows) > 0
    assert sorted(torch.cat([given_rows.truth, sought.truth])[:, 0].tolist()) == sorted(truth[:, 0].tolist())


def test_concatenated_logs(toy: Dataset) -> None:
    whole = concat_logs(toy.train, toy.valid, toy.valid[:0])
    assert len(whole) == len(toy.train) + len(toy.valid)
    assert torch.equal(whole.item[len(toy.train) :], toy.valid.item)
    assert concat_logs(toy.train, toy.valid[:0]).user is toy.train.user  # no copy where there is nothing to add
    assert len(concat_logs(toy.train[:0], toy.valid[:0])) == 0


def test_times_stay_with_their_rows(toy: Dataset) -> None:
    """Where the time of a row is made to be its item, both stay alike; beside a log without times there are none."""
    train, valid = (replace(log, time=log.item.long()) for log in (toy.train, toy.valid))
    given_rows, sought = replace(toy, new_test_users=True).given_and_scored(valid)
    for log in (
        given_rows,
        sought,
        concat_logs(train, valid),
        replace(toy, train=train, valid=valid).with_valid().train,
    ):
        assert log.time is not None
        assert torch.equal(log.time, log.item.long())
    assert concat_logs(train, toy.valid).time is None
    assert concat_logs(train, toy.valid[:0]).time is train.time
