"""How unlike each other the items of a list are."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.evaluation.metric import METRICS, TopKMetric
from recbench.evaluation.ranked_lists import RankedLists

_GATHERED = 1 << 23  # numbers in a block of gathered item vectors: 64 MiB of float64


@METRICS.add("ild")
class ILD(TopKMetric):
    """Intra-list diversity: mean over the pairs of items of a list of 1 - cosine of their dense vectors.

    Smyth & McClave, ICCBR 2001, https://doi.org/10.1007/3-540-44593-5_25; Ziegler et al., WWW 2005,
    https://doi.org/10.1145/1060745.1060754. The vectors are those of the data, such as embeddings of titles, not the
    model's own, which differ from model to model. It does not look at relevance.
    """

    words = "1-cosine of dense vectors; zero vectors=left out; lists of fewer than 2 items=left out"
    needs = frozenset({"all users", "dense vectors"})

    def values(self, lists: RankedLists) -> Tensor:
        """Compute the mean over the pairs of each user's list; NaN for fewer than two items with a vector."""
        assert lists.catalogue is not None and lists.catalogue.vectors is not None
        users = max(1, _GATHERED // (lists.item.shape[1] * lists.catalogue.vectors.shape[1]))
        return torch.cat([_diversity(item, lists.catalogue.vectors) for item in lists.item.split(users)])


def _diversity(item: Tensor, vectors: Tensor) -> Tensor:
    """Return the diversity of lists item [U, k], -1 being no item, with the vectors [I, D] of all items.

    The cosines of all n^2 pairs of a list add up to the squared length of the sum of its n unit vectors.
    """
    listed, position = item.clamp(min=0).unique(return_inverse=True)
    unit = torch.nn.functional.normalize(vectors[listed].double(), dim=1, eps=1e-300)  # 0 stays 0
    described = (unit.any(1)[position] & (item >= 0)).double()
    total = torch.nn.functional.embedding_bag(position, unit, mode="sum", per_sample_weights=described)
    count = described.sum(1)
    pairs = count * (count - 1)
    diversity: Tensor = 1 - (total.square().sum(1) - count) / pairs.where(pairs > 0, torch.nan)
    return diversity
