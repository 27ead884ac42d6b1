"""Scores of a trained model: for logged rows, and for retrieval over the catalogue."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from recbench.backbones.base import Backbone
from recbench.batch import Towers
from recbench.data.dataset import Log
from recbench.evaluation.evaluate import Blocks, Predictions, Vectors
from recbench.losses.base import Loss

ROWS_PER_BLOCK = 65536


class Scorer:
    """A frozen model. Each entity's vectors are computed once, unless the backbone is not an inner product.

    `known` is what has been seen of the users, for backbones that read histories; default: what they did in train.
    """

    @torch.no_grad()
    def __init__(self, backbone: Backbone, loss: Loss, known: Log | None = None) -> None:
        self.backbone = backbone.eval()
        self.loss = loss.eval()
        if known is not None:
            backbone.show(known)
        if backbone.decomposable:
            self.user, self.item = loss.vectors(*backbone.tables())

    @torch.no_grad()
    def rows(self, log: Log) -> tuple[Tensor, Tensor | None]:
        """Return scores [R, T], and log-probabilities [R, T] where the loss has them."""
        scores, log_probabilities = [], []
        for user, item in zip(log.user.split(ROWS_PER_BLOCK), log.item.split(ROWS_PER_BLOCK), strict=True):
            logit = self.loss.head.logits(self._pairs(user.long(), item.long()))
            scores.append(self.loss.score(logit))
            log_probabilities.append(self.loss.log_probability(logit))
        known = [p for p in log_probabilities if p is not None]
        return torch.cat(scores), torch.cat(known) if known else None

    def _pairs(self, user: Tensor, item: Tensor) -> Tensor:
        if self.backbone.decomposable:
            return (self.user[user] * self.item[item]).sum(-1)
        towers: Towers = self.backbone(user, item[:, None])
        return towers.inner[:, 0]

    def predictions(self, log: Log) -> Predictions:
        """Return what the model says of a log, for `evaluation.evaluate`."""
        score, log_probability = self.rows(log)
        return Predictions(score, self._catalogue, log_probability)

    def _catalogue(self, task: int) -> Vectors | Blocks:
        query = self.queries(task)
        if query is None:
            device = next(self.backbone.parameters()).device
            towers = Vectors(self.user.flatten(1), self.index_items) if self.backbone.decomposable else None
            return Blocks(lambda user: self.block(user.to(device), task), self.backbone.items, towers)
        return Vectors(query, self.index_items)

    @torch.no_grad()
    def block(self, user: Tensor, task: int) -> Tensor:
        """Return the scores [n, items] of users [n] with every item, for one feedback."""
        if self.backbone.decomposable:
            inner = Towers(self.user[user], self.item[None]).inner
        else:
            inner = self.backbone(user, torch.arange(self.backbone.items, device=user.device)[None]).inner
        return self.loss.score(self.loss.head.logits(inner))[..., task]

    @cached_property
    def index_items(self) -> Tensor:
        """Item vectors [items, K * D']: one index for every feedback, whose queries weigh the towers."""
        return self.item.flatten(1)

    @torch.no_grad()
    def queries(self, task: int) -> Tensor | None:
        """Return query vectors [users, K * D'] whose inner products with `index_items` rank as the score does.

        None if the score of this feedback is not linear in the inner products.
        """
        weight = linear_weights(self.loss) if self.backbone.decomposable else None
        return None if weight is None else (self.user * weight[task, :, None]).flatten(1)


@torch.no_grad()
def linear_weights(loss: Loss) -> Tensor | None:
    """Return the weights [T, K] of the inner products in each score, found by scoring the unit vectors.

    None if the score is not an affine function of them (ESMM's product of probabilities, for one).
    """
    device = next((p.device for p in [*loss.parameters(), *loss.buffers()]), torch.device("cpu"))

    def score(inner: Tensor) -> Tensor:
        return loss.score(loss.head.logits(inner.to(device))).cpu()

    towers = loss.towers
    origin = score(torch.zeros(1, towers, dtype=torch.double))
    weight = score(torch.eye(towers, dtype=torch.double)) - origin  # [K, T]
    probe = torch.randn(16, towers, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    if not torch.allclose(score(probe) - origin, probe @ weight, rtol=1e-6, atol=1e-8):
        return None
    return weight.T.float().to(device)
