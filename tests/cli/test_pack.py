from __future__ import annotations

import json
from pathlib import Path

import pytest

from recbench.losses.base import LOSSES
from tests.cli.own_loss import OWN_LOSS
from tests.conftest import Run, forget_imports


@pytest.fixture
def trained(prepared: Run) -> Run:
    assert prepared("train", "--loss", "bce", "--backbone", "mf", "--epochs", "2").code == 0
    assert prepared("eval", "--metric", "auc", "--metric", "recall@5").code == 0
    return prepared


def test_a_run_replays_to_the_same_numbers(trained: Run, tmp_path: Path) -> None:
    path = tmp_path / "a run.json"
    packed = trained("pack", "-o", str(path))
    assert packed.code == 0 and packed.out.endswith(f"; `recbench replay '{path}'` trains it again\n")
    told = trained("replay", str(path), "--json", "--tolerance", "0")
    assert told.code == 0, told.err
    assert [line["number"] for line in told.json] == ["valid auc", "best epoch", "auc/view", "recall@5/view"]
    assert all(line["difference"] == 0 for line in told.json)
    assert "equal" in trained("replay", str(path)).out


def test_numbers_of_other_libraries_of_kept_items_and_of_samples_replay_too(trained: Run, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    assert trained("eval", "--dialect", "recbole", "--metric", "recall@5").code == 0
    assert trained("eval", "--metric", "recall@5", "--keep-seen").code == 0
    assert trained("eval", "--metric", "coverage@5", "--candidates", "sampled:5").code == 0
    trained("pack", "-o", str(path))
    told = trained("replay", str(path), "--json", "--tolerance", "0")
    assert told.code == 0, told.err
    assert {line["number"] for line in told.json} >= {"recall@5/view", "recall@5(recbole)/view", "coverage@5/view"}
    assert all(line["difference"] == 0 for line in told.json)


def test_what_differs_is_said(trained: Run, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    trained("pack", "-o", str(path))
    packed = json.loads(path.read_text())
    packed["record"]["valid"] += 0.1
    del packed["sha256"]
    packed["record"]["versions"]["torch"] = "0.1"
    path.write_text(json.dumps(packed))
    told = trained("replay", str(path))
    assert told.code == 1 and "differs" in told.out and "torch was 0.1" in told.err


def test_a_pack_that_cannot_be_written_says_what_to_do(prepared: Run, tmp_path: Path) -> None:
    own = tmp_path / "mine.py"
    own.write_bytes(b"# -*- coding: latin-1 -*-\n# d\xe9j\xe0\n" + OWN_LOSS.encode())
    assert prepared("train", "--import", str(own), "--loss", "mine", "--backbone", "mf", "--epochs", "1").code == 0
    told = prepared("pack")
    assert (told.code, told.err) == (
        1,
        f"error: {own}: not UTF-8, as a pack must be; save it so, train again, then pack\n",
    )
    forget_imports()
    assert prepared("train", "--loss", "bce", "--backbone", "mf", "--epochs", "1").code == 0
    told = prepared("pack", "bce", "-o", str(own / "run.json"))
    assert told.code == 1 and told.err.endswith("cannot be written (File exists); choose another -o\n")


def test_a_pack_carries_the_user_s_own_loss(prepared: Run, tmp_path: Path) -> None:
    own = tmp_path / "mine.py"
    own.write_text(OWN_LOSS)
    assert prepared("train", "--import", str(own), "--loss", "mine", "--backbone", "mf", "--epochs", "1").code == 0
    path = tmp_path / "run.json"
    assert prepared("pack", "-o", str(path)).code == 0
    own.unlink()
    forget_imports()
    refused = prepared("replay", str(path))
    assert (refused.code, "mine" in LOSSES.names()) == (2, False)
    assert "mine.py, whose code is run only if you say so: add --import mine.py, or --trust" in refused.err
    told = prepared("replay", str(path), "--tolerance", "0", "--trust")
    assert told.code == 0, told.err + told.out
    assert "missing or changed" in prepared("pack", "-o", str(path)).err


def test_what_is_no_pack(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    for name, reason, code in (("x.json", "damaged", 1), ("none.json", "no such file", 2)):
        result = run("replay", str(tmp_path / name))
        assert result.code == code and reason in result.err and result.err.count("\n") == 1
