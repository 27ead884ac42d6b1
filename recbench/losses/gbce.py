"""Generalised binary cross-entropy."""

from torch import Tensor
from torch.nn.functional import softplus

from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.samplers import Triplets
from recbench.settings import Count, Fraction


@LOSSES.add("gbce")
class GBCE(Loss):
    """Binary cross-entropy with sigmoid(s+)^beta of the positive, which sampled negatives do not make overconfident.

    -[beta log sigmoid(s+) + sum over k negatives of log(1 - sigmoid(s-))] / (k + 1), where beta = alpha (t (1 - 1 /
    alpha) + 1 / alpha) and alpha = k / (items - 1), the share of the negatives that are drawn. Petrov & Macdonald,
    RecSys 2023, https://arxiv.org/abs/2308.07192. `calibration` is t: 0 is binary cross-entropy, and 1 undoes what
    sampling does to the probabilities. gSASRec is backbone `sasrec` with 256 negatives and t 0.75; its code may draw
    the user's positives as negatives, which are left out here.
    """

    needs = frozenset({"positive first", "negatives"})
    searched = ("calibration=0.0..1.0",)
    calibration: Tensor

    def __init__(self, info: Info, *, negatives: Count = 16, calibration: Fraction = 0.75) -> None:
        super().__init__(info, Triplets(negatives))
        self.register_numbers(calibration=calibration)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over slots; slot 0 of each slate is the positive."""
        logit, label = towers.logit[..., 0], batch.label[..., 0]
        drawn = logit.new_full((1, 1), logit.shape[1]) if batch.mask is None else batch.mask.sum(1, keepdim=True)
        share = ((drawn - 1).clamp(min=1) / max(1, self.info.items - 1)).clamp(max=1)
        power = (1 - self.calibration * (1 - share)).to(logit.dtype)
        return batch.mean(softplus(-logit) * power * label + softplus(logit) * (1 - label))
