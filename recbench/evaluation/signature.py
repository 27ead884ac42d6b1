"""One line that pins the definition of a number: equal definitions give equal lines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from recbench.data.dataset import Dataset
from recbench.evaluation import better
from recbench.evaluation.candidate_sets import CandidateSet, GivenCandidates
from recbench.evaluation.index import Index
from recbench.evaluation.request import Request
from recbench.registry import imported_source

GIVEN = "first 80% of held-out rows"  # known of each user of split `users`; see Dataset.given_and_scored


@dataclass(frozen=True)
class Protocol:
    """What all metrics of one evaluation share."""

    data: str  # dataset, split and fingerprint: ml-1m/user@1a2b3c4d5e6f
    part: Literal["valid", "test"]  # whose rows are scored and hold the relevant items
    seen: str = "train"  # whose pairs are left out of the catalogue: train, or train+valid; "" where none are
    candidates: CandidateSet = "catalogue"  # all items, each user's own rows of `part`, or some of all items
    index: Index = "flat"
    history: str = ""  # what of `part` is known of its users instead of scored
    levels: tuple[str, ...] = ()  # the kinds of feedback that make the ordinal level, from dense to sparse

    @staticmethod
    def of(
        data: Dataset,
        part: Literal["valid", "test"],
        keep_seen: bool = False,
        candidates: CandidateSet = "catalogue",
        index: Index = "flat",
    ) -> Protocol:
        """Return the protocol for held-out rows of a dataset."""
        seen = ("train" if part == "valid" else "train+valid") + ("+history" if data.new_test_users else "")
        return Protocol(
            data=f"{data.full_name}@{data.fingerprint[:12]}",
            part=part,
            seen="" if keep_seen else seen,
            candidates=candidates,
            index=index,
            history=GIVEN if data.new_test_users else "",
            levels=data.feedback,
        )


def signature(request: Request, protocol: Protocol, items: int, search: str = "exact") -> str:
    """Return the words of the metric and of the protocol.

    `items` is the size of the catalogue, `search` how it was searched: `exact`, with or without an index, or
    another search, a mixture with its settings. The feedback is not part of the definition.
    """
    metric = request.metric
    words = [str(replace(request, feedback=None, by=None))]
    if "vectors" not in metric.needs:
        words.append(f"rows={protocol.part}")
    if protocol.history:
        words.append(f"history={protocol.history}")
    if request.by is not None:
        words.append(f"ranked by={request.by}")
    if request.k is not None:
        words += _of_lists(request, protocol, items, search)
    words.append(request.definition)
    if "level" in metric.needs:
        words.append(f"levels={'<'.join(protocol.levels)}")
    if metric.better != "high":
        words.append(better.WORDS[metric.better])
    source = imported_source(type(metric))
    if source:
        words.append(f"source={source}")
    return "; ".join([*words, f"data={protocol.data}"])


def _of_lists(request: Request, protocol: Protocol, items: int, search: str) -> list[str]:
    """Return the words of what is ranked; for users without a relevant item, those of a dialect's metric say more."""
    rules = request.ranking_rules(protocol.candidates)
    if rules.candidates == "rows":
        words = ["candidates=rows of the user", f"repeated rows={rules.repeated_rows}"]
        words += [f"ties={rules.ties}"] if request.dialect else ["seen=kept"]
    else:
        seen = f"{protocol.seen} positives removed" if protocol.seen else "kept"
        ranked = f"catalogue({items})" if rules.candidates == "catalogue" else str(rules.candidates)
        words = [f"candidates={ranked}", f"seen={seen}"]
        if request.dialect:
            words += [f"seen test positives={rules.seen_positives}"] if protocol.seen else []
            words += [] if search == "exact" else [f"search={search}"]
        else:
            words.append(f"search={search}")
    if request.dialect:
        return words
    users = f"{rules.users} and candidates" if isinstance(rules.candidates, GivenCandidates) else rules.users
    return [*words, f"users={users}", "ties=item order"]
