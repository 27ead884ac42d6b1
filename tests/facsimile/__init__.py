"""Facsimiles: files in the exact raw layout of every public dataset, of any size, with counts that are known.

For tests and benchmarks only: what is in them is random, so no result on them says anything about a method. The counts
come from the arrays that the text was made of, not from reading it. Nothing here is called by a command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from recbench.errors import UsageError, unknown
from tests.facsimile import (
    aliccp,
    aliexpress,
    amazon,
    gowalla,
    kuairand,
    movielens_csv,
    movielens_text,
    pairs,
    retailrocket,
    taobao,
)
from tests.facsimile.aliexpress import archive_ae
from tests.facsimile.contents import Contents, Counts

__all__ = ["NAMES", "Counts", "Contents", "archive_ae", "write"]

SMALLEST = 1000  # rows

_WRITERS: Mapping[str, Callable[[Path, int, int], Contents]] = {
    "aliccp": aliccp.write,
    **{f"ae-{code}": partial(aliexpress.write, f"ae-{code}") for code in aliexpress.COUNTRIES},
    **{name: partial(kuairand.write, name) for name in ("kuairand-pure", "kuairand-1k")},
    "retailrocket": retailrocket.write,
    "ml-100k": movielens_text.write_100k,
    "ml-1m": movielens_text.write_1m,
    **{name: partial(movielens_csv.write, name) for name in ("ml-20m", "ml-25m", "ml-32m")},
    "amazon-books": amazon.write_books,
    "amazon-cd": amazon.write_cds,
    "taobao": taobao.write,
    "gowalla": gowalla.write_gowalla,
    "gowalla-lightgcn": gowalla.write_gowalla,
    "gowalla-checkins": gowalla.write_checkins,
    "lastfm": gowalla.write_lastfm,
    "yelp2018": gowalla.write_gowalla,
    "amazon-book": gowalla.write_gowalla,
    "amazon-beauty": amazon.write_beauty,
    "citeulike-a": pairs.write_citeulike,
    "citeulike-t": pairs.write_citeulike,
    "ml-1m-m1": pairs.write_item_lists,
    "kuairec": pairs.write_kuairec,
    "steam": pairs.write_steam,
    "yambda-50m": pairs.write_yambda,
}
NAMES = tuple(_WRITERS)


def write(name: str, folder: Path, rows: int, seed: int = 0) -> Contents:
    """Write a facsimile of a dataset, called as in the catalogue, into a folder, and return what is in it.

    `rows` is the size of the log: what else there is keeps the proportions of the real files. Raises UsageError for an
    unknown name, fewer than 1000 rows, and a negative seed.
    """
    if name not in _WRITERS:
        raise unknown("facsimile", name, NAMES)
    if rows < SMALLEST:
        raise UsageError(f"facsimile of {name}: {rows} rows; it needs at least {SMALLEST}")
    if seed < 0:
        raise UsageError(f"facsimile of {name}: seed {seed}; use 0 or more")
    return _WRITERS[name](folder, rows, seed)
