"""Negatives from clusters of items that lie where the user does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from recbench.data.dataset import Dataset, Positives
from recbench.samplers.base import SAMPLERS
from recbench.samplers.negatives import (
    Exponent,
    ModelProposal,
    Negatives,
    WeightedNegatives,
    draw_columns,
    random_below,
    whole_weights,
)
from recbench.samplers.triplets import Triplets
from recbench.settings import Count

ROUNDS = 10  # of k-means: centres that are drawn by need not be the best


@dataclass
class Clustered(ModelProposal):
    """A cluster by its inner product with the user and its free popularity, then an item of it by popularity.

    Lian et al., WWW 2020, https://doi.org/10.1145/3366423.3380187: p(c|u) ∝ exp(<u, centre_c>) times the
    sum over the cluster of popularity^beta, positives of the user left out; with beta 0, all items of a cluster are
    alike. Clusters are those of k-means over the item vectors. log_q = log p(c|u) + log(popularity^beta of the item /
    that sum), which is log p(item | user), for an item is in one cluster. `refresh` gives it the vectors.
    """

    sampler: ClassVar[str] = "clusters"
    scaled: ClassVar[bool] = True
    clusters: int = 100
    beta: float = 1.0

    def on(self, data: Dataset) -> Negatives:
        """Return what draws by the vectors last given; raises UsageError if there are none."""
        user, item = self.vectors(data)
        weight = whole_weights(data.popularity[: len(item)].double() ** self.beta, len(data.users))
        cluster, centres = k_means(item, min(self.clusters, len(item)))
        return ClusteredNegatives(data.positives, weight, cluster, user, centres)


@SAMPLERS.add(Clustered.sampler)
class ClusteredTriplets(Triplets):
    """One positive and negatives from clusters of items that lie where the user does, then by popularity^beta in them.

    Lian et al., WWW 2020, https://doi.org/10.1145/3366423.3380187. Clusters are renewed before each epoch. With
    beta 0, all items of a cluster are alike.
    """

    def __init__(self, *, negatives: Count = 1, clusters: Count = 100, beta: Exponent = 1.0) -> None:
        super().__init__(negatives, Clustered(clusters, beta))


class ClusteredNegatives(Negatives):
    """Draws clusters, then items of whole weight [items], of which cluster [items] are the clusters.

    user [users, D] and centres [clusters, D] are the vectors by which clusters are drawn.
    """

    def __init__(self, positives: Positives, weight: Tensor, cluster: Tensor, user: Tensor, centres: Tensor) -> None:
        self.user, self.centres = user, centres
        self.order = cluster.argsort(stable=True)
        place = torch.empty_like(self.order)
        place[self.order] = torch.arange(len(place), device=place.device)
        users, clusters = len(positives.start) - 1, len(centres)
        self.within = WeightedNegatives(
            Positives.from_pairs(positives.user, place[positives.item], users, len(place)), weight[self.order]
        )
        size = weight.new_zeros(clusters).index_add_(0, cluster, weight)
        self.free = size.repeat(users, 1)
        taken = positives.user * clusters + cluster[positives.item]
        self.free.view(-1).index_add_(0, taken, -weight[positives.item])

    def draw(self, user: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return item, valid and log_q = log p(cluster | user) p(item | cluster, user), each [B, count]."""
        free = self.free.index_select(0, user)
        end = free.cumsum(1)
        valid = end[:, -1:] > 0
        logit = self.user.index_select(0, user) @ self.centres.T + free.float().log()
        log_share = logit.where(valid, 0).log_softmax(1)
        cluster = draw_columns(log_share.exp(), count, generator)
        mass = free.gather(1, cluster)
        place = self.within.at(user, end.gather(1, cluster) - mass + random_below(mass, count, generator))
        log_chance = self.within.weight[place].clamp(min=1).log() - mass.clamp(min=1).log()
        return self.order[place], valid.expand_as(place), log_share.gather(1, cluster) + log_chance


def k_means(vectors: Tensor, count: int, spherical: bool = False) -> tuple[Tensor, Tensor]:
    """Return the cluster [n] of each of the vectors [n, D], and the centres [count, D]; `spherical`: of length 1."""
    import faiss

    points = vectors.float().cpu().contiguous().numpy()
    kmeans = faiss.Kmeans(points.shape[1], count, niter=ROUNDS, min_points_per_centroid=1, spherical=spherical)
    kmeans.train(points)
    _, cluster = kmeans.index.search(points, 1)
    return torch.from_numpy(cluster[:, 0]).to(vectors.device), torch.from_numpy(kmeans.centroids).to(vectors.device)
