"""New users and items get the vectors that a known one with the same features or items has."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import polars as pl
import pytest
import torch

import recbench as rb
from recbench.backbones import base as backbones
from recbench.backbones.base import BACKBONES, Backbone, evaluation_mode
from recbench.data.dataset import Dataset, Log, concat_logs
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import RecbenchError
from recbench.home import results_home
from recbench.results.store import Store
from recbench.run.encode import _user_vectors, _with_more_users, count_unknown, encode_rows
from recbench.run.export import export_run, scorer_of
from recbench.run.export_programs import TORCH
from recbench.run.raw_ids import read_frame
from tests.conftest import Run

CATALOGUE = """
[shop]
title = "Shop"
reader = "table"
files = ["log.parquet"]
time = "time"
feedback = { click = "click = 1" }
user = { key = "user_id", categorical = ["user_id", "city"], numeric = ["age"] }
item = { key = "item_id", categorical = ["item_id", "brand"], bag = ["tags"], numeric = ["price"], vector = ["image"] }
"""
TAGS = ("red", "blue", "warm", "new")


@pytest.fixture
def shop(tmp_path: Path) -> rb.PreparedData:
    """A log whose every kind of feature has empty values, with users and items of the test rows alone."""
    random = np.random.default_rng(0)
    users, items, rows = 40, 30, 600

    def some(values: list[object], share: float) -> list[object]:
        return [value if random.random() > share else None for value in values]

    item = pl.DataFrame(
        {
            "item_id": np.arange(items) + 100,
            "brand": some([f"b{number % 5}" for number in range(items)], 0.2),
            "tags": [list(random.choice(TAGS, random.integers(0, 4), replace=False)) for _ in range(items)],
            "price": some(list(random.random(items).round(2)), 0.2),
            "image": [list(random.random(3).round(3)) for _ in range(items)],
        }
    )
    user = pl.DataFrame(
        {
            "user_id": [f"u{number}" for number in range(users)],
            "city": some(list(random.integers(0, 6, users)), 0.2),
            "age": random.integers(18, 80, users),
        }
    )
    later = np.linspace(0.3, 1, rows)  # so that some users and items are new in the end
    log = pl.DataFrame(
        {
            "user": (random.random(rows) * later * users).astype(int),
            "item": (random.random(rows) * later * items).astype(int),
            "click": random.integers(0, 2, rows),
            "time": np.arange(rows),
        }
    )
    log = log.hstack(user[log["user"]]).hstack(item[log["item"]])
    log.drop("user", "item").write_parquet(tmp_path / "log.parquet")
    (tmp_path / "shop.toml").write_text(CATALOGUE)
    return rb.prepare("shop", catalog=tmp_path / "shop.toml", quiet=True)


@pytest.mark.parametrize("side", ["user", "item"])
def test_raw_features_become_the_rows_of_the_table(shop: rb.PreparedData, side: str) -> None:
    data = shop.load()
    table = data.users if side == "user" else data.items
    assert table.seen < len(table)
    rows = shop.raw_ids(side)  # type: ignore[arg-type]
    for kind in (rows, rows.drop("row").with_columns(pl.col(pl.Int64).cast(pl.String))):  # as in CSV
        found = encode_rows(data, side, kind, Path("rows"))  # type: ignore[arg-type]
        assert torch.equal(found.value, table.value)
        assert (found.dense is None) == (table.dense is None)
        assert table.dense is None or torch.equal(found.dense, table.dense)


def test_values_that_train_lacks_are_unknown(shop: rb.PreparedData) -> None:
    data = shop.load()
    rows = {"item_id": ["x", "1.5"], "brand": ["other", None], "tags": ["red|cold", ""], "price": [None, "1e9"]}
    found = encode_rows(data, "item", pl.DataFrame(rows | {"image": ["1|2|3", "0|0|0"]}), Path("rows"))
    vocabulary = data.vocabulary("item", data.items.columns[2])
    red = int(vocabulary.filter(value="red")["id"][0])
    brand = data.vocabulary("item", data.items.columns[1])
    empty = int(brand.filter(pl.col("value").is_null())["id"][0])
    width = data.items.columns[2].width
    highest = data.items.columns[3].size - 1
    assert found.value.tolist() == [
        [0, 0, red, *[0] * (width - 1), 1],
        [0, empty, *[0] * width, highest],
    ]
    assert found.dense is not None and found.dense.tolist() == [[1, 2, 3], [0, 0, 0]]
    users = encode_rows(data, "user", pl.DataFrame({"user_id": ["n"], "city": [77], "age": [None]}), Path("rows"))
    assert count_unknown(users) == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"item_id": [1], "brand": ["a"]}, "no column tags, price, image; a new item of shop needs"),
        (
            {"item_id": [1], "brand": ["a"], "tags": [""], "price": ["cheap"], "image": ["1|2|3"]},
            "row 1, column `price`",
        ),
        ({"item_id": [1], "brand": ["a"], "tags": [""], "price": [1], "image": ["1|2"]}, "1|2 is not of 3 numbers"),
        ({"item_id": [1], "brand": ["a"], "tags": [""], "price": [1], "image": ["1|x|2"]}, "expected finite numbers"),
        (
            {"item_id": [[1]], "brand": ["a"], "tags": [""], "price": [1], "image": ["1|2|3"]},
            "expected one value a row",
        ),
    ],
)
def test_wrong_rows_are_one_line(shop: rb.PreparedData, rows: dict[str, list[object]], message: str) -> None:
    with pytest.raises(RecbenchError) as error:
        encode_rows(shop.load(), "item", pl.DataFrame(rows, strict=False), Path("new.csv"))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_no_table_is_told_which_are(tmp_path: Path) -> None:
    file = tmp_path / "clicks.toml"
    file.write_text("[clicks]\n")
    with pytest.raises(RecbenchError, match=r"clicks.toml: .*; expected a name that ends in \.parquet or \.csv$"):
        read_frame(file)


def test_vectors_of_known_rows_are_those_of_eval(shop: rb.PreparedData, run: Run, tmp_path: Path) -> None:
    runs = rb.train(shop, loss="gnolr", backbone="twintower", epochs=1, quiet=True, settings={"backbone.senet": True})
    scorer = scorer_of(runs[0], Store(results_home()), "test")[1]
    assert scorer.vectors is not None
    catalogue = scorer.vectors.catalogue(0)
    items, users = runs.encode(shop.raw_ids("item")), runs.encode(shop.raw_ids("user"), quiet=True)
    assert np.array_equal(items["vector"].to_numpy(), catalogue.item.numpy())
    assert np.array_equal(users["query_click"].to_numpy(), catalogue.user.numpy())
    file = tmp_path / "new.parquet"
    shop.raw_ids("item").head(3).write_parquet(file)
    told = run("encode", "latest", str(file))
    assert told.code == 0 and told.out.startswith("3 items by gnolr") and told.out.rstrip().endswith(": vector")
    written = pl.read_parquet(tmp_path / "new-vectors.parquet")
    assert np.allclose(written["vector"].to_numpy(), catalogue.item[:3].numpy(), atol=1e-6)
    assert run("encode", "latest", str(file), "--side", "user").err.startswith(
        f"error: {file}: no column user_id, city"
    )
    both = pl.concat([shop.raw_ids("item").head(9), shop.raw_ids("user").drop("row").head(9)], how="horizontal")
    with pytest.raises(RecbenchError, match="say which by side user or item"):
        runs.encode(both)
    with pytest.raises(RecbenchError, match="expected the columns item_id, brand, tags, price, image or, for users, "):
        runs.encode({"a": [1]})
    with pytest.raises(RecbenchError, match="rows: no rows"):
        runs.encode(both.head(0))


def read_me(folder: Path, monkeypatch: pytest.MonkeyPatch, block: int | None = None) -> dict[str, Any]:
    """Run the code of a README where it stands, all or one block of it after the first, and return its names."""
    monkeypatch.chdir(folder)
    blocks = re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), re.DOTALL)
    scope: dict[str, Any] = {}
    for code in blocks if block is None else (blocks[0], blocks[block]):
        exec(code, scope)
    return scope


@pytest.mark.skipif(TORCH < (2, 11), reason="torch before 2.11 cannot write these programs")
@pytest.mark.filterwarnings("ignore:The given buffer is not writable")  # torch.export.load before 2.13
def test_the_programs_of_an_export_encode_as_recbench_does(
    shop: rb.PreparedData, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"backbone.hidden": "8", "backbone.dim": 4, "backbone.senet": True}
    runs = rb.train(shop, loss="gnolr", backbone="twintower", epochs=1, quiet=True, settings=settings)
    told = run("export", "-o", str(tmp_path / "out"), "--format", "torch", "--index", "hnsw")
    assert told.code == 0 and told.out.startswith("hnsw: finds 1.0000 of the exact first 10"), told.err
    rows = {side: shop.raw_ids(side).drop("row") for side in ("user", "item")}  # type: ignore[arg-type]
    new = {"item_id": None, "brand": "other", "tags": "red| warm |cold", "price": None, "image": None}
    rows["item"] = pl.concat([rows["item"], pl.DataFrame([new], schema=rows["item"].schema)])
    items, users = runs.encode(rows["item"], quiet=True), runs.encode(rows["user"], quiet=True)
    code = read_me(tmp_path / "out", monkeypatch)
    for count in (1, 7, len(items)):
        found = code["encode"]("item", rows["item"].tail(count))
        assert np.allclose(found, items.tail(count)["vector"].to_numpy(), atol=1e-6)
    found = code["encode"]("user", rows["user"])
    assert np.allclose(found[:, 0], users["query_click"].to_numpy(), atol=1e-6)
    assert "| hnsw | 1.0000 |" in Path("README.md").read_text()
    assert faiss.read_index("items.faiss").hnsw.efSearch >= 128


def test_onnx_computes_the_same(prepared: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    data = rb.prepared("synthetic")
    runs = rb.train(data, loss="esmm", backbone="twintower", epochs=1, quiet=True)
    export_run(runs[0], Store(results_home()), tmp_path / "out", formats=("onnx",))
    ids = data.load().items.value.numpy()
    code = read_me(tmp_path / "out", monkeypatch)
    want = pl.read_parquet("items.parquet")["tower_1"].to_numpy()
    for count in (1, 7, len(ids)):
        assert np.allclose(code["run"]("item", ids[:count], None)[:, 0], want[:count], atol=1e-5)


def test_what_has_no_towers_is_not_exported_as_programs(prepared: Run, tmp_path: Path) -> None:
    assert prepared("train", "--loss", "bpr", "--backbone", "mf", "--epochs", "1").code == 0
    told = prepared("export", "-o", str(tmp_path / "out"), "--format", "torch")
    assert told.code == 2 and "backbone `mf` has no towers over features; leave it out, or take a run of" in told.err
    told = prepared("export", "-o", str(tmp_path / "out"), "--format", "tensorflow,onnx")
    assert told.code == 2 and "unknown format `tensorflow`" in told.err and not (tmp_path / "out").exists()


def backbone_on(data: Dataset, name: str, **values: object) -> Backbone:
    torch.manual_seed(0)
    return backbones.create(BACKBONES.get(name), data, 1, False, backbones.defaults(BACKBONES.get(name)) | values)


@pytest.mark.parametrize("name", ["ytdnn", "sasrec", "autoencoder", "simplex", "mf"])
def test_a_user_by_what_they_had_is_the_known_user_who_had_the_same(toy: Dataset, name: str) -> None:
    """The last five users have no training rows, so that free vectors of them are zero."""
    kept = toy.train.user < 25
    data = replace(toy, users=replace(toy.users, seen=25), train=toy.train[kept], new_test_users=True)
    values = backbones.defaults(BACKBONES.get(name))
    backbone = backbone_on(data, name)
    known = concat_logs(toy.train, toy.valid)
    with evaluation_mode(backbone), torch.no_grad():
        expected = backbone.tables(backbone.histories(known))[0][25:]
    settings = {f"backbone.{key}": value for key, value in values.items()}
    own = known[(known.user >= 25) & (known.label.amax(1) > 0)]
    larger = _with_more_users(data, backbone, settings, 5)
    found = _user_vectors(larger, Log(own.user + 5, own.item, own.label), torch.arange(30, 35))
    assert expected.abs().sum() > 0
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_users_by_what_they_had_through_the_command(prepared: Run, tmp_path: Path) -> None:
    data = rb.prepared("synthetic")
    runs = rb.train(data, loss="bpr", backbone="ytdnn", epochs=1, quiet=True)
    scorer = scorer_of(runs[0], Store(results_home()), "test")[1]
    assert scorer.vectors is not None
    items = data.raw_ids("item")
    rows = pl.concat([data.rows("train"), data.rows("valid")]).filter(pl.col("view") == 1)
    had = rows.select(user=pl.format("new {}", "user"), item=items["item_id"][rows["item"]])
    found = runs.encode(had, quiet=True)
    number = found["user"].str.strip_prefix("new ").cast(pl.Int64).to_list()
    want = scorer.vectors.catalogue(0).user[number].numpy()
    assert np.allclose(found["query_view"].to_numpy(), want, atol=1e-6)
    had.vstack(pl.DataFrame({"user": ["new 1"], "item": [10**6]}, schema=had.schema)).write_csv(tmp_path / "had.csv")
    typed = (tmp_path / "had.csv").read_bytes()
    replacing = prepared("encode", "bpr/ytdnn", str(tmp_path / "had.csv"), "-o", str(tmp_path / "had.csv"))
    assert replacing.code == 2 and "would replace the rows" in replacing.err
    assert (tmp_path / "had.csv").read_bytes() == typed
    told = prepared("encode", "bpr/ytdnn", str(tmp_path / "had.csv"), "-o", str(tmp_path / "out.parquet"))
    assert told.code == 0 and "note: 1 of" in told.err
    assert np.allclose(pl.read_parquet(tmp_path / "out.parquet")["query_view"].to_numpy(), want, atol=1e-6)
    with pytest.raises(RecbenchError, match="none of the items occurs in train"):
        runs.encode({"user": [1], "item": [10**6]})


def test_ids_alone_cannot_be_encoded(prepared: Run) -> None:
    data = rb.prepared("synthetic")
    graph = rb.train(data, loss="bpr", backbone="lightgcn", epochs=1, quiet=True)
    factors = rb.train(data, loss="bpr", backbone="mf", epochs=1, quiet=True)
    with pytest.raises(RecbenchError, match="`lightgcn` has vectors of the users and items of training alone") as error:
        graph.encode({"user": [1], "item": [1]})
    features, _, rows = str(error.value).partition("; for new users also one that encodes what they had: ")
    assert features.endswith("twintower") and {"autoencoder", "mf", "ytdnn"} <= set(rows.split(", "))
    with pytest.raises(RecbenchError, match="`mf` encodes new users by what they had"):
        factors.encode(data.raw_ids("item"))
    assert Dataset.load(find_prepared(None)).name == "synthetic"
    both = rb.Runs((*graph.records, *factors.records))
    with pytest.raises(RecbenchError, match=r"2 runs, where one is expected; take one, as in runs\[:1\]"):
        both.encode(data.raw_ids("item"))
    assert both[:1] == graph
