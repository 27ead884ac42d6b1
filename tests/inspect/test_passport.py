"""What the passport of a loss says, beside where it says it from."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from recbench.errors import UsageError
from recbench.inspect.passport import NOT_MEASURED, NOT_PRINTED, markdown, passport, report
from recbench.losses import base
from recbench.losses.base import LOSSES
from recbench.losses.ccl import CCL
from recbench.results.leaderboard_rows import LeaderboardRow
from recbench.results.published.tables import SELECTED_ON_TEST, tables
from tests.inspect.runs import run

SIGNATURE = "recall@20; candidates=catalogue(9); seen=train positives removed; search=exact"


def row(**changes: Any) -> LeaderboardRow:
    usual: dict[str, Any] = {
        **{"dataset": "gowalla-lightgcn", "split": "given", "fingerprint": "f", "loss": "ccl", "backbone": "mf"},
        **{"settings": "lr=0.1", "metric": "recall@20", "feedback": "visit", "mean": 0.17, "sd": 0.002, "seeds": 2},
        **{"values": [0.17, 0.17], "seconds": 1.0, "curve": [], "signature": SIGNATURE, "run": "r", "runs": ["r"]},
        **{"trained_on": ["visit"], "best": False, "compared": False, "bound": None, "tested": 1, "below": ""},
        **{"select": "recall@20", "valid": 0.2, "chosen": True, "settings_tried": 1, "refit": False},
    }
    return LeaderboardRow(**usual | changes)


def test_what_it_is_and_works_with() -> None:
    found = passport("ccl", [], [])
    assert found.about == inspect.getdoc(CCL) and "https://arxiv.org/abs/2109.12613" in found.about
    assert found.code == "recbench.losses.ccl"
    assert found.settings == base.defaults(LOSSES.get("ccl")) and found.settings["margin"] == 0.9
    assert {"mf", "simplex", "lightgcn"} <= set(found.backbones)
    assert "pool" in found.samplers and "catalogue" not in found.samplers
    assert found.verify == "recbench verify loss ccl"
    assert (report(found)["published"], report(found)["measured"]) == (NOT_PRINTED, NOT_MEASURED)
    assert passport("directau", [], []).samplers == ()  # its own slates alone


def test_what_is_printed_of_it_and_why_it_does_not_compare() -> None:
    printed = {(of.dataset, of.method): of for of in passport("ccl", list(tables().values()), []).published}
    assert len(printed) == 6
    found = printed["gowalla-lightgcn", "MF-CCL"]
    assert found.values == {"recall@20": "0.1837", "ndcg@20": "0.1493"}
    assert (found.place, found.incomparable) == ("simplex/table1", (SELECTED_ON_TEST,))
    assert "loss.negatives=800" in found.settings
    (in_percent,) = [of for of in passport("til-mi", list(tables().values()), []).published if of.backbone == "mgccf"][
        :1
    ]
    assert in_percent.values["recall@20"].endswith(" %")


def test_what_was_measured_is_what_validation_chose() -> None:
    rows = [
        row(),
        row(metric="ndcg@20", mean=0.14, sd=None, signature=SIGNATURE.replace("recall", "ndcg")),
        row(backbone="simplex", settings="", mean=0.18),
        row(settings="lr=1.0", mean=0.99, chosen=False),
        row(loss="bpr", mean=0.98),
        row(mean=None, metric="recall@50"),
    ]
    first, second = passport("ccl", [], rows).measured
    assert (first.backbone, first.settings) == ("mf", ("lr=0.1",))
    assert first.values == {"recall@20": "0.1700 ± 0.0020", "ndcg@20": "0.1400"}
    assert (second.backbone, second.values["recall@20"]) == ("simplex", "0.1800 ± 0.0020")
    line = "gowalla-lightgcn/given, visit: ccl × simplex: recall@20 0.1800 ± 0.0020, 2 seeds"
    assert line in report(passport("ccl", [], rows))["measured"]  # type: ignore[operator]


def test_in_markdown_reasons_stand_once_below_the_table() -> None:
    text = markdown(passport("ccl", [tables()["simplex/table1"]], [row()]))
    assert text.startswith("### `ccl`") and "| `loss.margin` | `0.9` | number |" in text
    assert text.count(SELECTED_ON_TEST) == 1 and text.count("| (1) |") == 6
    assert "| gowalla-lightgcn/given | gowalla-lightgcn, visit | ccl × mf | lr=0.1 | recall@20 0.1700" in text
    assert text.endswith("`recbench verify loss ccl`\n")


def test_a_loss_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="did you mean `ccl`"):
        passport("cccl", [], [])


def test_what_was_measured_stands_beside_what_was_printed_with_each_reason_once() -> None:
    found = passport("ccl", [tables()["simplex/table1"]], [row()], {"r": run(loss="ccl")})
    (beside,) = [of for of in found.beside if of.metric == "recall@20" and of.method == "MF-CCL"]
    assert (beside.reported, beside.mean, beside.verdict) == (0.1837, 0.17, "not comparable")
    lines = report(found)["printed and measured"]
    assert isinstance(lines, list) and sum(SELECTED_ON_TEST in line for line in lines) == 1
    assert "0.1837 printed, 0.1700 ± 0.0000 measured: not comparable (1)" in " ".join(lines)
    assert "#### Printed and measured\n\n- simplex/table1, MF-CCL × mf" in markdown(found)
    assert "sensitivity" not in report(found) and "cost" not in report(found)
