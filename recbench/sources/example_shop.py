"""A complete example of a user's own dataset: a small log, its products and its catalogue entry, to copy and change."""

from __future__ import annotations

import shlex
from pathlib import Path

import polars as pl

from recbench.errors import DataError, UsageError
from recbench.sources.synthetic_shop import generate

ROWS = 40_000
LOG = "events.csv"
ITEMS = "products.csv"
CATALOGUE = "shop.toml"
CITIES = ("Zürich", "Łódź", "København", "東京", "São Paulo", "Αθήνα", "Kyiv", "Oslo", "Graz", "Lyon")

ENTRY = """# What the columns of events.csv mean. Every key is explained in docs/datasets.md.
[shop]
title = "Our shop"
reader = "table"
files = ["events.csv"]              # beside this file; several, a folder, or a pattern such as "events-*.csv.gz", are
                                    # one log, in the order of their names
time = "time"                       # ISO 8601; for numbers add time_unit = "s" or "ms"
null_values = ["NA"]                # what stands for an empty field
filter = "customer IS NOT NULL"     # rows to keep
splits = ["global", "user", "date"] # the first is the default: one moment cuts all rows into train, valid and test
split_date = "2024-01-28"           # first day of test, for `--split date`

# From frequent to rare: SQL over the columns, true where the feedback was given.
[shop.feedback]
view = "event IN ('view', 'cart', 'buy')"
cart = "event IN ('cart', 'buy')"
buy = "event = 'buy'"

[shop.user]                         # what is known of customers stands on every row of the log
key = "customer"
categorical = ["customer", "city"]  # the key too, so that every customer has a vector of its own
numeric = ["age"]
changing = "last"                   # who moved or had a birthday is one customer: the last value in train that is known

[shop.item]                         # what is known of products stands in a table of its own, found by its key
file = "products.csv"
file_key = "id"                     # what `product` is called there
key = "product"
categorical = ["product", "category", "brand"]
numeric = ["price"]
bag = ["tags"]                      # several words in one field, joined by |
"""

STEPS = """cd {folder}
recbench prepare shop --catalog shop.toml
recbench train --loss gnolr --dataset shop
recbench eval
recbench leaderboard --dataset shop
"""


def write_example(folder: Path) -> list[str]:
    """Write the log and its catalogue entry into a folder and return the commands to type next.

    Raises UsageError if one of the files is there already, and DataError if the folder cannot be written.
    """
    for name in (LOG, ITEMS, CATALOGUE):
        if (folder / name).exists():
            raise UsageError(f"{folder / name}: exists; name a new folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in _tables().items():
            table.write_csv(folder / name, null_value="NA")
        (folder / CATALOGUE).write_text(ENTRY, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error}); name another folder") from error
    return STEPS.format(folder=shlex.quote(str(folder))).splitlines()


def _tables() -> dict[str, pl.DataFrame]:
    """Return a log of events, impressions without any among them, with its customers, and a table of its products."""
    users, items, chunks = generate(ROWS, seed=0)
    log = pl.concat(chunks).join(users, on="user_id").sort("time")
    event = (
        pl.when(pl.col("is_buy") == 1)
        .then(pl.lit("buy"))
        .when(pl.col("is_cart") == 1)
        .then(pl.lit("cart"))
        .when(pl.col("is_view") == 1)
        .then(pl.lit("view"))
        .otherwise(pl.lit("impression"))
    )
    region = pl.col("region").str.slice(-2).cast(pl.Int32) % len(CITIES)
    customer = pl.format("c{}", pl.col("user_id"))
    events = log.select(
        time=pl.from_epoch("time", time_unit="s").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        customer=pl.when(pl.int_range(pl.len()) % 997 == 5).then(None).otherwise(customer),
        city=region.replace_strict(dict(enumerate(CITIES)), return_dtype=pl.String),
        age=pl.col("age"),
        product=pl.format("p{}", pl.col("item_id")),
        event=event,
    )
    products = items.sort("item_id").select(
        pl.format("p{}", "item_id").alias("id"), "category", "brand", "price", "tags"
    )
    return {LOG: events, ITEMS: products}
