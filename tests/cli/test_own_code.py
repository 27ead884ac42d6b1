"""Code that a record brings along is run only if the user says so."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from recbench.home import results_home
from tests.cli.own_loss import OWN_LOSS
from tests.conftest import Run, forget_imports

COMMANDS = [
    ("eval", "--metric", "auc", "--no-baselines"),
    ("rescore", "--metric", "gauc"),
    ("card", "--k", "5"),
    ("export", "-o", "exported"),
    ("plot", "angles"),
    ("plot", "recall-curve", "--k", "7"),
]


@pytest.fixture
def own(prepared: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's loss with which a run was trained and evaluated; each import of it leaves a trace."""
    file = tmp_path / "mine.py"
    file.write_text(f"{OWN_LOSS}\nfrom pathlib import Path\nPath({str(tmp_path / 'trace')!r}).touch()\n")
    monkeypatch.chdir(tmp_path)
    words = ("train", "--import", str(file), "--loss", "mine", "--backbone", "mf", "--epochs", "1")
    assert prepared(*words).code == 0
    assert prepared("eval", "--metric", "auc", "--metric", "recall@5", "--no-baselines").code == 0
    _forget(tmp_path)
    yield file


def _forget(folder: Path) -> None:
    forget_imports()
    (folder / "trace").unlink(missing_ok=True)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: "-".join(words[:2]))
def test_a_record_s_code_is_not_run_unasked(prepared: Run, own: Path, words: tuple[str, ...]) -> None:
    told = prepared(*words)
    assert (told.code, len(told.err.splitlines()[-1:])) == (2, 1)
    assert f"add --import {own}, or --trust" in told.err
    assert not (own.parent / "trace").exists()


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: "-".join(words[:2]))
@pytest.mark.parametrize("how", ["--trust", "--import"])
def test_it_is_run_if_the_command_says_so(prepared: Run, own: Path, words: tuple[str, ...], how: str) -> None:
    told = prepared(*words, *((how,) if how == "--trust" else (how, str(own))))
    assert told.code == 0, told.err
    assert (own.parent / "trace").exists()


@pytest.mark.parametrize("answer", [True, False])
def test_a_terminal_asks(prepared: Run, own: Path, monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    asked = []

    def confirm(question: str, err: bool) -> bool:
        asked.append(question)
        return answer

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(typer, "confirm", confirm)
    monkeypatch.setattr(
        sys.modules["recbench.cli.own_code"], "sys", type("System", (), {"stdin": Terminal(), "stderr": Terminal()})
    )
    assert prepared("rescore", "--metric", "auc").code == (0 if answer else 2)
    assert len(asked) == 1 and str(own) in asked[0]
    assert (own.parent / "trace").exists() == answer


def test_trust_is_for_the_file_that_the_run_was_trained_with(prepared: Run, own: Path) -> None:
    own.write_text(own.read_text() + "\nCHANGED = True\n")
    for words in (("--trust",), ("--import", str(own))):
        _forget(own.parent)
        told = prepared("eval", "--metric", "auc", *words)
        assert told.code == 1 and "mine.py has changed since the run began" in told.err


def test_a_record_that_names_another_file_runs_nothing(prepared: Run, own: Path) -> None:
    other = own.with_name("other.py")
    other.write_text(f"from pathlib import Path\nPath({str(own.parent / 'trace')!r}).touch()\n")
    path = next(results_home().rglob("record.json"))
    record = json.loads(path.read_text())
    record["imports"] = [str(other)]
    del record["sha256"]
    path.write_text(json.dumps(record))
    assert prepared("eval", "--metric", "auc").code == 2
    assert prepared("eval", "--metric", "auc", "--trust").code == 1  # its digest is not in the run's key
    assert not (own.parent / "trace").exists()


def test_compare_names_the_file_that_eval_needs(prepared: Run, own: Path) -> None:
    prepared("train", "--import", str(own), "--loss", "mine", "--backbone", "twintower", "--epochs", "1")
    told = prepared("compare", "mine/mf", "mine/twintower")
    assert told.code == 2 and f" --import {own}`" in told.err


def test_compare_names_the_settings_of_a_loss_that_nobody_imports(prepared: Run, own: Path) -> None:
    words = ("train", "--import", str(own), "--loss", "mine", "--backbone", "mf", "--epochs", "1", "--lr", "0.5")
    assert prepared(*words).code == 0
    assert prepared("eval", "--metric", "auc", "--no-baselines").code == 0
    _forget(own.parent)
    told = prepared("compare", "mine", "popularity")
    assert told.code == 2 and "mine fits 2 methods; name one of them: mine/mf+lr=0." in told.err
    assert "mine/mf+lr=0.5" in told.err
    assert not (own.parent / "trace").exists()


def test_the_card_of_a_loss_names_the_file_that_it_is_in(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN_LOSS)
    told = run("card", "--loss", "mine", "--import", str(tmp_path / "mine.py"), "--json")
    forget_imports()
    assert told.json["code"] == "mine.py"
