import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.errors import UsageError
from recbench.evaluation.metric import LARGEST_K, METRICS, Request, TopKMetric, parse


def test_names_of_the_metrics() -> None:
    assert METRICS.names() == [
        "anisotropy",
        "auc",
        "cindex",
        "ece",
        "gauc",
        "hr",
        "logloss",
        "mrr",
        "ndcg",
        "pcoc",
        "precision",
        "recall",
    ]
    assert METRICS.group == "recbench.metrics"


@pytest.mark.parametrize(
    ("word", "request_"),
    [
        ("auc", Request("auc")),
        ("AUC/click", Request("auc", feedback="click")),
        ("gauc", Request("gauc", variant="impressions")),
        ("gauc(mean)", Request("gauc", variant="mean")),
        ("gauc(gnolr)/follow", Request("gauc", variant="gnolr", feedback="follow")),
        ("recall@50/buy", Request("recall", 50, "relevant", "buy")),
        ("ndcg@20(hits)", Request("ndcg", 20, "hits")),
        ("hr@010", Request("hr", 10)),
        ("recall@50/follow:like", Request("recall", 50, "relevant", "follow", "like")),
        ("auc:like", Request("auc", by="like")),
    ],
)
def test_parse(word: str, request_: Request) -> None:
    assert parse(word) == request_


def test_shortest_word() -> None:
    assert str(parse("GAUC(impressions)/a b")) == "gauc/a b"
    assert str(parse("recall@050(relevant)")) == "recall@50"


@st.composite
def requests(draw: st.DrawFn) -> Request:
    name = draw(st.sampled_from(METRICS.names()))
    metric = METRICS.get(name)
    return Request(
        metric=name,
        k=draw(st.integers(1, LARGEST_K)) if issubclass(metric, TopKMetric) else None,
        variant=draw(st.sampled_from([*metric.variants] or [""])),
        feedback=draw(st.none() | st.text(st.characters(exclude_characters="/:"), min_size=1)),
        by=draw(st.none() | st.text(st.characters(exclude_characters="/:"), min_size=1)),
    )


@settings(deadline=None)
@given(requests())
def test_words_round_trip(request_: Request) -> None:
    assert parse(str(request_)) == request_


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("aux", "unknown metric `aux`; did you mean `auc`?"),
        ("", "metric ``: expected NAME"),
        ("@50", "expected NAME"),
        ("recall@50/", "expected NAME"),
        ("recall@50/a/b", "expected NAME"),
        ("recall@50:", "expected NAME"),
        ("gauc(mean", "expected NAME"),
        ("recall(capped)@50", "expected NAME"),
        ("recall", "needs a cut-off; write for example `recall@50`"),
        ("auc@5", "auc has no cut-off; write `auc`"),
        ("auc@", "auc has no cut-off"),
        ("recall@", "expected a cut-off from 1 to 10000, found ``"),
        ("recall@0", "found `0`"),
        ("recall@-1", "found `-1`"),
        ("recall@1.5", "found `1.5`"),
        ("recall@ 5", "found ` 5`"),
        ("recall@٥", "found `٥`"),
        ("recall@1_0", "found `1_0`"),
        ("recall@10001", "found `10001`"),
        ("gauc(men)", "unknown variant of gauc `men`; did you mean `mean`?"),
        ("gauc()", "unknown variant of gauc ``"),
        ("auc(mean)", "unknown variant of auc `mean`; known: none"),
    ],
)
def test_errors(word: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(word)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
