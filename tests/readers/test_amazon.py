from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from recbench.errors import DataError
from recbench.sources.catalog import find
from tests.readers.read_files import read_file

REVIEW = '{"reviewerID": "A", "asin": "1", "helpful": [2, 3], "overall": 5.0, "unixReviewTime": 1252800000}'


def test_amazon_reviews(tmp_path: Path) -> None:
    spec, path = find("amazon-books"), tmp_path / "reviews_Books_5.json.gz"
    path.write_bytes(gzip.compress(f"{REVIEW}\n{REVIEW.replace('A', 'B')}\n".encode()))
    assert read_file(spec, path).rows() == [("A", "1", 5.0, 1252800000), ("B", "1", 5.0, 1252800000)]
    for bad, message in (
        ("{", "line 2: not a JSON object"),
        ("[1]", "line 2: not a JSON object"),
        (REVIEW.replace('"A"', "null"), "line 2: `reviewerID` is 'None'; expected text"),
        (REVIEW.replace("1252800000", '"today"'), "line 2: `unixReviewTime` is 'today'; expected a number"),
        (REVIEW.replace('"asin": "1", ', ""), "line 2: `asin` is 'None'; expected text"),
    ):
        path.write_bytes(gzip.compress(f"{REVIEW}\n{bad}\n".encode()))
        with pytest.raises(DataError, match=message):
            read_file(spec, path)
