"""Denoising autoencoders with a multinomial likelihood."""

from torch import Tensor

from recbench.backbones.base import Backbone
from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.catalogue import log_likelihood
from recbench.samplers import Catalogue
from recbench.settings import NonNegative


@LOSSES.add("mult-dae")
class MultDAE(Loss):
    """Minus the log-likelihood of all that a user has had, as draws from one softmax over the catalogue.

    Liang et al., WWW 2018, https://arxiv.org/abs/1802.05814: the sum over the user's positives, mean over
    users, plus `l2` times the squares of all weights of the autoencoder but biases; 0.01 / 500 as in the released code.
    The noise is the dropout of the backbone `autoencoder`.
    """

    sampler = Catalogue()
    needs = frozenset({"catalogue", "vectors", "user codes"})
    searched = ("l2=1e-6..0.01",)

    def __init__(self, info: Info, *, l2: NonNegative = 2e-5) -> None:
        super().__init__(info)
        self.l2 = l2

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over users."""
        return -log_likelihood(towers, batch)[0].mean()

    def objective(self, backbone: Backbone, batch: Batch) -> Tensor:
        """Return the loss of a batch plus the penalty of the weights."""
        value = super().objective(backbone, batch)
        if not self.l2:
            return value
        weights = [parameter for parameter in backbone.parameters() if parameter.ndim > 1]
        return value + self.l2 * sum(weight.square().sum() for weight in weights)
