"""What is exported ranks as `recbench eval` does, by the code of its own README."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import polars as pl
import pytest
import torch

from recbench.data.dataset import Dataset, concat_logs
from recbench.data.prepared_datasets import find_prepared
from recbench.evaluation.exact_search import search_exactly
from recbench.evaluation.pairs import restrict
from recbench.home import results_home
from recbench.results.store import Store
from recbench.run import kept_predictions
from tests import facsimile
from tests.conftest import Run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "vectors"


def read_me(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pl.DataFrame]:
    """Run the code of the README where it stands and return its function."""
    monkeypatch.chdir(folder)
    (code,) = re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), re.DOTALL)
    scope: dict[str, Any] = {}
    exec(code, scope)
    top: Callable[..., pl.DataFrame] = scope["top"]
    return top


def ranking_of_eval(feedback: tuple[str, ...]) -> tuple[Dataset, torch.Tensor]:
    """Return the first 10 items of every user for each feedback, from the vectors that `eval` kept, [T, users, 10]."""
    data = Dataset.load(find_prepared(None)).narrow(feedback)
    given, test = data.given_and_scored(data.read("test"))
    record = Store(results_home()).latest()
    said = kept_predictions.load(Store(results_home()).folder(record.key), feedback, test, ranks=True)
    assert said is not None
    users = torch.arange(len(data.users))
    tops = []
    for task in range(len(feedback)):
        catalogue = said.catalogue(task)
        seen = data.positives_of(concat_logs(data.train, data.valid, given), task)
        tops.append(search_exactly(catalogue.user, catalogue.item, 10, restrict(seen, users)).item)  # type: ignore[union-attr]
    return data, torch.stack(tops)


@pytest.mark.parametrize(
    ("words", "cold"),
    [
        (("--loss", "gnolr", "--backbone", "twintower"), False),
        (("--loss", "bpr", "--backbone", "mf", "--set", "train.refit=true"), False),
        (("--loss", "nsb", "--backbone", "mf", "--set", "loss.logit=learned"), False),
        (("--loss", "buir", "--backbone", "lightgcn"), False),
        (("--loss", "croloss", "--backbone", "ytdnn"), False),
        (("--loss", "croloss", "--backbone", "ytdnn", "--select", "recall@50"), True),
    ],
    ids=["gnolr", "bpr", "nsb", "buir", "ytdnn", "new users"],
)
def test_the_readme_returns_the_top_10_of_eval(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], cold: bool
) -> None:
    if cold:
        facsimile.write("amazon-books", folder.parent / "raw", 4000)
        assert run("prepare", "amazon-books", "--raw", str(folder.parent / "raw")).code == 0
    else:
        assert run("prepare", "synthetic", "--rows", "4000").code == 0
    assert run("train", *words, "--epochs", "1").code == 0
    assert run("eval", "--metric", "recall@10").code == 0
    told = run("export", "-o", str(folder))
    assert told.code == 0, told.err
    assert "README.md says how to query it" in told.out
    feedback = Store(results_home()).latest().key.feedback
    data, expected = ranking_of_eval(feedback)
    top = read_me(folder, monkeypatch)
    ids = pl.read_parquet(folder / "items.parquet")
    users = data.raw_ids("user").drop("row")
    for task, name in enumerate(feedback):
        for user in range(0, len(data.users), max(1, len(data.users) // 40)):
            found = top(users[user].to_dicts()[0], name)
            want = [row for row in expected[task, user].tolist() if row >= 0]
            assert found["row"].to_list() == want
            assert found[ids.columns[1]].to_list() == ids[ids.columns[1]].gather(want).to_list()


def test_the_ids_are_those_of_the_raw_data(prepared: Run, folder: Path) -> None:
    """The feature `item_id` has a vocabulary of its own, which is another way from rows to raw ids."""
    assert prepared("train", "--loss", "bce", "--backbone", "mf", "--epochs", "1").code == 0
    assert prepared("export", "-o", str(folder)).code == 0
    data = find_prepared("synthetic")
    for side in ("user", "item"):
        table, exported = pl.read_parquet(data / f"{side}s.parquet"), pl.read_parquet(folder / f"{side}s.parquet")
        words = pl.read_parquet(data / "vocabulary" / f"{side}.{side}_id.parquet")
        known = table[f"{side}_id"].to_numpy() > 0
        raw = dict(zip(words["id"].to_list(), words["value"].to_list(), strict=True))
        want = [raw[number] for number in table[f"{side}_id"].to_numpy()[known].tolist()]
        assert exported[f"{side}_id"].to_numpy()[known].tolist() == want
        assert exported["row"].to_list() == list(range(len(table)))
    assert pl.read_parquet(folder / "items.parquet").schema["vector"] == pl.Array(pl.Float32, 64)
    assert pl.read_parquet(folder / "users.parquet").columns == ["row", "user_id", "query_view"]


def test_scores_that_are_not_linear_give_an_index_per_tower(
    prepared: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepared("train", "--loss", "esmm", "--backbone", "mf", "--epochs", "1").code == 0
    assert prepared("export", "-o", str(folder)).code == 0
    assert sorted(path.name for path in folder.glob("*.faiss")) == [f"tower_{k}.faiss" for k in (1, 2, 3)]
    top = read_me(folder, monkeypatch)
    users, items, seen = (pl.read_parquet(f"{name}.parquet") for name in ("users", "items", "seen"))
    inner = users["tower_2"].to_numpy() @ items["tower_2"].to_numpy().T
    had = seen.filter(pl.col("user") == 5, pl.col("cart"))["item"].to_numpy()
    inner[5, had] = -np.inf
    assert top({"user_id": users["user_id"][5]}, 2, "cart")["row"].to_list() == (-inner[5]).argsort()[:10].tolist()
    assert faiss.read_index("tower_3.faiss").ntotal == len(items)


def test_what_cannot_be_exported(prepared: Run, folder: Path) -> None:
    assert prepared("train", "--loss", "bpr", "--backbone", "neumf", "--epochs", "1").code == 0
    told = prepared("export")
    assert told.code == 2 and "scores of backbone `neumf` are no inner products" in told.err
    assert told.err.count("\n") == 1 and not list(folder.parent.glob("recbench-*"))


def test_a_folder_is_never_written_over(prepared: Run, folder: Path) -> None:
    assert prepared("train", "--loss", "bpr", "--backbone", "mf", "--epochs", "1").code == 0
    folder.mkdir()
    told = prepared("export", "-o", str(folder))
    assert told.code == 2 and "exists; choose another folder" in told.err
    folder.rmdir()
    next(results_home().rglob("weights.safetensors")).unlink()
    told = prepared("export", "-o", str(folder))
    assert told.code == 1 and "weights.safetensors: missing" in told.err and not folder.exists()
    (folder.parent / "file").write_text("")
    assert prepared("train", "--loss", "bpr", "--backbone", "mf", "--epochs", "1").code == 0
    told = prepared("export", "-o", str(folder.parent / "file" / "x"))
    assert told.code == 1 and "cannot be written" in told.err and told.err.count("\n") == 1
