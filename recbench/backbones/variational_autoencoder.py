"""Users encoded from all that they have had, with an uncertainty."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from recbench.backbones.autoencoder import Autoencoder
from recbench.backbones.base import BACKBONES
from recbench.data.dataset import Dataset
from recbench.settings import Count, Share


@BACKBONES.add("variational-autoencoder")
class VariationalAutoencoder(Autoencoder):
    """The `autoencoder` whose code is normal: training draws it, scoring takes its mean.

    The encoder gives the mean and the log-variance of each of the `dim` numbers, without tanh; only a loss that reads
    `Towers.divergence`, as `mult-vae` does, holds them near a standard normal distribution. Liang et al., WWW 2018,
    https://arxiv.org/abs/1802.05814, whose Mult-VAE has I-600-200-600-I.
    """

    offers: ClassVar[frozenset[str]] = Autoencoder.offers | {"code distributions"}
    numbers: ClassVar[int] = 2

    def __init__(
        self, data: Dataset, towers: int, cosine: bool, *, dim: Count = 200, hidden: str = "600", dropout: Share = 0.5
    ) -> None:
        super().__init__(data, towers, cosine, dim=dim, hidden=hidden, dropout=dropout)

    def code(self, encoded: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return codes [B, dim] drawn in training, the means else, and in training the divergence [B]."""
        mean, log_variance = encoded.chunk(2, -1)
        if not self.training:
            return mean, None
        divergence = 0.5 * (log_variance.exp() - log_variance + mean.square() - 1).sum(-1)
        return mean + (0.5 * log_variance).exp() * torch.randn_like(mean), divergence
