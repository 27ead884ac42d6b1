"""The words of `--candidates`, and the raw ids of a file."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest

from recbench.data.dataset import Dataset
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import DataError, UsageError
from recbench.evaluation.candidate_sets import GivenCandidates, SampledCandidates
from recbench.preparation.prepare import prepare
from recbench.run.candidates import candidate_set, require_candidates
from tests.preparation.shop import rows, write


@pytest.fixture
def data(small_home: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("RECBENCH_HOME", str(small_home))
    return Dataset.load(find_prepared("synthetic"))


def raw(data: Dataset, side: str) -> pl.Series:
    ids = data.raw_ids(side)  # type: ignore[arg-type]
    return ids.drop("row").to_series()


def test_words(toy: Dataset) -> None:
    assert candidate_set("catalogue", toy) == "catalogue"
    assert candidate_set("test", toy) == "rows"
    assert candidate_set("sampled:100", toy) == SampledCandidates(100)
    assert candidate_set("sampled:1e3:7", toy) == SampledCandidates(1000, 7)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("catalog", "did you mean `catalogue`? expected catalogue, test, sampled:N, FILE.parquet or FILE.csv"),
        ("sampled", "expected sampled:N or sampled:N:SEED"),
        ("sampled:0", "with N from 1 to 1,000,000, as in sampled:100"),
        ("sampled:many", "expected sampled:N"),
        ("sampled:10:x", "expected sampled:N"),
        ("mine.parquet", "--candidates mine.parquet: no such file"),
    ],
)
def test_other_words_are_refused(word: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        require_candidates(word)
    assert message in str(error.value)


@pytest.mark.parametrize(("name", "as_text"), [("mine.parquet", False), ("mine.parquet", True), ("mine.csv", False)])
def test_a_file_names_users_and_items_by_their_raw_ids(data: Dataset, tmp_path: Path, name: str, as_text: bool) -> None:
    users, items = raw(data, "user"), raw(data, "item")
    frame = pl.DataFrame({"item": items[[5, 1, 5, 0]], "user": users[[3, 0, 3, 3]], "note": ["a", "b", "c", "d"]})
    if as_text:
        frame = frame.cast(pl.String)
    path = tmp_path / name
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
    given = candidate_set(str(path), data)
    assert isinstance(given, GivenCandidates)
    assert given.digest == sha256(path.read_bytes()).hexdigest()[:12]
    pairs = given.candidates
    assert list(zip(pairs.user.tolist(), pairs.item.tolist(), strict=True)) == [(0, 1), (3, 0), (3, 5)]
    assert len(pairs.start) == len(data.users) + 1


def test_files_that_do_not_hold_candidates_are_refused(data: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"

    def message() -> str:
        with pytest.raises(DataError) as error:
            candidate_set(str(path), data)
        return str(error.value)

    path.write_bytes(b"no Parquet")
    assert "cannot be read as Parquet" in message()
    pl.DataFrame({"user": [1], "product": [1]}).write_parquet(path)
    assert "no column item; expected columns user and item with raw ids, found user, product" in message()
    users, items = raw(data, "user"), raw(data, "item")
    user = users[0]
    pl.DataFrame({"user": users[:1], "item": [items.to_list()[:2]]}).write_parquet(path)
    assert "column `item`: expected one raw id a row, found List(" in message()
    pl.DataFrame({"user": users[:0], "item": items[:0]}).write_parquet(path)
    assert "no rows; write the candidates of at least one user" in message()
    assert items.dtype.is_integer()
    pl.DataFrame({"user": users[:1], "item": [items[0] + 0.5]}).write_parquet(path)
    assert f"item `{items[0] + 0.5}` is not in synthetic; leave such rows out" in message()
    pl.DataFrame({"user": users[:1], "item": [float(items[0])]}).write_parquet(path)
    assert isinstance(candidate_set(str(path), data), GivenCandidates)
    for unknown, shown in ((["-7", "-8"], "-7"), ([None, "-8"], "None")):
        pl.DataFrame({"user": [str(user)] * 2, "item": unknown}).write_parquet(path)
        assert f"item `{shown}` is not in synthetic (nor are 1 further rows); leave such rows out" in message()


@pytest.mark.parametrize("varies", [False, True])
def test_a_key_is_enough_where_its_features_do_not_vary(tmp_path: Path, varies: bool) -> None:
    """The shop has users with a city on every row of its log."""
    lines = rows()
    lines[3][1] = "elsewhere" if varies else lines[3][1]
    prepared = prepare("shop", catalog=write(tmp_path, lines))
    data = Dataset.load(prepared.folder)
    pl.DataFrame({"user": ["u3", "u0"], "item": [0, 99]}).write_parquet(tmp_path / "mine.parquet")
    if varies:
        with pytest.raises(DataError, match='identified by user, city together.* changing = "last" in `user`'):
            candidate_set(str(tmp_path / "mine.parquet"), data)
        return
    given = candidate_set(str(tmp_path / "mine.parquet"), data)
    assert isinstance(given, GivenCandidates)
    users, items = data.raw_ids("user"), data.raw_ids("item")
    pairs = zip(given.candidates.user.tolist(), given.candidates.item.tolist(), strict=True)
    assert {(users["user"][user], items["item"][item]) for user, item in pairs} == {("u3", 0), ("u0", 99)}
