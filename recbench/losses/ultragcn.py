"""Constraint losses in place of message passing."""

from dataclasses import replace

from torch import Tensor
from torch.nn.functional import softplus

from recbench.backbones.base import Backbone
from recbench.data.dataset import Dataset
from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.item_neighbours import item_neighbours
from recbench.losses.building_blocks.sampled_softmax import SampledSoftmaxLoss, Slates, Source
from recbench.settings import Count, NonNegative


@LOSSES.add("ultragcn")
class UltraGCN(SampledSoftmaxLoss):
    """Cross-entropies weighed by degrees, and each positive's neighbours drawn to its user: a GCN without propagation.

    Mao et al., CIKM 2021, https://arxiv.org/abs/2110.15114. For a positive i and negatives j:
    (w1 + w2 b_ui) softplus(-s_ui) + negative_weight mean_j (w3 + w4 b_uj) softplus(s_uj), where
    b_ui = sqrt(d_u + 1) / d_u / sqrt(d_i + 1) with the numbers d of positives, + item_weight times the sum over the
    `neighbours` k of i with the largest omega_ik of omega_ik softplus(-s_uk), where omega_ik = sqrt(D_i + 1) / D_i /
    sqrt(D_k + 1) times the number of common users; D sums these numbers up, and with `diagonal`, as in the authors'
    code, i is a neighbour of itself. The weights are those for LightGCN's Gowalla, where the paper draws 1500 `own`
    negatives of all items (`mask_positives=false`); a `pool` is cheaper. Gamma: `backbone.l2`, `l2_of=parameters`.

    At first all scores sink, for longer the larger `negative_weight` is: lower it (20) where items or epochs are few.
    """

    weights: Tensor  # [6] w1 to w4, negative_weight, item_weight
    user_factor: Tensor  # [users] and [items], whose product is b
    item_factor: Tensor
    near: Tensor  # [items, neighbours]
    omega: Tensor

    searched = ("negative_weight=10..1000",)

    def __init__(
        self,
        info: Info,
        *,
        w1: NonNegative = 1e-6,
        w2: NonNegative = 1.0,
        w3: NonNegative = 1e-6,
        w4: NonNegative = 1.0,
        source: Source = "pool",
        negatives: Count = 1024,
        mask_positives: bool = True,
        negative_weight: NonNegative = 300.0,
        item_weight: NonNegative = 5e-4,
        neighbours: Count = 10,
        diagonal: bool = True,
    ) -> None:
        super().__init__(info, source, negatives, mask_positives)
        self.register_numbers(weights=[w1, w2, w3, w4, negative_weight, item_weight])
        self.neighbours, self.diagonal = neighbours, diagonal

    def setup(self, data: Dataset) -> None:
        """Take the degrees, and find each item's neighbours."""
        of_user, of_item = data.positives.start.diff().float(), data.popularity.float()
        self.register_buffer("user_factor", (of_user + 1).sqrt() / of_user.clamp(min=1), persistent=False)
        self.register_buffer("item_factor", (of_item + 1).rsqrt(), persistent=False)
        found = item_neighbours(data.positives, len(data.items), self.neighbours, self.diagonal)
        for name, value in zip(("near", "omega"), found, strict=True):
            self.register_buffer(name, value, persistent=False)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives of the weighed cross-entropies, without the neighbours."""
        w1, w2, w3, w4, negative_weight, _ = self.weights
        slates = Slates.of(batch)
        positive, negatives = slates.logits(towers)
        of_positive, of_negatives = slates.split(self.user_factor[batch.user, None] * self.item_factor[batch.item])
        rivals = slates.mean_of_negatives((w3 + w4 * of_negatives) * softplus(negatives))
        return slates.mean((w1 + w2 * of_positive) * softplus(-positive) + negative_weight * rivals)

    def objective(self, backbone: Backbone, batch: Batch) -> Tensor:
        """Return the loss of a batch, the neighbours' included, plus the backbone's penalty of the slate alone."""
        slates = Slates.of(batch)
        positive = batch.item.expand(len(batch.user), -1).gather(1, slates.slot)[:, 0]
        near = Loss.encode(self, backbone, replace(batch, item=self.near[positive], mask=None))
        drawn = [slates.mean((self.omega[positive] * softplus(-part.logit[..., 0])).sum(1)) for part in near.trained]
        return super().objective(backbone, batch) + self.weights[5] * sum(drawn)
