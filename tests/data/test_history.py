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


@given(ROWS, st.integers(1, 5), st.booleans(), st.booleans())
def test_the_past_of_every_row(
    rows: list[tuple[int, int, bool]], length: int, only_chosen: bool, have_times: bool
) -> None:
    """Where the time of a row is made to be its item, the past is in the order of the items."""
    chosen = torch.tensor([kept for *_, kept in rows], dtype=torch.bool) if only_chosen else None
    given_log = replace(log(rows), time=log(rows).item.long()) if have_times else log(rows)
    found = Histories.by_row(given_log, chosen).last(torch.arange(len(rows)), length).tolist()
    order = sorted(range(len(rows)), key=lambda row: rows[row][1]) if have_times else list(range(len(rows)))
    for place, number in enumerate(order):
        every = [rows[row] for row in order[:place]]
        past = [item for who, item, kept in every if who == rows[number][0] and (kept or not only_chosen)][-length:]
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
def test_a_user_s_history_is_in_time_order_whatever_part_its_rows_are_of(
    before: list[tuple[int, int, bool]], rows: list[tuple[int, int, bool]], length: int
) -> None:
    """The time of a row is made to be its item."""
    first, second = (replace(part, time=part.item.long()) for part in (log(before), log(rows)))
    chosen = torch.tensor([behaviour for *_, behaviour in before + rows], dtype=torch.bool)
    histories = Histories.by_user(concat_logs(first, second), 4, chosen)
    items, times = histories.last(torch.arange(4), length), histories.times(torch.arange(4), length)
    assert times is not None and times.tolist() == items.tolist()
    for user, found in enumerate(items.tolist()):
        own = sorted(item for who, item, behaviour in before + rows if who == user and behaviour)[-length:]
        assert found == [-1] * (length - len(own)) + own
    assert Histories.by_row(log(rows)).times(torch.arange(len(rows)), length) is None
