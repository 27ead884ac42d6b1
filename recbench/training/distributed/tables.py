"""Tables whose rows are spread over ranks: each rank holds some rows, updates them, and sends them to whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.optim import Optimizer

from recbench.backbones.base import Backbone
from recbench.backbones.building_blocks.row_table import RowTable, own_rows
from recbench.losses.base import Loss
from recbench.training.ranks import Ranks
from recbench.training.schedule import Schedule


class ShardedTable:
    """A table [rows, D] of which row r is the row r // size of rank r mod size.

    It takes the place of the table, whose optimiser and `RowUpdates` then see the rows of this rank alone.
    """

    def __init__(self, table: RowTable, ranks: Ranks) -> None:
        self.ranks, self.rows, self.table = ranks, len(table), table
        self.numbers = table.numel()
        self.reads = 0  # with a gradient to come
        self.fetched = 0  # distinct rows of others in these
        self.sent = 0  # bytes to others for these: indices, vectors and gradients
        table.data = self.own(table.data, ranks.rank)
        table.sharded = self

    def own(self, whole: Tensor, rank: int) -> Tensor:
        """Return the rows that a rank holds."""
        return whole[rank :: self.ranks.size].clone()

    def read(self, index: Tensor) -> Tensor:
        """Return the rows [..., D] of indices [...], each distinct row asked of its rank once.

        The mean over ranks of what they do with a row is the gradient that its rank gets.
        """
        row, place = torch.unique(index, return_inverse=True)
        owner = row % self.ranks.size
        order = owner.argsort(stable=True)
        wanted = torch.bincount(owner, minlength=self.ranks.size)
        asked = torch.empty_like(wanted)
        dist.all_to_all_single(asked, wanted)
        get, give = wanted.tolist(), asked.tolist()
        local = torch.div(row[order], self.ranks.size, rounding_mode="floor").int()
        rows = own_rows(self.table, exchange(local, get, give).long())
        vectors = _exchanged(rows, give, get, self.ranks.size)
        if torch.is_grad_enabled():
            self._count(rows, get, give)
        position = torch.empty_like(order)
        position[order] = torch.arange(len(order), device=order.device)
        return vectors.index_select(0, position[place.flatten()]).view(*index.shape, rows.shape[1])

    def _count(self, rows: Tensor, get: list[int], give: list[int]) -> None:
        """Count what goes to other ranks: 4 bytes for an index, vectors of rows given, gradients of those got."""
        others = [rank for rank in range(self.ranks.size) if rank != self.ranks.rank]
        number, width = sum(get[rank] for rank in others), rows.shape[1] * rows.element_size()
        self.reads += 1
        self.fetched += number
        self.sent += number * (4 + width) + sum(give[rank] for rank in others) * width

    def whole(self, part: Tensor) -> Tensor:
        """Return the table [rows, D] that has this part on each rank, to the first; the part to others."""
        if not self.ranks.first:
            dist.send(part.detach().contiguous(), dst=0)
            return part
        whole = torch.empty(self.rows, *part.shape[1:], dtype=part.dtype)
        whole[0 :: self.ranks.size] = part.detach().cpu()
        for rank in range(1, self.ranks.size):
            received = part.new_empty(len(whole[rank :: self.ranks.size]), *part.shape[1:])
            dist.recv(received, src=rank)
            whole[rank :: self.ranks.size] = received.cpu()
        return whole


@dataclass
class Shards:
    """The sharded tables of a backbone, by their names in its `state_dict`."""

    tables: dict[str, ShardedTable] = field(default_factory=dict)

    def whole_weights(self, weights: Mapping[str, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
        """Return a model's weights with whole tables, on the first rank; all ranks call it together."""
        return self._weights(weights, lambda table, part: table.whole(part))

    def own_weights(self, weights: Mapping[str, dict[str, Tensor]], rank: int) -> dict[str, dict[str, Tensor]]:
        """Return the weights of a rank, from those with whole tables."""
        return self._weights(weights, lambda table, whole: table.own(whole, rank))

    def whole_optimizer(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return an optimiser's state with the moments of whole tables, on the first rank."""
        return self._optimizer(optimizer, optimizer.state_dict(), lambda table, part: table.whole(part))

    def own_optimizer(self, optimizer: Optimizer, state: Mapping[str, Any], rank: int) -> dict[str, Any]:
        """Return the state of a rank, from that of whole tables."""
        return self._optimizer(optimizer, state, lambda table, whole: table.own(whole, rank))

    def _weights(
        self, weights: Mapping[str, dict[str, Tensor]], change: Callable[[ShardedTable, Tensor], Tensor]
    ) -> dict[str, dict[str, Tensor]]:
        found = {part: dict(values) for part, values in weights.items()}
        for name, table in self.tables.items():
            if name in found.get("backbone", {}):
                found["backbone"][name] = change(table, found["backbone"][name])
        return found

    def _optimizer(
        self, optimizer: Optimizer, state: Mapping[str, Any], change: Callable[[ShardedTable, Tensor], Tensor]
    ) -> dict[str, Any]:
        trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        found = {number: dict(values) for number, values in state["state"].items()}
        for table in self.tables.values():
            number = next(number for number, parameter in enumerate(trained) if parameter is table.table)
            for name, value in found.get(number, {}).items():
                if isinstance(value, Tensor) and value.ndim == table.table.ndim:
                    found[number][name] = change(table, value)
        return {**state, "state": found}

    @property
    def traffic(self) -> str:
        """What a step exchanges in words, from the counts of this rank."""
        steps = max(table.reads for table in self.tables.values())
        sent = sum(table.sent for table in self.tables.values())
        least = sum(2 * table.fetched * table.table[0].nbytes for table in self.tables.values())
        return (
            f"tables sharded by row: {sent / max(1, steps) / 1024:.1f} KiB sent a step and process, "
            f"{sent / max(1, least):.3f} times the vectors and gradients of the distinct rows that others hold"
        )


def why_no_shards(loss: Loss, backbone: Backbone, schedule: Schedule) -> str | None:
    """Return why the tables of a backbone cannot be sharded, in one line; None if they can."""
    if not any(isinstance(parameter, RowTable) for parameter in backbone.parameters()):
        return f"backbone `{backbone.name}` has no tables of which training reads rows alone; leave it out"
    if any(isinstance(parameter, RowTable) for parameter in loss.parameters()):
        return f"loss `{loss.name}` keeps a copy of the tables; leave it out"
    if not backbone.decomposable:
        return f"backbone `{backbone.name}` scores pairs, for which validation reads whole tables; leave it out"
    if getattr(backbone, "l2", None) is not None and backbone.regulariser.l2_of not in ("rows", "vectors"):
        return f"backbone.l2_of={backbone.regulariser.l2_of} reads whole tables at every step; leave one of them out"
    if schedule.clip:
        return f"train.clip={schedule.clip:g} needs the gradient of all rows; leave one of them out"
    return None


def shard_tables(backbone: Backbone, ranks: Ranks) -> Shards:
    """Keep the rows of this rank of all tables of which training reads rows alone."""
    named = backbone.named_parameters()
    return Shards({name: ShardedTable(table, ranks) for name, table in named if isinstance(table, RowTable)})


def exchange(values: Tensor, give: list[int], get: list[int]) -> Tensor:
    """Return what other ranks give, `get[r]` values of rank r, for `give[r]` values to rank r in turn."""
    received = values.new_empty(sum(get), *values.shape[1:])
    dist.all_to_all_single(received, values.contiguous(), get, give)
    return received


class _Exchanged(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, give: list[int], get: list[int], size: int) -> Tensor:  # noqa: D102
        ctx.give, ctx.get, ctx.size = give, get, size
        return exchange(rows, give, get)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: D102
        return exchange(gradient[0], ctx.get, ctx.give).div_(ctx.size), None, None, None


_exchanged: Callable[[Tensor, list[int], list[int], int], Tensor] = _Exchanged.apply
