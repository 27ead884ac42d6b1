"""Slates for the losses that leave out or reweigh what fits worst."""

from __future__ import annotations

from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.losses.building_blocks.truncation import TruncatedLoss
from tests.losses.by_hand import loss

LOGITS, LABELS = [2.0, -1.0, 0.5, -2.0], [1.0, 1.0, 0.0, 0.0]
MARGINS = [1.0, -1.0, 0.2, -0.4]
DENOISING = ["tce", "rce", "tce-bpr", "rce-bpr"]


def truncated(name: str, **settings: object) -> TruncatedLoss:
    """A truncated loss at the end of its schedule."""
    made = loss(name, **settings)
    assert isinstance(made, TruncatedLoss)
    made.steps += 10**6
    return made


def pairs(margins: list[float]) -> list[list[float]]:
    return [[margin + 0.7, 0.7] for margin in margins]


def gradient(name: str, given: Towers, slates: Batch, **settings: object) -> Tensor:
    assert given.pair is not None
    pair = given.pair.clone().requires_grad_()
    made = truncated(name, **settings) if name.startswith("tce") else loss(name, **settings)
    made(Towers(given.user, given.item, pair=pair), slates).backward()
    assert pair.grad is not None
    return pair.grad[..., 0]
