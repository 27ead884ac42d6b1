"""What is evaluated again of what is on record."""

from __future__ import annotations

from recbench.evaluation.request import parse
from recbench.home import results_home
from recbench.results.store import Store
from recbench.run.evaluate import EvalOptions, evaluate_run
from tests.conftest import Run


def test_only_what_is_not_on_record_by_the_same_definition(prepared: Run) -> None:
    assert prepared("train", "--loss", "bpr", "--backbone", "mf", "--epochs", "1").code == 0
    assert prepared("eval", "--metric", "auc", "--metric", "recall@5", "--keep-seen", "--no-baselines").code == 0
    store = Store(results_home())
    record = store.latest()
    options = EvalOptions(only_missing=True)

    def measured(*words: str) -> set[str]:
        return {value.metric for value in evaluate_run(record, store, list(map(parse, words)), options).values}

    assert measured("auc") == set()
    assert measured("auc", "recall@5") == {"recall@5"}  # whose definition names what a user has seen
    assert measured("auc", "recall@5") == set()
