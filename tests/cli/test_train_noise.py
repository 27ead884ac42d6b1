from __future__ import annotations

from recbench.home import results_home
from tests.conftest import Run


def test_noise_changes_the_run_and_is_shown(prepared: Run) -> None:
    words = ("train", "--loss", "bpr", "--backbone", "lightgcn", "--epochs", "1", "--set", "train.refit=true")
    assert prepared(*words).code == 0
    assert prepared(*words, "--noise", "pos=0.5,neg=0.5").code == 0
    records = list(results_home().rglob("record.json"))
    assert len(records) == 2
    held = ["train.noise" in record.read_text() for record in records]
    assert sorted(held) == [False, True]  # without noise the key has no word of it
    assert prepared("eval", "--metric", "auc").code == 0
    assert "noise=pos=0.5,neg=0.5" in prepared("leaderboard", "--json").json[0]["settings"]


def test_noise_of_nothing(prepared: Run) -> None:
    told = prepared("train", "--loss", "bpr", "--noise", "pos=-1")
    assert told.code == 2 and "noise pos=-1.0: expected a share from 0 to 1" in told.err and told.err.count("\n") <= 2
