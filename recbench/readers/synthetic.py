"""Generated data: no files, a size and a seed."""

from __future__ import annotations

from recbench.readers.base import RawTables, Source
from recbench.sources.dataset_spec import DatasetSpec
from recbench.sources.synthetic_shop import ROWS, generate


def read(spec: DatasetSpec, source: Source) -> RawTables:
    """Generate `source.rows` rows from `source.seed`."""
    users, items, log = generate(ROWS if source.rows is None else source.rows, source.seed)
    return RawTables(log, [users], [items])
