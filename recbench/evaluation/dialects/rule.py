"""What a dialect is: the metrics of another library, each with its definition and where its source says so."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from recbench.errors import UsageError
from recbench.evaluation.candidates import within
from recbench.evaluation.metric import LARGEST_K, Counted

_USERS = 4096  # in a block
_WORD = re.compile(r"([^@()/:]+)(?:@([^@()/:]*))?(?:/([^/:]+))?(?::([^/:]+))?")
_UNDEFINED = Counted(float("nan"), 0)


@dataclass(frozen=True)
class Lists:
    """The first k items of U users, and what some libraries count besides."""

    hit: Tensor  # [U, k] bool
    relevant: Tensor  # [U] int64, at least 1
    length: Tensor  # [U] int64, 0 to k: items in the list
    without: int = 0  # further users that have a list, but no relevant item

    def first(self, k: int) -> Lists:
        """Return the lists cut at k."""
        return Lists(self.hit[:, :k], self.relevant, self.length.clamp(max=k), self.without)

    @staticmethod
    def of_rows(score: Tensor, label: Tensor, user: Tensor, item: Tensor, k: int) -> Lists:
        """Rank each user's own rows [R] as `candidates.within` does; raises TrainingError if a score is NaN."""
        hits = within(score, label, user, item, k)
        items = int(item.max()) + 1 if len(item) else 1
        owner = torch.div((user.long() * items + item.long()).unique(), items, rounding_mode="floor")
        users, length = owner.unique_consecutive(return_counts=True)
        mine = length[torch.searchsorted(users, hits.user)]
        return Lists(hits.hit, hits.relevant, mine.clamp(max=k), len(users) - len(hits.user))


@dataclass(frozen=True)
class RowRule:
    """A metric of scored rows as a library computes it."""

    spelling: str  # as the library writes it
    words: str  # definition, for the signature
    source: str  # file and function
    function: Callable[[Tensor, Tensor, Tensor], Counted]
    unit: Literal["rows", "users"] = "users"  # what `count` counts
    needs_probability: bool = False  # `score` is then the log-probability of the feedback
    lower_is_better: bool = False

    def value(self, score: Tensor, label: Tensor, user: Tensor) -> Counted:
        """Compute the metric from score [R] (higher = better), label [R] (0 or 1) and user [R].

        NaN where the library gives NaN or stops: without rows, for a score that is NaN, and as `words` say.
        """
        return self.function(score, label, user) if len(score) and not score.isnan().any() else _UNDEFINED


@dataclass(frozen=True)
class TopRule:
    """A metric of each user's first k items as a library computes it."""

    spelling: str
    words: str
    source: str
    function: Callable[[Lists], Tensor]  # value of each user [U] float64
    without: float | None = None  # value of users without relevant items, NaN where it stops; None: left out
    weight: Literal["user", "relevant"] = "user"
    needs_full_lists: bool = False
    unit: Literal["rows", "users"] = "users"
    needs_probability: bool = False
    lower_is_better: bool = False

    def value(self, lists: Lists) -> Counted:
        """Compute the mean over users; NaN without users, and where the library stops."""
        users = len(lists.hit)
        short = self.needs_full_lists and bool((lists.length < lists.hit.shape[1]).any())
        counted = users if self.without is None else users + lists.without
        if not counted or short:
            return _UNDEFINED
        blocks = zip(*(part.split(_USERS) for part in (lists.hit, lists.relevant, lists.length)), strict=True)
        values = torch.cat([self.function(Lists(*block)) for block in blocks])
        if self.weight == "relevant":
            return Counted(float((values * lists.relevant).sum() / lists.relevant.sum()), users)
        rest = self.without * lists.without if self.without and lists.without else 0.0
        return Counted(float((values.sum() + rest) / counted), counted)


Rule = RowRule | TopRule


@dataclass(frozen=True)
class Asked:
    """A metric of a dialect to compute; `str` names it as no metric of recbench is named: `recall@50(lenskit)`."""

    dialect: Dialect
    metric: str  # the name recbench has for it, or the library's own
    k: int | None = None
    feedback: str | None = None  # None: each feedback type
    by: str | None = None  # feedback whose scores rank; None: those of the feedback itself

    def __str__(self) -> str:
        cutoff = f"@{self.k}" if self.k else ""
        feedback = f"/{self.feedback}" if self.feedback else ""
        by = f":{self.by}" if self.by else ""
        return f"{self.metric}{cutoff}({self.dialect.name}){feedback}{by}"

    @property
    def rule(self) -> Rule:
        """How it is computed."""
        return self.dialect.rules[self.metric]

    @property
    def definition(self) -> str:
        """The words of the signature: library and version, its name for the metric, definition and source."""
        rule, cutoff = self.rule, f"@{self.k}" if self.k else ""
        return f"dialect={self.dialect.version}; there={rule.spelling}{cutoff}; {rule.words}; source={rule.source}"


@dataclass(frozen=True)
class Dialect:
    """The metrics of a library that recbench can compute as the library does."""

    name: str
    version: str  # library and version whose source was followed
    link: str
    candidates: Literal["catalogue", "rows"]  # what its top-k metrics rank: all items, or each user's own rows
    rules: Mapping[str, Rule]

    def ask(self, word: str) -> Asked:
        """Read `NAME[@K][/FEEDBACK][:BY]`, NAME being recbench's or the library's, in any case.

        Raises UsageError if the word is not of that form, the library has no such metric, or has it only with
        or without a cut-off.
        """
        match = _WORD.fullmatch(word)
        if match is None:
            raise UsageError(
                f"metric `{word}`: expected NAME[@K][/FEEDBACK][:BY] with --dialect {self.name}, "
                "which fixes the variant"
            )
        name, cutoff, feedback, by = match.groups()
        spelled = {rule.spelling.lower(): metric for metric, rule in self.rules.items()}
        metric = name.lower() if name.lower() in self.rules else spelled.get(name.lower())
        if metric is None:
            raise UsageError(f"metric `{word}`: {self.version} has no {name}; it has {', '.join(self.rules)}")
        return Asked(self, metric, self._cutoff(word, metric, cutoff), feedback, by)

    def _cutoff(self, word: str, metric: str, cutoff: str | None) -> int | None:
        if isinstance(self.rules[metric], RowRule):
            if cutoff is not None:
                raise UsageError(f"metric `{word}`: {metric} of {self.version} has no cut-off; write `{metric}`")
            return None
        if cutoff is None:
            raise UsageError(f"metric `{word}`: needs a cut-off; write for example `{metric}@50`")
        if not re.fullmatch("[0-9]{1,9}", cutoff) or not 1 <= int(cutoff) <= LARGEST_K:
            raise UsageError(f"metric `{word}`: expected a cut-off from 1 to {LARGEST_K}, found `{cutoff}`")
        return int(cutoff)
