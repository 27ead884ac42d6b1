"""Rows per second of a two-tower step, against its matrix products alone, a bare loop and a per-row DataLoader.

All take turns in one run, and the best round of each counts. The log has the shape of MovieLens-1M: 6,040 users with 4
features, 3,706 items with a genre bag, batch 1024.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import chain, count, cycle
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as RowDataset

from benchmarks.steps import Step, recbench_step, untrained
from recbench.data.dataset import Dataset, Log, Table
from recbench.data.manifest import Column
from recbench.memory import peak
from recbench.samplers import Rows
from recbench.training.allocator import keep_freed_memory
from recbench.training.schedule import Schedule

BATCH = 1024
STEPS, ROUNDS = 300, 3
PRODUCTS, BARE = "matrix products (bound)", "bare loop"
ROWS = 700_000
FEEDBACK, RATES = ("like", "love", "adore"), (0.24, 0.1, 0.03)


def shape_of_ml1m(tasks: int = 1) -> Dataset:
    """A random log of the size and features of MovieLens-1M, with up to three kinds of feedback."""
    generator = torch.Generator().manual_seed(0)

    def ids(count: int, size: int) -> Tensor:
        return torch.randint(1, size, (count,), generator=generator)

    users = torch.stack([torch.arange(1, 6041), ids(6040, 3), ids(6040, 8), ids(6040, 22)], 1)
    genres = torch.randint(0, 19, (3706, 6), generator=generator)
    items = torch.cat([torch.arange(1, 3707)[:, None], genres], 1)
    user_columns = [("user_id", 6041), ("gender", 3), ("age", 8), ("occupation", 22)]
    log = Log(
        torch.randint(6040, (ROWS,), generator=generator).int(),
        torch.randint(3706, (ROWS,), generator=generator).int(),
        (torch.rand(ROWS, 1, generator=generator) < torch.tensor(RATES[:tasks])).to(torch.uint8),
    )
    return Dataset(
        name="shape of ml-1m",
        split="user",
        fingerprint="0" * 64,
        folder=Path(),
        feedback=FEEDBACK[:tasks],
        users=Table(tuple(Column(n, "categorical", s, 1) for n, s in user_columns), users.int(), 6040),
        items=Table((Column("movie_id", "categorical", 3707, 1), Column("genres", "bag", 19, 6)), items.int(), 3706),
        train=log,
        valid=log,
    )


class BareTowers(nn.Module):
    """The same two towers written out, with features looked up by ready-made indices and nothing else."""

    def __init__(self, data: Dataset) -> None:
        super().__init__()
        self.user_index = data.users.value.long() + torch.tensor([0, 6041, 6044, 6052])
        self.item_index = data.items.value.long() + torch.tensor([0] + [3707] * 6)
        self.user_table = nn.Embedding(6041 + 3 + 8 + 22, 16)
        self.item_table = nn.Embedding(3707 + 19, 16)
        self.user_tower = nn.Sequential(
            nn.Linear(64, 128), nn.LeakyReLU(), nn.Linear(128, 64), nn.LeakyReLU(), nn.Linear(64, 32)
        )
        self.item_tower = nn.Sequential(
            nn.Linear(32, 128), nn.LeakyReLU(), nn.Linear(128, 64), nn.LeakyReLU(), nn.Linear(64, 32)
        )

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """Return the cosine of user [B] and item [B]."""
        of_user = self.user_tower(self.user_table(self.user_index[user]).flatten(1))
        vectors = self.item_table(self.item_index[item])
        of_item = self.item_tower(torch.cat([vectors[:, 0], vectors[:, 1:].mean(1)], 1))
        return (F.normalize(of_user) * F.normalize(of_item)).sum(1)


def rate(step: Callable[[], int], steps: int) -> float:
    """Return rows per second over some steps, after a tenth of them as a warm-up."""
    for _ in range(max(1, steps // 10)):
        step()
    started = time.perf_counter()
    rows = sum(step() for _ in range(steps))
    return rows / (time.perf_counter() - started)


def products_step() -> Step:
    """The matrix products of a step and nothing else, forward and backward, into memory that is there: the bound."""
    layers = [(64, 128), (128, 64), (64, 32), (32, 128), (128, 64), (64, 32)]  # of the tower of users, then of items
    given = [(torch.randn(BATCH, m), torch.randn(n, m), torch.randn(BATCH, n)) for m, n in layers]
    made = [(torch.empty(BATCH, n), torch.empty(BATCH, m), torch.empty(n, m)) for m, n in layers]

    def step() -> int:
        for (value, weight, gradient), (output, of_value, of_weight) in zip(given, made, strict=True):
            torch.mm(value, weight.T, out=output)
            torch.mm(gradient, weight, out=of_value)
            torch.mm(gradient.T, value, out=of_weight)
        return BATCH

    return step


def bare_step(data: Dataset) -> Callable[[], int]:
    """A loop without a harness: index, forward, backward, fused Adam."""
    model = BareTowers(data)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=True)
    order = cycle(torch.randperm(ROWS).split(BATCH))

    def step() -> int:
        index = next(order)
        logit = model(data.train.user[index].long(), data.train.item[index].long())
        loss = F.binary_cross_entropy_with_logits(logit, data.train.label[index, 0].float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return len(index)

    return step


class PlainRows(RowDataset[tuple[int, int, float]]):
    """One row at a time from arrays: the leanest a per-row loader can be."""

    def __init__(self, data: Dataset) -> None:
        log = data.train
        self.user, self.item, self.label = log.user.numpy(), log.item.numpy(), log.label[:, 0].numpy()

    def __len__(self) -> int:
        return len(self.user)

    def __getitem__(self, row: int) -> tuple[int, int, float]:
        return int(self.user[row]), int(self.item[row]), float(self.label[row])


class ArrowRows(RowDataset[tuple[Tensor, float]]):
    """One row at a time from an Arrow table with all features in every row, to a float tensor."""

    def __init__(self, data: Dataset) -> None:
        self.table = arrow_table(data)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, row: int) -> tuple[Tensor, float]:
        values = list(self.table.slice(row, 1).to_pylist()[0].values())
        return torch.tensor(values[:-1], dtype=torch.float32), float(values[-1])


class HuggingFaceRows(RowDataset[tuple[Tensor, float]]):
    """The same through Hugging Face `datasets`, as the GNOLR authors' loader and many others read."""

    def __init__(self, data: Dataset) -> None:
        from datasets import Dataset as HuggingFace

        self.rows = HuggingFace(arrow_table(data))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> tuple[Tensor, float]:
        values = list(self.rows[row].values())
        return torch.tensor(values[:-1], dtype=torch.float32), float(values[-1])


def arrow_table(data: Dataset) -> pa.Table:
    """Return the training log with the features of user and item in every row, and the label last."""
    user, item = data.users.value[data.train.user.long()], data.items.value[data.train.item.long()]
    columns = torch.cat([user, item, data.train.label.int()], 1).numpy()
    return pa.table({f"column_{place}": column for place, column in enumerate(columns.T)})


def loader_step(data: Dataset, rows: RowDataset[Any]) -> Callable[[], int]:
    """The bare loop, fed by a shuffling DataLoader in the same process."""
    model = BareTowers(data)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=True)
    loader: DataLoader[list[Tensor]] = DataLoader(rows, batch_size=BATCH, shuffle=True)
    batches: Iterator[list[Tensor]] = chain.from_iterable(loader for _ in count())

    def step() -> int:
        *entities, label = next(batches)
        if len(entities) == 1:
            user, item = entities[0][:, 0].long() - 1, entities[0][:, 4].long() - 1
        else:
            user, item = entities
        loss = F.binary_cross_entropy_with_logits(model(user, item), label.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return len(label)

    return step


def own_step(data: Dataset, loss: str, backbone: str = "twintower") -> Step:
    """recbench's own steps."""
    return recbench_step(data, untrained(data, loss, backbone, schedule=Schedule(lr=0.01)), BATCH)


def feeding(batches: Iterator[object], rows: Callable[[Any], int]) -> Callable[[], int]:
    """Batches alone, nothing trained."""
    return lambda: rows(next(batches))


def main() -> None:
    """Print rows per second, and ratios to the bare loop and to the matrix products."""
    keep_freed_memory()
    data = shape_of_ml1m()
    arrow = ArrowRows(data)
    steps: dict[str, tuple[Step, int]] = {
        PRODUCTS: (products_step(), STEPS),
        BARE: (bare_step(data), STEPS),
        "recbench bce": (own_step(data, "bce"), STEPS),
        "recbench gnolr": (own_step(data, "gnolr"), STEPS),
        "recbench bpr, mf": (own_step(data, "bpr", "mf"), STEPS // 3),
        "recbench listnet": (own_step(data, "listnet"), STEPS),
        "per-row DataLoader, plain": (loader_step(data, PlainRows(data)), STEPS // 5),
        "per-row DataLoader, Arrow": (loader_step(data, arrow), STEPS // 10),
    }
    if find_spec("datasets") is not None:  # not among the dependencies
        steps["per-row DataLoader, Hugging Face"] = loader_step(data, HuggingFaceRows(data)), STEPS // 10
    epochs = (Rows().batches(data, BATCH, torch.Generator().manual_seed(0)) for _ in count())
    whole_epochs = ROUNDS * (ROWS // BATCH)  # rows are read for many batches at once, so that fewer might read none
    steps["batches alone: recbench"] = feeding(chain.from_iterable(epochs), lambda batch: batch.rows), whole_epochs
    loader = DataLoader(arrow, batch_size=BATCH, shuffle=True)
    loaded = chain.from_iterable(loader for _ in count())
    steps["batches alone: DataLoader, Arrow"] = feeding(loaded, lambda batch: len(batch[1])), STEPS // 10
    best = dict.fromkeys(steps, 0.0)
    for _ in range(ROUNDS):
        for name, (step, number) in steps.items():
            best[name] = max(best[name], rate(step, number // ROUNDS))
    print(f"two towers, batch {BATCH}, {torch.get_num_threads()} threads, the best of {ROUNDS} rounds")
    for name, rows in best.items():
        of_bare, of_products = rows / best[BARE], rows / best[PRODUCTS]
        print(f"{name:34}{rows:>12,.0f} rows/s{of_bare:>8.2f} of the bare loop{of_products:>8.2f} of the products")
    print(f"peak memory {peak() / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
