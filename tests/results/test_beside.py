"""Which numbers of the board stand beside which published ones."""

from __future__ import annotations

import pytest

from recbench.results.board import Row, board
from recbench.results.page.beside import beside
from recbench.results.published import tables


def measured(store, add, *values, **changes) -> list[Row]:
    fields = {"dataset": "ml-1m", "split": "user", "feedback": ("like",), "loss": "bce"}
    add(*values, **fields | changes)
    return board(store)


@pytest.mark.parametrize(
    ("settings", "non_default", "methods"),
    [
        ({}, {}, {"BCE"}),
        ({"loss.pos_weight": 2.0}, {"loss.pos_weight": 2.0}, {"BCE*"}),
        ({"loss.pos_weight": 3.0}, {"loss.pos_weight": 3.0}, set()),
        ({"loss.logit": "learned"}, {"loss.logit": "learned"}, set()),
        ({"loss.pos_weight": 2.0, "train.lr": 1.0}, {"train.lr": 1.0, "loss.pos_weight": 2.0}, {"BCE*"}),
    ],
    ids=str,
)
def test_a_published_row_is_matched_by_its_method(store, add, make_value, settings, non_default, methods):
    rows = measured(store, add, make_value(0.76, feedback="like"), settings=settings, non_default=non_default)
    records = {record.key.digest: record for record, _ in store.runs()}
    found = beside(rows, [tables()["gnolr/table2"]], records)
    assert {pair.cell.method for pairs in found.values() for pair in pairs} == methods
    for pair in found.get(("ml-1m", "user", "f" * 16), []):
        assert pair.difference == pytest.approx(0.76 - {"BCE": 0.7542, "BCE*": 0.7896}[pair.cell.method])


@pytest.mark.parametrize(
    "change",
    [{"feedback": "click"}, {"metric": "gauc"}, {"dataset": "ml-20m"}, {"backbone": "mf"}, {"loss": "bpr"}],
    ids=str,
)
def test_what_is_another_quantity_is_not_matched(store, add, make_value, change):
    of_value = {name: change.pop(name) for name in ("feedback", "metric") if name in change}
    rows = measured(store, add, make_value(0.76, **{"feedback": "like"} | of_value), **change)
    records = {record.key.digest: record for record, _ in store.runs()}
    pairs = [pair for pairs in beside(rows, [tables()["gnolr/table2"]], records).values() for pair in pairs]
    assert [pair.cell.printed for pair in pairs] == (["0.7535"] if change.get("dataset") else [])


@pytest.mark.parametrize(
    ("signature", "same"),
    [
        ("candidates=catalogue(9); seen=train positives removed; search=exact", "removed"),
        ("candidates=catalogue(9); seen=kept; search=exact", "kept"),
        ("candidates=catalogue(9); seen=kept; search=hnsw(32)", None),
        ("candidates=rows of the user; repeated rows=best; seen=kept", None),
    ],
)
def test_ranked_lists_are_matched_by_their_candidates(store, add, make_value, signature, same):
    of = tables()["croloss/table2"]
    feedback = of.datasets["amazon-books"].feedback
    value = make_value(0.1, metric="recall@50", feedback=feedback[0], signature=f"recall@50; {signature}")
    settings = {"loss.kernel": "softplus", "loss.alpha": 1.0}
    add(value, dataset="amazon-books", feedback=feedback, loss="croloss", backbone="ytdnn", settings=settings)
    records = {record.key.digest: record for record, _ in store.runs()}
    pairs = [pair for pairs in beside(board(store), [of], records).values() for pair in pairs]
    assert [pair.cell.method for pair in pairs] == ["CROLoss"] * (same == of.protocol.seen)
    assert all(pair.cell.value == pytest.approx(0.102) for pair in pairs)  # printed as 10.20 percent
