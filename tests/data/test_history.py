from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.dataset import Log
from recbench.data.history import Histories

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
