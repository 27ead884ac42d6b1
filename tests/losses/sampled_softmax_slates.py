"""A published slate of one positive and three negatives, and what the softmax family has in common."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset
from recbench.losses import Loss
from recbench.samplers import AnyItem, Pool, Sampler, Triplets
from tests.losses.sampled_slates import inner_products, loss_by_words, slate

POSITIVE, NEGATIVES = 0.5, [0.6, 0.2, -0.1]


def loss_of(made: Loss, towers: Towers, batch: Batch) -> Tensor:
    """Return the loss with its scale."""
    found: Tensor = made(made.head(towers), batch)
    return found


def value(name: str, scores: list[list[float]] | None = None, **words: str) -> float:
    """Return the loss of slates whose first score is the positive's; without scores, of the one above."""
    towers, batch, _ = slate(scores or [[POSITIVE, *NEGATIVES]])
    return float(loss_of(loss_by_words(name, **words), towers, batch).detach())


def slopes(name: str, **words: str) -> list[float]:
    """Return the derivatives of the loss of the slate above by its scores."""
    towers, batch, inner = slate([[POSITIVE, *NEGATIVES]])
    (slope,) = torch.autograd.grad(loss_of(loss_by_words(name, **words), towers, batch), inner)
    return [float(x) for x in slope.flatten()]


def random_batch(data: Dataset, sampler: Sampler, size: int = 8, spread: float = 1.0) -> tuple[Batch, Tensor]:
    """Return a batch of a sampler and scores [B, N, 1] in float64 for its slots."""
    batch = next(sampler.batches(data, size, torch.Generator().manual_seed(0)))
    generator = torch.Generator().manual_seed(1)
    inner = spread * torch.randn(*batch.label.shape[:2], 1, generator=generator, dtype=torch.double)
    return batch, inner.requires_grad_()


def rows(batch: Batch, inner: Tensor) -> list[tuple[int, float, list[float]]]:
    """Return user, score of the positive and scores of the negatives of each slate, one by one."""
    assert batch.mask is not None
    found = []
    for user, scores, labels, mask in zip(
        batch.user.tolist(), inner[..., 0].tolist(), batch.label[..., 0].tolist(), batch.mask.tolist(), strict=True
    ):
        counted = [(score, label) for score, label, counts in zip(scores, labels, mask, strict=True) if counts]
        (positive,) = [score for score, label in counted if label]
        found.append((user, positive, [score for score, label in counted if not label]))
    return found


def check_gradient(name: str, data: Dataset, **words: str) -> None:
    """Require the gradients of finite differences on slates of a pool and on slates of one's own."""
    for sampler in (Pool(negatives=6), Triplets(4)):
        batch, inner = random_batch(data, sampler, size=5, spread=0.4)
        made = loss_by_words(name, **words)
        assert torch.autograd.gradcheck(
            lambda x, made=made, batch=batch: loss_of(made, inner_products(x), batch), inner
        )


def check_slates(name: str, data: Dataset) -> None:
    """Require that the settings of slates say which, and that knowing where positives stand changes no value."""
    assert loss_by_words(name, negatives="7").sampler == Pool(negatives=7)
    assert loss_by_words(name, negatives="7", mask_positives="false").sampler == Pool(negatives=7, mask_positives=False)
    assert loss_by_words(name, source="own", negatives="7").sampler == Triplets(7)
    assert loss_by_words(name, source="own", mask_positives="false", negatives="7").sampler == Triplets(7, AnyItem())
    for sampler in (Pool(negatives=6), Triplets(4)):
        batch, inner = random_batch(data, sampler)
        assert batch.positive_slots
        made, towers = loss_by_words(name), inner_products(inner)
        torch.testing.assert_close(made(towers, replace(batch, positive_slots=0)), made(towers, batch))
