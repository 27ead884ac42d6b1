"""Vectors of users and items that training did not see: from their features, or from the items that a user had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import polars as pl
import torch
from torch import Tensor

from recbench.backbones import base as backbones
from recbench.backbones.base import BACKBONES, Backbone, evaluation_mode
from recbench.backbones.building_blocks.two_sides import EntityEncoder, TwoSidedBackbone
from recbench.data.dataset import Dataset, Log, Table, table_of
from recbench.data.manifest_file import read_manifest
from recbench.errors import DataError, UsageError
from recbench.preparation.buckets import ABSENT
from recbench.preparation.feature_encoding import FeatureEncoding, encode_feature, encodings_of
from recbench.readers.building_blocks.row_block import RowBlock
from recbench.readers.building_blocks.typed_columns import ColumnRoles, as_ids, check_vectors, plain_columns
from recbench.results.record import RunRecord
from recbench.results.store import Store
from recbench.run.export import model_of_vectors, vector_columns, with_vectors
from recbench.run.raw_ids import known_rows, side_options
from recbench.settings import Value, owned_by
from recbench.training.model import Model
from recbench.training.scorer import Scorer

SideName = Literal["user", "item"]
SIDES: tuple[SideName, ...] = ("user", "item")


@dataclass(frozen=True)
class EncodedRows:
    """Users or items with their vectors, as in the files of an export."""

    side: SideName
    frame: pl.DataFrame
    columns: tuple[str, ...]  # those of `frame` that hold vectors
    notes: tuple[str, ...]  # what is worth knowing of them


def encode(
    record: RunRecord, store: Store, rows: pl.DataFrame, side: SideName | None = None, path: Path = Path("rows")
) -> EncodedRows:
    """Return the vectors by which a run would score new users or items, those of known ones being what `eval` uses.

    A backbone of two sides encodes features: `rows` has their raw columns, a row per user or item, and the side is that
    whose columns are there unless it is given. A backbone that reads what users had encodes users: `rows` has columns
    `user` (any id) and `item` (raw ids), a row for each item with some feedback, the oldest first; `train` is not
    among them. `path` is what messages call the rows.
    Raises UsageError for a backbone that knows only the ids of training, and DataError for rows of another form.
    """
    data, model = model_of_vectors(record, store)
    if not len(rows):
        raise DataError(f"{path}: no rows")
    if isinstance(model.backbone, TwoSidedBackbone):
        return _by_features(data, model, model.backbone, rows, side or _side_of(data, rows, path), path)
    if "new users" not in model.backbone.offers or side == "item" or not {"user", "item"} <= set(rows.columns):
        raise _knows_ids_alone(model.backbone, path)
    return _by_histories(data, model, record.key.settings, rows, path)


def _knows_ids_alone(backbone: Backbone, path: Path) -> UsageError:
    """Return the error of a backbone that encodes no features, where these are no rows of what users had."""
    by_features, by_rows = [], []
    for name, other in BACKBONES.items():
        if issubclass(other, TwoSidedBackbone):
            by_features.append(name)
        elif other.decomposable and "new users" in other.offers:
            by_rows.append(name)
    features = f"a run of a backbone that encodes features: {', '.join(by_features)}"
    if "new users" in backbone.offers:
        return UsageError(
            f"{path}: backbone `{backbone.name}` encodes new users by what they had, given as columns user and item; "
            f"of items it has those of training alone, so take for new ones {features}"
        )
    return UsageError(
        f"{path}: backbone `{backbone.name}` has vectors of the users and items of training alone; train again with "
        f"the new rows, or take {features}; for new users also one that encodes what they had: {', '.join(by_rows)}"
    )


def _side_of(data: Dataset, rows: pl.DataFrame, path: Path) -> SideName:
    """Return the side whose features are the columns; raises DataError if that is neither, UsageError if both."""
    needed = {side: side_options(data, side).features for side in SIDES}
    found = [side for side in SIDES if set(needed[side]) <= set(rows.columns)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{path}: has the columns of users and those of items; say which by --side user or item")
    columns = " or, for users, ".join(", ".join(needed[side]) for side in ("item", "user"))
    raise DataError(f"{path}: expected the columns {columns}; found {', '.join(rows.columns)}")


def _by_features(
    data: Dataset, model: Model, backbone: TwoSidedBackbone, rows: pl.DataFrame, side: SideName, path: Path
) -> EncodedRows:
    table = encode_rows(data, side, rows, path)
    vectors = encode_table(backbone, side, table)
    other = vectors[:1]  # of the other side there is nothing to score
    tables = (vectors, other) if side == "user" else (other, vectors)
    users, items = vector_columns(Scorer(backbone, model.loss, tables=tables), data.feedback)
    unknown = count_unknown(table)
    notes = [
        f"{unknown:,} of {len(rows):,} {side}s have no value that occurs in train, so that nothing tells them apart"
    ]
    own = users if side == "user" else items
    return EncodedRows(side, with_vectors(rows, own), tuple(own), tuple(notes if unknown else ()))


@torch.no_grad()
def encode_table(backbone: TwoSidedBackbone, side: SideName, table: Table) -> Tensor:
    """Return the vectors [n, K, D] of the entities of a table."""
    with evaluation_mode(backbone):
        encoder = EntityEncoder(backbone, side)
        blocks = torch.arange(len(table), device=table.value.device).split(backbone.entities_at_once)
        return torch.cat([encoder(table.value[b], None if table.dense is None else table.dense[b]) for b in blocks])


def _by_histories(
    data: Dataset, model: Model, values: Mapping[str, Value], rows: pl.DataFrame, path: Path
) -> EncodedRows:
    item = known_rows(path, rows["item"], "item", data)
    lost = int((item >= data.items.seen).fill_null(value=True).sum())
    if lost == len(rows):
        raise DataError(f"{path}: none of the items occurs in train, so that nothing is known of any user")
    users = rows.select("user").unique(maintain_order=True)
    number = rows.select("user").join(
        users.with_row_index("number"), on="user", how="left", maintain_order="left", nulls_equal=True
    )
    kept = item.is_not_null()
    first = len(data.users)
    log = Log(
        user=torch.from_numpy(number["number"].filter(kept).cast(pl.Int32).to_numpy() + first),
        item=torch.from_numpy(item.filter(kept).cast(pl.Int32).to_numpy().copy()),
        label=torch.ones(int(kept.sum()), len(data.feedback), dtype=torch.uint8),
    )
    backbone = _with_more_users(data, model.backbone, values, len(users))
    vectors = _user_vectors(backbone, log, torch.arange(first, first + len(users)))
    queries, _ = vector_columns(Scorer(backbone, model.loss, tables=(vectors, vectors[:1])), data.feedback)
    repeated = len(rows) - rows.select("user", "item").n_unique()
    notes = {
        "are of items that do not occur in train, and do not count": lost,
        "repeat a user and an item of another row, and are read all the same": repeated,
    }
    told = tuple(f"{count:,} of {len(rows):,} rows {what}" for what, count in notes.items() if count)
    return EncodedRows("user", with_vectors(users, queries), tuple(queries), told)


def _with_more_users(data: Dataset, backbone: Backbone, values: Mapping[str, Value], count: int) -> Backbone:
    """Return the backbone with `count` more users, unseen in train, after its own."""
    table = data.users
    value = torch.cat([table.value, table.value.new_zeros(count, table.value.shape[1])])
    dense = (
        None if table.dense is None else torch.cat([table.dense, table.dense.new_zeros(count, table.dense.shape[1])])
    )
    more = replace(data, users=replace(table, value=value, dense=dense), new_test_users=True)
    larger = backbones.create(type(backbone), more, backbone.towers, backbone.cosine, owned_by("backbone", values))
    larger.cosine_ranking = backbone.cosine_ranking
    own = backbone.state_dict()
    with torch.no_grad():
        for name, tensor in larger.state_dict().items():
            known = own[name]
            if known.shape == tensor.shape:
                tensor.copy_(known)
            else:  # a vector per user: those of unseen ones are zero
                tensor.zero_()[: len(known)] = known
    return larger


@torch.no_grad()
def _user_vectors(backbone: Backbone, log: Log, user: Tensor) -> Tensor:
    """Return the vectors [n, K, D] of users [n], of whom this log is known."""
    known, one = backbone.histories(log), torch.zeros(1, 1, dtype=torch.long)
    with evaluation_mode(backbone):
        return torch.cat([backbone(rows, one, known).user for rows in user.split(backbone.entities_at_once)])


def encode_rows(data: Dataset, side: Literal["user", "item"], rows: pl.DataFrame, path: Path) -> Table:
    """Return a table of users or items that are given as in the raw data, a column per feature.

    Values that do not occur in train are unknown, as they are to users and items of the test rows alone. Rows are
    counted from 1 in messages, which name `path`. Raises DataError for a missing column and for a wrong value.
    """
    own, options = side_options(data, side), read_manifest(data.folder).options
    missing = [name for name in own.features if name not in rows.columns]
    if missing:
        raise DataError(
            f"{path}: no column {', '.join(missing)}; a new {side} of {data.name} needs the columns "
            f"{', '.join(own.features)}"
        )
    roles = ColumnRoles(
        ids=own.categorical,
        numbers=own.numeric,
        bags=own.bag,
        vectors=own.vector,
        types={},
        separator=options.bag_separator,
        null_values=options.null_values,
        decimal=options.decimal,
    )
    block = RowBlock(path, rows.select(own.features), range(1, len(rows) + 1), "row")
    block = plain_columns(block, roles)
    check_vectors(block, own.vector, options.bag_separator)
    encodings = encodings_of(data, side)
    columns = [_encode(block.frame[it.column.name], it, options.bag_separator) for it in encodings]
    return table_of(pl.DataFrame(columns), [it.column for it in encodings], 0, data.items.value.device)


def count_unknown(table: Table) -> int:
    """Return how many entities have no value that occurs in train, so that nothing is known of them."""
    if table.dense is not None:
        return 0
    numeric = [column.kind == "numeric" for column in table.columns for _ in range(column.width)]
    nothing = table.value.new_tensor([ABSENT if it else 0 for it in numeric])
    return int((table.value == nothing).all(1).sum())


def _encode(value: pl.Series, encoding: FeatureEncoding, separator: str) -> pl.Series:
    if encoding.column.kind != "categorical" or encoding.vocabulary is None:
        return encode_feature(value, encoding, separator)
    kind = encoding.vocabulary["value"].dtype
    typed = as_ids(value, kind)
    ids = encode_feature(typed, encoding, separator)
    return ids.set(typed.is_null() & value.is_not_null(), 0)  # what is not of the type is not the empty value
