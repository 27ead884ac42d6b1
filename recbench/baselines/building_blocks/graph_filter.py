"""The normalised graph of users and items as a filter of signals over the items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbench.baselines.base import FittedBaseline, Size, sparse_matrix
from recbench.data.dataset import Positives
from recbench.evaluation.predictions import BlockScores

Signal = NDArray[np.float32]  # [items, users]: what is known of each user in a block, or the scores made of it

_STEPS = 20  # products with the graph
_LEAST = 8  # vectors that are multiplied at once, at least; else a quarter of those that are sought
_NOTHING = 1e-5  # length below which what is new in a vector is rounding


class NormalisedGraph:
    """R~ = D_u^-1/2 R D_i^-1/2 of the positives R, where D holds the numbers of positives of users and of items."""

    def __init__(self, pairs: Positives, items: int) -> None:
        count = torch.bincount(pairs.item, minlength=items).float()
        weight = count[pairs.item].rsqrt() * pairs.start.diff().float().rsqrt()[pairs.user]
        self.by_user = sparse_matrix(pairs, items, weight)
        self.by_item = self.by_user.T.tocsr()
        self.root = count.sqrt().numpy()[:, None]  # [items, 1], D_i^1/2
        self.inverse_root = np.divide(1, self.root, out=np.zeros_like(self.root), where=self.root > 0)

    def smooth(self, signal: Any) -> Any:
        """Return R~'R~ times a signal [items, users]."""
        return self.by_item @ (self.by_user @ signal)

    def principal(self, factors: int, seed: int = 0) -> Signal:
        """Return the `factors` first right singular vectors of R~, [items, factors]; fewer where the rank is less.

        By block Lanczos with full orthogonalisation: Musco and Musco, NeurIPS 2015, https://arxiv.org/abs/1504.05477.
        """
        users, items = self.by_user.shape
        factors = min(factors, users, items)
        width = min(max(factors // 4, _LEAST), items)
        basis = torch.zeros(items, _STEPS * width)
        block = torch.randn(items, width, generator=torch.Generator().manual_seed(seed))
        for step in range(_STEPS):
            before = basis[:, : step * width]
            for _ in range(2):  # once leaves what rounding adds
                block = block - before @ (before.T @ block)
            block, triangle = torch.linalg.qr(block)
            block = block * (triangle.diagonal().abs() > _NOTHING)
            basis[:, step * width : (step + 1) * width] = block
            block = torch.from_numpy(self.smooth(block.numpy()))
        basis = basis[:, basis.any(0)].contiguous()
        image = torch.from_numpy(self.by_user @ basis.numpy())
        _, turned = torch.linalg.eigh((image.T @ image).double())  # ascending; float32 fails where many are equal
        vectors: Signal = (basis @ turned[:, -factors:].float()).numpy()
        return vectors


class GraphFilter(FittedBaseline):
    """Scores that are a filter applied to what is known of a user."""

    def __init__(self, items: int, parameters: int, apply: Callable[[Any], Signal]) -> None:
        self.items = items
        self.count = parameters
        self.apply = apply  # CSR matrix [items, users] -> scores [items, users]

    @property
    def parameters(self) -> int:
        """Numbers in the graph and the singular vectors."""
        return self.count

    def scores(self, known: Positives) -> BlockScores:
        """Return the filtered signals of blocks of users."""
        history = sparse_matrix(known, self.items, torch.ones(len(known.item)))

        def score(user: Tensor) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(self.apply(history[user.numpy()].T.tocsr()).T))

        return BlockScores(score, self.items)


def dense(signal: Any) -> Signal:
    """Return a sparse signal as an array."""
    array: Signal = signal.toarray()
    return array


def graph_memory(size: Size, factors: int) -> int:
    """Return about how many bytes the graph and its singular vectors take, while these are computed."""
    return 48 * size.pairs + 4 * 7 * factors * (size.users + size.items)
