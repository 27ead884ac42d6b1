"""How a metric of another library is asked for, and how it is named."""

import pytest

from recbench.errors import UsageError
from recbench.evaluation.dialects import DIALECTS, TopRule, dialect


def test_a_metric_is_asked_for_in_either_vocabulary() -> None:
    asked = dialect("fuxictr").ask("avgAUC/buy:click")
    assert (asked.metric, asked.k, asked.feedback, asked.by) == ("avgauc", None, "buy", "click")
    assert str(asked) == "avgauc(fuxictr)/buy:click"
    asked = dialect("lenskit").ask("RecipRank@20")
    assert (asked.metric, asked.k, str(asked)) == ("mrr", 20, "mrr@20(lenskit)")
    assert asked.definition == (
        "dialect=LensKit 2025.8.1; there=RecipRank@20; beyond k=0; users without relevant=0; "
        "source=lenskit/metrics/ranking/_recip.py RecipRank.measure_list"
    )


def test_definitions_are_unique_and_name_the_library() -> None:
    asked = [
        one.ask(f"{m}@9" if isinstance(r, TopRule) else m) for one in DIALECTS.values() for m, r in one.rules.items()
    ]
    assert len({one.definition for one in asked}) == len({str(one) for one in asked}) == len(asked)
    for one in asked:
        assert one.dialect.version in one.definition
        assert one.rule.source in one.definition
        assert "\n" not in one.definition


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
        dialect(name).ask(word)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean `recbole`"):
        dialect("recbol")
