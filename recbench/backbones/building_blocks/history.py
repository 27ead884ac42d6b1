"""Backbones whose users are what they had before, in order."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from recbench.backbones.base import Backbone
from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset, Log
from recbench.data.history import Histories, Windows
from recbench.errors import UsageError

POSITIONS = 1 << 16  # that are encoded at a time where all users are


@dataclass(frozen=True)
class Sequences:
    """S sequences of L places, the last item in the last place; places before the first item are padding."""

    item: Tensor  # [S, L] int32 row of the item table, -1 on padding
    time: Tensor | None  # [S, L] int64, -1 on padding, in the unit of the log; None where the log has no times

    @property
    def known(self) -> Tensor:
        """Which places hold an item, bool [S, L]."""
        return self.item >= 0


class HistoryBackbone(Backbone):
    """A user is the sequence of what they had. Subclasses implement `states` and `item_vectors`.

    A history holds positives of items seen in train, in the order of the log, and of each the last `length`. A row of
    training is predicted from what its user had before it. All rows of a window of `length` items share one encoding
    of it, with a vector after each place, so that the vector of a row must depend on nothing after its place. Samplers
    go through whole windows (`Dataset.sequence`): the user's last one, or, with `windows` "all", the earlier ones as
    well, each of which starts from nothing. In scoring, a user is the vector after all that is known of them: for
    validation the rows of train, for test those of train and validation.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"row"})
    offers: ClassVar[frozenset[str]] = frozenset({"embeddings", "vectors", "new users"})

    def __init__(
        self, data: Dataset, towers: int, cosine: bool, length: int, windows: Literal["last", "all"] = "last"
    ) -> None:
        super().__init__(data, towers, cosine)
        self.length = length
        self.entities_at_once = max(1, min(self.entities_at_once, POSITIONS // length))
        self.seen = data.items.seen
        self.all_windows = windows == "all"
        self.in_train = self.histories(data.train)
        self.past = Windows.of(data.train, self._counts(data.train), length)

    @abstractmethod
    def states(self, history: Sequences) -> Tensor:
        """Return the vector after each place, by this and the earlier places alone: [S, L, K, D].

        After a place of padding it is one and the same vector for all: that of a user of whom nothing is known.
        """

    @abstractmethod
    def item_vectors(self, item: Tensor) -> Tensor:
        """Return the vectors [..., K, D] by which items [...] are scored."""

    def histories(self, log: Log) -> Histories:
        """Return what each user had in these rows."""
        return Histories.by_user(log, self.users, self._counts(log))

    def sequences(self, data: Dataset) -> Dataset:
        """Return the dataset with the windows as its sequences, without rows before which the user had nothing."""
        past = self.past
        counted = past.slot >= self.length - (past.histories.end - past.histories.start)[past.window]
        chosen = counted if self.all_windows else counted & past.latest
        return replace(data, sequence=past.window.where(chosen, -1))

    def embed(self, user: Tensor, item: Tensor) -> Towers:
        """Return the towers of user [B], by what they had in train, and item [B, N]; not normalised."""
        return self._towers(self._last(self.in_train, user), item)

    def forward(self, user: Tensor, item: Tensor, known: Histories | None = None) -> Towers:
        """Return the towers of user [B], by all that is known of them, and item [B, N]."""
        return self.normalised(self._towers(self._last(known or self.in_train, user), item))

    def encode(self, batch: Batch) -> Towers:
        """Return the towers of a batch, each window of its rows encoded once; raises UsageError if it has no rows."""
        if batch.row is None:
            raise UsageError(
                f"backbone `{self.name}`: the batches have no `row`, whatever their sampler says that it gives"
            )
        # How many windows there are must be known here, for which a GPU waits once a step.
        window, number = torch.unique(self.past.window[batch.row], return_inverse=True)
        states = self.states(self._read(self.past.histories, window))
        return self.normalised(self._towers(states[number, self.past.slot[batch.row]], batch.item))

    def _counts(self, log: Log) -> Tensor:
        return (log.label.amax(1) > 0) & (log.item < self.seen)

    def _read(self, histories: Histories, row: Tensor) -> Sequences:
        return Sequences(histories.last(row, self.length), histories.times(row, self.length))

    def _last(self, histories: Histories, user: Tensor) -> Tensor:
        return self.states(self._read(histories, user))[:, -1]

    def _towers(self, state: Tensor, item: Tensor) -> Towers:
        return Towers(state, self.item_vectors(item))
