"""Every dataset of the catalogue, from facsimiles of its raw files to exactly the counts that were written."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from recbench.memory import MIN_LIMIT, Memory
from recbench.preparation.prepare import Prepared, Variant, prepare
from recbench.readers.base import Source, load_reader
from recbench.sources import catalog
from tests import facsimile

ROWS = 3000
CORE = {
    "amazon-books": 12_000,
    "amazon-cd": 20_000,
    "amazon-beauty": 20_000,
    "gowalla-checkins": 9000,
}  # where a core must be left
RULES = {  # dataset/rule -> what a facsimile calls the rows that the rule keeps; "" is the whole log
    "aliccp/frequent-12": "frequent",
    "aliccp/consistent": "consistent",
    "kuairand-pure/complete": "tab_1",
    "kuairand-pure/gnolr": "tab_1",
    "kuairand-pure/all": "",
    "kuairand-1k/complete": "tab_1",
    "kuairand-1k/gnolr": "tab_1",
    "kuairand-1k/all": "",
    "taobao/comirec": "comirec",
    "taobao/all-behaviours": "window",
    "amazon-books/comirec": "reviews",
    "amazon-cd/core-10": "core",
    "amazon-beauty/default": "reviews",
    "gowalla-checkins/default": "core",
    "steam/default": "",
    "steam/sasrec": "five",
    "yambda-50m/default": "counted",
    **{f"ae-{country}/default": "" for country in ("es", "fr", "nl", "us")},
    **{
        f"{name}/default": ""
        for name in (
            *("ml-100k", "ml-1m", "ml-20m", "ml-25m", "ml-32m", "gowalla", "gowalla-lightgcn", "lastfm", "yelp2018"),
            *("amazon-book", "ml-1m-m1", "kuairec", "citeulike-a", "citeulike-t"),
        )
    },
    **{f"retailrocket/{rule}": "" for rule in ("percent-rank", "floor", "round")},
}


def write(name: str, folder: Path) -> facsimile.Contents:
    return facsimile.write(name, folder / "raw", CORE.get(name, ROWS))


def test_every_dataset_has_a_facsimile() -> None:
    assert sorted(facsimile.NAMES) == sorted(set(catalog.load()) - {"synthetic"})
    assert {word.split("/")[0] for word in RULES} == set(facsimile.NAMES)


@pytest.mark.parametrize("word", RULES)
def test_counts_are_those_that_were_written(word: str, tmp_path: Path) -> None:
    name, rule = word.split("/")
    known = write(name, tmp_path)
    counts = known.kept[RULES[word]] if RULES[word] else known.log
    prepared = prepare(name, Variant(rule=rule), raw=tmp_path / "raw")
    found = prepared.manifest.counts.found
    assert found["rows"] == sum(counts.rows.values())
    feedback = prepared.manifest.feedback
    assert {t: found[t] for t in feedback} == {t: counts.positives.get(t, found["rows"]) for t in feedback}
    if catalog.find(name, None, rule).split == "given" and "test" in counts.rows:
        assert found["test"] == counts.rows["test"]
    for side, number in (("users", counts.users), ("items", counts.items)):
        assert _keys(prepared, side) == number
    broken = [finding.rule for finding in prepared.manifest.certificate if finding.status == "broken"]
    assert broken == (["aggregates"] if rule == "gnolr" else [])


def _keys(prepared: Prepared, side: str) -> int:
    """Distinct keys, or entities where there is no key; none that are empty, as facsimiles do not count those."""
    options = prepared.manifest.options.user if side == "users" else prepared.manifest.options.item
    table = pl.read_parquet(prepared.folder / "vocabulary" / f"{side[:-1]}.parquet")
    return table[options.key].drop_nulls().n_unique() if options.key else len(table)


@pytest.mark.parametrize("name", facsimile.NAMES)
def test_what_is_read_does_not_depend_on_the_blocks(name: str, tmp_path: Path) -> None:
    write(name, tmp_path)
    files = {path.name: path for path in (tmp_path / "raw").rglob("*") if path.is_file()}
    for rule in [catalog.find(name).rule, *catalog.find(name).rules]:
        spec = catalog.find(name, None, rule)
        chosen = {file: files[file] for file in spec.files + spec.optional_files}
        read = [
            load_reader(spec.reader)(spec, Source(chosen, shipped_parts=spec.split == "given", block=block))
            for block in (16 << 10, 64 << 10, 32 << 20)
        ]
        for side in ("log", "users", "items"):
            frames = [getattr(raw, side) for raw in read]
            if frames[0] is not None:
                small, middle, whole = (pl.concat(list(frame)) for frame in frames)
                assert small.equals(whole) and middle.equals(whole) and len(whole)


@pytest.mark.parametrize("name", ["aliccp", "ml-1m", "taobao", "kuairand-pure", "ae-es"])
def test_the_same_bytes_for_any_limit_of_memory(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(name, tmp_path)
    wide = prepare(name, raw=tmp_path / "raw").manifest
    monkeypatch.setattr(Memory, "block", property(lambda self: 64 << 10))
    monkeypatch.setattr(Memory, "rows", lambda self, total: 211)
    monkeypatch.setattr(Memory, "values", property(lambda self: 501))
    narrow = prepare(name, raw=tmp_path / "raw", force=True, memory=Memory(MIN_LIMIT)).manifest
    for key in ("fingerprint", "rows", "rates", "edges", "thresholds", "new", "certificate"):
        assert getattr(narrow, key) == getattr(wide, key), key
