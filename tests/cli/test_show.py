from __future__ import annotations

import pytest

from tests.conftest import Run


@pytest.fixture
def trained(prepared: Run) -> Run:
    assert prepared("train", "--loss", "bce", "--backbone", "mf", "--epochs", "2").code == 0
    assert prepared("eval", "--metric", "auc", "--metric", "recall@5").code == 0
    return prepared


def test_show(trained: Run) -> None:
    told = trained("show")
    assert told.code == 0, told.err
    for word in (
        "bce × mf on synthetic/global",
        "recbench train --loss bce",
        "epochs: 2 (not the default)",
        "torch:",
        "auc: view 0.",
    ):
        assert word in told.out
    shown = trained("show", "--json").json
    assert shown["record"]["key"]["loss"] == "bce" and len(shown["evaluations"]) == 1
    assert "no run starts with" in trained("show", "zz").err
