from dataclasses import replace

import pytest

from recbench.data.dataset import Dataset
from recbench.evaluation.metric import METRICS, TopKMetric
from recbench.evaluation.request import parse
from recbench.evaluation.signature import Protocol, signature

PROTOCOL = Protocol("ml-1m/user@1a2b3c4d5e6f", "test", "train+valid")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("auc", "auc; rows=test; ties=half; one-class=undefined; data=ml-1m/user@1a2b3c4d5e6f"),
        (
            "gauc(gnolr)",
            "gauc(gnolr); rows=test; weight=1; one-class=0.5; ties=half; data=ml-1m/user@1a2b3c4d5e6f",
        ),
        (
            "recall@50",
            "recall@50; rows=test; candidates=catalogue(3706); seen=train+valid positives removed; search=exact; "
            "users=with relevant; ties=item order; denominator=relevant; data=ml-1m/user@1a2b3c4d5e6f",
        ),
    ],
)
def test_lines(word: str, expected: str) -> None:
    assert signature(parse(word), PROTOCOL, 3706) == expected


def test_equal_definitions_have_equal_lines() -> None:
    assert signature(parse("GAUC(impressions)/buy"), PROTOCOL, 5) == signature(parse("gauc"), PROTOCOL, 5)
    assert signature(parse("auc"), replace(PROTOCOL, index="hnsw", seen="train"), 5) == signature(
        parse("auc"), PROTOCOL, 6
    )


def test_other_definitions_have_other_lines() -> None:
    words = []
    for name in METRICS.names():
        metric = METRICS.get(name)
        words += [f"{name}@5({v})" if issubclass(metric, TopKMetric) else f"{name}({v})" for v in metric.variants]
    lines = {signature(parse(word), PROTOCOL, 9) for word in words}
    request = parse("recall@5")
    lines |= {
        signature(request, replace(PROTOCOL, candidates="rows"), 9),
        signature(request, replace(PROTOCOL, seen="train"), 9),
        signature(request, replace(PROTOCOL, part="valid"), 9),
        signature(request, replace(PROTOCOL, data="x"), 9),
        signature(request, PROTOCOL, 10),
        signature(request, PROTOCOL, 9, "hnsw"),
        signature(parse("recall@6"), PROTOCOL, 9),
    }
    assert len(lines) == len(words) + 7
    assert all("\n" not in line for line in lines)


def test_a_metric_of_levels_names_them(toy: Dataset) -> None:
    """Levels made of one kind of feedback and of three are different definitions."""
    dense = toy.feedback[0]
    signatures = [
        signature(parse("cindex"), Protocol.of(data, "test"), items=40) for data in (toy, toy.narrow([dense]))
    ]
    assert f"levels={'<'.join(toy.feedback)}; " in signatures[0]
    assert f"levels={dense}; " in signatures[1]
