"""Which numbers of the board stand beside which published ones, and how that is printed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from recbench.errors import UsageError
from recbench.results.against import Match, impossible, match_tables, require_measured, rows_beside
from recbench.results.leaderboard_rows import collect_rows
from recbench.results.published.row import rows_table
from recbench.results.published.tables import SELECTED_ON_TEST, tables
from recbench.results.store import Store
from recbench.run import preset
from tests.results.conftest import evaluation_of, key_of, record_of

TABLE = tables()["gnolr/table2"]  # AUC of BCE, BCE*, JRC, JRC*, GNOLR; ml-1m is of split `user`, trained on like
BARE = {"loss.logit": "bare", "loss.pos_weight": 1.0}  # the settings of the row BCE
ML = {"dataset": "ml-1m", "split": "user", "feedback": ("like",), "loss": "bce", "settings": BARE}


def matches(store, name: str = "gnolr/table2") -> list[Match]:
    records = {record.key.digest: record for record, _ in store.runs()}
    found = match_tables(collect_rows(store), [tables()[name]], records)
    return [match for of_place in found.values() for match in of_place]


def measured(store, name: str = "gnolr/table2") -> dict[str, Match]:
    return {match.row.method: match for match in matches(store, name) if match.position is not None}


@pytest.fixture
def put(store, make_value):
    """Record and evaluate a run with what it reached on validation."""

    def add(value: float, valid: float = 0.7, seed: int = 0, non_default=None, **changes):
        key = key_of(**ML | {"seed": seed, "settings": BARE | (non_default or {})} | changes)
        store.write_record(record_of(key, valid=valid, non_default=non_default or {}))
        store.add_evaluation(key, evaluation_of(key, make_value(value, feedback=key.feedback[-1])))
        return key.digest

    return add


@pytest.mark.parametrize(
    ("settings", "exact"),
    [
        ({}, {"BCE"}),
        ({"loss.pos_weight": 2.0}, {"BCE*"}),
        ({"loss.pos_weight": 2.0, "train.lr": 1.0}, {"BCE*"}),
        ({"train.lr": 1.0}, {"BCE"}),
        ({"loss.pos_weight": 3.0}, set()),
        ({"loss.logit": "bare"}, {"BCE"}),
        ({"loss.logit": "learned"}, set()),
        ({"sampler.name": "uniform"}, set()),
    ],
    ids=str,
)
def test_a_published_row_is_matched_by_its_method(store, put, settings, exact):
    put(0.76, non_default=settings)
    found = measured(store)
    assert found.keys() == (exact or {"BCE", "BCE*"})  # what is neither stands beside both, and says so
    for method, match in found.items():
        printed = {"BCE": 0.7542, "BCE*": 0.7896}[method]
        assert match.row.difference == pytest.approx(0.76 - printed)
        assert match.row.reasons == (() if exact else ("the loss has other settings than in the paper",))
        near = abs(0.76 - printed) <= 0.01
        assert match.row.verdict == ("not comparable" if not exact else "matches" if near else "differs")


def test_the_rest_of_the_table_is_there_without_a_number(store, put):
    put(0.76)
    lines = [match.row for match in matches(store)]
    assert [(line.method, line.printed, line.verdict) for line in lines] == [
        ("BCE", "0.7542", "matches"),
        ("BCE*", "0.7896", "not run"),
        ("JRC", "0.7937", "not run"),
        ("JRC*", "0.7939", "not run"),
        ("GNOLR", "0.8139", "not run"),
    ]
    assert {line.mean for line in lines[1:]} == {None} and {line.data for line in lines} == {"ml-1m/user"}


def test_the_best_known_is_chosen_on_validation_never_on_test(store, put):
    for seed in range(2):
        put(0.70, valid=0.9, seed=seed, non_default={"train.lr": 0.1})
        put(0.80, valid=0.8, seed=seed, non_default={"train.lr": 0.2})
    put(0.75, valid=0.95, non_default={"train.lr": 0.3})  # best on validation, but one seed
    put(0.99, valid=0.99, non_default={"loss.logit": "learned"})  # not the paper's loss
    line = measured(store)["BCE"].row
    assert (line.mean, line.seeds, line.settings) == (pytest.approx(0.70), 2, ("lr=0.1",))
    assert measured(store)["BCE*"].row.settings == ("logit=learned",)


def test_what_was_trained_on_the_paper_s_feedback_comes_first(store, put):
    put(0.9, valid=0.9, feedback=("view", "like"))
    (digest,) = [put(0.7, valid=0.1)]
    assert measured(store)["BCE"].row.runs == (digest,)


@pytest.mark.parametrize(
    "change",
    [{"feedback": "click"}, {"metric": "gauc"}, {"dataset": "ml-20m"}, {"backbone": "mf"}, {"loss": "bpr"}],
    ids=str,
)
def test_what_is_another_quantity_is_not_matched(store, add, make_value, change):
    of_value = {name: change.pop(name) for name in ("feedback", "metric") if name in change}
    add(make_value(0.76, **{"feedback": "like"} | of_value), **ML | change)
    found = [match.row.printed for match in matches(store) if match.position is not None]
    assert found == (["0.7535"] if change.get("dataset") else [])


@pytest.mark.parametrize(
    ("signature", "same"),
    [
        ("candidates=catalogue(9); seen=train positives removed; search=exact", "removed"),
        ("candidates=catalogue(9); seen=kept; search=exact", "kept"),
        ("candidates=catalogue(9); seen=kept; search=hnsw(32)", None),
        ("candidates=rows of the user; repeated rows=best; seen=kept", None),
    ],
)
def test_ranked_lists_are_matched_by_their_candidates(store, add, make_value, signature, same):
    of = tables()["croloss/table2"]
    feedback = of.datasets["amazon-books"].feedback
    value = make_value(0.1, metric="recall@50", feedback=feedback[0], signature=f"recall@50; {signature}")
    settings = {"loss.kernel": "softplus", "loss.alpha": 1.0}
    add(value, dataset="amazon-books", feedback=feedback, loss="croloss", backbone="ytdnn", settings=settings)
    found = measured(store, "croloss/table2")
    assert list(found) == ["CROLoss"] * (same == of.protocol.seen)
    if found:
        assert found["CROLoss"].row.reported == pytest.approx(0.102)  # printed as 10.20 percent
        assert "  0.1020 " in show([found["CROLoss"].row])


def test_known_differences(store, put):
    put(0.7, split="random", feedback=("view", "like"), loss="bce")
    assert measured(store)["BCE"].row.reasons == (
        "measured on ml-1m/random; the paper's data are ml-1m/user",
        "trained here on view, like, in the paper on like",
    )


def test_what_was_selected_on_test_does_not_compare(store, add, make_value):
    signature = "recall@20; candidates=catalogue(9); seen=train positives removed; search=exact"
    value = make_value(0.18, metric="recall@20", feedback="visit", signature=signature)
    data = {"dataset": "gowalla-lightgcn", "split": "given", "feedback": ("visit",)}
    add(value, **data, loss="bpr", backbone="lightgcn", settings={})
    found = measured(store, "bars/table1")["LightGCN, as in its paper"].row
    assert (found.verdict, found.reasons) == ("not comparable", (SELECTED_ON_TEST,))
    assert f"not comparable: {SELECTED_ON_TEST}" in " ".join(show([found]).split())


def test_each_version_of_the_data_by_itself(store, put):
    put(0.7)
    put(0.8, fingerprint="e")
    put(0.9, split="random")
    found = [(match.row.data, match.row.mean) for match in matches(store) if match.position is not None]
    assert sorted(found) == [("ml-1m/random", 0.9), ("ml-1m/user", 0.7), ("ml-1m/user", 0.8)]


def test_what_recbench_does_not_have(store, add, make_value):
    add(make_value(0.1, feedback="visit", metric="recall@20"), dataset="gowalla", loss="bpr", backbone="mf")
    lines = {(match.row.method, match.row.backbone): match.row for match in matches(store, "til/table1")}
    without = {key: line for key, line in lines.items() if line.verdict == "not in recbench"}
    assert all(line.reasons and line.mean is None for line in without.values())
    assert ("AOBPR", "neumf") in without and ("BPR", "mf") not in without


def test_settings_for_each_feedback_are_those_that_the_table_trains_on() -> None:
    nsb = "nsb", "twintower", ["loss.pos_weight=100,1"]
    assert impossible(*nsb, ("like", "follow")) == ""
    assert "expected 1 or 3 numbers" in impossible(*nsb, ("click", "like", "follow"))


def test_the_two_splits_of_gowalla_never_stand_beside_each_other(store, add, make_value, run):
    value = {"feedback": "visit", "metric": "recall@20"}
    add(make_value(0.1, **value), dataset="gowalla-lightgcn", feedback=("visit",), loss="bpr", backbone="mf")
    assert measured(store, "til/table1") == {}
    assert "0.1000" not in run("leaderboard", "--against", "til/table1").out
    assert not any({"gowalla", "gowalla-lightgcn"} <= table.datasets.keys() for table in tables().values())


def test_committed_records_of_gowalla_are_of_til_s_files():
    """Plain item-kNN has Recall@20 .1726 on TIL's files and .1157 on LightGCN's."""
    store = Store(Path(__file__).parents[2] / "results")
    rows = collect_rows(store, "gowalla", ["recall@20"])
    assert {row.split for row in collect_rows(store, "gowalla/random", ["recall@20"])} == {"random"}
    given = [row for row in rows if (row.loss, row.split) == ("item-knn", "given")]
    (plain,) = (row.mean for row in given if "799ba961e054" in row.runs)  # cosines alone, fitted to all of train
    assert plain == pytest.approx(0.1726, abs=5e-5)
    assert {row.dataset for row in rows} == {"gowalla"}
    assert {(row.split, row.fingerprint[:8]) for row in rows} == {("given", "0924b8e8"), ("random", "ae10e93b")}


def test_the_tables_agree_with_the_presets_on_the_data():
    for table in tables().values():
        for name, data in table.datasets.items():
            of_paper = [p for p in preset.presets().values() if p.name.startswith(f"{table.paper}/")]
            same = {
                p.entry.split for p in of_paper if (p.entry.dataset, tuple(p.entry.feedback)) == (name, data.feedback)
            }
            assert same <= {data.split}, (table.name, name)


def show(lines, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(rows_table(lines))
    return console.file.getvalue()


def test_as_a_table_of_80_columns(store, put):
    for seed in range(3):
        put(0.76 + seed / 1000, seed=seed, non_default={"train.lr": 0.05})
    put(0.81, loss="gnolr", non_default={"loss.scale": 9.0}, seed=0)
    lines = [match.row for match in matches(store)]
    text = show(lines).splitlines()
    assert text[0] == "gnolr/table2 on ml-1m/user: auc of like"
    assert text[1].split() == ["method", "reported", "measured", "diff", "seeds", "verdict"]
    assert text[3].split() == ["BCE", "0.7542", "0.7610", "±", "0.0010", "+0.0068", "3", "matches"]
    assert text[7].split() == ["GNOLR", "0.8139", "0.8100", "-0.0039", "1", "not", "comparable", "(1)"]
    assert [line.rstrip() for line in text[9:]] == [
        "BCE: lr=0.05",
        "GNOLR: scale=9.0",
        "(1) the loss has other settings than in the paper",
        "matches: the mean over seeds is within 0.01 of the printed value",
    ]
    assert max(map(len, text)) <= 80


def test_the_command(run, store, put):
    put(0.76)
    told = run("leaderboard", "--against", "gnolr/table2")
    assert told.code == 0 and "0.7542" in told.out
    assert told.err == "not run: see `recbench reproduce gnolr/table2 --dataset ml-1m`\n"
    document = run("leaderboard", "--against", "gnolr/table2", "--json").json
    assert document["table"] == "gnolr/table2"
    assert document["lines"][0]["difference"] == pytest.approx(0.76 - 0.7542)
    rows = list(csv.DictReader(io.StringIO(run("leaderboard", "--against", "gnolr/table2", "--format", "csv").out)))
    assert [row["verdict"] for row in rows] == [line["verdict"] for line in document["lines"]]
    assert rows[0]["mean"] == "0.76" and rows[1]["mean"] == ""
    told = run("leaderboard", "--against", "gnolr/table2", "--format", "markdown")
    assert "| BCE\\* |  | auc | like | 0.7896 |  |  |  | not run |" in told.out.splitlines()


def test_a_file_of_it(run, store, put, tmp_path):
    put(0.76)
    path = tmp_path / "against.json"
    assert run("leaderboard", "--against", "gnolr/table2", "--format", "json", "-o", str(path)).out == ""
    assert json.loads(path.read_text())["lines"][0]["mean"] == 0.76


def test_nothing_is_trained_or_read_but_records(run, store, put, monkeypatch):
    put(0.76)
    before = store.listing()
    monkeypatch.setattr("recbench.study.reproduce.train_runs", None)
    assert run("leaderboard", "--against", "gnolr/table2").code == 0
    assert store.listing() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("gnolr/tabel2",), "unknown published table `gnolr/tabel2`; did you mean `gnolr/table2`"),
        (("gnolr/table2", "--dataset", "ml1m"), "unknown dataset `ml1m` of gnolr/table2; did you mean `ml-1m`"),
        (("gnolr/table2", "--metric", "aux"), "unknown metric `aux` of gnolr/table2; did you mean `auc`"),
        (("gnolr/table2", "--metric", "auc/lik"), "`auc/lik` of gnolr/table2; did you mean `auc/like`"),
        (("gnolr/table2", "--dataset", "ml-20m"), "run `recbench reproduce gnolr/table2 --dataset ml-20m`"),
        (("til/table1",), "nothing was measured on amazon-cd, gowalla, lastfm; run `recbench reproduce til/table1"),
        (("gnolr/table2", "--format", "html"), "--against prints table, markdown, csv or json, not html"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(run, store, put, words, message):
    put(0.76)
    told = run("leaderboard", "--against", *words)
    assert (told.code, told.out) == (2, "")
    assert message in told.err and told.err.count("\n") == 1


def test_without_runs_it_says_what_to_run():
    with pytest.raises(UsageError, match=r"run `recbench reproduce gnolr/table2 --dataset \w+`"):
        require_measured(TABLE, None, set())


def test_metrics_are_chosen(store, put, add, make_value):
    put(0.76)
    records = {record.key.digest: record for record, _ in store.runs()}
    assert len(rows_beside(collect_rows(store), TABLE, records, ["auc/like"])) == 5
    assert len(rows_beside(collect_rows(store), TABLE, records, ["auc"])) == 5
