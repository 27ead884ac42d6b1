"""recbench from Python does what its commands do."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from torch import Tensor

import recbench as rb
from recbench.errors import UsageError
from recbench.home import home, results_home
from recbench.registry import import_file
from recbench.results.store import Store
from tests.cli.own_loss import OWN_LOSS
from tests.conftest import Run


@pytest.fixture
def data(prepared: Run) -> rb.PreparedData:
    return rb.prepared("synthetic")


def test_prepare_finds_what_a_command_prepared(run: Run) -> None:
    assert run("prepare", "synthetic", "--rows", "2000").code == 0
    data = rb.prepare("synthetic", rows=2000, quiet=True)
    assert (data.name, data.feedback) == ("synthetic/global", ("view", "cart", "buy"))
    assert data.folder.is_relative_to(home())
    assert data.to_polars()["rows"].sum() == 2000
    assert "leak certificate" in str(data) and "<table" in data._repr_html_()
    rows = data.rows("test")
    assert rows.columns == ["user", "item", "view", "cart", "buy"] and len(rows) == data.manifest.rows["test"]
    assert data.raw_ids("item").columns[0] == "row"
    with pytest.raises(UsageError, match="did you mean `item`"):
        data.raw_ids("items")
    assert data.load().fingerprint == data.fingerprint


def test_train_is_the_command(data: rb.PreparedData, prepared: Run) -> None:
    assert prepared("train", "--loss", "bce", "--backbone", "mf", "--epochs", "1", "--lr", "0.02").code == 0
    before = {record.key.digest for record, _ in Store(results_home()).runs()}
    again = rb.train(data, loss="bce", backbone="mf", epochs=1, lr=0.02, quiet=True)
    assert {record.key.digest for record in again} == before
    other = rb.train(loss="bce", backbone="mf", seeds=[3, 5], epochs=1, settings={"loss.logit": "learned"}, quiet=True)
    assert [record.key.seed for record in other] == [3, 5]
    assert other[0].command.endswith("--seed 5") and " && " in other[0].command
    assert f"--dataset {data.name}" in other[0].command  # what was prepared last may be another, later
    assert rb.train(data, loss="bce", backbone="mf", seeds=np.int64(1), epochs=1, quiet=True)[0].key.seed == 0
    with pytest.raises(IndexError, match=r"runs\[2\]: there are 2"):
        _ = other[2]
    assert other.curve.columns[:3] == ["run", "seed", "epoch"] and len(other.to_polars()) == 2
    assert "<table" in other._repr_html_() and other[0].key.digest in repr(other)


def test_the_command_of_a_run_trains_the_same(data: rb.PreparedData, prepared: Run) -> None:
    (record,) = rb.train(data, loss="bpr", backbone="mf", sampler="popularity", epochs=1, quiet=True)
    typed = prepared(*record.command.split()[1:])
    assert typed.code == 0 and f"run {record.key.digest} exists" in typed.err


def test_the_command_imports_the_file_of_a_loss_of_ones_own(
    data: rb.PreparedData, prepared: Run, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OWN_LOSS)
    import_file(file)
    (record,) = rb.train(data, loss="mine", backbone="mf", epochs=1, quiet=True)
    assert record.imports == [str(file)]
    typed = prepared(*record.command.split()[1:])
    assert typed.code == 0 and f"run {record.key.digest} exists" in typed.err


def test_evaluate_is_the_command(data: rb.PreparedData, prepared: Run) -> None:
    runs = rb.train(data, loss="nsb", backbone="mf", epochs=1, quiet=True)
    found = runs.evaluate(["auc", "recall@5/view"], quiet=True)
    typed = prepared("eval", "--metric", "auc", "--metric", "recall@5/view", "--json").json
    assert found.to_dicts() == typed
    assert "recall@5" in str(found)
    assert rb.runs("nsb")[0] == runs[0]


def test_scores_and_vectors_are_those_that_were_evaluated(data: rb.PreparedData) -> None:
    runs = rb.train(data, loss="bce", backbone="mf", epochs=1, quiet=True)
    with pytest.raises(UsageError, match="no scores yet; evaluate it first"):
        _ = runs.scores
    auc = runs.evaluate("auc/view", quiet=True).to_dicts()[0]["value"]
    scores, label = runs.scores, data.rows("test")["view"]
    assert rb.metrics.auc(scores["score/view"], label) == pytest.approx(auc, abs=1e-9)
    query, vector = runs.vectors("user")["query_view"].to_numpy(), runs.vectors("item")["vector"].to_numpy()
    products = (query[scores["user"]] * vector[scores["item"]]).sum(1)
    assert rb.metrics.auc(products, label) == pytest.approx(auc, abs=1e-6)


def test_the_leaderboard_has_baselines_where_they_are_asked_for(data: rb.PreparedData, tmp_path: Path) -> None:
    runs = rb.train(data, loss="nsb", backbone="mf", epochs=1, quiet=True)
    runs.evaluate("auc", quiet=True)
    assert set(rb.leaderboard("synthetic", metrics="auc").to_polars()["loss"]) == {"nsb"}
    runs.evaluate("auc", baselines=True, quiet=True)
    assert "popularity" in set(rb.leaderboard().to_polars()["loss"])
    board = rb.leaderboard(rb.prepared("synthetic"), metrics="auc").to_polars()
    assert board.equals(rb.leaderboard("synthetic", metrics="auc").to_polars())
    written = rb.leaderboard("synthetic", metrics="auc").write(tmp_path / "board.parquet")
    assert pl.read_parquet(written).equals(board)
    assert "tabular" in rb.leaderboard(metrics="auc").write(tmp_path / "board.tex").read_text()
    with pytest.raises(UsageError, match=r"board.pdf: expected a name that ends in .html"):
        rb.leaderboard().write(tmp_path / "board.pdf")


def test_compare(data: rb.PreparedData) -> None:
    first = rb.train(data, loss="bce", backbone="mf", epochs=1, seeds=2, quiet=True)
    second = rb.train(data, loss="bce", backbone="mf", epochs=1, seeds=2, lr=0.1, quiet=True)
    for runs in (first, second):
        runs.evaluate(["auc", "gauc"], quiet=True)
    (row,) = rb.compare(first, second, metrics="auc").to_dicts()
    assert row["low"] <= row["value"] <= row["high"] and row["over"] == "users and runs"
    assert len(rb.compare(first, second)) == 2
    with pytest.raises(UsageError, match="several methods"):
        rb.compare(rb.Runs((first[0], second[0])), second)
    with pytest.raises(rb.RecbenchError, match='found Evaluations; a baseline is named, as "ease"'):
        rb.compare(first, first.evaluate("auc"))  # type: ignore[arg-type]


def test_baselines(data: rb.PreparedData) -> None:
    found = rb.fit_baselines(data, only=["popularity", "item-knn"], metrics="auc", budget=0, quiet=True)
    assert set(found.to_polars()["loss"]) == {"popularity", "item-knn"}
    named = f"--dataset {data.name} --only popularity,item-knn --metric auc --budget 0 --seed 0 --seeds 1"
    assert rb.runs("popularity")[0].command == f"recbench baselines {named}"


def test_a_loss_of_ones_own_has_its_source_in_the_key(data: rb.PreparedData) -> None:
    @rb.LOSSES.add("squared")
    class Squared(rb.Loss):
        """Squared error."""

        def forward(self, towers: rb.Towers, batch: rb.Batch) -> Tensor:
            return batch.mean((towers.logit[..., 0] - batch.label[..., 0]) ** 2)

    by_class = rb.train(data, loss=Squared, backbone="mf", epochs=1, quiet=True)
    by_name = rb.train(data, loss="squared", backbone="mf", epochs=1, quiet=True)
    assert by_class == by_name and list(by_class[0].key.sources) == [f"{__name__}.Squared"]
    assert by_class[0].command == (
        f"rb.train('{data.name}', loss=('squared',), backbone=('mf',), settings={{'train.epochs': 1}}, seeds=(0,))"
        f"  # in Python, with {__name__}.Squared as it was"
    )
    by_class.evaluate("auc", quiet=True)

    @rb.LOSSES.add("squared")
    class Edited(Squared):
        """The same name in a later cell."""

    Edited.__name__ = "Squared"
    with pytest.raises(rb.RecbenchError, match="Squared has changed since run .* began; restore it, or train again"):
        by_class.evaluate("gauc", quiet=True)

    class Unknown(Squared):
        name = "unknown"

    with pytest.raises(UsageError, match="Unknown is not a registered loss"):
        rb.train(data, loss=Unknown)


def test_nothing_is_written_for_a_pair_that_cannot_work(data: rb.PreparedData) -> None:
    with pytest.raises(UsageError, match="needs"):
        rb.train(data, loss="listnet", backbone="ytdnn")
    with pytest.raises(UsageError, match="bce"):
        rb.train(data, loss="bec")
    with pytest.raises(UsageError, match="gift"):
        rb.train(data, loss="nsb", settings={"train.select": "auc/gift"})
    assert not results_home().exists()


@pytest.mark.parametrize("seeds", ["12", 1.5, [1.5], 0, -1, 10**9, [-1], [0, 0], [2**62 + 1], [], None])
def test_seeds_are_distinct_whole_numbers(data: rb.PreparedData, seeds: Any) -> None:
    with pytest.raises(UsageError, match="^seeds="):
        rb.train(data, loss="bce", backbone="mf", seeds=seeds)
    assert not results_home().exists()


def test_what_cannot_be_meant(data: rb.PreparedData) -> None:
    with pytest.raises(UsageError, match="train.lr is given as lr too"):
        rb.train(data, loss="bce", backbone="mf", lr=0.1, settings={"train.lr": 0.2})
    for loss in (None, [None, "bpr"], 7):
        with pytest.raises(UsageError, match=r"^loss=.*: expected str \| type\[Loss\]"):
            rb.train(data, loss=loss, backbone="mf")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="int is not a registered loss"):
        rb.train(data, loss=int, backbone="mf")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="^backbone: expected at least one"):
        rb.train(data, loss="bce", backbone=[])
    with pytest.raises(UsageError, match="^budget=inf: expected seconds from 0 to 10,000,000"):
        rb.fit_baselines(data, budget=float("inf"))
    with pytest.raises(UsageError, match="^trials=0: expected a whole number from 1 to 1,000,000"):
        rb.train(data, loss="bce", fair=True, trials=0)
    with pytest.raises(UsageError, match="^batch_size=2000000000: expected a whole number from 1 to 1,000,000,000"):
        rb.train(data, loss="bce", batch_size=2 * 10**9)
    with pytest.raises(UsageError, match="^rows=0: expected a whole number from 1 to 1,000,000,000"):
        rb.prepare("synthetic", rows=0)
    with pytest.raises(UsageError, match="unknown part `tset`; did you mean `test`"):
        data.rows("tset")  # type: ignore[arg-type]
    assert not results_home().exists()


def test_ctrl_c_waits_for_the_end_of_an_import(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = []

    def interrupted(name: str) -> object:
        signal.raise_signal(signal.SIGINT)
        imported.append(name)
        return import_module(name)

    monkeypatch.setattr(rb, "import_module", interrupted)
    for name in ("train", "metrics"):
        monkeypatch.delitem(vars(rb), name, raising=False)
        with pytest.raises(KeyboardInterrupt):
            getattr(rb, name)
    assert imported == ["recbench.api.training", "recbench.metrics"]


def test_every_name_is_there_and_none_costs_anything_before_it_is_used() -> None:
    for name in rb.__all__:
        assert getattr(rb, name) is not None
    assert set(rb.__all__) <= set(dir(rb))
    with pytest.raises(AttributeError, match="no attribute `trian`"):
        _ = rb.trian  # type: ignore[attr-defined]
    code = "import sys, recbench; print(sorted({'torch', 'polars', 'typer', 'rich'} & set(sys.modules)))"
    root = Path(rb.__file__).parents[1]
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert process.stdout.strip() == "[]"
