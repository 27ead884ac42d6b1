"""Clusters of items that are learned with their vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

ROUNDS, STARTS = 25, 3  # of k-means, whose best start counts


class Clusters(nn.Module):
    """Soft clusters of items by Student's t, pulled towards their own sharpened form.

    TIL (CIKM 2022), equations 7-9, https://arxiv.org/abs/2208.01709, after Xie et al., ICML 2016,
    https://arxiv.org/abs/1511.06335. The centres are parameters if `learned`, otherwise what k-means last found.
    """

    centres: Tensor
    cluster: Tensor
    target: Tensor

    def __init__(self, count: int, items: int, dim: int, learned: bool) -> None:
        super().__init__()
        centres = torch.zeros(count, dim)
        if learned:
            self.register_parameter("centres", nn.Parameter(centres))
        else:
            self.register_buffer("centres", centres)
        self.register_buffer("cluster", torch.zeros(items, dtype=torch.long))
        # Also what lies between two refreshes belongs to the state of a run, so the target is kept, not recomputed.
        self.register_buffer("target", torch.zeros(items, count) if learned else torch.zeros(0, count))

    @torch.no_grad()
    def renew(self, item: Tensor, restart: bool) -> None:
        """Assign each item, vectors [items, D], to its nearest centre, and set its target anew.

        With `restart`, k-means places the centres first.
        """
        if restart:
            import faiss

            kmeans = faiss.Kmeans(
                item.shape[1], len(self.centres), niter=ROUNDS, nredo=STARTS, min_points_per_centroid=1
            )
            kmeans.train(item.float().cpu().contiguous().numpy())
            self.centres.copy_(torch.from_numpy(kmeans.centroids))
        log_share = log_membership(item, self.centres)
        self.cluster.copy_(log_share.argmax(1))
        if len(self.target):
            self.target.copy_(sharpened(log_share.exp()))

    def centres_of(self, item: Tensor) -> Tensor:
        """Return the centres [..., D] of the clusters of items [...], detached."""
        centres: Tensor = self.centres.detach()
        return centres[self.cluster[item]]

    def divergence(self, item: Tensor, vectors: Tensor) -> Tensor:
        """Return KL(target || membership) of items [n] with vectors [n, D], one number each."""
        return divergence(self.target[item], log_membership(vectors, self.centres))


def log_membership(vectors: Tensor, centres: Tensor) -> Tensor:
    """Return the log of Student's t memberships [n, K], one degree of freedom, of vectors [n, D]: equation 7."""
    square = (vectors.square().sum(1, keepdim=True) + centres.square().sum(1) - 2 * vectors @ centres.T).clamp(min=0)
    return (-square.log1p()).log_softmax(1)


def sharpened(membership: Tensor) -> Tensor:
    """Return the target of memberships [n, K], squared and divided by the size of each cluster: equation 8."""
    weight = membership.square() / membership.sum(0).clamp(min=torch.finfo(membership.dtype).tiny)
    return weight / weight.sum(1, keepdim=True)


def divergence(target: Tensor, log_share: Tensor) -> Tensor:
    """Return KL(target || exp(log_share)) of each row, [n]: equation 9."""
    return (target.xlogy(target) - target * log_share).sum(1)
