from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recbench.data.manifest import Column
from recbench.errors import DataError
from recbench.preparation import entities
from recbench.preparation.entities import Entities
from recbench.preparation.entity_keys import Keys
from recbench.preparation.features import attach_features
from recbench.sources.catalog import find
from recbench.sources.dataset_spec import Side


def built(
    folder: Path, log: pl.DataFrame, table: pl.DataFrame | None, side: Side, train: list[bool], **options: Any
) -> tuple[Entities, pl.DataFrame, pl.DataFrame, list[int]]:
    """Encode the entities of a log; return also their ids, keys and the row of each log row."""
    spec = replace(find("synthetic"), **options)
    keys = Keys((side.key,) if table is not None and side.key else side.identity, folder / "keys.parquet")
    code = pl.concat([keys.code(block) for block in log.iter_slices(2)]).to_numpy()
    blocks = None if table is None else table.iter_slices(2)
    features = attach_features(keys, blocks, side, folder / "table.parquet")
    counts = np.zeros((3, len(keys)), np.uint32)
    np.add.at(counts, (np.where(train, 0, 2), code), 1)
    entity = entities.fit(spec, side, keys, features, counts)
    parts = list(entities.encode(entity, 3, folder / "ranges"))
    return entity, pl.concat(ids for ids, _ in parts), pl.concat(key for _, key in parts), entity.row[code].tolist()


def test_entities_of_a_table(tmp_path: Path) -> None:
    log = pl.DataFrame({"id": [10, 9, 2, 10, 7]})
    table = pl.DataFrame(
        {
            "id": [2, 7, 9, 10, 11],
            "city": ["Z", "A", None, "B", "C"],
            "bag": ["q", "p|q|new|q", None, "p", "x"],
            "age": [5.0, None, 1.0, 3.0, 9.0],
        }
    )
    side = Side("id", ("id", "city"), ("age",), ("bag",))
    entity, ids, keys, row = built(tmp_path, log, table, side, [True, True, True, True, False])
    assert keys.rows() == [(0, 2), (1, 9), (2, 10), (3, 7)]
    assert (entity.seen, row) == (3, [2, 1, 0, 2, 3])
    assert ids["id"].to_list() == [1, 2, 3, 0]
    assert ids["city"].to_list() == [2, 3, 1, 0]  # B, Z, null
    assert ids["bag"].to_list() == [[2], [0], [1], [1]]  # cut to the longest bag in train
    columns = {it.column.name: it for it in entity.encodings}
    assert columns["city"].vocabulary is not None and columns["age"].edges is not None
    assert columns["city"].vocabulary.rows() == [(1, "B"), (2, "Z"), (3, None)]
    assert columns["age"].edges[0] == 1.0 + 0.06 * 2  # over rows (3, 1, 5, 3), not over entities
    assert [(it.column.name, it.column.size, it.column.width) for it in entity.encodings] == [
        ("id", 4, 1),
        ("city", 4, 1),
        ("bag", 3, 1),
        ("age", 2 + len(columns["age"].edges) + 1, 1),
    ]


def test_entities_without_a_table_are_distinct_rows(tmp_path: Path) -> None:
    log = pl.DataFrame({"id": ["b", "a", "b", "b"], "city": ["X", None, "Y", "X"]})
    entity, _, keys, row = built(tmp_path, log, None, Side("id", ("city",)), [True] * 4)
    assert keys.rows() == [(0, "b", "X"), (1, "a", None), (2, "b", "Y")]  # as they appear
    assert row == [0, 1, 2, 0] and (entity.keys, entity.count) == (2, 3)


def test_an_entity_that_its_table_lacks_has_empty_features(tmp_path: Path) -> None:
    log = pl.DataFrame({"id": [1, 2]})
    table = pl.DataFrame({"id": [1], "city": ["A"]})
    entity, ids, _, _ = built(tmp_path, log, table, Side("id", ("city",)), [True, True])
    assert ids["city"].to_list() == [1, 2]
    assert entity.encodings[0].vocabulary is not None
    assert entity.encodings[0].vocabulary.rows() == [(1, "A"), (2, None)]


def test_rare_values_are_unknown(tmp_path: Path) -> None:
    log = pl.DataFrame({"id": [1, 2, 3, 4, 5, 6], "city": ["A", "B", "A", "C", "B", "C"]})
    train = [True, True, True, True, True, False]  # C stands on one train row only
    _, ids, _, _ = built(tmp_path, log, None, Side("id", ("city",)), train, min_count=2)
    assert ids["city"].to_list() == [1, 2, 1, 0, 2, 0]


def test_dense_vectors(tmp_path: Path) -> None:
    log = pl.DataFrame({"id": [1, 2, 3], "v": ["0.5|1", None, "-2|1e3"]})
    side = Side("id", vector=("v",))
    entity, ids, _, _ = built(tmp_path, log, None, side, [True, True, True])
    assert entity.encodings[0].column == Column("v", "vector", 0, 2)
    assert ids["v"].to_list() == [[0.5, 1.0], [0.0, 0.0], [-2.0, 1000.0]]
    for value, message in (("1|2|3", "synthetic: vector `v` holds 2 and 3 numbers"), ("x|1", "vector `v`")):
        with pytest.raises(DataError, match=message):
            built(tmp_path, log.with_columns(v=pl.Series(["0|1", value, None])), None, side, [True] * 3)
    with pytest.raises(DataError, match="synthetic: vector `v` is empty in every row; leave it out"):
        built(tmp_path, log.with_columns(v=pl.lit(None, pl.String)), None, side, [True] * 3)
