"""A word for runs means the same in every command: the matrix of commands and forms."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recbench.cli.options import each_run, names
from recbench.errors import UsageError
from recbench.home import results_home
from recbench.plots import angles, curves, importance, recall_curve, series
from recbench.results.json_structs import encode
from recbench.results.record import Pack, RunRecord
from recbench.results.store import Store
from recbench.run import export
from recbench.study import replay
from recbench.terminal import as_json_text
from tests.conftest import Run, type_command

QUICK = ("--backbone", "mf", "--feedback", "view", "--set", "backbone.dim=4", "--epochs", "1")
AUC = ("--metric", "auc")


@pytest.fixture(scope="module")
def results(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of bce on bare cosines with two seeds, with a learned scale, which is tagged, and of bpr, all evaluated."""
    root = tmp_path_factory.mktemp("results") / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECBENCH_HOME", str(small_home))
        patch.setenv("RECBENCH_RESULTS", str(root))
        type_command("train", "--loss", "bce", "--set", "loss.logit=bare", "--seeds", "2", *QUICK)
        type_command("train", "--loss", "bce", *QUICK)
        type_command("train", "--loss", "bpr", *QUICK)
        assert type_command("eval", "--run", "all", *AUC, "--no-baselines").code == 0
        assert type_command("runs", "bce/mf+logit=learned", "--tag", "mine").code == 0
    return root


@pytest.fixture
def evaluated(run: Run, results: Path, small_home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Types a command on a copy of these runs."""
    shutil.copytree(results, results_home())
    monkeypatch.setenv("RECBENCH_HOME", str(small_home))
    return run


def meant() -> dict[str, set[str]]:
    """What each form of a word means, found out without the words: digests of runs."""
    records = [record for record, _ in Store(results_home()).runs()]

    def those(condition: Callable[[Any], bool]) -> set[str]:
        return {record.key.digest for record in records if condition(record)}

    bare = those(lambda record: record.key.loss == "bce" and record.key.settings["loss.logit"] == "bare")
    learned = those(lambda record: record.key.settings.get("loss.logit") == "learned")
    newest = max(records, key=lambda record: record.finished)
    best = max(records, key=lambda record: record.valid)
    assert (len(bare), len(learned), newest.key.loss) == (2, 1, "bpr")
    return {
        newest.key.digest[:7]: {newest.key.digest},
        "bpr": {newest.key.digest},
        "bpr/mf": {newest.key.digest},
        "bce": bare | learned,
        "bce/mf+logit=learned": learned,
        "bce+loss.logit=bare+backbone.dim=4": bare,
        "latest": {newest.key.digest},
        "best": {best.key.digest} if best.select == newest.select else set(),
        "mine": learned,
        "synthetic": bare | learned | {newest.key.digest},
        "synthetic/global": bare | learned | {newest.key.digest},
    }


def runs_of(lines: list[dict[str, Any]]) -> set[str]:
    return {digest for line in lines for digest in line.get("runs", [line.get("run")])}


def json_of(*words: str) -> Callable[[Run, str], set[str]]:
    return lambda run, word: runs_of(run(*(word if part == "RUN" else part for part in words), "--json").json)


SEVERAL = {
    "runs": json_of("runs", "RUN"),
    "eval": json_of("eval", "--run", "RUN", *AUC, "--no-baselines"),
    "rescore": json_of("rescore", "--run", "RUN", *AUC),
    "card": json_of("card", "--run", "RUN", "--k", "5"),
    "plot curves": json_of("plot", "curves", "--run", "RUN", "-o", "x.svg"),
    "plot recall-curve": json_of("plot", "recall-curve", "--run", "RUN", "--k", "5", "-o", "x.svg"),
    "leaderboard": json_of("leaderboard", "RUN"),
}


@pytest.mark.parametrize("command", SEVERAL)
def test_of_several_runs(command: str, evaluated: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    drawn: list[Any] = []
    monkeypatch.setattr(curves, "draw", lambda *_: None)
    monkeypatch.setattr(recall_curve, "panels", lambda records, *_: drawn.append({r.key.digest for r in records}) or [])
    monkeypatch.setattr(series, "draw", lambda *_: None)
    for word, digests in meant().items():
        found = SEVERAL[command](evaluated, word)
        expected = with_all_seeds(digests) if command == "leaderboard" else digests
        assert (drawn.pop() if command == "plot recall-curve" else found) == expected, word


def with_all_seeds(digests: set[str]) -> set[str]:
    """What a line of the board stands for."""
    keys = [record.key for record, _ in Store(results_home()).runs()]
    groups = {key.group for key in keys if key.digest in digests}
    return {key.digest for key in keys if key.group in groups}


ONE = {
    "show": ("show", "RUN", "--json"),
    "pack": ("pack", "RUN", "-o", "pack.json"),
    "replay": ("replay", "RUN"),
    "export": ("export", "RUN", "-o", "."),
    "plot angles": ("plot", "angles", "--run", "RUN"),
    "plot importance": ("plot", "importance", "--run", "RUN"),
}


@pytest.mark.parametrize("command", ONE)
def test_of_one_run(command: str, evaluated: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several it is the latest, and a note says so."""
    taken: list[RunRecord] = []

    def take(record: RunRecord | Pack, *_: Any, **__: Any) -> list[Any]:
        taken.append(record.record if isinstance(record, Pack) else record)
        return []

    for module, name in ((export, "export_run"), (angles, "spaces"), (importance, "distributions"), (replay, "replay")):
        monkeypatch.setattr(module, name, take)
    for module in (angles, importance):
        monkeypatch.setattr(module, "draw", lambda *_: None)
    monkeypatch.setattr(Store, "pack", lambda _, record, path: [take(record), path.touch(), path][2])
    monkeypatch.chdir(tmp_path)
    for word, digests in meant().items():
        result = evaluated(*(word if part == "RUN" else part for part in ONE[command]))
        assert result.code == 0, result.err
        digest = taken.pop().key.digest if taken else shown(result.json)
        records = [record for record, _ in Store(results_home()).runs() if record.key.digest in digests]
        assert digest == max(records, key=lambda record: record.finished).key.digest, word
        assert (f"{word}: the latest of {len(digests)} runs, {digest}" in result.err) == (len(digests) > 1)


@pytest.mark.parametrize("word", ["bce/mf+logit=learned", "mine", "best", "latest"])
def test_of_methods_that_are_compared(word: str, evaluated: Run) -> None:
    (digest,) = meant()[word]
    methods = meant()
    (other,) = methods["bpr" if digest not in methods["bpr"] else "bce/mf+logit=learned"]
    by_digest = evaluated("compare", digest, other, "--json")
    assert evaluated("compare", word, other, "--json").out == by_digest.out != ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show", "bce+logit=learnt"), "no run of bce has logit=learnt; `recbench runs bce` shows what they have"),
        (("eval", "--run", "bce/mf+dim=5"), "no run of bce/mf has dim=5"),
        (("compare", "bpr", "bce"), "bce fits 2 methods; name one of them: bce/mf+logit="),
        (("show", "bce+colour=none"), "no run of bce has colour=none"),
        (("eval", "--dataset", "ml-1m"), "no run is on ml-1m; there are runs on synthetic/global"),
        (("eval", "--dataset", "ml-1m", "--run", "best"), "no run is on ml-1m; there are runs on synthetic/global"),
        (("eval", "--dataset", "ml-1m", "--run", "bpr"), "no run of bpr is on ml-1m"),
        (
            ("train", "--loss", "softmargin"),
            "did you mean `softmax`? for one of your own add --import FILE.py; known: ",
        ),
        (("compare", "bpr", "bce+logit=fixed"), "no run of bce has logit=fixed"),
        (("leaderboard", "synthetic/user"), "no run starts with `synthetic/user`, and no method, dataset or tag"),
        (("runs", "bpr", "--dataset", "ml-1m"), "no run of bpr is on ml-1m; `recbench runs bpr` shows where they are"),
        (("runs", "bpr", "--tag", "synthetic"), "--tag synthetic: expected a letter"),
        (("leaderboard", "bpr", "--against", "gnolr/table2"), "--against shows all that a table has; leave out bpr"),
        (("replay", "none.json"), "none.json: no such file; `recbench pack` writes one"),
    ],
)
def test_what_cannot_be_meant(words: tuple[str, ...], message: str, evaluated: Run) -> None:
    result = evaluated(*words)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert message in result.err


def test_names_are_joined_by_single_commas() -> None:
    assert names("bce, bpr,bce") == ("bce", "bpr") and names(None) == ()
    for words in ("bce,,bpr", ",bce", "bce,", ","):
        with pytest.raises(UsageError, match=f"`{words}`: a name is missing beside a comma"):
            names(words)
    assert each_run(["bce+pos_weight=1,2,bpr", "0bc13ddb,3f2a"]) == ["bce+pos_weight=1,2", "bpr", "0bc13ddb", "3f2a"]


def test_several_in_one_option(evaluated: Run) -> None:
    both = runs_of(evaluated("rescore", "--run", "bpr,bce", "--metric", "auc,gauc", "--json").json)
    assert both == runs_of(evaluated("runs", "bpr,bce", "--json").json)


def test_words_on_several_datasets_are_those_of_the_latest_or_of_the_one_that_is_asked_for(evaluated: Run) -> None:
    store = Store(results_home())
    record = store.named("bpr")[0]
    other = replace(record, key=replace(record.key, dataset="other", seed=5), finished="2999-01-01T00:00:00.000000Z")
    store.write_record(other)
    assert runs_of(evaluated("runs", "bpr", "--json").json) == {other.key.digest, record.key.digest}
    told = evaluated("plot", "curves", "--run", "bpr", "--format", "csv").err
    assert "bpr: its runs on other/global, the latest; `recbench runs bpr` lists those on synthetic/global" in told
    assert told == evaluated("show", "bpr").err
    assert runs_of(evaluated("runs", "bpr", "--dataset", "synthetic", "--json").json) == {record.key.digest}
    assert runs_of(evaluated("runs", "other", "--json").json) == {other.key.digest}
    for words in ((), ("--run", "latest"), ("--run", "bpr")):
        asked = evaluated("rescore", "--dataset", "synthetic", *words, *AUC, "--json")
        assert runs_of(asked.json) == {record.key.digest}, words
    (best,) = runs_of(evaluated("rescore", "--dataset", "synthetic", "--run", "best", *AUC, "--json").json)
    assert store.find(best).key.dataset == "synthetic"
    bare = next(iter(meant_bare()))
    assert evaluated("compare", "bpr", bare, "--json").code == 0  # the evaluated one
    shutil.copytree(store.folder(record.key) / "evaluations", store.folder(other.key) / "evaluations")
    for path in (store.folder(other.key) / "evaluations").glob("*.json"):
        path.unlink()
        evaluation = replace(store.evaluations(record.key)[0], run=other.key.digest)
        store.add_evaluation(other.key, evaluation)
    refused = evaluated("compare", "bpr", bare)
    assert (
        "numbers on different data do not compare: bpr × mf on other/global, bce × mf logit=bare on synthetic"
        in refused.err
    )
    assert refused.err.endswith("; add --dataset synthetic/global\n")
    assert evaluated("compare", "bpr", bare, "--dataset", "synthetic", "--json").code == 0


def meant_bare() -> set[str]:
    keys = [record.key for record, _ in Store(results_home()).runs() if record.key.loss == "bce"]
    return {key.digest for key in keys if key.settings["loss.logit"] == "bare"}


def shown(document: dict[str, Any]) -> str:
    """The digest of the record that `show --json` printed."""
    records = [record for record, _ in Store(results_home()).runs()]
    return next(r.key.digest for r in records if json.loads(as_json_text(encode(r))) == document["record"])


def test_what_compare_offers_can_be_typed(evaluated: Run) -> None:
    listed = evaluated("compare", "bpr", "bce").err.partition("name one of them: ")[2]
    words = listed.partition(" (")[0].split(", ")
    assert sorted(words) == ["bce/mf+logit=bare", "bce/mf+logit=learned"]
    assert evaluated("compare", *words, "--json").code == 0


def test_a_setting_that_was_left_out_of_the_key_is_named_as_nothing(evaluated: Run) -> None:
    store = Store(results_home())
    plain = store.named("bpr")[0]
    settings = {**plain.key.settings, "train.row_weights": True}
    store.write_record(replace(plain, key=replace(plain.key, settings=settings)))
    (found,) = evaluated("runs", "bpr+row_weights=false", "--json").json
    (other,) = evaluated("runs", "bpr+train.row_weights=true", "--json").json
    assert found["run"] == plain.key.digest != other["run"]
