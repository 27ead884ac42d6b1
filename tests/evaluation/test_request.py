"""How metrics are asked for and named, those of recbench and those of other libraries."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.errors import UsageError
from recbench.evaluation.dialects import DIALECTS
from recbench.evaluation.metric import METRICS, TopKMetric
from recbench.evaluation.request import LARGEST_K, Request, parse, request_of
from recbench.evaluation.signature import Protocol, signature


def test_names_of_the_metrics() -> None:
    assert METRICS.names() == [
        "ai-d",
        "anisotropy",
        "arp",
        "auc",
        "cindex",
        "coverage",
        "dpfr",
        "ece",
        "entropy",
        "fsat",
        "gauc",
        "gini",
        "hr",
        "ild",
        "jain",
        "logloss",
        "map",
        "mrr",
        "ndcg",
        "novelty",
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
        name=name,
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
        ("gauc(men)", "unknown variant `men` of gauc; did you mean `mean`?"),
        ("gauc()", "unknown variant `` of gauc"),
        ("auc(mean)", "unknown variant `mean` of auc; known: none"),
    ],
)
def test_errors(word: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(word)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_metric_is_asked_for_in_either_vocabulary() -> None:
    asked = parse("avgAUC/buy:click", "fuxictr")
    assert (asked.name, asked.k, asked.feedback, asked.by) == ("avgauc", None, "buy", "click")
    assert str(asked) == "avgauc(fuxictr)/buy:click"
    asked = parse("RecipRank@20", "lenskit")
    assert (asked.name, asked.k, str(asked)) == ("mrr", 20, "mrr@20(lenskit)")
    assert asked.definition == (
        "dialect=LensKit 2025.8.1; there=RecipRank@20; beyond k=0; users without relevant=0; "
        "source=lenskit/metrics/ranking/_recip.py RecipRank.measure_list"
    )


def test_definitions_are_unique_and_name_the_library() -> None:
    requests = [
        parse(f"{name}@9" if isinstance(metric, TopKMetric) else name, dialect.name)
        for dialect in DIALECTS.values()
        for name, metric in dialect.metrics.items()
    ]
    assert len({request.definition for request in requests}) == len(set(map(str, requests))) == len(requests)
    for request in requests:
        dialect = DIALECTS[request.dialect]
        assert dialect.version in request.definition
        assert dialect.metrics[request.name].source in request.definition
        assert "\n" not in request.definition


@pytest.mark.parametrize(
    ("name", "word", "message"),
    [
        ("lenskit", "auc", "LensKit 2025.8.1 has no auc; it has recall, precision, hr, mrr, ndcg, map"),
        ("fuxictr", "recall@10", "FuxiCTR 2.3.10 has no recall"),
        ("recbole", "recall", "write for example `recall@50`"),
        ("recbole", "recall@0", "expected a cut-off from 1 to 10000, found `0`"),
        ("recbole", "gauc@5", "write `gauc`"),
        ("cornac", "mrr@10", "mrr of Cornac 3.0.1 has no cut-off; write `mrr`"),
        ("recbole", "gauc(mean)", "--dialect recbole, which fixes the variant"),
    ],
)
def test_what_a_library_does_not_have_is_refused(name: str, word: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(word, name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean `recbole`"):
        parse("auc", "recbol")


@pytest.mark.parametrize("word", ["auc", "gauc(gnolr)", "recall@5(capped):click", "ndcg@3"])
@pytest.mark.parametrize("dialect", [None, "gnolr"])
def test_a_value_gives_back_its_request(word: str, dialect: str | None) -> None:
    if dialect is not None:
        word = word.replace("(gnolr)", "").replace("(capped)", "")
    request = parse(word, dialect)
    assert request_of(str(request), signature(request, Protocol("toy@0", "test"), 9)) == request
