"""Single flipped bits in files of results are noticed, whatever they hit."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from recbench.errors import DataError
from recbench.inspect.damage import damaged_files
from recbench.results import sweeps
from recbench.results.store import Store
from recbench.results.sweeps import Sweep, Trial
from recbench.results.user_contributions import UserContributions, read_contributions, write_contributions
from tests.results.conftest import auc, evaluation_of, key_of, record_of

METRIC = ("auc", "click", "auc|ties:half")
FLIPS = 300


def contents(store: Store) -> object:
    """Return all that the files of a store say."""
    runs = list(store.runs())
    sums = [read_contributions(store.folder(record.key), store.warnings) for record, _ in runs]
    numbers = [
        {words: [getattr(of, name).tolist() for name in vars(of)] for words, of in each.items()} for each in sums
    ]
    kept = [sweeps.find(store, path.stem) for path in (store.root / "sweeps").glob("*.json")]
    return runs, numbers, store.read_plan(), kept


@pytest.fixture
def filled(store: Store) -> Store:
    for seed in range(2):
        key = key_of(seed=seed)
        store.write_record(record_of(key, notes=["a note"]))
        evaluation = evaluation_of(key, auc(0.7), auc(None, feedback="buy"))
        store.add_evaluation(key, evaluation)
        sums = UserContributions(np.arange(50), np.random.default_rng(seed).random(50), np.ones(50))
        write_contributions(store, key, evaluation, {METRIC: sums})
    store.write_plan([key], [], "recbench train")
    trial = Trial("bce", ["train.lr=0.1"], [key.digest], "auc", 0.7, None, 1.5)
    settings = {"groups": {"bce": key.group}, "grid": ["train.lr=0.1"], "best": {"bce": ["train.lr=0.1"]}}
    sweeps.write(
        store,
        Sweep(
            title="mf on synthetic",
            search="grid",
            count=1,
            seeds=[0],
            trials=[trial],
            commands={"bce": "recbench train"},
            command="recbench sweep",
            finished="2025-01-01T00:00:00.000000+00:00",
            **settings,
        ),
    )
    return store


def test_sound_results_have_no_problem(filled: Store) -> None:
    assert damaged_files(filled) == []


def test_no_flipped_bit_is_silent(filled: Store) -> None:
    before = contents(filled)
    assert filled.warnings == []
    paths = sorted(path for path in filled.root.rglob("*") if path.is_file())
    assert {path.name.partition(".")[2] for path in paths} == {"json", "parquet"} and len(paths) == 8
    draw = random.Random(13)
    noticed = 0
    for _ in range(FLIPS):
        path = draw.choice(paths)
        content = path.read_bytes()
        flipped = bytearray(content)
        flipped[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        problems = damaged_files(filled)
        assert all(str(path) in problem for problem in problems)
        if problems:
            noticed += 1
        else:  # harmless: what is read is what was written
            assert contents(filled) == before, (path, flipped)
        path.write_bytes(content)
    assert noticed > 0.8 * FLIPS
    assert contents(filled) == before


def test_files_without_a_digest_are_read(filled: Store) -> None:
    committed = Store(Path(__file__).parents[2] / "results")
    assert damaged_files(committed) == []
    assert sum(1 for _ in committed.runs()) > 300


def test_a_damaged_record_is_replaced_when_trained_again(filled: Store) -> None:
    key = key_of(seed=0)
    path = filled.folder(key) / "record.json"
    path.write_bytes(path.read_bytes()[:100])
    assert key not in filled
    with pytest.raises(DataError, match=r"record\.json: damaged \(.*\); train again, or delete its folder"):
        filled.record(key)
    filled.write_record(record_of(key, notes=["again"]))
    assert filled.record(key).notes == ["again"] and damaged_files(filled) == []
    with pytest.raises(DataError, match="records never change"):
        filled.write_record(record_of(key))


def test_damaged_contributions_are_replaced_when_evaluated_again(filled: Store) -> None:
    key = key_of(seed=0)
    (path,) = filled.folder(key).rglob("*.parquet")
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    assert [problem.partition(":")[0] for problem in damaged_files(filled)] == [str(path)]
    sums = UserContributions(np.arange(50), np.random.default_rng(0).random(50), np.ones(50))
    write_contributions(filled, key, filled.evaluations(key)[0], {METRIC: sums})
    assert path.read_bytes() == whole and damaged_files(filled) == []
