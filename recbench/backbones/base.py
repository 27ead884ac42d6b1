"""What a backbone is: K vectors of dimension D for every user and every item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbench import settings
from recbench.backbones.building_blocks.regulariser import Regulariser
from recbench.batch import Batch, Encoding, Towers
from recbench.data.dataset import Dataset, Log
from recbench.data.history import Histories
from recbench.errors import UsageError, require_known
from recbench.registry import BASELINE, Registry


class Backbone(nn.Module, ABC):
    """Maps rows of the user and item tables to vectors. Subclasses implement `embed`.

    Keyword-only constructor arguments are its settings. With `cosine`, all vectors are scaled to unit length, after
    training too unless `cosine_ranking` is set to False; the scores of pairs stay as they are where they are not inner
    products (`Towers.pair`).
    """

    name: ClassVar[str]
    decomposable: ClassVar[bool] = True  # scores are inner products of user and item vectors
    # What losses and samplers may ask for, and what it asks of the batches; see `recbench.capabilities`.
    offers: ClassVar[frozenset[str]] = frozenset({"embeddings", "vectors", "forward derivatives"})
    needs: ClassVar[frozenset[str]] = frozenset()

    # Settings that came after runs had been recorded: left out of a key at their defaults, so that old names stay.
    omitted_when_default: ClassVar[frozenset[str]] = frozenset()

    pretraining: int = 0  # first epochs, in which parts of it are trained each for itself; see `Towers.apart`
    entities_at_once: int = 65536  # whose vectors `tables` computes together; fewer where layers are wide
    l2: Tensor | None  # of a backbone that has a penalty, its weight; None: none
    regulariser = Regulariser()  # what `l2` penalises, of a backbone that has it; `create` sets another

    def __init__(self, data: Dataset, towers: int, cosine: bool) -> None:
        super().__init__()
        self.users = len(data.users)
        self.items = len(data.items)
        self.towers = towers
        self.cosine = self.cosine_ranking = cosine

    @property
    def unit_length(self) -> bool:
        """Whether vectors are scaled to unit length in the mode that it is in now, training or evaluation."""
        return self.cosine if self.training else self.cosine_ranking

    def register_l2(self, l2: float) -> None:
        """Hold the weight of the penalty as a buffer, which goes where the model goes and is not in checkpoints."""
        self.register_buffer("l2", torch.tensor(l2) if l2 else None, persistent=False)

    @abstractmethod
    def embed(self, user: Tensor, item: Tensor) -> Towers:
        """Return the towers of user [B] and item [B, N] (or a shared [1, N]), not normalised."""

    def forward(self, user: Tensor, item: Tensor, known: Histories | None = None) -> Towers:
        """Return the towers of user [B] and item [B, N] (or [1, N]) to score by, of unit length if `unit_length`.

        `known` is what `histories` makes of what the users did; None: what they did in train.
        """
        return self.normalised(self.embed(user, item))

    def encode(self, batch: Batch) -> Towers:
        """Return the towers of a batch of training; a backbone that reads histories ends them before `batch.row`."""
        towers: Towers = self(batch.user, batch.item)
        return towers

    def encode_views(self, batch: Batch, views: Iterable[View]) -> Towers:
        """Return the towers of a batch as the first of these views has them, with the encodings of all in `views`.

        Each view is encoded once. Only backbones that offer views have this. The towers are those of `encode` where
        views are of some items alone (`View.complete`).
        """
        raise UsageError(f"backbone `{self.name}`: has no `encode_views`, whatever it says that it offers")

    def histories(self, log: Log) -> Histories | None:
        """Return what `forward` and `tables` read of these rows as `known`; None if it reads no histories."""
        return None

    @classmethod
    def of_new_users(cls, values: Mapping[str, settings.Value]) -> str:
        """Return how a model with these settings makes vectors of users without training rows, for `eval` to say.

        Empty where it treats all users alike, by their features or by what they had.
        """
        return ""

    def start_epoch(self, epoch: int) -> None:
        """Do what is to be done before an epoch of training (counted from 1); nothing by default."""

    def sequences(self, data: Dataset) -> Dataset:
        """Return the training data as samplers are to go through them: with sequences for a backbone that reads these.

        `data` are those that the backbone was made for.
        """
        return data

    def normalised(self, towers: Towers) -> Towers:
        """Return the towers, of unit length if `unit_length`."""
        if not self.unit_length:
            return towers
        return replace(towers, user=F.normalize(towers.user, dim=-1), item=F.normalize(towers.item, dim=-1))

    @torch.no_grad()
    def tables(self, known: Histories | None = None) -> tuple[Tensor, Tensor]:
        """Return the vectors of all users [users, K, D] and all items [items, K, D], each computed once.

        `known` is as in `forward`.
        """
        device, block = next(self.parameters()).device, self.entities_at_once
        one = torch.zeros(1, dtype=torch.long, device=device)
        user = [self(rows, one[None], known).user for rows in torch.arange(self.users, device=device).split(block)]
        item = [self(one, rows[None]).item[0] for rows in torch.arange(self.items, device=device).split(block)]
        return torch.cat(user), torch.cat(item)


class View(nn.Module, ABC):
    """One way to encode all users and items, or some items.

    Random ones draw from torch's global generator, as dropout does.
    """

    random: ClassVar[bool] = False
    complete: ClassVar[bool] = True  # of all users and items, rather than of some items that it draws

    @abstractmethod
    def encode(self, backbone: Backbone, first: Encoding | None) -> Encoding:
        """Return the encoding, once per step; `first` is that of the step's first view, None for that view itself."""

    def start_epoch(self, backbone: Backbone) -> None:
        """Draw what stays the same for an epoch; nothing by default."""


@contextmanager
def evaluation_mode(*modules: nn.Module) -> Iterator[None]:
    """Put modules in evaluation mode, and every part of them back in its own mode afterwards."""
    before = [(part, part.training) for module in modules for part in module.modules()]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for part, training in before:
            part.training = training


def create(
    backbone: type[Backbone], data: Dataset, towers: int, cosine: bool, values: Mapping[str, settings.Value]
) -> Backbone:
    """Build a backbone of `towers` vectors per entity from its settings; raises UsageError if one is out of range.

    Settings of its `Regulariser` may be left out.
    """
    shared = shared_defaults(backbone)
    own = {key: value for key, value in values.items() if key not in shared}
    settings.check_ranges(backbone, "backbone", own)
    instance = backbone(data, towers, cosine, **own)
    instance.regulariser = Regulariser(**{key: value for key, value in values.items() if key in shared})  # type: ignore[arg-type]
    return instance


def shared_defaults(backbone: type[Backbone]) -> dict[str, settings.Value]:
    """Return the settings that every backbone with an `l2` has: those of its `Regulariser`."""
    return asdict(Regulariser()) if "l2" in settings.defaults(backbone) else {}


def defaults(backbone: type[Backbone]) -> dict[str, settings.Value]:
    """Return all settings of a backbone with their defaults."""
    return {**settings.defaults(backbone), **shared_defaults(backbone)}


def resolve(backbone: type[Backbone], words: Mapping[str, str]) -> dict[str, settings.Value]:
    """Return the settings of a backbone, defaults overridden by `words`; of its `Regulariser`, those that differ.

    Those in `omitted_when_default` are left out at their defaults.
    Raises UsageError for a setting that does not exist or is out of range.
    """
    shared = shared_defaults(backbone)
    require_known(f"setting of backbone `{backbone.name}`", words, defaults(backbone))
    own = settings.resolve(backbone, "backbone", {key: word for key, word in words.items() if key not in shared})
    given = settings.resolve(Regulariser, "backbone", {key: word for key, word in words.items() if key in shared})
    chosen = {key: value for key, value in given.items() if shared and value != shared[key]}
    Regulariser(**chosen)  # type: ignore[arg-type]
    if chosen and not own["l2"]:
        key, value = next(iter(chosen.items()))
        raise UsageError(f"backbone.{key}={value}: there is no penalty with backbone.l2=0; set backbone.l2")
    usual = settings.defaults(backbone)
    own = {k: v for k, v in own.items() if k not in backbone.omitted_when_default or v != usual[k]}
    return own | chosen


def why_no_new_users(backbone: type[Backbone], data: Dataset) -> str | None:
    """Return why a backbone cannot score the users of validation and test, in one line, or None if it can."""
    if not data.new_test_users or "new users" in backbone.offers:
        return None
    others = [name for name, other in BACKBONES.items() if "new users" in other.offers]
    return (
        f"backbone `{backbone.name}` has no vectors of users without training rows, and those of validation and test "
        f"are such in {data.full_name}; choose one of {', '.join(others)}, or another split"
    )


BACKBONES: Registry[Backbone] = Registry("backbone", "recbench.backbones", reserved=(BASELINE,))
