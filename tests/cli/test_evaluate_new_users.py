"""Split `users` from the command line: new users with a history, seen items kept or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import facsimile
from tests.conftest import Run


@pytest.fixture
def books(run: Run, tmp_path: Path) -> Run:
    facsimile.write("amazon-books", tmp_path / "raw", 8000)
    assert run("prepare", "amazon-books", "--raw", str(tmp_path / "raw")).code == 0
    return run


def test_new_users_from_the_command_line(books: Run) -> None:
    common = ("--select", "recall@50", "--epochs", "2", "--dataset", "amazon-books/users")
    values = {}
    for backbone in ("ytdnn", "mf"):
        told = books("train", "--loss", "croloss", "--backbone", backbone, *common)
        assert told.code == 0, told.err
        for words in ((), ("--keep-seen",)):
            told = books("eval", "--metric", "recall@50", *words, "--json")
            assert told.code == 0, told.err
            assert ("vectors of new users: least squares against item vectors" in told.err) == (backbone == "mf")
            (values[backbone, bool(words)],) = told.json
    removed, kept = values["ytdnn", False], values["ytdnn", True]
    assert "rows=test; history=first 80% of held-out rows; candidates=catalogue" in removed["signature"]
    assert "seen=train+valid+history positives removed" in removed["signature"]
    assert "seen=kept; search=exact" in kept["signature"]
    assert removed["counted"] == values["mf", False]["counted"] > 0
    assert kept["counted"] >= removed["counted"]
    assert values["mf", False]["signature"] == removed["signature"]  # of one definition, however users get vectors
    told = books("compare", "croloss/ytdnn", "croloss/mf")
    assert told.code == 0, told.err


def test_backbones_without_vectors_of_new_users_are_refused(books: Run, tmp_path: Path) -> None:
    told = books("train", "--loss", "bpr", "--backbone", "lightgcn", "--dataset", "amazon-books/users")
    assert told.code == 2
    assert "backbone `lightgcn` has no vectors of users without training rows" in told.err
    assert "amazon-books/users; choose one of autoencoder, " in told.err and " mf, " in told.err
    assert not list((tmp_path / "results").rglob("*.json"))


def test_whole_lists_are_refused(books: Run) -> None:
    told = books("train", "--loss", "listnet", "--backbone", "ytdnn", "--epochs", "1")
    assert told.code == 2
    assert "backbone `ytdnn` needs the training row that each slate stands for" in told.err
    assert "see `recbench list losses` for the pairs that work" in told.err
