"""A loss as a user would write it, in a file of their own."""

OWN_LOSS = '''
from torch import Tensor
from torch.nn.functional import softplus

from recbench.batch import Batch, Towers
from recbench.losses.base import LOSSES, Loss


@LOSSES.add("mine")
class Mine(Loss):
    """Logistic loss, Cox 1958."""

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over the slots that count."""
        return batch.mean(softplus((1 - 2 * batch.label[..., 0]) * towers.logit[..., 0]))
'''
