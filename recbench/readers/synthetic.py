"""Generated data: no files, a size and a seed."""

from __future__ import annotations

from recbench.readers.base import RawTables, Source
from recbench.sources.dataset_spec import DatasetSpec
from recbench.sources.synthetic_shop import FEEDBACK, ROWS, generate


def read(spec: DatasetSpec, source: Source) -> RawTables:
    """Generate `source.rows` rows from `source.seed`."""
    users, items, log = generate(ROWS if source.rows is None else source.rows, source.seed)
    truth = tuple(f"truth_{name}" for name in FEEDBACK)
    return RawTables(log, [users], [items], truth=truth)
