from __future__ import annotations

from pathlib import Path

import pytest

from recbench.errors import UsageError
from recbench.plots.critical_difference import draw, mean_ranks
from recbench.results.store import Store
from tests.plots.conftest import Add


def test_what_a_test_does_not_tell_apart_is_said_and_drawn(store: Store, add: Add, tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    for number in range(8):
        for place, loss in enumerate(("bce", "bpr", "gnolr")):
            value = 0.5 + place / 10 if loss == "gnolr" or number % 2 else 0.5 - place / 10  # bce and bpr take turns
            add({("auc", "view"): value}, loss=loss, dataset=f"data{number}", feedback=("view",))
    found = mean_ranks(store, "auc")
    assert [(method.method, method.mean_rank) for method in found.methods] == [
        ("gnolr × mf", 1.0), ("bce × mf", 2.5), ("bpr × mf", 2.5),
    ]  # fmt: skip
    assert found.critical == pytest.approx(2.343 * (3 * 4 / (6 * 8)) ** 0.5, rel=1e-3)  # 1.17: less than 1.5
    assert [method.alike for method in found.methods] == ["", "bpr × mf", "bce × mf"]
    for name in ("a.png", "a.svg"):
        draw(found, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000


def test_few_datasets_are_drawn_without_a_test(store: Store, add: Add, tmp_path: Path) -> None:
    for dataset in ("one", "two"):
        for loss, value in (("bce", 0.5), ("bpr", 0.6)):
            add({("auc", "view"): value}, loss=loss, dataset=dataset, feedback=("view",))
    found = mean_ranks(store, "auc")
    assert (found.p, found.critical, [method.alike for method in found.methods]) == (None, None, ["", ""])
    draw(found, tmp_path / "a.png")


def test_one_dataset_is_refused(store: Store, add: Add) -> None:
    add({("auc", "view"): 0.5}, loss="bce", feedback=("view",))
    add({("auc", "view"): 0.6}, loss="bpr", feedback=("view",))
    with pytest.raises(UsageError, match="no two methods have auc on two datasets"):
        mean_ranks(store, "auc")
