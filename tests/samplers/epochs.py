"""All batches of an epoch, and all samplers."""

from __future__ import annotations

import torch

from recbench.batch import Batch
from recbench.data.dataset import Dataset, Log
from recbench.samplers import Catalogue, InBatch, Lists, Mixed, Pool, Popularity, Rows, Sampler, Shared, Triplets

SAMPLERS = [
    Rows(),
    Triplets(),
    Triplets(4),
    Triplets(0),
    Triplets(2, Popularity()),
    Shared(negatives=2),
    InBatch(),
    Pool(negatives=9),
    Mixed(uniform=0.5),
    Lists(),
    Lists(longest=7),
    Catalogue(),
]


def epoch(sampler: Sampler, data: Dataset, seed: int = 0, size: int = 64) -> list[Batch]:
    return list(sampler.batches(data, size, torch.Generator().manual_seed(seed)))


def pairs(log: Log) -> list[tuple[int, int]]:
    return sorted(zip(log.user.tolist(), log.item.tolist(), strict=True))
