from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from recbench.errors import DataError
from recbench.sources.catalog import find
from tests.readers.read_files import read_file

REVIEW = (
    "{u'username': u\"Zo\\xe9's\", u'hours': 0.5, u'product_id': u'725280', u'date': u'1970-01-03', u'text': u'a\\nb'}"
)


def test_steam(tmp_path: Path) -> None:
    path, spec = tmp_path / "steam_reviews.json.gz", find("steam")
    without = REVIEW.replace("u'hours': 0.5, ", "")
    path.write_bytes(gzip.compress(f"{REVIEW}\n{without}\n".encode()))
    assert read_file(spec, path).rows() == [("Zoé's", "725280", 0.5, 172_800), ("Zoé's", "725280", None, 172_800)]
    for bad in (
        "",
        "[1]",
        "{u'username': 3}",
        REVIEW.replace("1970-01-03", "today"),
        REVIEW.replace("u'725280'", "725280"),
        REVIEW.replace("0.5", "'many'"),
        REVIEW.replace("0.5", "9" * 400),
        "__import__('os')",
        "{" * 5000,
    ):
        path.write_bytes(gzip.compress(f"{REVIEW}\n{bad}\n{REVIEW}\n".encode()))
        with pytest.raises(DataError, match="line 2: expected a Python dictionary"):
            read_file(spec, path)
