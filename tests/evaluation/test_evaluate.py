import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from recbench.data.dataset import Log, Positives
from recbench.errors import UsageError
from recbench.evaluation.candidate_sets import SampledCandidates
from recbench.evaluation.evaluate import ScoredLog, Value, evaluate
from recbench.evaluation.predictions import BlockScores, InnerProductScores, Predictions
from recbench.evaluation.request import parse
from recbench.evaluation.signature import Protocol
from tests.evaluation.helpers import pairs_of

FEEDBACK = ("click", "buy")
PROTOCOL = Protocol("toy@0", "test")
ITEM = torch.eye(5)
USER = torch.tensor([[5.0, 4, 3, 2, 1], [1, 2, 3, 4, 5], [1, 1, 1, 1, 1]])
LOG = Log(  # user 0 clicks 1 and 3, buys 3; user 1 clicks 0; user 2 clicks nothing
    user=torch.tensor([0, 0, 1, 1, 2, 0], dtype=torch.int32),
    item=torch.tensor([1, 3, 0, 4, 2, 0], dtype=torch.int32),
    label=torch.tensor([[1, 0], [1, 1], [1, 0], [0, 0], [0, 0], [0, 0]], dtype=torch.uint8),
)
SCORE = (USER @ ITEM.T)[LOG.user.long(), LOG.item.long()].unsqueeze(1).repeat(1, 2)
SEEN = pairs_of({(0, 0), (0, 2), (1, 4)}, 3, 5)


def run(
    *words: str,
    predictions: Predictions | None = None,
    seen: Positives = SEEN,
    protocol: Protocol = PROTOCOL,
    log: Log = LOG,
    dialect: str | None = None,
) -> list[Value]:
    predictions = predictions or Predictions(SCORE, lambda column: InnerProductScores(USER, ITEM))
    scored = ScoredLog(log, FEEDBACK, predictions, lambda column: seen, 5)
    return evaluate([parse(word, dialect) for word in words], scored, protocol)


def test_catalogue_search_by_hand() -> None:
    # user 0 ranks 1, 3, 4; user 1 ranks 3, 2, 1, 0
    click, buy, first, late = run("recall@2", "hr@1/click", "mrr@5/click")[:4]
    assert (click.metric, click.feedback, click.value, click.count) == ("recall@2", "click", 0.5, 2)
    assert (buy.feedback, buy.value, buy.count, buy.unit) == ("buy", 1, 1, "users")
    assert (first.metric, first.value) == ("hr@1", 0.5)
    assert late.value == pytest.approx((1 + 1 / 4) / 2)


def test_one_search_per_feedback_at_the_largest_k() -> None:
    asked: list[int] = []

    def catalogue(column: int) -> InnerProductScores:
        asked.append(column)
        return InnerProductScores(USER, ITEM)

    predictions = Predictions(SCORE, catalogue)
    values = run("recall@1/click", "ndcg@4", "recall@2/click", predictions=predictions)
    assert asked == [0, 1]
    assert [v.value for v in run("recall@1/click", "recall@2/click")] == [values[0].value, values[3].value]
    asked.clear()
    run("auc", predictions=predictions)
    run("recall@2", predictions=predictions, protocol=replace(PROTOCOL, candidates="rows"))
    assert asked == []


def test_a_relevant_item_that_was_seen_does_not_count() -> None:
    values = run("recall@5/click", seen=pairs_of({(0, 1), (1, 0)}, 3, 5))
    assert (values[0].value, values[0].count) == (1, 1)
    nobody = run("recall@5/buy", seen=pairs_of({(0, 3)}, 3, 5))[0]
    assert math.isnan(nobody.value)
    assert nobody.count == 0


def test_seen_by_feedback() -> None:
    seen = [pairs_of({(0, 1)}, 3, 5), pairs_of({(0, 0), (0, 1), (0, 2)}, 3, 5)]
    predictions = Predictions(SCORE, lambda column: InnerProductScores(USER, ITEM))
    scored = ScoredLog(LOG, FEEDBACK, predictions, seen.__getitem__, 5)
    values = evaluate([parse("mrr@5")], scored, PROTOCOL)
    assert [value.value for value in values] == pytest.approx([(1 / 3 + 1 / 5) / 2, 1])


def test_blocks_and_vectors_agree() -> None:
    blocks = Predictions(SCORE, lambda column: BlockScores(lambda user: (USER @ ITEM.T)[user], 5))
    words = ("recall@2", "ndcg@3", "mrr@9", "precision@4")
    assert run(*words, predictions=blocks) == run(*words)


def test_candidates_from_the_rows() -> None:
    # user 0 ranks item 0 (5), 1 (4), 3 (2); user 1 ranks item 4, 0
    click, buy = run("recall@2", protocol=replace(PROTOCOL, candidates="rows"))
    assert click.value == pytest.approx((1 / 2 + 1) / 2)
    assert buy.value == 0
    assert "candidates=rows of the user" in click.signature


def test_row_metrics() -> None:
    auc, gauc = run("auc/click", "gauc(mean)/click")
    assert (auc.count, auc.unit) == (6, "rows")
    assert auc.value == pytest.approx(2.5 / 9)  # scores 4, 2, 1 against 5, 1, 5
    assert gauc.value == 0
    assert (gauc.count, gauc.unit) == (2, "users")


def test_log_loss_uses_the_log_probabilities() -> None:
    logit = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    predictions = Predictions(SCORE, lambda column: InnerProductScores(USER, ITEM), F.logsigmoid(logit))
    values = run("logloss", predictions=predictions)
    expected = F.binary_cross_entropy_with_logits(logit, LOG.label.float(), reduction="none").mean(0)
    assert [v.value for v in values] == pytest.approx(expected.tolist(), rel=1e-6)


def test_one_class_is_undefined() -> None:
    log = replace(LOG, label=torch.zeros_like(LOG.label))
    values = run("auc", "gauc", "recall@3", log=log)
    assert all(math.isnan(value.value) for value in values)
    assert [value.count for value in values] == [6, 6, 0, 0, 0, 0]


def test_approximate_search_is_in_the_signature_and_has_a_cost() -> None:
    value, area = run("recall@2/click", "auc/click", protocol=replace(PROTOCOL, index="hnsw"))
    assert "search=hnsw" in value.signature
    assert value.cost is not None
    assert value.cost.recall == 1
    assert area.cost is None
    blocks = Predictions(SCORE, lambda column: BlockScores(lambda user: (USER @ ITEM.T)[user], 5))
    value = run("recall@2/click", predictions=blocks, protocol=replace(PROTOCOL, index="hnsw"))[0]
    assert "search=exact" in value.signature
    assert value.cost is None


def test_repeated_requests_count_once() -> None:
    values = run("auc", "auc/buy", "AUC/click")
    assert [(v.metric, v.feedback) for v in values] == [("auc", "click"), ("auc", "buy")]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("auc/bye", "unknown feedback `bye`; did you mean `buy`?"),
        ("logloss", "metric `logloss` needs probabilities"),
    ],
)
def test_errors_come_before_any_work(word: str, message: str) -> None:
    def never(column: int) -> InnerProductScores:
        raise AssertionError

    with pytest.raises(UsageError) as error:
        run("recall@5", word, predictions=Predictions(SCORE, never))
    assert message in str(error.value)


def test_one_feedback_ranked_by_the_scores_of_another() -> None:
    score = torch.stack([SCORE[:, 0], -SCORE[:, 0]], 1)
    predictions = Predictions(score, lambda column: InnerProductScores(USER if column == 0 else -USER, ITEM))
    own, other = run("auc/buy", "auc/buy:click", predictions=predictions)
    assert (own.metric, other.metric, other.feedback) == ("auc", "auc:click", "buy")
    assert own.value == pytest.approx(1 - other.value)
    assert "ranked by=click" in other.signature and "ranked by" not in own.signature
    buy, by_click = run("recall@1/buy", "recall@1/buy:click", predictions=predictions)
    # user 0 bought 3 and has seen 0 and 2: clicks rank 1, 3, 4, buys 4, 3, 1
    assert (buy.value, by_click.value) == (0, 0)
    assert run("recall@2/buy:click", predictions=predictions)[0].value == 1
    assert len(run("auc/click:click", "auc/click")) == 1
    levels = run("cindex/click")[0]  # user 0: levels 1, 2, 0 with scores 4, 2, 5; user 1: 1, 0 with 1, 5
    assert (levels.value, levels.count) == (0, 2)


def of_items(*words: str, train: list[Positives], vectors: torch.Tensor | None = None) -> list[Value]:
    predictions = Predictions(SCORE, lambda column: InnerProductScores(USER, ITEM))
    scored = ScoredLog(LOG, FEEDBACK, predictions, lambda column: SEEN, 5, train.__getitem__, vectors)
    return evaluate([parse(word) for word in words], scored, PROTOCOL, by_user=True)


def test_metrics_of_items_look_at_the_lists_of_all_users_and_at_the_training_rows_of_the_feedback() -> None:
    # user 0 ranks 1, 3, 4; user 1 ranks 3, 2, 1, 0; user 2, who has nothing relevant, 0, 1, 2, 3, 4
    train = [pairs_of({(0, 0), (0, 2), (1, 2), (1, 1)}, 3, 5), pairs_of({(2, 0)}, 3, 5)]
    click, buy, bits, few = of_items("arp@2", "novelty@2/click", "recall@2/buy", train=train)
    assert click.value == pytest.approx(((1 + 0) / 2 + (0 + 2) / 2 + (1 + 1) / 2) / 3)
    assert buy.value == pytest.approx((0 + 0 + 1 / 2) / 3)
    assert bits.value == pytest.approx(((1 + 1) / 2 + (1 + 0) / 2 + (1 + 1) / 2) / 3)  # of two users
    assert (click.count, few.count) == (3, 1)
    assert "users=with rows; " in click.signature and "users=with relevant; " in few.signature
    assert click.parts is not None and click.parts.user.tolist() == [0, 1, 2]
    coverage = of_items("coverage@1/click", train=train)[0]
    assert (coverage.value, coverage.count, coverage.parts) == (3 / 5, 3, None)


def test_diversity_is_that_of_the_vectors_of_the_data() -> None:
    vectors = torch.tensor([[1.0, 0], [0, 1], [1, 0], [0, 1], [0, 1]])
    diversity = of_items("ild@2/click", train=[SEEN, SEEN], vectors=vectors)[0]
    assert diversity.value == pytest.approx((0 + 1 + 1) / 3)
    with pytest.raises(UsageError, match="metric `ild@2/click` needs dense vectors of the items"):
        of_items("ild@2/click", train=[SEEN, SEEN])


def test_sampled_candidates_are_the_same_for_every_model() -> None:
    """With all others drawn, the sample is the catalogue; the signature says that it is one."""
    protocol = replace(PROTOCOL, candidates=SampledCandidates(4))
    sampled, whole = run("ndcg@2", protocol=protocol), run("ndcg@2")
    assert [value.value for value in sampled] == [value.value for value in whole]
    assert sampled[0].signature == (
        "ndcg@2; rows=test; candidates=4 sampled + relevant; seen=train positives removed; search=exact; "
        "users=with relevant; ties=item order; ideal=min(k, relevant) items; gain=binary; discount=log2(rank+1); "
        "data=toy@0"
    )
