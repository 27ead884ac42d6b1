"""Graphs of users and items, and backbones that smooth free vectors over one."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbench.backbones.base import Backbone, View
from recbench.backbones.building_blocks.free_vectors import free_vectors
from recbench.batch import Batch, Encoding, Towers
from recbench.data.dataset import Dataset
from recbench.data.history import Histories
from recbench.gpu import rows_at
from recbench.settings import Count, NonNegative, Positive


class Graph(nn.Module):
    """A symmetric sparse matrix to multiply vectors with, or the `mean` over the neighbours where its weights are 1.

    It is kept in parts because a sparse tensor cannot be deep-copied, which BUIR's slow copy needs.
    """

    starts: Tensor  # [nodes + 1]
    neighbours: Tensor  # [entries]
    weights: Tensor  # [entries]
    degree: Tensor | None  # [nodes, 1] sum of each node's weights, at least 1, to divide by

    def __init__(self, matrix: Tensor, mean: bool = False) -> None:
        super().__init__()
        self.register_buffer("starts", matrix.crow_indices().int(), persistent=False)
        self.register_buffer("neighbours", matrix.col_indices().int(), persistent=False)
        self.register_buffer("weights", matrix.values(), persistent=False)
        self.register_buffer("degree", self.degrees(self.weights)[:, None] if mean else None, persistent=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the product with vectors [nodes, D]."""
        product = propagation(self.starts, self.neighbours, self.weights, vectors)
        return product if self.degree is None else product / self.degree

    def smooth(self, vectors: Tensor) -> Tensor:
        """Return the product with vectors [nodes, K, D]."""
        product: Tensor = self(vectors.flatten(1))
        return product.view_as(vectors)

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.starts) - 1

    @property
    def rows(self) -> Tensor:
        """Node of each entry, [entries]; `neighbours` has the other end."""
        return torch.repeat_interleave(torch.arange(self.nodes, device=self.starts.device), self.starts.diff())

    @property
    def edges(self) -> tuple[Tensor, int]:
        """Number of the edge of each entry, [entries], alike for both directions, and how many there are."""
        low, high = torch.minimum(self.rows, self.neighbours), torch.maximum(self.rows, self.neighbours)
        edge, number = torch.unique(low * self.nodes + high, return_inverse=True)
        return number, len(edge)

    def degrees(self, weights: Tensor) -> Tensor:
        """Return the sum of each node's weights, at least 1, [nodes]."""
        return weights.new_zeros(self.nodes).index_add_(0, self.rows, weights).clamp(min=1)

    def thinned(self, remaining: Tensor) -> Graph:
        """Return the graph with those entries that are 1 in `remaining` [entries], by the degrees that it then has.

        A graph that is no mean must be normalised as `normalised_graph` is.
        """
        weights, degree = remaining, self.degrees(remaining)
        if self.degree is None:
            weights = remaining * (degree[self.rows] * degree[self.neighbours]).rsqrt()
        return self.with_weights(weights)

    def with_weights(self, weights: Tensor) -> Graph:
        """Return a graph of the same edges with other weights [entries]."""
        shape = (self.nodes,) * 2
        matrix = torch.sparse_csr_tensor(self.starts, self.neighbours, weights, shape, check_invariants=False)
        return Graph(matrix, self.degree is not None)


# From a graph, the vectors [nodes, K, D] of a layer, and the number from 1 of the next, to what the next gets.
Step = Callable[[Graph, Tensor, int], Tensor]


def plain_step(graph: Graph, vectors: Tensor, number: int) -> Tensor:
    """Return the product with vectors [nodes, K, D], on every layer alike."""
    return graph.smooth(vectors)


class GraphBackbone(Backbone):
    """Free vectors that a graph turns into those of the towers. Subclasses set the graph and implement `propagate`.

    `l2` weighs half the squared norms of the batch's free vectors, per user.
    """

    offers: ClassVar[frozenset[str]] = Backbone.offers | {"graph views"}

    graph: Graph  # of users and items, which views change
    layers: int  # how often it is multiplied with
    first_layer = 0  # of a mean of layers, where it begins: a loss may leave out the free vectors

    def __init__(
        self, data: Dataset, towers: int, cosine: bool, *, dim: Count = 64, l2: NonNegative = 1e-4, std: Positive = 0.1
    ) -> None:
        super().__init__(data, towers, cosine)
        self.register_l2(l2)
        self.user_table = free_vectors(data.users, towers * dim, std)
        self.item_table = free_vectors(data.items, towers * dim, std)

    @property
    def free_vectors(self) -> Tensor:
        """The free vectors of all users, then all items, [users + items, K, D]."""
        vectors: Tensor = torch.cat([self.user_table, self.item_table]).unflatten(1, (self.towers, -1))
        return vectors

    @abstractmethod
    def propagate(self, step: Step = plain_step) -> Encoding:
        """Return the vectors of all users and items; `step` makes what a layer gets from its neighbours."""

    def embed(self, user: Tensor, item: Tensor) -> Towers:
        """Return the towers of user [B] and item [B, N] after one propagation."""
        return self._towers_of(self.propagate(), user, item)

    def encode_views(self, batch: Batch, views: Iterable[View]) -> Towers:
        """Return the towers of a batch as the first view has them, and the encodings of all views beside them."""
        encodings: list[Encoding] = []
        for view in views:
            encodings.append(view.encode(self, encodings[0] if encodings else None))
        towers = self.normalised(self._towers_of(encodings[0], batch.user, batch.item))
        return replace(towers, views=tuple(encodings))

    def _towers_of(self, encoding: Encoding, user: Tensor, item: Tensor) -> Towers:
        smooth = encoding.vectors.flatten(1)
        rows = rows_at(self.user_table, user), rows_at(self.item_table, item)
        shape, tables = (self.towers, -1), (self.user_table, self.item_table)
        vectors = (
            rows_at(smooth, user).unflatten(-1, shape),
            rows_at(smooth, item + self.users).unflatten(-1, shape),
        )
        penalty = self.regulariser.penalty(self.l2, self, rows=rows, vectors=vectors, tables=tables)
        return Towers(*vectors, batch_penalty=penalty)

    @torch.no_grad()
    def tables(self, known: Histories | None = None) -> tuple[Tensor, Tensor]:
        """Return the vectors of all users and all items from a single propagation."""
        encoding = self.propagate()
        if self.unit_length:
            encoding = replace(encoding, vectors=F.normalize(encoding.vectors, dim=-1))
        return encoding.user, encoding.item


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


def sparse_product(starts: Tensor, neighbours: Tensor, weights: Tensor, vectors: Tensor) -> Tensor:
    """Return the product of a matrix in compressed sparse rows with vectors, in half of its usual time on a CPU."""
    return F.embedding_bag(
        neighbours, vectors, starts, mode="sum", per_sample_weights=weights, include_last_offset=True
    )


class _Propagation(torch.autograd.Function):
    """Product of a symmetric matrix in compressed sparse rows with vectors, whose backward is the same product."""

    @staticmethod
    def forward(starts: Tensor, neighbours: Tensor, weights: Tensor, vectors: Tensor) -> Tensor:  # noqa: D102
        return sparse_product(starts, neighbours, weights, vectors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Tensor], output: Tensor) -> None:  # noqa: D102
        ctx.save_for_backward(*inputs[:3])
        ctx.save_for_forward(*inputs[:3])

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[None, None, None, Tensor]:  # noqa: D102
        starts, neighbours, weights = ctx.saved_tensors
        return None, None, None, sparse_product(starts, neighbours, weights, gradient[0])

    @staticmethod
    def jvp(ctx: Any, *tangent: Tensor) -> Tensor:  # noqa: D102
        starts, neighbours, weights = ctx.saved_tensors
        return sparse_product(starts, neighbours, weights, tangent[3])

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        """Multiply the vectors of all runs [L, nodes, D] at once as [nodes, L * D], where they share the matrix."""
        starts, neighbours, weights, vectors = inputs
        if any(dim is not None for dim in in_dims[:3]):
            columns = [_of_each(x, dim, info.batch_size) for x, dim in zip(inputs, in_dims, strict=True)]
            return torch.stack([propagation(*of_run) for of_run in zip(*columns, strict=True)]), 0
        wide = vectors.movedim(in_dims[3] or 0, 1)  # [nodes, L, D]
        return propagation(starts, neighbours, weights, wide.flatten(1)).view(wide.shape), 1


def _of_each(tensor: Tensor, dim: int | None, count: int) -> Sequence[Tensor]:
    """Return what each run has of a tensor."""
    return [tensor] * count if dim is None else tensor.unbind(dim)


propagation: Callable[..., Tensor] = _Propagation.apply
