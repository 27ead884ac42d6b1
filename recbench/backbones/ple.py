"""Progressive layered extraction on each side."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbench.backbones.base import BACKBONES
from recbench.backbones.building_blocks.features import Features
from recbench.backbones.building_blocks.perceptron import layer_widths, perceptron
from recbench.backbones.building_blocks.two_sides import TwoSidedBackbone
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.settings import Count, CountOrZero


@BACKBONES.add("ple")
class PLE(TwoSidedBackbone):
    """Levels of experts, some of each tower's own and some shared, and for each tower a mixture and its own perceptron.

    Tang et al., RecSys 2020, https://doi.org/10.1145/3383313.3412236. At each of the `levels`, tower k takes a mixture
    of its `specific` and of the `shared` experts by a gate softmax(W_k x_k); what the shared experts of the next level
    read is a mixture of all. `levels=1` is the paper's CGC. As in `mmoe`, users and items have experts of their own and
    each expert is one LeakyReLU layer. `specific=0` with one level is `mmoe`; with `shared=0` towers share nothing but
    the features. The default sizes are ours: for two towers as many experts as `mmoe` has, but narrower.
    """

    entities_at_once = 4096  # of wide experts

    def __init__(
        self,
        data: Dataset,
        towers: int,
        cosine: bool,
        *,
        dim: Count = 32,
        embedding: Count = 16,
        specific: CountOrZero = 2,
        shared: CountOrZero = 4,
        levels: Count = 2,
        width: Count = 128,
        hidden: str = "128-64",
        senet: bool = False,
    ) -> None:
        super().__init__(data, towers, cosine)
        if not specific and not shared:
            raise UsageError("backbone.specific=0 and backbone.shared=0: there is no expert; have some of either kind")
        widths = [width, *layer_widths(hidden), dim]
        experts = (towers, specific, shared)
        self.user_side = _Side(Features(data.users, embedding, senet), experts, levels, widths)
        self.item_side = _Side(Features(data.items, embedding, senet), experts, levels, widths)
        self.to(data.users.value.device)


class _Side(nn.Module):
    def __init__(self, features: Features, experts: tuple[int, int, int], levels: int, widths: list[int]) -> None:
        super().__init__()
        self.features = features
        inputs = [features.output, *[widths[0]] * (levels - 1)]
        self.levels = nn.ModuleList(
            Extraction(size, widths[0], *experts, last=number == levels) for number, size in enumerate(inputs, 1)
        )
        self.towers = nn.ModuleList(perceptron(widths) for _ in range(experts[0]))

    def forward(self, row: Tensor, kept: Tensor | None = None) -> Tensor:
        features = self.features(row, kept)
        own, shared = features.unsqueeze(1).expand(-1, len(self.towers), -1), features
        for level in self.levels:
            own, shared = level(own, shared)
        return torch.stack([tower(own[:, k]) for k, tower in enumerate(self.towers)], 1)  # [n, K, D]


class Extraction(nn.Module):
    """One level: experts of the K towers and shared ones, and the gates that mix them."""

    def __init__(self, inputs: int, width: int, towers: int, specific: int, shared: int, *, last: bool) -> None:
        super().__init__()
        self.width = width
        self.specific = nn.ModuleList(nn.Linear(inputs, specific * width) for _ in range(towers if specific else 0))
        self.shared = nn.Linear(inputs, shared * width) if shared else None
        self.gates = nn.ModuleList(nn.Linear(inputs, specific + shared, bias=False) for _ in range(towers))
        self.shared_gate = None if last else nn.Linear(inputs, towers * specific + shared, bias=False)

    def forward(self, own: Tensor, shared: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mixtures [n, K, width] and [n, width] from the inputs of the towers [n, K, in] and shared [n, in].

        The last level has no shared mixture, and returns `shared` as it is.
        """
        of_towers = [self._experts(layer, own[:, k]) for k, layer in enumerate(self.specific)]
        of_all = [] if self.shared is None else [self._experts(self.shared, shared)]
        mixtures = [
            _mix(gate(own[:, k]), torch.cat([*of_towers[k : k + 1], *of_all], 1)) for k, gate in enumerate(self.gates)
        ]
        if self.shared_gate is not None:
            shared = _mix(self.shared_gate(shared), torch.cat([*of_towers, *of_all], 1))
        return torch.stack(mixtures, 1), shared

    def _experts(self, layer: nn.Module, inputs: Tensor) -> Tensor:
        experts: Tensor = F.leaky_relu(layer(inputs)).unflatten(1, (-1, self.width))
        return experts  # [n, experts, width]


def _mix(gate: Tensor, experts: Tensor) -> Tensor:
    """Return the mixture [n, width] of experts [n, E, width] with logits [n, E] of their weights."""
    return (gate.softmax(-1).unsqueeze(1) @ experts).squeeze(1)
