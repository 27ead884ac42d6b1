"""Random logs of the sizes and features of real ones, on a device."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from benchmarks.collaborative import shape_of_gowalla
from benchmarks.gpu_sections.case import Setting
from benchmarks.tables import shape_of_aliccp
from benchmarks.training import shape_of_ml1m
from recbench.batch import Batch, Pairs
from recbench.data.dataset import Dataset, Log, Table

TOY_ROWS, TOY_ENTITIES = 4000, 200


@cache
def ml1m(setting: Setting, tasks: int = 1) -> Dataset:
    """6,040 users with 4 features, 3,706 items with a bag of genres, 700,000 rows of some kinds of feedback."""
    return moved(_cut(shape_of_ml1m(tasks), setting), setting.device)


def ml1m_of_3(setting: Setting) -> Dataset:
    """The same with three kinds of feedback."""
    return ml1m(setting, 3)


@cache
def aliccp(setting: Setting) -> Dataset:
    """240,000 users, 470,000 items, 14 features: 21.6 million numbers in tables of 16 columns."""
    return moved(_cut(shape_of_aliccp(0.002 if setting.toy else 1.0), setting), setting.device)


@cache
def gowalla(setting: Setting) -> Dataset:
    """29,858 users, 40,981 items, 810,000 positives; as many validation rows as its split has."""
    return moved(_cut(shape_of_gowalla(), setting), setting.device)


def moved(data: Dataset, device: torch.device | str) -> Dataset:
    """Return a dataset on another device."""
    return replace(
        data,
        users=_table(data.users, device),
        items=_table(data.items, device),
        train=_log(data.train, device),
        valid=_log(data.valid, device),
    )


def batch_on(batch: Batch, device: torch.device | str) -> Batch:
    """Return a batch on another device."""

    def to(value: object) -> object:
        if isinstance(value, Pairs):
            return Pairs(*(part.to(device) for part in vars(value).values()))
        return value.to(device) if isinstance(value, Tensor) else value

    kept = {name: value for name, value in vars(batch).items() if name in Batch.__dataclass_fields__}
    return Batch(**{name: to(value) for name, value in kept.items()})  # type: ignore[arg-type]


def generator(seed: int, device: torch.device) -> torch.Generator:
    """Return a generator of random numbers on a device."""
    return torch.Generator(device).manual_seed(seed)


def _cut(data: Dataset, setting: Setting) -> Dataset:
    """Return the dataset, or a few rows of a few users and items of it."""
    if not setting.toy:
        return data

    def table(whole: Table) -> Table:
        return replace(whole, value=whole.value[:TOY_ENTITIES], seen=min(whole.seen, TOY_ENTITIES))

    def log(whole: Log) -> Log:
        rows = whole[:TOY_ROWS]
        return replace(rows, user=rows.user % TOY_ENTITIES, item=rows.item % TOY_ENTITIES)

    return replace(data, users=table(data.users), items=table(data.items), train=log(data.train), valid=log(data.valid))


def _table(table: Table, device: torch.device | str) -> Table:
    return replace(table, value=table.value.to(device))


def _log(log: Log, device: torch.device | str) -> Log:
    return Log(log.user.to(device), log.item.to(device), log.label.to(device))
