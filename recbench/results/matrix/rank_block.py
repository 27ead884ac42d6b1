"""The methods that were measured on the same datasets, their mean ranks, and whether these differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recbench.evaluation.mean_ranks import ENOUGH, RankTest, rank_test, ranks
from recbench.results.leaderboard_rows import rank_key
from recbench.results.matrix.methods_by_datasets import Matrix, MatrixColumn


@dataclass(frozen=True)
class RankBlock:
    """Mean ranks of methods that stand on every dataset of a block."""

    metric: str
    datasets: tuple[str, ...]
    mean_ranks: dict[str, float]  # by method, best first
    test: RankTest | None  # None where there are too few datasets, or no SciPy

    @property
    def words(self) -> str:
        """What is known of the mean ranks, in a sentence."""
        over = f"mean ranks of {len(self.mean_ranks)} methods in {self.metric} over {len(self.datasets)} datasets"
        if len(self.datasets) < ENOUGH:
            return f"{over}; too few to test: even if one of two methods always won, {ENOUGH} would be needed at 5 %"
        if self.test is None:
            return f"{over}; not tested without SciPy: run `pip install 'recbench[plot]'`"
        if not self.test.real:
            return f"{over}; none differs beyond chance (Friedman, p = {self.test.p:.2g})"
        return (
            f"{over}; some differ beyond chance (Friedman, p = {self.test.p:.2g}); "
            f"two are told apart from a distance of {self.test.critical:.2f} on (Nemenyi, 5 % for all pairs together)"
        )


def rank_block(matrix: Matrix) -> RankBlock | None:
    """Return the largest block without gaps, of at least two methods and two datasets; None where there is none.

    A dataset counts once, since its splits and kinds of feedback are of the same users: by the split with the most
    methods, and there the mean rank over the kinds of feedback, ranked again. Datasets with the most methods are taken
    first. On each, only methods count that learned from the same rows.
    """
    by_dataset = _datasets(matrix)
    order = sorted(by_dataset, key=lambda dataset: (-len(_common(by_dataset[dataset])), dataset))
    blocks = []
    for count in range(2, len(order) + 1):
        methods = set.intersection(*(_common(by_dataset[dataset]) for dataset in order[:count]))
        if len(methods) > 1:
            blocks.append((count * len(methods), count, sorted(methods)))
    if not blocks:
        return None
    _, count, names = max(blocks)
    ranked = np.array([_ranks_on(by_dataset[dataset], names) for dataset in order[:count]])
    mean = dict(zip(names, ranked.mean(0).tolist(), strict=True))
    in_order = dict(sorted(mean.items(), key=lambda item: (item[1], item[0])))
    return RankBlock(matrix.metric, tuple(order[:count]), in_order, rank_test(ranked))


def _datasets(matrix: Matrix) -> Mapping[str, list[MatrixColumn]]:
    """Return the columns that count of each dataset."""
    splits: dict[str, dict[str, list[MatrixColumn]]] = defaultdict(lambda: defaultdict(list))
    for column in matrix.columns:
        splits[column.column.dataset][column.title].append(column)
    return {dataset: max(of.values(), key=lambda columns: len(_common(columns))) for dataset, of in splits.items()}


def _common(columns: Sequence[MatrixColumn]) -> set[str]:
    return set.intersection(*(set(column.ranked) for column in columns))


def _ranks_on(columns: Sequence[MatrixColumn], names: Sequence[str]) -> list[float]:
    losses = np.array([[rank_key(column.cells[name].row)[0] for name in names] for column in columns])
    mean = ranks(losses).mean(0)
    again: list[float] = ranks(mean[None])[0].tolist()
    return again
