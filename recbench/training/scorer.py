"""Scores of a trained model: for logged rows, and for retrieval over the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from recbench.backbones.base import Backbone, evaluation_mode
from recbench.batch import Towers
from recbench.data.dataset import Log
from recbench.evaluation.metrics.vectors import collapsed
from recbench.evaluation.predictions import (
    BlockScores,
    CatalogueScores,
    InnerProductScores,
    Predictions,
    TowerVectors,
    score_vectors,
)
from recbench.evaluation.ranked_lists import ListsByUsers
from recbench.losses.base import Loss
from recbench.results.record import RunKey

ROWS_PER_BLOCK = 65536
ONE_WAY = ": its vectors all point one way"


class Scorer:
    """Scores by a model, which stays as it is.

    Each entity's vectors are computed once, unless the backbone is not an inner product. `known` is what has been seen
    of the users, for backbones that read histories; default: what they did in train. `tables` are the
    backbone's, where they are known.
    """

    @torch.no_grad()
    def __init__(
        self, backbone: Backbone, loss: Loss, known: Log | None = None, tables: tuple[Tensor, Tensor] | None = None
    ) -> None:
        self.backbone, self.loss = backbone, loss
        self.known = None if known is None else backbone.histories(known)
        if backbone.decomposable:
            with evaluation_mode(backbone, loss):
                self.user, self.item = loss.vectors(*(tables or backbone.tables(self.known)))

    @torch.no_grad()
    def rows(self, log: Log) -> tuple[Tensor, Tensor | None]:
        """Return scores [R, T], and log-probabilities [R, T] where the loss has them."""
        scores, log_probabilities = [], []
        for user, item in zip(log.user.split(ROWS_PER_BLOCK), log.item.split(ROWS_PER_BLOCK), strict=True):
            with evaluation_mode(self.backbone, self.loss):
                logit = self.loss.head.logits(self._pairs(user.long(), item.long()))
                scores.append(self.loss.score(logit))
                log_probabilities.append(self.loss.log_probability(logit))
        given = [block for block in log_probabilities if block is not None]
        return torch.cat(scores), torch.cat(given) if given else None

    def _pairs(self, user: Tensor, item: Tensor) -> Tensor:
        if self.backbone.decomposable:
            return (self.user[user] * self.item[item]).sum(-1)
        towers: Towers = self.backbone(user, item[:, None], self.known)
        return towers.inner[:, 0]

    def predictions(self, log: Log, rows: tuple[Tensor, Tensor | None] | None = None) -> Predictions:
        """Return what the model says of a log, for `evaluation.evaluate`, given what `rows` does, where it is known."""
        score, log_probability = rows or self.rows(log)
        return Predictions(score, self.catalogue, log_probability, self.vectors)

    @property
    def catalogue(self) -> Callable[[int], CatalogueScores]:
        """What gives the scores of all users and items by one feedback."""
        return self._blocks if self.vectors is None else self.vectors.catalogue

    def _blocks(self, task: int) -> BlockScores:
        device = next(self.backbone.parameters()).device
        towers = InnerProductScores(self.user.flatten(1), self.item.flatten(1)) if self.backbone.decomposable else None
        return BlockScores(lambda user: self.block(user.to(device), task), self.backbone.items, towers)

    @torch.no_grad()
    def block(self, user: Tensor, task: int) -> Tensor:
        """Return the scores [n, items] of users [n] with every item, for one feedback."""
        with evaluation_mode(self.backbone, self.loss):
            if self.backbone.decomposable:
                inner = Towers(self.user[user], self.item[None]).inner
            else:
                item = torch.arange(self.backbone.items, device=user.device)[None]
                inner = self.backbone(user, item, self.known).inner
            return self.loss.score(self.loss.head.logits(inner))[..., task]

    @cached_property
    def vectors(self) -> TowerVectors | None:
        """The vectors that rank as the scores do; None if the scores are not linear in the inner products."""
        weight = linear_weights(self.loss) if self.backbone.decomposable else None
        return None if weight is None else TowerVectors(self.user, self.item, weight)


class Sharing(ListsByUsers, Protocol):
    """Processes that evaluate a model together."""

    def scores(self, scorer: Scorer, log: Log) -> tuple[Tensor, Tensor | None]:
        """Return what `scorer.rows` does of the log, of which this process has computed a share."""


@torch.no_grad()
def linear_weights(loss: Loss) -> Tensor | None:
    """Return the weights [T, K] of the inner products in each score, found by scoring the unit vectors.

    None if the score is not an affine function of them (ESMM's product of probabilities, for one).
    """
    device = next((p.device for p in [*loss.parameters(), *loss.buffers()]), torch.device("cpu"))

    def score(inner: Tensor) -> Tensor:
        with evaluation_mode(loss):
            return loss.score(loss.head.logits(inner.to(device))).cpu()

    towers = loss.towers
    origin = score(torch.zeros(1, towers, dtype=torch.double))
    weight = score(torch.eye(towers, dtype=torch.double)) - origin  # [K, T]
    probe = torch.randn(16, towers, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    if not torch.allclose(score(probe) - origin, probe @ weight, rtol=1e-6, atol=1e-8):
        return None
    return weight.T.float().to(device)


def collapse_note(key: RunKey, catalogue: Callable[[int], CatalogueScores]) -> list[str]:
    """Return a line if the vectors that rank by some feedback of the run have collapsed, else nothing."""
    collapsed_sides = {}
    for column, name in enumerate(key.feedback):
        vectors = score_vectors(catalogue(column))
        if vectors is not None:
            cosines = collapsed(vectors)
            collapsed_sides[name] = " and ".join(f"{side} {cosine:.4f}" for side, cosine in cosines.items())
    listed = "; ".join(f"{name}: {sides}" for name, sides in collapsed_sides.items() if sides)
    if not listed:
        return []
    learned = key.settings.get("loss.logit") in ("learned", None)  # None: a loss without scale and bias
    remedy = "try a lower --lr" if learned else "try a lower --lr, or --set loss.logit=learned"
    return [f"{key.title}{ONE_WAY} (mean cosine of {listed}) and tell little apart; {remedy}"]


def notes_once(notes: Iterable[str]) -> list[str]:
    """Return notes of runs, each once; where the vectors of several have collapsed, one note names their methods."""
    once: list[str] = []
    of_collapse: dict[str, list[str]] = {}  # by remedy
    for note in sorted(set(notes)):
        alike = of_collapse.setdefault(note.rpartition("; ")[2], []) if ONE_WAY in note else once
        alike.append(note)
    for remedy, alike in of_collapse.items():
        methods = ", ".join(dict.fromkeys(note.partition(" on ")[0] for note in alike))
        several = f"vectors of {methods} ({len(alike)} runs) all point one way and tell little apart; {remedy}"
        once += alike if len(alike) == 1 else [several]
    return once
