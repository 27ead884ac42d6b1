"""NCL: contrast with what neighbours are, in the graph and in a cluster."""

from torch import Tensor
from torch.nn.functional import normalize

from recbench.backbones.base import Backbone
from recbench.backbones.building_blocks.views import Propagation, of_graph
from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.backbone_vectors import dimension
from recbench.losses.building_blocks.clusters import Clusters
from recbench.losses.building_blocks.contrast import counted_slates, info_nce, sides, sum_against_all
from recbench.losses.building_blocks.pairwise import bpr
from recbench.samplers import Triplets
from recbench.settings import Count, CountOrZero, NonNegative, Positive


@LOSSES.add("ncl")
class NCL(Loss):
    """BPR plus InfoNCE of a layer with the free vectors, and of these with the centres of their clusters.

    Lin et al., WWW 2022, https://arxiv.org/abs/2202.06200. `structure` weighs the first: the cosine of
    layer `layer` (even: of the same kind of node) with the node's own free vector is told from those with all users, or
    all items; a layer that the backbone does not have counts as its last. `prototype` weighs the second, once `warmup`
    epochs are over (the paper's 20 are all that a run has by default): k-means places `clusters` centres among the free
    vectors of either side, anew every `refresh` epochs. Terms of items are weighed by `alpha` besides. All are sums
    over the slates of a batch, as in the paper: published weights hold for batches of about 4096. BPR is a mean.
    """

    needs = frozenset({"positive first", "negatives", "graph views", "layers"})
    searched = ("structure=1e-8..1e-5", "prototype=1e-8..1e-5")
    temperature: Tensor

    def __init__(
        self,
        info: Info,
        *,
        structure: NonNegative = 1e-7,
        prototype: NonNegative = 8e-8,
        alpha: NonNegative = 1.0,
        temperature: Positive = 0.1,
        layer: Count = 2,
        clusters: Count = 1000,
        warmup: CountOrZero = 20,
        refresh: Count = 1,
        negatives: Count = 1,
    ) -> None:
        super().__init__(info, Triplets(negatives))
        self.structure, self.prototype, self.alpha, self.layer = structure, prototype, alpha, layer
        self.count, self.warmup, self.refresh, self.clustered = clusters, warmup, refresh, False
        self.register_numbers(temperature=temperature)
        self.not_yet = f"prototypes start after loss.warmup={warmup} epochs; training that ends before has none"
        self.notes += [self.not_yet] if warmup and prototype else []  # until the first are placed
        self.ask_for(Propagation())

    def prepare(self, backbone: Backbone) -> None:
        """Make room for the clusters."""
        dim, device, sizes = dimension(backbone), next(backbone.parameters()).device, (backbone.users, backbone.items)
        clusters = [Clusters(min(self.count, size), size, dim, learned=False).to(device) for size in sizes]
        self.of_users, self.of_items = clusters

    def start_epoch(self, backbone: Backbone, epoch: int) -> None:
        """Place the centres where they are due."""
        self.clustered = epoch > self.warmup
        self.notes[:] = [note for note in self.notes if not self.clustered or note != self.not_yet]
        if self.clustered and (epoch - 1 - self.warmup) % self.refresh == 0:
            free = of_graph(backbone).free_vectors.detach()[:, 0]
            self.of_users.renew(free[: backbone.users], restart=True)
            self.of_items.renew(free[backbone.users :], restart=True)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean of BPR over pairs plus both weighed sums."""
        whole, value, counts = towers.views[0], bpr(towers, batch), counted_slates(batch)
        free, layer = whole.layer(0), whole.layer(min(self.layer, len(whole.layers) - 1))
        of_sides = zip(sides(layer, free, batch), (self.of_users, self.of_items), (1.0, self.alpha), strict=True)
        for (one, own, row), groups, weight in of_sides:
            value = value + self.structure * weight * sum_against_all(one, own, row, counts, self.temperature)
            if self.clustered:
                query, centres = normalize(own[row], dim=-1) / self.temperature, normalize(groups.centres, dim=-1)
                value = value + self.prototype * weight * info_nce(query, centres, groups.cluster[row], counts)
        return value
