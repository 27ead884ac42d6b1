"""Graphs of users and items, and backbones that smooth free vectors over one."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbench.backbones.base import Backbone
from recbench.backbones.building_blocks.free_vectors import free_vectors
from recbench.batch import Towers
from recbench.data.dataset import Dataset
from recbench.data.history import Histories
from recbench.settings import Count, NonNegative


class GraphBackbone(Backbone):
    """Free vectors that a graph turns into those of the towers. Subclasses implement `propagate`.

    `l2` weighs half the squared norms of the batch's free vectors, per user.
    """

    def __init__(
        self, data: Dataset, towers: int, cosine: bool, *, dim: Count = 64, l2: NonNegative = 1e-4, std: float = 0.1
    ) -> None:
        super().__init__(data, towers, cosine)
        self.l2 = l2
        self.user_table = free_vectors(data.users, towers * dim, std)
        self.item_table = free_vectors(data.items, towers * dim, std)

    @abstractmethod
    def propagate(self) -> Tensor:
        """Return the vectors of all users, then all items, [users + items, K * D]."""

    def embed(self, user: Tensor, item: Tensor) -> Towers:
        """Return the towers of user [B] and item [B, N] after one propagation."""
        smooth = self.propagate()
        rows = F.embedding(user, self.user_table), F.embedding(item, self.item_table)
        shape, tables = (self.towers, -1), (self.user_table, self.item_table)
        vectors = (
            F.embedding(user, smooth).unflatten(-1, shape),
            F.embedding(item + self.users, smooth).unflatten(-1, shape),
        )
        penalty = self.regulariser.penalty(self.l2, self, rows=rows, vectors=vectors, tables=tables)
        return Towers(*vectors, batch_penalty=penalty)

    @torch.no_grad()
    def tables(self, known: Histories | None = None, *, block: int = 65536) -> tuple[Tensor, Tensor]:
        """Return the vectors of all users and all items from a single propagation."""
        smooth = self.propagate().unflatten(-1, (self.towers, -1))
        if self.cosine:
            smooth = F.normalize(smooth, dim=-1)
        return smooth[: self.users], smooth[self.users :]


class Graph(nn.Module):
    """A symmetric sparse matrix to multiply vectors with.

    It is kept in parts because a sparse tensor cannot be deep-copied, which BUIR's slow copy needs.
    """

    starts: Tensor
    neighbours: Tensor
    weights: Tensor

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.register_buffer("starts", matrix.crow_indices().int(), persistent=False)
        self.register_buffer("neighbours", matrix.col_indices().int(), persistent=False)
        self.register_buffer("weights", matrix.values(), persistent=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the product with vectors [nodes, D]."""
        shape = (len(vectors),) * 2
        graph = torch.sparse_csr_tensor(self.starts, self.neighbours, self.weights, shape, check_invariants=False)
        return propagation(graph, vectors)


def normalised_graph(data: Dataset) -> Tensor:
    """Return D^-1/2 A D^-1/2 of the bipartite graph of training positives, sparse CSR [users + items] squared."""
    source, target = bipartite_edges(data)
    count = len(data.users) + len(data.items)
    degree = torch.bincount(source, minlength=count).clamp(min=1).float()
    return compressed(source, target, (degree[source] * degree[target]).rsqrt(), count)


def bipartite_edges(data: Dataset) -> tuple[Tensor, Tensor]:
    """Return both ends of every training positive, in both directions; items are numbered after the users."""
    user, item = data.positives.user, data.positives.item + len(data.users)
    return torch.cat([user, item]), torch.cat([item, user])


def compressed(source: Tensor, target: Tensor, weight: Tensor, count: int) -> Tensor:
    """Return a sparse CSR matrix [count, count] with these entries."""
    edges = torch.sparse_coo_tensor(torch.stack([source, target]), weight, (count, count), check_invariants=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return edges.coalesce().to_sparse_csr()


def sparse_product(graph: Tensor, vectors: Tensor) -> Tensor:
    """Return `graph @ vectors`, in half of its time on a CPU."""
    return F.embedding_bag(
        graph.col_indices(),
        vectors,
        graph.crow_indices(),
        mode="sum",
        per_sample_weights=graph.values(),
        include_last_offset=True,
    )


class _Propagation(torch.autograd.Function):
    """Sparse product with a symmetric matrix, whose backward is the same product."""

    @staticmethod
    def forward(ctx: Any, graph: Tensor, vectors: Tensor) -> Tensor:  # noqa: D102
        ctx.graph = graph
        return sparse_product(graph, vectors)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[None, Tensor]:  # noqa: D102
        return None, sparse_product(ctx.graph, gradient[0])

    @staticmethod
    def jvp(ctx: Any, *tangent: Tensor) -> Tensor:  # noqa: D102
        return sparse_product(ctx.graph, tangent[1])


propagation: Callable[[Tensor, Tensor], Tensor] = _Propagation.apply
