"""One run on several ranks: each encodes its share of every batch, and has the loss of the whole batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from recbench.backbones.base import Backbone, View, evaluation_mode
from recbench.backbones.building_blocks.graph import GraphBackbone
from recbench.backbones.building_blocks.regulariser import Pair, Penalty, Regulariser
from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset, Log
from recbench.errors import TrainingError
from recbench.losses.base import Loss, encode_alone
from recbench.memory import peak
from recbench.samplers.base import logged_rows
from recbench.training.checkpoint import has_drawn, random_state
from recbench.training.distributed.tables import Shards, shard_tables, why_no_shards
from recbench.training.model import Model
from recbench.training.ranks import Ranks

DISAGREEMENT = 1e-4  # of the losses of an epoch, relative, from which on something is wrong


def why_not(model: Model, data: Dataset, ranks: Ranks) -> str | None:
    """Return why these ranks cannot train a model to the numbers of one process, in one line; None if they can.

    Losses need not be sums over the batch's rows: every rank computes them for the whole batch.
    """
    loss, backbone, schedule = model.loss, model.backbone, model.schedule
    sharded = schedule.shard == "tables"
    if ranks.size == 1:
        start = "start several processes with `torchrun --nproc-per-node N -m recbench train …`"
        return f"train.shard=tables: there is one process; {start}, or leave it out" if sharded else None
    if sharded:
        reason = why_no_shards(loss, backbone, schedule)
        if reason is not None:
            return f"train.shard=tables: {reason}"
    reason = _why_no_shares(loss, backbone, data)
    if reason is None and schedule.lazy == "on" and not sharded:
        reason = (
            "train.lazy=on: tables of which every process has all rows are updated as a whole; leave it out, or add "
            "--set train.shard=tables"
        )
    if reason is None and schedule.compile:
        reason = "train.compile=true is for a run of one process; leave it out"
    return None if reason is None else f"torchrun: {reason}"


def _why_no_shares(loss: Loss, backbone: Backbone, data: Dataset) -> str | None:
    """Return why a batch cannot be encoded by shares."""
    if type(loss).step is not Loss.step:
        return f"loss `{loss.name}` makes steps of its own, of which a process cannot do a share; train in one process"
    if loss.balance is not None and getattr(loss.balance, "at", "") == "parameters":
        return (
            f"loss.balance={loss.balance.name} takes the gradients of each term at all weights, of which a process has "
            f"those of its share; set loss.balance.at=vectors"
        )
    if any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in backbone.modules()):
        return (
            f"backbone `{backbone.name}` normalises by the rows of a batch, of which a process encodes its share; "
            f"leave the normalisation out, or train in one process"
        )
    if not _is_encoded_whole(backbone, loss.views) and _draws(backbone, data):
        return (
            f"backbone `{backbone.name}` draws numbers for every row of a batch, of which a process encodes its share; "
            f"set backbone.dropout=0 if it has that, or train in one process"
        )
    return None


def share_out(model: Model, ranks: Ranks) -> None:
    """Let each rank encode its share of every batch, and all make the same step.

    The objective is computed by every rank, for the whole batch and from the vectors of all ranks, so that the
    gradient of whatever all do alike is the same on all of them. That of the vectors goes back to the rank that made
    them, times the number of ranks: the mean over ranks is then the gradient of the whole, whatever the loss.
    """
    if ranks.size == 1:
        return
    sharded = model.schedule.shard == "tables"
    model.schedule = replace(model.schedule, lazy=model.schedule.lazy if sharded else "off", capture=False)
    model.shards = shard_tables(model.backbone, ranks) if sharded else Shards()
    model.loss.encoder = SharedEncoder(ranks)
    for parameter in (*model.backbone.parameters(), *model.loss.parameters()):
        if parameter.requires_grad and getattr(parameter, "sharded", None) is None:  # which ranks update on their own
            parameter.register_post_accumulate_grad_hook(_averaging(ranks))


def check_agreement(ranks: Ranks, loss: float, epoch: int) -> None:
    """Raise TrainingError unless all ranks had about the same mean loss in an epoch, as they do if all goes well."""
    losses = ranks.all_of(loss)
    if max(losses) - min(losses) > DISAGREEMENT * max(map(abs, losses)):
        raise TrainingError(
            f"the processes had different losses in epoch {epoch}, from {min(losses):g} to {max(losses):g}, and so no "
            f"longer train one model; do all machines have the same data, code and versions?"
        )


def notes_of(ranks: Ranks, shards: Shards) -> list[str]:
    """Return what to note of a run: how many processes trained it, their memory, and what they exchanged for shards."""
    if ranks.size == 1:
        return []
    peaks = ", ".join(f"{bytes_used / 2**20:.0f}" for bytes_used in ranks.all_of(peak()))
    together = (
        f"trained by {ranks.size} processes together, each with the loss and the negatives of the whole batch; peak "
        f"memory {peaks} MiB"
    )
    return [together, *([shards.traffic] if shards.tables else [])]


@torch.no_grad()
def tables_by_all(model: Model, ranks: Ranks, known: Log | None) -> tuple[Tensor, Tensor] | None:
    """Return the backbone's `tables`, of which each rank has made its share.

    Where tables are sharded, which none but the first rank need have room for, others get nothing. None where a rank
    makes them alone: of one process, of pairs that are no inner products, and of graphs.
    """
    backbone = model.backbone
    if ranks.size == 1 or not backbone.decomposable or isinstance(backbone, GraphBackbone):
        return None
    device = next(backbone.parameters()).device
    histories = None if known is None else backbone.histories(known)
    one = torch.zeros(1, dtype=torch.long, device=device)
    keeps = ranks.first or not model.shards.tables

    def of_all(count: int, encode: Callable[[Tensor], Tensor]) -> Tensor:
        blocks = torch.arange(count, device=device).split(backbone.entities_at_once * ranks.size)
        found = (ranks.gathered(encode(ranks.own(rows)), len(rows)) for rows in blocks)
        return torch.cat([vectors if keeps else vectors[:0] for vectors in found])

    with evaluation_mode(backbone, model.loss):
        user = of_all(backbone.users, lambda rows: backbone(rows, one[None], histories).user)
        item = of_all(backbone.items, lambda rows: backbone(one, rows[None], histories).item[0])
    return user, item


@dataclass(frozen=True)
class SharedEncoder:
    """Encodes batches by all ranks together, each its share of the users and of the slates or of the shared slate.

    Backbones that smooth all vectors over a graph in every step do so on every rank, and so do views.
    """

    ranks: Ranks

    def __call__(self, backbone: Backbone, batch: Batch, views: Sequence[View]) -> Towers:
        """Return the towers of the whole batch."""
        if _is_encoded_whole(backbone, views):
            return encode_alone(backbone, batch, views)
        own, users = self.ranks.own, len(batch.user)
        is_common = len(batch.item) == 1  # one slate for all users, of which every rank encodes some items
        if not is_common:
            item = own(batch.item)
        elif backbone.decomposable:
            item = own(batch.item[0])[None]
        else:
            item = batch.item

        def of_users(value: Tensor) -> Tensor:
            return self.ranks.gathered(value, users)

        def of_items(value: Tensor) -> Tensor:
            if not is_common:
                return of_users(value)
            return self.ranks.gathered(value[0], batch.item.shape[1])[None] if backbone.decomposable else value

        usual = backbone.regulariser
        backbone.regulariser = OverRanks(**vars(usual), gather=lambda pair: (of_users(pair[0]), of_items(pair[1])))
        try:
            towers = backbone.encode(self._share(batch, item))
        finally:
            backbone.regulariser = usual
        return replace(
            towers,
            user=of_users(towers.user),
            item=of_items(towers.item),
            pair=None if towers.pair is None else of_users(towers.pair),
            apart=tuple(of_users(scores) for scores in towers.apart),
            divergence=None if towers.divergence is None else of_users(towers.divergence),
        )

    def _share(self, batch: Batch, item: Tensor) -> Batch:
        """Return what backbones read of this rank's users: not the labels of a slate that all share."""
        own = self.ranks.own
        place = own(torch.arange(len(batch.user), device=batch.user.device))
        return replace(
            batch,
            user=own(batch.user),
            item=item,
            label=own(batch.label),
            mask=None,
            log_q=None,
            weight=None,
            row=None if batch.row is None else own(batch.row),
            pairs=None if batch.pairs is None else batch.pairs.of_users(place),
        )


@dataclass(frozen=True, kw_only=True)
class OverRanks(Regulariser):
    """The same penalty where a rank has encoded its share of a batch, of the rows of all ranks."""

    gather: Callable[[Pair], Pair]

    def penalty(
        self, l2: Tensor | None, backbone: nn.Module, *, rows: Pair, vectors: Pair, tables: Sequence[Tensor]
    ) -> Penalty | None:
        """Return the penalty as a function of the whole batch; None without weight."""
        if l2 is not None and self.l2_of == "vectors":
            vectors = self.gather(vectors)
        elif l2 is not None and self.l2_of.startswith("rows"):
            rows = self.gather(rows)
        return super().penalty(l2, backbone, rows=rows, vectors=vectors, tables=tables)


def _is_encoded_whole(backbone: Backbone, views: Sized) -> bool:
    """Return whether every rank encodes all, and so draws the same numbers, too."""
    return isinstance(backbone, GraphBackbone) or len(views) > 0


def _averaging(ranks: Ranks) -> Callable[[Tensor], None]:
    def average(parameter: Tensor) -> None:
        assert parameter.grad is not None
        ranks.average(parameter.grad)

    return average


@torch.no_grad()
def _draws(backbone: Backbone, data: Dataset) -> bool:
    """Return whether encoding a batch of training draws random numbers; torch's generators stay as they are."""
    batch = logged_rows(data.train, torch.arange(min(2, len(data.train)), device=data.train.user.device))
    with torch.random.fork_rng():
        before = random_state()
        backbone.encode(batch)
        return has_drawn(before)
