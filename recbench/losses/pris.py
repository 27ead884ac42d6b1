"""Personalised ranking with importance sampling."""

from typing import Annotated, Literal

from torch import Tensor
from torch.nn.functional import softplus

from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.pairwise import differences
from recbench.samplers import Clustered, Popularity, Triplets
from recbench.samplers.negatives import Exponent
from recbench.settings import Count, OnlyWith

Draw = Literal["uniform", "popularity", "cluster-uniform", "cluster-popularity"]
Power = Annotated[
    Exponent,
    OnlyWith("proposal=popularity or cluster-popularity", lambda given: "popularity" in str(given["proposal"])),
]
Number = Annotated[
    Count,
    OnlyWith("proposal=cluster-uniform or cluster-popularity", lambda given: "cluster" in str(given["proposal"])),
]


@LOSSES.add("pris")
class PRIS(Loss):
    """BPR whose negatives are weighed by how much likelier the model finds them than the proposal that drew them.

    Lian et al., WWW 2020, https://doi.org/10.1145/3366423.3380187: sum over a positive's negatives j of
    -w_j log sigmoid(s_ui - s_uj) with w = softmax over j of s_uj - log q_j; with one negative it is BPR. `proposal`
    is what draws them; its clusters are those of the item vectors at the start of each epoch, for which the backbone
    must have item vectors. `beta` is the power of popularity. `detach` makes the weights constants, as the derivation
    has them; the authors' code lets gradients through.
    """

    needs = frozenset({"positive first", "negatives"})
    searched = ("beta=0.25..1.5",)

    def __init__(
        self,
        info: Info,
        *,
        negatives: Count = 5,
        proposal: Draw = "popularity",
        beta: Power = 1.0,
        clusters: Number = 100,
        detach: bool = True,
    ) -> None:
        power = 0.0 if proposal.endswith("uniform") else beta
        source = Clustered(clusters, power) if proposal.startswith("cluster") else Popularity(power)
        super().__init__(info, Triplets(negatives, source))
        self.detach = detach

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives; slot 0 of each slate is the positive."""
        difference, counts = differences(towers, batch)
        log_weight = -difference if batch.log_q is None else -difference - batch.log_q[:, 1:]
        # Slates on which nothing counts must not become 0 / 0.
        any_counts = counts.any(1, keepdim=True)
        weight = log_weight.masked_fill(any_counts & ~counts, -float("inf")).softmax(1)
        if self.detach:
            weight = weight.detach()
        loss = (weight * softplus(-difference)).masked_fill(~counts, 0)
        return batch.weighted(loss).sum() / batch.number(any_counts)
