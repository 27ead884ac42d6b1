"""Rows per second of a two-tower step on tables of Ali-CCP's size, updated as a whole and row by row.

240,000 users and 470,000 items with 14 features, 21.6 million numbers in tables, batch 1024. The first 500 steps of
Adam, which are of whole tables either way, are left out. That both give the same weights is a matter of the tests.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.steps import recbench_step, untrained
from benchmarks.training import BATCH
from recbench.data.dataset import Dataset, Log, Table
from recbench.data.manifest import Column
from recbench.training.row_updates import AdamRule
from recbench.training.schedule import Schedule

USERS, ITEMS, ROWS = 240_000, 470_000, 1_000_000
USER_FEATURES = (200, 10, 8, 4, 6, 6, 3)  # beside the user itself
ITEM_FEATURES = (12_000, 250_000, 150_000, 230_000)  # beside the item itself
WARM_UP, STEPS, ROUNDS = 5, 30, 4


def shape_of_aliccp(share: float = 1.0) -> Dataset:
    """A random log of the features of Ali-CCP and a share of its size, most of whose rows are of a few entities."""
    users, items, rows = round(share * USERS), round(share * ITEMS), round(share * ROWS)
    generator = torch.Generator().manual_seed(0)

    def popular(count: int, size: int) -> Tensor:
        return (torch.rand(count, generator=generator) ** 3 * size).int()

    def side(name: str, count: int, whole: tuple[int, ...]) -> Table:
        sizes = [max(3, round(share * size)) for size in whole]
        value = torch.stack([torch.arange(1, count + 1).int(), *(popular(count, size - 1) + 1 for size in sizes)], 1)
        columns = [Column(f"{name}_{place}", "categorical", size, 1) for place, size in enumerate((count + 1, *sizes))]
        return Table(tuple(columns), value, count)

    log = Log(
        popular(rows, users), popular(rows, items), (torch.rand(rows, 1, generator=generator) < 0.1).to(torch.uint8)
    )
    return Dataset(
        name="shape of ali-ccp",
        split="user",
        fingerprint="0" * 64,
        folder=Path(),
        feedback=("click",),
        users=side("user", users, USER_FEATURES),
        items=side("item", items, ITEM_FEATURES),
        train=log,
        valid=log,
    )


class Run:
    """A model that is trained on and on."""

    def __init__(self, data: Dataset, loss: str, backbone: str, schedule: Schedule) -> None:
        self.model = untrained(data, loss, backbone, schedule=schedule)
        self.step = recbench_step(data, self.model, schedule.batch_size)

    def steps(self, count: int) -> tuple[int, float, float]:
        """Make steps; return the rows, the seconds by the clock and those of processor time."""
        clock, processor, rows = time.perf_counter(), time.process_time(), 0
        for _ in range(count):
            rows += self.step()
        return rows, time.perf_counter() - clock, time.process_time() - processor


def compare(data: Dataset, loss: str, backbone: str, batch_size: int) -> None:
    """Print the rates of both ways, a round of each in turn."""
    schedule = Schedule(lr=0.001, batch_size=batch_size)
    runs = {lazy: Run(data, loss, backbone, replace(schedule, lazy=lazy)) for lazy in ("off", "on")}
    total = {lazy: torch.zeros(3, dtype=torch.double) for lazy in runs}
    for run in runs.values():
        run.steps(WARM_UP)
    for _ in range(ROUNDS):
        for lazy, run in runs.items():
            total[lazy] += torch.tensor(run.steps(STEPS), dtype=torch.double)
    started = time.perf_counter()
    runs["on"].model.end_epoch()
    rest = time.perf_counter() - started
    size = runs["on"].model.parameters
    print(f"{loss} x {backbone}, {data.name}, {size / 1e6:.1f} M parameters, batch {batch_size}, ", end="")
    print(f"{torch.get_num_threads()} threads")
    for name, column in (("the clock", 1), ("processor time", 2)):
        rate = {lazy: float(seconds[0] / seconds[column]) for lazy, seconds in total.items()}
        ratio = rate["on"] / rate["off"]
        print(f"  by {name:15} whole {rate['off']:>9,.0f} rows/s   by rows {rate['on']:>9,.0f} rows/s   {ratio:.1f}")
    print(f"  all other rows at the end of an epoch {rest:.2f} s")


def main() -> None:
    """Print the rates of two towers and of matrix factorisation."""
    AdamRule.first_steps = 1
    data = shape_of_aliccp()
    compare(data, "gnolr", "twintower", BATCH)
    compare(data, "bpr", "mf", BATCH)


if __name__ == "__main__":
    main()
