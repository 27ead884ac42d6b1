from __future__ import annotations

from pathlib import Path

from recbench.inspect.conformance import CHECKS
from tests.cli.own_loss import OWN_LOSS
from tests.conftest import Run


def test_a_loss_of_one_s_own(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(OWN_LOSS)
    told = run("verify", "loss", str(path))
    assert told.code == 0, told.out + told.err
    assert "learns" in told.out and "17 checks hold, 4 do not apply" in told.out


def test_what_fails_is_named(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(OWN_LOSS.replace("batch.mean(", "1 * (").replace("0]))", "0])).mean()").replace(", Cox 1958", ""))
    told = run("verify", "loss", str(path), "--json")
    assert told.code == 1 and not told.err
    outcomes = {outcome["check"]: outcome for outcome in told.json}
    assert list(outcomes) == list(CHECKS)
    failed = {"documented", "padding", "masked-slates"}
    assert {name for name, outcome in outcomes.items() if outcome["outcome"] == "fails"} == failed
    assert "as Batch.mean does" in outcomes["padding"]["message"]
    assert "3 of 21 checks fail" in run("verify", "loss", "mine").out


def test_what_cannot_be_verified(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty.py"
    empty.write_text("x = 1\n")
    for word, message in [
        (str(empty), "registers no loss"),
        (str(tmp_path / "none.py"), "no such file"),
        ("gnolx", "did you mean `gnolr`"),
    ]:
        told = run("verify", "loss", word)
        assert told.code == 2 and message in told.err and told.err.count("\n") == 1


def test_what_a_loss_raises_is_told_once_with_its_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(OWN_LOSS.replace("towers.logit[", "towers.logits["))
    told = run("verify", "loss", str(path))
    assert told.code == 1
    line = 1 + OWN_LOSS[: OWN_LOSS.index("return")].count("\n")
    assert told.out.count(f"object has no attribute 'logits' (mine.py, line {line})") == 1
    assert "fails   stable           as `finite`" in told.out
