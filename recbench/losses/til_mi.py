"""Triplet importance learning with several interests."""

from typing import Annotated, Literal

from torch import Tensor

from recbench.backbones.base import Backbone
from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.backbone_vectors import dimension, snapshot
from recbench.losses.building_blocks.clusters import Clusters
from recbench.losses.building_blocks.importance import Output
from recbench.losses.building_blocks.triplet_importance import TIL
from recbench.settings import Count, CountOrZero, NonNegative, OnlyWith, Positive

Gamma = Annotated[NonNegative, OnlyWith("clustering=learned", lambda given: given["clustering"] == "learned")]


@LOSSES.add("til-mi")
class TILMI(TIL):
    """TIL whose weights also see the clusters of both items (Multi-Interest).

    Wu et al., CIKM 2022, equations 6-9 and 13, https://arxiv.org/abs/2208.01709. After `pretrain` epochs of til-ui
    k-means places `clusters` centres. They are then learned, with `gamma` times the mean clustering loss of a batch's
    items, and enter the states times `alpha`; membership and target are renewed every `refresh` epochs. The paper
    trains up to 3000 epochs, 500 of them before the clusters, and searches alpha in 0.01 to 10, gamma in 1e-4 to 0.1.
    `clustering=kmeans` is its TIL-MIK: centres by k-means alone, placed anew every `refresh` epochs.
    """

    searched = (*TIL.searched, "alpha=0.01..10", "gamma=0.0001..0.1")

    def __init__(
        self,
        info: Info,
        *,
        hidden: Count = 64,
        output: Output = "sigmoid",
        lookahead: Positive = 1.0,
        weight_lr: Positive = 1e-3,
        outer: Literal["fresh", "same"] = "fresh",
        alpha: NonNegative = 1.0,
        gamma: Gamma = 0.01,
        clusters: Count = 60,
        pretrain: CountOrZero = 3,
        refresh: Count = 10,
        clustering: Literal["learned", "kmeans"] = "learned",
    ) -> None:
        super().__init__(info, hidden=hidden, output=output, lookahead=lookahead, weight_lr=weight_lr, outer=outer)
        self.alpha, self.gamma, self.count = alpha, gamma, min(clusters, info.items)
        self.pretrain, self.refresh, self.learned = pretrain, refresh, clustering == "learned"
        self.clustered = False

    def prepare(self, backbone: Backbone) -> None:
        """Add the clusters, whose centres are trained with the backbone."""
        self.groups = Clusters(self.count, self.info.items, dimension(backbone), self.learned).to(
            self.importance.device
        )
        super().prepare(backbone)

    def start_epoch(self, backbone: Backbone, epoch: int) -> None:
        """Renew interests, and the clusters where they are due."""
        super().start_epoch(backbone, epoch)
        since = epoch - 1 - self.pretrain
        self.clustered = since >= 0
        if self.clustered and since % self.refresh == 0:
            self.groups.renew(snapshot(backbone)[1][: self.info.items], restart=since == 0 or not self.learned)

    def item_states(self, vectors: Tensor, item: Tensor) -> Tensor:
        """Return the vectors plus `alpha` times the centres of the items' clusters."""
        return vectors + self.alpha * self.groups.centres_of(item) if self.clustered else vectors

    def clustering_loss(self, towers: Towers, batch: Batch) -> Tensor | float:
        """Return `gamma` times the mean clustering loss of the items of the batch."""
        if not (self.clustered and self.learned):
            return 0.0
        value = self.groups.divergence(batch.item.flatten(), towers.item[:, :, 0].flatten(0, 1))
        return self.gamma * batch.mean(value.view_as(batch.item))

    def extra_notes(self) -> list[str]:
        """Return that there are no clusters yet, if so."""
        return [] if self.clustered else [f"no clusters: training ended within loss.pretrain={self.pretrain} epochs"]
