"""What a loss is: an objective on logits, and the scores that it means to be ranked by."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from recbench import settings
from recbench.backbones.base import Backbone, View
from recbench.batch import Batch, Towers
from recbench.capabilities import OF_SLATES, in_words
from recbench.data.dataset import Dataset, Info
from recbench.errors import UsageError, require_known
from recbench.losses.balance import base as balances
from recbench.losses.balance.base import Balance, Points
from recbench.losses.building_blocks.backbone_vectors import snapshot
from recbench.losses.building_blocks.head import Head, Logit
from recbench.registry import Registry
from recbench.samplers import SAMPLERS, Rows, Sampler

Encoder = Callable[[Backbone, Batch, Sequence[View]], Towers]


def encode_alone(backbone: Backbone, batch: Batch, views: Sequence[View]) -> Towers:
    """Return the towers of a batch, with the encodings of the views if there are any."""
    return backbone.encode_views(batch, views) if len(views) else backbone.encode(batch)


class Loss(nn.Module, ABC):
    """A training objective. Subclasses implement `forward`; keyword-only constructor arguments are its settings.

    Whatever a resumed run needs must be a parameter or a buffer.
    """

    name: ClassVar[str]
    sampler: Sampler = Rows()  # the slates it trains on
    multitask: ClassVar[bool] = False  # sees every kind of feedback, or one only
    min_tasks: ClassVar[int] = 1  # kinds of feedback it needs
    cosine: ClassVar[bool] = False  # is defined on cosines rather than inner products
    logit: ClassVar[Logit | None] = None  # its scale and bias unless the user sets others; see `default_logit`
    reads_logits: ClassVar[bool] = True  # False: works on the vectors, so that scale and bias do nothing
    optimizers: ClassVar[tuple[str, ...]] = ()  # of `train.optimizer` that can train it; none: all
    needs: ClassVar[frozenset[str]] = frozenset()  # asked of its slates and backbone; see `recbench.capabilities`
    searched: ClassVar[tuple[str, ...]] = ()  # of its settings, what `--fair --trials` tries: "pos_weight=1..20"
    fixed_sampler: ClassVar[bool] = False  # its own slates are part of what it is: --sampler is refused
    indivisible: ClassVar[str] = ""  # why it has no `terms`, if it trains on several kinds of feedback

    head: Head  # set by `create`

    def __init__(self, info: Info, sampler: Sampler | None = None, towers: int | None = None) -> None:
        super().__init__()
        self.info = info
        self.towers = info.tasks if towers is None else towers  # K, the number of vectors it wants per entity
        if sampler is not None:
            self.sampler = sampler
        self.notes: list[str] = []  # remarks that the user should read beside the result
        self.balance: Balance | None = None  # what combines the terms; None: their sum, which `forward` returns
        self.encoder: Encoder = encode_alone  # what makes towers of the batches of training
        self.views = nn.ModuleList()  # that each step gets as `Towers.views`; the batch's towers are of the first

    @abstractmethod
    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the loss of a batch, a scalar."""

    def terms(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the terms [T] whose sum is the loss, one per feedback; a loss that has them can be balanced."""
        raise NotImplementedError

    def register_numbers(self, **numbers: float | Sequence[float]) -> None:
        """Hold numeric settings as buffers of these names, which go where the model goes and are not in checkpoints."""
        for name, value in numbers.items():
            self.register_buffer(name, torch.tensor(value), persistent=False)

    def base_rates(self) -> Tensor | None:
        """Return the probabilities [K] that a learned bias starts from, or None to start from 0."""
        return None

    def score(self, logit: Tensor) -> Tensor:
        """Return what to rank by, [..., T], from logits [..., K]; the higher, the better."""
        return logit

    def log_probability(self, logit: Tensor) -> Tensor | None:
        """Return log P(feedback) [..., T] from logits [..., K], or None if the loss is not probabilistic."""
        return None

    def vectors(self, user: Tensor, item: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors [users, K, D'] and [items, K, D'] to score by, from those of the backbone."""
        return user, item

    def setup(self, data: Dataset) -> None:
        """Take what is needed of the training data beyond `info`, once, before `prepare`; nothing by default."""

    def prepare(self, backbone: Backbone) -> None:
        """Get ready to train a backbone, once, before the optimiser is made; nothing by default."""

    def parameter_groups(self, backbone: Backbone) -> list[dict[str, Any]]:
        """Return what is optimised, in groups as torch's optimisers take them, which may have an `lr` of their own.

        By default one group of all parameters of backbone and loss, and those of a balance strategy without decay.
        """
        of_balance = [] if self.balance is None else list(self.balance.parameters())
        own = {id(parameter) for parameter in of_balance}
        trained = [p for p in (*backbone.parameters(), *self.parameters()) if p.requires_grad and id(p) not in own]
        return [{"params": trained}, *([{"params": of_balance, "weight_decay": 0.0}] if of_balance else [])]

    def refresh_sampler(self, backbone: Backbone) -> None:
        """Give the sampler the vectors of a backbone as they stand, if it draws by them."""
        if "vectors" in self.sampler.needs:
            self.sampler.refresh(*snapshot(backbone), self.head.log_scale[0].detach().exp())

    def ask_for(self, *views: View) -> None:
        """Ask for these views in every step; `forward` gets them as `towers.views`, the batch's towers by the first."""
        self.views = nn.ModuleList(views)

    def refresh_views(self, backbone: Backbone) -> None:
        """Let the views draw what stays the same for an epoch."""
        for view in cast(Sequence[View], self.views):
            view.start_epoch(backbone)

    def start_epoch(self, backbone: Backbone, epoch: int) -> None:
        """Do what is to be done before an epoch (counted from 1); nothing by default."""

    def end_epoch(self, backbone: Backbone) -> None:
        """Do what is to be done after an epoch; nothing by default."""

    def encode(self, backbone: Backbone, batch: Batch) -> Towers:
        """Return the towers of a batch of training with their logits, and the views that the loss asks for."""
        towers: Towers = self.head(self.encoder(backbone, batch, cast(Sequence[View], self.views)))
        return towers

    def objective(self, backbone: Backbone, batch: Batch) -> Tensor:
        """Return the scalar whose gradient a step descends: the loss of a batch plus the backbone's penalty."""
        towers = self.encode(backbone, batch)
        first, *others = [
            self(part, batch) if self.balance is None else self._balanced(self.balance, backbone, part, batch)
            for part in towers.trained
        ]
        objective: Tensor = sum(others, start=first) + towers.regulariser(batch)
        return objective

    def _balanced(self, balance: Balance, backbone: Backbone, towers: Towers, batch: Batch) -> Tensor:
        of_balance = {id(parameter) for parameter in balance.parameters()}
        of_loss: list[Tensor] = [p for p in self.parameters() if p.requires_grad and id(p) not in of_balance]
        of_backbone: list[Tensor] = [p for p in backbone.parameters() if p.requires_grad]
        vectors = [towers.user, towers.item] if towers.pair is None else [towers.pair]
        combined: Tensor = balance(self.terms(towers, batch), Points(of_backbone + of_loss, vectors + of_loss))
        return combined

    def step(self, backbone: Backbone, batch: Batch, optimizer: Optimizer) -> Tensor:
        """Make one update and return the objective before it, detached."""
        objective = self.objective(backbone, batch)
        optimizer.zero_grad(set_to_none=True)
        objective.backward()
        optimizer.step()
        self.after_step(backbone)
        return objective.detach()

    def after_step(self, backbone: Backbone) -> None:
        """Do what follows each update; nothing by default."""


LOSSES: Registry[Loss] = Registry("loss", "recbench.losses")


def incompatibility(loss: Loss, sampler: Sampler, backbone: type[Backbone]) -> str | None:
    """Return why a loss cannot train a backbone on the slates of a sampler, in one line, or None if it can."""
    if loss.fixed_sampler and sampler != loss.sampler:
        own = f"loss `{loss.name}` is defined by its own slates"
        return f"{own}; leave out --sampler, or see `recbench list samplers` for the losses that take others"
    if "catalogue" in sampler.gives and "catalogue" not in loss.needs:
        return (
            f"loss `{loss.name}` does not read slates of the whole catalogue, whose feedback is given as pairs; choose "
            f"another sampler, or see `recbench list samplers` for the losses that work with {sampler.title}"
        )
    of_loss, of_backbone = f"loss `{loss.name}`", f"backbone `{backbone.name}`"
    no_backbone = f"{of_backbone} does not have"
    if sampler == loss.sampler:
        no_slates = f"the slates {sampler.title} of {of_loss} do not have"
        pairs = "see `recbench list losses` for the pairs that work"
        drawing = "choose another backbone, or other settings of the loss"  # which may say how negatives are drawn
    else:
        no_slates = f"the slates {sampler.title} do not have"
        pairs = "see `recbench list samplers` for the losses that work with each"
        drawing = "choose another backbone or sampler"
    for name, missing, without, remedy in (
        (of_loss, loss.needs - OF_SLATES.keys() - backbone.offers, no_backbone, pairs),
        (f"{of_loss} on slates {sampler.title}", sampler.needs - backbone.offers, no_backbone, drawing),
        (of_loss, (loss.needs & OF_SLATES.keys()) - sampler.gives, no_slates, pairs),
        (of_backbone, backbone.needs - sampler.gives, no_slates, pairs),
    ):
        if missing:
            return f"{name} needs {in_words(missing)}, which {without}; {remedy}"
    return None


def nominal_info(loss: type[Loss], feedback: Sequence[str] = ()) -> Info:
    """Return what a loss is told of data, for a look at it without any; no feedback: of as many kinds as it takes."""
    count = len(feedback) or max(loss.min_tasks, 3 if loss.multitask else 1)
    names = tuple(feedback) or tuple(f"feedback{number}" for number in range(1, count + 1))
    return Info(100, 100, tuple(0.5 ** (number + 1) for number in range(count)), names)


def why_not(
    loss: type[Loss],
    backbone: type[Backbone],
    values: Mapping[str, settings.Value] | None = None,
    feedback: Sequence[str] = (),
    sampler: Sampler | None = None,
) -> str | None:
    """Return why a loss with these settings (None: its defaults) cannot train a backbone, or None if it can.

    It trains on the slates of `sampler` (None: its own), beside which settings of its own slates are refused.
    It is asked of a loss made for nominal data of these kinds of feedback (none: as many as it takes), so that no data
    are needed; settings that the loss refuses are a reason too.
    """
    info = nominal_info(loss, feedback)
    try:
        instance = create(loss, info, defaults(loss) if values is None else values)
        unused = [] if sampler is None else _settings_of_slates(loss, info, values or {})
    except UsageError as error:
        return str(error)
    reason = incompatibility(instance, sampler or instance.sampler, backbone)
    if reason is not None and sampler is None:
        others = [name for name, other in SAMPLERS.items() if incompatibility(instance, other(), backbone) is None]
        return f"{reason}, or add --sampler {' or '.join(others)}" if others else reason
    if reason is None and unused:
        return (
            f"loss.{unused[0]} is a setting of the slates of loss `{loss.name}`, which --sampler replaces; leave it "
            f"out (`recbench list samplers` shows the settings of samplers)"
        )
    return reason


def _settings_of_slates(loss: type[Loss], info: Info, values: Mapping[str, settings.Value]) -> list[str]:
    """Return those of the values by which the loss's own sampler is another than by default."""
    usual = defaults(loss)
    own = create(loss, info, usual).sampler
    return [
        key
        for key, default in settings.defaults(loss).items()
        if values.get(key, default) != default and create(loss, info, usual | {key: values[key]}).sampler != own
    ]


def shared_defaults(loss: type[Loss]) -> dict[str, settings.Value]:
    """Return the settings that every loss has, with this loss's defaults; `balance` if it has `terms`."""
    of_head = {"cosine": loss.cosine, "rank_by": "logits", **(asdict(default_logit(loss)) if loss.reads_logits else {})}
    return of_head | ({"balance": balances.SUM} if can_be_balanced(loss) else {})


def default_logit(loss: type[Loss]) -> Logit:
    """Return the scale and bias of a loss unless the user sets others: by default learned for probabilities of cosines.

    A bare cosine lies in [-1, 1], and its sigmoid between 0.27 and 0.73.
    """
    has_probabilities = loss.log_probability is not Loss.log_probability
    return loss.logit or Logit("learned" if loss.cosine and has_probabilities else "bare")


def can_be_balanced(loss: type[Loss]) -> bool:
    """Return whether a loss has a term for each kind of feedback."""
    return loss.terms is not Loss.terms


def defaults(loss: type[Loss]) -> dict[str, settings.Value]:
    """Return all settings of a loss with their defaults."""
    return {**settings.defaults(loss), **shared_defaults(loss)}


def resolve(loss: type[Loss], words: Mapping[str, str]) -> dict[str, settings.Value]:
    """Return all settings of a loss, defaults overridden by `words`; a scale or bias alone means `logit=fixed`.

    `balance` and the settings of its strategy are among them unless the terms are summed.
    """
    own, shared = settings.defaults(loss), shared_defaults(loss)
    clash = sorted(own.keys() & (shared.keys() | {"balance"}))
    if clash:
        raise UsageError(f"loss `{loss.name}`: `{clash[0]}` is a setting of every loss; rename it or drop it")
    of_balance = {key: word for key, word in words.items() if balances.belongs(key)}
    if of_balance and not can_be_balanced(loss):
        why = loss.indivisible or ("has no terms" if loss.multitask else "trains on one kind of feedback")
        key, word = next(iter(of_balance.items()))
        raise UsageError(
            f"loss.{key}={word}: loss `{loss.name}` {why}, so that there is nothing to balance; "
            f"`recbench list strategies` shows the losses that can be"
        )
    words = {key: word for key, word in words.items() if key not in of_balance}
    shared.pop("balance", None)
    require_known(f"setting of loss `{loss.name}`", words, own | shared)
    own = settings.resolve(loss, "loss", {key: word for key, word in words.items() if key in own})
    given = settings.resolve(Head, "loss", {key: word for key, word in words.items() if key in shared})
    shared.update({key: given[key] for key in words if key in shared})
    if "logit" in shared and "logit" not in words and words.keys() & {"scale", "bias"}:
        shared["logit"] = "fixed"
    return {**own, **shared, **balances.resolve(of_balance)}


def create(loss: type[Loss], info: Info, values: Mapping[str, settings.Value]) -> Loss:
    """Build a loss with its head from all its settings.

    Raises UsageError if a setting is out of range, or if the data has too few kinds of feedback for the loss.
    """
    if info.tasks < loss.min_tasks:
        raise UsageError(
            f"loss `{loss.name}` needs at least {loss.min_tasks} kinds of feedback, the data has {info.tasks} "
            f"({', '.join(info.feedback)}); use a loss for a single feedback, such as bce or gnolr"
        )
    of_balance = {key: value for key, value in values.items() if balances.belongs(key)}
    shared = shared_defaults(loss).keys() - {"balance"}
    own = {key: value for key, value in values.items() if key not in shared | of_balance.keys()}
    of_head = {key: value for key, value in values.items() if key in shared}
    settings.check_ranges(loss, "loss", own)
    settings.check_ranges(Head, "loss", of_head)
    try:
        inspect.signature(loss).bind(info, **own)
    except TypeError as error:
        form = "def __init__(self, info, *, setting=default)"
        why = f"loss `{loss.name}` cannot be made of info and its settings ({error})"
        raise UsageError(f"{why}; write {form}") from None
    instance = loss(info, **own)  # type: ignore[arg-type]
    instance.head = Head(instance.towers, **of_head)  # type: ignore[arg-type]
    instance.balance = balances.create(info, of_balance)
    rates = instance.base_rates()
    if rates is not None and values.get("logit") == "learned" and values["bias"] == 0:
        with torch.no_grad():
            instance.head.bias.copy_(torch.logit(rates, eps=1e-6))
    return instance
