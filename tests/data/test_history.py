from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.dataset import Log, concat_logs
from recbench.data.history import Histories, Windows

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.booleans()), max_size=40)


def log(rows: list[tuple[int, int, bool]]) -> Log:
    user = torch.tensor([user for user, _, _ in rows], dtype=torch.int32)
    item = torch.tensor([item for _, item, _ in rows], dtype=torch.int32)
    return Log(user, item, torch.zeros(len(rows), 1, dtype=torch.uint8))


@given(ROWS, ROWS, st.integers(1, 5), st.booleans())
def test_the_past_of_every_row(
    before: list[tuple[int, int, bool]], rows: list[tuple[int, int, bool]], length: int, only_chosen: bool
) -> None:
    chosen = torch.tensor([kept for *_, kept in before + rows], dtype=torch.bool) if only_chosen else None
    histories = Histories.by_row(log(rows), log(before) if before else None, chosen)
    found = histories.last(torch.arange(len(rows)), length).tolist()
    for number, (user, _, _) in enumerate(rows):
        every = before + rows[:number]
        past = [item for who, item, kept in every if who == user and (kept or not only_chosen)][-length:]
        assert found[number] == [-1] * (length - len(past)) + past


@given(ROWS, st.integers(1, 4))
def test_windows_end_to_end(rows: list[tuple[int, int, bool]], length: int) -> None:
    """Every row's past ends in one window of its user, at a slot that leaves no more than the last items."""
    chosen = torch.tensor([behaviour for *_, behaviour in rows], dtype=torch.bool)
    windows = Windows.of(log(rows), chosen, length)
    content = windows.histories.last(torch.arange(len(windows.histories.end)), length).tolist()
    for number, (user, _, _) in enumerate(rows):
        past = [item for who, item, behaviour in rows[:number] if who == user and behaviour]
        last = max(other for other, (who, _, _) in enumerate(rows) if who == user)
        all_past = [item for who, item, behaviour in rows[:last] if who == user and behaviour]
        window, slot = int(windows.window[number]), int(windows.slot[number])
        after = len(all_past) - len(past)
        assert bool(windows.latest[number]) == (after < length)
        assert slot == length - 1 - after % length
        end = len(past) + after % length
        expected = all_past[max(0, end - length) : end]
        assert content[window] == [-1] * (length - len(expected)) + expected
        assert content[window][slot] == (past[-1] if past else -1)
        assert {rows[r][0] for r in range(len(rows)) if windows.window[r] == window} == {user}


@given(ROWS, ROWS, st.integers(1, 4))
def test_times_go_with_the_items(
    before: list[tuple[int, int, bool]], rows: list[tuple[int, int, bool]], length: int
) -> None:
    """Where the time of a row is made to be its item, both are told alike."""
    first, second = (replace(part, time=part.item.long()) for part in (log(before), log(rows)))
    chosen = torch.tensor([behaviour for *_, behaviour in before + rows], dtype=torch.bool)
    every = torch.arange(len(rows))
    of_rows = Histories.by_row(second, first, chosen)
    of_users = Histories.by_user(concat_logs(first, second), 4, chosen)
    for histories, number in ((of_rows, every), (of_users, torch.arange(4))):
        times = histories.times(number, length)
        assert times is not None
        assert times.tolist() == histories.last(number, length).tolist()
    assert Histories.by_row(log(rows)).times(every, length) is None
