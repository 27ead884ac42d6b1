"""Updates of large tables, a row at a time: what an optimiser would have done to a row is done when it is read."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer

from recbench.backbones.base import Backbone
from recbench.backbones.building_blocks.row_table import RowTable, numbers_in
from recbench.errors import UsageError
from recbench.losses.base import Loss
from recbench.training.schedule import Schedule

BLOCK = 1 << 16  # rows that are caught up at a time at the end of an epoch
NEGLIGIBLE = 1e-10  # weight of a past gradient in Adam's first moment from which on it moves nothing
LARGE = 4_000_000  # numbers in a table from which on its rows are updated one by one unless a run says otherwise
STRONGEST_DECAY = 0.05  # of a weight by a step of AdamW
FIRST_STEPS = 500  # of Adam for all rows: while its bias correction changes quickly, there is no short sum


class Rule(ABC):
    """What an optimiser does to single rows of a table, each of which may have been left out for some steps.

    `weight` [n, D], the gradient and the moments named by `moments` are of n rows, and are changed in place.
    """

    moments: tuple[str, ...] = ()  # of the optimiser's state, each as large as the table
    first_steps = 0  # for which it needs all rows

    def __init__(self, group: dict[str, Any]) -> None:
        self.group = group  # of the optimiser's parameters

    @abstractmethod
    def catch_up(self, weight: Tensor, moments: list[Tensor], last: Tensor, skipped: Tensor) -> None:
        """Do what `skipped` [n] steps without a gradient do to rows whose last step was number `last` [n]."""

    @abstractmethod
    def update(self, weight: Tensor, gradient: Tensor, moments: list[Tensor], step: int) -> None:
        """Make the step of that number, counted from 1."""


class SGDRule(Rule):
    """Stochastic gradient descent; weight decay shrinks a row by the same factor at every step."""

    def catch_up(self, weight: Tensor, moments: list[Tensor], last: Tensor, skipped: Tensor) -> None:
        """Multiply by (1 - lr * weight decay)^skipped."""
        if self.group["weight_decay"]:
            weight.mul_((1 - self.group["lr"] * self.group["weight_decay"]) ** skipped.unsqueeze(1).double())

    def update(self, weight: Tensor, gradient: Tensor, moments: list[Tensor], step: int) -> None:
        """Descend."""
        gradient = gradient.add(weight, alpha=self.group["weight_decay"])
        weight.add_(gradient, alpha=-self.group["lr"])


class AdagradRule(Rule):
    """Adagrad without weight decay, which leaves rows without a gradient as they are."""

    moments = ("sum",)

    def catch_up(self, weight: Tensor, moments: list[Tensor], last: Tensor, skipped: Tensor) -> None:
        """Do nothing."""

    def update(self, weight: Tensor, gradient: Tensor, moments: list[Tensor], step: int) -> None:
        """Descend by the gradient over the root of the sum of its squares."""
        squares = moments[0].addcmul_(gradient, gradient)
        weight.addcdiv_(gradient, squares.sqrt().add_(self.group["eps"]), value=-self.group["lr"])


class AdamRule(Rule):
    """Adam without weight decay, and AdamW.

    k steps without a gradient after step s move a number by lr * sum over j = 1..k of rho^(k - j) m beta1^j / (h(j) +
    eps), where rho = 1 - lr * weight decay and h(j) = sqrt(v beta2^j / (1 - beta2^(s + j))): the moments only decay,
    and after `first_steps` the bias correction of the first is 1. The weights beta1^j die out while 1 / (h(j) + eps)
    hardly changes, so it is replaced by its Taylor polynomial of second order at the weighted mean of j. Relative to
    the sum the error is 1e-6 at s = 500 and falls with s.
    """

    moments = ("exp_avg", "exp_avg_sq")
    first_steps = FIRST_STEPS

    def __init__(self, group: dict[str, Any]) -> None:
        super().__init__(group)
        self.decoupled = bool(group.get("decoupled_weight_decay"))
        self.kept = 1 - group["lr"] * group["weight_decay"]  # share of a weight that its decay leaves at each step
        base = group["betas"][0] / self.kept
        count = torch.arange(math.ceil(math.log(NEGLIGIBLE) / math.log(base)) + 1).double()
        weight = torch.where(count > 0, base**count, 0)
        total = weight.cumsum(0)
        first, second = (weight * count).cumsum(0), (weight * count**2).cumsum(0)
        mean = first / total.clamp(min=1e-300)
        spread = second / total.clamp(min=1e-300) - mean**2
        self.table = torch.stack([total, mean, spread], 1)  # [k, 3] for k skipped steps; more are as many as the last

    def catch_up(self, weight: Tensor, moments: list[Tensor], last: Tensor, skipped: Tensor) -> None:
        """Decay the moments, and move by what the decaying first moment still does."""
        lr, (beta1, beta2), eps = self.group["lr"], self.group["betas"], self.group["eps"]
        average, square = moments
        total, mean, spread = self.table[skipped.long().clamp(max=len(self.table) - 1)].unbind(1)
        kept = self.kept ** skipped.double()
        fading = beta2 ** (last + mean)  # of the bias correction of the second moment
        slope = 0.5 * math.log(beta2) / (1 - fading)  # of log h
        curvature = 0.5 * math.log(beta2) ** 2 * fading / (1 - fading) ** 2
        root, squared, linear, scale = (
            row.to(weight.dtype).unsqueeze(1)
            for row in (
                (beta2**mean / (1 - fading)).sqrt(),
                spread * slope**2,
                -0.5 * spread * (curvature + slope**2),
                -lr * total * kept,
            )
        )
        h = square.sqrt().mul_(root)
        below = h + eps
        share = h.div_(below)
        factor = (share * squared).add_(linear).mul_(share).add_(1).mul_(scale)
        if self.decoupled:
            weight.mul_(kept.to(weight.dtype).unsqueeze(1))
        weight.add_(factor.mul_(average).div_(below))
        average.mul_((beta1 ** skipped.double()).to(weight.dtype).unsqueeze(1))
        square.mul_((beta2 ** skipped.double()).to(weight.dtype).unsqueeze(1))

    def update(self, weight: Tensor, gradient: Tensor, moments: list[Tensor], step: int) -> None:
        """Make a step of Adam (Kingma & Ba, ICLR 2015, https://arxiv.org/abs/1412.6980)."""
        lr, (beta1, beta2) = self.group["lr"], self.group["betas"]
        average, square = moments
        if self.decoupled:
            weight.mul_(self.kept)
        average.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        below = square.sqrt().div_(math.sqrt(1 - beta2**step)).add_(self.group["eps"])
        weight.addcdiv_(average, below, value=-lr / (1 - beta1**step))


@dataclass
class Read:
    """Rows of a table that a batch has read, as they stand before its step."""

    row: Tensor  # [n] distinct
    weight: Tensor  # [n, D], which gets the gradient
    moments: list[Tensor]  # each [n, D]


class RowUpdates:
    """Trains a table row by row, to what the optimiser would have made of it as a whole.

    The rows that a step reads are caught up as they are read, and updated after the step; `catch_up` does the rest.
    The moments are those of the optimiser's own state, so that a caught-up table is saved and resumed as any other.
    """

    def __init__(self, table: RowTable, optimizer: Optimizer, rule: Rule) -> None:
        self.table, self.optimizer, self.rule = table, optimizer, rule
        self.step = 0  # the number of steps made, once `last` is there
        self.last: Tensor | None = None  # [rows] the step to which each row has been brought; None: all are alike
        self.reads: list[Read] = []
        table.reader = self.read
        optimizer.register_step_post_hook(lambda *_: self.update())

    @property
    def state(self) -> dict[str, Any]:
        """What the optimiser keeps of the table."""
        state: dict[str, Any] = self.optimizer.state[self.table]
        return state

    def read(self, index: Tensor) -> Tensor:
        """Return the rows [..., D] of indices [...] as they stand."""
        if self.last is None and not self._begin():
            return F.embedding(index, self.table)
        row, place = torch.unique(index, return_inverse=True)
        read = self._caught_up(row)
        if torch.is_grad_enabled() and self.table.requires_grad:
            read.weight.requires_grad_()
            self.reads.append(read)
        return read.weight.index_select(0, place.flatten()).view(*index.shape, self.table.shape[1])

    def _begin(self) -> bool:
        """Begin to leave rows out, if enough steps have been made with all of them."""
        step = self.state.get("step", 0)
        self.step = int(step)
        if self.step < self.rule.first_steps:
            return False
        for name in self.rule.moments:
            self.state.setdefault(name, torch.zeros_like(self.table))
        self.last = torch.full((len(self.table),), self.step, dtype=torch.int32)
        return True

    def _caught_up(self, row: Tensor) -> Read:
        assert self.last is not None
        weight = self.table.detach().index_select(0, row)
        moments = [self.state[name].index_select(0, row) for name in self.rule.moments]
        last = self.last.index_select(0, row.long())
        self.rule.catch_up(weight, moments, last, self.step - last)
        return Read(row, weight, moments)

    @torch.no_grad()
    def update(self) -> None:
        """Make the step of the rows that have been read."""
        if self.last is None:
            return
        if self.table.grad is not None:
            raise RuntimeError("a table whose rows are updated one by one has been read as a whole; use train.lazy=off")
        reads = [read for read in self.reads if read.weight.grad is not None]
        self.reads.clear()
        if not reads:
            return
        read, gradient = _joined(reads)
        self.step += 1
        weight = read.weight.detach()
        self.rule.update(weight, gradient, read.moments, self.step)
        self._write(read.row.long(), weight, read.moments)

    def _write(self, row: Tensor, weight: Tensor, moments: list[Tensor]) -> None:
        assert self.last is not None
        self.table.detach().index_copy_(0, row, weight)
        for name, moment in zip(self.rule.moments, moments, strict=True):
            self.state[name].index_copy_(0, row, moment)
        self.last.index_fill_(0, row, self.step)

    @torch.no_grad()
    def catch_up(self) -> None:
        """Bring all rows to the last step, for whoever reads the table as a whole or saves it."""
        if self.last is None:
            return
        for row in (self.last < self.step).nonzero()[:, 0].split(BLOCK):
            read = self._caught_up(row)
            self._write(row, read.weight, read.moments)
        if self.rule.moments:
            self.state["step"].fill_(self.step)


def _joined(reads: list[Read]) -> tuple[Read, Tensor]:
    """Return several reads of one step as one, and the sum of their gradients."""
    first = reads[0]
    assert first.weight.grad is not None
    if len(reads) == 1:
        return first, first.weight.grad
    row, place = torch.unique(torch.cat([read.row for read in reads]), return_inverse=True)
    gradients = torch.cat([read.weight.grad for read in reads if read.weight.grad is not None])
    gradient = gradients.new_zeros(len(row), gradients.shape[1]).index_add_(0, place, gradients)

    def once(values: list[Tensor]) -> Tensor:
        return values[0].new_empty(gradient.shape).index_copy_(0, place, torch.cat(values))

    moments = [once([read.moments[i] for read in reads]) for i in range(len(first.moments))]
    return Read(row, once([read.weight.detach() for read in reads]), moments), gradient


RULES: dict[str, type[Rule]] = {"adam": AdamRule, "adamw": AdamRule, "sgd": SGDRule, "adagrad": AdagradRule}


def row_updates(loss: Loss, backbone: Backbone, schedule: Schedule, optimizer: Optimizer) -> list[RowUpdates]:
    """Let the rows of tables be updated when they are read, where that is wanted and has a closed form."""
    smallest = {"on": 0, "auto": LARGE, "off": math.inf}[schedule.lazy]
    tables = [table for table in _row_tables(backbone) if numbers_in(table) >= smallest]
    if not tables or _reason_against(loss, backbone, schedule) is not None:
        return []
    rule = RULES[schedule.optimizer]
    return [
        RowUpdates(table, optimizer, rule(group))
        for table in tables
        for group in optimizer.param_groups
        if any(parameter is table for parameter in group["params"])
    ]


def check_row_updates(loss: Loss, backbone: Backbone, schedule: Schedule) -> None:
    """Raise UsageError if the rows of tables are to be updated when they are read, and cannot be."""
    if schedule.lazy == "on":
        reason = _reason_against(loss, backbone, schedule)
        if reason is not None:
            raise UsageError(f"train.lazy=on: {reason}; leave it out")


def _row_tables(backbone: Backbone) -> list[RowTable]:
    return [p for p in backbone.parameters() if isinstance(p, RowTable) and p.requires_grad and p.device.type == "cpu"]


def _reason_against(loss: Loss, backbone: Backbone, schedule: Schedule) -> str | None:
    """Return why rows that wait would not become what the optimiser makes of them, in words; None if they would."""
    name, decay = schedule.optimizer, schedule.weight_decay
    if not _row_tables(backbone):
        return f"backbone `{backbone.name}` has no tables on a CPU of which training reads rows alone"
    if any(getattr(type(loss), method) is not getattr(Loss, method) for method in ("step", "after_step", "objective")):
        return f"loss `{loss.name}` has steps of its own"
    if getattr(backbone, "l2", None) is not None and backbone.regulariser.l2_of not in ("rows", "vectors"):
        return f"backbone.l2_of={backbone.regulariser.l2_of} reads whole tables at every step"
    if schedule.clip:
        return f"train.clip={schedule.clip:g} needs the gradient of all rows"
    if decay and name in ("adam", "adagrad"):
        return (
            f"train.weight_decay={decay:g} of {name} has no closed form over many steps, as it has with adamw and sgd"
        )
    if not schedule.constant_rate and (decay or name in ("adam", "adamw")):
        return f"train.optimizer={name} has no closed form while the learning rate changes"
    if name == "adamw" and schedule.lr * decay > STRONGEST_DECAY:
        return f"train.weight_decay={decay:g} takes more than {STRONGEST_DECAY:g} of a weight at every step"
    return None
