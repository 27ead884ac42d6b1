"""A dataset small enough to check a method on in seconds, made in memory."""

from __future__ import annotations

from pathlib import Path

import torch

from recbench.data.dataset import Dataset, Log, Table
from recbench.data.manifest import Column

FEEDBACK = ("view", "cart", "buy", "gift")


def toy(
    users: int = 30, items: int = 40, rows: int = 600, tasks: int = 3, seed: int = 0, interests: int = 1
) -> Dataset:
    """Return a learnable log with `tasks` <= 4 kinds of feedback, from dense to sparse.

    Feedback follows from a product of a user's and an item's hidden number, or of `interests` of them, with noise;
    `rows` are for training, a fifth as many for validation. There are no test rows and no folder.
    """
    generator = torch.Generator().manual_seed(seed)
    of_user, of_item = (
        torch.randn(n, interests, generator=generator) if interests > 1 else None for n in (users, items)
    )

    def log(count: int) -> Log:
        user = torch.randint(users, (count,), generator=generator)
        item = torch.randint(items, (count,), generator=generator)
        if of_user is None or of_item is None:
            taste = torch.sin(user.float()) * torch.cos(item.float()) * 3
        else:
            taste = (of_user[user] * of_item[item]).sum(1) * 3 / interests**0.5
        noise = torch.randn(count, tasks, generator=generator)
        label = taste[:, None] + noise - torch.arange(tasks) > 0.3
        return Log(user.int(), item.int(), label.to(torch.uint8))

    return Dataset(
        name="toy",
        split="global",
        fingerprint="0" * 64,
        folder=Path("nowhere"),
        feedback=FEEDBACK[:tasks],
        users=_table(users, generator),
        items=_table(items, generator),
        train=log(rows),
        valid=log(rows // 5),
    )


def _table(count: int, generator: torch.Generator) -> Table:
    columns = (Column("id", "categorical", count + 1, 1), Column("tags", "bag", 6, 3))
    tags = torch.randint(6, (count, 3), generator=generator)
    return Table(columns, torch.cat([torch.arange(1, count + 1)[:, None], tags], 1).int(), seen=count)
