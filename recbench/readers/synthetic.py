"""Generated data: no files, a size and a seed."""

from __future__ import annotations

from recbench.readers.base import Raw, Source
from recbench.sources.catalog import Spec
from recbench.sources.synthetic_shop import ROWS, generate


def read(spec: Spec, source: Source) -> Raw:
    """Generate `source.rows` rows from `source.seed`."""
    users, items, log = generate(ROWS if source.rows is None else source.rows, source.seed)
    return Raw(log, [users], [items])
