"""SetRank."""

from typing import Literal

from torch import Tensor
from torch.nn.functional import logsigmoid

from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.lists import ListLength, entropy_against, mean_of_lists, split_by_label
from recbench.samplers import Lists


@LOSSES.add("setrank")
class SetRank(Loss):
    """SetRank: -log(g_i / (g_i + sum of g_j over the negatives j)), summed over the positives i of a user's list.

    Wang et al., AAAI 2020, https://arxiv.org/abs/2002.09841 (journal form: TOIS 2023). `form` is g(s): `sigmoid` as in
    the authors' deep model and in GNOLR (KDD 2025, Table 3), `exp-sigmoid` as in their matrix factorisation, or `exp`.
    """

    needs = frozenset({"lists"})
    cosine = True

    def __init__(
        self, info: Info, *, form: Literal["sigmoid", "exp-sigmoid", "exp"] = "sigmoid", longest: ListLength = 500
    ) -> None:
        super().__init__(info, Lists(longest=longest))
        self.form = form

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over lists; lists of one class contribute 0."""
        positive, negative = split_by_label(batch)
        logit = towers.logit[..., 0]
        if self.form == "sigmoid":
            log_g = logsigmoid(logit)
        else:
            log_g = logit.sigmoid() if self.form == "exp-sigmoid" else logit
        return mean_of_lists(entropy_against(log_g, positive, negative), positive | negative)
