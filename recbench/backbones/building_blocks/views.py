"""Views of a graph backbone: encodings of all users and items over a graph that is changed, or with noise."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbench.backbones.base import Backbone, View
from recbench.backbones.building_blocks.graph import Graph, GraphBackbone
from recbench.batch import Encoding
from recbench.errors import UsageError


class Propagation(View):
    """The propagation that scores come from; subclasses change what a layer gets from the one before."""

    def encode(self, backbone: Backbone, first: Encoding | None) -> Encoding:
        """Return the encoding after one propagation."""
        return of_graph(backbone).propagate(self.layer)

    def layer(self, graph: Graph, vectors: Tensor, number: int) -> Tensor:
        """Return what layer `number`, counted from 1, gets from the vectors [nodes, K, D] of the one before."""
        return graph.smooth(vectors)


class Noise(Propagation):
    """Noise of Euclidean length `size` on every layer, in the orthant of the vector that it is added to.

    SimGCL (Yu et al., SIGIR 2022, https://arxiv.org/abs/2112.08679): a uniform direction of
    [0, 1)^D with the signs of the vector.
    """

    random: ClassVar[bool] = True
    size: Tensor

    def __init__(self, size: float) -> None:
        super().__init__()
        self.register_buffer("size", torch.tensor(size), persistent=False)

    def layer(self, graph: Graph, vectors: Tensor, number: int) -> Tensor:
        """Return the product with the graph plus noise."""
        smooth = graph.smooth(vectors)
        with torch.no_grad():
            noise = torch.rand_like(smooth)
            noise.mul_(self.size / noise.norm(dim=-1, keepdim=True).clamp(min=1e-12)).mul_(smooth.sign())
        return smooth + noise


class Dropped(Propagation):
    """A graph without a share of its `edges` or `nodes`, drawn anew for each epoch, with the degrees that it then has.

    SGL (Wu et al., SIGIR 2021, https://arxiv.org/abs/2010.10783). `walk` drops other edges on each layer.
    Of E edges, E - floor((1 - share) E) are dropped; of nodes, a share of the users and a share of the items, rounded
    down. Before the first epoch nothing is dropped.
    """

    random: ClassVar[bool] = True

    def __init__(self, share: float, kind: Literal["edges", "nodes", "walk"]) -> None:
        super().__init__()
        self.share = share
        self.kind = kind
        self.graphs = nn.ModuleList()  # one of all layers, or of `walk` one a layer

    def start_epoch(self, backbone: Backbone) -> None:
        """Draw what is dropped."""
        graph_backbone = of_graph(backbone)
        graph, count = graph_backbone.graph, graph_backbone.layers if self.kind == "walk" else 1
        with torch.no_grad():
            self.graphs = nn.ModuleList(graph.thinned(self._remaining(graph, backbone.users)) for _ in range(count))

    def layer(self, graph: Graph, vectors: Tensor, number: int) -> Tensor:
        """Return the product with what is left of the graph."""
        if self.graphs:
            thinned = self.graphs[(number - 1) % len(self.graphs)]
            assert isinstance(thinned, Graph)
            graph = thinned
        return graph.smooth(vectors)

    def _remaining(self, graph: Graph, users: int) -> Tensor:
        """Return 1 for each entry of the graph that remains, [entries], else 0."""
        if self.kind != "nodes":
            edge, edges = graph.edges
            return _some(edges, int((1 - self.share) * edges), edge)[edge]
        items = graph.nodes - users
        node = torch.cat([_some(n, n - int(self.share * n), graph.starts) for n in (users, items)])
        return node[graph.rows] * node[graph.neighbours]


class LowRank(View):
    """The layers that the graph's first singular vectors make of those of the first view, and their mean.

    LightGCL (Cai et al., ICLR 2023, https://arxiv.org/abs/2302.08191): with R ~ U S V' of the `rank` largest singular
    values of the users' rows of the graph, layer l of the users is U S V' times layer l - 1 of the items in the first
    view, that of the items V S U' times that of the users; layer 0 are the free vectors. `prepare` must come first.
    """

    of_user: Tensor  # [users, rank] U S
    of_item: Tensor  # [items, rank] V

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.rank = rank

    @torch.no_grad()
    def prepare(self, backbone: Backbone) -> None:
        """Find the singular vectors, by torch's randomised method with some vectors more than are kept."""
        graph, users = of_graph(backbone).graph, backbone.users
        entry = graph.rows < users
        where = torch.stack([graph.rows[entry], graph.neighbours[entry] - users])
        shape = (users, graph.nodes - users)
        part = torch.sparse_coo_tensor(where, graph.weights[entry], shape, check_invariants=False).coalesce()
        left, size, right = torch.svd_lowrank(part, q=min(2 * self.rank + 10, *shape), niter=4)
        for name, vectors, linked in (("of_user", left * size, where[0]), ("of_item", right, where[1])):
            alone = torch.ones(len(vectors), 1, dtype=torch.bool, device=where.device).index_fill_(0, linked, False)
            vectors = vectors[:, : self.rank].masked_fill(alone, 0)  # which rounding leaves with a direction
            self.register_buffer(name, vectors.contiguous(), persistent=False)

    def encode(self, backbone: Backbone, first: Encoding | None) -> Encoding:
        """Return the mean of the layers, and each of them."""
        assert first is not None, "a low-rank view needs a first view"
        users, layers = first.users, [first.layers[0]]
        for before in first.layers[:-1]:
            towers = before.flatten(1)
            of_user = self.of_user @ (self.of_item.T @ towers[users:])
            of_item = self.of_item @ (self.of_user.T @ towers[:users])
            layers.append(torch.cat([of_user, of_item]).view_as(before))
        return Encoding(torch.stack(layers).mean(0), users, tuple(layers))


class HopAhead(View):
    """One more product of the first view with the graph, without gradient, after dropout of its entries.

    SelfCF (Zhou et al., TORS 2023, https://arxiv.org/abs/2107.03019), "edge pruning": each entry of the graph is
    dropped with probability `share`, the others are scaled by 1 / (1 - share), and degrees stay as they were.
    """

    random: ClassVar[bool] = True

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    @torch.no_grad()
    def encode(self, backbone: Backbone, first: Encoding | None) -> Encoding:
        """Return the product."""
        assert first is not None, "one more hop needs a first view"
        graph = of_graph(backbone).graph
        return Encoding(graph.with_weights(F.dropout(graph.weights, self.share)).smooth(first.vectors), first.users)


def leave_out_free_vectors(backbone: Backbone) -> None:
    """Let the mean of the layers begin with the first, not with the free vectors; for good, and for scores too.

    Raises UsageError for a backbone whose vectors are no such mean.
    """
    if "layers" not in backbone.offers:
        raise UsageError(f"backbone `{backbone.name}`: its vectors are no mean of layers")
    of_graph(backbone).first_layer = 1


def of_graph(backbone: Backbone) -> GraphBackbone:
    """Return the backbone; raises UsageError unless it is one of a graph."""
    if not isinstance(backbone, GraphBackbone):
        raise UsageError(f"backbone `{backbone.name}`: has no graph, which a loss that `needs` graph views asks for")
    return backbone


def _some(count: int, chosen: int, like: Tensor) -> Tensor:
    """Return [count] numbers of which `chosen` are 1 and the others 0."""
    one = torch.zeros(count, device=like.device)
    one[torch.randperm(count, device=like.device)[:chosen]] = 1
    return one
