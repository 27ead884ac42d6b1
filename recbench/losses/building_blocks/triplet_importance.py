"""Triplet importance learning: what both of its strategies share, and the two levels of its optimisation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call
from torch.nn.functional import embedding_bag, softplus
from torch.optim import Optimizer

from recbench.backbones.base import Backbone
from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset, Info, Positives
from recbench.errors import UsageError
from recbench.losses.base import Loss
from recbench.losses.building_blocks.backbone_vectors import dimension, snapshot
from recbench.losses.building_blocks.importance import (
    QUANTILES,
    QUARTERS,
    Output,
    WeightNetwork,
    describe,
    distribution,
    states,
)
from recbench.losses.building_blocks.pairwise import differences
from recbench.samplers import Triplets
from recbench.settings import Count, Positive

COLLAPSED = 1e-3  # mean weight below which hardly anything is learned, and deviation below which all weigh the same
Parameters = Mapping[str, Tensor]


class TIL(Loss):
    """Bayesian personalised ranking whose triplets are weighed by a network, learned by looking one step ahead.

    Wu et al., CIKM 2022, equations 2-5 and 12-15, https://arxiv.org/abs/2208.01709. With L_t the loss of a triplet:
    inner J(Theta) = mean_t(w_t L_t) plus the backbone's penalty, Theta' = Theta - lookahead * gradient of J, and the
    network descends the unweighted mean of L at Theta'. Theta descends J with the same w, and nothing else: in the
    released code the gradient at Theta' is added to it. The states are constants of Theta's gradient and of the
    network's, and a user's interest is the mean of the vectors that its training items had at the epoch's start.
    The paper does not say what the vectors of NeuMF are; here they are those of both its branches side by side.
    """

    optimizers = ("adam", "adamw", "adagrad")  # which are blind to a factor of the network's gradient
    needs = frozenset({"embeddings", "forward derivatives", "positive first", "negatives"})
    searched: ClassVar[tuple[str, ...]] = ("lookahead=0.1..10", "weight_lr=0.0001..0.01")
    fixed_sampler = True  # one negative for the inner objective, one for the outer

    positives: Positives  # set by `setup`
    popularity: Tensor
    network: WeightNetwork  # set by `prepare`
    importance: Tensor
    interest: Tensor  # [users, D], of this epoch
    epoch: Tensor  # its number
    kept_weight: Tensor  # [rows] of its triplets so far, NaN where one does not count
    kept_item: Tensor  # [rows] their positives
    kept: Tensor  # how many these are

    def __init__(
        self,
        info: Info,
        *,
        hidden: Count = 64,
        output: Output = "sigmoid",
        lookahead: Positive = 1.0,
        weight_lr: Positive = 1e-3,
        outer: Literal["fresh", "same"] = "fresh",
    ) -> None:
        super().__init__(info, Triplets(2 if outer == "fresh" else 1))
        self.hidden, self.output = hidden, output
        self.lookahead, self.weight_lr, self.outer = lookahead, weight_lr, outer
        self.register_buffer("importance", torch.full((1 + QUARTERS, 2 + len(QUANTILES)), torch.nan))
        self.register_buffer("epoch", torch.tensor(0), persistent=False)
        self.register_buffer("kept", torch.tensor(0), persistent=False)

    def setup(self, data: Dataset) -> None:
        """Take the training positives."""
        self.positives = data.positives
        self.popularity = torch.bincount(data.positives.item, minlength=len(data.items))
        device, rows = self.positives.item.device, self.sampler.rows(data)
        self.register_buffer("kept_weight", torch.zeros(rows, device=device), persistent=False)
        self.register_buffer("kept_item", torch.zeros(rows, device=device, dtype=torch.int32), persistent=False)

    def prepare(self, backbone: Backbone) -> None:
        """Add the weight network, and room for the interests."""
        width, device = dimension(backbone), self.importance.device
        self.network = WeightNetwork(2 * width, self.hidden, self.output).to(device)
        nothing = torch.zeros(len(self.positives.start) - 1, width, device=device)
        self.register_buffer("interest", nothing, persistent=False)

    def parameter_groups(self, backbone: Backbone) -> list[dict[str, Any]]:
        """Return a group of the weight network beside the others, with a learning rate of its own and no decay."""
        (group,) = super().parameter_groups(backbone)
        network = list(self.network.parameters())
        own = {id(parameter) for parameter in network}
        others = [parameter for parameter in group["params"] if id(parameter) not in own]
        # The network's gradient has lookahead / B as a factor, to which Adam is blind only if eps is far smaller.
        return [{"params": others}, {"params": network, "lr": self.weight_lr, "eps": 1e-16, "weight_decay": 0.0}]

    def start_epoch(self, backbone: Backbone, epoch: int) -> None:
        """Average the vectors of each user's training items."""
        _, item = snapshot(backbone)
        self.interest.copy_(embedding_bag(self.positives.item, item, self.positives.start[:-1], mode="mean"))
        self.kept_weight.fill_(torch.nan)
        self.kept.zero_()
        self.epoch.fill_(epoch)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the unweighted mean over (positive, negative) pairs, which is the outer objective."""
        difference, counts = differences(towers, batch)
        return batch.mean(softplus(-difference), counts)

    def step(self, backbone: Backbone, batch: Batch, optimizer: Optimizer) -> Tensor:
        """Make one update of backbone and network, and return the weighted loss before it, detached."""
        inner, outer = with_negative(batch, 1), with_negative(batch, batch.item.shape[1] - 1)
        scoring = Scoring(backbone, self.head)
        towers: Towers = scoring(inner)
        weight = self.weights(towers, inner)
        difference, counts = differences(towers, inner)
        value = batch.mean(weight.detach() * softplus(-difference[:, 0]), counts[:, 0])
        loss: Tensor = value + towers.regulariser(inner) + self.clustering_loss(towers, inner)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        batch.mean(weight * self._slopes(scoring, inner, outer), counts[:, 0]).backward()
        optimizer.step()
        self._keep_weights(inner, weight.detach(), counts[:, 0])
        return loss.detach()

    def weights(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the weights [B] of the triplets of user [B] and item [B, 2]."""
        items = self.item_states(towers.item[:, :, 0].detach(), batch.item)
        weight: Tensor = self.network(states(towers.user[:, 0].detach(), self.interest[batch.user], items))
        return weight

    def item_states(self, vectors: Tensor, item: Tensor) -> Tensor:
        """Return what stands for item [B, 2] with these vectors [B, 2, D] in the states."""
        return vectors

    def clustering_loss(self, towers: Towers, batch: Batch) -> Tensor | float:
        """Return what is added to the inner objective."""
        return 0.0

    def extra_notes(self) -> list[str]:
        """Return what else is to be noted at the end of an epoch."""
        return []

    def _slopes(self, scoring: Scoring, inner: Batch, outer: Batch) -> Tensor:
        """Return B times the derivatives of the outer objective by the weights, [B]."""
        parameters = {name: p for name, p in scoring.named_parameters() if p.grad is not None}
        inner_slope = {name: p.grad for name, p in parameters.items() if p.grad is not None}

        def each(at: Parameters) -> Tensor:
            return softplus(-differences(scoring.at(at, inner), inner)[0][:, 0])

        def ahead(at: Parameters) -> Tensor:
            return self.forward(scoring.at(at, outer), outer)

        try:
            return -self.lookahead * slopes(each, ahead, parameters, inner_slope, self.lookahead)
        except NotImplementedError:
            raise UsageError(
                f"loss `{self.name}` needs forward-mode derivatives, which PyTorch lacks for an operation of backbone "
                f"`{scoring.backbone.name}`; choose another backbone, such as mf or lightgcn"
            ) from None

    def _keep_weights(self, batch: Batch, weight: Tensor, counts: Tensor) -> None:
        """Keep the weights of an epoch until its end."""
        place = (self.kept + torch.arange(len(weight), device=weight.device)) % len(self.kept_weight)
        self.kept_weight.index_copy_(0, place, weight.masked_fill(~counts, torch.nan))
        self.kept_item.index_copy_(0, place, batch.item[:, 0].int())
        self.kept += len(weight)

    def end_epoch(self, backbone: Backbone) -> None:
        """Note how the weights of the epoch are distributed."""
        real = ~self.kept_weight.isnan()
        self.importance.copy_(distribution(self.kept_weight[real], self.popularity[self.kept_item.long()][real]))
        notes = [describe(self.importance), *self.extra_notes()]
        average, deviation = self.importance[0, :2].tolist()
        if average < COLLAPSED:
            notes.append(f"the triplet weights fell to almost 0 in epoch {int(self.epoch)}; try a lower loss.weight_lr")
        elif deviation < COLLAPSED * average:
            notes.append("the triplet weights hardly differ, which is plain BPR; try a lower loss.weight_lr")
        self.notes[:] = notes


def with_negative(batch: Batch, slot: int) -> Batch:
    """Return a batch with the positive of each slate, in its first slot, and the negative in one of the others."""

    def both(of_slots: Tensor) -> Tensor:
        return of_slots[:, : slot + 1 : slot]

    return replace(
        batch,
        item=both(batch.item),
        label=both(batch.label),
        mask=None if batch.mask is None else both(batch.mask),
        log_q=None if batch.log_q is None else both(batch.log_q),
    )


class Scoring(nn.Module):
    """A backbone and the head of a loss as one function of all their parameters."""

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, batch: Batch) -> Towers:
        """Return the towers of a batch."""
        towers: Towers = self.head(self.backbone.encode(batch))
        return towers

    def at(self, parameters: Parameters, batch: Batch) -> Towers:
        """Return the towers under other values of these parameters; running statistics stay as they are."""
        statistics = {name: value.clone() for name, value in self.state_dict().items() if name not in parameters}
        towers: Towers = functional_call(self, statistics | dict(parameters), (batch,))
        return towers


def slopes(
    each: Callable[[Parameters], Tensor],
    outer: Callable[[Parameters], Tensor],
    parameters: Parameters,
    inner: Parameters,
    rate: float,
) -> Tensor:
    """Return <gradient of each_t at `parameters`, gradient of outer at `parameters - rate * inner`> for every t, [B].

    If `inner` is the gradient of mean_t(w_t each_t), then the derivative of outer(parameters - rate * inner) by w_t is
    -rate / B times this number. One reverse pass at the new point and one forward-mode pass at the old one: no graph
    of second order is built.
    """
    ahead = {name: value.detach().add(inner[name], alpha=-rate).requires_grad_() for name, value in parameters.items()}
    gradient = torch.autograd.grad(outer(ahead), list(ahead.values()), materialize_grads=True)
    with torch.no_grad(), forward_ad.dual_level():
        dual = {
            name: _dual(value.detach(), along)
            for (name, value), along in zip(parameters.items(), gradient, strict=True)
        }
        value, tangent = forward_ad.unpack_dual(each(dual))
        return torch.zeros_like(value) if tangent is None else tangent


def _dual(value: Tensor, along: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated")  # torch's own use of it
        dual: Tensor = forward_ad.make_dual(value, along)
        return dual
