"""The real datasets, where a copy lies beside the repository."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from recbench.preparation.prepare import Variant, prepare
from recbench.readers.base import Source, load_reader
from recbench.sources.catalog import find

DATA = Path(__file__).parents[2] / "../shared/data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no raw data in {DATA}")


@pytest.mark.parametrize("raw", [DATA, DATA / "ml-1m"])
def test_movielens_1m(raw: Path) -> None:
    manifest = prepare("ml-1m", Variant(split="user"), raw=raw).manifest
    assert manifest.counts.matches
    assert manifest.counts.found == {
        **{"rows": 1_000_209, "users": 6040, "items": 3706, "like": 226_310},
        **{"train": 697_435, "test": 302_774},
    }
    positives = {part: manifest.rates[part]["like"] * manifest.rows[part] for part in manifest.rows}
    assert positives["train"] + positives["valid"] == pytest.approx(170_000, rel=0.02)
    assert positives["test"] == pytest.approx(58_000, rel=0.03)


@pytest.mark.parametrize("split", ["global", "user", "given"])
def test_movielens_100k(split: str) -> None:
    manifest = prepare("ml-100k", Variant(split=split), raw=DATA).manifest
    assert manifest.counts.matches
    if split == "given":
        assert manifest.rows["test"] == 9430


@pytest.mark.parametrize(("rule", "rows"), [("all", 228_329), ("complete", 155_549), ("gnolr", 155_549)])
def test_kuairand_pure(rule: str, rows: int) -> None:
    manifest = prepare("kuairand-pure", Variant(rule=rule), raw=DATA).manifest
    assert manifest.feedback == (("click", "like", "follow") if rule == "all" else ("like", "follow"))
    assert manifest.unnested > 0
    partial = "log_standard_4_08_to_4_21_pure.csv" in manifest.absent
    assert manifest.counts.matches is not partial
    assert not partial or sum(manifest.rows.values()) == rows  # the last 14 days of the log


def test_gowalla_in_the_split_of_til() -> None:
    manifest = prepare("gowalla", raw=DATA / "gowalla-til").manifest
    assert manifest.counts.matches and manifest.rows["test"] == 217_316


def test_gowalla_in_the_split_of_lightgcn() -> None:
    manifest = prepare("gowalla-lightgcn", raw=DATA / "gowalla-lightgcn").manifest
    assert manifest.counts.matches and manifest.rows["test"] == 217_242
    other = prepare("gowalla", raw=DATA / "gowalla-til").manifest
    assert other.counts.matches and other.fingerprint != manifest.fingerprint
    mistaken = prepare("gowalla", raw=DATA / "gowalla-lightgcn", force=True).manifest
    assert mistaken.counts.matches is False  # the counts of the parts tell the two apart
    assert prepare("gowalla", Variant(split="random"), raw=DATA / "gowalla-til").manifest.counts.matches


def test_a_sample_of_taobao() -> None:
    (path,) = (DATA / "taobao-sample").glob("*.csv")
    blocks = load_reader("table")(find("taobao"), Source({"UserBehavior.csv": path})).log
    log = pl.concat(list(blocks))
    assert len(log) == 4321 and log["user_id"].n_unique() == 43
    assert set(log["behavior"]) == {"pv", "buy", "cart", "fav"}
