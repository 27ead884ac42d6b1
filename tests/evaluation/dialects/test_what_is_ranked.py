"""What each library ranks: items that a user has in train and in test, and several rows of one item."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.data.dataset import Log
from recbench.evaluation.dialects import DIALECTS
from recbench.evaluation.evaluate import ScoredLog, Value, evaluate
from recbench.evaluation.predictions import InnerProductScores, Predictions
from recbench.evaluation.request import parse
from recbench.evaluation.signature import Protocol
from tests.evaluation.helpers import pairs_of

ITEMS = 4
CATALOGUE = [name for name, dialect in DIALECTS.items() if dialect.lists.candidates == "catalogue"]


def value_of(word: str, dialect: str | None, scored: ScoredLog, protocol: Protocol) -> Value:
    (value,) = evaluate([parse(word, dialect)], scored, protocol)
    return value


def seen_and_tested(keep_seen: bool = False) -> tuple[ScoredLog, Protocol]:
    """User 0 ranks items 0 to 3; it has 0 and 3 in train, and 0 and 1 are its test positives. User 1 tests only 0,
    which it has in train."""
    user = torch.tensor([[4.0, 3, 2, 1], [4, 3, 2, 1]])
    log = Log(torch.tensor([0, 0, 1]).int(), torch.tensor([0, 1, 0]).int(), torch.ones(3, 1).byte())
    vectors = InnerProductScores(user, torch.eye(ITEMS))
    seen = pairs_of(set() if keep_seen else {(0, 0), (0, 3), (1, 0)}, 2, ITEMS)
    predictions = Predictions(vectors.rows(log.user, log.item)[:, None], lambda column: vectors)
    protocol = Protocol("toy@0", "test", "" if keep_seen else "train+valid")
    return ScoredLog(log, ("view",), predictions, lambda column: seen, ITEMS), protocol


@pytest.mark.parametrize(
    ("dialect", "word", "expected"),
    [
        # Items 0, 1 and 2 are ranked in that order for user 0, all for user 1, and 0 is a hit.
        ("cornac", "recall@1", (1 / 2 + 1) / 2),
        ("cornac", "precision@1", (1 + 1) / 2),
        ("cornac", "ndcg@2", (1 + 1) / 2),
        ("recbole", "recall@1", (1 / 2 + 1) / 2),
        ("recbole", "mrr@2", (1 + 1) / 2),
        ("torch-rechub", "recall@1", (1 / 2 + 1) / 2),
        ("torch-rechub", "hr@2", (2 + 1) / (2 + 1)),
        # Items 1 and 2 are ranked for user 0, and 1, 2 and 3 for user 1, which can have no hit.
        ("elliot", "recall@1", (1 / 2 + 0) / 2),
        ("elliot", "precision@2", (1 / 2 + 0) / 2),
        ("elliot", "mrr@2", (1 + 0) / 2),
        ("lenskit", "recall@2", (1 / 2 + 0) / 2),
        ("lenskit", "recall@1", (1 / 1 + 0) / 2),  # divides by min(k, relevant)
        # Neither candidate nor relevant, and user 1 is left out.
        (None, "recall@1", 1.0),
    ],
)
def test_positives_of_train_and_test(dialect: str | None, word: str, expected: float) -> None:
    value = value_of(word, dialect, *seen_and_tested())
    assert value.value == pytest.approx(expected)
    assert value.count == (1 if dialect is None else 2)


@pytest.mark.parametrize("dialect", CATALOGUE)
def test_the_signature_says_what_becomes_of_them(dialect: str) -> None:
    signature = value_of("recall@1", dialect, *seen_and_tested()).signature
    rule = DIALECTS[dialect].lists.seen_positives
    assert rule in ("ranked", "relevant but not ranked")
    assert f"; seen=train+valid positives removed; seen test positives={rule}; " in signature
    kept = value_of("recall@1", dialect, *seen_and_tested(keep_seen=True))
    assert "; seen=kept; dialect=" in kept.signature
    assert kept.value == pytest.approx(1 if dialect == "lenskit" else 3 / 4)


def test_an_approximate_search_is_in_the_signature_of_a_dialect() -> None:
    scored, protocol = seen_and_tested()
    hnsw = Protocol(protocol.data, "test", protocol.seen, index="hnsw")
    assert "; search=hnsw; " in value_of("recall@1", "recbole", scored, hnsw).signature
    assert "search" not in value_of("recall@1", "recbole", scored, protocol).signature


def of_rows(score: list[float], label: list[int], user: list[int], item: list[int]) -> ScoredLog:
    log = Log(torch.tensor(user).int(), torch.tensor(item).int(), torch.tensor(label)[:, None].byte())
    vectors = InnerProductScores(torch.zeros(max(user) + 1, 1), torch.zeros(ITEMS, 1))
    predictions = Predictions(torch.tensor(score)[:, None].double(), lambda column: vectors)
    return ScoredLog(log, ("view",), predictions, lambda column: pairs_of(set(), max(user) + 1, ITEMS), ITEMS)


def test_several_rows_of_one_item() -> None:
    # one user: item 0 twice, disliked then liked, both above item 1, which is liked
    scored = of_rows([0.9, 0.9, 0.5], [0, 1, 1], [0, 0, 0], [0, 0, 1])
    protocol = Protocol("toy@0", "test", candidates="rows")
    best = 1 + 1 / math.log2(3)
    later = value_of("ndcg@3", "fuxictr", scored, protocol)  # + - +
    assert later.value == pytest.approx((1 + 1 / math.log2(4)) / best)
    assert "; candidates=rows of the user; repeated rows=apart; ties=later row first; dialect=" in later.signature
    earlier = value_of("ndcg@3", "gnolr", scored, protocol)  # - + +
    assert earlier.value == pytest.approx((1 / math.log2(3) + 1 / math.log2(4)) / best)
    assert "; repeated rows=apart; ties=earlier row first; " in earlier.signature
    recall = value_of("recall@1", "gnolr", scored, protocol)  # of two items, the first of which is liked
    assert recall.value == pytest.approx(1 / 2) and "; repeated rows=best; ties=item order; " in recall.signature
    own = value_of("ndcg@3", None, scored, protocol)
    assert own.value == 1 and "; repeated rows=best; seen=kept; users=with relevant; ties=item order; " in own.signature


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 2), st.integers(0, ITEMS - 1)),
        min_size=1,
        max_size=14,  # numpy's default sort is stable on short lists
    )
)
@settings(max_examples=60, deadline=None)
def test_ndcg_of_fuxictr_against_its_formula(rows: list[tuple[int, int, int, int]]) -> None:
    score, label, user, item = (list(column) for column in zip(*rows, strict=True))
    values = []
    for one in sorted(set(user)):
        mine = [row for row, owner in enumerate(user) if owner == one]
        truth = np.array([label[row] for row in mine])
        order = np.argsort(np.array([score[row] for row in mine]), kind="stable")[::-1][:3]
        gain = sum((2.0 ** truth[row] - 1) / math.log2(rank + 2) for rank, row in enumerate(order))
        ideal = sum(1 / math.log2(rank + 2) for rank in range(min(3, truth.sum())))
        values.append(gain / ideal if ideal else 0.0)
    protocol = Protocol("toy@0", "test", candidates="rows")
    found = value_of("ndcg@3", "fuxictr", of_rows([float(s) for s in score], label, user, item), protocol)
    assert (found.value, found.count) == (pytest.approx(np.mean(values)), len(values))
