"""How a metric is asked for: `auc`, `gauc(mean)`, `recall@50/buy`, and the same as another library computes it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from recbench.errors import UsageError, require_known
from recbench.evaluation.candidate_sets import CandidateSet
from recbench.evaluation.dialects import Dialect, find_dialect
from recbench.evaluation.metric import METRICS, Metric, TopKMetric
from recbench.evaluation.ranked_lists import RankingRules

LARGEST_K = 10_000

_WORD = re.compile(r"([^@()/:]+)(@[^@()/:]*)?(\([^@()/:]*\))?(/[^/:]+)?(:[^/:]+)?")


@dataclass(frozen=True)
class Request:
    """A metric to compute; `str` gives back the shortest word that parses to it.

    In a dialect its name is that of the dialect's table, and `str` has the dialect in place of the variant, as no
    metric of recbench is named: `recall@50(lenskit)`.
    """

    name: str
    k: int | None = None
    variant: str = ""  # always named where the metric has variants
    feedback: str | None = None  # None: each feedback type
    by: str | None = None  # feedback whose scores rank; None: those of the feedback itself
    dialect: str = ""  # the library that defines the metric; recbench if empty

    def __str__(self) -> str:
        cutoff = f"@{self.k}" if self.k else ""
        variant = self.dialect or ("" if self.variant == METRICS.get(self.name)().variant else self.variant)
        feedback = f"/{self.feedback}" if self.feedback else ""
        by = f":{self.by}" if self.by else ""
        return f"{self.name}{cutoff}{f'({variant})' if variant else ''}{feedback}{by}"

    @property
    def metric(self) -> Metric:
        """The metric, in the variant or dialect asked for."""
        if self.dialect:
            return find_dialect(self.dialect).metrics[self.name]
        return METRICS.get(self.name)(self.variant)

    @property
    def definition(self) -> str:
        """The words of the metric in its signature."""
        if not self.dialect:
            return self.metric.definition
        return find_dialect(self.dialect).definition(self.name, self.k)

    def ranking_rules(self, candidates: CandidateSet) -> RankingRules:
        """Return what a metric of the first k items ranks: these candidates, unless the dialect says otherwise."""
        if self.dialect:
            return find_dialect(self.dialect).ranking_rules(self.name)
        return RankingRules(candidates, users="with rows" if "all users" in self.metric.needs else "with relevant")


def parse(word: str, dialect: str | None = None) -> Request:
    """Read `NAME[@K][(VARIANT)][/FEEDBACK][:BY]`, or without variant in a dialect, whose own names hold there too.

    Raises UsageError if the word is not of that form, or there is no such metric, variant or dialect.
    """
    library = find_dialect(dialect) if dialect else None
    match = _WORD.fullmatch(word)
    if match is None or (library and match[3]):
        form = "NAME[@K][(VARIANT)][/FEEDBACK][:BY], as in recall@50/buy"
        if library:
            form = f"NAME[@K][/FEEDBACK][:BY] with --dialect {library.name}, which fixes the variant"
        raise UsageError(f"metric `{word}`: expected {form}")
    name, cutoff, variant, feedback, by = match.groups()
    if library:
        name, variant = _name_in(library, word, name), ""
        ranked, owner = isinstance(library.metrics[name], TopKMetric), f"{name} of {library.version}"
    else:
        name = owner = name.lower()
        metric = METRICS.get(name)
        variant, ranked = _variant(metric, variant), issubclass(metric, TopKMetric)
    return Request(
        name=name,
        k=_cutoff(word, name, cutoff, ranked, owner),
        variant=variant,
        feedback=feedback and feedback[1:],
        by=by and by[1:],
        dialect=library.name if library else "",
    )


def request_of(metric: str, signature: str) -> Request:
    """Return the request for all feedback types that gave a value, from the name and signature that it is kept with."""
    of_dialect = any(word.startswith("dialect=") for word in signature.split("; "))
    match = re.fullmatch(r"([^()]+)\(([^()]+)\)(:.+)?", metric) if of_dialect else None
    if match is None:
        return parse(metric)
    name, dialect, by = match.groups()
    return parse(f"{name}{by or ''}", dialect)


def _name_in(library: Dialect, word: str, name: str) -> str:
    """Return the name that a dialect's table has for a metric, given as recbench or the library spells it."""
    spelled = {metric.spelling.lower(): known for known, metric in library.metrics.items()}
    known = name.lower() if name.lower() in library.metrics else spelled.get(name.lower())
    if known is None:
        raise UsageError(f"metric `{word}`: {library.version} has no {name}; it has {', '.join(library.metrics)}")
    return known


def _cutoff(word: str, name: str, cutoff: str | None, ranked: bool, owner: str) -> int | None:
    if not ranked:
        if cutoff is not None:
            raise UsageError(f"metric `{word}`: {owner} has no cut-off; write `{name}`")
        return None
    if cutoff is None:
        raise UsageError(f"metric `{word}`: needs a cut-off; write for example `{name}@50`")
    if not re.fullmatch("[0-9]{1,9}", cutoff[1:]) or not 1 <= int(cutoff[1:]) <= LARGEST_K:
        raise UsageError(f"metric `{word}`: expected a cut-off from 1 to {LARGEST_K}, found `{cutoff[1:]}`")
    return int(cutoff[1:])


def _variant(metric: type[Metric], variant: str | None) -> str:
    if variant is None:
        return metric().variant
    require_known(f"variant of {metric.name}", [variant[1:-1]], metric.variants)
    return variant[1:-1]
